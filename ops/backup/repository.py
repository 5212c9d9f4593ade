"""The port to where backups are kept: names and bytes, nothing of what they mean."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from engine.config import Settings
from engine.errors import ConfigurationError

FOLDERS: Final = ("backups/", "wal/", "dumps/", "erasures/", "status/", "damaged/")
"""All that we keep is in one of these; what lies beside them may be others'."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One object."""

    name: str
    """Parts with slashes between them, such as ``backups/20261122T021500Z/record``."""
    bytes: int
    changed_at: float
    """Seconds since 1970-01-01 UTC, by the storage's clock."""


class Repository(Protocol):
    """Raises RepositoryGone where the storage is slow, gone or broken, after tries of its own."""

    async def put(self, name: str, source: AsyncIterable[bytes]) -> None:
        """Keep what ``source`` yields under ``name``: all of it or, where anything fails, nothing. Replaces what was
        there, in one step. When it returns, a crash does not lose it.
        """

    def get(self, name: str) -> AsyncGenerator[bytes, None]:
        """Its bytes, in pieces. Raises ObjectMissing."""

    async def beginning(self, name: str, size: int) -> bytes:
        """Its first ``size`` bytes, or all where there are fewer. Raises ObjectMissing."""

    async def listing(self, prefix: str) -> list[Kept]:
        """Objects whose names begin with ``prefix``, sorted by name; nothing half-written is among them."""

    async def delete(self, name: str) -> None:
        """Remove it; what is not there is no fault."""

    async def sweep(self, now: float) -> list[str]:
        """Remove what a put that was killed left half-written, never what one that lives writes; the names. ``now``:
        seconds since 1970-01-01 UTC.
        """

    @property
    def place(self) -> str:
        """Where it is, for people; no secret in it."""


def open_repository(settings: Settings) -> Repository:
    """The one that the settings name. Raises ConfigurationError."""
    to = settings.backup.to
    if not to:
        raise ConfigurationError(
            "there is no place for backups: set TRUNKLINE_BACKUP_TO to a folder or to s3://BUCKET/PREFIX"
        )
    if to.startswith("s3://"):
        from ops.backup.s3 import S3Repository  # noqa: PLC0415 - an extra

        return S3Repository(to, settings.backup_s3)
    from ops.backup.folder import FolderRepository  # noqa: PLC0415 - beside the other

    return FolderRepository(Path(to))
