"""Where a caller's data can still be after an erasure, and until when."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from engine.config import Settings
from engine.records.erasing import Remains

OUTBOX: Final = timedelta(hours=1)
"""After which the outbox begins a new file: the one before goes when the databases have it."""
VACUUM: Final = "PostgreSQL's next vacuum of each table, which comes by itself"


def remains(settings: Settings, requested_at: datetime) -> list[Remains]:
    """The places that an erasure does not reach into, by what the settings say of them."""
    found = [
        Remains(
            "files of the outbox, on each machine",
            requested_at + OUTBOX,
            "the next file is begun, or the engine ends; later only while a database is away, or where the engine was "
            "killed and does not run again",
        ),
        Remains("old versions of rows in the database's files", None, VACUUM),
        _backups(settings, requested_at),
    ]
    if settings.retention.export_dir is not None:
        found.append(
            Remains(
                "exports of dropped months (TRUNKLINE_RETENTION_EXPORT_DIR)", None, "whoever keeps them deletes them"
            )
        )
    return found


def _backups(settings: Settings, requested_at: datetime) -> Remains:
    again = "after a restore from one: `trunkline ops run erasure --reapply yes`"
    backup = settings.backup
    if backup.tool == "pgbackrest":
        return Remains("backups by pgBackRest, and their log", None, f"its own retention; {again}")
    if not backup.to:
        return Remains("backups that others make of the database", None, f"their own retention; {again}")
    # A full backup stays while one that was made on top of it does.
    until = requested_at + timedelta(days=backup.keep_days + backup.full_every_days)
    return Remains(
        "backups, dumps and the log kept with them (TRUNKLINE_BACKUP_TO)",
        until,
        f"the first `backup` after it, where {backup.keep_least} newer ones were verified by then; {again}",
    )
