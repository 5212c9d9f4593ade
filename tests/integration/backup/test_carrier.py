"""The log's carrier while it runs: what it tells, and what it lives through."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import asyncpg
import pytest

from ops.backup.slot import hold
from ops.jobs import wal
from ops.jobs.job import Verdict
from ops.jobs.running import run_job
from ops.jobs.runs import Run
from tests.backup_site.records import add_calls
from tests.backup_site.stage import Stage
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)


async def again(url: str) -> asyncpg.Connection:
    """A connection once the server is there again."""
    for _ in range(100):
        with contextlib.suppress(asyncpg.PostgresError, OSError):
            return await asyncpg.connect(url)
        await asyncio.sleep(0.2)
    raise AssertionError("the server did not come back")


async def test_it_tells_how_it_is_and_being_stopped_is_no_failure(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal, "TELL_SECONDS", 0.2)
    running = asyncio.create_task(run_job(wal.JOB, stage.context(), Run("wal-1", "hand")))
    await until(lambda: stage.log_figures().get("kept_timestamp", 0) > 0)
    first = stage.log_figures()
    assert first["slot_limit_bytes"] == -1
    assert first["gap"] == 0
    assert first["slot_held_bytes"] >= 0
    await until(lambda: stage.log_figures()["kept_timestamp"] > first["kept_timestamp"])
    running.cancel()
    ran = await running
    assert ran.report.verdict is Verdict.OK
    assert stage.log_figures()["kept_timestamp"] > 0  # the last that was told stays


async def test_a_slot_without_a_limit_is_warned_of(stage: Stage) -> None:
    done = await stage.run("wal", seconds="1")
    assert any("max_slot_wal_keep_size = -1" in each for each in done.details["warnings"])
    assert any("max_slot_wal_keep_size = -1" in note for note in (await stage.run("backup")).details["notes"])
    await stage.sql("ALTER SYSTEM SET max_slot_wal_keep_size = '1GB'")
    await stage.sql("SELECT pg_reload_conf()")
    try:
        await asyncio.sleep(0.5)
        done = await stage.run("wal", seconds="1")
        assert done.details["warnings"] == []
        assert done.figures["slot_limit_bytes"] == 1 << 30
    finally:
        await stage.sql("ALTER SYSTEM RESET max_slot_wal_keep_size")
        await stage.sql("SELECT pg_reload_conf()")


async def test_a_slot_that_many_want_at_once_is_made_once(stage: Stage) -> None:
    """A backup and the carrier begin at the same moment: one of them makes it, the others wait until it holds."""
    connections = [await asyncpg.connect(stage.url) for _ in range(8)]
    try:
        for _ in range(5):
            held = await asyncio.gather(*(hold(connection, "trunkline_wal") for connection in connections))
            assert [made for _, made in held].count(True) == 1
            assert len({position for position, _ in held}) == 1
            await stage.sql("SELECT pg_drop_replication_slot('trunkline_wal')")
    finally:
        for connection in connections:
            await connection.close()


async def test_a_restart_of_the_server_is_lived_through(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal, "TELL_SECONDS", 0.2)
    async with stage.carrying():
        connection = await asyncpg.connect(stage.url)
        os.kill(await connection.fetchval("SELECT pg_backend_pid()"), signal.SIGKILL)  # the server restarts for it
        await asyncio.sleep(1)
        connection.terminate()
        connection = await again(stage.url)
        await add_calls(connection, 5)
        end = await connection.fetchval("SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint")
        await connection.close()
        after = await stage.having_kept(end)
        assert not after.gap
        await until(lambda: stage.log_figures()["reconnects"] >= 1)
    # The lock was taken anew with the new connection, and is free again.
    assert (await stage.run("wal", seconds="1")).verdict is Verdict.OK


async def test_a_gap_is_told_until_a_full_backup_closes_it(stage: Stage) -> None:
    await stage.run("backup")
    await stage.sql("SELECT pg_drop_replication_slot('trunkline_wal')")
    for _ in range(3):
        await stage.sql("SELECT pg_switch_wal()")
        await stage.sql("SELECT count(*) FROM (SELECT pg_logical_emit_message(true, 'x', 'y')) each")
    await stage.sql("CHECKPOINT")
    await stage.sql("CHECKPOINT")
    assert (await stage.run("wal", seconds="2")).figures["gap"] == 1
    assert (await stage.run("wal", seconds="2")).verdict is Verdict.FAILED  # a later run knows it too
    await stage.run("backup", full="yes")
    assert (await stage.run("wal", seconds="2")).figures["gap"] == 0
