"""From the storage to a data folder that a server can recover on: the base, what lies over it, the log."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ops.backup.catalogue import Backup, Catalogue, chain
from ops.backup.clusters import of_cluster
from ops.backup.errors import BackupError, Damaged
from ops.backup.programs import Programs
from ops.backup.site import Site, wal_prefix
from ops.backup.streams import gathered
from ops.backup.verifying import fetch_base, verify_folder
from ops.backup.wal import Segment, history_timeline, needed

COMBINE_SECONDS: Final = 6 * 3600.0
_LINKS_SINCE: Final = 18
_AT_ONCE: Final = 4


async def fetch_data(site: Site, backup: Backup, catalogue: Catalogue, programs: Programs, data: Path) -> None:
    """Put the data folder of ``backup`` at ``data``, which must not be there, and hold every file against its manifest.

    Raises BackupError and its kinds.
    """
    links = chain(backup, catalogue.backups)
    if len(links) == 1:
        await fetch_base(site, backup, data)
    else:
        layers = data.with_name(f"{data.name}.layers")
        try:
            for each in links:
                await fetch_base(site, each, layers / each.id)
                await verify_folder(programs, layers / each.id, each.id)
            how = ["--link"] if programs.major >= _LINKS_SINCE else []
            folders = [layers / each.id for each in links]
            await programs.run("pg_combinebackup", *how, *folders, "-o", data, seconds=COMBINE_SECONDS)
        finally:
            await asyncio.to_thread(shutil.rmtree, layers, ignore_errors=True)
    await verify_folder(programs, data, backup.id)


async def fetch_log(site: Site, backup: Backup, stop_lsn: int | None, folder: Path) -> int:
    """Put the log that a recovery of ``backup`` reads into ``folder``, which is made; bytes of it.

    ``stop_lsn``: how far, None: all there is. Raises WalMissing, Damaged, KeyMismatch, RepositoryError.
    """
    await asyncio.to_thread(folder.mkdir, 0o700)
    prefix, size = wal_prefix(backup.system_id), backup.segment_bytes
    names = [kept.name.removeprefix(prefix) for kept in await site.repository.listing(prefix)]
    histories = {}
    for name in names:
        if (timeline := history_timeline(name)) is not None:
            content = await gathered(site.fetch(prefix + name))
            await asyncio.to_thread((folder / name).write_bytes, content)
            histories[timeline] = content.decode(errors="replace")
    segments = [segment for name in names if (segment := Segment.parse(name, size)) is not None]
    held = range(backup.start_lsn // size, (backup.stop_lsn - 1) // size + 1)
    wanted = needed(
        segments,
        histories,
        timeline=backup.timeline,
        start=backup.start_lsn,
        stop=stop_lsn,
        segment_bytes=size,
        held=held,
    )
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(segment: Segment) -> int:
        async with limit:
            name = segment.name(size)
            content = await gathered(site.fetch(f"{prefix}{name}{'.partial' if segment.partial else ''}"))
            if len(content) > size or (len(content) < size and not segment.partial):
                raise Damaged(f"{prefix}{name} has {len(content)} bytes, a segment has {size}")
            await asyncio.to_thread((folder / name).write_bytes, content.ljust(size, b"\0"))
            return size

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(segment)) for segment in wanted]
    return sum(task.result() for task in tasks)


def choose(
    catalogue: Catalogue, *, identity: str, before: float | None, before_lsn: int | None, cluster: str = ""
) -> Backup:
    """The backup to begin with: the one named, or the newest verified one of the cluster that ended before the target.

    ``cluster``: its system identifier; empty: the only one that there is. Raises BackupError.
    """
    if identity:
        found = catalogue.backups.get(identity)
        if found is None:
            raise BackupError(f"there is no backup {identity}: `trunkline ops backups` lists them")
        if cluster and found.system_id != cluster:
            raise BackupError(f"backup {identity} is of cluster {found.system_id}, not of {cluster}")
        return found
    catalogue = of_cluster(catalogue, cluster)
    fits: Sequence[Backup] = [
        each
        for each in catalogue.backups.values()
        if (before is None or each.mark_at <= before) and (before_lsn is None or each.stop_lsn <= before_lsn)
    ]
    verified = [each for each in fits if each.verified_at is not None]
    if not fits:
        oldest = next(iter(catalogue.backups.values()), None)
        if oldest is None:
            raise BackupError("there is no backup yet: `trunkline ops run backup` makes one")
        raise BackupError(f"no backup is that old: the oldest is {oldest.id}")
    return (verified or fits)[-1]
