"""When jobs are due."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import load_settings
from engine.errors import ConfigurationError
from ops.jobs.job import Job, JobContext, Report, Verdict
from ops.jobs.schedule import Due, last_due, last_runs, next_due, run_id, still_due, timetable

KYIV = ZoneInfo("Europe/Kyiv")
NOWS = st.datetimes(min_value=datetime(2024, 1, 1), max_value=datetime(2032, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
CRONS = st.sampled_from(
    ["10 3 * * *", "*/30 * * * *", "30 2 * * *", "0 0 29 2 *", "30 5 * * 1", "0 4 1 * *", "59 23 31 12 *"]
)
ZONES = st.sampled_from([UTC, KYIV, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")])


async def _nothing(_: JobContext) -> Report:
    return Report(Verdict.OK, "")


def _job(name: str, schedule: str = "10 3 * * *") -> Job:
    return Job(name, "", _nothing, schedule)


JOBS = [_job("partitions"), _job("report", "30 5 * * 1"), _job("erasure", "")]


@given(CRONS, ZONES, NOWS)
def test_the_next_time_becomes_the_last_one(cron: str, zone: ZoneInfo, now: datetime) -> None:
    due = next_due(cron, zone, now)
    assert due is not None
    assert due > now
    assert last_due(cron, zone, due) == due
    before = last_due(cron, zone, due - timedelta(seconds=1))
    assert before is None or before <= now


@given(CRONS, ZONES, NOWS, NOWS)
def test_a_clock_that_went_back_makes_nothing_due_anew(cron: str, zone: ZoneInfo, one: datetime, two: datetime) -> None:
    early, late = min(one, two), max(one, two)
    first, second = last_due(cron, zone, early), last_due(cron, zone, late)
    assert first is None or (second is not None and first <= second)


def test_times_are_of_the_zone() -> None:
    assert next_due("10 3 * * *", KYIV, datetime(2026, 11, 22, tzinfo=UTC)) == datetime(2026, 11, 22, 1, 10, tzinfo=UTC)
    assert next_due("10 3 * * *", KYIV, datetime(2026, 7, 1, tzinfo=UTC)) == datetime(2026, 7, 1, 0, 10, tzinfo=UTC)


def test_the_hour_that_is_left_out() -> None:
    """On 2026-03-29 the clocks of Kyiv go from 03:00 to 04:00."""
    night = datetime(2026, 3, 28, 12, tzinfo=UTC)
    first = next_due("30 3 * * *", KYIV, night)
    assert first == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert next_due("30 3 * * *", KYIV, first) == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)
    assert last_due("30 3 * * *", KYIV, datetime(2026, 3, 29, 12, tzinfo=UTC)) == first


def test_the_hour_that_comes_twice() -> None:
    """On 2026-10-25 the clocks of Kyiv go from 04:00 to 03:00: 03:30 comes twice, and the job once."""
    first = next_due("30 3 * * *", KYIV, datetime(2026, 10, 24, 12, tzinfo=UTC))
    assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert next_due("30 3 * * *", KYIV, first) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)
    second_time = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
    assert next_due("30 3 * * *", KYIV, second_time) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)
    assert last_due("30 3 * * *", KYIV, second_time) == first


def test_a_run_has_a_name_that_ray_takes() -> None:
    name = run_id("partitions", datetime(2026, 11, 22, 5, 10, tzinfo=KYIV))
    assert name == "partitions-2026-11-22T03-10Z"
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", name)


def test_what_was_missed_is_caught_up_once() -> None:
    table = timetable(load_settings({}), JOBS)
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    candidates = last_runs(table, now)
    assert [(due.id, due.trigger) for due in candidates] == [
        ("report-2026-11-16T05-30Z", "catch-up"),
        ("partitions-2026-11-22T03-10Z", "catch-up"),
    ]
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    assert still_due(candidates, set(), since=long_ago) == candidates
    assert still_due(candidates, {due.id for due in candidates}, since=long_ago) == ()


def test_in_time_is_no_catch_up() -> None:
    table = timetable(load_settings({}), JOBS)
    (_, due) = last_runs(table, datetime(2026, 11, 22, 3, 14, tzinfo=UTC))
    assert (due.job, due.trigger) == ("partitions", "schedule")


def test_a_new_site_makes_up_for_nothing_but_what_it_cannot_do_without() -> None:
    dues = [Due(name, datetime(2026, 11, 22, 3, tzinfo=UTC), "catch-up") for name in ("partitions", "report")]
    since = datetime(2026, 11, 22, 4, tzinfo=UTC)
    assert [due.job for due in still_due(dues, (), since=since, at_once=("partitions",))] == ["partitions"]


def test_settings_replace_times() -> None:
    table = timetable(load_settings({"TRUNKLINE_OPS_CRONS": "partitions=5 4 * * *|report=off|backup=off"}), JOBS)
    assert dict(table.crons) == {"partitions": "5 4 * * *"}


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("TRUNKLINE_OPS_TIMEZONE", "Europe/Nowhere", "expected a time zone that this machine knows"),
        ("TRUNKLINE_OPS_CRONS", "partition=1 2 * * *", "expected JOB=CRON"),
        ("TRUNKLINE_OPS_CRONS", "partitions", "expected JOB=CRON"),
        ("TRUNKLINE_OPS_CRONS", "partitions=", "not five fields"),
        ("TRUNKLINE_OPS_CRONS", "partitions=61 2 * * *", "Bad minute"),
        ("TRUNKLINE_OPS_CRONS", "partitions=0 0 2 * * *", "not five fields"),
        ("TRUNKLINE_OPS_CRONS", "backup=every day", "not five fields"),
    ],
)
def test_what_is_wrong_is_refused(variable: str, value: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        timetable(load_settings({variable: value}), JOBS)
