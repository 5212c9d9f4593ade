"""The SQL of the knowledge base: numbered files that make its tables, forward only, and named queries."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import asyncpg

from engine.errors import ConfigurationError

_SQL: Final = Path(__file__).with_name("sql")
_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_LOCK: Final = 0x6B6E6F77
"""Of the database, so that two processes do not make the tables at once."""


@lru_cache(maxsize=1)
def queries() -> dict[str, str]:
    """The named queries."""
    _, *parts = _NAME.split((_SQL / "queries.sql").read_text(encoding="utf-8"))
    return {name: text.strip().rstrip(";") for name, text in zip(parts[::2], parts[1::2], strict=True)}


async def migrate(connection: Any) -> list[str]:
    """Bring the tables up to date; names of the files that were applied. Safe to run twice, or in two processes.

    Raises ConfigurationError where the server has no pgvector, asyncpg.PostgresError for any other fault.
    """
    applied = []
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS knowledge_migrations"
            " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        done = {row["name"] for row in await connection.fetch("SELECT name FROM knowledge_migrations")}
        for file in sorted(_SQL.glob("[0-9]*.sql")):
            if file.name in done:
                continue
            try:
                await connection.execute(file.read_text(encoding="utf-8"))
            except (asyncpg.UndefinedFileError, asyncpg.FeatureNotSupportedError) as error:
                raise ConfigurationError(
                    "the database server has no pgvector (extension `vector`): install it"
                ) from error
            await connection.execute("INSERT INTO knowledge_migrations (name) VALUES ($1)", file.name)
            applied.append(file.name)
    return applied
