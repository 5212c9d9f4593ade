"""Structured logging: one line an event, with the call it belongs to, and with no telephone number in it.

Fields go beside the message: ``logger.info("call accepted", extra={"waited_ms": 12})``.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from engine.config import LoggingSettings

current_call: Final[ContextVar[str]] = ContextVar("current_call", default="")
"""Id of the call that the running task works for; empty outside a call."""

_MASK: Final = "[number]"
_NUMBER: Final = re.compile(
    r"(?P<id>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)"  # ids stay readable
    r"|\+\d(?:[ ().-]{0,2}\d){6,}"  # an international number, however it is grouped
    r"|\d{7,}"
)
_STANDARD: Final = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "call_id", "taskName"))
_QUIET: Final = ("aiohttp.access", "asyncio", "grpc", "ray", "urllib3", "uvicorn.access")
"""Loggers of libraries whose everyday lines tell nothing about calls."""


@contextmanager
def call_logging(call_id: str) -> Iterator[None]:
    """Lines logged inside, and by tasks started inside, carry this call's id."""
    token = current_call.set(call_id)
    try:
        yield
    finally:
        current_call.reset(token)


def mask_numbers(text: str) -> str:
    """``text`` with everything that may be a telephone number (seven digits or more) replaced; UUIDs are left."""
    return _NUMBER.sub(lambda found: found["id"] or _MASK, text)


def configure_logging(settings: LoggingSettings, stream: TextIO | None = None) -> None:
    """Make the process log to ``stream`` (stderr where None) as the settings say; replaces what was set before."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(_add_call)
    handler.setFormatter(JsonLines() if settings.format == "json" else TextLines())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, call, and the fields given beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": mask_numbers(record.getMessage()),
        }
        if call := _call(record):
            line["call"] = call
        line.update({name: _plain(value) for name, value in _fields(record).items()})
        if record.exc_info:
            line["exception"] = mask_numbers(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


class TextLines(logging.Formatter):
    """The same for people: time, level, logger, call, message, then the fields as ``name=value``."""

    def format(self, record: logging.LogRecord) -> str:
        call = f" call={_call(record)}" if _call(record) else ""
        fields = "".join(f" {name}={_plain(value)}" for name, value in _fields(record).items())
        message = mask_numbers(record.getMessage())
        line = f"{_time(record)} {record.levelname:<7} {record.name}{call} {message}{fields}"
        if record.exc_info:
            line += "\n" + mask_numbers(self.formatException(record.exc_info))
        return line


def _add_call(record: logging.LogRecord) -> bool:
    record.call_id = current_call.get()
    return True


def _call(record: logging.LogRecord) -> str:
    return str(getattr(record, "call_id", ""))


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _plain(value: object) -> Any:
    """``value`` as JSON can say it. A count stays a count: a telephone number is a text wherever it comes from."""
    return value if value is None or isinstance(value, bool | int | float) else mask_numbers(str(value))


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03d}Z"
