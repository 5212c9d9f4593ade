"""Takes what is too old out of the file of events that no row could be made of, while recorders go on writing to it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

PLACE: Final = Path("outbox") / "dead-letters.jsonl"
"""In the state folder."""
_SETTLE: Final = 0.2
"""Seconds for a recorder that has just opened the file to write its line."""


def remove_old(file: Path, before: float, held: Collection[str], *, dry_run: bool = False) -> int:
    """Lines removed: those older than ``before`` (seconds since 1970), calls in ``held`` (their ids) apart.

    The age of a line is that of its event; where that cannot be read, of the next line that has one, since they are
    written in turn, or of the file. Blocks for a moment. Raises OSError; then no line is lost.
    """
    aside = file.with_name(f".{file.name}.sorted")
    if dry_run:
        return sum(len(_split(one, before, held)[1]) for one in (aside, file))
    removed = len(_sort(aside, file, before, held))  # of a run that was cut short
    if _split(file, before, held)[1]:
        file.rename(aside)  # a recorder opens the file anew for each line
        time.sleep(_SETTLE)
        removed += len(_sort(aside, file, before, held))
    return removed


def _sort(aside: Path, file: Path, before: float, held: Collection[str]) -> list[bytes]:
    """Put the lines of ``aside`` that stay back into ``file``; those that go."""
    kept, gone = _split(aside, before, held)
    if kept:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(b"".join(kept))
            out.flush()
            os.fsync(out.fileno())
    aside.unlink(missing_ok=True)
    return gone


def _split(file: Path, before: float, held: Collection[str]) -> tuple[list[bytes], list[bytes]]:
    """The lines that stay and those that go, each with its end."""
    try:
        lines = file.read_bytes().splitlines(keepends=True)
        age = file.stat().st_mtime
    except FileNotFoundError:
        return [], []
    kept: list[bytes] = []
    gone: list[bytes] = []
    for line in reversed(lines):
        record = _record(line)
        age = _moment(record, age)
        old = age < before and record.get("call") not in held
        (gone if old else kept).append(line if line.endswith(b"\n") else line + b"\n")
    return kept[::-1], gone[::-1]


def _record(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)["record"]
    except (ValueError, KeyError, TypeError):
        return {}
    return record if isinstance(record, dict) else {}


def _moment(record: dict[str, Any], otherwise: float) -> float:
    event = record.get("event")
    for value in (event.get("at") if isinstance(event, dict) else None, record.get("began")):
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return otherwise
