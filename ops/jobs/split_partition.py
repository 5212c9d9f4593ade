"""Makes months of one partition that is of none, as the partitions job is asked to."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import asyncpg

from engine.errors import ConfigurationError
from engine.records.partition_facts import read_facts
from engine.records.partitions import MOST_WITHIN, PARENTS, TableFacts
from engine.records.splitting import Split, splits
from ops.jobs.database import DDL_LOCK, LOCK_MS
from ops.jobs.job import JobFailed

_TRIES: Final = 10
_PAUSE: Final = 1.0
"""Seconds between two tries to have the locks of a month."""
_BUSY: Final = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)


async def split_partition(connection: Any, name: str, *, dry_run: bool) -> tuple[int, int]:
    """Tables that were made of the partition ``name``, and rows moved into them. ``dry_run``: print the SQL.

    Raises ConfigurationError where it is no such partition or cannot be split, JobFailed where a row would be lost,
    asyncpg.PostgresError. What was done until then stays done, and asked again it goes on.
    """
    facts = await _facts_of(connection, name)
    if dry_run:
        steps = splits(facts, name)
        print("\n".join(sql_of(step) for step in steps))
        return len(steps), 0
    made = moved = 0
    while made < MOST_WITHIN:
        step = splits(facts, name)[0]
        moved += await _patiently(connection, step)
        made += 1
        if step.last:
            break
        facts = await read_facts(connection, step.parent, count_default=False)
    return made, moved


async def _facts_of(connection: Any, name: str) -> TableFacts:
    for parent in PARENTS:
        facts = await read_facts(connection, parent, count_default=False)
        if any(each.name == name for each in facts.partitions):
            return facts
    tables = ", ".join(parent.table for parent in PARENTS)
    raise ConfigurationError(f"none of {tables} has a partition of that name")


async def _patiently(connection: Any, step: Split) -> int:
    """Again, a little later, where its locks cannot be had: calls come first."""
    for _ in range(_TRIES - 1):
        try:
            return await _apply(connection, step)
        except _BUSY:
            await asyncio.sleep(_PAUSE)
    return await _apply(connection, step)


async def _apply(connection: Any, step: Split) -> int:
    """Rows moved out of the partition."""
    async with connection.transaction(isolation="read_committed"):
        await connection.execute("SELECT pg_advisory_xact_lock($1)", DDL_LOCK)
        for statement in step.prepare:
            await connection.execute(statement)
        moved = []
        for each in step.moves:
            seen = await connection.fetchval(each.count)
            moved.append(int((await connection.execute(each.move)).rpartition(" ")[2]))
            if moved[-1] != seen:
                raise JobFailed(f"{moved[-1]} rows of {step.month} were moved and {seen} were there: taken back")
        if step.left and (left := await connection.fetchval(step.left)):
            raise JobFailed(f"{left} rows of {step.partition} are of none of its months: taken back")
        for statement in step.attach:
            await connection.execute(statement)
    return moved[0]


def sql_of(step: Split) -> str:
    """A step as a person could run it."""
    lines = ["BEGIN", f"SET LOCAL lock_timeout = {LOCK_MS}", f"SELECT pg_advisory_xact_lock({DDL_LOCK})"]
    return "\n".join(
        [f"-- {step.parent.table} {step.month}", *(f"{line};" for line in (*lines, *step.statements, "COMMIT"))]
    )
