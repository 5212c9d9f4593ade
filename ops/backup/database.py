"""The database that is backed up: how it is reached, and what it says of itself."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import asyncpg

from engine.config import Settings
from engine.errors import ConfigurationError
from engine.sql import FAULTS, named_queries
from ops.backup.errors import BackupError, DatabaseGone
from ops.jobs.database import try_lock

CONNECT_SECONDS: Final = 10.0
STATEMENT_SECONDS: Final = 600.0
LOCK_MS: Final = 2000
_SQL: Final = Path(__file__).with_name("sql")
LOCKS: Final = {"backup": 0x62616B75, "wal": 0x77616C31, "restore-check": 0x72657374, "dump": 0x64756D70}
"""Numbers of the advisory locks, one a job: two runs of it must not meet."""


def queries(file: str = "contents.sql") -> dict[str, str]:
    """The named queries of a file."""
    return named_queries(_SQL / file)


@dataclass(frozen=True, slots=True)
class Server:
    """What a server says of itself."""

    version: str
    system_id: str
    """Tells clusters apart: 64 bits, decimal."""
    segment_bytes: int
    summarizes_wal: bool
    database: str
    superuser: str
    """A role that may do everything, in a restored server too."""
    holds_without_limit: bool = False
    """Log for a slot (``max_slot_wal_keep_size`` = -1): a forgotten one fills its disk."""


def database_url(settings: Settings, records: str) -> str:
    """URL by which backups are taken. Raises ConfigurationError."""
    url = settings.backup.database.reveal() or records
    if not url:
        raise ConfigurationError("there is no database to back up: set the records' URL, or TRUNKLINE_BACKUP_DATABASE")
    return url


def for_programs(url: str, database: str = "") -> tuple[str, dict[str, str]]:
    """The URL without its password, which every process of the machine could read, and the environment that has it.

    Raises ConfigurationError for a secret that no environment takes.
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = f"{parts.username}@" if parts.username else ""
    path = f"/{database}" if database else parts.path
    query, password = [], unquote(parts.password or "")
    for part in parts.query.split("&"):
        name, _, value = part.partition("=")
        match unquote(name):
            case "password":
                password = unquote(value)
            case "sslpassword":
                raise ConfigurationError(
                    "the URL of the database has sslpassword in it, which PostgreSQL's programs take on their command "
                    "line alone, where others can read it: use a key without a passphrase, its file closed to others"
                )
            case _:
                query.append(part)
    bare = f"{parts.scheme}://{user}{host}{path}" + (f"?{'&'.join(query)}" if any(query) else "")
    return bare, {"PGPASSWORD": password} if password else {}


@contextlib.asynccontextmanager
async def connected(url: str, *, application: str = "trunkline-backup") -> AsyncIterator[Any]:
    """A connection whose waits are bounded. Raises BackupError for whatever the database does."""
    # The text of its errors may show an address or a value: their kind is enough.
    try:
        connection = await asyncpg.connect(
            url, timeout=CONNECT_SECONDS, command_timeout=STATEMENT_SECONDS, server_settings=_session(application)
        )
    except FAULTS as error:
        raise DatabaseGone(f"the database cannot be reached ({type(error).__name__})") from error
    try:
        yield connection
    except (
        ConnectionError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,  # a connection that was cut in the middle of an answer
        asyncpg.PostgresConnectionError,
    ) as error:
        raise DatabaseGone(f"the connection to the database broke ({type(error).__name__})") from error
    except asyncpg.PostgresError as error:
        raise DatabaseGone(f"the database failed ({type(error).__name__})") from error
    finally:
        connection.terminate()


def _session(application: str) -> dict[str, str]:
    return {
        "application_name": application,
        "lock_timeout": str(LOCK_MS),
        "statement_timeout": f"{STATEMENT_SECONDS:.0f}s",
        "idle_in_transaction_session_timeout": "0",
        # What a row looks like as text must not hang on who asks.
        "datestyle": "ISO, YMD",
        "timezone": "UTC",
        "intervalstyle": "postgres",
        "extra_float_digits": "1",
        "bytea_output": "hex",
        "search_path": "public",
    }


@contextlib.asynccontextmanager
async def alone(url: str, job: str) -> AsyncIterator[bool]:
    """Whether no other run of this job is under way; none begins until the block is left.

    The lock belongs to a transaction on a connection of its own, so that it ends with either.
    """
    async with connected(url, application=f"trunkline-{job}-lock") as connection:
        transaction = connection.transaction(isolation="read_committed")
        await transaction.start()
        yield await try_lock(connection, "SELECT pg_try_advisory_xact_lock($1)", LOCKS[job])
        with contextlib.suppress(*FAULTS):
            await transaction.rollback()


async def facts(connection: Any) -> Server:
    """What the server says of itself. Raises BackupError where it cannot be backed up."""
    row = await connection.fetchrow(queries("server.sql")["facts"])
    if row["standby"]:
        raise BackupError("the server is a standby: take backups from the primary, TRUNKLINE_BACKUP_DATABASE names it")
    if row["tablespaces"]:
        raise BackupError(
            "the server has tablespaces of its own, which these backups do not hold: move them into the data folder, "
            "or set TRUNKLINE_BACKUP_TOOL=pgbackrest"
        )
    if not row["may_replicate"]:
        raise BackupError(
            "the user of the backups may not replicate: ALTER ROLE … REPLICATION, and a line for `replication` in "
            "pg_hba.conf"
        )
    return Server(
        version=str(row["version"]).split(" ")[0],
        system_id=str(row["system_id"]),
        segment_bytes=int(row["segment_bytes"]),
        summarizes_wal=bool(row["summarizes_wal"]),
        database=str(row["database"]),
        superuser=str(row["superuser"]),
        holds_without_limit=bool(row["holds_without_limit"]),
    )
