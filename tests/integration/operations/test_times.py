"""A call begins at a moment that a clock can say: what the tables refuse, and rows that were there before they did."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from engine.records.retention import MARK
from ops.jobs import partitions, retention
from ops.jobs.job import Verdict
from tests.integration.operations.site import NOW, SQL, Site, add_call, counts

NO_TIMES = ("infinity", "-infinity", "0044-03-15 BC", "1969-12-31 23:59:59+00", "9999-01-01", "294276-12-31")
LATER = sorted(SQL.glob("0*.sql"))[1:]


async def insert(connection: Any, at: str) -> None:
    """A call with a turn, a tool call and a call-back, at a time that only PostgreSQL can write."""
    call = uuid4()
    await connection.execute(
        f"INSERT INTO calls (id, started_at, ended_at) VALUES ('{call}', '{at}', now());"
        "INSERT INTO call_turns (event_id, call_id, call_started_at, at, turn, speaker, text)"
        f" VALUES ('{uuid4()}', '{call}', '{at}', now(), 0, 'caller', 'four winter tyres');"
        "INSERT INTO call_tool_calls (event_id, call_id, call_started_at, at, name, duration_s, success)"
        f" VALUES ('{uuid4()}', '{call}', '{at}', now(), 'search_tires', 0.1, true);"
        "INSERT INTO callbacks (id, call_id, call_started_at, asked_at)"
        f" VALUES ('{uuid4()}', '{call}', '{at}', now())"
    )


@pytest.fixture
async def before(site: Site, connection: Any) -> Any:
    """A database as it was before: only the first migration, a month detached by retention, rows of no month."""
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.execute((SQL / "0001_calls.sql").read_text("utf-8"))
    await add_call(connection, datetime(2025, 9, 3, tzinfo=UTC))
    await site.run(partitions.JOB, datetime(2025, 9, 4, tzinfo=UTC))
    for table in ("call_tool_calls", "call_turns", "calls"):
        await connection.execute(f"ALTER TABLE {table} DETACH PARTITION {table}_2025_09")
        await connection.execute(f"COMMENT ON TABLE {table}_2025_09 IS '{MARK}'")
    for at in NO_TIMES:
        await insert(connection, at)
    return connection


async def migrate(connection: Any) -> None:
    """As every release after the first one has it."""
    for each in LATER:
        await connection.execute(each.read_text("utf-8"))


@pytest.mark.parametrize("at", NO_TIMES)
async def test_a_time_that_no_clock_says_is_refused(connection: Any, at: str) -> None:
    turn = "(event_id, call_id, call_started_at, at, turn, speaker)"
    tool = "(event_id, call_id, call_started_at, at, name, duration_s, success)"
    for statement in (
        f"INSERT INTO calls (id, started_at) VALUES ('{uuid4()}', '{at}')",
        f"INSERT INTO call_turns {turn} VALUES ('{uuid4()}', '{uuid4()}', '{at}', now(), 0, 'caller')",
        f"INSERT INTO call_tool_calls {tool} VALUES ('{uuid4()}', '{uuid4()}', '{at}', now(), 'x', 0.1, true)",
    ):
        with pytest.raises(asyncpg.CheckViolationError, match="have_a_time"):
            await connection.execute(statement)
    assert await counts(connection) == (0, 0, 0)


async def test_a_wrong_clock_is_no_reason_to_lose_a_call(site: Site, connection: Any) -> None:
    for at in (datetime(1970, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC)):
        await add_call(connection, at)
    assert (await site.run(partitions.JOB)).verdict is Verdict.OK
    assert await counts(connection) == (2, 4, 2)


async def test_rows_that_were_there_begin_now_and_stay_one_call_each(before: Any) -> None:
    await migrate(before)
    assert await counts(before) == (6, 6, 6)
    joined = await before.fetchval(
        "SELECT count(*) FROM calls c JOIN call_turns t ON t.call_id = c.id AND t.call_started_at = c.started_at"
        " JOIN call_tool_calls l ON l.call_id = c.id AND l.call_started_at = c.started_at"
        " JOIN callbacks b ON b.call_id = c.id AND b.call_started_at = c.started_at"
        " WHERE c.started_at BETWEEN now() - interval '1 hour' AND now() AND t.text IS NOT NULL"
    )
    assert joined == 6


async def test_the_jobs_end_well_with_them(site: Site, before: Any) -> None:
    await migrate(before)
    here = datetime.now(UTC)
    made = await site.run(partitions.JOB, here)
    assert made.verdict is Verdict.OK
    assert made.figures["default_rows.calls"] == 0
    assert await before.fetchval("SELECT bool_and(convalidated) FROM pg_constraint WHERE conrelid = $1::text::regclass"
                                 " AND conname = 'calls_have_a_time'", f"calls_{here:%Y_%m}")  # fmt: skip
    kept = await site.run(retention.JOB, here, arguments={"trust-clock": "yes"})
    assert (kept.verdict, "2025-09" in kept.details["removed"]) == (Verdict.OK, True)
    assert await counts(before) == (6, 6, 6)
    later = here.replace(year=here.year + 2, day=1)
    gone = await site.run(retention.JOB, later, arguments={"trust-clock": "yes"})
    assert (gone.verdict, f"{here:%Y-%m}" in gone.details["removed"]) == (Verdict.OK, True)
    assert await counts(before) == (0, 0, 0)


async def test_a_month_that_retention_had_detached_can_still_be_put_back(site: Site, before: Any) -> None:
    call = await before.fetchval("SELECT id FROM calls_2025_09")
    await before.execute(
        "INSERT INTO legal_holds (call_id, call_started_at, reason) VALUES ($1, '2025-09-03', 'a court asks')", call
    )
    await migrate(before)
    report = await site.run(retention.JOB, NOW, arguments={"trust-clock": "yes"})
    assert (report.verdict, report.details["attached_again"]) == (Verdict.OK, ["2025-09"])
    assert await before.fetchval("SELECT count(*) FROM calls WHERE id = $1", call) == 1


async def test_a_hold_at_no_time_stops_no_retention(site: Site, connection: Any) -> None:
    await add_call(connection, datetime(2025, 9, 3, tzinfo=UTC))
    for at in NO_TIMES:
        await connection.execute(
            f"INSERT INTO legal_holds (call_id, call_started_at, reason) VALUES ('{uuid4()}', '{at}', 'typed by hand')"
        )
    report = await site.run(retention.JOB, NOW, arguments={"trust-clock": "yes"})
    assert (report.verdict, report.details["removed"]) == (Verdict.OK, ["2025-09"])
