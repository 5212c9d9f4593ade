"""Makes months of a partition that is of none, such as a year's: facts of the catalogue in, SQL out. No I/O.

A month at a time, from its lower end: in one transaction the partition is detached, its rows of the month move into the
month's table, and both are attached, the partition with what is left of its bounds. What is left at last, where it is a
whole month, only gets that month's name. So no row is ever out of sight, and a run that is cut short leaves a smaller
partition. Nothing here looks at a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from engine.errors import ConfigurationError
from engine.records.months import Month
from engine.records.partitions import Bounds, Parent, Partition, TableFacts, month_step, months_within, quoted, within


@dataclass(frozen=True, slots=True)
class Move:
    """Rows out of one table into the month's: ``count`` tells them, ``move`` moves as many."""

    count: str
    move: str


@dataclass(frozen=True, slots=True)
class Split:
    """One month, made in a transaction of its own."""

    parent: Parent
    partition: str
    month: Month
    prepare: tuple[str, ...]
    """Locks, takes the partition off, makes the month's table."""
    moves: tuple[Move, ...]
    left: str
    """Where the partition is dropped: counts the rows that are left in it. They must be none."""
    attach: tuple[str, ...]
    """The month, and what is left of the partition, under its month's name where that is one; or drops it."""
    last: bool
    """Nothing is left of it that is of no month."""

    @property
    def statements(self) -> tuple[str, ...]:
        """All that change something, in order."""
        return (*self.prepare, *(each.move for each in self.moves), *self.attach)


def splits(facts: TableFacts, name: str) -> tuple[Split, ...]:
    """The steps that make months of the partition ``name``, until it is the last of them or dropped.

    Raises ConfigurationError where that cannot be done, which says what hinders it.
    """
    partition = next((each for each in facts.partitions if each.name == name), None)
    if partition is None or _is_a_month(facts.parent, partition):
        raise ConfigurationError(f"{facts.parent.table} has no partition of that name that is of no month")
    made, upper = months_within(facts, partition)
    steps = made[:-1] if len(made) > 1 and made[-1].end == upper else made
    return tuple(_split(facts, name, month, upper) for month in steps)


def _is_a_month(parent: Parent, partition: Partition) -> bool:
    """With its name: what is left of a year at last is a month by its bounds alone."""
    month = partition.bounds.month
    return month is not None and partition.name == month.table(parent.table)


def _split(facts: TableFacts, name: str, month: Month, upper: datetime) -> Split:
    made = month_step(facts, month)
    parent, partition = quoted(facts.parent.table), quoted(name)
    columns, condition = ", ".join(map(quoted, facts.columns)), within(facts.parent, month)
    rest = Bounds(month.end, upper)
    dropped, named = month.end >= upper, rest.month
    prepare = (
        # The strongest lock at once: whoever records waits here, and holds nothing that is waited for below.
        f"LOCK TABLE ONLY {parent} IN ACCESS EXCLUSIVE MODE",
        f"ALTER TABLE {parent} DETACH PARTITION {partition}",
        *made.prepare[1:],
    )
    out = Move(
        f"SELECT count(*) FROM {partition} WHERE {condition}",  # noqa: S608 - see within()
        f"WITH moved AS (DELETE FROM {partition} WHERE {condition} RETURNING {columns}) "  # noqa: S608
        f"INSERT INTO {quoted(made.name)} ({columns}) SELECT {columns} FROM moved",
    )
    kept = quoted(named.table(facts.parent.table)) if named else partition
    attach = (
        f"ALTER TABLE {parent} ATTACH PARTITION {kept} FOR VALUES"
        f" FROM ('{month.end.isoformat(sep=' ')}') TO ('{upper.isoformat(sep=' ')}')"
    )
    name_and_attach = (f"ALTER TABLE {partition} RENAME TO {kept}", attach) if named else (attach,)
    return Split(
        facts.parent,
        name,
        month,
        prepare,
        (out, *((Move(made.count, made.move),) if made.move else ())),
        f"SELECT count(*) FROM {partition}" if dropped else "",  # noqa: S608 - quoted
        (made.attach, *((f"DROP TABLE {partition}",) if dropped else name_and_attach)),
        dropped or named is not None,
    )
