"""The partitions job against a real PostgreSQL, with calls being recorded beside it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from engine.records.months import Month
from engine.records.partition_facts import SESSION, bounds_of, read_facts
from engine.records.partitions import PARENTS, Bounds
from ops.jobs.job import Verdict
from ops.jobs.partitions import JOB
from tests.integration.operations.site import NOW, Site, add_call, counts, partitions

TABLES = [parent.table for parent in PARENTS]
HORIZON = ["2026_10", "2026_11", "2026_12", "2027_01", "2027_02"]


async def test_the_horizon_is_made(site: Site, connection: Any) -> None:
    report = await site.run(JOB)
    assert (report.verdict, report.figures["created"], report.figures["moved"]) == (Verdict.OK, 15, 0)
    for table in TABLES:
        assert await partitions(connection, table) == [*(f"{table}_{month}" for month in HORIZON), f"{table}_default"]
        assert report.figures[f"months_ahead.{table}"] == 3
        assert report.figures[f"default_rows.{table}"] == 0
    again = await site.run(JOB)
    assert (again.verdict, again.figures["created"]) == (Verdict.OK, 0)


async def test_a_new_partition_is_like_the_others(site: Site, connection: Any) -> None:
    await site.run(JOB)
    for table in TABLES:
        (indexes,) = {
            (await connection.fetchval("SELECT count(*) FROM pg_index WHERE indrelid = $1::text::regclass", name))
            for name in await partitions(connection, table)
        }
        assert indexes >= 2
        loose = await connection.fetchval(
            "SELECT count(*) FROM pg_index x WHERE indrelid = $1::text::regclass"
            " AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = x.indexrelid)",
            f"{table}_2026_11",
        )
        assert loose == 0, "an index that is not its table's would not be used, nor dropped with it"
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(
            "INSERT INTO calls_2026_11 (id, started_at, outcome) VALUES ($1, $2, 'wonderful')", uuid4(), NOW
        )


async def test_rows_of_the_default_partition_are_moved(site: Site, connection: Any) -> None:
    for month in (Month(2026, 6), Month(2026, 11), Month(2027, 1)):
        for at in (month.start, month.start + timedelta(days=9), month.end - timedelta(microseconds=1)):
            await add_call(connection, at)
    before = await counts(connection)
    report = await site.run(JOB)
    assert (report.verdict, report.figures["moved"]) == (Verdict.OK, 9 + 18 + 9)
    assert await counts(connection) == before
    for name in ("2026_06", "2026_11", "2027_01"):
        assert await connection.fetchval(f"SELECT count(*) FROM calls_{name}") == 3
        assert await connection.fetchval(f"SELECT count(*) FROM call_turns_{name}") == 6
    assert await connection.fetchval("SELECT count(*) FROM ONLY calls_default") == 0


async def test_calls_recorded_meanwhile_are_all_there(site: Site, connection: Any) -> None:
    """Recorders write to months that are being made, and repeat what a partition that came in between refuses."""
    written: list[int] = []
    stop = asyncio.Event()

    async def recorder(number: int) -> None:
        own = await site.connect()
        moments = [Month(2026, 8).plus(step).start + timedelta(days=number, hours=1) for step in range(7)]
        done = 0
        while not stop.is_set() or done < 20:
            try:
                async with own.transaction():
                    await add_call(own, moments[done % len(moments)] + timedelta(seconds=done))
            except asyncpg.CheckViolationError:  # 23514: the row was on its way to the default partition
                continue
            done += 1
        written.append(done)
        await own.close()

    tasks = [asyncio.create_task(recorder(number)) for number in range(4)]
    await asyncio.sleep(0.2)
    reports = [await site.run(JOB) for _ in range(2)]
    stop.set()
    await asyncio.gather(*tasks)
    assert [report.verdict for report in reports] == [Verdict.OK, Verdict.OK]
    await site.run(JOB)
    assert len(written) == 4
    total = sum(written)
    assert await counts(connection) == (total, 2 * total, total)
    assert await connection.fetchval("SELECT count(*) FROM calls_default") == 0
    assert reports[0].figures["moved"] > 0


async def test_one_table_that_fails_does_not_stop_the_others(site: Site, connection: Any) -> None:
    await connection.execute("ALTER TABLE calls RENAME TO calls_were_here")
    report = await site.run(JOB)
    assert report.verdict is Verdict.FAILED
    assert "calls: the table calls is not there: run `trunkline db migrate`" in report.summary
    assert len(await partitions(connection, "call_turns")) == 6
    assert len(await partitions(connection, "call_tool_calls")) == 6


async def test_a_table_that_is_held_is_given_up_and_the_others_are_made(
    site: Site, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.jobs.partitions.LOCK_TRIES", 2)
    monkeypatch.setattr("ops.jobs.partitions.LOCK_PAUSE", 0.01)
    monkeypatch.setattr("ops.jobs.partitions.LOCK_MS", 50)
    await add_call(connection, NOW)
    async with connection.transaction():
        await connection.execute("LOCK TABLE call_turns_default IN ACCESS SHARE MODE")  # a backup would
        report = await site.run(JOB)
        assert report.verdict is Verdict.FAILED
        assert "call_turns: 2026-11: its locks were not to be had in 2 tries" in report.summary
    assert len(await partitions(connection, "calls")) == 6
    assert len(await partitions(connection, "call_turns")) == 1
    assert await connection.fetchval("SELECT count(*) FROM call_turns_default") == 2
    assert (await site.run(JOB)).verdict is Verdict.OK
    assert await connection.fetchval("SELECT count(*) FROM call_turns_2026_11") == 2


async def test_foreign_partitions_are_told_and_left(site: Site, connection: Any) -> None:
    await connection.execute(
        "CREATE TABLE calls_winter PARTITION OF calls FOR VALUES FROM ('2026-12-10') TO ('2027-01-15')"
    )
    await connection.execute("CREATE TABLE call_turns_2026_12 (x int)")
    report = await site.run(JOB)
    assert report.verdict is Verdict.FAILED
    assert "2026-12 is covered in part by calls_winter" in report.summary
    assert "call_turns_2026_12 exists and is no partition of call_turns" in report.summary
    assert await partitions(connection, "calls") == [
        "calls_2026_10",
        "calls_2026_11",
        "calls_2027_02",
        "calls_default",
        "calls_winter",
    ]
    assert report.figures["months_ahead.calls"] == 0


async def test_a_clock_a_century_ahead_and_back(site: Site, connection: Any) -> None:
    await add_call(connection, NOW)
    await site.run(JOB)
    ahead = await site.run(JOB, NOW.replace(year=2126))
    assert ahead.figures["clocks_apart_s"] > 99 * 365 * 86400
    assert ahead.figures["created"] == 15
    back = await site.run(JOB, NOW - timedelta(days=300))
    assert back.figures["created"] <= 3 * 12
    assert await counts(connection) == (1, 2, 1)


async def test_rows_out_of_all_time_stay(site: Site, connection: Any) -> None:
    await connection.execute("ALTER TABLE calls DROP CONSTRAINT calls_have_a_time")
    for at in ("infinity", "-infinity", "0044-03-15 BC", "294276-12-31", "1970-01-01", "2099-01-01"):
        await connection.execute(f"INSERT INTO calls (id, started_at) VALUES ('{uuid4()}', '{at}')")
    report = await site.run(JOB)
    assert report.verdict is Verdict.OK
    assert report.figures["default_rows.calls"] == 6
    assert set(report.details["calls"]["notes"].values()) == {"old rows", "future rows", "rows of no month"}


async def test_a_dry_run_prints_sql_that_does_the_same(
    site: Site, connection: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await add_call(connection, NOW)
    report = await site.run(JOB, dry_run=True)
    assert report.verdict is Verdict.OK
    assert await partitions(connection, "calls") == ["calls_default"]
    await connection.execute(capsys.readouterr().out)
    assert await partitions(connection, "calls") == [*(f"calls_{month}" for month in HORIZON), "calls_default"]
    assert await connection.fetchval("SELECT count(*) FROM calls_2026_11") == 1
    assert (await site.run(JOB)).figures["created"] == 0


async def test_two_at_once_make_each_month_once(site: Site, connection: Any) -> None:
    reports = await asyncio.gather(site.run(JOB), site.run(JOB))
    assert Verdict.OK in {report.verdict for report in reports}
    for table in TABLES:
        assert len(await partitions(connection, table)) == 6


async def test_bounds_are_read_as_they_are(site: Site, connection: Any) -> None:
    await connection.execute("CREATE TABLE calls_open PARTITION OF calls FOR VALUES FROM ('2030-01-01') TO (MAXVALUE)")
    await connection.execute(
        "CREATE TABLE calls_past PARTITION OF calls FOR VALUES FROM (MINVALUE) TO ('2020-01-01 02:00+02')"
    )
    reader = await asyncpg.connect(site.url, server_settings=dict(SESSION))
    facts = await read_facts(reader, PARENTS[0])
    await reader.close()
    assert {each.name: each.bounds for each in facts.partitions} == {
        "calls_open": Bounds(datetime(2030, 1, 1, tzinfo=UTC), None),
        "calls_past": Bounds(None, datetime(2020, 1, 1, tzinfo=UTC)),
    }
    assert facts.default == "calls_default"
    assert "started_at" in facts.columns
    assert bounds_of("FOR VALUES IN ('a')") == Bounds(None, None)


async def test_without_a_database_it_is_skipped(site: Site) -> None:
    context = site.context()
    report = await JOB.run(type(context)(context.settings, "", context.wall))
    assert report.verdict is Verdict.SKIPPED
