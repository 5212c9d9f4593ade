"""Erasure of callers from the tables, by whoever asks for it and again after a restore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg

from engine.records.detached import fetch_everywhere, waiting
from engine.records.erasing import LEAST_TO_SEARCH, Erased, canonical, mention
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
    rows = await fetch_everywhere(connection, "calls", report_queries()["numbers_like"], number)
    return sorted({row["number"] for row in rows})


async def calls_of(connection: Any, written: Sequence[str], until: datetime) -> list[KnownCall]:
    """Raises asyncpg.PostgresError."""
    rows = await fetch_everywhere(connection, "calls", report_queries()["calls_of_caller"], list(written), until)
    return [KnownCall(row["id"], row["started_at"], row["node"]) for row in rows]


async def erase_rows(connection: Any, caller: Caller, now: datetime, *, override_hold: bool = False) -> dict[str, int]:
    """Erase in one transaction; rows changed by table. Again, it changes none. Raises asyncpg.PostgresError.

    Calls stay for the statistics, without what tells who it was. What others' calls on legal hold have of him stays,
    unless ``override_hold``.
    """
    written, ids = list(caller.written), [call.id for call in caller.calls]
    starts = [call.started_at for call in caller.calls]
    span = (min(starts), max(starts)) if starts else (now, now)
    said = (mention(caller.number), caller.until, override_hold)
    callbacks = (written, caller.until, ids, now, override_hold)
    changes: list[tuple[str, str, str, tuple[Any, ...]]] = [
        ("erase_calls", "calls", "calls", (ids, *span, now)),
        ("erase_turns", "call_turns", "call_turns", (ids, *span)),
        ("erase_tools", "call_tool_calls", "call_tool_calls", (ids, *span)),
        ("erase_customers", "", "customers", (written, caller.until)),
        ("erase_callbacks", "", "callbacks", callbacks),
    ]
    if len(caller.number) >= LEAST_TO_SEARCH:
        changes += [
            ("erase_mentions_in_turns", "call_turns", "mentions in turns", said),
            ("erase_mentions_in_tools", "call_tool_calls", "mentions in tools", said),
        ]
    done: dict[str, int] = {}

    async def change(query: str, told: str, arguments: tuple[Any, ...]) -> None:
        done[told] = done.get(told, 0) + _rows(await connection.execute(query, *arguments))

    async with connection.transaction(isolation="read_committed"):
        for name, _, told, arguments in changes:
            await change(report_queries()[name], told, arguments)
        # Asked for only now: the locks of the changes above let no further month be detached.
        for each in await waiting(connection):
            for name, parent, told, arguments in changes:
                if parent == each.parent:
                    await change(each.instead(report_queries()[name]), told, arguments)
    return done


async def kept_on_hold(connection: Any, caller: Caller) -> int:
    """Rows of others' calls on legal hold that an erasure left. Raises asyncpg.PostgresError."""
    queries = report_queries()
    found = list(await connection.fetch(queries["held_callbacks"], list(caller.written), caller.until))
    if len(caller.number) >= LEAST_TO_SEARCH:
        for name, parent in (("held_mentions_in_turns", "call_turns"), ("held_mentions_in_tools", "call_tool_calls")):
            found += await fetch_everywhere(connection, parent, queries[name], mention(caller.number), caller.until)
    return sum(row["rows"] for row in found)


def _rows(tag: str) -> int:
    """Of "UPDATE 3"."""
    return int(tag.rpartition(" ")[2])


@dataclass(frozen=True, slots=True)
class Reapplied:
    """What an erasure after a restore did."""

    callers: int
    """Erased callers whose data had come back."""
    rows: dict[str, int] = field(default_factory=dict)
    kept_on_hold: int = 0
    """Rows of others' calls on legal hold that have an erased number in them, and stay."""


async def reapply(
    database: str, state_dir: Path, *, key_file: Path | None = None, now: datetime | None = None
) -> Reapplied:
    """Remove from ``database`` (a URL) again what was erased, by the tombstones in ``state_dir``. Safe twice.

    To be run after each restore, before calls are taken. Legal holds of their own calls are not asked: what was erased
    was free then. What others' calls on hold have of them stays, as it does when they are erased.
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
        for row in await fetch_everywhere(connection, "calls", report_queries()["all_numbers"]):
            times = [at for erased in lists if (at := erased.until(row["number"])) is not None]
            if times:
                until = max(times)
                found.setdefault(canonical(row["number"]), (until, []))[1].append(row["number"])
        callers, rows, kept = 0, dict[str, int](), 0
        for number, (until, written) in found.items():
            moment = datetime.fromtimestamp(until, UTC)
            caller = Caller(number, written, await calls_of(connection, written, moment), moment)
            done = await erase_rows(connection, caller, now)
            callers += any(done.values())
            rows = {table: rows.get(table, 0) + done.get(table, 0) for table in rows | done}
            kept += await kept_on_hold(connection, caller)
        return Reapplied(callers, rows, kept)
    finally:
        connection.terminate()
