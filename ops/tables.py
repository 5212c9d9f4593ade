"""The tables of the records' database: the records' own, and the knowledge base's where the server has pgvector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from engine import sql
from engine.errors import ConfigurationError
from engine.knowledge import tables as knowledge
from engine.records.writer import migrations

_AVAILABLE: Final = "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector')"
_ALLOWED: Final = """
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector')
    OR rolsuper
    OR (SELECT bool_or(trusted) FROM pg_available_extension_versions WHERE name = 'vector')
        AND has_database_privilege(current_database(), 'CREATE')
FROM pg_roles WHERE rolname = current_user
"""
NO_VECTORS: Final = (
    "no knowledge_articles: the database server has no pgvector (extension `vector`); install it there, or name a "
    "database of the knowledge base in TRUNKLINE_KNOWLEDGE"
)
NOT_ALLOWED: Final = (
    "no knowledge_articles: this user may not make the extension `vector`; have a superuser run CREATE EXTENSION "
    "vector in this database, then `trunkline db migrate`"
)


@dataclass(frozen=True, slots=True)
class Made:
    """What was applied, and what could not be."""

    applied: tuple[str, ...]
    lacking: str = ""
    """Why there are no tables of the knowledge base; empty: there are. Calls are recorded all the same."""


async def make_tables(connection: Any) -> Made:
    """Bring them up to date; safe twice, and in two processes. Raises ConfigurationError and asyncpg.PostgresError, for
    the records' own: what hinders those of the knowledge base hinders no call.
    """
    applied = await sql.migrate(connection, migrations())
    if not await connection.fetchval(_AVAILABLE):
        return Made(tuple(applied), NO_VECTORS)
    try:
        applied += await knowledge.migrate(connection)
    except asyncpg.InsufficientPrivilegeError:
        return Made(tuple(applied), NOT_ALLOWED)
    except ConfigurationError as error:
        return Made(tuple(applied), f"no knowledge_articles: {error}")
    except asyncpg.PostgresError as error:
        return Made(tuple(applied), f"no knowledge_articles: the database refuses them ({type(error).__name__})")
    return Made(tuple(applied))


async def state_of_tables(connection: Any) -> tuple[sql.State, str]:
    """How the database stands to this release, and why it can have no tables of the knowledge base; empty: it can."""
    wanted = migrations()
    lacking = "" if await connection.fetchval(_AVAILABLE) else NO_VECTORS
    if not lacking and not await connection.fetchval(_ALLOWED):
        lacking = NOT_ALLOWED
    if not lacking:
        wanted += knowledge.migrations()
    return await sql.state(connection, wanted), lacking
