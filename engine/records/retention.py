"""Which months of the records have had their time: facts and a date in, steps out. No I/O.

What is removed does not come back, so a date alone is not enough: the clock must be believed first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from engine.records.months import Month, month_of_table
from engine.records.partitions import PARENTS, Parent, Step, TableFacts, for_values, month_step, quoted, way_out

MARK: Final = "trunkline retention: detached, to be dropped"
"""Comment of a table that was a partition until its time was over, and is not dropped yet."""
MOST_MONTHS: Final = 24
"""Months that one run removes."""
PROOF_DAYS: Final = 40
PROOFS: Final = 3
CLOCKS_APART: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Part:
    """One table's share of a month."""

    parent: Parent
    name: str
    attached: bool
    concurrently: bool = False
    """It can be detached without an exclusive lock; PostgreSQL allows that where there is no default partition."""
    detaching: bool = False
    """Such a detach was begun and not ended."""

    def rename(self, month: Month) -> str:
        return f"ALTER TABLE {quoted(self.name)} RENAME TO {quoted(month.table(self.parent.table))}"

    def named(self, month: Month) -> Part:
        """The same under the name of its month."""
        return replace(self, name=month.table(self.parent.table))

    def detach(self) -> str:
        how = " FINALIZE" if self.detaching else " CONCURRENTLY" if self.concurrently else ""
        return f"ALTER TABLE {quoted(self.parent.table)} DETACH PARTITION {quoted(self.name)}{how}"

    def mark(self) -> str:
        return f"COMMENT ON TABLE {quoted(self.name)} IS '{MARK}'"

    def attach_again(self, month: Month) -> str:
        return f"ALTER TABLE {quoted(self.parent.table)} ATTACH PARTITION {quoted(self.name)} {for_values(month)}"

    def unmark(self) -> str:
        return f"COMMENT ON TABLE {quoted(self.name)} IS NULL"

    def drop(self) -> str:
        return f"DROP TABLE {quoted(self.name)}"


@dataclass(frozen=True, slots=True)
class ExpiredMonth:
    """A month to be removed, its parts in the order in which they go: calls last."""

    month: Month
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """What is to be removed, and what stays though its time is over."""

    months: tuple[ExpiredMonth, ...]
    held: tuple[Month, ...]
    """Over, and on legal hold."""
    back: tuple[ExpiredMonth, ...]
    """Detached by a run before, and to be attached again: a hold came, or their time is not over by this clock."""
    left: int
    """Months that are left for the next run."""
    foreign: tuple[str, ...] = ()
    """Of each partition of no month whose time is over, what is to be told: no run removes it."""
    foreign_in_part: tuple[str, ...] = ()
    """The same of those that also hold rows whose time is not over."""
    nameless: tuple[str, ...] = ()
    """Of each table that was detached to be dropped and whose name tells no month, what is to be told: no run finds its
    month."""


def plan_retention(
    facts: Sequence[TableFacts],
    marked: Collection[str],
    held: Collection[Month],
    now: datetime,
    *,
    keep_days: Mapping[str, int],
) -> RetentionPlan:
    """The months whose last moment is older than the days that ``keep_days`` has for a table, those on hold apart: of
    each month the parts whose time is over.

    ``marked`` are tables with the comment ``MARK``: a run before this one was cut short with them. They were over by
    that run's clock, and must be by this one's, or they are put back.
    """
    last = {table: now.astimezone(UTC) - timedelta(days=days) for table, days in keep_days.items()}
    parts: dict[Month, list[Part]] = {}
    for table in reversed(facts):
        for month, part in _parts(table, marked).items():
            parts.setdefault(month, []).append(part)
    over = {
        month: tuple(part for part in parts[month] if month.end <= last[part.parent.table]) for month in sorted(parts)
    }
    expired = [month for month, some in over.items() if some]
    free = [month for month in expired if month not in held]
    going = {part for month in free for part in over[month]}
    detached = {
        month: tuple(part for part in parts[month] if not part.attached and part not in going) for month in over
    }
    return RetentionPlan(
        tuple(ExpiredMonth(month, over[month]) for month in free[:MOST_MONTHS]),
        tuple(month for month in expired if month in held),
        tuple(ExpiredMonth(month, loose) for month, loose in detached.items() if loose),
        max(0, len(free) - MOST_MONTHS),
        *_foreign(facts, last),
        _nameless(marked),
    )


def _nameless(marked: Collection[str]) -> tuple[str, ...]:
    return tuple(
        f"{name} was detached to be dropped, and its name tells no month: docs/runbooks/partitions.md tells how to "
        "rename it"
        for name in sorted(marked)
        if all(month_of_table(name, parent.table) is None for parent in PARENTS)
    )


def _foreign(facts: Sequence[TableFacts], last: Mapping[str, datetime]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is told of partitions that are of no month: over, and over in part."""
    over, in_part = [], []
    for table in facts:
        name = table.parent.table
        for each in table.partitions:
            lower, upper = each.bounds.lower, each.bounds.upper
            if each.bounds.month is not None:
                continue
            todo = way_out(table, each)
            if upper is not None and upper <= last[name]:
                over.append(f"{each.name} is of no month, had its time on {upper:%Y-%m-%d}, and is not removed: {todo}")
            elif lower is None or lower < last[name]:
                in_part.append(f"{each.name} is of no month, and rows in it have had their time: {todo}")
    return tuple(over), tuple(in_part)


def gather(facts: TableFacts, held: Collection[Month], now: datetime, *, keep_days: int) -> tuple[Step, ...]:
    """Steps that put what has had its time and lies in the default partition into tables of its months, each marked as
    a detached one: from there it goes as every month does, exported where that is set. Months on hold stay."""
    last = now.astimezone(UTC) - timedelta(days=keep_days)
    over = [month for month in sorted(facts.in_default) if month.end <= last and month not in held]
    made = []
    for month in over[:MOST_MONTHS]:
        step = month_step(facts, month)
        mark = Part(facts.parent, step.name, attached=False).mark()
        made.append(replace(step, attach=mark))
    return tuple(made)


def why_not_believed(wall: datetime, database: datetime, days_with_proof: int) -> str | None:
    """Why nothing may be removed by this clock; None: it is believed.

    ``days_with_proof`` counts the days on which something was recorded within the last ``PROOF_DAYS`` whole days: a
    clock that jumped ahead has none behind it. A clock that went back removes less by itself.
    """
    if abs(wall - database) > CLOCKS_APART:
        return "this machine's clock and the database's are more than an hour apart: set them right"
    if days_with_proof < PROOFS:
        return (
            f"calls and jobs are recorded on {days_with_proof} of the {PROOF_DAYS} days before today, and {PROOFS} are "
            "needed to believe the clock; if it is right, run: trunkline ops run retention --trust-clock yes"
        )
    return None


def proof_days(now: datetime) -> tuple[datetime, datetime]:
    """From and to when days with a proof are counted: whole days, today left out."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=PROOF_DAYS), today


def _parts(facts: TableFacts, marked: Collection[str]) -> Mapping[Month, Part]:
    parts = {}
    for name in marked:
        if (month := month_of_table(name, facts.parent.table)) is not None and name in facts.loose:
            parts[month] = Part(facts.parent, name, attached=False)
    for each in facts.partitions:
        if (month := each.bounds.month) is not None:
            parts[month] = Part(
                facts.parent,
                each.name,
                attached=True,
                concurrently=facts.default is None,
                detaching=each.detaching,
            )
    return parts
