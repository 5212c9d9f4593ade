"""A PostgreSQL of one's own for a while: for measurements and rehearsals."""

from __future__ import annotations

from typing import Any

from engine.config import Settings
from ops.embedded_postgres import EmbeddedPostgres


class OwnPostgres:
    """The embedded PostgreSQL of these settings' state folder, stopped and started at will."""

    def __init__(self, settings: Settings) -> None:
        self._postgres = EmbeddedPostgres(settings)
        self._process: Any = None

    def start(self) -> None:
        """Start it, with its tables up to date. Raises ServerFailed."""
        self._process = self._postgres.start()

    def stop(self) -> None:
        """Idempotent."""
        process, self._process = self._process, None
        self._postgres.withdraw()
        if process is not None:
            self._postgres.stop(process)
        self._postgres.release()
