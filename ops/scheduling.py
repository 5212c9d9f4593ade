"""Begins the jobs at their times, each run once, whatever else begins them too."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from engine.config import Settings
from engine.records.ops_measures import measures_file, read_measures
from ops.jobs.database import records_database
from ops.jobs.job import Job, JobFailed
from ops.jobs.runs import Runs
from ops.jobs.schedule import Due, last_runs, next_due, still_due, timetable
from ops.jobs.submitting import Submitter

logger = logging.getLogger(__name__)

TICK_SECONDS: Final = 15.0
MOST_AT_ONCE: Final = 2
"""Runs of jobs that end; those that go on until they are stopped are not counted."""
FIRST_AT_ONCE: Final = ("partitions",)
"""Jobs that a new site has run before anything else; the others wait for their first time."""
AGAIN_AFTER: Final = timedelta(minutes=5)
MOST_TRIES: Final = 3
"""How often a run is begun that never got as far as being recorded."""


@dataclass(slots=True)
class _Tried:
    times: int = 0
    last: datetime = field(default_factory=lambda: datetime.min.replace(tzinfo=UTC))


class Scheduler:
    """Looks at the clock every ``TICK_SECONDS``. What ran is asked of the database: this keeps nothing of its own, so
    that another one may go on where this one ended."""

    def __init__(
        self,
        settings: Settings,
        jobs: Sequence[Job],
        submitter: Submitter,
        *,
        wall: Callable[[], float],
        sleep: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        """Raises ConfigurationError where the settings' times are wrong."""
        self._settings = settings
        jobs = [job for job in jobs if job.set_up(settings)]
        self._table = timetable(settings, jobs)
        self._endless = frozenset(job.name for job in jobs if not job.time_limit)
        self._submitter = submitter
        self._wall = wall
        self._sleep = sleep
        self._began = self._now()
        self._tried: dict[str, _Tried] = {}
        self._seen: frozenset[str] = frozenset()
        self._first: datetime | None = None
        self._complaint = ""

    async def run(self) -> None:
        """Until it is cancelled. A fault of one tick is logged once, and the next tick comes."""
        while True:
            try:
                await self.tick()
            except JobFailed as error:
                self._complain(str(error))
            except Exception as error:  # the scheduler must go on, whatever one tick meets
                self._complain(f"the scheduler met an error ({type(error).__name__})")
                logger.debug("the scheduler met an error", exc_info=True)
            else:
                self._complain("")
            await self._sleep(TICK_SECONDS)

    async def tick(self) -> tuple[Due, ...]:
        """Begin what is due and can be begun; what was begun. Raises JobFailed where the database is away: then
        nothing is begun, for nobody can say what ran, and it is caught up later."""
        now = self._now()
        candidates = last_runs(self._table, now)
        known, since = await self._known([due.id for due in candidates])
        busy = await self._submitter.running()
        room = MOST_AT_ONCE - len(busy - self._endless)
        begun = []
        for due in still_due(candidates, known, since=since, at_once=FIRST_AT_ONCE):
            if due.job in busy or not self._may_try(due, now):
                continue
            if due.job not in self._endless:
                if room <= 0:
                    continue
                room -= 1
            tried = self._tried.setdefault(due.id, _Tried())
            tried.times, tried.last = tried.times + 1, now
            try:
                await self._submitter.submit(due)
            except JobFailed as error:  # the others are begun all the same
                logger.warning("%s", error)
                continue
            logger.info("the run %s was begun (%s)", due.id, due.trigger)
            begun.append(due)
        self._tried = {run: tried for run, tried in self._tried.items() if run in {due.id for due in candidates}}
        return tuple(begun)

    def next_times(self) -> dict[str, float]:
        """When each job is due next, seconds since 1970 UTC."""
        now = self._now()
        times = {name: next_due(cron, self._table.zone, now) for name, cron in self._table.crons.items()}
        return {name: at.timestamp() for name, at in times.items() if at is not None}

    async def _known(self, ids: list[str]) -> tuple[frozenset[str], datetime]:
        """Those of ``ids`` that ran or run, and since when this site runs jobs."""
        database = records_database(self._settings)
        if not database:
            file = measures_file(self._settings.paths.state_dir)
            return await asyncio.to_thread(_from_file, file, self._began)
        runs = Runs(database)
        if self._first is None:
            first = await runs.first()
            self._first = None if first is None else datetime.fromtimestamp(first, UTC)
        live: frozenset[str] = frozenset()
        if not self._seen.issuperset(ids):  # between two times, while nothing runs, there is nothing to ask
            known = await runs.known(ids)
            self._seen, live = known.done, known.under_way
        return self._seen | live, self._first or self._began

    def _may_try(self, due: Due, now: datetime) -> bool:
        tried = self._tried.get(due.id)
        if tried is None:
            return True
        return tried.times < MOST_TRIES and now - tried.last >= AGAIN_AFTER

    def _complain(self, text: str) -> None:
        if text and text != self._complaint:
            logger.warning("jobs wait: %s", text)
        elif self._complaint and not text:
            logger.info("jobs run again")
        self._complaint = text

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._wall(), UTC)


def _from_file(file: Path, began: datetime) -> tuple[frozenset[str], datetime]:
    """The last run of each job, and when the first of these began: all that is known without a database."""
    try:
        entries = read_measures(file).values()
    except (OSError, ValueError):
        entries = {}.values()
    firsts = [float(entry["last_started"]) for entry in entries if entry.get("last_started") is not None]
    runs = frozenset(str(entry["last_run"]) for entry in entries if entry.get("last_run") is not None)
    return runs, datetime.fromtimestamp(min(firsts), UTC) if firsts else began
