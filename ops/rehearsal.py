"""``trunkline ops rehearse``: a night in fast motion, in a site that is made for it and gone after it.

Calls of an evening go the way of all calls, through an outbox and a recorder into a real PostgreSQL, which is away for
a while; then the jobs run in the order of their times, each as it always runs, and what they leave is counted by other
means than their own.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import asyncpg

from engine.config import Secret, Settings, load_settings
from engine.errors import TrunklineError
from engine.records.dead_letters import DeadLetters
from engine.records.outbox import Outbox
from engine.records.partitions import quoted
from engine.records.places import database_url
from engine.records.recorder import Recorder
from engine.records.writer import DatabaseSink
from ops.backup.restoring import Target, after_restore, restore
from ops.backup.site import Site
from ops.bench.report import text_table
from ops.jobs.catalogue import find_job
from ops.jobs.job import JobContext, Verdict
from ops.jobs.running import Ran, run_job
from ops.jobs.runs import Run
from ops.jobs.statistics import timezones
from ops.own_postgres import OwnPostgres
from ops.rehearsal_calls import PLAYBOOK, Evening

CALLS: Final = 60
"""Of the evening; some more lie days, months and more than a year back."""
DRAIN_SECONDS: Final = 60.0
AWAY_SECONDS: Final = 5.0
MOVING: Final = ("ops_runs",)
"""Tables that get rows between the last look and the end of the log."""
LOG_SECONDS: Final = 30.0
"""How long the log is carried: beside two backups, and for calls that are in the log alone."""


Check = Callable[[Ran], Awaitable[str]]


class NotHeld(TrunklineError):
    """What a step promised did not hold."""


@dataclass(slots=True)
class Line:
    """One step as it went."""

    at: str
    what: str
    verdict: Verdict
    seconds: float
    told: str


@dataclass(slots=True)
class Night:
    """The site of a rehearsal, and what happened in it."""

    settings: Settings
    folder: Path
    server: OwnPostgres
    say: Callable[[Line], None]
    evening: Evening = field(default_factory=Evening)
    lines: list[Line] = field(default_factory=list)
    outbox: Outbox | None = None
    recorder: Recorder | None = None

    @property
    def signed(self) -> bool:
        """Whether all went as promised."""
        return all(line.verdict is Verdict.OK for line in self.lines)

    async def step(self, at: str, what: str, work: Callable[[], Awaitable[str]]) -> None:
        """Something other than a job; ``work`` returns what to tell of it. Raises nothing of Trunkline's."""
        began = time.monotonic()
        try:
            told, verdict = await work(), Verdict.OK
        except (TrunklineError, OSError, TimeoutError, asyncpg.PostgresError) as error:
            told = str(error) if isinstance(error, TrunklineError) else type(error).__name__
            verdict = Verdict.FAILED
        self._add(Line(at, what, verdict, time.monotonic() - began, told))

    async def job(self, at: str, name: str, check: Check | None = None, **given: str) -> None:
        """A job as it always runs, then ``check`` of what it left, which returns what to add to its summary."""
        number = sum(line.what == name for line in self.lines)
        ran = await self._ran(name, number, given)
        verdict, told = ran.report.verdict, ran.report.summary
        if verdict is Verdict.OK and check is not None:
            try:
                told = f"{told}; {await check(ran)}"
            except (TrunklineError, OSError, asyncpg.PostgresError) as error:
                verdict = Verdict.FAILED
                told = f"{told}; BUT {error if isinstance(error, TrunklineError) else type(error).__name__}"
        self._add(Line(at, name, verdict, ran.seconds, told))

    async def trigger_again(self, at: str, name: str) -> None:
        """The last run of a job is begun once more under its id: nothing may happen."""
        ran = await self._ran(name, sum(line.what == name for line in self.lines) - 1, {})
        verdict = Verdict.OK if ran.report.verdict is Verdict.SKIPPED else Verdict.FAILED
        self._add(Line(at, f"{name}, triggered again", verdict, ran.seconds, ran.report.summary))

    async def _ran(self, name: str, number: int, given: Mapping[str, str]) -> Ran:
        arguments = {key.replace("_", "-"): value for key, value in given.items()}
        context = JobContext(self.settings, database_url(self.settings), time.time, arguments)
        return await run_job(find_job(name), context, Run(f"{name}-rehearsal-{number}", "hand"))

    def _add(self, line: Line) -> None:
        self.lines.append(line)
        self.say(line)

    async def value(self, query: str, *arguments: Any) -> Any:
        connection = await asyncpg.connect(database_url(self.settings), timeout=30)
        try:
            return await connection.fetchval(query, *arguments)
        finally:
            await connection.close()

    async def counted(self) -> dict[str, int]:
        """Rows in the tables."""
        return {name: int(await self.value(f"SELECT count(*) FROM {name}")) for name in self.evening.rows}  # noqa: S608 - of our own


async def rehearse(environ: Mapping[str, str], say: Callable[[str], None]) -> bool:
    """The whole night; whether every verdict is one to sign. Raises ServerFailed where PostgreSQL does not start."""
    with tempfile.TemporaryDirectory(prefix="trunkline-night-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        settings = _settings(environ, folder)
        server = OwnPostgres(settings)

        def shown(line: Line) -> None:
            say(f"{line.at}  {line.what:<32} {line.verdict.value:<7} {line.seconds:6.1f} s  {line.told}")

        night = Night(settings, folder, server, shown)
        await asyncio.to_thread(server.start)
        try:
            await _all(night)
        finally:
            await asyncio.to_thread(server.stop)
    say("")
    rows = [[line.at, line.what, line.verdict.value, f"{line.seconds:.1f}"] for line in night.lines]
    say("\n".join(text_table(["at", "step", "verdict", "s"], rows)))
    bad = [line.what for line in night.lines if line.verdict is not Verdict.OK]
    say(f"not to be signed: {', '.join(bad)}" if bad else f"to be signed: {len(night.lines)} steps, all ok")
    return not bad


def _settings(environ: Mapping[str, str], folder: Path) -> Settings:
    """The site's own settings, but for where it keeps what."""
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
    }
    return load_settings({**environ, **own})


async def _all(night: Night) -> None:
    records = night.settings.records
    root = night.settings.paths.state_dir / "outbox"
    outbox = Outbox(root, segment_bytes=records.outbox_segment_mb << 20, reserve_bytes=records.outbox_segment_mb << 20)
    outbox.open()
    sink = DatabaseSink(
        lambda: database_url(night.settings),
        DeadLetters(root / "dead-letters.jsonl"),
        connections=records.database_pool,
    )
    night.outbox, night.recorder = outbox, Recorder(root, [sink], batch=records.batch_events, wait_seconds=0.2)
    recording = asyncio.create_task(night.recorder.run(), name="recorder")
    try:
        await _evening(night)
        await _midnight(night)
        await _morning(night)
    finally:
        recording.cancel()
        await asyncio.gather(recording, return_exceptions=True)
        outbox.close()


async def _evening(night: Night) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [*range(1, 29), 100, 101, 400, 401]

    async def before() -> str:
        for day in days:
            for number in range(5):
                _call(night, today - timedelta(days=day, hours=-12, minutes=number))
        return await _all_written(night)

    async def calls() -> str:
        for number in range(CALLS):
            _call(night, today - timedelta(minutes=CALLS - number))
        _call(night, today - timedelta(days=2), lost=True)
        return await _all_written(night)

    async def away() -> str:
        await asyncio.to_thread(night.server.stop)
        for number in range(CALLS):
            _call(night, today - timedelta(seconds=CALLS - number))
            await asyncio.sleep(AWAY_SECONDS / CALLS)
        await asyncio.to_thread(night.server.start)
        return f"{AWAY_SECONDS:g} s without a database; {await _all_written(night)}"

    async def each_has_an_end(_: Ran) -> str:
        without = await night.value("SELECT count(*) FROM calls WHERE ended_at IS NULL")
        lost = await night.value("SELECT count(*) FROM calls WHERE ending_reason = 'engine_lost'")
        if (without, lost) != (0, 1):
            raise NotHeld(f"{without} calls have no end, and {lost} were ended where 1 was lost")
        return "the call that was lost with its machine has an end, and no other was touched"

    await night.step("before", "calls of a year and more", before)
    await _years_ago(night)
    await night.step("22:00", "an evening's calls", calls)
    await night.step("23:00", "PostgreSQL away", away)
    await night.job("23:30", "endings", each_has_an_end)


def _call(night: Night, began: datetime, *, lost: bool = False) -> None:
    assert night.outbox is not None
    for record in night.evening.call(began, lost=lost):
        night.outbox.append(record)


async def _all_written(night: Night) -> str:
    """Counted in the tables. Raises NotHeld where a row is missing or one too many."""
    assert night.recorder is not None
    wanted, deadline = night.evening.rows, time.monotonic() + DRAIN_SECONDS
    while True:
        emptied = await night.recorder.drain(max(0.1, deadline - time.monotonic()))
        found = await night.counted()
        if found == wanted or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.1)
    if not emptied:
        raise NotHeld(f"the outbox was not empty after {DRAIN_SECONDS:g} s")
    if found != wanted:
        raise NotHeld(f"rows: {found}, and not {wanted}")
    return f"{sum(found.values())} rows, none lost, none doubled"


async def _years_ago(night: Night) -> None:
    """The months that a site so old had made when they came."""
    kept = night.settings
    night.settings = replace(kept, retention=replace(kept.retention, metadata_days=1000))
    await night.job("before", "partitions")
    night.settings = kept


async def _midnight(night: Night) -> None:
    async def one_each(_: Ran) -> str:
        rows = await night.counted()
        stray = [name for name in rows if await night.value(f"SELECT count(*) FROM {name}_default")]  # noqa: S608 - of our own
        if stray or rows != night.evening.rows:
            raise NotHeld(f"rows in default partitions of {stray}, {rows} in all")
        return "no row is in a default partition, none is lost"

    async def whole_days(_: Ran) -> str:
        counted = json.loads(
            await night.value(
                "SELECT coalesce(json_object_agg(day, (figures->'calls'->>'total')::int), '{}') FROM daily_stats"
            )
        )
        zones, otherwise = timezones(night.settings)
        zone = ZoneInfo(zones.get(PLAYBOOK, otherwise))
        today = datetime.now(UTC).astimezone(zone).date()
        first = today - timedelta(days=night.settings.reports.statistics_days)
        days = Counter(began.astimezone(zone).date() for began in night.evening.begun)
        wanted = {str(day): calls for day, calls in days.items() if first <= day < today}
        if counted != wanted:
            wrong = sorted(day for day in counted.keys() | wanted if counted.get(day) != wanted.get(day))
            raise NotHeld(f"{len(wrong)} days have other calls than were made on them: {', '.join(wrong[:5])}")
        return f"{sum(counted.values())} calls on {len(counted)} days, as they were made"

    await night.job("00:20", "statistics", whole_days)
    await night.job("00:30", "quality")
    await night.job("01:10", "partitions", one_each)
    await night.trigger_again("01:10", "partitions")


async def _morning(night: Night) -> None:
    async def also_what_came_later(ran: Ran) -> str:
        rows = float(ran.report.figures.get("rows", 0))
        if rows < at_backup:
            raise NotHeld(f"{rows:.0f} rows came back, and {at_backup} of calls, turns and tools alone were there")
        return f"{rows:.0f} rows came back, recovery took {ran.report.figures['recovery_seconds']:.1f} s"

    async def months_and_words(_: Ran) -> str:
        kept = night.settings.retention
        old = datetime.now(UTC) - timedelta(days=kept.metadata_days + 31)
        words = datetime.now(UTC) - timedelta(days=kept.text_days + 1)
        calls = await night.value("SELECT count(*) FROM calls WHERE started_at < $1", old)
        texts = await night.value(
            "SELECT count(*) FROM call_turns WHERE text IS NOT NULL AND call_started_at < $1", words
        )
        if calls or texts:
            raise NotHeld(f"{calls} calls and {texts} texts are left that are too old")
        return "no call and no word is older than it may be"

    async def nobody(_: Ran) -> str:
        left = await night.value("SELECT count(*) FROM calls WHERE caller = $1", caller)
        left += await night.value("SELECT count(*) FROM customers WHERE phone = $1", caller)
        if left:
            raise NotHeld(f"{left} rows still have the number")
        return "no row has the number"

    async def written(_: Ran) -> str:
        files = sorted(file.suffix[1:] for file in (night.settings.paths.state_dir / "reports").rglob("*.*"))
        if not {"csv", "pdf"} <= set(files):
            raise NotHeld(f"files: {files}")
        return f"{len(files)} files"

    caller = min(night.evening.callers)
    number = night.folder / "caller"
    await asyncio.to_thread(number.write_text, caller)
    keeping = asyncio.create_task(night.job("02:00", "wal", seconds=str(LOG_SECONDS)))
    await night.job("02:10", "backup")
    await night.step("02:30", "calls after the backup", lambda: _some_more(night))
    at_backup = sum(night.evening.rows.values())
    await night.job("02:40", "backup")
    await night.step("03:00", "calls that are in the log alone", lambda: _some_more(night))
    before = await _every_table(night, database_url(night.settings))
    await keeping
    await night.job("03:40", "restore-check", also_what_came_later)
    await night.job("03:50", "dump")
    await night.job("04:10", "retention", months_and_words)
    await night.job("04:20", "erasure", nobody, caller_file=str(number))
    knowledge = replace(night.settings.knowledge, source=Secret(database_url(night.settings)))
    night.settings = replace(night.settings, knowledge=knowledge)
    await night.job("04:40", "embeddings")
    await night.step("05:00", "restore as late as can be", lambda: _restored(night, caller, before))
    await night.job("05:30", "report", written)
    await night.job("07:00", "callbacks")


async def _every_table(night: Night, url: str, erased: str = "") -> dict[str, int]:
    """Rows of each table that holds records, by its name; of ``calls`` also those of the caller ``erased``."""
    connection = await asyncpg.connect(url, timeout=30)
    try:
        names = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND NOT relispartition"
            " AND relkind IN ('r', 'p') AND relname <> ALL($1) ORDER BY 1",
            list(MOVING),
        )
        found = {row[0]: int(await connection.fetchval(f"SELECT count(*) FROM {quoted(row[0])}")) for row in names}  # noqa: S608
        found["calls of who was erased"] = await connection.fetchval(
            "SELECT count(*) FROM calls WHERE caller = $1", erased
        )
    finally:
        await connection.close()
    if missing := night.evening.rows.keys() - found.keys():
        raise NotHeld(f"these tables are not there: {', '.join(sorted(missing))}")
    return found


async def _restored(night: Night, erased: str, before: Mapping[str, int]) -> str:
    """Every table has its rows again, what was in the log alone too, but for whom was erased since. Raises NotHeld."""
    found: dict[str, int] = {}

    async def count(url: str) -> str:
        found.update(await _every_table(night, url, erased))
        return ""

    after_restore.append(count)
    try:
        folder = night.folder / "restored"
        done = await restore(Site.of(night.settings, time.time), folder, target=Target())
    finally:
        after_restore.remove(count)
    wanted = {**before, "customers": before["customers"] - 1, "calls of who was erased": 0}
    if found != wanted:
        wrong = sorted(name for name in found.keys() | wanted if found.get(name) != wanted.get(name))
        told = ", ".join(f"{name} {found.get(name)} and not {wanted.get(name)}" for name in wrong)
        raise NotHeld(f"other rows came back than were there: {told}")
    told = " ".join(each for each in done.told if each)
    rows = sum(found.values())
    return f"{rows} rows of {len(found) - 1} tables are back, recovery took {done.seconds:.1f} s; {told}"


async def _some_more(night: Night) -> str:
    now = datetime.now(UTC)
    for number in range(CALLS):
        _call(night, now - timedelta(seconds=number))
    return await _all_written(night)
