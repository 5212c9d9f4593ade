"""The job ``dump``: a logical dump, for a move to another version of PostgreSQL."""

from __future__ import annotations

import time

from ops.backup.database import alone, connected, database_url, facts
from ops.backup.dumping import dump, remove_old
from ops.backup.making import identity_now
from ops.backup.programs import find_programs
from ops.backup.site import Site
from ops.jobs.backup import LONGEST, NOT_SET_UP, UNDER_WAY, chosen, own_backups
from ops.jobs.job import Job, JobContext, Report, Verdict


async def run(context: JobContext) -> Report:
    """Raises BackupError and its kinds, ConfigurationError."""
    chosen(context)
    if not context.settings.backup.to:
        return NOT_SET_UP
    url = database_url(context.settings, context.database)
    site = Site.of(context.settings, context.wall)
    async with connected(url) as connection:
        server = await facts(connection)
    programs = find_programs(context.settings.postgres_programs, server.version)
    if context.dry_run:
        print(f"pg_dump {programs.version} of {server.database} (server {server.version}) into {site.repository.place}")
        return Report(Verdict.OK, "nothing was done: a dry run")
    began = time.monotonic()
    async with alone(url, "dump") as free:
        if not free:
            return UNDER_WAY
        await site.tidy()
        body = await dump(site, url, programs, server, identity_now(context.wall(), server))
        faults: dict[str, str] = {}
        removed = await remove_old(site, server, faults)
    figures = {
        "bytes": float(body["part"]["bytes"]),
        "plain_bytes": float(body["part"]["plain_bytes"]),
        "seconds": time.monotonic() - began,
        "damaged_records": float(len(faults)),
    }
    summary = (
        f"dump {body['id']} of PostgreSQL {server.version} by pg_dump {programs.version}, {body['entries']} entries"
    )
    if faults:
        summary += f"; {len(faults)} older ones stay whose record is damaged, for somebody to look at"
    return Report(Verdict.OK, summary, {**body, "removed": removed, "faults": list(faults.values())}, figures)


JOB = Job(
    "dump",
    "Take a logical dump of the records' database, for a move to another version.",
    run,
    "15 3 * * 0",
    time_limit=LONGEST,
    set_up=own_backups,
)
