"""Which months go, and when the clock is believed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.records.months import Month, months
from engine.records.partitions import PARENTS, Bounds, Parent, Partition, TableFacts
from engine.records.retention import MOST_MONTHS, Part, gather, plan_retention, proof_days, why_not_believed

NOW = datetime(2026, 11, 22, tzinfo=UTC)
NOWS = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2300, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
MONTHS = st.builds(Month, st.integers(1990, 2310), st.integers(1, 12))


def _facts(have: set[Month], loose: set[Month] = frozenset(), *, default: bool = True) -> list[TableFacts]:  # type: ignore[assignment]
    def of(parent: Parent) -> TableFacts:
        partitions = tuple(Partition(month.table(parent.table), Bounds.of(month)) for month in sorted(have))
        names = frozenset(month.table(parent.table) for month in loose)
        return TableFacts(parent, partitions, f"{parent.table}_default" if default else None, loose=names)

    return [of(parent) for parent in PARENTS]


def _days(days: int, **others: int) -> dict[str, int]:
    return {parent.table: others.get(parent.table, days) for parent in PARENTS}


def test_a_month_goes_when_all_of_it_is_over() -> None:
    facts = _facts(set(months(Month(2025, 9), Month(2026, 11))))
    planned = plan_retention(facts, (), (), NOW, keep_days=_days(365))
    assert [str(each.month) for each in planned.months] == ["2025-09", "2025-10"]
    edge = Month(2025, 11).end + timedelta(days=365)
    before = plan_retention(facts, (), (), edge - timedelta(microseconds=1), keep_days=_days(365))
    assert [str(each.month) for each in before.months] == ["2025-09", "2025-10"]
    assert [str(each.month) for each in plan_retention(facts, (), (), edge, keep_days=_days(365)).months][
        -1
    ] == "2025-11"


def test_a_month_goes_as_a_whole_and_calls_go_last() -> None:
    (expired,) = plan_retention(_facts({Month(2025, 1)}), (), (), NOW, keep_days=_days(365)).months
    assert [part.name for part in expired.parts] == ["call_tool_calls_2025_01", "call_turns_2025_01", "calls_2025_01"]


@given(st.sets(MONTHS, max_size=40), st.sets(MONTHS, max_size=5), NOWS, st.integers(31, 4000))
def test_what_goes_is_old_and_not_held(have: set[Month], held: set[Month], now: datetime, keep: int) -> None:
    planned = plan_retention(_facts(have), (), held, now, keep_days=_days(keep))
    gone = {each.month for each in planned.months}
    assert gone <= have - held
    assert all(month.end <= now - timedelta(days=keep) for month in gone)
    assert len(gone) <= MOST_MONTHS
    over = {month for month in have if month.end <= now - timedelta(days=keep)}
    assert set(planned.held) == over & held
    assert len(gone) + planned.left + len(planned.held) == len(over)


@given(st.sets(MONTHS, max_size=40), NOWS, st.integers(0, 200_000))
def test_a_clock_that_went_back_removes_no_more(have: set[Month], now: datetime, back: int) -> None:
    facts = _facts(have)
    try:
        earlier = now - timedelta(days=back)
        planned = plan_retention(facts, (), (), earlier, keep_days=_days(365))
    except OverflowError:
        return
    now_gone = plan_retention(facts, (), (), now, keep_days=_days(365))
    over = {each.month for each in now_gone.months} | {m for m in have if m.end <= now - timedelta(days=365)}
    assert {each.month for each in planned.months} <= over


def test_what_a_run_left_detached_is_ended_or_put_back() -> None:
    january, october = Month(2025, 1), Month(2026, 10)
    facts = _facts({Month(2026, 11)}, {january, october})
    marked = {month.table(parent.table) for month in (january, october) for parent in PARENTS}
    planned = plan_retention(facts, marked, (), NOW, keep_days=_days(365))
    assert [(each.month, [part.attached for part in each.parts]) for each in planned.months] == [(january, [False] * 3)]
    assert [each.month for each in planned.back] == [october]
    held = plan_retention(facts, marked, {january}, NOW, keep_days=_days(365))
    assert held.months == ()
    assert {each.month for each in held.back} == {january, october}
    assert plan_retention(facts, (), (), NOW, keep_days=_days(365)).months == (), (
        "without the mark it is somebody's table"
    )


@pytest.mark.parametrize(
    ("part", "sql"),
    [
        (Part(PARENTS[0], "calls_2025_01", attached=True), ""),
        (Part(PARENTS[0], "calls_2025_01", attached=True, concurrently=True), " CONCURRENTLY"),
        (Part(PARENTS[0], "calls_2025_01", attached=True, concurrently=True, detaching=True), " FINALIZE"),
    ],
)
def test_how_a_part_is_detached(part: Part, sql: str) -> None:
    assert part.detach() == f'ALTER TABLE "calls" DETACH PARTITION "calls_2025_01"{sql}'


def test_without_a_default_partition_the_detach_is_concurrent() -> None:
    (expired,) = plan_retention(_facts({Month(2025, 1)}, default=False), (), (), NOW, keep_days=_days(365)).months
    assert all(part.concurrently for part in expired.parts)


def test_the_clock_is_believed_when_days_lie_behind_it() -> None:
    assert why_not_believed(NOW, NOW + timedelta(minutes=59), 3) is None
    assert "more than an hour apart" in (why_not_believed(NOW, NOW - timedelta(minutes=61), 40) or "")
    assert "--trust-clock yes" in (why_not_believed(NOW, NOW, 2) or "")


def test_today_is_no_proof() -> None:
    first, last = proof_days(datetime(2026, 11, 22, 23, 59, tzinfo=UTC))
    assert (last, (last - first).days) == (datetime(2026, 11, 22, tzinfo=UTC), 40)


def test_each_table_has_a_term_of_its_own() -> None:
    facts = _facts(set(months(Month(2026, 3), Month(2026, 11))))
    planned = plan_retention(facts, (), (), NOW, keep_days=_days(365, call_turns=180, call_tool_calls=200))
    assert [(str(each.month), [part.name for part in each.parts]) for each in planned.months] == [
        ("2026-03", ["call_tool_calls_2026_03", "call_turns_2026_03"]),
        ("2026-04", ["call_tool_calls_2026_04", "call_turns_2026_04"]),
    ]
    detached = plan_retention(
        _facts(set(), {Month(2026, 3)}),
        {Month(2026, 3).table(parent.table) for parent in PARENTS},
        (),
        NOW,
        keep_days=_days(365, call_turns=180, call_tool_calls=200),
    )
    assert [part.name for part in detached.months[0].parts] == ["call_tool_calls_2026_03", "call_turns_2026_03"]
    assert [part.name for part in detached.back[0].parts] == ["calls_2026_03"]


@pytest.mark.parametrize(
    ("lower", "names", "split"),
    [
        (datetime(2024, 1, 1, tzinfo=UTC), frozenset[str](), True),
        (datetime(2024, 1, 1, tzinfo=UTC), frozenset({"calls_2024_12"}), False),
        (datetime(2004, 1, 1, tzinfo=UTC), frozenset[str](), False),
        (None, frozenset[str](), False),
    ],
)
@pytest.mark.parametrize("keep", [365, 800])
def test_a_split_is_named_where_it_is_taken(
    lower: datetime | None, names: frozenset[str], keep: int, *, split: bool
) -> None:
    odd = Partition("calls_odd", Bounds(lower, datetime(2025, 1, 1, tzinfo=UTC)))
    facts = TableFacts(PARENTS[0], (odd,), "calls_default", loose=names)
    planned = plan_retention([facts], (), (), NOW, keep_days=_days(keep))
    (told,) = planned.foreign or planned.foreign_in_part
    assert bool(planned.foreign) == (keep == 365)
    assert ("--split calls_odd" in told) == split
    assert ("docs/runbooks/partitions.md" in told) != split


def test_what_a_default_partition_kept_too_long_is_gathered() -> None:
    (facts, *_) = _facts({Month(2026, 11)})
    rows = {Month(1970, 1): 2, Month(2025, 9): 3, Month(2025, 10): 1, Month(2026, 2): 9}
    steps = gather(replace(facts, in_default=rows), {Month(2025, 10)}, NOW, keep_days=365)
    assert [(str(step.month), step.rows) for step in steps] == [("1970-01", 2), ("2025-09", 3)]
    assert steps[1].attach == Part(PARENTS[0], "calls_2025_09", attached=False).mark()
    assert not any("ATTACH" in statement for statement in steps[0].statements)
