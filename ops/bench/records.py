"""The way of events into PostgreSQL: how many a second, how soon; and what an outage of the database costs.

The database is a real one, made for the measurement and gone after it, with the settings of the embedded one: what is
committed is on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import asyncpg

from engine.config import Settings
from engine.records.dead_letters import DeadLetters
from engine.records.outbox import Outbox
from engine.records.places import database_url
from engine.records.reading import Entry
from engine.records.recorder import Recorder
from engine.records.writer import DatabaseSink
from ops.bench.report import Report
from ops.bench.statistics import Summary
from ops.child import ServerFailed
from ops.own_postgres import OwnPostgres

RATE: Final = 2_000
"""Events a second that must be in the tables, counted until the last of them is there."""
OFFERED: Final = 2_050
"""Events a second that are made."""
SECONDS: Final = 30.0
TICK: Final = 0.05
CALL_RATE: Final = 6.0
"""Events a second of one call: turns, tools, states and partial texts."""
OUTAGE_SECONDS: Final = 600.0
CALLS: Final = 20
DRAIN_SECONDS: Final = 120.0
P99_SECONDS: Final = 2.0
APPEND_SECONDS: Final = 50e-6


class Caller:
    """Events of one call after another, as a call makes them: of ten, three are rows."""

    def __init__(self) -> None:
        self._number = 0
        self.rows = {"calls": 0, "turns": 0, "tools": 0}
        """What of them must be in the tables."""
        self._begin()

    def _begin(self) -> None:
        self._call, self._began, self._turn, self._step = str(uuid.uuid4()), time.time(), 0, 0

    def next(self) -> dict[str, Any]:
        step, self._step = self._step, self._step + 1
        if step == 0:
            self.rows["calls"] += 1
            facts = {"dialled": "0445550100", "channel": "bench", "node": "bench", "playbook": "bench", "version": "1"}
            return self._event("call", caller_number=f"+38050{self._number % 10_000:07d}", language="en", **facts)
        if step >= 100:
            event = self._event("ended", next="hangup", reason="goodbye")
            self._begin()
            self._number += 1
            return event
        match step % 10:
            case 3 | 7:
                self._turn += 1
                self.rows["turns"] += 2
                words = {
                    "caller": "do you have winter tyres two oh five",
                    "agent": "Yes, we have four of them in stock.",
                }
                stages = {"endpointing": 0.41, "first_token": 0.5, "first_audio": 0.62}
                return self._event("turn", turn=self._turn, interrupted=False, stages=stages, **words)
            case 5:
                self.rows["tools"] += 1
                arguments = {"width": 205, "season": "winter"}
                return self._event(
                    "tool", turn=self._turn, name="search_tires", ok=True, seconds=0.1, arguments=arguments, result={}
                )
            case 1 | 9:
                return self._event("state", state="listening")
            case _:
                return self._event("partial", caller="do you have winter")

    def _event(self, kind: str, **fields: Any) -> dict[str, Any]:
        event = {"type": kind, "t": time.monotonic(), **fields, "id": str(uuid.uuid4()), "at": time.time()}
        return {"call": self._call, "began": self._began, "event": event}


async def measure(
    report: Report, settings: Settings, calls: int, seconds: float, progress: Callable[[str], None]
) -> None:
    """Both measurements. ``calls``, ``seconds``: of the outage."""
    report.declared = {
        "batch": f"{settings.records.batch_events} events",
        "wait": f"{settings.records.batch_wait_ms} ms",
        "connections": str(settings.records.database_pool),
        "synchronous commit": "on",
    }
    with _folder() as folder:
        state = replace(settings.paths, state_dir=folder / "state")
        own = replace(settings, paths=state, records=replace(settings.records, database_dir=""))
        progress("starting PostgreSQL")
        server = OwnPostgres(own)
        try:
            await asyncio.to_thread(server.start)
            progress(f"{OFFERED} events a second for {SECONDS:g} s")
            await _sustained(report, own, folder)
            progress(f"{calls} calls, PostgreSQL away for {seconds:g} s")
            await _outage(report, own, folder, server, calls=calls, seconds=seconds)
        finally:
            await asyncio.to_thread(server.stop)
    report.notes.append("PostgreSQL ended and its folder is gone")


async def _sustained(report: Report, settings: Settings, folder: Path) -> None:
    lags: list[float] = []
    appends: list[float] = []
    async with _recording(settings, folder / "sustained", lags) as (outbox, recorder, sink):
        callers = [Caller() for _ in range(200)]
        began, busy = time.monotonic(), time.process_time()
        appended = 0
        while (now := time.monotonic() - began) < SECONDS:
            while appended < now * OFFERED:
                record = callers[appended % len(callers)].next()
                before = time.perf_counter()
                outbox.append(record)
                appends.append(time.perf_counter() - before)
                appended += 1
            await asyncio.sleep(TICK)
        await recorder.drain(DRAIN_SECONDS)
        took = time.monotonic() - began
        busy = time.process_time() - busy
        counted = await _counted(settings)
        expected = _expected(callers)
    late = Summary.of(lags)
    report.add("events a second, until the last is in its row", appended / took, at_least=RATE)
    report.add("event → row, p50", late.p50 * 1000, "ms")
    report.add("event → row, p99", late.p99 * 1000, "ms", at_most=P99_SECONDS * 1000)
    report.add("event → row, worst", late.worst * 1000, "ms")
    report.add("append, p99", Summary.of(appends).p99 * 1e6, "µs", at_most=APPEND_SECONDS * 1e6)
    report.add("events in the outbox that are not in the database", appended - sink.counts.written, at_most=0)
    report.add("rows lost or doubled", _difference(expected, counted), at_most=0)
    report.add("this process (events, outbox and recorder)", busy / took, "cores")
    report.details["sustained"] = {"expected": expected, "counted": counted, "lag": late.scaled(1000)}


async def _outage(
    report: Report, settings: Settings, folder: Path, server: OwnPostgres, *, calls: int, seconds: float
) -> None:
    before = await _counted(settings)
    lags: list[float] = []
    async with _recording(settings, folder / "outage", lags) as (outbox, recorder, sink):
        callers = [Caller() for _ in range(calls)]
        stopped = 5.0
        began = time.monotonic()
        appended, away, stopping = 0, False, None
        while (now := time.monotonic() - began) < stopped + seconds:
            if now >= stopped and not away:
                away = True
                stopping = asyncio.create_task(asyncio.to_thread(server.stop))
            while appended < now * CALL_RATE * calls:
                outbox.append(callers[appended % calls].next())
                appended += 1
            await asyncio.sleep(TICK)
        if stopping is not None:
            await stopping
        waited = appended - sink.counts.written
        await asyncio.to_thread(server.start)
        back = time.monotonic()
        drained = await recorder.drain(DRAIN_SECONDS)
        took = time.monotonic() - back
        counted = await _counted(settings)
        expected = _expected(callers)
        lost = outbox.counts.lost
    found = {name: counted[name] - before[name] for name in counted}
    report.add("outage", seconds, "s")
    report.add("events that waited on the disk", waited, at_least=1)
    report.add("events lost", appended - sink.counts.written + lost, at_most=0)
    report.add("rows lost", sum(max(0, expected[name] - found[name]) for name in expected), at_most=0)
    report.add("rows doubled", sum(max(0, found[name] - expected[name]) for name in expected), at_most=0)
    report.add("from its return until all was written", took, "s")
    report.details["outage"] = {"expected": expected, "counted": found, "drained": drained}


@contextlib.asynccontextmanager
async def _recording(
    settings: Settings, root: Path, lags: list[float]
) -> AsyncIterator[tuple[Outbox, Recorder, DatabaseSink]]:
    """An outbox and the recorder that empties it; ``lags`` gets each event's seconds from its birth to its commit."""
    records = settings.records
    outbox = Outbox(root, segment_bytes=records.outbox_segment_mb << 20, reserve_bytes=records.outbox_reserve_mb << 20)
    outbox.open()

    def written(_sink: str, entries: Sequence[Entry]) -> None:
        now = time.time()
        lags.extend(now - entry.data["event"]["at"] for entry in entries)

    sink = DatabaseSink(
        lambda: database_url(settings), DeadLetters(root / "dead-letters.jsonl"), connections=records.database_pool
    )
    recorder = Recorder(
        root, [sink], batch=records.batch_events, wait_seconds=records.batch_wait_ms / 1000, on_written=written
    )
    task = asyncio.create_task(recorder.run(), name="recorder")
    try:
        yield outbox, recorder, sink
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        outbox.close()


async def _counted(settings: Settings) -> dict[str, int]:
    """Rows in the tables. Raises ServerFailed."""
    url = database_url(settings)
    if not url:
        raise ServerFailed("PostgreSQL does not run")
    connection = await asyncpg.connect(url, timeout=30)
    try:
        tables = {"calls": "calls", "turns": "call_turns", "tools": "call_tool_calls"}
        return {name: await connection.fetchval(f"SELECT count(*) FROM {table}") for name, table in tables.items()}  # noqa: S608 - of our own
    finally:
        await connection.close()


def _expected(callers: Sequence[Caller]) -> dict[str, int]:
    return {name: sum(caller.rows[name] for caller in callers) for name in ("calls", "turns", "tools")}


def _difference(expected: dict[str, int], counted: dict[str, int]) -> int:
    return sum(abs(expected[name] - counted[name]) for name in expected)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """As root, PostgreSQL is another user's, who must come through."""
    with tempfile.TemporaryDirectory(prefix="trunkline-bench-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)
