"""The job ``restore-check``: restores the newest backup into a throw-away server and compares it with what it was."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import replace
from typing import Final

from engine.records.ops_measures import measures_file, read_measures
from ops.backup.catalogue import Backup, Catalogue, read_catalogue
from ops.backup.checking import NOTHING_TO_LOSE, Checked, amcheck, check
from ops.backup.clusters import of_cluster
from ops.backup.database import alone, connected, database_url, facts, queries
from ops.backup.errors import BackupError
from ops.backup.fetching import choose
from ops.backup.log_status import Status, newest_age, read_status
from ops.backup.measures import measures
from ops.backup.pgbackrest import PgBackRest
from ops.backup.programs import find_programs
from ops.backup.restoring import RECOVERY_SECONDS
from ops.backup.site import Site, workshop
from ops.backup.throwaway import reachable, serving
from ops.backup.throwaway_account import account
from ops.backup.wal import shown
from ops.jobs.backup import LONGEST, NOT_SET_UP, UNDER_WAY, chosen, set_up, told
from ops.jobs.job import Job, JobContext, Report, Verdict

NO_BACKUP_YET: Final = Report(
    Verdict.SKIPPED, "there is no backup yet, and none was ever made as far as this machine knows: `backup` comes first"
)
LOG_LATE_SECONDS: Final = 900.0
"""Age of the newest kept log from which the check fails: five minutes are promised, a restart may take its time."""


async def run(context: JobContext) -> Report:
    """Raises BackupError and its kinds, ConfigurationError: each is a check that failed, and says why."""
    identity = chosen(context, "backup", "cluster")
    if context.settings.backup.tool == "pgbackrest":
        return await _by_pgbackrest(context)
    if not context.settings.backup.to:
        return NOT_SET_UP
    url = database_url(context.settings, context.database)
    site = Site.of(context.settings, context.wall)
    catalogue = await read_catalogue(site.repository, site.keys)
    if not identity:
        if _none_yet(context, catalogue):
            return NO_BACKUP_YET
        own = await _own_cluster(url, catalogue, context.arguments.get("cluster", ""))
        newest = own.newest
        identity = newest.id if newest else ""  # verified or not: it is what a disaster would find
    backup = choose(catalogue, identity=identity, before=None, before_lsn=None)
    if context.dry_run:
        print(f"restore backup {backup.id} up to {shown(backup.mark_lsn)} into a throw-away server and compare it")
        return Report(Verdict.OK, "nothing was done: a dry run")
    began = time.monotonic()
    status = await read_status(site, backup.system_id)  # before: what it names must be there
    async with alone(url, "restore-check") as free:
        if not free:
            return UNDER_WAY
        await site.tidy()
        try:
            checked = await check(site, backup)
        except BackupError as error:
            error.figures = await _measured(site, backup)
            raise
        measured = await _measured(site, backup)
    log_age = newest_age(await read_status(site, backup.system_id), context.wall())
    restored = checked.restored
    figures = {
        **measured,
        **({"log_age_seconds": log_age} if math.isfinite(log_age) else {}),
        "recovery_seconds": restored.seconds,
        "fetch_seconds": restored.fetch_s,
        "replay_seconds": restored.recovery_s,
        "compare_seconds": checked.compare_s,
        "amcheck_seconds": checked.amcheck_s,
        "rows": float(checked.rows),
        "tables": float(checked.tables),
        "log_bytes": float(restored.log_bytes),
        "log_since_bytes": float(checked.log.bytes),
        "backup_age_seconds": context.wall() - backup.finished_at,
        "seconds": time.monotonic() - began,
    }
    summary = (
        f"backup {backup.id} restores in {restored.seconds:.1f} s: {checked.rows} rows in {checked.tables} tables are "
        "as they were"
    )
    summary += f"; the log since then is whole up to {shown(checked.log.end_lsn)} on timeline {checked.log.timeline}"
    summary += f"; NOT looked through by pg_amcheck: {checked.not_looked}" if checked.not_looked else ""
    faults = (*catalogue.faults, *catalogue.closed.values())
    details = told(replace(backup, notes=faults))
    if faults:
        return Report(Verdict.FAILED, f"{summary}; yet {faults[0]}", details, figures)
    if late := _late(status, checked, log_age):
        return Report(Verdict.FAILED, f"{summary}; yet {late}", details, figures)
    return Report(Verdict.OK, summary, details, figures)


def _late(status: Status | None, checked: Checked, log_age: float) -> str:
    """What is wrong with the newest log; empty: nothing."""
    if status is not None and status.kept_lsn > checked.log.end_lsn:
        return f"the log's carrier had kept it up to {shown(status.kept_lsn)}: its end is missing"
    if not math.isfinite(log_age):
        return "nothing tells how far the log is kept: is the job `wal` running?"
    if log_age > LOG_LATE_SECONDS:
        return f"the newest log was kept {log_age:.0f} s ago: is the job `wal` running?"
    return ""


async def _measured(site: Site, backup: Backup) -> dict[str, float]:
    """What counts now of that cluster, as the job ``backup`` tells it; empty where it cannot be seen: what the check
    says is worth more."""
    try:
        return await measures(site, backup.system_id)
    except BackupError:
        return {}


def _none_yet(context: JobContext, catalogue: Catalogue) -> bool:
    """A new site's timers may begin this before its first backup; a place that was emptied since is none of those."""
    if catalogue.backups or catalogue.faults or catalogue.closed:
        return False
    try:
        entry = read_measures(measures_file(context.settings.paths.state_dir)).get("backup", {})
    except (OSError, ValueError):
        return False
    return entry.get("last_success") is None


async def _own_cluster(url: str, catalogue: Catalogue, cluster: str) -> Catalogue:
    """Of the cluster that is named, or the database's own: another's proves nothing of it. Raises BackupError."""
    if not cluster and catalogue.backups:
        async with connected(url) as connection:
            cluster = str(await connection.fetchval(queries("server.sql")["system_id"]))
    return of_cluster(catalogue, cluster)


async def _by_pgbackrest(context: JobContext) -> Report:
    """Its repository verified, its newest backup restored, replayed and looked through; nobody recorded what was in it.

    Raises ToolFailed, Damaged.
    """
    tool = PgBackRest.found(context.settings)
    if context.dry_run:
        print(f"pgbackrest --stanza={tool.stanza} verify, then restore into a throw-away server")
        return Report(Verdict.OK, "nothing was done: a dry run")
    url = database_url(context.settings, context.database)
    async with connected(url) as connection:
        server = await facts(connection)
    programs, who = find_programs(context.settings.postgres_programs, server.version), account(context.settings)
    began = time.monotonic()
    newest = await tool.newest()
    await tool.verify()
    verified = time.monotonic()
    async with workshop(context.settings, "check") as work:
        data = work / "data"
        await asyncio.to_thread(data.mkdir, 0o700)
        who.own(data)
        await tool.restore(data)
        options = dict(NOTHING_TO_LOSE)
        usable = await reachable(programs, who, work)
        async with serving(
            usable, data, who, options, seconds=RECOVERY_SECONDS, role=server.superuser, database=server.database
        ) as restored:
            ready = time.monotonic()
            not_looked = await amcheck(programs, restored)
    figures = {
        "recovery_seconds": ready - verified,
        "amcheck_seconds": time.monotonic() - ready,
        "backup_age_seconds": context.wall() - newest.stopped_at,
        "seconds": time.monotonic() - began,
    }
    found = f"it was NOT looked through by pg_amcheck: {not_looked}" if not_looked else "is not damaged"
    summary = f"backup {newest.label} of pgBackRest restores in {ready - verified:.1f} s and {found}"
    return Report(Verdict.OK, summary, {"id": newest.label, "kind": newest.kind, "tool": tool.version}, figures)


JOB = Job(
    "restore-check",
    "Restore the newest backup into a throw-away server, compare it with what it was, measure how long it takes.",
    run,
    schedule="15 4 * * *",
    arguments={
        "backup": "id of the one to check; none: the newest",
        "cluster": "system identifier of the cluster whose newest to check; none: the database's own",
    },
    time_limit=LONGEST,
    set_up=set_up,
)
