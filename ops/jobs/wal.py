"""The job ``wal``: carries the write-ahead log into the storage, until it is ended.

It is scheduled every three minutes and does nothing where a run is under way: so a carrier that died is followed by the
next in time for the five minutes of data loss that are promised.
"""

from __future__ import annotations

import contextlib
import time

from engine.errors import ConfigurationError
from ops.backup.carrier import Carrier, newest_age, read_status
from ops.backup.database import alone, connected, database_url, facts
from ops.backup.programs import find_programs
from ops.backup.site import Site
from ops.backup.wal import shown
from ops.jobs.backup import NOT_SET_UP, UNDER_WAY, chosen, own_backups
from ops.jobs.job import Job, JobContext, Report, Verdict


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
    async with contextlib.AsyncExitStack() as stack:
        if not await stack.enter_async_context(alone(url, "wal")):
            return UNDER_WAY
        progress = await carrier.carry(seconds=seconds)
    figures = {
        "bytes": float(progress.bytes),
        "segments": float(progress.segments),
        "rounds": float(progress.rounds),
        "faults": float(progress.faults),
        "worst_age_seconds": progress.worst_age_s,
        "seconds": time.monotonic() - began,
    }
    details = {"kept_lsn": shown(progress.kept_lsn), "kept_through": progress.kept_through, "gap": progress.gap}
    if progress.gap:
        return Report(Verdict.FAILED, "log was lost before it was kept: take a full backup now", details, figures)
    return Report(Verdict.OK, f"the log is kept up to {shown(progress.kept_lsn)}", details, figures)


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
