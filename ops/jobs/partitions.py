"""Makes the months' partitions ahead of time, and moves rows out of the default ones."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg

from engine.config.terms import days_kept
from engine.config.terms import months_ahead as months_wanted
from engine.errors import TrunklineError
from engine.records.partition_facts import read_facts
from engine.records.partitions import PARENTS, Parent, Step, months_ahead, plan, quoted
from engine.sql import FAULTS
from ops.jobs.database import DDL_LOCK, LOCK_MS, connected
from ops.jobs.job import Job, JobContext, JobFailed, Report, Verdict
from ops.jobs.split_partition import split_partition

LOCK_TRIES: Final = 10
LOCK_PAUSE: Final = 1.0
"""Seconds between two tries to have the locks of a step."""
BUSY: Final = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)


async def run(context: JobContext) -> Report:
    """Raises JobFailed where the database is away; a fault of one table is told and stops no other."""
    if not context.database:
        return Report(Verdict.SKIPPED, "there is no records' database (TRUNKLINE_DATABASE)")
    details: dict[str, Any] = {}
    figures: dict[str, float] = {"created": 0, "moved": 0}
    faults: list[str] = []
    async with connected(context.database, lock_ms=LOCK_MS) as connection:
        if "split" in context.arguments:
            await _split(connection, context, figures, faults)
        there = await connection.fetchval("SELECT clock_timestamp()")
        figures["clocks_apart_s"] = abs(there.timestamp() - context.wall())
        for parent in PARENTS:
            try:
                details[parent.table] = told = await _one_table(connection, parent, context, figures)
            except (*FAULTS, TrunklineError) as error:
                faults.append(f"{parent.table}: {reason(error)}")
                continue
            faults += [f"{parent.table}: {fault}" for fault in told["faults"]]
    if context.dry_run:
        summary = f"{figures['created']:g} partitions would be made"
    else:
        summary = f"{figures['created']:g} partitions made, {figures['moved']:g} rows moved out of the default ones"
        if "moved_by_split" in figures:
            summary += f", {figures['moved_by_split']:g} out of the one that was split"
    if faults:
        return Report(Verdict.FAILED, f"{summary}; {'; '.join(faults)}", details, figures)
    return Report(Verdict.OK, summary, details, figures)


async def _split(connection: Any, context: JobContext, figures: dict[str, float], faults: list[str]) -> None:
    """What cannot be split is told, and the tables are seen to as in every run."""
    name = context.arguments["split"]
    try:
        made, moved = await split_partition(connection, name, dry_run=context.dry_run)
        figures["created"] += made
        figures["moved_by_split"] = moved
    except (*FAULTS, TrunklineError) as error:
        faults.append(f"--split: {reason(error)}")


async def _one_table(connection: Any, parent: Parent, context: JobContext, figures: dict[str, float]) -> dict[str, Any]:
    """What was done for one table, ready for JSON. Its months are transactions of their own: one that fails is told,
    and the next one is made."""
    settings = context.settings
    ahead = months_wanted(settings.operations, settings.terms)[parent.table]
    keep_days = days_kept(settings.retention, settings.terms)[parent.table]
    now = datetime.fromtimestamp(context.wall(), UTC)
    facts = await read_facts(connection, parent)
    made = plan(facts, now, ahead=ahead, keep_days=keep_days)
    created: dict[str, int] = {}
    faults: list[str] = []
    for step in made.steps:
        name = str(step.month or "default")
        if context.dry_run:
            print(sql_of(step))
            created[name] = step.rows
            continue
        try:
            if (moved := await apply(connection, step)) is not None:
                created[name] = moved
        except (*FAULTS, JobFailed) as error:
            faults.append(f"{name}: {reason(error)}")
    if created and not context.dry_run:  # what the catalogue says afterwards is what is told
        facts = await read_facts(connection, parent)
        figures["moved"] += sum(created.values())
        made = plan(facts, now, ahead=ahead, keep_days=keep_days)
    figures["created"] += len(created)
    figures[f"months_ahead.{parent.table}"] = months_ahead(facts, now)
    figures[f"default_rows.{parent.table}"] = sum(facts.in_default.values()) + facts.strange_in_default
    faults += [note.text for note in made.notes if note.serious]
    return {"created": created, "faults": faults, "notes": {note.text: note.remark.value for note in made.notes}}


async def apply(connection: Any, step: Step) -> int | None:
    """Make one month in one transaction; the rows moved into it, None where somebody made it meanwhile. Tried again
    while its locks cannot be had.

    Raises asyncpg.PostgresError, and JobFailed where a row would be lost: then nothing was changed.
    """
    for attempt in range(1, LOCK_TRIES + 1):
        try:
            return await _apply_once(connection, step)
        except BUSY:
            if attempt == LOCK_TRIES:
                raise
            await asyncio.sleep(LOCK_PAUSE)
    raise AssertionError("unreachable")


async def _apply_once(connection: Any, step: Step) -> int | None:
    # Read committed: what is counted and moved after the lock must be all that was committed before it.
    async with connection.transaction(isolation="read_committed"):
        await connection.execute("SELECT pg_advisory_xact_lock($1)", DDL_LOCK)
        if await connection.fetchval("SELECT to_regclass($1)", quoted(step.name)) is not None:
            return None
        for statement in step.prepare:
            await connection.execute(statement)
        moved = 0
        if step.move:
            seen = await connection.fetchval(step.count)
            moved = int((await connection.execute(step.move)).rpartition(" ")[2])
            if moved != seen:
                raise JobFailed(f"{moved} rows of {step.month} were moved and {seen} were there: taken back")
        await connection.execute(step.attach)
    return moved


def sql_of(step: Step) -> str:
    """A step as a person could run it."""
    lines = [
        f"-- {step.parent.table} {step.month or 'default partition'}",
        "BEGIN",
        f"SET LOCAL lock_timeout = {LOCK_MS}",
    ]
    lines += [f"SELECT pg_advisory_xact_lock({DDL_LOCK})", *step.statements, "COMMIT"]
    return "\n".join([lines[0], *(f"{line};" for line in lines[1:])])


def reason(error: Exception) -> str:
    """What may be told: another's text may show a row."""
    if isinstance(error, TrunklineError):
        return str(error)
    if isinstance(error, BUSY):
        return f"its locks were not to be had in {LOCK_TRIES} tries of {LOCK_MS / 1000:g} s: something holds the table"
    return f"{type(error).__name__} {getattr(error, 'sqlstate', None) or ''}".strip()


JOB: Final = Job(
    name="partitions",
    help="Makes the months' partitions ahead of time, and moves rows out of the default ones.",
    run=run,
    schedule="10 3 * * *",
    arguments={"split": "name of a partition that is of no month: make months of it, a transaction each"},
    time_limit=1800,
)
