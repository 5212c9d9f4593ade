"""What becomes of months that are detached and not dropped yet: they are attached again, or lose the words of calls."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import asyncpg

from engine.records.detached import Waiting
from engine.records.partition_facts import queries, read_facts
from engine.records.partitions import Parent, month_step
from engine.records.retention import ExpiredMonth, Part
from ops.jobs.database import DDL_LOCK
from ops.jobs.job import JobFailed

TEXTS: Final = (("turns", "remove_turn_texts"), ("tools", "remove_tool_texts"), ("calls", "mark_texts_removed"))
"""Name of a figure, and the query that removes what it counts."""
_FIGURES: Final = {"call_turns": "turns", "call_tool_calls": "tools", "calls": "calls"}


async def attach_again(connection: Any, expired: ExpiredMonth) -> None:
    """Make partitions of a month's tables again, with the rows that came to the default partition meanwhile.

    Raises asyncpg.PostgresError, and JobFailed where a row would be lost or doubled: then all is as it was.
    """
    async with connection.transaction(isolation="read_committed"):
        await connection.execute("SELECT pg_advisory_xact_lock($1)", DDL_LOCK)
        for part in expired.parts:
            step = month_step(await read_facts(connection, part.parent, count_default=False), expired.month)
            for statement in step.prepare:
                if statement.startswith("LOCK TABLE"):  # the table itself is there
                    await connection.execute(statement)
            if step.move:
                await _move(connection, part.parent, part.name, step.count, step.move)
            await connection.execute(part.attach_again(expired.month))
            await connection.execute(part.unmark())


async def _move(connection: Any, parent: Parent, name: str, count: str, move: str) -> None:
    seen = await connection.fetchval(count)
    try:
        moved = int((await connection.execute(move)).rpartition(" ")[2])
    except asyncpg.UniqueViolationError as error:
        raise JobFailed(
            f"rows of {parent.table}'s default partition stand in {name}, too: docs/runbooks/partitions.md tells how "
            "to find which"
        ) from error
    if moved != seen:
        raise JobFailed(f"{moved} rows were moved to {name} and {seen} were there: taken back")


async def remove_texts(connection: Any, part: Part, before: datetime, now: datetime) -> tuple[str, int]:
    """Remove the words of calls that began before ``before`` from a month's table that is detached, before it is
    exported; the figure that counts them, and rows changed. Nobody records to it, so that it is done at once. Raises
    asyncpg.PostgresError."""
    figure = _FIGURES[part.parent.table]
    query = Waiting(part.parent.table, part.name).instead(queries()[dict(TEXTS)[figure]])
    status = await connection.execute(query, "-infinity", before, *((now,) if figure == "calls" else ()))
    return f"texts_removed.{figure}", int(status.rpartition(" ")[2])
