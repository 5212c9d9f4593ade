"""The SQL of the knowledge base: numbered files that make its tables, forward only, and named queries."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import asyncpg

from engine import sql
from engine.errors import ConfigurationError

_SQL: Final = Path(__file__).with_name("sql")


@lru_cache(maxsize=1)
def queries() -> dict[str, str]:
    """The named queries."""
    return sql.named_queries(_SQL / "queries.sql")


def migrations() -> list[sql.Migration]:
    """The files that make the tables."""
    return sql.migrations("knowledge", _SQL)


async def migrate(connection: Any) -> list[str]:
    """Bring the tables up to date; names of the files that were applied. Safe to run twice, or in two processes.

    Raises ConfigurationError where the server has no pgvector, asyncpg.PostgresError for any other fault.
    """
    wanted = migrations()
    await _adopt(connection, wanted)
    return await sql.migrate(connection, wanted, explain=_explain)


async def _adopt(connection: Any, wanted: list[sql.Migration]) -> None:
    """Earlier releases had a table of their own for what was applied."""
    async with connection.transaction():
        if await connection.fetchval("SELECT to_regclass('knowledge_migrations')") is None:
            return
        await connection.execute("LOCK TABLE knowledge_migrations IN ACCESS EXCLUSIVE MODE")
        await sql.make_table(connection)
        names = {row["name"] for row in await connection.fetch("SELECT name FROM knowledge_migrations")}
        for one in wanted:
            if one.name.partition("/")[2] in names:
                await connection.execute(
                    "INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                    one.name,
                    one.checksum,
                )
        await connection.execute("DROP TABLE knowledge_migrations")


def _explain(error: Exception) -> ConfigurationError | None:
    if isinstance(error, asyncpg.UndefinedFileError | asyncpg.FeatureNotSupportedError):
        return ConfigurationError("the database server has no pgvector (extension `vector`): install it")
    return None
