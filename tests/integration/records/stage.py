"""What the tests of records do with an outbox, a recorder and its sinks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from engine.records.dead_letters import DeadLetters
from engine.records.outbox import Outbox
from engine.records.recorder import Recorder
from engine.records.sink import Sink
from engine.records.writer import DatabaseSink
from tests.waiting import until


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


async def written(outbox: Outbox, sink: Sink, count: int) -> None:
    """Until the sink has dealt with so many records."""
    await until(lambda: sink.counts.written + sink.counts.duplicates + sink.counts.dead >= count)


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
