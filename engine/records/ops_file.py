"""Writes the file that ``ops_measures`` reads: what is known of each job, always whole, whoever writes it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine.records.ops_measures import read_measures


def change_entry(file: Path, job: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Let ``change`` have the entry of one job; written where it became another. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(file.with_suffix(".lock")):
        try:
            jobs = read_measures(file)
        except ValueError:  # somebody wrote into it; what the jobs will say is worth more than what it held
            jobs = {}
        before = json.dumps(jobs, sort_keys=True)
        change(jobs.setdefault(job, {}))
        if json.dumps(jobs, sort_keys=True) != before:
            _write(file, json.dumps({"version": 1, "jobs": jobs}, indent=1, sort_keys=True))


def _write(file: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Held for milliseconds, by whoever writes."""
    with file.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
