"""Percentiles, and the few numbers that stand for many."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` (0..1) of all values do not exceed; NaN of none.

    Nearest rank, so that every number reported was measured; an infinite value (no answer) keeps its place.
    """
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class Summary:
    """Of a set of values, in their unit."""

    count: int
    p50: float
    p95: float
    p99: float
    worst: float
    mean: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Summary:
        """Of all values; NaN where there are none."""
        found = list(values)
        mean = math.fsum(found) / len(found) if found else math.nan
        return cls(
            len(found),
            percentile(found, 0.50),
            percentile(found, 0.95),
            percentile(found, 0.99),
            max(found, default=math.nan),
            mean,
        )

    def scaled(self, factor: float) -> dict[str, float]:
        """As a dictionary, each value times ``factor`` (1000 for seconds to ms), to 0.01."""
        values = {"p50": self.p50, "p95": self.p95, "p99": self.p99, "worst": self.worst, "mean": self.mean}
        return {"count": self.count} | {name: round(value * factor, 2) for name, value in values.items()}
