"""How far the log is kept: an object that the carrier writes after each round, for whoever asks."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Final

from ops.backup.catalogue import from_json, read_catalogue, to_json
from ops.backup.database import Server
from ops.backup.errors import BackupError, Damaged, KeyMismatch, ObjectMissing
from ops.backup.site import Site
from ops.backup.streams import gathered, of_bytes
from ops.backup.wal import position, shown

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Status:
    """What the last round said. Times are seconds since 1970-01-01 UTC."""

    kept_lsn: int
    kept_through: float
    at: float
    gap: bool
    """Log before ``gap_lsn`` is missing, and no backup has begun since."""
    gap_lsn: int = 0


def status_name(server: Server | str) -> str:
    """Of that object."""
    return f"status/{server if isinstance(server, str) else server.system_id}"


async def read_status(site: Site, server: Server | str) -> Status | None:
    """None: no log has ever been carried, or what was told of it is damaged; the carrier tells it anew after its next
    round. One of another key or format counts as damaged where a backup of that cluster shows the present key to be
    right: it is written anew every minute. Raises KeyMismatch, BackupError, RepositoryError.
    """
    name = status_name(server)
    try:
        content = await gathered(site.repository.get(name))
    except ObjectMissing:
        return None
    try:
        body = from_json(content, site.keys, name)
    except BackupError as error:
        if not isinstance(error, Damaged) and not await _key_is_right(site, server):
            raise
        _log.error("%s: how far the log is kept is not known until `wal` tells it anew", error)
        return None
    return Status(
        position(body["kept_lsn"]),
        float(body["kept_through"]),
        float(body["at"]),
        bool(body["gap"]),
        position(body.get("gap_lsn", "0/0")),
    )


async def _key_is_right(site: Site, server: Server | str) -> bool:
    """Whether a backup of that cluster opens with the present key. Raises RepositoryError."""
    system = server if isinstance(server, str) else server.system_id
    try:
        catalogue = await read_catalogue(site.repository, site.keys)
    except KeyMismatch:
        return False
    return any(each.system_id == system and each.key_id == site.key.id for each in catalogue.backups.values())


async def write_status(site: Site, server: Server, status: Status) -> None:
    """Raises RepositoryError."""
    body = {
        "kept_lsn": shown(status.kept_lsn),
        "kept_through": status.kept_through,
        "at": status.at,
        "gap": status.gap,
        "gap_lsn": shown(status.gap_lsn),
    }
    name = status_name(server)
    await site.repository.put(name, of_bytes(to_json(body, site.key, name)))


def newest_age(status: Status | None, now: float) -> float:
    """Seconds for which the newest log of the server has not been known to be kept; infinite where it never was."""
    return now - status.kept_through if status is not None and status.kept_through else float("inf")


async def kept_until(site: Site, server: Server, lsn: int, seconds: float) -> bool:
    """Wait until a carrier that runs elsewhere has kept the log before ``lsn``; whether it has."""
    deadline = time.monotonic() + seconds
    while True:
        status = await read_status(site, server)
        if status is not None and status.kept_lsn >= lsn:
            return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(1.0)
