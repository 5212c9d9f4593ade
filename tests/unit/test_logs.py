"""Logging: the shape of a line, the call it names, and what never stands in it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import LoggingSettings
from engine.logs import call_logging, configure_logging, mask_numbers

CALL = "00000000-1111-4222-8333-123456789012"
logger = logging.getLogger("engine.test")


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def json_lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_carries_call_and_fields() -> None:
    stream = io.StringIO()
    configure_logging(LoggingSettings(format="json"), stream)
    with call_logging(CALL):
        logger.info("accepted after %d ms", 12, extra={"waited_ms": 12, "peer": "127.0.0.1"})
    logger.warning("outside")
    inside, outside = json_lines(stream)
    assert inside["message"] == "accepted after 12 ms"
    assert (inside["call"], inside["waited_ms"], inside["peer"]) == (CALL, 12, "127.0.0.1")
    assert (inside["level"], inside["logger"]) == ("info", "engine.test")
    assert inside["time"].endswith("Z")
    assert "call" not in outside


def test_a_text_line_reads_in_order() -> None:
    stream = io.StringIO()
    configure_logging(LoggingSettings(), stream)
    with call_logging(CALL):
        logger.error("lost", extra={"replica": "stt-1"})
    assert stream.getvalue().endswith(f"ERROR   engine.test call={CALL} lost replica=stt-1\n")


def test_less_than_the_level_is_silent() -> None:
    stream = io.StringIO()
    configure_logging(LoggingSettings(level="error"), stream)
    logger.warning("not said")
    assert stream.getvalue() == ""


def test_configuring_twice_does_not_double_the_lines() -> None:
    stream = io.StringIO()
    configure_logging(LoggingSettings(), stream)
    configure_logging(LoggingSettings(), stream)
    logger.info("once")
    assert stream.getvalue().count("once") == 1


async def test_tasks_keep_the_call_they_were_started_in() -> None:
    stream = io.StringIO()
    configure_logging(LoggingSettings(format="json"), stream)

    async def work(name: str) -> None:
        await asyncio.sleep(0)
        logger.info("working on %s", name)

    tasks = []
    for name in ("first", "second"):
        with call_logging(name):
            tasks.append(asyncio.create_task(work(name)))
    await asyncio.gather(*tasks)
    assert [line["call"] for line in json_lines(stream)] == ["first", "second"]


@pytest.mark.parametrize("shape", ["text", "json"])
def test_no_number_reaches_message_field_or_traceback(shape: Any) -> None:
    stream = io.StringIO()
    configure_logging(LoggingSettings(format=shape), stream)
    try:
        int("no customer 380671234567")
    except ValueError:
        logger.exception("call of %s failed", "+380 (67) 123-45-67", extra={"caller": "0671234567"})
    assert "380671234567" not in stream.getvalue()
    assert "123-45-67" not in stream.getvalue()
    assert "0671234567" not in stream.getvalue()
    assert stream.getvalue().count("[number]") >= 3


def test_what_is_no_number_stays() -> None:
    text = f"{CALL} 127.0.0.1:9092 2026-11-22 19:33:07 215/55 R17 order 123456"
    assert mask_numbers(text) == text


@given(st.text(), st.text(alphabet="0123456789", min_size=7, max_size=15), st.text())
def test_no_run_of_seven_digits_survives_anywhere(before: str, number: str, after: str) -> None:
    assert number not in mask_numbers(f"{before} {number} {after}")
