"""``trunkline ops rehearse``: a night in fast motion, in a site that is made for it and gone after it.

Calls of an evening go the way of all calls, through an outbox and a recorder into a real PostgreSQL, which is away for
a while; a clock goes from the last evening of a month to the next morning, and on it the scheduler begins the jobs that
are due, each as it always runs. What they leave is counted by other means than their own. ``rehearsal_night`` has what
happens; here is what it happens in.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from engine.config import Secret, Settings, load_settings
from engine.errors import TrunklineError
from engine.records.outbox import Outbox
from engine.records.places import database_url
from ops.bench.report import text_table
from ops.jobs.catalogue import catalogue, find_job
from ops.jobs.job import Job, JobContext, Report, Verdict
from ops.jobs.running import Ran, run_job
from ops.jobs.runs import Run
from ops.jobs.schedule import Due
from ops.own_postgres import OwnPostgres
from ops.rehearsal_calls import Evening
from ops.rehearsal_clock import STEP, InTurn, NightClock, last_evening
from ops.scheduling import Scheduler

BY_THE_SERVER: Final = frozenset({"backup", "wal", "restore-check", "dump"})
"""Jobs that measure ages on the database server's own clock: they are given the real one."""
REFUSED: Final = "refused, as it must be"
_ENDLESS: Final = "wal"

Check = Callable[[Ran], Awaitable[str]]


class NotHeld(TrunklineError):
    """What a step promised did not hold."""


@dataclass(slots=True)
class Line:
    """One step as it went."""

    at: str
    what: str
    verdict: str
    good: bool
    """Whether it went as promised."""
    seconds: float
    told: str


@dataclass(slots=True)
class Night:
    """The site of a rehearsal, and what happened in it."""

    settings: Settings
    folder: Path
    server: OwnPostgres
    say: Callable[[Line], None]
    clock: NightClock
    evening: Evening = field(default_factory=Evening)
    lines: list[Line] = field(default_factory=list)
    checks: dict[str, Check] = field(default_factory=dict)
    """Of what a job left that the scheduler began; each returns what to add to its summary."""
    refusals: dict[str, str] = field(default_factory=dict)
    """Jobs that must fail, with a part of why."""
    began: datetime = field(init=False)
    _submitter: InTurn = field(init=False)
    _scheduler: Scheduler = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock.now
        self._submitter = InTurn(self._due, _ENDLESS)
        self._scheduler = self._a_scheduler(catalogue().jobs)

    async def until(self, moment: datetime) -> None:
        """Let the clock go on to then; what is due meanwhile is begun by the scheduler."""
        while self.clock.now < moment:
            self.clock.set(min(self.clock.now + STEP, moment))
            await self._scheduler.tick()

    async def stop_the_endless(self) -> None:
        """As when a scheduler ends; another one goes on without it."""
        await self._submitter.close()
        self._scheduler = self._a_scheduler([job for job in catalogue().jobs if job.time_limit])

    async def step(self, what: str, work: Callable[[], Awaitable[str]]) -> None:
        """Something other than a job; ``work`` returns what to tell of it. Raises nothing of Trunkline's."""
        at, began = self.clock.now, time.monotonic()
        try:
            told, verdict = await work(), Verdict.OK
        except (TrunklineError, OSError, TimeoutError, asyncpg.PostgresError) as error:
            told = str(error) if isinstance(error, TrunklineError) else type(error).__name__
            verdict = Verdict.FAILED
        self._add(Line(f"{at:%H:%M}", what, verdict, verdict is Verdict.OK, time.monotonic() - began, told))

    async def job(self, name: str, check: Check | None = None, *, what: str = "", **given: str) -> None:
        """A job by hand, then ``check`` of what it left, which returns what to add to its summary."""
        number = sum(line.what.startswith(name) for line in self.lines)
        await self._made(name, Run(f"{name}-rehearsal-{number}", "hand"), check, what or f"{name}, by hand", given)

    async def refused(self, what: str, name: str, why: str, settings: Settings) -> None:
        """A job that must fail under ``settings``; ``why`` is a part of what it says then."""
        at, run = self.clock.now, Run(f"{name}-refused", "hand")
        self._add(_refusal(f"{at:%H:%M}", what, await self._ran(name, run, {}, settings), why))

    async def again(self, name: str) -> None:
        """The last scheduled run of a job is begun once more under its id: nothing may happen."""
        at = self.clock.now
        identity = await self.value(
            "SELECT id FROM ops_runs WHERE job = $1 AND trigger <> 'hand' ORDER BY started_at DESC LIMIT 1", name
        )
        ran = await self._ran(name, Run(identity, "job"), {}, self.settings)
        good = ran.report.verdict is Verdict.SKIPPED
        verdict = REFUSED if good else "FAILED"
        self._add(Line(f"{at:%H:%M}", f"{name}, triggered again", verdict, good, ran.seconds, ran.report.summary))

    async def _due(self, due: Due) -> None:
        name, run = due.job, Run(due.id, due.trigger)
        if why := self.refusals.pop(name, ""):
            at = self.clock.now
            self._add(_refusal(f"{at:%H:%M}", name, await self._ran(name, run, {}, self.settings), why))
        else:
            await self._made(name, run, self.checks.get(name), name, {})

    async def _made(self, name: str, run: Run, check: Check | None, what: str, given: Mapping[str, str]) -> None:
        at, began = self.clock.now, time.monotonic()
        ran = await self._ran(name, run, given, self.settings)
        if name == _ENDLESS:
            at = self.clock.now
        verdict, told = ran.report.verdict, ran.report.summary
        if verdict is Verdict.OK and check is not None:
            try:
                told = f"{told}; {await check(ran)}"
            except (TrunklineError, OSError, asyncpg.PostgresError) as error:
                verdict = Verdict.FAILED
                told = f"{told}; BUT {error if isinstance(error, TrunklineError) else type(error).__name__}"
        self._add(Line(f"{at:%H:%M}", what, verdict, verdict is Verdict.OK, time.monotonic() - began, told))

    async def _ran(self, name: str, run: Run, given: Mapping[str, str], settings: Settings) -> Ran:
        arguments = {key.replace("_", "-"): value for key, value in given.items()}
        context = JobContext(settings, database_url(settings), self.clock, arguments)
        job = find_job(name)
        return await run_job(_by_the_server(job) if name in BY_THE_SERVER else job, context, run)

    def _a_scheduler(self, jobs: list[Job] | tuple[Job, ...]) -> Scheduler:
        return Scheduler(self.settings, jobs, self._submitter, wall=self.clock)

    def _add(self, line: Line) -> None:
        self.lines.append(line)
        self.say(line)

    async def value(self, query: str, *arguments: Any) -> Any:
        """One value of the database."""
        connection = await asyncpg.connect(database_url(self.settings), timeout=30)
        try:
            return await connection.fetchval(query, *arguments)
        finally:
            await connection.close()

    async def counted(self) -> dict[str, int]:
        """Rows in the tables."""
        return {name: int(await self.value(f"SELECT count(*) FROM {name}")) for name in self.evening.rows}  # noqa: S608 - of our own


def _by_the_server(job: Job) -> Job:
    async def run(context: JobContext) -> Report:
        return await job.run(replace(context, wall=time.time))

    return replace(job, run=run)


def _refusal(at: str, what: str, ran: Ran, why: str) -> Line:
    good = ran.report.verdict is Verdict.FAILED and why in ran.report.summary
    return Line(at, what, REFUSED if good else "FAILED", good, ran.seconds, ran.report.summary)


async def rehearse(environ: Mapping[str, str], say: Callable[[str], None]) -> bool:
    """The whole night; whether every verdict is one to sign. Raises ServerFailed where PostgreSQL does not start."""
    from ops.rehearsal_night import the_night  # noqa: PLC0415 - it stands on what is here

    with tempfile.TemporaryDirectory(prefix="trunkline-night-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        settings = _settings(environ, folder)
        server = OwnPostgres(settings)

        def shown(line: Line) -> None:
            say(f"{line.at}  {line.what:<32} {line.verdict:<22} {line.seconds:5.1f} s  {line.told}")

        await asyncio.to_thread(server.start)
        try:
            knowledge = replace(settings.knowledge, source=Secret(database_url(settings)))
            clock = NightClock(last_evening(datetime.now(UTC)))
            night = Night(replace(settings, knowledge=knowledge), folder, server, shown, clock)
            say(f"{clock.now:%A %d %B %Y}, 20:00 UTC")
            await the_night(night)
        finally:
            await asyncio.to_thread(server.stop)
    say("")
    rows = [[line.at, line.what, line.verdict, f"{line.seconds:.1f}"] for line in night.lines]
    say("\n".join(text_table(["at", "step", "verdict", "s"], rows)))
    bad = [line.what for line in night.lines if not line.good]
    say(f"not to be signed: {', '.join(bad)}" if bad else f"to be signed: {len(night.lines)} steps, all as promised")
    return not bad


def _settings(environ: Mapping[str, str], folder: Path) -> Settings:
    """The site's own settings, but for where it keeps what, and for the times: each job is due in this one night."""
    folder.chmod(0o711)  # as root, PostgreSQL is another user's, who must come through
    key = folder / "backup.key"
    key.write_text(secrets.token_hex(32))
    key.chmod(0o600)
    own = {
        "TRUNKLINE_STATE_DIR": str(folder / "state"),
        "TRUNKLINE_DATABASE": "embedded",
        "TRUNKLINE_DATABASE_DIR": "",
        "TRUNKLINE_REDIS": "none",
        "TRUNKLINE_KNOWLEDGE": "",
        "TRUNKLINE_ERASURE_KEY_FILE": "",
        "TRUNKLINE_RETENTION_EXPORT_DIR": "",
        "TRUNKLINE_BACKUP_DATABASE": "",
        "TRUNKLINE_BACKUP_WORK_DIR": "",
        "TRUNKLINE_BACKUP_TO": str(folder / "backups"),
        "TRUNKLINE_BACKUP_KEY_FILE": str(key),
        "TRUNKLINE_BACKUP_TOOL": "own",
        "TRUNKLINE_BACKUP_WAL_EVERY_S": "1",
        "TRUNKLINE_LLM": "policy",
        "TRUNKLINE_OPS_TIMEZONE": "UTC",
        "TRUNKLINE_OPS_CRONS": "quality=30 0 * * *|dump=50 3 * * *|endings=45 0 * * *",
    }
    return load_settings({**environ, **own})


def open_outbox(night: Night) -> Outbox:
    """As the ingress has one."""
    records, root = night.settings.records, night.settings.paths.state_dir / "outbox"
    outbox = Outbox(root, segment_bytes=records.outbox_segment_mb << 20, reserve_bytes=records.outbox_segment_mb << 20)
    outbox.open()
    return outbox
