"""Logging: the shape of a line, the call it names, and what never stands in it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.config import LoggingSettings
from engine.logs import call_logging, configure_logging, leading_call, masked
from engine.privacy import Masker

CALL = "00000000-1111-4222-8333-123456789012"
logger = logging.getLogger("engine.test")


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    hooks = sys.excepthook, threading.excepthook
    yield
    sys.excepthook, threading.excepthook = hooks
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
    assert stream.getvalue().count("[phone]") >= 3


def test_what_is_no_number_stays() -> None:
    text = f"{CALL} 127.0.0.1:9092 2026-11-22 19:33:07 215/55 R17 order 123456"
    assert masked(text) == text


@given(st.text(), st.text(alphabet="0123456789", min_size=7, max_size=15), st.text())
def test_no_run_of_seven_digits_survives_anywhere(before: str, number: str, after: str) -> None:
    """But behind a word that announces the number of a thing ("order"), which is no person's."""
    assume(masked(f"{before} 123456789") != f"{before} 123456789")
    assert number not in masked(f"{before} {number} {after}")


@pytest.mark.parametrize("text", ["25 m² of 0000000", "¹ 4111111111111112", "²²²²²²²²²²²²²"])
def test_what_looks_like_a_digit_and_is_none_does_no_harm(text: str) -> None:
    assert "0000000" not in masked(text)
    assert "4111111111111112" not in masked(text)


def test_a_text_that_cannot_be_masked_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_text: str) -> str:
        raise ValueError("0501112233")

    monkeypatch.setattr("engine.logs.mask", broken)
    stream = io.StringIO()
    configure_logging(LoggingSettings(format="json"), stream)
    logger.warning("call %s back", "0501112233")
    assert json_lines(stream)[0]["message"] == "[not shown: masking it failed with ValueError]"
    assert "0501112233" not in stream.getvalue()


def test_no_name_address_or_card_reaches_a_line() -> None:
    stream = io.StringIO()
    configure_logging(LoggingSettings(format="json"), stream)
    logger.warning(
        "refused: %s", "customer_name='Margaret Thornbury' at 48 Juniper Avenue", extra={"caller": "anybody"}
    )
    logger.warning("my name is %s and the card is %s", "Thornbury", "4111 1111 1111 1111")
    text = stream.getvalue()
    assert not [canary for canary in ("Thornbury", "Juniper", "anybody", "4111") if canary in text], text
    assert json_lines(stream)[0]["caller"] == "[phone]"


def test_every_line_of_a_process_that_leads_a_call_carries_its_id() -> None:
    """Threads, and loggers of libraries, know nothing of contexts."""
    stream = io.StringIO()
    configure_logging(LoggingSettings(format="json"), stream)
    masker = Masker()
    masker.learn_name("Thornbury")
    with leading_call(CALL, masker):
        thread = threading.Thread(target=logger.info, args=("from a thread about Thornbury",))
        thread.start()
        thread.join()
        logging.getLogger("some.library").warning("from a library")
        logger.error("of another", extra={"call_id": "another"})
    logger.info("afterwards about Thornbury")
    *inside, other, after = json_lines(stream)
    assert [line["call"] for line in inside] == [CALL, CALL]
    assert inside[0]["message"] == "from a thread about [name]"
    assert other["call"] == "another"
    assert "call" not in after
    assert after["message"] == "afterwards about Thornbury", "what was learned of a call is forgotten with it"


def test_a_handler_that_a_library_brought_is_masked_too() -> None:
    stream = io.StringIO()
    library = logging.getLogger("library.with.a.file")
    handler = logging.StreamHandler(stream)
    library.addHandler(handler)
    try:
        configure_logging(LoggingSettings(), io.StringIO())
        configure_logging(LoggingSettings(), io.StringIO())
        library.warning("GET /orders/search?phone=0505551234")
    finally:
        library.removeHandler(handler)
    assert stream.getvalue() == "GET /orders/search?phone=[phone]\n"


def test_an_error_that_nobody_caught_is_logged_masked() -> None:
    stream = io.StringIO()
    configure_logging(LoggingSettings(format="json"), stream)

    def fail() -> None:
        raise ValueError("no customer 380671234567")

    with leading_call(CALL, Masker()):
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        try:
            fail()
        except ValueError as error:
            sys.excepthook(ValueError, error, error.__traceback__)
    lines = json_lines(stream)
    assert [line["call"] for line in lines] == [CALL, CALL]
    assert all("no customer [phone]" in line["exception"] for line in lines)
