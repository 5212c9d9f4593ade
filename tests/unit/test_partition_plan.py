"""The planner of the partitions, against a model of what PostgreSQL would make of its steps."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from engine.errors import ConfigurationError
from engine.records.months import Month, months
from engine.records.partitions import (
    LONGEST_GAP,
    MOST_STEPS,
    PARENTS,
    Bounds,
    Note,
    Partition,
    Remark,
    TableFacts,
    months_ahead,
    plan,
)
from engine.records.splitting import splits

CALLS = PARENTS[0]
COLUMNS = ("id", "started_at")
FORBIDDEN = re.compile(r"\b(DROP|DETACH|TRUNCATE|UPDATE)\b(?! EXCLUSIVE)")
_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
MANY, HALF = (settings(max_examples=number, suppress_health_check=_SLOW) for number in (5_000, 2_500))
"""10,000 cases in the first three."""

# A few seconds around the turns of months and years, leap days among them, and any other moment.
_EDGES = st.builds(
    lambda month, seconds: month.start + timedelta(seconds=seconds),
    st.builds(Month, st.integers(2020, 2300), st.integers(1, 12)),
    st.integers(-3, 3),
)
_LEAP_DAYS = st.builds(
    lambda year, seconds: datetime(year, 2, 29, tzinfo=UTC) + timedelta(seconds=seconds),
    st.sampled_from([2024, 2028, 2096, 2104, 2296]),
    st.integers(-90_000, 90_000),
)
_ANY = st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
NOWS = st.one_of(_EDGES, _LEAP_DAYS, _ANY)
AHEAD = st.integers(1, 12)
KEEP = st.integers(31, 3650)


_NUMBERS = 140
_DRAWN = st.binary(min_size=2 * _NUMBERS, max_size=2 * _NUMBERS)
"""All that a table has, in one draw: a draw for each number took three quarters of the time of ten thousand cases."""


T = TypeVar("T")


class Dice:
    """Numbers of 16 bits out of drawn bytes; what is least comes of zeros, so that what fails can be made small."""

    def __init__(self, drawn: bytes) -> None:
        self._left = iter(memoryview(drawn).cast("H"))

    def upto(self, most: int) -> int:
        """0 to ``most``."""
        return next(self._left) % (most + 1)

    def few(self, most: int) -> range:
        """So many times, and seldom the most."""
        return range(min(self.upto(most), self.upto(most)))

    def around(self, near: int, far: int) -> int:
        """A number no farther from 0 than ``near``; every other time, than ``far``."""
        most = far if self.upto(1) else near
        number = self.upto(2 * most)
        return -(number // 2) if number % 2 else (number + 1) // 2

    def one_of(self, *these: T) -> T:
        return these[self.upto(len(these) - 1)]


def facts_near(now: datetime, dice: Dice) -> TableFacts:
    """A table in any state that PostgreSQL allows: partitions do not overlap, the default has rows of none of them."""
    base = Month.of(min(max(now, datetime(1975, 1, 1, tzinfo=UTC)), datetime(8990, 1, 1, tzinfo=UTC)))
    have = {dice.around(30, 400): (dice.upto(1), dice.upto(1)) for _ in dice.few(14)}
    partitions = [
        Partition(f"p{offset}" if renamed else month.table("calls"), Bounds.of(month), bool(detaching))
        for offset, (renamed, detaching) in have.items()
        if (month := base.plus(offset))
    ]
    for _ in dice.few(3):
        lower = base.start + timedelta(days=dice.around(900, 900), hours=7)
        odd = Bounds(lower, dice.one_of(lower + timedelta(days=1 + dice.upto(199)), None))
        if not any(odd.overlaps(each.bounds) for each in partitions):
            partitions.append(Partition(f"odd{len(partitions)}", odd))
    rows = {dice.around(40, 600): 1 + dice.upto(4) for _ in dice.few(20)}
    in_default = {
        month: number
        for offset, number in rows.items()
        if (month := base.plus(offset)) and not any(each.bounds.cover(Bounds.of(month)) for each in partitions)
    }
    loose = {base.plus(dice.upto(20) - 6).table("calls") for _ in dice.few(2)} - {each.name for each in partitions}
    default = dice.one_of("calls_default", "calls_default", "rest", None)
    return TableFacts(
        CALLS,
        tuple(partitions),
        default,
        COLUMNS,
        in_default if default else {},
        dice.upto(1) if default else 0,
        frozenset(loose),
    )


def situations() -> st.SearchStrategy[tuple[TableFacts, datetime, int, int]]:
    return st.builds(
        lambda now, drawn, ahead, keep: (facts_near(now, Dice(drawn)), now, ahead, keep), NOWS, _DRAWN, AHEAD, KEEP
    )


def applied(facts: TableFacts, now: datetime, ahead: int, keep: int) -> tuple[TableFacts, int, tuple[Note, ...]]:
    """What the catalogue says after the plan, as PostgreSQL would have it; rows moved; what was told.

    Fails where PostgreSQL would refuse a step, or a row would be lost.
    """
    made = plan(facts, now, ahead=ahead, keep_days=keep)
    moved = 0
    for step in made.steps:
        assert not any(FORBIDDEN.search(statement) for statement in step.statements)
        if step.month is None:
            assert facts.default is None
            assert "calls_default" not in facts.loose
            facts = replace(facts, default="calls_default")
            continue
        bounds, name = Bounds.of(step.month), step.month.table("calls")
        assert not any(each.bounds.overlaps(bounds) for each in facts.partitions)
        assert name not in facts.loose
        if step.move:  # without moving, the rows of the month that the default has would make ATTACH fail
            moved += facts.in_default.get(step.month, 0)
            left = {month: rows for month, rows in facts.in_default.items() if month != step.month}
            facts = replace(facts, in_default=left)
        else:
            assert step.month not in facts.in_default
        facts = replace(facts, partitions=(*facts.partitions, Partition(name, bounds)))
    return facts, moved, made.notes


@pytest.mark.timeout(600)
@MANY
@given(situations())
def test_any_situation(situation: tuple[TableFacts, datetime, int, int]) -> None:
    facts, now, ahead, keep = situation
    after, moved, notes = applied(facts, now, ahead, keep)
    rows = sum(facts.in_default.values())
    assert sum(after.in_default.values()) + moved == rows  # no row is lost
    assert set(facts.partitions) <= set(after.partitions)  # nothing that was there is touched
    made = len(after.partitions) - len(facts.partitions)
    assert made <= MOST_STEPS
    present = Month.of(now)
    if not 2020 <= now.year <= 2300:
        assert made == 0
        assert [note.remark for note in notes] == [Remark.CLOCK]
        return
    wanted = list(months(present, present.plus(ahead)))
    missing = [m for m in wanted if not any(p.bounds.cover(Bounds.of(m)) for p in after.partitions)]
    assert bool(missing) <= any(note.serious for note in notes)  # what is not covered is told as serious
    assert months_ahead(after, now) >= ahead or missing
    left_of_wanted = {month for month in after.in_default if present.plus(-1) <= month <= wanted[-1]}
    hindered = {Remark.OVERLAP, Remark.NAME_TAKEN, Remark.MORE}
    assert not left_of_wanted or hindered & {note.remark for note in notes}


@pytest.mark.timeout(600)
@HALF
@given(situations())
def test_a_second_run_finds_nothing_to_do(situation: tuple[TableFacts, datetime, int, int]) -> None:
    facts, now, ahead, keep = situation
    for _ in range(60):  # more than one run where there is more than a run's share
        after, _, notes = applied(facts, now, ahead, keep)
        if after == facts:
            break
        facts = after
    else:
        pytest.fail("it never ends")
    assert Remark.MORE not in {note.remark for note in notes}
    assert plan(facts, now, ahead=ahead, keep_days=keep).steps == ()


@pytest.mark.timeout(600)
@HALF
@given(NOWS, AHEAD, KEEP, st.binary(min_size=50, max_size=50))
def test_clock_jumps(now: datetime, ahead: int, keep: int, drawn: bytes) -> None:
    """A clock that goes wherever it likes: each jump makes a handful of months, and nothing goes."""
    assume(2021 <= now.year <= 2299)
    empty = TableFacts(CALLS, (), "calls_default", COLUMNS)
    facts, _, _ = applied(empty, now, ahead, keep)
    assert len(facts.partitions) == ahead + 2
    dice = Dice(drawn)
    for _ in range(dice.upto(6)):
        try:
            now += timedelta(days=dice.around(40, 25_000) * (1 + dice.upto(3)))  # as much as three centuries
        except OverflowError:
            break
        rows = dice.upto(9)
        if (
            rows
            and 2020 <= now.year <= 2300
            and not any(p.bounds.cover(Bounds.of(Month.of(now))) for p in facts.partitions)
        ):
            facts = replace(facts, in_default={**facts.in_default, Month.of(now): rows})  # a call at that time
        before = facts
        facts, moved, _ = applied(facts, now, ahead, keep)
        assert set(before.partitions) <= set(facts.partitions)
        assert sum(before.in_default.values()) == sum(facts.in_default.values()) + moved
        mended = len(before.in_default) - len(facts.in_default)
        known = [p.bounds.month for p in before.partitions if p.bounds.month]
        near = sum(abs(Month.of(now).until(month)) <= LONGEST_GAP * 12 for month in known)
        assert len(facts.partitions) - len(before.partitions) <= ahead + 2 + mended + LONGEST_GAP * near


@pytest.mark.timeout(600)
@HALF
@given(situations())
def test_a_split_is_named_where_it_is_taken_and_nowhere_else(situation: tuple[TableFacts, datetime, int, int]) -> None:
    facts, now, ahead, keep = situation
    told = plan(facts, now, ahead=ahead, keep_days=keep).notes
    for note in told:
        named = re.search(r"--split (\w+)", note.text)
        if named:
            assert splits(facts, named[1])
        elif note.remark is Remark.FOREIGN:
            assert "docs/runbooks/partitions.md" in note.text
            with pytest.raises(ConfigurationError):
                splits(facts, note.text.split()[0])


def _table(*have: Month, rows: dict[Month, int] | None = None) -> TableFacts:
    partitions = tuple(Partition(month.table("calls"), Bounds.of(month)) for month in have)
    return TableFacts(CALLS, partitions, "calls_default", COLUMNS, rows or {})


NOW = datetime(2026, 11, 22, 3, 10, tzinfo=UTC)


def test_the_present_month_is_made_first() -> None:
    made = plan(_table(), NOW, ahead=3, keep_days=365)
    assert [str(step.month) for step in made.steps] == ["2026-11", "2026-12", "2027-01", "2027-02", "2026-10"]
    assert made.notes == ()


def test_a_clock_a_century_ahead_makes_five_months() -> None:
    facts = _table(*months(Month(2026, 1), Month(2027, 2)))
    made = plan(facts, NOW.replace(year=2126), ahead=3, keep_days=365)
    assert len(made.steps) == 5
    back = replace(facts, partitions=(*facts.partitions, Partition("calls_2126_11", Bounds.of(Month(2126, 11)))))
    told = plan(back, NOW, ahead=3, keep_days=365)
    assert told.steps == ()
    assert {note.remark for note in told.notes} == {Remark.LONG_GAP, Remark.FAR_AHEAD}


@pytest.mark.parametrize("year", [1970, 1980, 2019, 2301, 9998])
def test_a_clock_that_is_out_of_its_mind_makes_nothing(year: int) -> None:
    made = plan(_table(rows={Month(2026, 11): 5}), datetime(year, 1, 1, tzinfo=UTC), ahead=3, keep_days=365)
    assert made.steps == ()
    assert [(note.remark, note.serious) for note in made.notes] == [(Remark.CLOCK, True)]


def test_a_gap_is_filled() -> None:
    made = plan(
        _table(Month(2026, 5), Month(2026, 8), *months(Month(2026, 10), Month(2027, 2))), NOW, ahead=3, keep_days=365
    )
    assert [str(step.month) for step in made.steps] == ["2026-06", "2026-07", "2026-09"]


def test_rows_are_moved_before_the_month_is_attached() -> None:
    (step,) = plan(
        _table(*months(Month(2026, 10), Month(2027, 2)), rows={Month(2026, 7): 3}), NOW, ahead=3, keep_days=365
    ).steps
    assert (str(step.month), step.rows) == ("2026-07", 3)
    kinds = [statement.split()[0] for statement in step.statements]
    assert kinds == ["LOCK", "CREATE", "LOCK", "WITH", "ALTER"]
    assert "'2026-07-01 00:00:00+00:00'" in step.move
    assert step.statements[-1].endswith("FROM ('2026-07-01 00:00:00+00:00') TO ('2026-08-01 00:00:00+00:00')")


def test_rows_far_away_stay_and_are_told() -> None:
    rows = {Month(1970, 1): 2, Month(2099, 1): 1, Month(2099, 2): 1}
    made = plan(_table(*months(Month(2026, 10), Month(2027, 2)), rows=rows), NOW, ahead=3, keep_days=365)
    assert made.steps == ()
    assert [note.text for note in made.notes] == [
        "2 rows of the default partition (1970-01) are older than what is kept: they stay in it",
        "2 rows of the default partition (2099-01 to 2099-02) are of months that are not made yet: they stay in it",
    ]
    assert not any(note.serious for note in made.notes)


def test_rows_of_hundreds_of_months_are_mended_a_share_a_run() -> None:
    rows = dict.fromkeys(months(Month(2000, 1), Month(2026, 9)), 1)
    made = plan(_table(rows=rows), NOW, ahead=3, keep_days=36500)
    assert len(made.steps) == MOST_STEPS
    assert {step.month for step in made.steps} >= set(months(Month(2026, 10), Month(2027, 2)))
    (note,) = made.notes
    assert (note.remark, note.text) == (Remark.MORE, f"{5 + 321 - MOST_STEPS} months are left for the next run")


def test_a_foreign_partition_is_told_and_left() -> None:
    odd = Partition("calls_q4", Bounds(datetime(2026, 10, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)))
    made = plan(TableFacts(CALLS, (odd,), "calls_default", COLUMNS), NOW, ahead=3, keep_days=365)
    assert [str(step.month) for step in made.steps] == ["2027-01", "2027-02"]
    assert [(note.remark, note.serious) for note in made.notes] == [(Remark.FOREIGN, False)]


def test_an_overlap_with_a_month_that_is_needed_is_serious() -> None:
    odd = Partition("calls_odd", Bounds(datetime(2026, 12, 10, tzinfo=UTC), datetime(2026, 12, 20, tzinfo=UTC)))
    made = plan(TableFacts(CALLS, (odd,), "calls_default", COLUMNS), NOW, ahead=3, keep_days=365)
    assert "2026-12" not in [str(step.month) for step in made.steps]
    assert (Remark.OVERLAP, True) in [(note.remark, note.serious) for note in made.notes]


@pytest.mark.parametrize(
    ("bounds", "loose"),
    [
        (Bounds(None, datetime(2026, 12, 20, tzinfo=UTC)), ""),
        (Bounds(datetime(2026, 12, 10, tzinfo=UTC), None), ""),
        (Bounds(datetime(2026, 12, 10, tzinfo=UTC), datetime(9999, 6, 1, tzinfo=UTC)), ""),
        (Bounds(datetime(2006, 12, 10, tzinfo=UTC), datetime(2026, 12, 20, tzinfo=UTC)), ""),
        (Bounds(datetime(2026, 12, 10, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)), "calls_2026_12"),
    ],
)
def test_what_cannot_be_split_is_sent_to_the_runbook(bounds: Bounds, loose: str) -> None:
    facts = TableFacts(CALLS, (Partition("odd", bounds),), "calls_default", COLUMNS, loose=frozenset({loose}))
    notes = plan(facts, NOW, ahead=3, keep_days=365).notes
    assert {note.remark for note in notes} >= {Remark.FOREIGN, Remark.OVERLAP}
    for note in notes:
        if note.remark in (Remark.FOREIGN, Remark.OVERLAP):
            assert "--split" not in note.text
            assert "docs/runbooks/partitions.md" in note.text
    with pytest.raises(ConfigurationError):
        splits(facts, "odd")


def test_a_name_that_is_taken_is_told() -> None:
    facts = replace(_table(), loose=frozenset({"calls_2026_12"}))
    made = plan(facts, NOW, ahead=3, keep_days=365)
    (note,) = made.notes
    assert (note.remark, note.serious) == (Remark.NAME_TAKEN, True)
    assert "attach it, rename it" in note.text


def test_a_table_without_a_default_partition_gets_one() -> None:
    made = plan(TableFacts(CALLS, (), None, COLUMNS), NOW, ahead=1, keep_days=365)
    assert made.steps[0].month is None
    assert made.steps[0].attach == 'ALTER TABLE "calls" ATTACH PARTITION "calls_default" DEFAULT'


def test_identifiers_are_quoted() -> None:
    facts = TableFacts(CALLS, (), 'de"fault', ('od"d', "started_at"))
    step = plan(facts, NOW, ahead=1, keep_days=365).steps[0]
    assert '"de""fault"' in step.move
    assert '"od""d"' in step.move


@pytest.mark.parametrize(
    ("have", "expected"),
    [
        ((), 0),
        ((Month(2026, 12),), 0),
        ((Month(2026, 11),), 0),
        (tuple(months(Month(2026, 11), Month(2027, 2))), 3),
        ((Month(2026, 11), Month(2026, 12), Month(2027, 2)), 1),
    ],
)
def test_months_ahead_are_counted_to_the_first_gap(have: tuple[Month, ...], expected: int) -> None:
    assert months_ahead(_table(*have), NOW) == expected
