"""The week as tables (CSV, UTF-8 with a mark so that spreadsheets read it right)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from engine.records.figures import label
from engine.records.week import WeekFigures

_CALLS: Final = (
    "total", "answered", "callers", "turns", "interruptions", "failures", "takeovers", "orders", "bookings",
    "callbacks", "seconds", "seconds_p50", "seconds_p95",
)  # fmt: skip
_OUTCOMES: Final = ("resolved", "transferred", "abandoned", "failed", "refused")
_STAGES: Final = ("endpointing", "final_text", "first_token", "first_audio", "on_the_wire")


def week_table(weeks: Iterable[WeekFigures]) -> bytes:
    """A row for each day and business, days without calls included."""
    head = ["day", "business", *_CALLS, *_OUTCOMES, *(f"{stage}_{q}_s" for stage in _STAGES for q in ("p50", "p95"))]
    return _csv([*head, "quality"], (row for week in weeks for row in _day_rows(week)))


def _day_rows(week: WeekFigures) -> Iterator[list[Any]]:
    for day in week.week.days:
        calls, outcomes = week.day(day, "calls"), week.day(day, "outcomes")
        latency = week.day(day, "latency")
        yield [
            day.isoformat(),
            cell(week.playbook),
            *(calls.get(name, 0 if not name.startswith("seconds_") else None) for name in _CALLS),
            *(outcomes.get(name, 0) for name in _OUTCOMES),
            *(latency.get(stage, {}).get(quantile) for stage in _STAGES for quantile in ("p50", "p95")),
            week.day(day, "quality").get("mean"),
        ]


def details_table(weeks: Iterable[WeekFigures]) -> bytes:
    """Whatever goes by a name, a row each: outcomes, reasons, scenarios, tools, costs, criteria, hours."""
    return _csv(["day", "business", "group", "name", "figure", "value"], _details(weeks))


def _details(weeks: Iterable[WeekFigures]) -> Iterator[list[Any]]:
    for week in weeks:
        for day, figures in sorted(week.days.items()):
            begin = [day.isoformat(), cell(week.playbook)]
            for group in ("outcomes", "endings", "transfers", "scenarios", "languages"):
                for name, count in figures.get(group, {}).items():
                    yield [*begin, group, label(name), "count", count]
            for hour, count in enumerate(figures.get("hours", ())):
                yield [*begin, "hours", f"{hour:02d}", "count", count]
            groups = {**figures, "criteria": figures.get("quality", {}).get("criteria", {})}
            for group in ("latency", "tools", "criteria"):
                yield from _nested(begin, group, groups.get(group, {}))
            for part, amount in figures.get("cost", {}).items():
                yield [*begin, "cost", label(part), "amount", amount]
            for figure, value in figures.get("model", {}).items():
                yield [*begin, "model", "llm", figure, value]


def _nested(begin: Sequence[Any], group: str, named: Mapping[str, Mapping[str, Any]]) -> Iterator[list[Any]]:
    for name, values in named.items():
        for figure, value in values.items():
            yield [*begin, group, label(name), figure, value]


def cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")
