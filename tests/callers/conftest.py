"""Keeps the verdicts of a run and shows them as one table at its end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.callers.judging import Verdict, document, table
from tests.callers.world import StageModel

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT = DOCS / "callers.md"
MEASURED = DOCS / "measurements" / "callers.json"

VERDICTS = pytest.StashKey[list[Verdict]]()
MODEL = pytest.StashKey[StageModel]()


@pytest.fixture
def verdicts(pytestconfig: pytest.Config) -> list[Verdict]:
    """Of all conversations of this run so far."""
    return pytestconfig.stash.setdefault(VERDICTS, [])


@pytest.fixture(scope="session")
def model(pytestconfig: pytest.Config) -> Iterator[StageModel]:
    """One for the whole run, as one replica serves many calls."""
    made = pytestconfig.stash[MODEL] = StageModel()
    yield made
    made.end()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table, and what a decision of the policy took."""
    found = config.stash.get(VERDICTS, [])
    if not found:
        return
    terminalreporter.section("callers")
    for line in aligned(table(found)):
        terminalreporter.write_line(line)
    seconds = config.stash[MODEL].seconds
    terminalreporter.write_line(f"policy: {len(seconds)} decisions, p95 {1000 * percentile(seconds, 0.95):.1f} ms")

    if os.environ.get("CALLERS_WRITE"):
        DOCUMENT.write_text(document(found), encoding="utf-8")
        head, *rows = table(found)
        measured = {"decisions": len(seconds), "p95_ms": round(1000 * percentile(seconds, 0.95), 2)}
        report = {"scenarios": [dict(zip(head, row, strict=True)) for row in rows], "policy": measured}
        MEASURED.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as text, in columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of ``values`` lies; 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0
