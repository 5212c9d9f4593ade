"""Writes events to PostgreSQL: a batch is one transaction, and how far the outbox is written is part of it."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import asyncpg

from engine import sql
from engine.records import rows as made
from engine.records.dead_letters import DeadLetters
from engine.records.reading import Entry
from engine.records.rows import CallFacts, PoisonEventError, Rows
from engine.records.sink import SinkAway, SinkCounts
from engine.sql import FAULTS

CONNECT_SECONDS: Final = 5.0
STATEMENT_SECONDS: Final = 30.0
LOCK_SECONDS: Final = 10.0
FOLDER: Final = Path(__file__).with_name("sql")

_AWAY = FAULTS
_REFUSALS: Final = (
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.TransactionRollbackError,
    asyncpg.CheckViolationError,
)
"""The server is well, and refuses this transaction now: a lock is not to be had, a partition is missing."""
_POISON: Final = ("22", "23", "54")
"""Classes of SQLSTATE that lie in the row, not in the server."""

# Fields of the rows, in the order in which their statements take them.
_USE: Final = ("model_asked", "model_unknown", "input_tokens", "output_tokens")
_SPOKEN: Final = ("event_id", "at", "turn", "speaker", "text", "confidence", "stages", "interrupted")
_TURN: Final = (*_SPOKEN, "interrupted_at_ms", *_USE)
_TOOL: Final = ("event_id", "at", "turn", "name", "arguments", "result", "duration_s", "success", "error")
_ENDING: Final = ("at", "next", "reason", "transfer_reason", "outcome")

logger = logging.getLogger(__name__)


def migrations() -> list[sql.Migration]:
    """The files that make the tables of the records."""
    return sql.migrations("records", FOLDER)


@lru_cache(maxsize=1)
def queries() -> dict[str, str]:
    """The recorder's named queries."""
    return sql.named_queries(FOLDER / "recorder.sql")


class DatabaseSink:
    """The records' PostgreSQL."""

    name = "postgresql"

    def __init__(
        self,
        url: Callable[[], str],
        dead_letters: DeadLetters,
        *,
        connections: int = 2,
        erased: Callable[[str, float], bool] = lambda _caller, _began: False,
    ) -> None:
        """``url``: asked before each connection; empty while there is none.

        ``erased``: whether a caller (his number) had a call erased that began then (seconds since 1970).
        """
        self._url = url
        self._dead_letters = dead_letters
        self._connections = connections
        self._erased = erased
        self._pool: Any = None
        self._opening = asyncio.Lock()
        self.counts = SinkCounts()

    async def resume(self, outbox: str, first: int) -> int:
        try:
            pool = await self._open()
            position = await pool.fetchval(queries()["cursor"], uuid.UUID(outbox))
        except _AWAY as error:
            raise await self._away(error) from error
        return first if position is None else int(position)

    async def write(self, outbox: str, entries: Sequence[Entry], following: int) -> None:
        try:
            pool = await self._open()
            try:
                await self._write(pool, outbox, entries, following)
            except _AWAY as error:
                if not _is_poison(error):
                    raise
                await self._write_each(pool, outbox, entries)
        except _AWAY as error:
            raise await self._away(error) from error

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    async def _open(self) -> Any:
        async with self._opening:
            if self._pool is None:
                url = self._url()
                if not url:
                    raise ConnectionError("there is none yet")
                self._pool = await asyncpg.create_pool(
                    url,
                    min_size=0,  # an idle pool would try for ever to have its connections, and say so in the log
                    max_size=self._connections,
                    timeout=CONNECT_SECONDS,
                    command_timeout=STATEMENT_SECONDS + 5,
                    server_settings={
                        "application_name": "trunkline recorder",
                        "timezone": "UTC",
                        "statement_timeout": f"{STATEMENT_SECONDS:g}s",
                        "lock_timeout": f"{LOCK_SECONDS:g}s",
                    },
                )
            return self._pool

    async def _away(self, error: Exception) -> SinkAway:
        if not isinstance(error, _REFUSALS):  # the others who write over this pool need not notice
            await self.close()
        if isinstance(error, asyncpg.UndefinedTableError | asyncpg.UndefinedColumnError):
            return SinkAway("PostgreSQL has not the tables of this release: run `trunkline db migrate`")
        if isinstance(error, asyncpg.InvalidPasswordError | asyncpg.InvalidAuthorizationSpecificationError):
            return SinkAway("PostgreSQL lets nobody in with the user and password of TRUNKLINE_DATABASE")
        # The text of such an error may show an address or a value: its kind is enough.
        return SinkAway(f"PostgreSQL takes no records now ({type(error).__name__})")

    # -- a batch ------------------------------------------------------------------------------------------------------

    async def _write_each(self, pool: Any, outbox: str, entries: Sequence[Entry]) -> None:
        """One by one: what the database refuses for itself is set aside."""
        for entry in entries:
            try:
                await self._write(pool, outbox, [entry], entry.position + 1)
            except _AWAY as error:
                if not _is_poison(error):
                    raise
                state = getattr(error, "sqlstate", "") or type(error).__name__
                self._set_aside(outbox, entry, f"SQLSTATE {state}")
                await self._write(pool, outbox, [], entry.position + 1)

    async def _write(self, pool: Any, outbox: str, entries: Sequence[Entry], following: int) -> None:
        first = entries[0].position if entries else following
        async with pool.acquire(timeout=CONNECT_SECONDS) as connection, connection.transaction():
            # The row of the cursor is held until the end: of two recorders one waits, and then has nothing to do.
            position = int(await connection.fetchval(queries()["take_cursor"], uuid.UUID(outbox), first))
            fresh = [entry for entry in entries if entry.position >= position]
            rows, poisoned = self._rows(outbox, fresh)
            await _execute(connection, rows, self._erased)
            if following > position:
                await connection.execute(queries()["move_cursor"], uuid.UUID(outbox), following)
        self.counts.written += len(fresh) - poisoned
        self.counts.duplicates += len(entries) - len(fresh)

    def _rows(self, outbox: str, entries: Iterable[Entry]) -> tuple[Rows, int]:
        """Rows, and how many of the events none can be made of."""
        rows, poisoned = Rows(), 0
        for entry in entries:
            try:
                made.add(rows, entry.data)
            except PoisonEventError as error:
                self._set_aside(outbox, entry, str(error))
                poisoned += 1
        return rows, poisoned

    def _set_aside(self, outbox: str, entry: Entry, why: str) -> None:
        """Raises SinkAway where the disk takes no dead letter: the event stays in the outbox until it does."""
        try:
            added = self._dead_letters.add(outbox, entry, why)
        except OSError as error:
            raise SinkAway(f"an event of which no row can be made could not be set aside ({error.strerror})") from error
        if added:
            self.counts.dead += 1


def _is_poison(error: Exception) -> bool:
    """Whether the fault lies in what is written."""
    if isinstance(error, asyncpg.CheckViolationError) and not error.constraint_name:
        return False  # no partition takes the row: one is being made, or must be
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in _POISON
    return isinstance(error, asyncpg.DataError)  # a value that asyncpg cannot encode


async def _execute(connection: Any, rows: Rows, erased: Callable[[str, float], bool]) -> None:
    """Write ``rows`` within the transaction that is open."""
    run = connection.execute
    if rows.keys:
        # In the order of their ids: two transactions that touch the same calls then wait for each other in one order.
        keys = sorted(rows.keys, key=attrgetter("started_at", "id"))
        await run(queries()["add_calls"], *_columns(keys, "id", "started_at"))
    if rows.facts:
        await _tell_facts(connection, rows.facts, erased)
    if rows.turns:
        await run(queries()["add_turns"], *_keys(rows.turns), *_columns(rows.turns, *_TURN))
    if rows.tools:
        await run(queries()["add_tools"], *_keys(rows.tools), *_columns(rows.tools, *_TOOL))
    if rows.done:
        await _tell_done(connection, rows.done)
    for mark in rows.marks:
        await run(queries()["mark"], mark.key.id, mark.key.started_at, mark.event_id, mark.kind)
    for use in rows.model_uses:
        told = (getattr(use, name) for name in _USE)
        await run(queries()["add_model_use"], use.key.id, use.key.started_at, use.event_id, *told)
    if rows.callbacks:
        ids, keys_of, at = (
            _columns(rows.callbacks, "event_id")[0],
            _keys(rows.callbacks),
            _columns(rows.callbacks, "at"),
        )
        await run(queries()["add_callbacks"], ids, *keys_of, *at)
    if rows.endings:
        first = {ending.key: ending for ending in reversed(rows.endings)}
        endings = list(first.values())
        await run(queries()["end_calls"], *_keys(endings), *_columns(endings, *_ENDING))


async def _tell_facts(connection: Any, facts: Sequence[CallFacts], erased: Callable[[str, float], bool]) -> None:
    once = list({one.key: one for one in reversed(facts)}.values())
    gone = [bool(one.caller) and erased(one.caller or "", one.key.started_at.timestamp()) for one in once]
    told = await connection.fetch(
        queries()["tell_facts"],
        *_keys(once),
        [None if away else one.caller for one, away in zip(once, gone, strict=True)],
        [one.dialled for one in once],
        ["" if away else one.channel for one, away in zip(once, gone, strict=True)],  # the number may stand in it
        *_columns(once, "node", "playbook", "version", "language"),
        gone,
    )
    callers: dict[str, list[Any]] = {}
    for row in told:
        if row["caller"]:
            callers.setdefault(row["caller"], []).append(row["started_at"])
    if callers:
        phones = sorted(callers)
        await connection.execute(
            queries()["add_customers"],
            phones,
            [min(callers[phone]) for phone in phones],
            [max(callers[phone]) for phone in phones],
            [len(callers[phone]) for phone in phones],
        )
    versions = sorted({(one.playbook, one.version) for one in once if one.playbook})
    if versions:
        await connection.execute(
            queries()["add_prompt_versions"], [name for name, _ in versions], [version for _, version in versions]
        )


async def _tell_done(connection: Any, done: Sequence[made.Done]) -> None:
    """Of each call: the first scenario, the last order and booking, the last name."""
    calls: dict[made.CallKey, list[str | None]] = {}
    for one in done:
        known = calls.setdefault(one.key, [None, None, None, None])
        known[0] = known[0] or one.scenario
        for place, value in enumerate((one.order_id, one.booking_id, one.name), start=1):
            known[place] = value or known[place]
    ids, starts = [key.id for key in calls], [key.started_at for key in calls]
    scenarios, orders, bookings, _ = (list(column) for column in zip(*calls.values(), strict=True))
    await connection.execute(queries()["tell_done"], ids, starts, scenarios, orders, bookings)
    named = {key: known[3] for key, known in calls.items() if known[3]}
    if named:
        await connection.execute(
            queries()["name_customers"],
            [key.id for key in named],
            [key.started_at for key in named],
            list(named.values()),
        )


def _keys(rows: Sequence[Any]) -> list[list[Any]]:
    return [[row.key.id for row in rows], [row.key.started_at for row in rows]]


def _columns(rows: Sequence[Any], *names: str) -> list[list[Any]]:
    return [[getattr(row, name) for row in rows] for name in names]
