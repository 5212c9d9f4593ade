"""The way of events into a real PostgreSQL and a real Valkey: nothing lost, nothing doubled, whoever is away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis.asyncio

from engine.records import recorder as recorder_module
from engine.records import writer
from engine.records.dead_letters import DeadLetters
from engine.records.outbox import BOOT, Outbox
from engine.records.reading import READER_LOCK
from engine.records.recorder import STATUS, Recorder
from engine.records.segments import segments
from engine.records.sink import Sink
from engine.records.stream import SESSION, STREAM, StreamSink
from engine.records.writer import DatabaseSink
from tests.embedded import Databases, open_folder
from tests.records_stage import CALLER, RecordedCall

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def databases() -> Iterator[Databases]:
    with open_folder() as folder:
        yield Databases(folder)


@pytest.fixture(scope="module")
def server(databases: Databases) -> Iterator[str]:
    with databases.postgres_runs() as url:
        yield url


@pytest.fixture(scope="module")
def valkey(databases: Databases) -> Iterator[str]:
    with databases.valkey_runs() as url:
        yield url


TABLES = "calls, call_turns, call_tool_calls, recorder_cursors, customers, callbacks, prompt_versions"


@pytest.fixture
async def database(server: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(server)
    await connection.execute(f"TRUNCATE {TABLES}")
    yield connection
    await connection.close()


@pytest.fixture
async def stream(valkey: str) -> AsyncIterator[Any]:
    client = redis.asyncio.from_url(valkey, decode_responses=True)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "outbox", segment_bytes=1 << 16, reserve_bytes=1 << 16)
    outbox.open()
    yield outbox
    outbox.close()


def append(outbox: Outbox, records: Iterable[dict[str, Any]]) -> int:
    count = 0
    for record in records:
        outbox.append(record)
        count += 1
    return count


def database_sink(url: str | Callable[[], str], outbox: Outbox, **options: Any) -> DatabaseSink:
    where = url if callable(url) else lambda: url
    return DatabaseSink(where, DeadLetters(outbox.folder.parent / "dead-letters.jsonl"), **options)


@contextlib.asynccontextmanager
async def recording(outbox: Outbox, *sinks: Sink) -> AsyncIterator[Recorder]:
    recorder = Recorder(outbox.folder.parent, sinks, batch=100, wait_seconds=0.02)
    task = asyncio.create_task(recorder.run())
    try:
        yield recorder
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.05)


async def written(outbox: Outbox, sink: Sink, count: int) -> None:
    """Until the sink has dealt with so many records."""
    await until(lambda: sink.counts.written + sink.counts.duplicates + sink.counts.dead >= count)


async def test_a_call_becomes_its_rows(database: Any, server: str, outbox: Outbox) -> None:
    call = RecordedCall()
    sink = database_sink(server, outbox)
    async with recording(outbox, sink):
        await written(outbox, sink, append(outbox, call.all()))
    row = await database.fetchrow("SELECT * FROM calls")
    assert str(row["id"]) == call.id
    assert row["started_at"].timestamp() == call.began
    assert (row["caller"], row["dialled"], row["playbook"], row["node"]) == (CALLER, "0445550100", "tyre_shop", "here")
    assert (row["turns"], row["interruptions"], row["failures"], row["takeovers"]) == (3, 1, 1, 1)
    assert (row["scenario"], row["outcome"], row["next"]) == ("get_order_status", "resolved", "hangup")
    assert (row["ending_reason"], row["order_id"], row["transfer_reason"]) == ("goodbye", "4271", None)
    assert row["ended_at"] > row["started_at"]
    turns = await database.fetch("SELECT * FROM call_turns ORDER BY at, speaker DESC")
    assert [(turn["turn"], turn["speaker"]) for turn in turns] == [
        (0, "agent"),
        (1, "caller"),
        (1, "agent"),
        (2, "caller"),
        (2, "agent"),
        (3, "caller"),
        (3, "agent"),
    ]
    assert turns[1]["confidence"] == pytest.approx(0.9)
    assert json.loads(turns[2]["stages"]) == {"endpointing": 0.4, "first_audio": 0.6}
    tool = await database.fetchrow("SELECT * FROM call_tool_calls")
    assert (tool["name"], tool["success"], json.loads(tool["result"])) == (
        "get_order_status",
        True,
        {"order_number": "4271"},
    )
    customer = await database.fetchrow("SELECT * FROM customers")
    assert (customer["phone"], customer["calls"]) == (CALLER, 1)
    assert await database.fetchval("SELECT version FROM prompt_versions WHERE playbook = 'tyre_shop'") == "abc"
    assert await database.fetchval("SELECT position FROM recorder_cursors") == 13


async def test_an_abandoned_call_and_a_promise(database: Any, server: str, outbox: Outbox) -> None:
    one, other = RecordedCall(1), RecordedCall(2)
    sink = database_sink(server, outbox)
    records = [
        one.call(),
        one.ended("hangup", "hangup"),
        other.call(),
        other.tool("book_fitting", arguments={"customer_name": "Olena Koval"}, result={"booking_id": "b-1"}),
        other.tool("end_call", arguments={"reason": "callback"}),
        other.ended("hangup", "callback"),
    ]
    async with recording(outbox, sink):
        await written(outbox, sink, append(outbox, records))
    outcomes = await database.fetch("SELECT outcome, scenario, booking_id FROM calls ORDER BY started_at")
    assert [tuple(row) for row in outcomes] == [("abandoned", None, None), ("resolved", "book_fitting", "b-1")]
    callback = await database.fetchrow("SELECT * FROM callbacks")
    assert (callback["phone"], str(callback["call_id"]), callback["state"]) == (CALLER, other.id, "open")
    customer = await database.fetchrow("SELECT name, calls FROM customers")
    assert tuple(customer) == ("Olena Koval", 2)


async def count_all(database: Any) -> tuple[int, ...]:
    """Calls; turns; tools; what is counted of them in the calls; calls of customers."""
    row = await database.fetchrow(
        "SELECT (SELECT count(*) FROM calls), (SELECT count(*) FROM call_turns),"
        " (SELECT count(*) FROM call_tool_calls), (SELECT sum(interruptions) FROM calls),"
        " (SELECT sum(failures) FROM calls), (SELECT sum(takeovers) FROM calls), (SELECT sum(calls) FROM customers)"
    )
    return tuple(int(each or 0) for each in row)


ONE_CALL = (1, 7, 1, 1, 1, 1, 1)


def all_of(calls: int) -> tuple[int, ...]:
    return tuple(calls * each for each in ONE_CALL)


async def test_the_same_event_twice_is_one_row(database: Any, server: str, outbox: Outbox) -> None:
    """In one batch, in the next, and after the cursor was lost."""
    sink = database_sink(server, outbox)
    async with recording(outbox, sink):
        count = append(outbox, [*RecordedCall().all(), *RecordedCall().all()])
        await written(outbox, sink, count)
        count += append(outbox, RecordedCall().all())
        await written(outbox, sink, count)
    assert await count_all(database) == all_of(1)
    await database.execute("DELETE FROM recorder_cursors")
    again = database_sink(server, outbox)
    async with recording(outbox, again):
        await written(outbox, again, count)
    assert await count_all(database) == all_of(1)
    assert (await database.fetchval("SELECT turns FROM calls")) == 3


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


async def test_two_recorders_of_one_outbox_write_it_once(database: Any, server: str, outbox: Outbox) -> None:
    """The lock keeps a second one out; where it did not, the cursor would."""
    from engine.records.reading import OutboxReader  # noqa: PLC0415

    append(outbox, RecordedCall().all())
    await until(lambda: outbox.waiting == 0)
    sinks = [database_sink(server, outbox) for _ in range(2)]

    async def write(sink: DatabaseSink) -> None:
        reader = OutboxReader(outbox.folder)
        reader.seek(await sink.resume(outbox.folder.name, 0))
        entries = reader.read(100)
        await sink.write(outbox.folder.name, entries, reader.position)
        reader.close()
        await sink.close()

    await asyncio.gather(*map(write, sinks))
    assert sum(sink.counts.written for sink in sinks) == 13
    assert await count_all(database) == all_of(1)


async def test_what_cannot_be_written_is_set_aside_and_the_rest_goes_on(
    database: Any, server: str, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    call = RecordedCall()
    whole = list(call.all())
    poison = [
        call.turn(1 << 40, "my name is Quistgaard", ""),  # no integer of the database
        {"call": call.id, "began": call.began, "event": {"type": "turn", "caller": "Quistgaard"}},
        call.tool("x", seconds="a while"),
    ]
    sink = database_sink(server, outbox)
    async with recording(outbox, sink):
        await written(outbox, sink, append(outbox, [*whole[:5], *poison, *whole[5:]]))
    assert await count_all(database) == all_of(1)
    assert sink.counts.dead == 3
    file = outbox.folder.parent / "dead-letters.jsonl"
    assert file.stat().st_mode & 0o777 == 0o600
    aside = [json.loads(line) for line in file.read_text().splitlines()]
    assert sorted(line["position"] for line in aside) == [5, 6, 7]
    assert {"Quistgaard" in json.dumps(line["record"]) for line in aside} == {True, False}
    assert "set aside" in caplog.text
    assert "Quistgaard" not in caplog.text


async def test_rows_wait_for_a_partition_that_is_being_made(database: Any, server: str, outbox: Outbox) -> None:
    await database.execute("ALTER TABLE call_turns DETACH PARTITION call_turns_default")
    sink = database_sink(server, outbox)
    try:
        async with recording(outbox, sink):
            count = append(outbox, RecordedCall().all())
            await asyncio.sleep(1.0)
            await database.execute("ALTER TABLE call_turns ATTACH PARTITION call_turns_default DEFAULT")
            await written(outbox, sink, count)
    finally:
        with contextlib.suppress(asyncpg.PostgresError):
            await database.execute("ALTER TABLE call_turns ATTACH PARTITION call_turns_default DEFAULT")
    assert sink.counts.dead == 0
    assert await count_all(database) == all_of(1)


async def test_an_erased_caller_stays_erased(database: Any, server: str, outbox: Outbox) -> None:
    """His call was erased while its last events waited on the disk; another was asked to be before it was written."""
    call, gone = RecordedCall(1), RecordedCall(2)
    whole = list(call.all())
    sink = database_sink(server, outbox, erased=lambda caller, began: caller == CALLER and began == gone.began)
    async with recording(outbox, sink):
        count = append(outbox, whole[:4])
        await written(outbox, sink, count)
        await database.execute("UPDATE calls SET erased_at = now(), caller = NULL, channel = ''")
        await database.execute("UPDATE call_turns SET text = NULL")
        await database.execute("DELETE FROM customers")
        count += append(outbox, [call.call(), *whole[4:], *gone.all()])
        await written(outbox, sink, count)
    assert await count_all(database) == (2, 14, 2, 2, 2, 2, 0)
    found = await database.fetch("SELECT caller, channel FROM calls")
    assert [tuple(row) for row in found] == [(None, ""), (None, "")]
    assert await database.fetchval("SELECT count(text) FROM call_turns") == 0
    assert await database.fetchval("SELECT count(arguments) + count(result) FROM call_tool_calls") == 0
    assert await database.fetchval("SELECT count(order_id) + count(booking_id) FROM calls") == 0


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


async def test_pages_see_calls_masked(stream: Any, valkey: str, outbox: Outbox) -> None:
    call = RecordedCall()
    sink = StreamSink(lambda: valkey, most_events=10_000)
    records = [
        call.call(),
        call.event("state", state="listening"),
        call.turn(1, "my name is Marlowe Quistgaard and my number is 050 123 45 67", "Thank you, Marlowe."),
        call.event("partial", caller="Quistgaard here"),
    ]
    async with recording(outbox, sink):
        await written(outbox, sink, append(outbox, records))
        events = [fields for _, fields in await stream.xrange(STREAM)]
        assert [fields["type"] for fields in events] == ["call", "state", "turn", "partial"]
        text = json.dumps(events)
        assert not [word for word in ("Quistgaard", "Marlowe", "123", CALLER[-7:]) if word in text]
        assert json.loads(events[2]["event"])["caller"].startswith("my name is [name]")
        key = SESSION.format(call.id)
        session = await stream.hgetall(key)
        assert (session["state"], session["turn"], session["playbook"]) == ("listening", "1", "tyre_shop")
        assert 1700 < await stream.ttl(key) <= 1800
        await stream.expire(key, 100)
        await written(outbox, sink, 4 + append(outbox, [call.ended()]))
        assert await stream.ttl(key) > 1700, "refreshed while the call goes on"
        assert (await stream.hgetall(key))["state"] == "ended"


async def test_words_of_a_call_whose_beginning_was_not_seen_are_not_shown(
    stream: Any, valkey: str, outbox: Outbox
) -> None:
    call = RecordedCall()
    sink = StreamSink(lambda: valkey, most_events=10_000)
    async with recording(outbox, sink):
        await written(outbox, sink, append(outbox, [call.turn(2, "Smith ordered them", "Yes.")]))
    ((_, fields),) = await stream.xrange(STREAM)
    assert set(json.loads(fields["event"])) == {"type", "t", "turn", "stages", "id", "at"}


async def test_what_stands_twice_in_an_outbox_is_shown_once(stream: Any, valkey: str, outbox: Outbox) -> None:
    """An ingress that was killed may have kept an event that the next one is told again."""
    sink = StreamSink(lambda: valkey, most_events=10_000)
    async with recording(outbox, sink):
        count = append(outbox, [*RecordedCall().all(), *RecordedCall().all()])
        await written(outbox, sink, count)
        await written(outbox, sink, count + append(outbox, RecordedCall().all()))
    assert await stream.xlen(STREAM) == 13
    assert (sink.counts.written, sink.counts.duplicates) == (13, 26)


async def test_redis_away_holds_up_no_record(database: Any, server: str, outbox: Outbox) -> None:
    sink = database_sink(server, outbox)
    gone = StreamSink(lambda: "redis://127.0.0.1:1/0", most_events=100)
    async with recording(outbox, sink, gone) as recorder:
        await written(outbox, sink, append(outbox, RecordedCall().all()))
        await until(lambda: [one["sink"] for one in recorder.status()["outboxes"] if one["away"]] == ["redis"])
    assert await count_all(database) == all_of(1)


async def test_a_stream_goes_on_where_it_was(stream: Any, valkey: str, outbox: Outbox) -> None:
    for _ in range(2):
        sink = StreamSink(lambda: valkey, most_events=10_000)
        async with recording(outbox, sink) as recorder:
            append(outbox, RecordedCall().all())
            await until(lambda: outbox.waiting == 0 and bool(recorder.status()["outboxes"]))
            assert await recorder.drain(20)
    assert await stream.xlen(STREAM) == 26
