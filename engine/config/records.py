"""Settings of the records: the databases that take them, and the outbox that keeps them until they are taken."""

# ruff: noqa: RUF009 - ``setting`` makes a dataclass field, it is no shared default
from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.config.setting import Secret, setting

EMBEDDED: Final = "embedded"
NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class RecordsSettings:
    """Where calls are recorded."""

    database: Secret = setting(
        Secret(EMBEDDED),
        "PostgreSQL for the records: `embedded` runs one beside the engine, `none` keeps no records, or the URL of "
        "your own (15 to 18), whose tables `trunkline db migrate` makes.",
        pattern=r"embedded|none|postgres(?:ql)?://[^\s]+",
        expected="`embedded`, `none` or a URL (`postgresql://USER:PASSWORD@HOST/DATABASE`)",
    )
    redis: Secret = setting(
        Secret(EMBEDDED),
        "Redis or Valkey for pages that watch calls: `embedded` runs one beside the engine, `none` does without, or "
        "the URL of your own.",
        pattern=r"embedded|none|(?:rediss?|unix)://[^\s]+",
        expected="`embedded`, `none` or a URL (`redis://…`, `rediss://…`, `unix://…`)",
    )
    database_dir: str = setting(
        "",
        "Folder of the embedded PostgreSQL; empty: `postgres` in the state folder. Relative to the working directory.",
        path_with_slash=True,
    )
    database_pool: int = setting(
        2, "Connections of a node's recorder to PostgreSQL.", unit="connections", at_least=1, at_most=100
    )
    stream_events: int = setting(
        100_000, "Events that the Redis stream `calls:events` keeps, about.", unit="events", at_least=100
    )
    outbox_segment_mb: int = setting(
        8, "Size of one file of the outbox.", unit="MB", at_least=1, at_most=1024, variable="OUTBOX_SEGMENT_MB"
    )
    outbox_reserve_mb: int = setting(
        32,
        "Disk space that is taken beforehand, so that events find room when the disk is full.",
        unit="MB",
        at_least=1,
        at_most=65_536,
        variable="OUTBOX_RESERVE_MB",
    )
    batch_events: int = setting(
        500, "Most events written in one transaction.", unit="events", at_least=1, at_most=10_000
    )
    batch_wait_ms: int = setting(
        200, "How long events may wait for others to be written with.", unit="ms", at_least=10, at_most=10_000
    )

    @property
    def wanted(self) -> bool:
        """Whether anything is to be recorded."""
        return not (self.database.reveal() == NONE and self.redis.reveal() == NONE)
