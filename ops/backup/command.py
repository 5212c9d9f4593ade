"""``trunkline ops backups`` and ``trunkline ops restore``."""

from __future__ import annotations

import asyncio
import datetime
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from engine.config import Settings
from engine.errors import ConfigurationError
from ops.backup.bringing import AGAIN, What, bring
from ops.backup.catalogue import Backup, read_catalogue
from ops.backup.dumping import read_dumps
from ops.backup.embedded_site import BroughtBack, bring_back
from ops.backup.errors import KeyMismatch
from ops.backup.log_status import newest_age, read_status
from ops.backup.restoring import Restored, Target, parse_time, restore
from ops.backup.site import Site
from ops.backup.soundness import fault_of
from ops.backup.wal import position, shown
from ops.bench.report import text_table
from ops.embedded_postgres import NAME


def list_backups(settings: Settings, *, as_json: bool = False) -> None:
    """Print what is kept. Raises ConfigurationError, BackupError."""
    _ours(settings)
    site = Site.of(settings, time.time)
    catalogue, ages, dumps = asyncio.run(_kept(site))
    rows = [_row(backup, fault_of(backup, catalogue)) for backup in catalogue]
    if as_json:
        print(
            json.dumps({"place": site.repository.place, "backups": rows, "dumps": dumps, "log_age_s": ages}, indent=2)
        )
        return
    if rows:
        for row in rows:
            if row["damaged"]:
                print(f"DAMAGED: backup {row['id']}: {row['damaged']}", file=sys.stderr)
                row["damaged"] = "DAMAGED"
        cells = [["" if value is None else str(value) for value in row.values()] for row in rows]
        print("\n".join(text_table(list(rows[0]), cells)))
    else:
        print(f"no backup in {site.repository.place}: `trunkline ops run backup` makes one")
    for each in dumps:
        print(f"dump {each['id']} of cluster {each['cluster'] or 'not recorded'}, PostgreSQL {each['server']}")
    for system, age in ages.items():
        shown = f"{age:.0f} s ago" if age is not None else "never"
        print(f"log of cluster {system}: last known whole {shown}")


def _ours(settings: Settings) -> None:
    """Raises ConfigurationError where backups are pgBackRest's, and there never was a place for our own."""
    if settings.backup.tool == "pgbackrest" and not settings.backup.to:
        raise ConfigurationError(
            "pgBackRest takes the backups (TRUNKLINE_BACKUP_TOOL) and keeps them: `pgbackrest --stanza="
            f"{settings.backup.stanza} info` lists them"
        )


async def _kept(site: Site) -> tuple[list[Backup], dict[str, float | None], list[dict[str, str]]]:
    catalogue = await read_catalogue(site.repository, site.keys)
    for fault in catalogue.faults:
        print(f"DAMAGED: {fault}", file=sys.stderr)
    closed = list(catalogue.closed.values())
    ages: dict[str, float | None] = {}
    for system in dict.fromkeys(backup.system_id for backup in catalogue.backups.values()):
        try:
            age = newest_age(await read_status(site, system), site.wall())
        except KeyMismatch as error:
            age = float("inf")
            closed.append(str(error))
        ages[system] = round(age, 1) if age != float("inf") else None
    kept = await read_dumps(site)
    dumps = [
        {"id": str(each["id"]), "cluster": str(each["system_id"]), "server": str(each["server_version"])}
        for each in kept.bodies
    ]
    for fault in kept.faults.values():
        print(f"DAMAGED: {fault}", file=sys.stderr)
    for line in (*closed, *kept.closed.values()):
        print(f"KEY MISSING: {line}", file=sys.stderr)
    return list(catalogue.backups.values()), ages, dumps


def _row(backup: Backup, fault: str) -> dict[str, str | int | None]:
    return {
        "id": backup.id,
        "cluster": backup.system_id,
        "kind": backup.kind,
        "over": backup.parent or None,
        "MB": f"{backup.bytes / 1e6:.1f}",
        "rows": backup.contents.rows,
        "server": backup.server_version,
        "whole at": _moment(backup.mark_at),
        "verified": _moment(backup.verified_at),
        "restored": _moment(backup.restored_at),
        "damaged": fault or None,
        "encrypted": "yes" if backup.encrypted else "NO",
    }


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def run_restore(
    settings: Settings,
    data: Path | None,
    *,
    embedded: bool = False,
    to_time: str = "",
    to_lsn: str = "",
    backup: str = "",
    cluster: str = "",
    without_erasures: bool = False,
) -> None:
    """Restore into ``data``, or in the place of the embedded database, and say what was done and what is left to do.
    Raises ConfigurationError, BackupError.
    """
    if to_time and to_lsn:
        raise ConfigurationError("--to-time and --to-lsn: give one of them")
    if settings.backup.tool == "pgbackrest" and not (settings.backup.to and backup):
        own = "; --backup ID restores one of Trunkline's own, of before" if settings.backup.to else ""
        raise ConfigurationError(
            f"pgBackRest takes the backups (TRUNKLINE_BACKUP_TOOL) and restores them: `pgbackrest --stanza="
            f"{settings.backup.stanza} restore`, start the server, then, before the site goes up, `trunkline ops run "
            f"erasure --reapply yes`{own}"
        )
    if embedded == (data is not None):
        raise ConfigurationError("say where: --data-dir DIR, or --embedded for the database beside the engine")
    target = Target(parse_time(to_time) if to_time else None, _lsn(to_lsn) if to_lsn else None)
    if data is None:
        brought = bring_back(
            settings, identity=backup, cluster=cluster, target=target, without_erasures=without_erasures
        )
        print("\n".join(told_embedded(brought)))
        return
    site = Site.of(settings, time.time)
    folder = data.expanduser().absolute()
    restored = asyncio.run(
        restore(site, folder, identity=backup, cluster=cluster, target=target, without_erasures=without_erasures)
    )
    print("\n".join(told(restored, folder)))


def run_fetch(settings: Settings, what: str, file: Path, *, identity: str = "", cluster: str = "") -> None:
    """Bring one object out of the storage, and say what was. Raises ConfigurationError, BackupError."""
    if what not in ("dump", "globals"):
        raise ConfigurationError(f"got {what!r}, expected `dump` or `globals`")
    _ours(settings)
    kind: What = "dump" if what == "dump" else "globals"
    site = Site.of(settings, time.time)
    brought = asyncio.run(bring(site, kind, file.expanduser().absolute(), identity=identity, cluster=cluster))
    print(f"{what} of {brought.identity}: {brought.bytes / 1e6:.1f} MB in {brought.file}, in clear; {brought.told}")
    if kind == "dump":
        print(AGAIN)


def told(restored: Restored, folder: Path) -> Sequence[str]:
    """For the operator."""
    return [
        *_told(restored, folder),
        f"its superuser is {restored.role}, the records' database {restored.database}",
        f"PostgreSQL's programs are in {restored.programs}; logins and passwords are those of the time of the backup",
        "now start the server on it, then take a backup: `trunkline ops run backup`",
    ]


def told_embedded(brought: BroughtBack) -> Sequence[str]:
    """For the operator."""
    kept = f"what was there before is kept in {brought.kept}: remove it when you have looked"
    look = f"PGPASSWORD=$(cat {brought.folder / 'password'}) {brought.restored.programs / 'psql'} -h 127.0.0.1"
    look += f" -p $(cat {brought.folder / 'port'}) -U {NAME} -d {NAME}"
    return [
        *_told(brought.restored, brought.data),
        kept if brought.kept else "there were no data before",
        f"to look, once the engine runs: {look}",
        "now start the engine, `trunkline up`, then take a backup: `trunkline ops run backup`",
    ]


def _told(restored: Restored, folder: Path) -> Sequence[str]:
    along = f"along timeline {restored.timeline}, the newest that leads on from the backup's"
    along += f"; the log that was brought ends in the segment before {shown(restored.log_end)}"
    times = f"fetched {restored.fetch_s:.1f} s, recovered {restored.recovery_s:.1f} s"
    return [
        f"restored {folder} from backup {restored.backup} and {restored.log_bytes / 1e6:.0f} MB of log",
        along,
        f"it took {restored.seconds:.1f} s ({times})",
        *(f"after the restore: {each}" for each in restored.told if each),
    ]


def _lsn(text: str) -> int:
    try:
        return position(text)
    except ValueError:
        raise ConfigurationError(f"--to-lsn: got {text!r}, expected a position such as 16/B374D848") from None
