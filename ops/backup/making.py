"""One backup from beginning to end: base, globals, mark, the log up to the mark, the record, the verification."""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass, field

from ops.backup.carrier import NO_LIMIT, Carrier
from ops.backup.catalogue import Backup, Catalogue, read_backup, read_catalogue, write_record
from ops.backup.clusters import cluster_tag
from ops.backup.contents import marked
from ops.backup.database import Server, connected, facts
from ops.backup.erasures import PART, keep_current, keep_list, known_here
from ops.backup.errors import BackupError, CarriedElsewhere, Damaged, ObjectMissing, ToolFailed
from ops.backup.log_status import kept_until
from ops.backup.programs import Programs, find_programs
from ops.backup.rotation import renew
from ops.backup.site import Site
from ops.backup.slot import hold
from ops.backup.taking import keep_globals, parent_of, stream_base
from ops.backup.verifying import verify
from ops.backup.wal import shown

LOG_SECONDS = 300.0
"""Longest wait until the log up to the mark is kept."""
_ELSEWHERE_SECONDS = 10.0
"""After which one looks whether the other run is still there."""


@dataclass(frozen=True, slots=True)
class Made:
    """A backup, and how long its parts took in seconds."""

    backup: Backup
    seconds: dict[str, float] = field(default_factory=dict)


async def make(site: Site, url: str, *, full: bool = False) -> Made:
    """Raises BackupError and its kinds; what was kept by then has no record and is removed by a later run."""
    async with connected(url) as connection:
        server = await facts(connection)
        programs = find_programs(site.settings.postgres_programs, server.version)
        catalogue = await read_catalogue(site.repository, site.keys)
        parent, why = parent_of(catalogue, site, server, full=full)
        started, clock = site.wall(), time.monotonic()
        identity = _identity(started, catalogue, server)
        notes = [f"{'incremental' if parent else 'full'}: {why}", *catalogue.faults, *catalogue.closed.values()]
        notes += [NO_LIMIT] if server.holds_without_limit else []
        await hold(connection, site.settings.backup.wal_slot)  # from before the base on, or there would be a gap
        async with site.workshop("backup") as work:
            try:
                parts, log = await stream_base(
                    site, connection, url, programs, identity=identity, parent=parent, work=work
                )
            except (ToolFailed, Damaged, ObjectMissing) as error:  # the last two: the parent's manifest
                if parent is None:
                    raise
                notes = [f"full: an incremental one failed ({error})", *notes[1:]]
                parent = None
                parts, log = await stream_base(
                    site, connection, url, programs, identity=identity, parent=None, work=work
                )
    seconds = {"base": time.monotonic() - clock}
    parts["globals"], more = await keep_globals(site, url, programs, identity)
    async with connected(url) as connection:  # after the base, so that whoever was erased meanwhile is in it
        erasures = await known_here(site.settings, connection)
    parts[PART], told = await keep_list(site, erasures, identity)
    await keep_current(site, server.system_id, erasures)
    more += [*told, *await renew(site, server.system_id)]
    mark = await marked(url, site.key)
    seconds["mark"] = time.monotonic() - clock - sum(seconds.values())
    await _keep_log(site, url, programs, server, mark.lsn)
    seconds["log"] = time.monotonic() - clock - sum(seconds.values())
    backup = Backup(
        id=identity,
        kind="incremental" if parent else "full",
        parent=parent.id if parent else "",
        started_at=started,
        finished_at=site.wall(),
        server_version=server.version,
        tool_version=programs.version,
        system_id=server.system_id,
        database=server.database,
        superuser=server.superuser,
        segment_bytes=server.segment_bytes,
        timeline=log.timeline,
        start_lsn=log.start,
        stop_lsn=log.stop,
        mark_lsn=mark.lsn,
        mark_at=mark.at,
        contents=mark.contents,
        key_id=site.key.id,
        encrypted=site.key.encrypts,
        parts=parts,
        notes=(*notes, *more),
    )
    await write_record(site.repository, backup, site.key)
    await verify(site, backup, programs)
    seconds["verify"] = time.monotonic() - clock - sum(seconds.values())
    return Made(await read_backup(site.repository, identity, site.keys), seconds)


async def _keep_log(site: Site, url: str, programs: Programs, server: Server, lsn: int) -> None:
    """By the carrier that runs, or by one for this moment."""
    deadline = time.monotonic() + LOG_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        try:
            done = await Carrier(site, url, programs, server).carry(until_lsn=lsn, seconds=left)
        except CarriedElsewhere:
            if await kept_until(site, server, lsn, min(left, _ELSEWHERE_SECONDS)):
                return
        else:
            if done.kept_lsn >= lsn:
                return
            break
    raise BackupError(
        f"the log up to {shown(lsn)} was not kept within {LOG_SECONDS:.0f} s: have the job wal run always"
    )


def _identity(now: float, catalogue: Catalogue, server: Server) -> str:
    """Of the second in which it begins, or the next that is free."""
    while (identity := identity_now(now, server)) in catalogue.backups:
        now += 1
    return identity


def identity_now(now: float, server: Server) -> str:
    """Of that second and that cluster, such as ``20261122T021500Z-7f3a``; by it they sort in the order they began."""
    moment = datetime.datetime.fromtimestamp(int(now), datetime.UTC)
    return f"{moment.strftime('%Y%m%dT%H%M%SZ')}-{cluster_tag(server.system_id)}"
