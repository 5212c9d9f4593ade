"""A partition that is of no month becomes months, and no row is lost or out of sight."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.jobs import partitions as job
from ops.jobs import retention, split_partition
from ops.jobs.job import JobFailed, Report, Verdict
from tests.integration.operations.site import Site, add_call, counts, partitions

YEAR = [f"calls_2024_{month:02}" for month in range(1, 13)]
BORDERS = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC) - timedelta(microseconds=1))


async def _split(site: Site, name: str, *, dry_run: bool = False) -> Report:
    return await site.run(job.JOB, arguments={"split": name}, dry_run=dry_run)


async def _partition(connection: Any, name: str, lower: str, upper: str) -> None:
    await connection.execute(f"CREATE TABLE {name} PARTITION OF calls FOR VALUES FROM ({lower}) TO ({upper})")


@pytest.fixture
async def year(site: Site, connection: Any) -> Site:
    await _partition(connection, "calls_y2024", "'2024-01-01 00:00+00'", "'2025-01-01 00:00+00'")
    for at in (*BORDERS, *(datetime(2024, month, 17, tzinfo=UTC) for month in (1, 2, 2, 7))):
        await add_call(connection, at)
    return site


async def test_a_year_becomes_its_months(year: Site, connection: Any) -> None:
    before = await connection.fetch("SELECT * FROM calls ORDER BY started_at, id")
    report = await _split(year, "calls_y2024")
    assert report.verdict is Verdict.OK, report.summary
    assert report.figures["moved_by_split"] == 5  # its last month stays where it is, and gets its name
    assert await connection.fetchval("SELECT to_regclass('calls_y2024')") is None
    assert [name for name in await partitions(connection, "calls") if name.startswith("calls_2024")] == YEAR
    assert await connection.fetch("SELECT * FROM calls ORDER BY started_at, id") == before
    assert await connection.fetchval("SELECT count(*) FROM calls_2024_02") == 2
    removed = await year.run(retention.JOB, arguments={"trust-clock": "yes"})
    assert removed.verdict is Verdict.OK, removed.summary
    assert await counts(connection) == (0, 0, 0)


async def test_a_run_that_is_cut_short_leaves_every_row_in_sight_and_is_gone_on_with(
    year: Site, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cut(connected: Any, step: Any) -> int:
        if step.month.month == 3:
            raise JobFailed("the power was cut")
        return await real(connected, step)

    real = split_partition._apply
    with monkeypatch.context() as patched:
        patched.setattr(split_partition, "_apply", cut)
        report = await _split(year, "calls_y2024")
    assert report.verdict is Verdict.FAILED
    assert "--split: the power was cut" in report.summary
    assert await connection.fetchval("SELECT count(*) FROM calls") == 6
    assert await connection.fetchval("SELECT count(*) FROM ONLY calls_y2024") == 2
    bound = "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'calls_y2024'"
    assert "FROM ('2024-03-01 00:00:00+00') TO ('2025-01-01 00:00:00+00')" in await connection.fetchval(bound)
    again = await _split(year, "calls_y2024")
    assert (again.verdict, again.figures["moved_by_split"]) == (Verdict.OK, 1)
    assert await connection.fetchval("SELECT count(*) FROM calls") == 6


async def test_what_is_left_at_last_has_the_name_of_its_month(
    year: Site, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cut(connected: Any, step: Any) -> int:
        if step.month.month == 12:
            raise JobFailed("the power was cut")
        return await real(connected, step)

    real = split_partition._apply
    monkeypatch.setattr(split_partition, "_apply", cut)
    report = await _split(year, "calls_y2024")
    assert report.verdict is Verdict.OK, report.summary
    assert [name for name in await partitions(connection, "calls") if name.startswith("calls_")][:12] == YEAR
    assert await connection.fetchval("SELECT count(*) FROM ONLY calls_2024_12") == 1


async def test_a_month_under_another_name_gets_its_own(site: Site, connection: Any) -> None:
    await _partition(connection, "calls_y2024", "'2024-12-01 00:00+00'", "'2025-01-01 00:00+00'")
    await add_call(connection, BORDERS[1])
    report = await _split(site, "calls_y2024")
    assert report.verdict is Verdict.OK, report.summary
    assert await connection.fetchval("SELECT count(*) FROM ONLY calls_2024_12") == 1
    assert await connection.fetchval("SELECT to_regclass('calls_y2024')") is None


async def test_what_begins_and_ends_within_months_takes_their_other_rows_from_the_default_partition(
    site: Site, connection: Any
) -> None:
    await _partition(connection, "calls_winter", "'2027-12-10 00:00+00'", "'2028-01-10 00:00+00'")
    for day in (
        datetime(2027, 12, 3, tzinfo=UTC),
        datetime(2027, 12, 30, tzinfo=UTC),
        datetime(2028, 1, 9, tzinfo=UTC),
    ):
        await add_call(connection, day)
    await add_call(connection, datetime(2028, 1, 20, tzinfo=UTC))
    report = await _split(site, "calls_winter")
    assert report.verdict is Verdict.OK, report.summary
    assert report.figures["moved_by_split"] == 2
    assert await connection.fetchval("SELECT count(*) FROM calls_2027_12") == 2
    assert await connection.fetchval("SELECT count(*) FROM calls_2028_01") == 2
    assert await connection.fetchval("SELECT count(*) FROM calls_default") == 0


async def test_a_rehearsal_prints_sql_that_does_it_and_changes_nothing(
    year: Site, connection: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    report = await _split(year, "calls_y2024", dry_run=True)
    assert report.verdict is Verdict.OK
    assert "calls_y2024" in await partitions(connection, "calls")
    sql = capsys.readouterr().out
    await connection.execute(sql)
    assert await connection.fetchval("SELECT to_regclass('calls_y2024')") is None
    assert await connection.fetchval("SELECT count(*) FROM calls") == 6


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("calls_nowhere", "has a partition of that name"),
        ("calls_old", "has no end on one side"),
        ("calls_2026_11", "that is of no month"),
        ("calls_autumn", "2024-09 is not calls_autumn's alone: calls_summer has a share in it"),
        ("calls_2025_02", "a table calls_2025_02 is there"),
        ("calls_ages", "covers more than 240 months"),
    ],
)
async def test_what_cannot_be_split_is_left_and_told(site: Site, connection: Any, name: str, why: str) -> None:
    await _partition(connection, "calls_2026_11", "'2026-11-01 00:00+00'", "'2026-12-01 00:00+00'")
    await _partition(connection, "calls_old", "MINVALUE", "'2000-01-01 00:00+00'")
    await _partition(connection, "calls_summer", "'2024-06-01 00:00+00'", "'2024-09-22 00:00+00'")
    await _partition(connection, "calls_autumn", "'2024-09-22 00:00+00'", "'2024-12-01 00:00+00'")
    await _partition(connection, "calls_2025_02", "'2025-01-31 23:00+00'", "'2025-02-28 23:00+00'")
    await _partition(connection, "calls_ages", "'2100-01-01 00:00+00'", "'2130-01-01 00:00+00'")
    before = await partitions(connection, "calls")
    report = await _split(site, name)
    assert report.verdict is Verdict.FAILED
    assert why in report.summary
    assert set(before) <= set(await partitions(connection, "calls"))
