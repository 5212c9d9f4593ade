"""Logical dumps: for a move to another version, where a physical backup cannot go. Objects ``dumps/ID/…``."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ops.backup.catalogue import DUMPS, Part, from_json, to_json
from ops.backup.database import Server, for_programs
from ops.backup.errors import Damaged
from ops.backup.outputs import output_of
from ops.backup.programs import Programs
from ops.backup.retention import DAY
from ops.backup.site import Site
from ops.backup.streams import gathered, of_bytes

LIST_SECONDS: Final = 600.0
LEAST: Final = 2
"""Dumps that stay whatever their age."""


async def dump(site: Site, url: str, programs: Programs, server: Server, identity: str) -> dict[str, Any]:
    """Keep a dump in PostgreSQL's custom format, read it back, and tell of it; ready for JSON. Raises BackupError."""
    bare, environment = for_programs(url)
    started = site.wall()
    name = f"{DUMPS}{identity}/dump"
    # Not compressed by pg_dump: that is done once, on its way.
    arguments = ["--format=custom", "--compress=0", "--no-password", "--lock-wait-timeout=10000", f"--dbname={bare}"]
    async with output_of(programs, "pg_dump", arguments, environment) as output:
        part = await site.keep_output(name, output)
    entries = await _entries(site, programs, name, part)
    body = {
        "id": identity,
        "started_at": started,
        "finished_at": site.wall(),
        "server_version": server.version,
        "tool_version": programs.version,
        "system_id": server.system_id,
        "database": server.database,
        "encrypted": site.key.encrypts,
        "entries": entries,
        "part": asdict(part),
    }
    record = f"{DUMPS}{identity}/record"
    await site.repository.put(record, of_bytes(to_json(body, site.key, record)))
    return body


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


async def _entries(site: Site, programs: Programs, name: str, part: Part) -> int:
    """Read it back; entries of its table of contents. Raises Damaged."""
    async with site.workshop("dump") as work:
        file = work / "dump"
        # A dump in clear, in a folder that others may pass through: it is nobody else's from its first byte on.
        with await asyncio.to_thread(open, file, "wb", opener=_private) as out:
            source = site.fetch(name, part)
            async with contextlib.aclosing(source):
                async for block in source:
                    await asyncio.to_thread(out.write, block)
        return await entries_of(programs, file)


async def entries_of(programs: Programs, file: Path) -> int:
    """Of a dump's table of contents. Raises Damaged, ToolFailed."""
    listed = await programs.run("pg_restore", "--list", file, seconds=LIST_SECONDS)
    entries = sum(1 for line in listed.splitlines() if line and not line.startswith(";"))
    if not entries:
        raise Damaged("the dump lists nothing")
    return entries


async def read_dumps(site: Site) -> list[dict[str, Any]]:
    """What each dump says of itself, the oldest first; of those before they said so, ``system_id`` is empty. Raises
    Damaged, KeyMismatch, RepositoryError.
    """
    names = [kept.name for kept in await site.repository.listing(DUMPS)]
    found = []
    for name in sorted(name for name in names if name.endswith("/record")):
        body = from_json(await gathered(site.repository.get(name)), site.key, name)
        found.append({"system_id": "", **body})
    return found


async def remove_old(site: Site, server: Server) -> list[str]:
    """Remove dumps of this cluster that are older than the settings keep, down to the least number; their ids."""
    names = [kept.name for kept in await site.repository.listing(DUMPS)]
    dumps = [each for each in await read_dumps(site) if each["system_id"] == server.system_id]
    gone = []
    for body in dumps[:-LEAST]:
        identity = str(body["id"])
        name = f"{DUMPS}{identity}/record"
        if site.wall() - float(body["finished_at"]) > site.settings.backup.keep_days * DAY:
            await site.repository.delete(name)
            for each in names:
                if each.startswith(f"{DUMPS}{identity}/"):
                    await site.repository.delete(each)
            gone.append(identity)
    return gone
