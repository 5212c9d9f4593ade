"""Months of UTC: the bounds of the records' partitions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

FIRST_YEAR: Final = 1
LAST_YEAR: Final = 9998
"""The month after one of its last year still has a date."""
_SUFFIX: Final = re.compile(r"_([0-9]{4})_([0-9]{2})$")


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """One month of one year, UTC; half open: ``start`` belongs to it, ``end`` to the next.

    Raises ValueError where there is no such month, or its year lies outside 1 to 9998.
    """

    year: int
    month: int

    def __post_init__(self) -> None:
        if not (FIRST_YEAR <= self.year <= LAST_YEAR and 1 <= self.month <= 12):
            raise ValueError(f"no month: {self.year}-{self.month}")

    @classmethod
    def of(cls, moment: datetime) -> Month:
        """The month of an aware ``moment``; ValueError for a naive one, which is of no month for sure."""
        if moment.tzinfo is None:
            raise ValueError("a moment without a time zone is of no month for sure")
        utc = moment.astimezone(UTC)
        return cls(utc.year, utc.month)

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first moment that is no more of it."""
        year, month = divmod(self.year * 12 + self.month, 12)
        return datetime(year, month + 1, 1, tzinfo=UTC)

    def plus(self, months: int) -> Month:
        """The month that many later; negative: earlier. ValueError beyond the calendar."""
        year, month = divmod(self.year * 12 + self.month - 1 + months, 12)
        return Month(year, month + 1)

    def until(self, other: Month) -> int:
        """Months from this one to ``other``; negative where that is earlier."""
        return (other.year - self.year) * 12 + other.month - self.month

    def table(self, parent: str) -> str:
        """Name of the partition of ``parent`` for it, such as ``calls_2026_11``."""
        return f"{parent}_{self.year:04}_{self.month:02}"

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"


def months(first: Month, last: Month) -> Iterator[Month]:
    """All from ``first`` to ``last``, both included; none where ``last`` is earlier."""
    return (first.plus(number) for number in range(first.until(last) + 1))


def month_of_table(name: str, parent: str) -> Month | None:
    """The month that a name made by ``Month.table`` speaks of; None for any other name."""
    found = _SUFFIX.search(name)
    if found is None or name[: found.start()] != parent:
        return None
    try:
        return Month(int(found[1]), int(found[2]))
    except ValueError:
        return None
