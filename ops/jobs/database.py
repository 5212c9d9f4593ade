"""The records' database as the jobs reach it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg

from engine.config import Settings
from engine.config.records import NONE
from engine.records.partition_facts import SESSION
from engine.records.places import database_url
from engine.sql import FAULTS
from ops.jobs.job import JobFailed

CONNECT_SECONDS: Final = 10.0
DDL_LOCK: Final = 0x74726B6C70617274
"""Advisory lock of whoever changes partitions, held by its transaction."""
LOCK_MS: Final = 3000
"""Longest wait for a lock: calls that are recorded wait behind whoever waits for an exclusive one."""
STATEMENT_MS: Final = 600_000
SILENCE: Final = 5.0
"""Seconds beyond a statement's own limit after which a server that says nothing is given up."""
GONE: Final = {"tcp_keepalives_idle": "60", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "6"}
"""The server lets go of the lock of a machine that lost its power after two minutes, and not after two hours."""


def records_database(settings: Settings) -> str:
    """URL of the records' database; empty where there is none by the settings.

    Raises JobFailed where it should be there and does not run.
    """
    url = database_url(settings)
    if not url and settings.records.database.reveal() != NONE:
        raise JobFailed("the embedded PostgreSQL does not run: start `trunkline up`, or set TRUNKLINE_DATABASE")
    return url


@contextlib.asynccontextmanager
async def connected(
    url: str, *, lock_ms: int = LOCK_MS, statement_ms: int = STATEMENT_MS, timeout: float = CONNECT_SECONDS
) -> AsyncIterator[Any]:
    """An asyncpg connection for one job, in UTC, whose waits for locks and statements are bounded.

    Raises JobFailed where the database is away; errors of the statements pass through.
    """
    bounds = {
        "lock_timeout": str(lock_ms),
        "statement_timeout": str(statement_ms),
        "idle_in_transaction_session_timeout": "0",
        **GONE,
    }
    try:
        connection = await asyncpg.connect(
            url,
            timeout=timeout,
            command_timeout=statement_ms / 1000 + SILENCE,
            server_settings={**SESSION, **bounds},
        )
    except (*FAULTS, ValueError) as error:
        # The text of such an error may show an address or a name: its kind is enough.
        raise JobFailed(f"the records' database cannot be reached ({type(error).__name__})") from error
    try:
        yield connection
    finally:
        with contextlib.suppress(*FAULTS):
            await connection.close(timeout=5)


async def try_lock(connection: Any, query: str, *arguments: Any) -> bool:
    """What ``query``, which tries an advisory lock of the transaction, says; after it the transaction has no snapshot.

    The portal of a query with arguments stays open until the next one, and with it a snapshot: vacuum would be held up,
    and whoever detaches a partition concurrently would wait, for as long as the lock is held. A plain query has none.
    """
    free = bool(await connection.fetchval(query, *arguments))
    await connection.execute("SELECT 1")
    return free
