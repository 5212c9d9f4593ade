"""What happens in a rehearsed night, in its order, and what each step must have left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import asyncpg

from engine.config import Settings
from engine.records.dead_letters import DeadLetters
from engine.records.outbox import Outbox
from engine.records.partitions import quoted
from engine.records.places import database_url
from engine.records.recorder import Recorder
from engine.records.writer import DatabaseSink
from ops.backup.restoring import Target, after_restore, restore
from ops.backup.site import Site
from ops.jobs.catalogue import catalogue
from ops.jobs.running import Ran
from ops.jobs.schedule import next_due, run_id, timetable
from ops.jobs.statistics import timezones
from ops.rehearsal import Night, NotHeld, open_outbox
from ops.rehearsal_calls import PLAYBOOK, Made

CALLS: Final = 60
"""Of the evening; some more lie days, months and more than a year back."""
DAYS: Final = (*range(1, 29), 100, 101, 400, 401, 460)
DRAIN_SECONDS: Final = 60.0
AWAY_SECONDS: Final = 5.0
LOG_SECONDS: Final = 4.0
"""For the log's carrier to keep what was written last."""
MOVING: Final = ("ops_runs",)
"""Tables that get rows between the last look and the end of the log."""
CLOCKS: Final = "this machine's clock and the database's are more than an hour apart"


async def the_night(night: Night) -> None:
    """All of it; what goes wrong is a verdict."""
    story = _Story(night, open_outbox(night))
    root = night.settings.paths.state_dir / "outbox"
    sink = DatabaseSink(
        lambda: database_url(night.settings),
        DeadLetters(root / "dead-letters.jsonl"),
        connections=night.settings.records.database_pool,
    )
    story.recorder = Recorder(root, [sink], batch=night.settings.records.batch_events, wait_seconds=0.2)
    recording = asyncio.create_task(story.recorder.run(), name="recorder")
    try:
        await story.evening()
        await story.midnight()
        await story.small_hours()
        await story.morning()
    finally:
        await night.stop_the_endless()
        recording.cancel()
        await asyncio.gather(recording, return_exceptions=True)
        story.outbox.close()


@dataclass(slots=True)
class _Story:
    night: Night
    outbox: Outbox
    recorder: Recorder | None = None
    held: Made | None = None
    at_backup: int = 0

    def at(self, hour: int, minute: int = 0) -> datetime:
        """That time of this night."""
        day = self.night.began + timedelta(days=hour < 12)
        return day.replace(hour=hour, minute=minute, second=0, microsecond=0)

    # -- the last evening of a month ----------------------------------------------------------------------------------

    async def evening(self) -> None:
        night = self.night
        night.checks = {
            "statistics": self._whole_days,
            "endings": self._each_has_an_end,
            "partitions": self._one_each,
            "restore-check": self._also_what_came_later,
            "report": self._written,
        }
        await night.step("calls of a year and more", self._years)
        kept = night.settings
        night.settings = replace(kept, retention=replace(kept.retention, metadata_days=1000))
        await night.job("partitions", what="months of a site so old")
        night.settings = kept
        await night.step("a call is put on legal hold", self._hold)
        await night.until(self.at(22))
        await night.step("an evening's calls", self._evening_calls)
        await night.until(self.at(23))
        await night.step("PostgreSQL away", self._away)

    async def _years(self) -> str:
        for day in DAYS:
            for number in range(5):
                self._call(self.at(12) - timedelta(days=day + 1, minutes=number))
        return await self._all_written()

    async def _hold(self) -> str:
        day = (self.at(12) - timedelta(days=401)).date()
        self.held = next(call for call in self.night.evening.calls if call.began.date() == day)
        await self.night.value(
            "INSERT INTO legal_holds (call_id, call_started_at, reason) VALUES ($1, $2, 'a rehearsal')",
            self.held.id,
            self.held.began,
        )
        return "a year and a month old"

    async def _evening_calls(self) -> str:
        for number in range(CALLS):
            self._call(self.night.clock.now - timedelta(minutes=CALLS - number))
        self._call(self.night.clock.now - timedelta(hours=2), lost=True)
        return await self._all_written()

    async def _away(self) -> str:
        await asyncio.to_thread(self.night.server.stop)
        for number in range(CALLS):
            self._call(self.night.clock.now - timedelta(seconds=CALLS - number))
            await asyncio.sleep(AWAY_SECONDS / CALLS)
        await asyncio.to_thread(self.night.server.start)
        return f"{AWAY_SECONDS:g} s without a database; {await self._all_written()}"

    # -- midnight, and the first of the next month --------------------------------------------------------------------

    async def midnight(self) -> None:
        night = self.night
        await night.until(self.at(0, 10))
        await night.step("calls over midnight and after it", self._over_midnight)
        await night.until(self.at(2, 30))  # statistics, quality, backup
        await night.step("calls after the backup", self._some_more)
        self.at_backup = sum(night.evening.rows.values())
        await night.job("backup", what="backup over the first, by hand")
        await night.step("calls that are in the log alone", self._some_more)

    async def _over_midnight(self) -> str:
        midnight = self.at(0)
        for number in range(5):
            self._call(midnight - timedelta(seconds=9 - number))
            self._call(midnight + timedelta(minutes=number))
        told = await self._all_written()
        for month, after, least in ((midnight - timedelta(days=1), midnight, CALLS), (midnight, self.at(11), 5)):
            table = f"calls_{month:%Y_%m}"
            found = await self.night.value(
                f"SELECT count(*) FROM {quoted(table)} WHERE started_at >= $1 AND started_at < $2",  # noqa: S608 - of our own
                month,
                after,
            )
            if found < least:
                raise NotHeld(f"{table} has {found} of these calls, and {least} at the least began in it")
        late = await self.night.value(
            f"SELECT count(*) FROM {quoted(f'call_turns_{midnight - timedelta(days=1):%Y_%m}')} WHERE at >= $1",  # noqa: S608 - of our own
            midnight,
        )
        if not late:
            raise NotHeld("no turn after midnight is in the month in which its call began")
        return f"{told}; each in the month in which its call began"

    async def _one_each(self, _: Ran) -> str:
        rows, evening = await self.night.counted(), self.night.evening
        stray = [name for name in rows if await self.night.value(f"SELECT count(*) FROM {name}_default")]  # noqa: S608 - of our own
        if stray or rows != evening.rows:
            raise NotHeld(f"rows in default partitions of {stray}, {rows} in all")
        return "no row is in a default partition, none is lost"

    async def _each_has_an_end(self, _: Ran) -> str:
        without = await self.night.value("SELECT count(*) FROM calls WHERE ended_at IS NULL")
        lost = await self.night.value("SELECT count(*) FROM calls WHERE ending_reason = 'engine_lost'")
        if (without, lost) != (0, 1):
            raise NotHeld(f"{without} calls have no end, and {lost} were ended where 1 was lost")
        return "the call that was lost with its machine has an end, and no other was touched"

    async def _whole_days(self, _: Ran) -> str:
        night = self.night
        counted = json.loads(
            await night.value(
                "SELECT coalesce(json_object_agg(day, (figures->'calls'->>'total')::int), '{}') FROM daily_stats"
            )
        )
        zones, otherwise = timezones(night.settings)
        zone = ZoneInfo(zones.get(PLAYBOOK, otherwise))
        today = night.clock.now.astimezone(zone).date()
        first = today - timedelta(days=night.settings.reports.statistics_days)
        days = Counter(call.began.astimezone(zone).date() for call in night.evening.calls)
        wanted = {str(day): calls for day, calls in days.items() if first <= day < today}
        if counted != wanted:
            wrong = sorted(day for day in counted.keys() | wanted if counted.get(day) != wanted.get(day))
            raise NotHeld(f"{len(wrong)} days have other calls than were made on them: {', '.join(wrong[:5])}")
        return f"{sum(counted.values())} calls on {len(counted)} days, as they were made"

    # -- what is proven, and what goes --------------------------------------------------------------------------------

    async def small_hours(self) -> None:
        night = self.night
        night.refusals["retention"] = CLOCKS  # the server's clock is weeks ahead of this night's
        await night.until(self.at(3, 10))  # partitions
        await night.again("partitions")
        await night.until(self.at(3, 40))  # retention
        await night.job("retention", self._months_and_words, trust_clock="yes")
        await night.until(self.at(4, 20))  # dump, restore-check
        spoilt = await asyncio.to_thread(self._spoilt)
        await night.refused("restore-check of a spoilt copy", "restore-check", "damaged", spoilt)
        await night.until(self.at(5))  # embeddings

    async def _months_and_words(self, _: Ran) -> str:
        night, held = self.night, self.held
        assert held is not None
        kept, now = night.settings.retention, night.clock.now
        old, words = now - timedelta(days=kept.metadata_days + 31), now - timedelta(days=kept.text_days + 1)
        month = held.began.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        calls = await night.value("SELECT count(*) FROM calls WHERE started_at < $1", min(old, month))
        texts = await night.value(
            "SELECT count(*) FROM call_turns WHERE text IS NOT NULL AND call_started_at < $1 AND call_id <> $2",
            words,
            held.id,
        )
        if calls or texts:
            raise NotHeld(f"{calls} calls and {texts} texts are left that are too old")
        blank = await night.value("SELECT count(*) FROM call_turns WHERE text IS NULL AND call_started_at < $1", words)
        spoken = await night.value("SELECT count(text) FROM call_turns WHERE call_id = $1", held.id)
        if not blank or not spoken:
            raise NotHeld(f"{blank} rows of words that went are left, and {spoken} turns of the call on hold")
        night.evening.rows = await night.counted()
        return f"no call and no word is older than it may be: {blank} texts are blank; the call on hold has its words"

    def _spoilt(self) -> Settings:
        """Settings whose backups are a copy with one byte turned over in the newest backup's data."""
        night = self.night
        copy = night.folder / "spoilt"
        with contextlib.suppress(shutil.Error):  # the log's carrier replaces its newest file meanwhile
            shutil.copytree(night.folder / "backups", copy)
        newest = max(path.parent for path in copy.rglob("globals*") if path.is_file())
        largest = max((path for path in newest.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
        content = bytearray(largest.read_bytes())
        content[len(content) // 2] ^= 1
        largest.write_bytes(content)
        return replace(night.settings, backup=replace(night.settings.backup, to=str(copy)))

    async def _also_what_came_later(self, ran: Ran) -> str:
        rows = float(ran.report.figures.get("rows", 0))
        if rows < self.at_backup:
            raise NotHeld(f"{rows:.0f} rows came back, and {self.at_backup} of calls, turns and tools alone were there")
        return f"{rows:.0f} rows came back, recovery took {ran.report.figures['recovery_seconds']:.1f} s"

    # -- the site comes back, and the day begins ----------------------------------------------------------------------

    async def morning(self) -> None:
        night, held = self.night, self.held
        assert held is not None
        caller = min({call.caller for call in night.evening.calls} - {held.caller})
        number = night.folder / "caller"
        await asyncio.to_thread(number.write_text, caller)
        before = await self._every_table(database_url(night.settings))
        await asyncio.sleep(LOG_SECONDS)
        await night.stop_the_endless()

        async def nobody(_: Ran) -> str:
            left = await night.value("SELECT count(*) FROM calls WHERE caller = $1", caller)
            left += await night.value("SELECT count(*) FROM customers WHERE phone = $1", caller)
            if left:
                raise NotHeld(f"{left} rows still have the number")
            return "no row has the number"

        await night.job("erasure", nobody, caller_file=str(number))
        await night.step("restore as late as can be", lambda: self._restored(caller, before))
        await night.until(self.at(8))  # report, callbacks
        await night.step("each job that was due ran once", self._each_once)

    async def _written(self, _: Ran) -> str:
        folder = self.night.settings.paths.state_dir / "reports"
        files = sorted(file.suffix[1:] for file in folder.rglob("*.*"))
        if not {"csv", "pdf"} <= set(files):
            raise NotHeld(f"files: {files}")
        return f"{len(files)} files"

    async def _each_once(self) -> str:
        """By the cron expressions, and not by what the scheduler says."""
        night = self.night
        table, wanted = timetable(night.settings, [job for job in catalogue().jobs if job.time_limit]), set()
        for name, cron in table.crons.items():
            due = next_due(cron, table.zone, night.began)
            while due is not None and due <= night.clock.now:
                wanted.add(run_id(name, due))
                due = next_due(cron, table.zone, due)
        found = set(json.loads(await night.value("SELECT json_agg(id) FROM ops_runs WHERE verdict IS NOT NULL")))
        if missing := sorted(wanted - found):
            raise NotHeld(f"these did not run: {', '.join(missing)}")
        return f"{len(wanted)} runs of {len(table.crons)} jobs"

    async def _restored(self, erased: str, before: Mapping[str, int]) -> str:
        """Every table has its rows again, what was in the log alone too, but for whom was erased since.

        Raises NotHeld.
        """
        night, found = self.night, dict[str, int]()

        async def count(url: str) -> str:
            found.update(await self._every_table(url, erased))
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

    async def _every_table(self, url: str, erased: str = "") -> dict[str, int]:
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
        if missing := self.night.evening.rows.keys() - found.keys():
            raise NotHeld(f"these tables are not there: {', '.join(sorted(missing))}")
        return found

    # -- calls --------------------------------------------------------------------------------------------------------

    def _call(self, began: datetime, *, lost: bool = False) -> None:
        for record in self.night.evening.call(began, lost=lost):
            self.outbox.append(record)

    async def _some_more(self) -> str:
        for number in range(CALLS):
            self._call(self.night.clock.now - timedelta(seconds=number))
        return await self._all_written()

    async def _all_written(self) -> str:
        """Counted in the tables. Raises NotHeld where a row is missing or one too many."""
        assert self.recorder is not None
        wanted, deadline = self.night.evening.rows, time.monotonic() + DRAIN_SECONDS
        while True:
            emptied = await self.recorder.drain(max(0.1, deadline - time.monotonic()))
            found = await self.night.counted()
            if found == wanted or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.1)
        if not emptied:
            raise NotHeld(f"the outbox was not empty after {DRAIN_SECONDS:g} s")
        if found != wanted:
            raise NotHeld(f"rows: {found}, and not {wanted}")
        return f"{sum(found.values())} rows, none lost, none doubled"
