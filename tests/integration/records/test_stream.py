"""What a real Valkey shows of calls: masked, once, in order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.records.outbox import Outbox
from engine.records.stream import SESSION, STREAM, StreamSink
from tests.integration.records.stage import append, recording, written
from tests.records_stage import CALLER, RecordedCall
from tests.waiting import until

pytestmark = pytest.mark.timeout(180)


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


async def test_a_stream_goes_on_where_it_was(stream: Any, valkey: str, outbox: Outbox) -> None:
    for _ in range(2):
        sink = StreamSink(lambda: valkey, most_events=10_000)
        async with recording(outbox, sink) as recorder:
            append(outbox, RecordedCall().all())
            await until(lambda: outbox.waiting == 0 and bool(recorder.status()["outboxes"]))
            assert await recorder.drain(20)
    assert await stream.xlen(STREAM) == 26
