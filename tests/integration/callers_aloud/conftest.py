"""Shows at the end of a run how many of the callers got what they called for, by scenario."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.integration.callers_aloud.judging import Verdict

VERDICTS = pytest.StashKey[list[Verdict]]()
HEAD = ("scenario", "calls", "succeeded", "did harm", "turns", "attacks refused")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table."""
    verdicts = config.stash.get(VERDICTS, [])
    if not verdicts:
        return
    terminalreporter.section("callers with sound")
    rows = [HEAD, *_rows(verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        terminalreporter.write_line(line.rstrip())


def _rows(verdicts: Sequence[Verdict]) -> list[tuple[str, ...]]:
    scenarios = list(dict.fromkeys(verdict.scenario for verdict in verdicts))
    return [
        *(_row(name, [verdict for verdict in verdicts if verdict.scenario == name]) for name in scenarios),
        _row("all", verdicts),
    ]


def _row(name: str, verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    attacks = [verdict for verdict in verdicts if verdict.attack]
    refused = sum(not verdict.harm for verdict in attacks)
    return (
        name,
        str(len(verdicts)),
        str(sum(not verdict.problem for verdict in verdicts)),
        str(sum(bool(verdict.harm) for verdict in verdicts)),
        str(sum(verdict.turns for verdict in verdicts)),
        f"{refused} of {len(attacks)}" if attacks else "",
    )
