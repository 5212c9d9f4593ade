"""Calls that nobody was left to tell the end of: real processes, killed; and what their record says then."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.config import Settings
from engine.config.sections import PathSettings
from engine.records.months import Month
from engine.records.outbox import Outbox
from engine.records.partition_facts import read_facts
from engine.records.partitions import PARENTS, month_step
from engine.records.recorder import Recorder
from ops.caller import Caller
from ops.jobs import endings
from ops.jobs.job import JobContext, Report
from tests.integration.records.stage import append, database_sink, recording, written
from tests.records_stage import RecordedCall
from tests.unit.dialogue.stage import SPEECH

pytestmark = pytest.mark.timeout(180)

HOUR = timedelta(hours=1)
COUNTED = "UPDATE calls SET cost = '{\"stt\": 1}', quality = '{}', quality_score = 0.5"
"""As prices and scores stand in a call's row when the jobs have been at it."""


@dataclasses.dataclass
class Killable:
    """A node whose exchange and whose call's process are processes of their own."""

    folder: Path
    caller: Caller
    exchange: asyncio.subprocess.Process
    leader: asyncio.subprocess.Process


@contextlib.asynccontextmanager
async def killable(*, orphan_seconds: float) -> AsyncIterator[Killable]:
    """With one announced call, which is led and has answered once."""
    call_id = uuid.uuid4()
    here = "tests.integration.exchange"
    with tempfile.TemporaryDirectory() as name:
        folder, started = Path(name), []
        try:
            exchange = await asyncio.create_subprocess_exec(
                sys.executable, "-m", f"{here}.node_process", name, str(call_id), stdout=asyncio.subprocess.PIPE
            )
            started.append(exchange)
            socket = str(folder / "ingress.sock")
            leader = await asyncio.create_subprocess_exec(
                sys.executable, "-m", f"{here}.call_process", socket, "9", str(orphan_seconds)
            )
            started.append(leader)
            assert exchange.stdout is not None
            async with asyncio.timeout(30):
                port = int(await exchange.stdout.readline())
            async with Caller(("127.0.0.1", port), call_id=call_id, answer_gap=0.4) as caller:
                await caller.wait_for_greeting(10)
                await caller.speak(SPEECH * 40)
                await caller.wait_for_answer(10)
                await asyncio.sleep(0.6)  # a moment of the exchange's thread, which writes to the disk
                yield Killable(folder, caller, exchange, leader)
        finally:
            for process in started:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


@contextlib.asynccontextmanager
async def carried(folder: Path, server: str) -> AsyncIterator[Recorder]:
    """What lies in the outboxes of ``folder`` is carried into the database."""
    outbox = Outbox(folder / "outbox", segment_bytes=1 << 16, reserve_bytes=1 << 16)
    outbox.open()
    sink = database_sink(server, outbox)
    try:
        async with recording(outbox, sink) as recorder:
            yield recorder
    finally:
        await sink.close()
        outbox.close()


async def end_lost(server: str, now: datetime, **changes: Any) -> Report:
    settings = dataclasses.replace(Settings(), paths=PathSettings(Path("/nonexistent")))
    return await endings.JOB.run(JobContext(settings, server, now.timestamp, {}, changes.get("dry_run", False)))


async def call_of(database: Any, call_id: str) -> Any:
    return await database.fetchrow("SELECT * FROM calls WHERE id = $1", uuid.UUID(call_id))


async def test_a_call_whose_processes_are_all_killed_gets_an_end(database: Any, server: str) -> None:
    async with killable(orphan_seconds=60) as node:
        call_id = str(node.caller.call_id)
        node.exchange.kill()
        node.leader.kill()
        await asyncio.gather(node.exchange.wait(), node.leader.wait())
        async with carried(node.folder, server) as recorder:
            assert await recorder.drain(20)
    lost = await call_of(database, call_id)
    assert (lost["ended_at"], lost["outcome"], lost["turns"]) == (None, None, 1)
    now = datetime.now(UTC)
    assert (await end_lost(server, now)).figures == {"ended": 0}, "it may still go on, here or on another node"
    assert (await end_lost(server, now + HOUR, dry_run=True)).figures == {"ended": 1}
    assert (await call_of(database, call_id))["ended_at"] is None
    assert (await end_lost(server, now + HOUR)).figures == {"ended": 1}
    ended = await call_of(database, call_id)
    assert (ended["outcome"], ended["ending_reason"], ended["next"]) == ("failed", "engine_lost", None)
    assert ended["ended_at"] == await database.fetchval("SELECT max(at) FROM call_turns")
    assert (await end_lost(server, now + HOUR)).figures == {"ended": 0}


async def test_what_a_process_could_tell_nobody_goes_to_the_disk(database: Any, server: str) -> None:
    async with killable(orphan_seconds=0.5) as node:
        call_id = str(node.caller.call_id)
        node.exchange.kill()
        await node.exchange.wait()
        await asyncio.sleep(0.7)  # longer than it waits for another: the call goes on
        assert node.leader.returncode is None
        await node.caller.close()
        async with asyncio.timeout(30):
            await node.leader.wait()
        async with carried(node.folder, server) as recorder:
            assert await recorder.drain(20)
    ended = await call_of(database, call_id)
    assert (ended["outcome"], ended["ending_reason"], ended["turns"]) == ("abandoned", "caller_hung_up", 1)
    assert (ended["caller"], ended["playbook"]) == ("+380501234567", "tyre_shop")
    assert await database.fetchval("SELECT count(*) FROM calls") == 1


async def test_the_end_that_a_call_tells_itself_stands_whenever_it_comes(
    database: Any, server: str, outbox: Outbox
) -> None:
    call = RecordedCall()
    early = [call.call(), call.turn(0, "", "Good day."), call.tool("get_order_status")]
    late, end = call.turn(1, "my order", "It is on its way."), call.ended()
    now = datetime.fromtimestamp(call.began, UTC) + 2 * HOUR
    sink = database_sink(server, outbox)
    async with recording(outbox, sink):
        count = append(outbox, early)
        await written(outbox, sink, count)
        assert (await end_lost(server, now)).figures == {"ended": 1}
        first = await call_of(database, call.id)
        await database.execute(COUNTED)
        count += append(outbox, [late])
        await written(outbox, sink, count)
        assert (await end_lost(server, now)).figures == {"ended": 1}, "it went on longer than was known"
        second = await call_of(database, call.id)
        assert second["ended_at"] > first["ended_at"]
        assert (second["cost"], second["quality"], second["quality_score"]) == ("{}", None, None), "and costs more"
        await database.execute(COUNTED)
        count += append(outbox, [end, end])
        await written(outbox, sink, count)
    told = await call_of(database, call.id)
    assert (told["outcome"], told["ending_reason"], told["next"]) == ("resolved", "goodbye", "hangup")
    assert told["ended_at"].timestamp() == end["event"]["at"]
    assert (told["cost"], told["quality"], told["quality_score"]) == ("{}", None, None), "counted and scored anew"
    assert (await end_lost(server, now)).figures == {"ended": 0}
    assert (await call_of(database, call.id))["ended_at"] == told["ended_at"]


@pytest.mark.parametrize("gone", ["text_removed_at", "erased_at"])
async def test_what_cannot_be_priced_again_keeps_its_price(
    database: Any, server: str, outbox: Outbox, gone: str
) -> None:
    call = RecordedCall()
    now = datetime.fromtimestamp(call.began, UTC) + 2 * HOUR
    sink = database_sink(server, outbox)
    async with recording(outbox, sink):
        count = append(outbox, [call.call(), call.turn(0, "", "Good day.")])
        await written(outbox, sink, count)
        await end_lost(server, now)
        await database.execute(f"{COUNTED}, {gone} = now()")
        count += append(outbox, [call.turn(1, "my order", "It is on its way.")])
        await written(outbox, sink, count)
        assert (await end_lost(server, now)).figures == {"ended": 1}
        moved = await call_of(database, call.id)
        count += append(outbox, [call.ended()])
        await written(outbox, sink, count)
    told = await call_of(database, call.id)
    assert (moved["ending_reason"], told["ending_reason"]) == ("engine_lost", "goodbye")
    assert (moved["cost"], told["cost"]) == ('{"stt": 1}', '{"stt": 1}')


async def test_an_end_is_not_told_twice(database: Any, server: str, outbox: Outbox) -> None:
    call = RecordedCall()
    sink = database_sink(server, outbox)
    async with recording(outbox, sink):
        count = append(outbox, call.all())
        await written(outbox, sink, count)
        await database.execute("UPDATE calls SET cost = '{\"stt\": 1}'")
        append(outbox, [call.ended("operator", "late")])
        await written(outbox, sink, count + 1)
    row = await call_of(database, call.id)
    assert (row["ending_reason"], row["cost"]) == ("goodbye", '{"stt": 1}')


def rows_read(plan: dict[str, Any]) -> int:
    """Rows of calls that a plan, run with ANALYZE, took into its hands, whether they were of use or not."""
    own = 0
    if plan.get("Relation Name", "").startswith("calls") and plan["Node Type"] != "ModifyTable":
        own = int((plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"])
    return own + sum(rows_read(each) for each in plan.get("Plans", ()))


@pytest.mark.parametrize("query", ["close_lost_calls", "lost_calls"])
async def test_calls_that_have_an_end_are_not_read_for_it(database: Any, query: str) -> None:
    now, day = datetime(2026, 11, 22, 12, tzinfo=UTC), timedelta(days=1)
    async with rolled_back(database):
        for statement in month_step(await read_facts(database, PARENTS[0]), Month.of(now)).statements:
            await database.execute(statement)  # a month of its own; those before are in the default partition
        await database.execute(
            "INSERT INTO calls (id, started_at, ended_at, ending_reason)"
            " SELECT gen_random_uuid(), $1::timestamptz - number * interval '10 minutes',"
            " CASE WHEN number % 2000 <> 7 THEN $1 END, 'goodbye' FROM generate_series(1, 5000) number",
            now,
        )
        await database.execute("ANALYZE calls")
        text = "EXPLAIN (ANALYZE, FORMAT JSON) " + endings._queries()[query]
        (told,) = json.loads(await database.fetchval(text, now - 40 * day, now))
    assert 0 < rows_read(told["Plan"]) < 50


@contextlib.asynccontextmanager
async def rolled_back(database: Any) -> AsyncIterator[None]:
    transaction = database.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()
