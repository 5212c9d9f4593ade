"""Months of UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.records.months import FIRST_YEAR, LAST_YEAR, Month, month_of_table, months

MONTHS = st.builds(Month, st.integers(FIRST_YEAR, LAST_YEAR), st.integers(1, 12))
MOMENTS = st.datetimes(
    min_value=datetime(2, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(9998, 12, 30),  # noqa: DTZ001
    timezones=st.builds(lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-840, 840)),
)


@given(MOMENTS)
def test_a_moment_lies_in_its_month(moment: datetime) -> None:
    month = Month.of(moment)
    assert month.start <= moment < month.end


@given(MONTHS.filter(lambda month: month < Month(LAST_YEAR, 12)))
def test_months_meet_without_a_gap(month: Month) -> None:
    assert month.end == month.plus(1).start
    assert 28 <= (month.end - month.start).days <= 31


@given(MONTHS, st.integers(-2000, 2000))
def test_there_and_back(month: Month, number: int) -> None:
    try:
        other = month.plus(number)
    except ValueError:
        return
    assert other.plus(-number) == month
    assert month.until(other) == number
    assert len(list(months(month, other))) == max(0, number + 1)


def test_february() -> None:
    assert [(Month(year, 2).end - Month(year, 2).start).days for year in (2024, 2025, 2100, 2400)] == [29, 28, 28, 29]


def test_the_zone_of_the_moment_counts() -> None:
    kyiv = timezone(timedelta(hours=2))
    assert Month.of(datetime(2027, 1, 1, 1, 30, tzinfo=kyiv)) == Month(2026, 12)
    assert Month.of(datetime(2027, 1, 1, tzinfo=UTC)) == Month(2027, 1)


def test_a_naive_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Month.of(datetime(2027, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize(("year", "month"), [(2026, 0), (2026, 13), (0, 1), (9999, 1)])
def test_no_month(year: int, month: int) -> None:
    with pytest.raises(ValueError, match="no month"):
        Month(year, month)


@given(MONTHS, st.sampled_from(["calls", "call_turns", "call_tool_calls"]))
def test_a_table_is_known_by_its_name(month: Month, parent: str) -> None:
    assert month_of_table(month.table(parent), parent) == month
    assert month_of_table(month.table(parent), "other") is None


@pytest.mark.parametrize("name", ["calls_default", "calls_2026_13", "calls_2026_1", "calls_2026_11x", "calls"])
def test_other_names_are_of_no_month(name: str) -> None:
    assert month_of_table(name, "calls") is None
