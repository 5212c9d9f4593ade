"""What a run on this machine tells of itself: what ``engine.records.ops_measures`` reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.records.ops_file import change_entry
from ops.jobs.job import Report, Verdict


def note_begin(file: Path, job: str, run_id: str, now: float) -> None:
    """A run began. Raises OSError."""

    def change(entry: dict[str, Any]) -> None:
        entry.update(last_run=run_id, last_started=now)

    change_entry(file, job, change)


def note_end(file: Path, job: str, report: Report, started: float, now: float) -> None:
    """A run ended. The figures of an earlier run stay where this one has none. Raises OSError."""

    def change(entry: dict[str, Any]) -> None:
        entry.update(last_finished=now, last_duration_s=max(0.0, now - started), last_verdict=report.verdict.value)
        if report.verdict is Verdict.OK:
            entry["last_success"] = now
        if report.figures:
            entry["figures"] = {name: float(value) for name, value in report.figures.items()}

    change_entry(file, job, change)


def note_figures(file: Path, job: str, figures: Mapping[str, float]) -> None:
    """How a run that goes on is. Raises OSError."""

    def change(entry: dict[str, Any]) -> None:
        entry["figures"] = {name: float(value) for name, value in figures.items()}

    change_entry(file, job, change)
