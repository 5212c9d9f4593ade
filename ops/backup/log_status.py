"""How far the log is kept: an object that the carrier writes after each round, for whoever asks."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Final

from ops.backup.catalogue import from_json, to_json
from ops.backup.database import Server
from ops.backup.errors import Damaged, ObjectMissing
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
    round. Raises KeyMismatch, RepositoryError.
    """
    name = status_name(server)
    try:
        body = from_json(await gathered(site.repository.get(name)), site.keys, name)
    except ObjectMissing:
        return None
    except Damaged as error:
        _log.error("%s: how far the log is kept is not known until `wal` tells it anew", error)
        return None
    return Status(
        position(body["kept_lsn"]),
        float(body["kept_through"]),
        float(body["at"]),
        bool(body["gap"]),
        position(body.get("gap_lsn", "0/0")),
    )


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
