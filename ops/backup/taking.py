"""Taking a base backup: streamed from the server through compression and encryption into the storage, no copy made."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.errors import TrunklineError
from ops.backup.archive import Picker
from ops.backup.catalogue import BACKUPS, Backup, Catalogue, Part
from ops.backup.database import Server, for_programs, queries
from ops.backup.errors import BackupError, ToolFailed
from ops.backup.outputs import output_of
from ops.backup.programs import Programs
from ops.backup.site import Site
from ops.backup.streams import gathered, of_bytes
from ops.backup.wal import position

GLOBALS_SECONDS: Final = 120.0
_INCREMENTAL_SINCE: Final = 17


@dataclass(frozen=True, slots=True)
class Range:
    """What of the log a base backup needs."""

    timeline: int
    start: int
    stop: int


def parent_of(catalogue: Catalogue, site: Site, server: Server, *, full: bool) -> tuple[Backup | None, str]:
    """The backup that the next one may be laid over, None: it is a full one; and why."""
    if full:
        return None, "a full one was asked for"
    if int(server.version.partition(".")[0]) < _INCREMENTAL_SINCE:
        return None, "the server is older than PostgreSQL 17"
    if not server.summarizes_wal:
        return None, "the server has summarize_wal off"
    ours = [each for each in catalogue.backups.values() if each.system_id == server.system_id]
    verified = [each for each in ours if each.verified_at is not None and each.key_id == site.key.id]
    if not verified:
        return None, "there is no verified backup before it"
    newest = verified[-1]
    last_full = next((each for each in reversed(ours) if each.kind == "full"), None)
    days = site.settings.backup.full_every_days
    if last_full is None or site.wall() - last_full.started_at >= days * 86400:
        return None, f"the last full one is {days:g} days old"
    if newest.server_version.partition(".")[0] != server.version.partition(".")[0]:
        return None, "the server's version has changed"
    return newest, f"over {newest.id}"


async def stream_base(
    site: Site, connection: Any, url: str, programs: Programs, *, identity: str, parent: Backup | None, work: Path
) -> tuple[dict[str, Part], Range]:
    """Keep a base backup and its manifest. The log that it needs stays on the server meanwhile, by a slot of
    ``connection``'s own. Raises ToolFailed, RepositoryError.
    """
    slot = f"trunkline_base_{identity.lower().replace('-', '_')}_{os.getpid()}"
    await connection.fetchval(queries("server.sql")["make_temporary_slot"], slot)
    bare, environment = for_programs(url)
    arguments = [
        "--pgdata=-",
        "--format=tar",
        "--wal-method=fetch",
        "--checkpoint=fast",
        "--no-password",
    ]
    arguments += [f"--label=trunkline {identity}", f"--dbname={bare}"]
    if parent is not None:
        manifest = work / "parent_manifest"
        content = await gathered(site.fetch(parent.object("manifest"), parent.parts["manifest"]))
        await asyncio.to_thread(manifest.write_bytes, content)
        arguments.append(f"--incremental={manifest}")
    picker = Picker("backup_manifest")
    folder = f"{BACKUPS}{identity}"
    try:
        async with output_of(programs, "pg_basebackup", arguments, environment) as output:
            base = await site.keep_output(f"{folder}/base", output, picker.feed)
    finally:
        with contextlib.suppress(TrunklineError, OSError):
            await connection.fetchval(queries("server.sql")["drop_slot"], slot)
    if not picker.content:
        raise BackupError("pg_basebackup sent no manifest")
    manifest_part = await site.keep(f"{folder}/manifest", of_bytes(picker.content))
    return {"base": base, "manifest": manifest_part}, log_range(picker.content)


def log_range(manifest: bytes) -> Range:
    """From the manifest of a base backup. Raises BackupError."""
    try:
        ranges = json.loads(manifest)["WAL-Ranges"]
        last = ranges[-1]
        return Range(int(last["Timeline"]), position(ranges[0]["Start-LSN"]), position(last["End-LSN"]))
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise BackupError("the manifest of the base backup cannot be read") from error


async def keep_globals(site: Site, url: str, programs: Programs, identity: str) -> tuple[Part, list[str]]:
    """Roles and what else belongs to no database, as SQL; and what the operator should know of it."""
    bare, environment = for_programs(url)
    arguments = ["--globals-only", "--no-password", f"--dbname={bare}"]
    notes: list[str] = []
    try:
        text = await programs.run("pg_dumpall", *arguments, seconds=GLOBALS_SECONDS, environment=environment)
    except ToolFailed:
        text = await programs.run(
            "pg_dumpall", *arguments, "--no-role-passwords", seconds=GLOBALS_SECONDS, environment=environment
        )
        notes.append("the globals hold no passwords: the user of the backups may not read them")
    return await site.keep(f"{BACKUPS}{identity}/globals", of_bytes(text.encode())), notes
