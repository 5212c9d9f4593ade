"""What the retention job removes beside the months: customers, call-backs, runs, dead letters, default partitions."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from engine.records.months import Month
from ops.jobs import partitions as partitions_job
from ops.jobs.job import JobFailed, Report, Verdict
from ops.jobs.retention import JOB
from tests.integration.operations.site import NOW, Site, add_call, partitions

LONG_AGO = NOW - timedelta(days=380)


async def _run(site: Site, **more: Any) -> Report:
    return await site.run(JOB, arguments={"trust-clock": "yes"}, **more)


async def _customer(connection: Any, phone: str, last: datetime) -> None:
    await connection.execute(
        "INSERT INTO customers (phone, name, first_call_at, last_call_at) VALUES ($1, 'Ada', $2, $2)", phone, last
    )


async def _callback(connection: Any, phone: str, state: str, at: datetime, call: UUID | None = None) -> None:
    await connection.execute(
        "INSERT INTO callbacks (id, call_id, call_started_at, phone, asked_at, state, changed_at)"
        " VALUES ($1, $2, $4, $3, $4, $5, $4)",
        uuid4(),
        call or uuid4(),
        phone,
        at,
        state,
    )


async def _hold(connection: Any, call: UUID) -> None:
    await connection.execute(
        "INSERT INTO legal_holds (call_id, call_started_at, reason) VALUES ($1, $2, 'a court')", call, NOW
    )


async def test_customers_go_when_nothing_keeps_them(site: Site, connection: Any) -> None:
    for phone, last in (("+1", LONG_AGO), ("+2", NOW - timedelta(days=364)), ("+3", LONG_AGO), ("+4", LONG_AGO)):
        await _customer(connection, phone, last)
    call = await add_call(connection, LONG_AGO)
    await connection.execute("UPDATE calls SET caller = '+3'")
    await _hold(connection, call)  # and so does the customer whose call it is
    await _callback(connection, "+4", "open", NOW - timedelta(days=1))
    report = await _run(site)
    assert report.verdict is Verdict.OK
    assert report.figures["removed.customers"] == 1
    assert [row["phone"] for row in await connection.fetch("SELECT phone FROM customers ORDER BY 1")] == [
        "+2",
        "+3",
        "+4",
    ]
    again = await _run(site, more={"TRUNKLINE_RETENTION_CUSTOMERS_DAYS": "30"})
    assert again.figures["removed.customers"] == 1
    assert "removed: 1 customers" in again.summary


async def test_numbers_of_callbacks_go_and_later_the_callbacks(site: Site, connection: Any) -> None:
    held = uuid4()
    await _hold(connection, held)
    await _callback(connection, "done-old", "done", NOW - timedelta(days=31))
    await _callback(connection, "done-new", "done", NOW - timedelta(days=29))
    await _callback(connection, "open-old", "open", NOW - timedelta(days=31))
    await _callback(connection, "ancient", "unreachable", LONG_AGO)
    await _callback(connection, "held", "done", LONG_AGO, held)
    report = await _run(site)
    assert (report.figures["removed.callback_numbers"], report.figures["removed.callbacks"]) == (3, 1)
    rows = await connection.fetch("SELECT phone, state, changed_at FROM callbacks ORDER BY phone NULLS FIRST, state")
    assert [(row["phone"], row["state"]) for row in rows] == [
        (None, "done"),
        (None, "unreachable"),
        ("done-new", "done"),
        ("held", "done"),
    ]
    assert rows[1]["changed_at"] == NOW


async def test_runs_go_but_the_last_ones(site: Site, connection: Any) -> None:
    def row(name: str, job: str, days: int, verdict: str) -> tuple[Any, ...]:
        at = NOW - timedelta(days=days)
        return (name, job, "schedule", at, at, verdict)

    await connection.executemany(
        "INSERT INTO ops_runs (id, job, trigger, started_at, finished_at, verdict) VALUES ($1, $2, $3, $4, $5, $6)",
        [
            row("a1", "a", 900, "ok"),
            row("a2", "a", 800, "ok"),
            row("a3", "a", 700, "failed"),
            row("a4", "a", 600, "failed"),
            row("b1", "b", 401, "ok"),
            row("b2", "b", 399, "ok"),
        ],
    )
    report = await _run(site)
    assert report.figures["removed.runs"] == 3
    assert [run["id"] for run in await connection.fetch("SELECT id FROM ops_runs ORDER BY 1")] == ["a2", "a4", "b2"]


async def test_dead_letters_go(site: Site, connection: Any) -> None:
    held = uuid4()
    await _hold(connection, held)
    file = site.state_dir / "outbox" / "dead-letters.jsonl"
    file.parent.mkdir(parents=True)
    ages = ((uuid4(), 91), (uuid4(), 89), (held, 400))
    records = [
        {"record": {"call": str(call), "event": {"at": (NOW - timedelta(days=days)).timestamp()}}}
        for call, days in ages
    ]
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    report = await _run(site)
    assert report.figures["removed.dead_letters"] == 1
    assert [json.loads(line) for line in file.read_text().splitlines()] == records[1:]


async def test_what_a_default_partition_kept_goes_as_its_month_would(
    site: Site, connection: Any, tmp_path: Path
) -> None:
    for month in (Month(1970, 1), Month(2025, 3), Month(2025, 5), Month(2026, 6)):
        call = await add_call(connection, month.start + timedelta(days=1))
        if month == Month(2025, 5):
            await _hold(connection, call)
    folder = tmp_path / "exports"
    report = await _run(site, more={"TRUNKLINE_RETENTION_EXPORT_DIR": str(folder)})
    assert report.verdict is Verdict.OK
    assert report.details["removed"] == ["1970-01", "2025-03"]
    assert (report.figures["gathered"], report.figures["rows"]) == (8, 8)
    left = await connection.fetch(
        "SELECT DISTINCT date_trunc('month', started_at) AS month FROM calls_default ORDER BY 1"
    )
    assert [row["month"] for row in left] == [Month(2025, 5).start, Month(2026, 6).start]
    with gzip.open(folder / "call_turns_2025_03.csv.gz", "rt", newline="") as packed:
        assert [row["speaker"] for row in csv.DictReader(packed)] == ["caller", "agent"]
    assert await connection.fetchval("SELECT to_regclass('calls_2025_03')") is None


async def test_a_table_may_be_kept_shorter_than_the_others(site: Site, connection: Any) -> None:
    await add_call(connection, Month(2026, 6).start)
    await site.run(partitions_job.JOB)
    assert "call_turns_2026_06" in await partitions(connection, "call_turns")
    more = {"TRUNKLINE_RETENTION_TABLES": "call_turns=100", "TRUNKLINE_PARTITIONS_AHEAD_TABLES": "calls=6"}
    report = await _run(site, more=more)
    assert report.figures["rows"] == 2
    assert "call_turns_2026_06" not in await partitions(connection, "call_turns")
    assert "calls_2026_06" in await partitions(connection, "calls")
    made = await site.run(partitions_job.JOB, more=more)
    assert (made.figures["months_ahead.calls"], made.figures["months_ahead.call_turns"]) == (6, 3)
    assert "call_turns_2026_06" not in await partitions(connection, "call_turns")


async def test_a_dry_run_counts_and_removes_nothing(
    site: Site, connection: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await _customer(connection, "+1", LONG_AGO)
    await _callback(connection, "+2", "done", LONG_AGO)
    await add_call(connection, Month(2025, 3).start)
    report = await _run(site, dry_run=True)
    assert report.details["beside"] == {
        "callback_numbers": 1,
        "callbacks": 0,
        "customers": 1,
        "runs": 0,
        "dead_letters": 0,
    }
    assert await connection.fetchval("SELECT count(*) FROM customers") == 1
    assert await connection.fetchval("SELECT count(*) FROM calls_default") == 1
    sql = capsys.readouterr().out
    await connection.execute(sql)  # it is what would be run
    assert await connection.fetchval("SELECT count(*) FROM customers") == 0
    assert await connection.fetchval("SELECT phone FROM callbacks") is None
    assert await connection.fetchval("SELECT obj_description('calls_2025_03'::regclass)") is not None


async def test_a_clock_that_jumped_removes_no_customer(site: Site, connection: Any) -> None:
    await _customer(connection, "+1", NOW)
    with pytest.raises(JobFailed, match="nothing was removed"):
        await site.run(JOB, NOW + timedelta(days=1000))
    assert await connection.fetchval("SELECT count(*) FROM customers") == 1
