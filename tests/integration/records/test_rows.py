"""From events to the rows of a real PostgreSQL: complete, once, and none for what cannot be one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from typing import Any

import asyncpg
import pytest

from engine.records.outbox import Outbox
from engine.records.writer import DatabaseSink
from tests.integration.records.stage import all_of, append, count_all, database_sink, recording, written
from tests.records_stage import CALLER, RecordedCall
from tests.waiting import until

pytestmark = pytest.mark.timeout(180)


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
    assert [turn["interrupted_at_ms"] for turn in turns if turn["interrupted"]] == [640]
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


async def test_what_models_used_is_summed_once(database: Any, server: str, outbox: Outbox) -> None:
    call, older = RecordedCall(1), RecordedCall(2)
    events = [
        call.call(),
        call.turn(0, "", "Good day.", model_use=call.model_use(0, 0, (0, 0))),
        call.turn(1, "four tyres", "Which size?", model_use=call.model_use(2, 1, (900, 40))),
        call.turn(2, "sixteen", "", model_use=call.model_use(1, 0, (500, 20))),
        call.ended(),
        call.event("model_use", model_use=call.model_use(1, 1, (450, 0))),
    ]
    sink = database_sink(server, outbox)
    async with recording(outbox, sink):
        await written(outbox, sink, append(outbox, [*events, *events[1:], *older.all()]))
    rows = await database.fetch(
        "SELECT turn, speaker, model_asked, model_unknown, input_tokens, output_tokens FROM call_turns"
        " WHERE call_id = $1 AND model_asked IS NOT NULL ORDER BY turn",
        uuid.UUID(call.id),
    )
    assert [tuple(row) for row in rows] == [
        (0, "agent", 0, 0, 0, 0),
        (1, "agent", 2, 1, 900, 40),
        (2, "caller", 1, 0, 500, 20),
    ]
    sums = "SELECT model_asked, model_unknown, input_tokens, output_tokens FROM calls WHERE id = $1"
    assert tuple(await database.fetchrow(sums, uuid.UUID(call.id))) == (4, 2, 1850, 60)
    assert tuple(await database.fetchrow(sums, uuid.UUID(older.id))) == (None,) * 4, "not known is not 0"


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
