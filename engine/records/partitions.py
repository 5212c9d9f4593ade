"""What the records' tables need, a month at a time: facts of the catalogue and a date in, SQL out. No I/O.

A plan only adds: it makes months that are missing and moves rows out of the default partition. It never detaches,
drops or changes a partition that is there, so that no clock, however wrong, can make it lose a row; a clock that is far
ahead costs a handful of empty months and not one for every month it jumped over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final

from engine.errors import ConfigurationError
from engine.records.months import LAST_YEAR, Month, months

MOST_STEPS: Final = 24
"""Months that one run makes for one table; the next run goes on where there are more."""
LONGEST_GAP: Final = 12
"""Months: a longer hole between two partitions comes from a clock that was wrong, and is told instead of filled."""
MOST_WITHIN: Final = 240
"""Months that are made of one partition: one that is longer was made by somebody with another plan, or by a wrong
clock."""
SANE_YEARS: Final = range(2020, 2301)
"""A clock that says another year is wrong: nothing is planned."""


@dataclass(frozen=True, slots=True)
class Parent:
    """A partitioned table and the column whose month decides."""

    table: str
    column: str


PARENTS: Final = (
    Parent("calls", "started_at"),
    Parent("call_turns", "call_started_at"),
    Parent("call_tool_calls", "call_started_at"),
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """From ``lower`` (of it) to ``upper`` (not of it), aware; None: without end."""

    lower: datetime | None
    upper: datetime | None

    @classmethod
    def of(cls, month: Month) -> Bounds:
        """Those of one month."""
        return cls(month.start, month.end)

    @property
    def month(self) -> Month | None:
        """The month that these are exactly; None where they are of none."""
        if self.lower is None or self.upper is None or self.lower.year not in range(1, 9999):
            return None
        month = Month.of(self.lower)
        return month if Bounds.of(month) == self else None

    def overlaps(self, other: Bounds) -> bool:
        """Whether a moment belongs to both."""
        return _before(self.lower, other.upper) and _before(other.lower, self.upper)

    def cover(self, other: Bounds) -> bool:
        """Whether every moment of ``other`` belongs to these."""
        below = self.lower is None or (other.lower is not None and self.lower <= other.lower)
        above = self.upper is None or (other.upper is not None and self.upper >= other.upper)
        return below and above


def _before(lower: datetime | None, upper: datetime | None) -> bool:
    return lower is None or upper is None or lower < upper


@dataclass(frozen=True, slots=True)
class Partition:
    """One that the catalogue knows, the default one apart."""

    name: str
    bounds: Bounds
    detaching: bool = False
    """A concurrent detach was begun and not ended."""


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What the catalogue says of one partitioned table."""

    parent: Parent
    partitions: tuple[Partition, ...]
    default: str | None
    """Name of the default partition."""
    columns: tuple[str, ...] = ()
    in_default: Mapping[Month, int] = field(default_factory=dict)
    """Rows of the default partition by their month; months without a row are not there."""
    strange_in_default: int = 0
    """Rows of it that are of no month: at infinity, before the year 1 or after 9998. The tables refuse them."""
    loose: frozenset[str] = frozenset()
    """Tables beside it whose names begin as its months do, and that are no partition of it."""


class Remark(StrEnum):
    """What is told and not touched."""

    FOREIGN = "foreign partition"
    OVERLAP = "overlap"
    NAME_TAKEN = "name taken"
    OLD_ROWS = "old rows"
    FUTURE_ROWS = "future rows"
    STRANGE_ROWS = "rows of no month"
    LONG_GAP = "long gap"
    FAR_AHEAD = "far ahead"
    DETACHING = "detach not ended"
    MORE = "more to do"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Note:
    """A finding for the operator."""

    remark: Remark
    table: str
    text: str
    serious: bool = False
    """A month that rows are written to now, or soon, has no partition, and this plan cannot make it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One month of one table, made in a transaction of its own.

    ``prepare`` makes the table and locks the default partition; ``count`` tells its rows of the month, ``move`` moves
    exactly as many of them (both empty where there is no default partition); ``attach`` ends it. ``month`` is None for
    the step that makes the default partition itself.
    """

    parent: Parent
    month: Month | None
    rows: int
    """Rows seen in the default partition when the plan was made."""
    prepare: tuple[str, ...]
    count: str
    move: str
    attach: str

    @property
    def name(self) -> str:
        """Of the table that it makes."""
        table = self.parent.table
        return f"{table}_default" if self.month is None else self.month.table(table)

    @property
    def statements(self) -> tuple[str, ...]:
        """All of them, in order."""
        return (*self.prepare, *((self.move,) if self.move else ()), self.attach)


@dataclass(frozen=True, slots=True)
class TablePlan:
    """What is to be done for one table, and what is to be told of it."""

    parent: Parent
    steps: tuple[Step, ...]
    notes: tuple[Note, ...]


def plan(facts: TableFacts, now: datetime, *, ahead: int, keep_days: int) -> TablePlan:
    """Steps and findings for one table.

    ``now`` is aware; ``ahead`` counts the months wanted after the present one; rows older than ``keep_days`` days in
    the default partition are told and stay there.
    """
    table = facts.parent.table
    if now.astimezone(UTC).year not in SANE_YEARS:
        note = Note(Remark.CLOCK, table, f"the clock says the year {now.year}: nothing is planned", serious=True)
        return TablePlan(facts.parent, (), (note,))
    present = Month.of(now)
    wanted = tuple(months(present.plus(-1), present.plus(ahead)))
    oldest = min(Month.of(now - timedelta(days=keep_days)), wanted[0])
    notes = list(_findings(facts, oldest, wanted[-1]))
    candidates = dict.fromkeys([*wanted[1:], wanted[0]])  # the present one first: calls write to it
    candidates.update(dict.fromkeys(month for month in sorted(facts.in_default) if oldest <= month <= wanted[-1]))
    candidates.update(dict.fromkeys(_gaps(facts, oldest, wanted[-1])))
    steps: list[Step] = []
    if facts.default is None and (made := _default_step(facts, notes)):
        steps.append(made)
    left = 0
    for month in candidates:
        if _covered(facts, month):
            continue
        if hindrance := _hindrance(facts, month, serious=month in wanted[1:]):
            notes.append(hindrance)
        elif len(steps) < MOST_STEPS:
            steps.append(month_step(facts, month))
        else:
            left += 1
    if left:
        notes.append(Note(Remark.MORE, table, f"{left} months are left for the next run"))
    return TablePlan(facts.parent, tuple(steps), tuple(notes))


def months_ahead(facts: TableFacts, now: datetime) -> int:
    """Whole months after the present one that have a partition, without a gap; 0 where the present one has none."""
    if now.astimezone(UTC).year not in SANE_YEARS:
        return 0
    present = Month.of(now)
    ahead = -1
    while ahead < len(facts.partitions) * LONGEST_GAP and _covered(facts, present.plus(ahead + 1)):
        ahead += 1
    return max(0, ahead)


def quoted(identifier: str) -> str:
    """An identifier as SQL takes it."""
    return '"' + identifier.replace('"', '""') + '"'


def for_values(month: Month) -> str:
    """The bounds of a month as SQL; made of whole numbers alone, since DDL takes no parameters."""
    return f"FOR VALUES FROM ({_literal(month.start)}) TO ({_literal(month.end)})"


def within(parent: Parent, month: Month) -> str:
    """The condition that a row is of a month, as SQL."""
    column = quoted(parent.column)
    return f"{column} >= {_literal(month.start)} AND {column} < {_literal(month.end)}"


def _literal(moment: datetime) -> str:
    return f"'{moment.isoformat(sep=' ')}'"


def month_step(facts: TableFacts, month: Month) -> Step:
    """The step that makes a month and moves its rows into it."""
    parent, name = quoted(facts.parent.table), quoted(month.table(facts.parent.table))
    prepare = [
        f"LOCK TABLE ONLY {parent} IN SHARE UPDATE EXCLUSIVE MODE",
        f"CREATE TABLE {name} (LIKE {parent} INCLUDING ALL)",
    ]
    count = move = ""
    if facts.default is not None:
        default, columns = quoted(facts.default), ", ".join(map(quoted, facts.columns))
        condition = within(facts.parent, month)
        prepare.append(f"LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE")
        count = f"SELECT count(*) FROM {default} WHERE {condition}"  # noqa: S608 - see within()
        move = (
            f"WITH moved AS (DELETE FROM {default} WHERE {condition} RETURNING {columns}) "  # noqa: S608
            f"INSERT INTO {name} ({columns}) SELECT {columns} FROM moved"
        )
    attach = f"ALTER TABLE {parent} ATTACH PARTITION {name} {for_values(month)}"
    return Step(facts.parent, month, facts.in_default.get(month, 0), tuple(prepare), count, move, attach)


def months_within(facts: TableFacts, partition: Partition) -> tuple[tuple[Month, ...], datetime]:
    """The months that a partition of none could be made into, and its upper end in UTC.

    Raises ConfigurationError where that cannot be done, which says what hinders it.
    """
    name, lower, upper = partition.name, partition.bounds.lower, partition.bounds.upper
    if partition.detaching:
        raise ConfigurationError(f"a detach of {name} was begun and not ended: end it first (FINALIZE)")
    if lower is None or upper is None:
        raise ConfigurationError(f"{name} has no end on one side: nobody knows how many months it is")
    upper = upper.astimezone(UTC)
    end = upper - timedelta(microseconds=1)
    if end.year > LAST_YEAR:
        raise ConfigurationError(f"{name} ends after the year {LAST_YEAR}: it is left as it is")
    first, last = Month.of(lower), Month.of(end)
    if first.until(last) >= MOST_WITHIN:
        raise ConfigurationError(f"{name} covers more than {MOST_WITHIN} months: it is left as it is")
    made = tuple(months(first, last))
    for month in made:
        _refuse_hindrance(facts, partition, month)
    return made, upper


def _refuse_hindrance(facts: TableFacts, partition: Partition, month: Month) -> None:
    others = [each for each in facts.partitions if each.name != partition.name]
    across = [each.name for each in others if each.bounds.overlaps(Bounds.of(month))]
    if across:
        raise ConfigurationError(f"{month} is not {partition.name}'s alone: {', '.join(across)} has a share in it")
    table = month.table(facts.parent.table)
    if table in facts.loose or any(each.name == table for each in facts.partitions):
        raise ConfigurationError(f"a table {table} is there, and {month} needs that name: rename it first")


def way_out(facts: TableFacts, partition: Partition) -> str:
    """What to do with a partition of no month, for the operator."""
    try:
        months_within(facts, partition)
    except ConfigurationError:
        return "docs/runbooks/partitions.md tells what to do with it"
    return f"`trunkline ops run partitions --split {partition.name}` makes months of it"


def _default_step(facts: TableFacts, notes: list[Note]) -> Step | None:
    """The step that gives a table its default partition: without one, a row of no month's partition is refused."""
    name = f"{facts.parent.table}_default"
    if name in facts.loose:
        text = f"there is no default partition, and a table {name} stands beside it: attach it or rename it"
        notes.append(Note(Remark.NAME_TAKEN, facts.parent.table, text, serious=True))
        return None
    parent, quoted_name = quoted(facts.parent.table), quoted(name)
    create = f"CREATE TABLE {quoted_name} (LIKE {parent} INCLUDING ALL)"
    return Step(
        facts.parent, None, 0, (create,), "", "", f"ALTER TABLE {parent} ATTACH PARTITION {quoted_name} DEFAULT"
    )


def _hindrance(facts: TableFacts, month: Month, *, serious: bool) -> Note | None:
    """Why a month cannot be made."""
    table = facts.parent.table
    across = [each for each in facts.partitions if each.bounds.overlaps(Bounds.of(month))]
    if across:
        text = (
            f"{month} is covered in part by {', '.join(each.name for each in across)}: its other rows stay in the "
            f"default partition ({way_out(facts, across[0])})"
        )
        return Note(Remark.OVERLAP, table, text, serious)
    if month.table(table) in facts.loose:
        text = (
            f"{month.table(table)} exists and is no partition of {table}: attach it, rename it, or let the retention "
            "job end what it began"
        )
        return Note(Remark.NAME_TAKEN, table, text, serious)
    return None


def _gaps(facts: TableFacts, oldest: Month, last: Month) -> Iterator[Month]:
    """Months without a partition between two that have one."""
    known = _known(facts)
    for one, next_one in pairwise(known):
        if one.until(next_one) <= LONGEST_GAP:
            yield from (month for month in months(one.plus(1), next_one.plus(-1)) if oldest <= month <= last)


def _known(facts: TableFacts) -> Sequence[Month]:
    return sorted({month for each in facts.partitions if (month := each.bounds.month) is not None})


def _findings(facts: TableFacts, oldest: Month, last: Month) -> Iterator[Note]:
    """What is told whatever is done."""
    table = facts.parent.table
    for each in facts.partitions:
        if each.detaching:
            yield Note(Remark.DETACHING, table, f"the detach of {each.name} was not ended: the retention job ends it")
        if each.bounds.month is None:
            yield Note(Remark.FOREIGN, table, f"{each.name} is of no month of UTC: {way_out(facts, each)}")
    known = _known(facts)
    for one, next_one in pairwise(known):
        if one.until(next_one) > LONGEST_GAP:
            text = f"no partition between {one} and {next_one}: was a clock wrong? The hole is not filled"
            yield Note(Remark.LONG_GAP, table, text)
    if known and last.until(known[-1]) > LONGEST_GAP:
        yield Note(Remark.FAR_AHEAD, table, f"there is a partition for {known[-1]}: was a clock wrong?")
    old = {month: rows for month, rows in facts.in_default.items() if month < oldest}
    if old:
        yield Note(Remark.OLD_ROWS, table, _rows_text(old, "are older than what is kept"))
    future = {month: rows for month, rows in facts.in_default.items() if month > last}
    if future:
        yield Note(Remark.FUTURE_ROWS, table, _rows_text(future, "are of months that are not made yet"))
    if facts.strange_in_default:
        where = "at infinity, before the year 1 or after 9998"
        text = f"{facts.strange_in_default} rows of the default partition are {where}: they stay in it"
        yield Note(Remark.STRANGE_ROWS, table, text)


def _rows_text(rows: Mapping[Month, int], what: str) -> str:
    span = f"{min(rows)}" if len(rows) == 1 else f"{min(rows)} to {max(rows)}"
    return f"{sum(rows.values())} rows of the default partition ({span}) {what}: they stay in it"


def _covered(facts: TableFacts, month: Month) -> bool:
    return any(each.bounds.cover(Bounds.of(month)) for each in facts.partitions)
