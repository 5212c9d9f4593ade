"""Which backups may go. The plan is pure; carrying it out removes a record first: no half backup looks whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ops.backup.catalogue import BACKUPS, DUMPS, Backup, Catalogue
from ops.backup.clusters import by_cluster
from ops.backup.repository import Kept, Repository
from ops.backup.site import Site, wal_prefix
from ops.backup.soundness import sound
from ops.backup.wal import Segment

DAY: Final = 86400.0
UNFINISHED_SECONDS: Final = 2 * DAY
"""Age from which what has no record is held to be the rest of a run that died."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes, and what stays for which reason."""

    backups: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    """Log that no kept backup needs, and rests of runs that died."""
    kept: Mapping[str, str] = field(default_factory=dict)


def plan_backups(backups: Sequence[Backup], *, now: float, keep_days: float, keep_least: int) -> Plan:
    """``backups``: of one cluster, the oldest first. What is young stays, so do the newest ``keep_least`` that were
    verified and not found damaged since, and all that an incremental one among these lies over. Where these are fewer,
    nothing goes.
    """
    verified = sound(backups)
    kept: dict[str, str] = {}
    for each in backups:
        if now - each.finished_at < keep_days * DAY:
            kept[each.id] = f"younger than {keep_days:g} days"
    for each in verified[-keep_least:]:
        kept.setdefault(each.id, f"one of the {keep_least} newest that were verified")
    if len(verified) < keep_least:
        for each in backups:
            kept.setdefault(each.id, f"fewer than {keep_least} were verified")
    by_id = {each.id: each for each in backups}
    for each in reversed(backups):  # a parent is older than what lies over it
        if each.id in kept and each.parent in by_id:
            kept.setdefault(each.parent, f"{each.id} lies over it")
    return Plan(tuple(each.id for each in backups if each.id not in kept), (), kept)


def log_to_remove(kept: Collection[Backup], objects: Sequence[Kept]) -> list[str]:
    """Segments that are older than the oldest kept backup of their cluster needs. Histories stay, and so does the log
    of a cluster of which no backup is known.
    """
    firsts: dict[str, tuple[int, int]] = {}
    for backup in kept:
        needs = (backup.start_lsn // backup.segment_bytes, backup.segment_bytes)
        firsts[backup.system_id] = min(needs, firsts.get(backup.system_id, needs))
    gone = []
    for each in objects:
        for system, (first, segment_bytes) in firsts.items():
            prefix = wal_prefix(system)
            if not each.name.startswith(prefix):
                continue
            segment = Segment.parse(each.name.removeprefix(prefix), segment_bytes)
            if segment is not None and segment.number < first:
                gone.append(each.name)
    return gone


def unfinished(objects: Sequence[Kept], catalogue: Catalogue, now: float) -> list[str]:
    """Objects of backups, or of dumps, that have no record, a good while after they were written. A damaged record is
    one.
    """
    recorded = {each.name.split("/")[1] for each in objects if each.name.endswith("/record")}
    return [
        each.name
        for each in objects
        if each.name.split("/")[1] not in recorded
        and each.name.split("/")[1] not in catalogue.backups
        and now - each.changed_at > UNFINISHED_SECONDS
    ]


async def plan(site: Site, catalogue: Catalogue) -> Plan:
    """Of all that is kept here, now; each cluster keeps its own least number. A catalogue with a backup that cannot be
    read gives leave to remove nothing.
    """
    if catalogue.faults:
        why = "a backup cannot be read: nothing goes until somebody has looked at it"
        return Plan(kept=dict.fromkeys(catalogue.backups, why))
    if catalogue.closed:
        why = "the key of another backup is not here: nothing goes until it is"
        return Plan(kept=dict.fromkeys(catalogue.backups, why))
    settings, now = site.settings.backup, site.wall()
    backups = list(catalogue.backups.values())
    going: list[str] = []
    kept: dict[str, str] = {}
    for ours in by_cluster(backups).values():
        part = plan_backups(ours, now=now, keep_days=settings.keep_days, keep_least=settings.keep_least)
        going += part.backups
        kept |= part.kept
    staying = [each for each in backups if each.id in kept]
    objects = log_to_remove(staying, await site.repository.listing("wal/"))
    objects += unfinished(await site.repository.listing(BACKUPS), catalogue, now)
    objects += unfinished(await site.repository.listing(DUMPS), Catalogue({}), now)
    return Plan(tuple(going), tuple(objects), kept)


async def carry_out(repository: Repository, planned: Plan) -> int:
    """Remove what goes; number of objects."""
    removed = 0
    for identity in planned.backups:
        names = [kept.name for kept in await repository.listing(f"{BACKUPS}{identity}/")]
        for name in sorted(names, key=lambda name: not name.endswith("/record")):
            await repository.delete(name)
            removed += 1
    for name in planned.objects:
        await repository.delete(name)
        removed += 1
    return removed
