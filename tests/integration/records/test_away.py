"""The way of events into a real PostgreSQL and a real Valkey: nothing lost, nothing doubled, whoever is away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from engine.records import recorder as recorder_module
from engine.records import writer
from engine.records.outbox import BOOT, Outbox
from engine.records.reading import READER_LOCK
from engine.records.recorder import STATUS, Recorder
from engine.records.segments import segments
from engine.records.stream import STREAM, StreamSink
from tests.embedded import Databases, open_folder
from tests.integration.records.stage import all_of, append, count_all, database_sink, recording, written
from tests.records_stage import RecordedCall
from tests.waiting import until

pytestmark = pytest.mark.timeout(180)


async def test_a_lock_that_is_not_to_be_had_disturbs_no_other_write(
    database: Any, server: str, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool is shared by all outboxes: a transaction that was refused does not close it."""
    monkeypatch.setattr(writer, "LOCK_SECONDS", 0.2)
    sink = database_sink(server, outbox)
    async with recording(outbox, sink) as recorder:
        count = append(outbox, RecordedCall(1).all())
        await written(outbox, sink, count)
        pool = sink._pool
        async with database.transaction():
            await database.execute("LOCK TABLE call_turns IN ACCESS EXCLUSIVE MODE")
            count += append(outbox, RecordedCall(2).all())
            await until(lambda: any(one["away"] for one in recorder.status()["outboxes"]))
            assert sink._pool is pool
        await written(outbox, sink, count)
        assert sink._pool is pool
    assert await count_all(database) == all_of(2)


async def test_a_disk_that_takes_no_dead_letter_loses_none(database: Any, server: str, outbox: Outbox) -> None:
    call = RecordedCall()
    file = outbox.folder.parent / "dead-letters.jsonl"
    file.mkdir()
    sink = database_sink(server, outbox)
    async with recording(outbox, sink) as recorder:
        count = append(outbox, [*call.all(), call.tool("x", seconds="a while")])
        await until(lambda: any("set aside" in one["away"] for one in recorder.status()["outboxes"]))
        assert sink.counts.dead == 0
        file.rmdir()
        await written(outbox, sink, count)
    assert (sink.counts.dead, len(file.read_text().splitlines())) == (1, 1)
    assert await count_all(database) == all_of(1)


async def test_a_recorder_that_begins_in_an_outage_knows_what_waits(database: Any, server: str, outbox: Outbox) -> None:
    first, second = RecordedCall(1), RecordedCall(2)
    sink = database_sink(server, outbox)
    async with recording(outbox, sink) as recorder:
        append(outbox, first.all())
        assert await recorder.drain(20)
        await asyncio.to_thread(recorder._look)
    append(outbox, second.all())
    await until(lambda: outbox.settled)
    away = database_sink("postgresql://nobody@127.0.0.1:1/none", outbox)
    async with recording(outbox, away) as recorder:
        await until(lambda: any(one["oldest_at"] for one in recorder.status()["outboxes"]))
        (status,) = recorder.status()["outboxes"]
    assert status["away"]
    assert status["position"] == 13
    assert status["oldest_at"] == second.began + 1
    assert outbox.behind(status["base"], status["offset"]) < outbox.behind(0, 0)


async def test_one_outbox_that_is_broken_holds_up_no_other(
    database: Any, server: str, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    broken = outbox.folder.with_name("00000000-0000-0000-0000-000000000000")
    (broken / READER_LOCK).mkdir(parents=True)
    sink = database_sink(server, outbox)
    async with recording(outbox, sink):
        await written(outbox, sink, append(outbox, RecordedCall().all()))
        await until((outbox.folder / STATUS).exists)
        await asyncio.sleep(1.5)  # it is looked at again
    assert await count_all(database) == all_of(1)
    assert caplog.text.count("cannot be seen to") == 1


async def test_a_recorder_ends_whenever_it_is_asked_to(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the moment in which a look at the disk ends."""
    monkeypatch.setattr(recorder_module, "LOOK_SECONDS", 0.0)
    append(outbox, RecordedCall().all())
    gone = StreamSink(lambda: "redis://127.0.0.1:1/0", most_events=100)
    for number in range(60):
        recorder = Recorder(outbox.folder.parent, [gone], batch=100, wait_seconds=0.0)
        task = asyncio.create_task(recorder.run())
        await asyncio.sleep(number / 3_000)
        task.cancel()
        async with asyncio.timeout(20):
            await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()


async def test_when_all_has_ended_the_disk_has_nothing_that_was_said(
    database: Any, server: str, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the engine ends: its outbox first, then the recorder, which may not have looked at the disk again since."""
    monkeypatch.setattr(recorder_module, "LOOK_SECONDS", 60.0)
    sink = database_sink(server, outbox)
    async with recording(outbox, sink) as recorder:
        await written(outbox, sink, append(outbox, RecordedCall().all()))
        await asyncio.to_thread(outbox.close)
        assert await recorder.drain(20)
    assert await count_all(database) == all_of(1)
    (left,) = segments(outbox.folder)
    assert left.base == outbox.position > 0
    assert not any(await asyncio.to_thread(left.path.read_bytes))


async def test_without_a_database_an_outbox_does_not_grow_for_ever(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "LIVE_BYTES", 1 << 17)
    gone = StreamSink(lambda: "redis://127.0.0.1:1/0", most_events=100)
    async with recording(outbox, gone):
        for _ in range(10):
            append(outbox, (record for number in range(50) for record in RecordedCall(number).all()))
            await until(lambda: outbox.settled)
        await until(lambda: outbox.behind(0, 0) <= 1 << 17 and segments(outbox.folder)[0].base > 0)


@contextlib.asynccontextmanager
async def started(databases: Databases) -> AsyncIterator[str]:
    """PostgreSQL, while others of this loop go on."""
    running = databases.postgres_runs()
    url = await asyncio.to_thread(running.__enter__)
    try:
        yield url
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


async def test_an_outage_loses_nothing_and_doubles_nothing(stream: Any, valkey: str) -> None:
    """PostgreSQL is stopped and started again in the middle of ten calls; pages go on seeing them meanwhile."""
    with open_folder() as folder:
        own = Databases(folder)
        outbox = Outbox(folder / "outbox", segment_bytes=1 << 14, reserve_bytes=1 << 14)
        outbox.open()
        from engine.records.places import database_url  # noqa: PLC0415

        sink = database_sink(lambda: database_url(own.settings), outbox)
        live = StreamSink(lambda: valkey, most_events=10_000)
        calls = [list(RecordedCall(number).all()) for number in range(10)]
        async with recording(outbox, sink, live) as recorder:
            async with started(own):
                count = append(outbox, [record for call in calls for record in call[:6]])
                await written(outbox, sink, count)
                append(outbox, [record for call in calls for record in call[6:7]])
            append(outbox, [record for call in calls for record in call[7:]])
            await until(lambda: any(one["away"] for one in recorder.status()["outboxes"]))
            await until(lambda: live.counts.written == 130)
            assert await stream.xlen(STREAM) == 130
            async with started(own) as url:
                assert await recorder.drain(60)
                database = await asyncpg.connect(url)
                assert await count_all(database) == all_of(10)
                await database.close()
                await until(
                    lambda: json.loads((outbox.folder / STATUS).read_text())["sinks"]["redis"]["written"] == 130
                )
        outbox.close()
        assert sink.counts.dead == 0


RECORDER = """
import asyncio, sys
from pathlib import Path
from engine.records import recorder as recorder_module
from engine.records import writer
from engine.records.dead_letters import DeadLetters
from engine.records.recorder import Recorder
from engine.records.writer import DatabaseSink
root = Path(sys.argv[1])
sink = DatabaseSink(lambda: sys.argv[2], DeadLetters(root / "dead-letters.jsonl"))
print("runs", flush=True)
told = lambda _sink, entries: print(len(entries), flush=True)
asyncio.run(Recorder(root, [sink], batch=40, wait_seconds=0.01, on_written=told).run())
"""


async def test_a_recorder_that_is_killed_again_and_again(database: Any, server: str, outbox: Outbox) -> None:
    calls = 60
    count = append(outbox, [record for number in range(calls) for record in RecordedCall(number).all()])
    await until(lambda: outbox.waiting == 0)
    kills = 0
    for after in (1, 2, 3, 5, 0):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", RECORDER, str(outbox.folder.parent), server),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        for _ in range(1 + after):
            await asyncio.wait_for(process.stdout.readline(), 30)
        await asyncio.sleep(0.002 * after)  # in the middle of the next batch
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        kills += 1
    sink = database_sink(server, outbox)
    async with recording(outbox, sink) as recorder:
        await until(lambda: bool(recorder.status()["outboxes"]))
        assert await recorder.drain(60)
    assert 0 < sink.counts.written < count, "those before it wrote too"
    assert await count_all(database) == all_of(calls)
    assert await database.fetchval("SELECT position FROM recorder_cursors") == count
    assert kills == 5


async def test_a_disk_that_was_full_for_a_while(
    database: Any, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = False

    def allocate(descriptor: int, size: int) -> None:
        if full:
            raise OSError(28, "No space left on device")
        os.posix_fallocate(descriptor, 0, size)

    outbox = Outbox(tmp_path / "full", segment_bytes=1 << 14, reserve_bytes=1 << 15, allocate=allocate)
    outbox.open()
    full = True
    count = append(outbox, [record for number in range(30) for record in RecordedCall(number).all()])
    await until(lambda: bool(outbox.failing))
    sink = database_sink(server, outbox)
    async with recording(outbox, sink):
        await until(lambda: sink.counts.written > 20)
        full = False
        await written(outbox, sink, count)
    outbox.close()
    assert outbox.counts.lost == 0
    assert await count_all(database) == all_of(30)


async def test_an_outbox_of_before_the_machines_start_is_written_and_then_gone(
    database: Any, server: str, tmp_path: Path
) -> None:
    old = Outbox(tmp_path / "outbox", segment_bytes=1 << 16, reserve_bytes=1 << 16)
    old.open()
    append(old, RecordedCall().all())
    old.close()
    (old.folder / BOOT).write_text("another start")
    sink = database_sink(server, old)
    async with recording(old, sink):
        await until(lambda: not old.folder.exists())
    assert await count_all(database) == all_of(1)


async def test_redis_away_holds_up_no_record(database: Any, server: str, outbox: Outbox) -> None:
    sink = database_sink(server, outbox)
    gone = StreamSink(lambda: "redis://127.0.0.1:1/0", most_events=100)
    async with recording(outbox, sink, gone) as recorder:
        await written(outbox, sink, append(outbox, RecordedCall().all()))
        await until(lambda: [one["sink"] for one in recorder.status()["outboxes"] if one["away"]] == ["redis"])
    assert await count_all(database) == all_of(1)
