"""Numbers of the backups that metrics show and alerts look at."""

from __future__ import annotations

from ops.backup.catalogue import read_catalogue
from ops.backup.clusters import by_cluster
from ops.backup.log_status import newest_age, read_status
from ops.backup.site import Site, wal_prefix
from ops.backup.soundness import sound, unmarked


async def measures(site: Site, system_id: str) -> dict[str, float]:
    """Of one cluster, by name; of what there is not yet, nothing. Times are seconds since 1970-01-01 UTC.

    Raises RepositoryError, KeyMismatch, Damaged.
    """
    catalogue = await read_catalogue(site.repository, site.keys)
    backups = by_cluster(catalogue.backups.values()).get(system_id, [])
    verified = sound(backups)
    found = {
        "backups": float(len(backups)),
        "verified_backups": float(len(verified)),
        "damaged_backups": float(len(backups) - len(unmarked(backups))),
        "damaged_records": float(len(catalogue.faults)),
        "kept_bytes": float(
            sum(each.bytes for each in backups)
            + sum(kept.bytes for kept in await site.repository.listing(wal_prefix(system_id)))
        ),
    }
    if verified:
        newest = verified[-1]
        found["newest_verified_timestamp"] = newest.finished_at
        found["newest_verified_bytes"] = float(newest.bytes)
        found["newest_verified_rows"] = float(newest.contents.rows)
    if restored := [each.restored_at for each in unmarked(backups) if each.restored_at is not None]:
        found["newest_restored_timestamp"] = max(restored)
    if backups:
        status = await read_status(site, system_id)
        if status is not None and status.kept_through:
            found["log_age_seconds"] = newest_age(status, site.wall())
            found["log_gap"] = float(status.gap)
    return found
