"""A week of one business, put together from the figures of its days."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

_WEEK: Final = re.compile(r"(\d{4})-W(\d{2})")


@dataclass(frozen=True, slots=True)
class Week:
    """An ISO week: Monday to Sunday."""

    year: int
    number: int

    @staticmethod
    def parse(text: str) -> Week:
        """From ``2026-W48``. Raises ValueError."""
        match = _WEEK.fullmatch(text)
        if match is None:
            raise ValueError(text)
        year, number = int(match[1]), int(match[2])
        date.fromisocalendar(year, number, 1)
        return Week(year, number)

    @staticmethod
    def before(day: date) -> Week:
        """The last one that was over on ``day``."""
        year, number, _ = (day - timedelta(days=7)).isocalendar()
        return Week(year, number)

    @property
    def days(self) -> tuple[date, ...]:
        return tuple(date.fromisocalendar(self.year, self.number, weekday) for weekday in range(1, 8))

    def __str__(self) -> str:
        return f"{self.year}-W{self.number:02d}"


@dataclass(frozen=True, slots=True)
class WeekFigures:
    """The figures of a business in a week; days without calls have none."""

    week: Week
    playbook: str
    days: Mapping[date, Mapping[str, Any]]

    def day(self, day: date, group: str) -> Mapping[str, Any]:
        """A group of a day's figures, such as ``calls``; empty where there are none."""
        found = self.days.get(day, {}).get(group, {})
        return found if isinstance(found, Mapping) else {}

    def total(self, name: str) -> int:
        """Sum of one of the counts in ``calls``."""
        return sum(int(self.day(day, "calls").get(name, 0)) for day in self.week.days)

    def sums(self, group: str) -> dict[str, float]:
        """A group of counts or amounts by name, the largest first."""
        found: dict[str, float] = {}
        for day in self.week.days:
            for name, value in self.day(day, group).items():
                found[name] = found.get(name, 0) + value
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def model_use(self) -> dict[str, int]:
        """Requests to chat models and their tokens, as far as they were told; what nobody told is not there."""
        found: dict[str, int] = {}
        for day in self.week.days:
            for name, value in self.day(day, "model").items():
                if value is not None:
                    found[name] = found.get(name, 0) + value
        return found

    def hours(self) -> list[int]:
        """Calls by the hour in which they began, of the business's time zone: 24 of them."""
        lists = [self.days.get(day, {}).get("hours", [0] * 24) for day in self.week.days]
        return [sum(counts) for counts in zip(*lists, strict=True)]

    def latency(self, stage: str, quantile: str) -> list[float | None]:
        """Seconds on each of the seven days. Quantiles of days cannot be put together into one of a week."""
        return [self.day(day, "latency").get(stage, {}).get(quantile) for day in self.week.days]

    def tools(self) -> list[tuple[str, int, float, float | None]]:
        """Name, calls, share that failed and the worst day's p95 in seconds, of each tool; the busiest first."""
        found: dict[str, tuple[int, int, float | None]] = {}
        for day in self.week.days:
            for name, tool in self.day(day, "tools").items():
                count, failures, worst = found.get(name, (0, 0, None))
                slow = [value for value in (worst, tool.get("p95")) if value is not None]
                found[name] = (count + tool["count"], failures + tool["failures"], max(slow, default=None))
        rows = [(name, count, failures / count, worst) for name, (count, failures, worst) in found.items()]
        return sorted(rows, key=lambda row: (-row[1], row[0]))

    def quality(self) -> tuple[float | None, dict[str, float]]:
        """Mean score of the week, and of each criterion; each call counts the same."""
        parts = [self.day(day, "quality") for day in self.week.days]
        criteria: dict[str, list[tuple[float, int]]] = {}
        for part in parts:
            for name, value in part.get("criteria", {}).items():
                criteria.setdefault(name, []).append((value["mean"], value["count"]))
        whole = _weighted((part.get("mean"), part.get("scored", 0)) for part in parts)
        means = {name: _weighted(pairs) for name, pairs in criteria.items()}
        return whole, {name: mean for name, mean in means.items() if mean is not None}


def _weighted(pairs: Iterable[tuple[float | None, int]]) -> float | None:
    known = [(mean, count) for mean, count in pairs if mean is not None and count]
    return sum(mean * count for mean, count in known) / sum(count for _, count in known) if known else None


def weeks_of(week: Week, rows: Iterable[Mapping[str, Any]]) -> list[WeekFigures]:
    """One for each business with figures in ``week``. ``rows``: of ``stored_figures``, ``figures`` as a mapping."""
    found: dict[str, dict[date, Mapping[str, Any]]] = {}
    for row in rows:
        if row["day"] in week.days:
            found.setdefault(row["playbook"], {})[row["day"]] = row["figures"]
    return [WeekFigures(week, playbook, days) for playbook, days in sorted(found.items())]
