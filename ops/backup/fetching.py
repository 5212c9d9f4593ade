"""From the storage to a data folder that a server can recover on: the base, what lies over it, the log."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ops.backup.catalogue import Backup, Catalogue, chain
from ops.backup.clusters import of_cluster
from ops.backup.errors import BackupError, Damaged, KeyMismatch, ObjectMissing, WalMissing
from ops.backup.programs import Programs
from ops.backup.site import Site, wal_prefix
from ops.backup.soundness import fault_of
from ops.backup.streams import gathered
from ops.backup.verifying import blamed_on, fetch_base, verify_folder
from ops.backup.wal import Segment, history_timeline, needed, newest_timeline

_log: Final = logging.getLogger(__name__)

COMBINE_SECONDS: Final = 6 * 3600.0
_LINKS_SINCE: Final = 18
_AT_ONCE: Final = 4
_TOLD: Final = 3


async def fetch_data(site: Site, backup: Backup, catalogue: Catalogue, programs: Programs, data: Path) -> None:
    """Put the data folder of ``backup`` at ``data``, which must not be there, and hold every file against its manifest.

    Raises BackupError and its kinds.
    """
    links = chain(backup, catalogue.backups)
    if len(links) == 1:
        await _fetch_layer(site, backup, programs, data)
    else:
        layers = data.with_name(f"{data.name}.trunkline-layers")
        try:
            for each in links:
                await _fetch_layer(site, each, programs, layers / each.id)
            how = ["--link"] if programs.major >= _LINKS_SINCE else []
            folders = [layers / each.id for each in links]
            await programs.run("pg_combinebackup", *how, *folders, "-o", data, seconds=COMBINE_SECONDS)
        finally:
            await asyncio.to_thread(shutil.rmtree, layers, ignore_errors=True)
        await verify_folder(programs, data, backup.id)


async def _fetch_layer(site: Site, layer: Backup, programs: Programs, folder: Path) -> None:
    """One of a chain, every file of it as its manifest says. Raises as above, and whose fault it is."""
    with blamed_on(layer):
        await fetch_base(site, layer, folder)
        await verify_folder(programs, folder, layer.id)


@dataclass(frozen=True, slots=True)
class Log:
    """The log that was brought for a recovery, or looked through."""

    bytes: int
    timeline: int
    """The newest that leads on from the backup's: the one that is recovered to."""
    end_lsn: int
    """End of its last segment."""
    gap: WalMissing | None = None
    """What is missing after it."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """The log of a cluster in the storage."""

    segments: Sequence[Segment]
    histories: Mapping[int, str]


async def fetch_log(site: Site, backup: Backup, stop_lsn: int | None, folder: Path, *, to_gap: bool = False) -> Log:
    """Put the log that a recovery of ``backup`` reads into ``folder``.

    ``stop_lsn``: how far, None: all there is. ``to_gap``: where some is missing, what is before it, as long as the
    backup itself can be recovered with it. Raises WalMissing, Damaged, KeyMismatch, RepositoryError.
    """
    kept = await _kept_log(site, backup)
    for timeline, text in kept.histories.items():
        await asyncio.to_thread((folder / f"{timeline:08X}.history").write_text, text)
    size = backup.segment_bytes
    held = range(backup.start_lsn // size, (backup.stop_lsn - 1) // size + 1)
    wanted, gap = _wanted(kept, backup, backup.start_lsn, stop_lsn, held=held)
    end = max((each.number + 1 for each in wanted), default=held.stop) * size
    if gap is not None and (not to_gap or end < backup.stop_lsn):
        raise gap

    async def write(segment: Segment, content: bytes) -> None:
        await asyncio.to_thread((folder / segment.name(size)).write_bytes, content.ljust(size, b"\0"))

    await _each(site, backup, wanted, write)
    return Log(size * len(wanted), newest_timeline(backup.timeline, kept.histories), end, gap)


async def look_through_log(site: Site, backup: Backup) -> Log:
    """Open every piece of the log from the mark of ``backup`` up to now. Raises WalMissing, Damaged, KeyMismatch,
    RepositoryError.
    """
    kept = await _kept_log(site, backup)
    wanted, gap = _wanted(kept, backup, backup.mark_lsn, None)
    if gap is not None:
        raise gap
    size = backup.segment_bytes

    async def nothing(_: Segment, content: bytes) -> None:
        del content

    await _each(site, backup, wanted, nothing)
    end = max((each.number + 1 for each in wanted), default=0) * size
    return Log(size * len(wanted), newest_timeline(backup.timeline, kept.histories), end)


async def _kept_log(site: Site, backup: Backup) -> _Kept:
    """Raises Damaged or KeyMismatch where a history does not open that may lead on from the backup to a newer timeline
    than all that do; any other is told of and left out, since a newer history names all its ancestors.
    """
    prefix = wal_prefix(backup.system_id)
    names = [kept.name.removeprefix(prefix) for kept in await site.repository.listing(prefix)]
    histories: dict[int, str] = {}
    unread: dict[int, Damaged | KeyMismatch] = {}
    for name in names:
        if (timeline := history_timeline(name)) is not None:
            try:
                histories[timeline] = (await gathered(site.fetch(prefix + name))).decode(errors="replace")
            except (Damaged, KeyMismatch) as error:
                unread[timeline] = error
    newest = newest_timeline(backup.timeline, histories)
    for timeline in sorted(unread, reverse=True):
        fault = unread[timeline]
        if timeline > newest:
            raise type(fault)(
                f"{fault}. It may lead on from backup {backup.id}; once that object is moved away, a restore goes "
                f"along timeline {newest}"
            ) from fault
        _log.warning("%s; it is not needed for a restore along timeline %d", fault, newest)
    segments = [segment for name in names if (segment := Segment.parse(name, backup.segment_bytes)) is not None]
    return _Kept(segments, histories)


def _wanted(
    kept: _Kept, backup: Backup, start: int, stop: int | None, *, held: Sequence[int] = ()
) -> tuple[list[Segment], WalMissing | None]:
    """Segments, and what is missing after them."""

    def ask(*, to_gap: bool) -> list[Segment]:
        return needed(
            kept.segments,
            kept.histories,
            timeline=backup.timeline,
            start=start,
            stop=stop,
            segment_bytes=backup.segment_bytes,
            held=held,
            to_gap=to_gap,
        )

    try:
        return ask(to_gap=False), None
    except WalMissing as gap:
        return ask(to_gap=True), gap


async def _each(
    site: Site, backup: Backup, wanted: Sequence[Segment], use: Callable[[Segment, bytes], Awaitable[None]]
) -> None:
    """Open each of them, a few at once."""
    limit, prefix, size = asyncio.Semaphore(_AT_ONCE), wal_prefix(backup.system_id), backup.segment_bytes

    async def one(segment: Segment) -> None:
        async with limit:
            name = f"{prefix}{segment.name(size)}{'.partial' if segment.partial else ''}"
            try:
                content = await gathered(site.fetch(name))
            except ObjectMissing:
                if not segment.partial:
                    raise
                content = await gathered(site.fetch(name.removesuffix(".partial")))  # it was finished meanwhile
            if len(content) > size or (len(content) < size and not segment.partial):
                raise Damaged(f"{name} has {len(content)} bytes, a segment has {size}")
            await use(segment, content)

    faults: list[BaseException] = []
    try:
        async with asyncio.TaskGroup() as group:
            for segment in wanted:
                group.create_task(one(segment))
    except BaseExceptionGroup as several:
        faults += several.exceptions
    if faults:  # the first tells enough, and callers look for its kind
        raise faults[0]


def choose(
    catalogue: Catalogue, *, identity: str, before: float | None, before_lsn: int | None, cluster: str = ""
) -> Backup:
    """The backup to begin with: the one named, or the newest verified one of the cluster that ended before the target
    and that no check found damaged.

    ``cluster``: its system identifier; empty: the only one that there is. Raises BackupError, KeyMismatch.
    """
    if identity:
        if identity in catalogue.closed:
            raise KeyMismatch(catalogue.closed[identity])
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
    if not fits:
        if catalogue.closed:  # one of them may be that old
            raise KeyMismatch(catalogue.closed[max(catalogue.closed)])
        oldest = next(iter(catalogue.backups.values()), None)
        if oldest is None:
            raise BackupError("there is no backup yet: `trunkline ops run backup` makes one")
        raise BackupError(f"no backup is that old: the oldest is {oldest.id}")
    here = list(catalogue.backups.values())
    counting = [each for each in fits if not fault_of(each, here)]
    verified = [each for each in counting if each.verified_at is not None]
    if not counting:
        raise BackupError(
            "every backup that fits was found damaged, or lies over one that was; --backup ID tries one all the same: "
            + "; ".join(f"{each.id}: {fault_of(each, here)}" for each in reversed(fits[-_TOLD:]))
        )
    return (verified or counting)[-1]
