"""Erasure of callers from the tables, by whoever asks for it and again after a restore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg

from engine.records.erasing import LEAST_TO_SEARCH, Erased, canonical
from engine.records.report_sql import report_queries
from engine.records.tombstones import ErasedCallers

CONNECT_SECONDS: Final = 10.0
LOCK_SECONDS: Final = 30
STATEMENT_SECONDS: Final = 600.0
"""What others said is searched row by row."""


@dataclass(frozen=True, slots=True)
class KnownCall:
    """A call of the caller."""

    id: UUID
    started_at: datetime
    node: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom to erase: his number in canonical form and as it stands in the rows, his calls, and until when."""

    number: str
    written: Sequence[str]
    calls: Sequence[KnownCall]
    until: datetime


async def numbers_like(connection: Any, number: str) -> list[str]:
    """The number in each way the tables have it. ``number``: canonical. Raises asyncpg.PostgresError."""
    return [row["number"] for row in await connection.fetch(report_queries()["numbers_like"], number)]


async def calls_of(connection: Any, written: Sequence[str], until: datetime) -> list[KnownCall]:
    """Raises asyncpg.PostgresError."""
    rows = await connection.fetch(report_queries()["calls_of_caller"], list(written), until)
    return [KnownCall(row["id"], row["started_at"], row["node"]) for row in rows]


async def erase_rows(connection: Any, caller: Caller, now: datetime) -> dict[str, int]:
    """Erase in one transaction; rows changed by table. Again, it changes none. Raises asyncpg.PostgresError.

    Calls stay for the statistics, without what tells who it was.
    """
    queries = report_queries()
    written, ids = list(caller.written), [call.id for call in caller.calls]
    starts = [call.started_at for call in caller.calls]
    span = (min(starts), max(starts)) if starts else (now, now)
    done: dict[str, int] = {}

    async def change(name: str, table: str, *arguments: Any) -> None:
        done[table] = done.get(table, 0) + _rows(await connection.execute(queries[name], *arguments))

    async with connection.transaction():
        await change("erase_calls", "calls", ids, *span, now)
        await change("erase_turns", "call_turns", ids, *span)
        await change("erase_tools", "call_tool_calls", ids, *span)
        await change("erase_customers", "customers", written, caller.until)
        await change("erase_callbacks", "callbacks", written, caller.until, ids, now)
        if len(caller.number) >= LEAST_TO_SEARCH:
            await change("erase_mentions_in_turns", "mentions in turns", caller.number, caller.until)
            await change("erase_mentions_in_tools", "mentions in tools", caller.number, caller.until)
    return done


def _rows(tag: str) -> int:
    """Of "UPDATE 3"."""
    return int(tag.rpartition(" ")[2])


@dataclass(frozen=True, slots=True)
class Reapplied:
    """What an erasure after a restore did."""

    callers: int
    """Erased callers whose data had come back."""
    rows: dict[str, int] = field(default_factory=dict)


async def reapply(
    database: str, state_dir: Path, *, key_file: Path | None = None, now: datetime | None = None
) -> Reapplied:
    """Remove from ``database`` (a URL) again what was erased, by the tombstones in ``state_dir``. Safe twice.

    To be run after each restore, before calls are taken. Legal holds are not asked: what was erased was free then.
    Raises ConfigurationError where there are tombstones and no key, OSError, asyncpg.PostgresError.
    """
    return await reapply_erased(database, [ErasedCallers(state_dir, key_file).now()], now=now)


async def reapply_erased(database: str, known: Sequence[Erased], *, now: datetime | None = None) -> Reapplied:
    """The same by lists that are at hand, each with its key. Raises OSError, asyncpg.PostgresError."""
    now = now or datetime.now(UTC)
    lists = [erased for erased in known if erased]
    if not lists:
        return Reapplied(0)
    connection = await asyncpg.connect(
        database,
        timeout=CONNECT_SECONDS,
        command_timeout=STATEMENT_SECONDS,
        server_settings={"lock_timeout": f"{LOCK_SECONDS}s"},
    )
    try:
        found: dict[str, tuple[float, list[str]]] = {}
        for row in await connection.fetch(report_queries()["all_numbers"]):
            times = [at for erased in lists if (at := erased.until(row["number"])) is not None]
            if times:
                until = max(times)
                found.setdefault(canonical(row["number"]), (until, []))[1].append(row["number"])
        callers, rows = 0, dict[str, int]()
        for number, (until, written) in found.items():
            moment = datetime.fromtimestamp(until, UTC)
            caller = Caller(number, written, await calls_of(connection, written, moment), moment)
            done = await erase_rows(connection, caller, now)
            callers += any(done.values())
            rows = {table: rows.get(table, 0) + count for table, count in done.items()}
        return Reapplied(callers, rows)
    finally:
        connection.terminate()
