"""Where the databases of the records are. Those that run beside the engine write their address into a private file."""

from __future__ import annotations

from pathlib import Path

from engine.config import Settings
from engine.config.records import EMBEDDED, NONE


def postgres_folder(settings: Settings) -> Path:
    """Folder of the embedded PostgreSQL: its address and password, and its data where they may lie there."""
    given = settings.records.database_dir
    return Path(given) if given else settings.paths.state_dir / "postgres"


def valkey_folder(settings: Settings) -> Path:
    return settings.paths.state_dir / "valkey"


def database_url(settings: Settings) -> str:
    """URL of the records' PostgreSQL; empty where there is none, or the embedded one does not run."""
    given = settings.records.database.reveal()
    return read_url(postgres_folder(settings)) if given == EMBEDDED else "" if given == NONE else given


def redis_url(settings: Settings) -> str:
    """As ``database_url``, of the Redis."""
    given = settings.records.redis.reveal()
    return read_url(valkey_folder(settings)) if given == EMBEDDED else "" if given == NONE else given


def read_url(folder: Path) -> str:
    """What stands in the file ``url`` of an embedded server's folder; empty while it does not run."""
    try:
        return (folder / "url").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
