"""Runs one job: once, one at a time, within its time, recorded before and after, and never without a verdict."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import secrets
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from engine.errors import ConfigurationError, TrunklineError
from engine.records.ops_measures import measures_file, read_measures
from ops.jobs.job import Job, JobContext, JobFailed, Report, Verdict
from ops.jobs.lock import JobLock
from ops.jobs.measures import note_begin, note_end
from ops.jobs.runs import STOPPED, Run, Runs

logger = logging.getLogger(__name__)

RECORD_TRIES: Final = 4
RECORD_PAUSE: Final = 5.0
"""Seconds between two tries to record how a run ended."""
OURS: Final = ("engine", "ops", "actors", "serve_apps")


@dataclass(frozen=True, slots=True)
class Ran:
    """A run and what came of it."""

    run: Run
    job: str
    report: Report
    seconds: float
    recorded: bool
    """Whether it stands in ``ops_runs``."""

    def line(self) -> str:
        """One JSON object on one line."""
        return json.dumps(
            {
                "job": self.job,
                "id": self.run.id,
                "trigger": self.run.trigger,
                "verdict": self.report.verdict.value,
                "summary": self.report.summary,
                "seconds": round(self.seconds, 3),
                "recorded": self.recorded,
                "figures": dict(self.report.figures),
                "details": dict(self.report.details),
            },
            ensure_ascii=False,
            default=str,
        )


def hand_id(job: str, now: float) -> str:
    """A name for a run that nobody scheduled."""
    return f"{job}-{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H-%M-%SZ}-{secrets.token_hex(2)}"


def check_arguments(job: Job, context: JobContext) -> None:
    """Raises ConfigurationError for an argument that the job does not know."""
    for name in context.arguments:
        if name not in job.arguments:
            known = ", ".join(f"--{each}" for each in job.arguments) or "none"
            raise ConfigurationError(f"the job {job.name} knows no --{name}; it knows: {known}")


async def run_job(job: Job, context: JobContext, run: Run) -> Ran:
    """Run it, record it, and tell; whatever goes wrong with the job is a verdict. Cancelled, it records so first.

    Raises ConfigurationError for an argument that the job does not know: then nothing was done.
    """
    check_arguments(job, context)
    started = context.wall()
    if context.dry_run:
        report = await _bounded(job, context)
        return Ran(run, job.name, report, context.wall() - started, recorded=False)
    state = context.settings.paths.state_dir
    try:
        with _machine_lock(state / "ops" / f"{job.name}.lock"):
            async with _database_lock(context.database, job.name) as lock:
                return await _run_locked(job, context, run, measures_file(state), lock)
    except _Skip as skip:
        report = Report(Verdict.SKIPPED, str(skip))
    except (JobFailed, OSError) as error:
        return not_begun(job, context, run, error)
    return Ran(run, job.name, report, context.wall() - started, recorded=False)


def not_begun(job: Job, context: JobContext, run: Run, error: Exception) -> Ran:
    """What came of a run that could not even begin: the database is away, say. Metrics tell it all the same."""
    report = Report(Verdict.FAILED, _told(error))
    if not context.dry_run:
        now = context.wall()
        with contextlib.suppress(OSError):
            note_end(measures_file(context.settings.paths.state_dir), job.name, report, now, now)
    return Ran(run, job.name, report, 0.0, recorded=False)


async def _run_locked(job: Job, context: JobContext, run: Run, file: Path, lock: JobLock | None) -> Ran:
    """With the locks in hand. Raises _Skip where that run was made before, JobFailed where it cannot be recorded."""
    runs = Runs(context.database) if context.database else None
    started = context.wall()
    begun = await runs.begin(run, job.name, started) if runs else _last_run(file, job.name) != run.id
    if not begun:
        raise _Skip(f"the run {run.id} was made before")
    note_begin(file, job.name, run.id, started)
    if runs is None or lock is None:
        report, recorded = await _bounded(job, context), False
    else:
        async with _keeping(lock, runs, run, started) as taken:
            report = await _bounded(job, context, taken)
        recorded = await _record_end(runs, run, report, started, context.wall)
    if runs is not None and not recorded and report.verdict is Verdict.OK:
        report = Report(Verdict.FAILED, f"done, but not recorded: {report.summary}", report.details, report.figures)
    note_end(file, job.name, report, started, context.wall())
    return Ran(run, job.name, report, context.wall() - started, recorded=recorded)


@contextlib.asynccontextmanager
async def _keeping(lock: JobLock, runs: Runs, run: Run, started: float) -> AsyncIterator[asyncio.Task[None]]:
    """Its lock is kept meanwhile. The task ends where somebody else has it; what runs here is cancelled then."""
    task = asyncio.current_task()
    assert task is not None
    running = True

    def end(keeping: asyncio.Task[None]) -> None:
        if running and not keeping.cancelled():
            task.cancel()

    keeping = asyncio.create_task(lock.keep(lambda: runs.is_under_way(run, started)), name=f"lock of {run.id}")
    keeping.add_done_callback(end)
    try:
        yield keeping
    finally:
        running = False
        keeping.cancel()
        await asyncio.wait([keeping])


async def _bounded(job: Job, context: JobContext, taken: asyncio.Task[None] | None = None) -> Report:
    """The job's report, or one of what went wrong. ``taken`` is done once another run has its place."""
    limit = job.time_limit or None
    try:
        async with asyncio.timeout(limit) as timer:
            return await job.run(context)
    except asyncio.CancelledError:
        # Whoever runs this is being stopped: the verdict is still recorded, and the process ends after it.
        if task := asyncio.current_task():
            task.uncancel()
        if taken is not None and taken.done():
            return Report(Verdict.FAILED, "ended: the database had lost its lock, and another run has taken its place")
        if limit is None:  # it has no end of its own: to be stopped is how it ends
            return Report(Verdict.OK, "stopped, as a job that goes on is")
        return Report(Verdict.FAILED, "stopped before it was done", {STOPPED: True})
    except TimeoutError as error:
        if timer.expired():
            return Report(Verdict.FAILED, f"not done within {limit:g} s")
        return Report(Verdict.FAILED, _told(error))
    except Exception as error:
        figures = error.figures if isinstance(error, JobFailed) else {}
        return Report(Verdict.FAILED, _told(error), figures=figures)


def _told(error: BaseException) -> str:
    """What may be told of an error: a text of ours, or a kind and a place; another's text may show a row's values."""
    if isinstance(error, TrunklineError):
        return str(error)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _ours(frame.filename)]
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    code = f" {error.sqlstate}" if isinstance(error, asyncpg.PostgresError) else ""
    if isinstance(error, OSError) and error.strerror:
        code = f" {error.strerror}"
    return f"{type(error).__name__}{code}{place}"


def _ours(filename: str) -> bool:
    return "site-packages" not in filename and any(part in OURS for part in Path(filename).parts)


async def _record_end(runs: Runs, run: Run, report: Report, started: float, wall: Callable[[], float]) -> bool:
    """Whether it could be recorded; the database may have been away for a moment. Not over another run's row."""
    now = wall()
    for attempt in range(1, RECORD_TRIES + 1):
        try:
            return await runs.end(run, report, started, now)
        except JobFailed as error:
            logger.warning("the end of the run %s is not recorded yet: %s", run.id, error)
            if attempt < RECORD_TRIES:
                await asyncio.sleep(RECORD_PAUSE)
    return False


def _last_run(file: Path, job: str) -> str | None:
    try:
        entry: dict[str, Any] = read_measures(file).get(job, {})
    except ValueError:
        return None
    return entry.get("last_run")


class _Skip(Exception):
    """Nothing is to be done; the text says why."""


@contextlib.contextmanager
def _machine_lock(file: Path) -> Iterator[None]:
    """One run of a job on this machine, with a database or without. Raises _Skip where another has it."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with file.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _Skip("another run of it is under way on this machine") from None
        yield


@contextlib.asynccontextmanager
async def _database_lock(database: str, job: str) -> AsyncIterator[JobLock | None]:
    """One run of a job in the whole site; None where there is no database. Raises _Skip where another has it, JobFailed
    where the database is away.
    """
    if not database:
        yield None
        return
    lock = JobLock(database, job)
    if not await lock.take():
        raise _Skip("another run of it is under way")
    try:
        yield lock
    finally:
        await lock.close()
