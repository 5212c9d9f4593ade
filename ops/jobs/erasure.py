"""The job that erases a caller's data wherever it lies, and leaves a receipt.

The number comes from a file or stdin rather than from the command line, which others can read; it is in no log, no
report and no receipt. The order of things: legal holds are asked, a tombstone is left so that nothing is recorded anew,
the tables, Redis and files are erased, the tables once more for what was written meanwhile, the receipt.
"""

from __future__ import annotations

import asyncio
import json
import platform
import sys
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from engine.errors import ConfigurationError
from engine.records.erasing import LEAST_TO_SEARCH, Receipt, Tombstone, digest, key_id, number_given
from engine.records.erasure_rows import Caller, KnownCall, calls_of, erase_rows, kept_on_hold, numbers_like, reapply
from engine.records.places import redis_url
from engine.records.report_sql import report_queries
from engine.records.tombstones import KEY, TOMBSTONES, bury, key_of
from engine.sql import FAULTS
from ops.erasure.files import file_places
from ops.erasure.places import PlaceUnreached, Wanted
from ops.erasure.redis import erase_redis
from ops.erasure.remains import remains
from ops.jobs.connection import ERASURE, alone, connected, refuse_unknown_arguments, switch
from ops.jobs.job import Job, JobContext, JobFailed, Report, Verdict
from ops.jobs.private_files import write_private
from ops.jobs.retention_beside import queries

STATEMENT_SECONDS: Final = 600
"""What others said is searched row by row."""
TRIES: Final = 3
"""Of the tables, where another holds their locks."""
LONGEST_FILE: Final = 4096
MOST_NAMED: Final = 20
"""Calls on hold that a refusal names."""

_SPOKEN: Final = "numbers and names that others said in words were not looked for"
_OTHER_KEY: Final = (
    "erasures were noted here under another key, by another machine or before the key was lost: what they found is not "
    "known to this one (TRUNKLINE_ERASURE_KEY_FILE gives all machines the same)"
)


@dataclass(frozen=True, slots=True)
class _Request:
    """What was asked for."""

    number: str
    override_hold: bool
    requested_at: datetime


async def run(context: JobContext) -> Report:
    """Raises ConfigurationError for arguments that are wrong (without showing them), JobFailed where the database or
    the disk fails: then nothing was erased, or the same may be asked again."""
    refuse_unknown_arguments(JOB, context)
    if not context.database:
        raise JobFailed("there is no records' database: without it nobody knows which calls are the caller's")
    now = datetime.fromtimestamp(context.wall(), UTC)
    again = switch(context, "reapply")
    request = None if again else _Request(await _number(context), switch(context, "override-hold"), now)
    async with alone(context.database, ERASURE) as free:
        if not free:
            what = "another erasure is under way, or retention exports a month"
            return Report(Verdict.SKIPPED, f"{what}: ask again when it is over")
        return await _reapply(context, now) if request is None else await _erase(context, request)


async def _number(context: JobContext) -> str:
    """Canonical, from the one argument that was given."""
    given = {name: context.arguments[name] for name in ("caller", "caller-file") if name in context.arguments}
    if len(given) != 1:
        raise ConfigurationError("name one caller: --caller-file FILE (`-` is stdin), or --caller NUMBER")
    if "caller" in given:
        return number_given(given["caller"])
    return number_given(await asyncio.to_thread(_read, given["caller-file"]))


def _read(name: str) -> str:
    try:
        if name == "-":
            return sys.stdin.read(LONGEST_FILE)
        with Path(name).open(encoding="utf-8") as file:
            return file.read(LONGEST_FILE)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--caller-file: it cannot be read ({type(error).__name__})") from error


async def _erase(context: JobContext, request: _Request) -> Report:
    settings = context.settings
    state_dir = settings.paths.state_dir
    try:
        key: bytes | None = key_of(settings.reports.erasure_key_file or state_dir / KEY, make=not context.dry_run)
    except ConfigurationError:
        if not context.dry_run:
            raise
        key = None  # a rehearsal before the first erasure
    except OSError as error:
        raise JobFailed(f"the key of the erasures cannot be read or made ({error.strerror})") from error
    # Under a key that everybody knows, a digest would be as good as the number.
    digested, named = (b"", "") if key is None else (digest(key, request.number), key_id(key))
    receipt = Receipt(uuid.uuid4(), digested, named, request.requested_at.isoformat(), platform.node())
    async with connected(context.database, statement_seconds=STATEMENT_SECONDS) as connection:
        earlier = await _earlier(connection, digested)
        caller = await _caller(connection, request, earlier)
        await _ask_holds(connection, caller, override=request.override_hold)
        receipt.calls = [(str(one.id), one.started_at.isoformat(), one.node) for one in caller.calls]
        if context.dry_run:
            await _try_rows(connection, caller, receipt, request)
        else:
            _leave_tombstone(state_dir / TOMBSTONES, receipt.id, digested, request.requested_at)
            note = report_queries()["note_erasure"]
            await connection.execute(note, receipt.id, digested, request.requested_at)
            receipt.count("tables", await _erase_rows(connection, caller, request))
            receipt.kept_on_hold = await kept_on_hold(connection, caller)
        on_hold = await _on_hold(connection, request)
        if await connection.fetchval(report_queries()["other_keys"], receipt.key):
            receipt.noted.append(_OTHER_KEY)
    await _erase_elsewhere(context, request, receipt, on_hold)
    _tell_other_machines(receipt, caller, earlier)
    if context.dry_run:
        return _report(receipt, dry_run=True)
    await _finish(context, request, receipt)
    return _report(receipt, dry_run=False)


async def _earlier(connection: Any, digested: bytes) -> list[Mapping[str, Any]]:
    rows = await connection.fetch(report_queries()["earlier_receipts"], digested)
    return [receipt for row in rows if (receipt := json.loads(row["receipt"]))]


async def _caller(connection: Any, request: _Request, earlier: Iterable[Mapping[str, Any]]) -> Caller:
    """With the calls that earlier erasures found: their rows do not tell any more whose they were."""
    written = await numbers_like(connection, request.number)
    calls = {one.id: one for one in await calls_of(connection, written, request.requested_at)}
    for receipt in earlier:
        for identity, started_at, node in receipt.get("calls", ()):
            known = KnownCall(uuid.UUID(identity), datetime.fromisoformat(started_at), node)
            calls.setdefault(known.id, known)
    return Caller(request.number, written, tuple(calls.values()), request.requested_at)


async def _ask_holds(connection: Any, caller: Caller, *, override: bool) -> None:
    """Raises JobFailed that names the calls on hold, so that whoever releases a hold releases no other."""
    rows = await connection.fetch(report_queries()["held_calls"], [call.id for call in caller.calls])
    if rows and not override:
        named = ", ".join(str(row["call_id"]) for row in rows[:MOST_NAMED])
        more = f" and {len(rows) - MOST_NAMED} more" if len(rows) > MOST_NAMED else ""
        raise JobFailed(
            f"{len(rows)} of the caller's calls are on legal hold: nothing was erased. Release the holds of {named}"
            f"{more}, or say --override-hold yes where you may"
        )


def _leave_tombstone(path: Path, identity: uuid.UUID, digested: bytes, at: datetime) -> None:
    try:
        bury(path, Tombstone(identity, digested, at.timestamp()))
    except OSError as error:
        raise JobFailed(f"{path} cannot be written ({error.strerror}): nothing was erased") from error


async def _on_hold(connection: Any, request: _Request) -> frozenset[str]:
    """Calls whose words stay though the caller's number is in them."""
    rows = () if request.override_hold else await connection.fetch(queries()["calls_on_hold"])
    return frozenset(str(row["call_id"]) for row in rows)


async def _erase_rows(connection: Any, caller: Caller, request: _Request) -> dict[str, int]:
    """Tries again where somebody else held a lock for long, or a month that waited was dropped meanwhile."""
    for attempt in range(1, TRIES + 1):
        try:
            return await _erase_once(connection, caller, request)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, asyncpg.UndefinedTableError):
            if attempt == TRIES:
                raise
    raise AssertionError("unreachable")


async def _erase_once(connection: Any, caller: Caller, request: _Request) -> dict[str, int]:
    return await erase_rows(connection, caller, request.requested_at, override_hold=request.override_hold)


async def _try_rows(connection: Any, caller: Caller, receipt: Receipt, request: _Request) -> None:
    """What would be changed: changed, and taken back."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        receipt.count("tables", await _erase_once(connection, caller, request))
        receipt.kept_on_hold = await kept_on_hold(connection, caller)
    finally:
        await transaction.rollback()


async def _erase_elsewhere(context: JobContext, request: _Request, receipt: Receipt, on_hold: frozenset[str]) -> None:
    settings = context.settings
    wanted = Wanted(frozenset(call for call, _, _ in receipt.calls), request.number, on_hold)
    url = redis_url(settings)
    try:
        receipt.count("redis", await erase_redis(url, wanted, dry_run=context.dry_run) if url else {})
    except PlaceUnreached as error:
        receipt.not_reached.append(str(error))
    paths = settings.paths
    for place, erase in file_places(paths.state_dir, paths.recordings, wanted, dry_run=context.dry_run):
        try:
            receipt.count(place, await asyncio.to_thread(erase))
        except PlaceUnreached as error:
            receipt.not_reached.append(str(error))
    receipt.kept_beside = wanted.spared
    receipt.may_remain = remains(settings, request.requested_at)
    receipt.noted.append(_SPOKEN)
    if len(request.number) < LEAST_TO_SEARCH:
        receipt.noted.append("the number is too short to be looked for in what others said")


def _tell_other_machines(receipt: Receipt, caller: Caller, earlier: Iterable[Mapping[str, Any]]) -> None:
    """Files and outboxes of other machines are erased where the job runs there."""
    reached = {receipt.node: receipt.requested_at}
    for one in earlier:
        node, at = one.get("node", ""), one.get("requested_at", "")
        reached[node] = max(at, reached.get(node, ""))
    for node in sorted({call.node for call in caller.calls if call.node}):
        newest = max(call.started_at for call in caller.calls if call.node == node).isoformat()
        if reached.get(node, "") < newest:
            receipt.not_reached.append(f"recordings and outbox of machine {node}: run this job there, too")


async def _finish(context: JobContext, request: _Request, receipt: Receipt) -> None:
    """The tables once more, for what was recorded meanwhile; then the receipt, in the database and as a file."""
    try:
        async with connected(context.database, statement_seconds=STATEMENT_SECONDS) as connection:
            caller = await _caller(connection, request, [receipt.as_json()])
            receipt.count("tables", await _erase_rows(connection, caller, request))
            receipt.kept_on_hold = await kept_on_hold(connection, caller)
            receipt.calls = [(str(one.id), one.started_at.isoformat(), one.node) for one in caller.calls]
            done_at = datetime.fromtimestamp(context.wall(), UTC)
            receipt.done_at = done_at.isoformat()
            await connection.execute(
                report_queries()["close_erasure"],
                receipt.id,
                done_at if receipt.complete else None,
                json.dumps(receipt.as_json()),
            )
    except JobFailed as error:
        receipt.not_reached.append(f"tables, second time ({error})")
    try:
        write_private(_receipt_file(context, receipt), json.dumps(receipt.as_json(), indent=2).encode() + b"\n")
    except OSError as error:
        receipt.not_reached.append(f"the receipt's file ({error.strerror})")


def _receipt_file(context: JobContext, receipt: Receipt) -> Path:
    return context.settings.paths.state_dir / "erasures" / f"{receipt.id}.json"


def _report(receipt: Receipt, *, dry_run: bool) -> Report:
    """Counts alone: the ids of the calls stand in the receipt."""
    total = sum(count for counts in receipt.places.values() for count in counts.values())
    calls = len(receipt.calls)
    if dry_run:
        summary = f"{calls} calls: {total} rows and files would be erased"
    elif receipt.complete:
        summary = f"{calls} calls: {total} rows and files erased, receipt {receipt.id}"
    else:
        left = "; ".join(receipt.not_reached)
        summary = (
            f"{calls} calls: {total} rows and files erased, NOT REACHED: {left}. Run it again, receipt {receipt.id}"
        )
    if receipt.kept:
        summary += f"; {receipt.kept} stay"
    told = {name: value for name, value in receipt.as_json().items() if name != "calls"}
    verdict = Verdict.OK if receipt.complete or dry_run else Verdict.FAILED
    return Report(verdict, summary, told, {"calls": float(calls), "rows": float(total)})


async def _reapply(context: JobContext, now: datetime) -> Report:
    """After a restore."""
    if {"caller", "caller-file"} & set(context.arguments):
        raise ConfigurationError("--reapply erases everybody anew who was erased before: name no caller")
    settings = context.settings
    if context.dry_run:
        return Report(Verdict.OK, "would erase again who was erased before")
    try:
        done = await reapply(
            context.database, settings.paths.state_dir, key_file=settings.reports.erasure_key_file, now=now
        )
    except FAULTS as error:
        raise JobFailed(f"the records' database or the tombstones' file failed ({type(error).__name__})") from error
    rows = sum(done.rows.values())
    summary = f"{done.callers} callers had come back: {rows} rows erased again"
    if done.kept_on_hold:
        summary += f"; {done.kept_on_hold} rows of others' calls on legal hold have an erased number in them, and stay"
    return Report(Verdict.OK, summary, {"rows": done.rows}, {"callers": float(done.callers), "rows": float(rows)})


JOB: Final = Job(
    name=ERASURE,
    help="Erase a caller's data everywhere, and write a receipt.",
    run=run,
    arguments={
        "caller-file": "file with his number and nothing else; `-`: stdin",
        "caller": "his number; others on this machine can read it while the job runs: better --caller-file",
        "override-hold": "yes: erase his calls on legal hold, too, and what others' calls on hold have of him",
        "reapply": "yes: after a restore, erase again who was erased before",
    },
)
