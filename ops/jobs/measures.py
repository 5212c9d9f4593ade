"""Writes what ``engine.records.ops_measures`` reads: the metrics of this machine's jobs, in a file always whole."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.records.ops_measures import read_measures
from ops.jobs.job import Report, Verdict


def note_begin(file: Path, job: str, run_id: str, now: float) -> None:
    """A run began. Raises OSError."""

    def change(entry: dict[str, Any]) -> None:
        entry.update(last_run=run_id, last_started=now)

    _change(file, job, change)


def note_end(file: Path, job: str, report: Report, started: float, now: float) -> None:
    """A run ended. The figures of an earlier run stay where this one has none. Raises OSError."""

    def change(entry: dict[str, Any]) -> None:
        entry.update(last_finished=now, last_duration_s=max(0.0, now - started), last_verdict=report.verdict.value)
        if report.verdict is Verdict.OK:
            entry["last_success"] = now
        if report.figures:
            entry["figures"] = {name: float(value) for name, value in report.figures.items()}

    _change(file, job, change)


def note_figures(file: Path, job: str, figures: Mapping[str, float]) -> None:
    """How a run that goes on is. Raises OSError."""

    def change(entry: dict[str, Any]) -> None:
        entry["figures"] = {name: float(value) for name, value in figures.items()}

    _change(file, job, change)


def note_elsewhere(file: Path, job: str, known: dict[str, Any]) -> None:
    """What the database knows of a run, where it is newer than what this machine has seen: another machine had it.

    ``known`` holds entries as this module writes them. Raises OSError.
    """

    def change(entry: dict[str, Any]) -> None:
        if (known.get("last_finished") or 0) > (entry.get("last_finished") or 0):
            entry.update({name: value for name, value in known.items() if value is not None})

    _change(file, job, change)


def _change(file: Path, job: str, change: Callable[[dict[str, Any]], None]) -> None:
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
