"""Structured logging: one line an event, with the call it belongs to, and with nothing personal in it.

Fields go beside the message: ``logger.info("call accepted", extra={"waited_ms": 12})``. Messages, fields and tracebacks
are masked, those of libraries too, and so is what Python itself would write to stderr about an error nobody caught.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, TextIO

from engine.config import LoggingSettings
from engine.privacy import SLOTS, Masker, mask

current_call: Final[ContextVar[str]] = ContextVar("current_call", default="")
"""Id of the call that the running task works for; empty outside a call."""

_STANDARD: Final = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "call_id", "taskName"))
_QUIET: Final = (
    "aiohttp.access", "anthropic", "asyncio", "grpc", "httpcore2", "httpx2", "openai", "ray", "urllib3",
    "uvicorn.access",
)  # fmt: skip
"""Loggers of libraries whose everyday lines tell nothing about calls."""


@dataclass(slots=True)
class _Led:
    """The call that this whole process leads."""

    call_id: str = ""
    masker: Masker | None = None


_led: Final = _Led()


@contextmanager
def call_logging(call_id: str) -> Iterator[None]:
    """Lines logged inside, and by tasks started inside, carry this call's id."""
    token = current_call.set(call_id)
    try:
        yield
    finally:
        current_call.reset(token)


@contextmanager
def leading_call(call_id: str, masker: Masker) -> Iterator[None]:
    """The same for a process that leads one call at a time: every line of it carries the id, whoever logs it.

    Threads, callbacks and tasks that were there before the call have no context of it. ``masker``: what it has learned
    of the call is masked in every line as well.
    """
    _led.call_id, _led.masker = call_id, masker
    try:
        with call_logging(call_id):
            yield
    finally:
        _led.call_id, _led.masker = "", None


def masked(text: str) -> str:
    """``text`` as it may be logged here and now; nothing of it where masking fails: what raises in a formatter is
    printed by ``logging`` as it came."""
    try:
        return mask(text) if _led.masker is None else _led.masker.mask(text)
    except Exception as error:
        return f"[not shown: masking it failed with {type(error).__name__}]"


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
    _mask_other_handlers()
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, call, and the fields given beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": masked(record.getMessage()),
        }
        if call := _call(record):
            line["call"] = call
        line.update({name: _plain(name, value) for name, value in _fields(record).items()})
        if record.exc_info:
            line["exception"] = masked(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


class TextLines(logging.Formatter):
    """The same for people: time, level, logger, call, message, then the fields as ``name=value``."""

    def format(self, record: logging.LogRecord) -> str:
        call = f" call={_call(record)}" if _call(record) else ""
        fields = "".join(f" {name}={_plain(name, value)}" for name, value in _fields(record).items())
        message = masked(record.getMessage())
        line = f"{_time(record)} {record.levelname:<7} {record.name}{call} {message}{fields}"
        if record.exc_info:
            line += "\n" + masked(self.formatException(record.exc_info))
        return line


class _Masked(logging.Formatter):
    """Another formatter's lines, masked: for handlers that libraries bring along."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        return masked(self._inner.format(record))


def _mask_other_handlers() -> None:
    """Ray Serve, for one, writes its own log files by handlers of its own loggers."""
    for logger in list(logging.root.manager.loggerDict.values()):
        for handler in logger.handlers if isinstance(logger, logging.Logger) else ():
            if not isinstance(handler.formatter, _Masked | JsonLines | TextLines):
                handler.setFormatter(_Masked(handler.formatter or logging.Formatter()))


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger("engine").critical("an error was not caught", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None and not isinstance(failed.exc_value, SystemExit):
        name = failed.thread.name if failed.thread is not None else "?"
        logging.getLogger("engine").critical(
            "an error was not caught in thread %s",
            name,
            exc_info=(failed.exc_type, failed.exc_value, failed.exc_traceback),
        )


def _add_call(record: logging.LogRecord) -> bool:
    """Gives the record its call, unless it was logged with one."""
    if not getattr(record, "call_id", ""):
        record.call_id = current_call.get() or _led.call_id
    return True


def _call(record: logging.LogRecord) -> str:
    return str(getattr(record, "call_id", ""))


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _plain(name: str, value: object) -> Any:
    """``value`` as JSON can say it. A count stays a count: a telephone number is a text wherever it comes from."""
    if value is None or isinstance(value, bool | int | float):
        return value
    kind = SLOTS.get(name)
    return masked(str(value)) if kind is None else kind.value


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03d}Z"
