"""The job ``wal``: carries the write-ahead log into the storage, until it is ended.

It is scheduled every three minutes and does nothing where a run is under way: so a carrier that died is followed by the
next in time for the five minutes of data loss that are promised.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Final

from engine.errors import ConfigurationError
from engine.records.ops_measures import measures_file
from ops.backup.carrier import NO_LIMIT, Carrier, Progress
from ops.backup.database import connected, database_url, facts
from ops.backup.errors import CarriedElsewhere
from ops.backup.log_status import newest_age, read_status
from ops.backup.programs import find_programs
from ops.backup.site import Site
from ops.backup.wal import shown
from ops.jobs.backup import NOT_SET_UP, UNDER_WAY, chosen, own_backups
from ops.jobs.job import Job, JobContext, JobFailed, Report, Verdict
from ops.jobs.measures import note_figures
from ops.jobs.runs import Runs

_log: Final = logging.getLogger(__name__)

TELL_SECONDS: Final = 5.0
"""How often metrics are told how it is."""
RECORD_SECONDS: Final = 60.0
"""How often ``ops_runs`` is."""


async def run(context: JobContext) -> Report:
    """Raises BackupError and its kinds, ConfigurationError."""
    text = chosen(context, "seconds")
    if not context.settings.backup.to:
        return NOT_SET_UP
    if context.settings.backup.tool == "pgbackrest":
        return Report(Verdict.SKIPPED, "pgBackRest's archive_command carries the log")
    seconds = _seconds(text)
    url = database_url(context.settings, context.database)
    site = Site.of(context.settings, context.wall)
    async with connected(url) as connection:
        server = await facts(connection)
    programs = find_programs(context.settings.postgres_programs, server.version)
    if context.dry_run:
        age = newest_age(await read_status(site, server), context.wall())
        print(f"carry the log of cluster {server.system_id} into {site.repository.place}; kept {age:.0f} s ago")
        return Report(Verdict.OK, "nothing was done: a dry run")
    began = time.monotonic()
    carrier = Carrier(site, url, programs, server)
    await site.tidy()
    telling = asyncio.create_task(_tell(carrier.progress, context))
    try:
        progress = await carrier.carry(seconds=seconds)
    except CarriedElsewhere:
        return UNDER_WAY
    finally:
        telling.cancel()
        await asyncio.wait([telling])
    figures = {**figures_of(progress, context.wall()), "seconds": time.monotonic() - began}
    details = {
        "kept_lsn": shown(progress.kept_lsn),
        "kept_through": progress.kept_through,
        "gap": progress.gap,
        "warnings": [NO_LIMIT] if progress.held_at_most < 0 else [],
    }
    if progress.gap:
        return Report(Verdict.FAILED, "log was lost before it was kept: take a full backup now", details, figures)
    return Report(Verdict.OK, f"the log is kept up to {shown(progress.kept_lsn)}", details, figures)


def figures_of(progress: Progress, now: float) -> dict[str, float]:
    """How the carrier is; times are seconds since 1970-01-01 UTC. Some are metrics of their own: see WAL_FIGURES."""
    return {
        "kept_timestamp": progress.kept_through,
        "told_timestamp": now,
        "slot_held_bytes": float(progress.held_bytes),
        "slot_limit_bytes": float(progress.held_at_most),
        "reconnects": float(progress.faults),
        "gap": float(progress.gap),
        "bytes": float(progress.bytes),
        "segments": float(progress.segments),
        "rounds": float(progress.rounds),
        "worst_age_seconds": progress.worst_age_s,
    }


async def _tell(progress: Progress, context: JobContext) -> None:
    """Put it where metrics are scraped from, every few seconds, and where other machines look for it, seldom, until it
    is cancelled."""
    file = measures_file(context.settings.paths.state_dir)
    told_of, recorded = "", -RECORD_SECONDS
    while True:
        await asyncio.sleep(TELL_SECONDS)
        if not progress.rounds:
            continue
        figures = figures_of(progress, context.wall())
        try:
            await asyncio.to_thread(note_figures, file, JOB.name, figures)
        except OSError as error:
            if str(error) != told_of:
                told_of = str(error)
                _log.warning("the metrics of the log's carrier cannot be written (%s)", error.strerror)
        if context.database and time.monotonic() - recorded >= RECORD_SECONDS:
            recorded = time.monotonic()
            with contextlib.suppress(JobFailed):  # the database is away: the carrier itself tells that
                await Runs(context.database).tell(JOB.name, figures)


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text) if text else None
    except ValueError:
        seconds = 0.0
    if seconds is not None and not 0 < seconds < 1e9:
        raise ConfigurationError(f"--seconds: got {text!r}, expected a number of seconds")
    return seconds


JOB = Job(
    "wal",
    "Carry the write-ahead log into the storage of the backups, until it is ended.",
    run,
    schedule="*/3 * * * *",
    arguments={"seconds": "end after so many; none: go on"},
    time_limit=0,
    set_up=own_backups,
)
