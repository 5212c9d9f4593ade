"""The job ``backup``: a base backup of the records' database, verified by reading it back; then old ones go."""

from __future__ import annotations

import time
from typing import Any

from engine.config import Settings
from engine.errors import ConfigurationError
from ops.backup.catalogue import Backup, read_catalogue
from ops.backup.database import alone, connected, database_url, facts
from ops.backup.making import make
from ops.backup.measures import measures
from ops.backup.pgbackrest import PgBackRest
from ops.backup.retention import carry_out, plan
from ops.backup.site import Site
from ops.backup.taking import parent_of
from ops.jobs.job import Job, JobContext, Report, Verdict

NOT_SET_UP = Report(Verdict.SKIPPED, "backups are not set up: TRUNKLINE_BACKUP_TO says where they go")
UNDER_WAY = Report(Verdict.SKIPPED, "another run of it is under way")
LONGEST = 6 * 3600.0
"""Seconds that a backup, or its restore, may take."""


def set_up(settings: Settings) -> bool:
    """Whether backups are taken at all."""
    return own_backups(settings) or settings.backup.tool == "pgbackrest"


def own_backups(settings: Settings) -> bool:
    """Whether they are taken by PostgreSQL's programs, and the log is ours to carry."""
    return bool(settings.backup.to) and settings.backup.tool == "own"


async def run(context: JobContext) -> Report:
    """Raises BackupError and its kinds, ConfigurationError."""
    full = chosen(context, "full") == "yes"
    if context.settings.backup.tool == "pgbackrest":
        return await _by_pgbackrest(context, full=full)
    if not context.settings.backup.to:
        return NOT_SET_UP
    url = database_url(context.settings, context.database)
    site = Site.of(context.settings, context.wall)
    if context.dry_run:
        return await _say(site, url, full=full)
    began = time.monotonic()
    async with alone(url, "backup") as free:
        if not free:
            return UNDER_WAY
        await site.tidy()
        made = await make(site, url, full=full)
        planned = await plan(site, await read_catalogue(site.repository, site.keys))
        removed = await carry_out(site.repository, planned)
        kept = await measures(site, made.backup.system_id)
    backup = made.backup
    details = {**told(backup), "removed": list(planned.backups), "seconds": rounded(made.seconds)}
    figures = {
        **kept,
        "bytes": float(backup.bytes),
        "plain_bytes": float(backup.parts["base"].plain_bytes),
        "rows": float(backup.contents.rows),
        "seconds": time.monotonic() - began,
        "removed_objects": float(removed),
        **{f"{name}_seconds": value for name, value in made.seconds.items()},
    }
    closed = "encrypted" if backup.encrypted else "NOT encrypted (TRUNKLINE_BACKUP_KEY_FILE is not set)"
    summary = f"{backup.kind} backup {backup.id}, {backup.bytes / 1e6:.1f} MB, verified, {closed}"
    return Report(Verdict.OK, summary, details, figures)


async def _say(site: Site, url: str, *, full: bool) -> Report:
    async with connected(url) as connection:
        server = await facts(connection)
    catalogue = await read_catalogue(site.repository, site.keys)
    parent, why = parent_of(catalogue, site, server, full=full)
    planned = await plan(site, catalogue)
    print(f"{'an incremental' if parent else 'a full'} backup ({why}) into {site.repository.place}")
    for identity, reason in planned.kept.items():
        print(f"keep   {identity}: {reason}")
    for identity in planned.backups:
        print(f"remove {identity}")
    print(f"remove {len(planned.objects)} objects that nothing needs")
    return Report(Verdict.OK, "nothing was done: a dry run")


async def _by_pgbackrest(context: JobContext, *, full: bool) -> Report:
    tool = PgBackRest.found(context.settings)
    if context.dry_run:
        print(f"pgbackrest --stanza={tool.stanza} backup")
        return Report(Verdict.OK, "nothing was done: a dry run")
    began = time.monotonic()
    info = await tool.backup(full=full)
    figures = {"bytes": float(info.bytes), "plain_bytes": float(info.plain_bytes), "seconds": time.monotonic() - began}
    details = {"id": info.label, "kind": info.kind, "tool": tool.version}
    return Report(Verdict.OK, f"{info.kind} backup {info.label} by pgBackRest", details, figures)


def chosen(context: JobContext, *known: str) -> str:
    """The first of the arguments that this job knows; empty where it was not given. Raises ConfigurationError."""
    unknown = sorted(set(context.arguments) - set(known))
    if unknown:
        knows = f"it knows {', '.join(f'--{name}' for name in known)}" if known else "it takes none"
        raise ConfigurationError(f"the job has no argument --{unknown[0]}: {knows}")
    return context.arguments.get(known[0], "") if known else ""


def told(backup: Backup) -> dict[str, Any]:
    """Of a backup, ready for JSON."""
    return {
        "id": backup.id,
        "kind": backup.kind,
        "parent": backup.parent,
        "server": backup.server_version,
        "tools": backup.tool_version,
        "encrypted": backup.encrypted,
        "parts": {name: {"bytes": part.bytes, "sha256": part.sha256} for name, part in backup.parts.items()},
        "tables": {name: table.rows for name, table in backup.contents.tables.items()},
        "notes": list(backup.notes),
    }


def rounded(seconds: dict[str, float]) -> dict[str, float]:
    """For people."""
    return {name: round(value, 2) for name, value in seconds.items()}


JOB = Job(
    "backup",
    "Take a backup of the records' database, read it back, remove those that are too old.",
    run,
    schedule="15 2 * * *",
    arguments={"full": "`yes`: a full one, whatever there is"},
    time_limit=LONGEST,
    set_up=set_up,
)
