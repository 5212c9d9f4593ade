"""Days, labels and weeks: the pure part of statistics and report."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.records.figures import MOST_NAMES, day_bounds, days_to_make, figures_of, fingerprint, label
from engine.records.week import Week, WeekFigures, weeks_of

ZONES = ("UTC", "Europe/Kyiv", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo")
FROM = {"calls": 3, "ended": 3, "outcomes": 3, "scored": 0, "turns": 9, "tools": 2}
DAY = date(2026, 11, 23)


@given(st.dates(date(2001, 1, 1), date(2037, 12, 30)), st.sampled_from(ZONES))
def test_days_follow_each_other_without_gap_or_overlap(day: date, zone: str) -> None:
    begin, end = day_bounds(day, zone)
    assert end == day_bounds(day + timedelta(days=1), zone)[0]
    assert begin <= end
    if begin < end:  # Samoa had no 30 December 2011
        assert begin.astimezone(ZoneInfo(zone)).date() == day
        assert (end - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date() == day


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 11, 23), 24)]
)
def test_a_day_has_23_to_25_hours(day: date, hours: int) -> None:
    begin, end = day_bounds(day, "Europe/Kyiv")
    assert end - begin == timedelta(hours=hours)
    assert begin.tzinfo is UTC


@pytest.mark.parametrize("code", ["search_tires", "on_the_wire", "cannot_help", "en-GB", "LLM"])
def test_codes_stay_as_they_are(code: str) -> None:
    assert label(code) == code


@pytest.mark.parametrize("words", ["", "Zebulon Quux", "+380441234567", "a380441234567", "=cmd()", "x" * 41, "a,b"])
def test_what_may_be_somebodys_is_other(words: str) -> None:
    assert label(words) == "other"


USED = {
    "model_asked": 12,
    "model_unknown": 1,
    "model_not_recorded": 0,
    "input_tokens": Decimal(9000),
    "output_tokens": None,
}


def figures(**rows: Any) -> dict[str, Any]:
    calls = dict.fromkeys(
        ("total", "answered", "callers", "turns", "interruptions", "failures", "takeovers", "orders", "bookings"), 3
    )
    given: dict[str, Any] = {
        "calls": {
            **calls,
            **USED,
            "seconds": 360.04,
            "seconds_quantiles": [120.0, 130.0],
            "scored": 2,
            "quality": 0.75,
        },
        "names": [],
        "hours": [],
        "latency": [],
        "tools": [],
        "cost": [],
        "quality": [],
        "callbacks": 1,
        "made_from": FROM,
    }
    return figures_of(**{**given, **rows})


def test_figures_are_ready_for_json_and_hold_what_was_counted() -> None:
    made = figures(
        names=[
            {"kind": "outcomes", "name": "resolved", "count": 2},
            {"kind": "transfers", "name": "Zebulon Quux", "count": 1},
            {"kind": "transfers", "name": "044 123 45 67", "count": 2},
        ],
        hours=[{"hour": 9, "count": 3}],
        latency=[{"stage": "on_the_wire", "count": 3, "quantiles": [0.512345, 0.98]}],
        tools=[{"name": "search_tires", "count": 4, "failures": 1, "quantiles": [0.1, 0.2]}],
        cost=[{"part": "llm", "amount": 0.1}, {"part": "llm model", "amount": 0.2}, {"part": "?", "amount": 0.3}],
        quality=[{"criterion": "greeted", "count": 2, "mean": 1.0}],
    )
    assert json.loads(json.dumps(made)) == made
    assert made["outcomes"] == {"resolved": 2}
    assert made["transfers"] == {"other": 3}
    assert made["hours"][9] == sum(made["hours"]) == 3
    assert made["latency"] == {"on_the_wire": {"count": 3, "p50": 0.5123, "p95": 0.98}}
    assert made["tools"]["search_tires"]["failure_share"] == 0.25
    assert made["cost"] == {"llm": 0.1, "other": 0.5}
    assert made["model"] == {
        "asked": 12,
        "unknown": 1,
        "not_recorded": 0,
        "input_tokens": 9000,
        "output_tokens": None,
    }
    assert made["quality"] == {"scored": 2, "mean": 0.75, "criteria": {"greeted": {"count": 2, "mean": 1.0}}}
    assert made["calls"]["seconds"] == 360.0


def test_a_flood_of_names_is_cut_and_no_call_is_lost() -> None:
    names: list[dict[str, Any]] = [
        {"kind": "endings", "name": f"reason_{index}", "count": index + 1} for index in range(100)
    ]
    made = figures(names=names)["endings"]
    assert len(made) == MOST_NAMES + 1
    assert sum(made.values()) == sum(row["count"] for row in names)
    assert made["reason_99"] == 100


def test_a_day_without_calls_that_ended_has_no_quantiles() -> None:
    calls = dict.fromkeys(
        ("total", "answered", "callers", "turns", "interruptions", "failures", "takeovers", "orders", "bookings"), 0
    )
    made = figures(calls={**calls, **USED, "seconds": 0, "seconds_quantiles": None, "scored": 0, "quality": None})
    assert made["calls"]["seconds_p50"] is None
    assert made["quality"]["mean"] is None


def row(day: date, **changed: int) -> dict[str, Any]:
    return {"day": day, "playbook": "shop", **FROM, **changed}


def test_days_that_are_missing_or_changed_are_made_and_others_are_not() -> None:
    days = [DAY + timedelta(days=index) for index in range(5)]
    recorded = [row(days[0]), row(days[1]), row(days[2], turns=10), row(days[3], calls=1), row(days[4])]
    stored = [{"day": day, "playbook": "shop", "figures": {"made_from": FROM}} for day in days[1:4]]
    make, keep = days_to_make(recorded, stored, days[4])
    assert [each["day"] for each in make] == [days[0], days[2]]
    assert [each["day"] for each in keep] == [days[3]]
    every, _ = days_to_make(recorded, stored, days[4], every=True)
    assert [each["day"] for each in every] == days[:3]
    assert fingerprint(recorded[0]) == FROM


def test_a_day_with_lost_calls_is_known_by_them() -> None:
    counted = row(DAY, priced=0, lost=0, lost_seconds=0)
    assert fingerprint(counted) == FROM
    lost = [fingerprint({**counted, "lost": 1, "lost_seconds": seconds}) for seconds in (0, 60)]
    assert FROM != lost[0] != lost[1] != FROM


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-W48", date(2026, 11, 23), date(2026, 11, 29)),
        ("2026-W01", date(2025, 12, 29), date(2026, 1, 4)),
        ("2026-W53", date(2026, 12, 28), date(2027, 1, 3)),
    ],
)
def test_weeks_are_those_of_iso(text: str, first: date, last: date) -> None:
    week = Week.parse(text)
    assert (week.days[0], week.days[-1], str(week)) == (first, last, text)


@pytest.mark.parametrize("text", ["2026-48", "2026-W54", "2026-W00", "last", "2026-W4"])
def test_what_is_no_week_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Week.parse(text)


@given(st.dates(date(2001, 1, 1), date(2099, 1, 1)))
def test_the_week_before_is_over(day: date) -> None:
    week = Week.before(day)
    assert week.days[-1] < day <= week.days[-1] + timedelta(days=7)
    assert Week.parse(str(week)) == week


def week_of(**days: dict[str, Any]) -> WeekFigures:
    rows = [
        {"day": date.fromisoformat(f"2026-11-{day[1:]}"), "playbook": "shop", "figures": one}
        for day, one in days.items()
    ]
    (found,) = weeks_of(Week(2026, 48), rows)
    return found


def test_a_week_sums_its_days() -> None:
    one = figures(
        names=[{"kind": "outcomes", "name": "resolved", "count": 3}],
        hours=[{"hour": 9, "count": 3}],
        tools=[{"name": "search_tires", "count": 4, "failures": 1, "quantiles": [0.1, 0.2]}],
        latency=[{"stage": "on_the_wire", "count": 3, "quantiles": [0.5, 0.9]}],
        quality=[{"criterion": "greeted", "count": 1, "mean": 0.0}],
    )
    other = figures(
        names=[{"kind": "outcomes", "name": "failed", "count": 4}],
        tools=[{"name": "search_tires", "count": 4, "failures": 3, "quantiles": [0.1, 0.9]}],
        quality=[{"criterion": "greeted", "count": 3, "mean": 1.0}],
    )
    week = week_of(d23=one, d25=other)
    assert week.total("total") == 6
    assert list(week.sums("outcomes").items()) == [("failed", 4), ("resolved", 3)]
    assert week.hours()[9] == 3
    assert week.tools() == [("search_tires", 8, 0.5, 0.9)]
    assert week.latency("on_the_wire", "p95") == [0.9, None, None, None, None, None, None]
    mean, criteria = week.quality()
    assert (mean, criteria) == (0.75, {"greeted": 0.75})


def test_other_weeks_days_are_left_out() -> None:
    assert weeks_of(Week(2026, 48), [{"day": date(2026, 11, 30), "playbook": "shop", "figures": {}}]) == []
    assert datetime(2026, 11, 30, tzinfo=UTC).isocalendar().week == 49
