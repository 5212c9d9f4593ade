"""Whose backup: one place may hold those of several clusters, and nothing of one may stand in for another's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from ops.backup.catalogue import Backup, Catalogue
from ops.backup.errors import BackupError

_TAG_DIGITS = 4


def by_cluster(backups: Iterable[Backup]) -> dict[str, list[Backup]]:
    """Backups by ``system_id``, each list in the order in which they came."""
    found: dict[str, list[Backup]] = {}
    for each in backups:
        found.setdefault(each.system_id, []).append(each)
    return found


def of_cluster(catalogue: Catalogue, cluster: str = "") -> Catalogue:
    """What is kept of one cluster: the one that is named, or the only one. What cannot be read is told with either.

    Raises BackupError where it is not known, and where none is named and there are several: it lists them.
    """
    found = by_cluster(catalogue.backups.values())
    if cluster and cluster not in found:
        raise BackupError(f"there is no backup of cluster {cluster} here; {_listed(found)}")
    if not cluster and len(found) > 1:
        raise BackupError(
            f"backups of {len(found)} clusters are kept here: say which by --cluster ID (or one backup by --backup "
            f"ID). {_listed(found)}"
        )
    chosen = found.get(cluster, []) if cluster else [each for some in found.values() for each in some]
    return Catalogue({each.id: each for each in chosen}, catalogue.faults, catalogue.closed)


def _listed(found: dict[str, list[Backup]]) -> str:
    lines = [
        f"{system} (database {some[-1].database}, PostgreSQL {some[-1].server_version}, {len(some)} backups, the "
        f"newest {some[-1].id})"
        for system, some in found.items()
    ]
    return f"there are: {'; '.join(lines)}" if lines else "there is none at all: `trunkline ops run backup` makes one"


def cluster_tag(system_id: str) -> str:
    """Ends the id of a backup, so that two clusters that begin in one second do not write over each other."""
    return hashlib.sha256(system_id.encode()).hexdigest()[:_TAG_DIGITS]
