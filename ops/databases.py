"""The databases that run beside the engine where the settings name none of your own."""

from __future__ import annotations

from collections.abc import Callable

from engine.config import Settings
from engine.config.records import EMBEDDED
from ops.child import Keeper


def embedded_databases(settings: Settings, say: Callable[[str], None]) -> list[Keeper]:
    """Their keepers, not started. ``say`` is told where one does not run: calls go on without it."""
    keepers = []
    if settings.records.database.reveal() == EMBEDDED:
        from ops.embedded_postgres import EmbeddedPostgres  # noqa: PLC0415

        keepers.append(Keeper(EmbeddedPostgres(settings, say), say))
    if settings.records.redis.reveal() == EMBEDDED:
        from ops.embedded_valkey import EmbeddedValkey  # noqa: PLC0415

        keepers.append(Keeper(EmbeddedValkey(settings), say))
    return keepers
