"""Removes what has had its time: words of calls after a while, months after a longer one, and what lies beside them.

A month goes as a whole: its three tables are detached in one transaction, exported where a folder is set, and dropped
in one. What a run leaves half done is marked in the database, and the next run ends it. A legal hold is looked at again
in each of these transactions, behind a lock that keeps new ones out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from engine.config.terms import days_kept
from engine.errors import ConfigurationError
from engine.records.months import Month
from engine.records.partition_facts import queries, read_facts
from engine.records.partitions import PARENTS, Step, quoted
from engine.records.retention import (
    MARK,
    ExpiredMonth,
    RetentionPlan,
    gather,
    plan_retention,
    proof_days,
    why_not_believed,
)
from engine.sql import FAULTS
from ops.jobs.connection import ERASURE, alone
from ops.jobs.database import DDL_LOCK, LOCK_MS, connected
from ops.jobs.detached_months import TEXTS, attach_again, remove_texts
from ops.jobs.job import Job, JobContext, JobFailed, Report, Verdict
from ops.jobs.month_export import export_table
from ops.jobs.partitions import BUSY, LOCK_PAUSE, LOCK_TRIES, apply, reason, sql_of
from ops.jobs.retention_beside import due as due_beside
from ops.jobs.retention_beside import limits
from ops.jobs.retention_beside import remove as remove_beside
from ops.jobs.retention_beside import sql_of as statement_of

WINDOW: Final = timedelta(hours=1)
"""Of calls whose words one transaction removes: few rows are locked, and each is looked at once."""
WINDOW_PAUSE: Final = 0.02
"""Seconds after a transaction that removed something: calls are being recorded beside it."""


class _Held(Exception):
    """A hold was placed on a month that was about to go."""


async def run(context: JobContext) -> Report:
    """Raises JobFailed where the database is away or the clock is not to be believed, ConfigurationError."""
    trusted = _trusted(context)
    if not context.database:
        return Report(Verdict.SKIPPED, "there is no records' database (TRUNKLINE_DATABASE)")
    now = datetime.fromtimestamp(context.wall(), UTC)
    async with connected(context.database, lock_ms=LOCK_MS) as connection:
        before = now - timedelta(days=context.settings.retention.text_days)
        gathering = await _gathering(connection, context, now)
        planned = await _planned(connection, context, now)
        beside = await due_beside(connection, context.settings, now)
        oldest = await connection.fetchval(queries()["oldest_text"], before, "-infinity")
        if (planned.months or oldest or gathering or any(beside.values())) and not trusted:
            await _believe(connection, now)
        if context.dry_run:
            texts = dict(await connection.fetchrow(queries()["texts_to_remove"], before))
            for step in gathering:
                print(sql_of(step))
            return _dry(planned, texts, before, beside, limits(context.settings, now))
        figures: dict[str, float] = {"held_months": len(planned.held), "months": 0, "rows": 0, "exported_bytes": 0}
        figures["gathered"] = 0
        if oldest is not None:
            figures |= await _remove_texts(connection, oldest, before, now)
        faults = [fault for step in gathering if (fault := await _gather(connection, step, figures))]
        if gathering:
            planned = await _planned(connection, context, now)
        with_words = {}
        for month in planned.months:
            if fault := await _remove_waiting_texts(connection, month, before, now, figures):
                with_words[month.month] = fault
        faults += with_words.values()
        if context.settings.retention.export_dir is not None:  # a copy for good would have the words in it
            free = tuple(each for each in planned.months if each.month not in with_words)
            planned = replace(planned, months=free)
        report = await _remove_months(connection, context, planned, figures, faults)
        return await _with_beside(connection, context, report, now)


def _trusted(context: JobContext) -> bool:
    given = context.arguments.get("trust-clock", "no")
    if given not in ("yes", "no"):
        raise ConfigurationError(f"--trust-clock: got {given!r}, expected yes or no")
    return given == "yes"


async def _planned(connection: Any, context: JobContext, now: datetime) -> RetentionPlan:
    facts = [await read_facts(connection, parent, count_default=False) for parent in PARENTS]
    marked = {row["name"] for row in await connection.fetch(queries()["marked"], PARENTS[0].table, MARK)}
    held = await _held(connection)
    return plan_retention(facts, marked, held, now, keep_days=_days(context))


def _days(context: JobContext) -> dict[str, int]:
    return days_kept(context.settings.retention, context.settings.terms)


async def _gathering(connection: Any, context: JobContext, now: datetime) -> list[Step]:
    held = await _held(connection)
    return [
        step
        for parent in PARENTS
        for step in gather(await read_facts(connection, parent), held, now, keep_days=_days(context)[parent.table])
    ]


async def _gather(connection: Any, step: Step, figures: dict[str, float]) -> str:
    """What went wrong; then the rows are where they were."""
    try:
        figures["gathered"] += await apply(connection, step) or 0
    except (*FAULTS, JobFailed) as error:
        return f"the default partition's rows of {step.month}: {reason(error)}"
    return ""


async def _with_beside(connection: Any, context: JobContext, report: Report, now: datetime) -> Report:
    """The report, with what lies beside the months removed too: whatever became of them."""
    try:
        removed = await remove_beside(connection, context.settings, now)
    except FAULTS as error:
        summary = f"{report.summary}; customers, call-backs, runs and dead letters: {reason(error)}"
        return replace(report, verdict=Verdict.FAILED, summary=summary)
    figures = {**report.figures, **{f"removed.{name}": number for name, number in removed.items()}}
    told = ", ".join(f"{number:g} {name.replace('_', ' ')}" for name, number in removed.items() if number)
    return replace(report, summary=report.summary + (f"; removed: {told}" if told else ""), figures=figures)


async def _held(connection: Any) -> frozenset[Month]:
    return frozenset(Month(row["year"], row["month"]) for row in await connection.fetch(queries()["held_months"]))


async def _believe(connection: Any, now: datetime) -> None:
    """Raises JobFailed where the clock is not to be believed."""
    proofs = await connection.fetchval(queries()["days_with_proof"], *proof_days(now))
    doubt = why_not_believed(now, await connection.fetchval("SELECT clock_timestamp()"), proofs)
    if doubt:
        raise JobFailed(f"nothing was removed: {doubt}")


async def _remove_texts(connection: Any, oldest: datetime, before: datetime, now: datetime) -> dict[str, float]:
    """Rows changed, by table. What is older than ``oldest`` goes first, then a window of calls after the other."""
    changed = {f"texts_removed.{name}": 0.0 for name, _ in TEXTS}
    start, end = "-infinity", min(oldest.replace(minute=0, second=0, microsecond=0), before)
    while True:
        rows = await _patiently(_remove_window, connection, start, end, now)
        for name, number in rows.items():
            changed[f"texts_removed.{name}"] += number
        start = end.isoformat()
        next_one = end if any(rows.values()) else await connection.fetchval(queries()["oldest_text"], before, start)
        if next_one is None or next_one >= before:
            return changed
        end = min(next_one.replace(minute=0, second=0, microsecond=0) + WINDOW, before)
        await asyncio.sleep(WINDOW_PAUSE)


async def _remove_window(connection: Any, start: str, end: datetime, now: datetime) -> dict[str, int]:
    async with connection.transaction():
        return {
            name: int(
                (
                    await connection.execute(queries()[query], start, end, *((now,) if name == "calls" else ()))
                ).rpartition(" ")[2]
            )
            for name, query in TEXTS
        }


async def _remove_waiting_texts(
    connection: Any, expired: ExpiredMonth, before: datetime, now: datetime, figures: dict[str, float]
) -> str:
    """Of a month's tables that wait for their export; what went wrong."""
    try:
        for part in expired.parts:
            if not part.attached:
                name, rows = await _patiently(remove_texts, connection, part, before, now)
                figures[name] = figures.get(name, 0.0) + rows
    except FAULTS as error:
        return f"words in {expired.month}, which a run before detached: {reason(error)}"
    return ""


async def _remove_months(
    connection: Any, context: JobContext, planned: RetentionPlan, figures: dict[str, float], faults: list[str]
) -> Report:
    removed, files = [], []
    faults += [*planned.foreign, *planned.nameless]
    held = list(map(str, planned.held))
    for month in planned.back:
        try:
            await _patiently(attach_again, connection, month)
        except (*FAULTS, JobFailed) as error:
            faults.append(f"{month.month} could not be attached again: {reason(error)}")
    for expired in planned.months:
        try:
            files += await _remove_month(connection, context, expired, figures)
        except _Held:
            held.append(str(expired.month))
        except (*FAULTS, JobFailed) as error:
            faults.append(f"{expired.month}: {reason(error)}")
        else:
            removed.append(str(expired.month))
            figures["months"] += 1
    details: dict[str, Any] = {"removed": removed, "on_hold": held, "left": planned.left, "files": files}
    details["of_no_month"] = [*planned.foreign, *planned.foreign_in_part, *planned.nameless]
    details["attached_again"] = [str(each.month) for each in planned.back]
    texts = figures.get("texts_removed.turns", 0) + figures.get("texts_removed.tools", 0)
    summary = f"{len(removed)} months removed, {len(held)} kept on legal hold, {texts:g} texts removed"
    if faults:
        return Report(Verdict.FAILED, f"{summary}; {'; '.join(faults)}", details, figures)
    return Report(Verdict.OK, summary, details, figures)


async def _remove_month(
    connection: Any, context: JobContext, expired: ExpiredMonth, figures: dict[str, float]
) -> list[dict[str, Any]]:
    """The files it was exported to. Raises _Held, JobFailed, asyncpg.PostgresError; then the month is still there."""
    folder = context.settings.retention.export_dir
    if folder is None:
        expired = await _take_off(connection, expired)
        figures["rows"] += await _patiently(_drop, connection, expired, {})
        return []
    async with alone(context.database, ERASURE) as free:
        if not free:  # what it removes would stand in the export, and no more in the table
            raise JobFailed("an erasure is under way: it is exported and dropped by the next run")
        try:
            expired = await _take_off(connection, expired)  # not before: it would be out of sight until the next run
            return await _export_and_drop(connection, expired, folder, figures)
        except FAULTS as error:  # alone() would tell its kind and nothing else
            raise JobFailed(reason(error)) from error


async def _take_off(connection: Any, expired: ExpiredMonth) -> ExpiredMonth:
    """The month as it is named once it is detached. Raises as _under_its_names and _detach do."""
    expired = await _under_its_names(connection, expired)
    await _patiently(_detach, connection, expired)
    return expired


async def _export_and_drop(
    connection: Any, expired: ExpiredMonth, folder: Path, figures: dict[str, float]
) -> list[dict[str, Any]]:
    exported: dict[str, int] = {}
    files = []
    for part in expired.parts:
        written = await export_table(connection, part.name, folder)
        exported[part.name] = written.rows
        figures["exported_bytes"] += written.size
        files.append({"file": written.file.name, "rows": written.rows, "sha256": written.sha256})
    figures["rows"] += await _patiently(_drop, connection, expired, exported)
    return files


async def _under_its_names(connection: Any, expired: ExpiredMonth) -> ExpiredMonth:
    """The month with each table under its month's name, as it must be before it is detached: then its bounds are gone,
    and by its name alone the next run finds it.

    Raises _Held, JobFailed where a name is taken, asyncpg.PostgresError.
    """
    parts = []
    for part in expired.parts:
        named = part.named(expired.month)
        if part.attached and named != part:
            if expired.month in await _held(connection):
                raise _Held
            if await connection.fetchval("SELECT to_regclass($1)", quoted(named.name)) is not None:
                raise JobFailed(f"{part.name} is to be {named.name}, and a table of that name is there: rename that")
            # A statement alone: it waits for readers of this table, and holds no other meanwhile.
            await _patiently(connection.execute, part.rename(expired.month))
        parts.append(named)
    return replace(expired, parts=tuple(parts))


async def _detach(connection: Any, expired: ExpiredMonth) -> None:
    """Raises _Held."""
    for part in expired.parts:
        if part.attached and (part.concurrently or part.detaching):  # not allowed inside a transaction
            if expired.month in await _held(connection):
                raise _Held
            await connection.execute(part.mark())  # first: what is detached and not marked nobody would find
            await connection.execute(part.detach())
    async with connection.transaction(isolation="read_committed"):
        await _keep_holds_out(connection, expired.month)
        for part in expired.parts:
            if part.attached and not part.concurrently and not part.detaching:
                await connection.execute(part.detach())
                await connection.execute(part.mark())


async def _drop(connection: Any, expired: ExpiredMonth, exported: dict[str, int]) -> int:
    """Rows that are gone. Raises _Held, with the month put back, and JobFailed where the export lacks a row."""
    try:
        async with connection.transaction(isolation="read_committed"):
            await _keep_holds_out(connection, expired.month)
            rows = 0
            for part in expired.parts:
                await connection.execute(f"LOCK TABLE {quoted(part.name)} IN ACCESS EXCLUSIVE MODE")
                if await _holds_one(connection, part.name):
                    raise _Held  # noqa: TRY301 - the transaction is to be rolled back
                there = await connection.fetchval(f"SELECT count(*) FROM {quoted(part.name)}")  # noqa: S608
                if exported.get(part.name, there) != there:
                    raise JobFailed(f"{part.name} has other rows than its export: not dropped")
                rows += there
                await connection.execute(part.drop())
    except _Held:
        await attach_again(connection, expired)
        raise
    return rows


async def _keep_holds_out(connection: Any, month: Month) -> None:
    """No hold is placed until this transaction ends. Raises _Held where there is one."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", DDL_LOCK)
    await connection.execute("LOCK TABLE legal_holds IN SHARE MODE")
    if month in await _held(connection):
        raise _Held


async def _holds_one(connection: Any, table: str) -> bool:
    """Whether a table that is no partition any more has a call on hold, whatever month the hold speaks of."""
    column = "id" if table.startswith("calls_") else "call_id"
    held: bool = await connection.fetchval(
        f"SELECT EXISTS (SELECT FROM {quoted(table)} t JOIN legal_holds h ON h.call_id = t.{column}"  # noqa: S608
        " WHERE h.released_at IS NULL)"
    )
    return held


async def _patiently(what: Any, *arguments: Any) -> Any:
    """Again, a little later, where its locks cannot be had: calls come first."""
    for _ in range(LOCK_TRIES - 1):
        try:
            return await what(*arguments)
        except BUSY:
            await asyncio.sleep(LOCK_PAUSE)
    return await what(*arguments)


def _dry(
    planned: RetentionPlan,
    due: dict[str, int],
    before: datetime,
    beside: dict[str, int],
    terms: Mapping[str, datetime],
) -> Report:
    """Print the SQL."""
    for name, query in TEXTS:
        if due[name]:
            text = queries()[query].replace("$1", "'-infinity'").replace("$2", f"'{before.isoformat()}'")
            print(f"-- {due[name]} rows, an hour of calls at a time\n{text.replace('$3', 'now()')};")
    for expired in planned.months:
        lines = [f"SET LOCAL lock_timeout = {LOCK_MS}", "LOCK TABLE legal_holds IN SHARE MODE"]
        parts = [part.named(expired.month) for part in expired.parts]
        lines += [part.rename(expired.month) for part in expired.parts if part not in parts]
        lines += [line for part in parts if part.attached for line in (part.detach(), part.mark())]
        drops = [part.drop() for part in parts]
        print("\n".join([f"-- {expired.month}", "BEGIN;", *(f"{line};" for line in lines), "COMMIT;"]))
        print("-- exported here, where TRUNKLINE_RETENTION_EXPORT_DIR is set\nBEGIN;")
        print("\n".join([*(f"{line};" for line in drops), "COMMIT;"]))
    details = {
        "months": [str(each.month) for each in planned.months],
        "on_hold": list(map(str, planned.held)),
        "texts": due,
        "beside": beside,
        "of_no_month": [*planned.foreign, *planned.foreign_in_part, *planned.nameless],
    }
    for name, rows in beside.items():
        if rows:
            print(f"-- {rows} {name.replace('_', ' ')}")
            print("-- lines of a file" if name == "dead_letters" else statement_of(name, terms[name]))
    faults = [*planned.foreign, *planned.nameless]
    summary = "; ".join([f"{len(planned.months)} months would be removed", *faults])
    return Report(Verdict.FAILED if faults else Verdict.OK, summary, details)


JOB: Final = Job(
    name="retention",
    help="Removes the words of calls, later whole months, and what lies beside them, when their time is over.",
    run=run,
    schedule="40 3 * * *",
    arguments={"trust-clock": "yes: remove though too few days are recorded to believe the clock"},
    time_limit=7200,
)
