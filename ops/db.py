"""``trunkline db``: the tables of the records, made and looked at."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg

from engine import sql
from engine.config import Settings
from engine.config.records import EMBEDDED
from engine.errors import ConfigurationError, TrunklineError
from engine.records.places import database_url
from engine.sql import FAULTS
from ops.tables import Made, make_tables, state_of_tables

CONNECT_SECONDS: Final = 10.0
OLDEST: Final = 15
UP_TO_DATE, UNREACHABLE, PENDING = 0, 1, 3
"""Exit codes of ``status``."""

NOT_RUNNING: Final = "the embedded database does not run; its tables are made whenever `trunkline up` starts it"
_FAILURES = (*FAULTS, ValueError)
"""ValueError: an address that is none, such as a password with a slash in it that is not escaped."""


class DatabaseAway(TrunklineError):
    """The records' database cannot be reached, or fails."""


def migrate(settings: Settings) -> None:
    """Apply what is missing and say what was applied. Raises ConfigurationError, DatabaseAway."""
    made = asyncio.run(_migrate(_url(settings)))
    for name in made.applied:
        print(f"applied {name}")
    print(f"{len(made.applied)} applied, the tables are up to date" if made.applied else "the tables are up to date")
    if made.lacking:
        print(made.lacking)


def status(settings: Settings) -> int:
    """Print how the database stands to this release; the exit code. Raises ConfigurationError where there is none."""
    if not database_url(settings) and settings.records.database.reveal() == EMBEDDED:
        print(NOT_RUNNING)
        return UNREACHABLE
    url = _url(settings)
    try:
        found, lacking = asyncio.run(_state(url))
    except DatabaseAway as error:
        print(error)
        return UNREACHABLE
    for title, names in (
        ("applied", found.applied),
        ("pending", found.pending),
        ("changed since it was applied", found.changed),
        ("of a newer release", found.unknown),
    ):
        for name in names:
            print(f"{title}: {name}")
    if lacking:
        print(lacking)
    if found.pending:
        print("run `trunkline db migrate`")
    return PENDING if found.pending or found.changed else UP_TO_DATE


def _url(settings: Settings) -> str:
    url = database_url(settings)
    if url:
        return url
    if settings.records.database.reveal() == EMBEDDED:
        raise ConfigurationError(NOT_RUNNING)
    raise ConfigurationError(
        "there is no database for records (TRUNKLINE_DATABASE=none): set TRUNKLINE_DATABASE to its URL, "
        "postgresql://USER:PASSWORD@HOST/DATABASE"
    )


def state_of(url: str) -> sql.State:
    """How the database at ``url`` stands to this release. Raises DatabaseAway, ConfigurationError."""
    return asyncio.run(_state(url))[0]


async def _migrate(url: str) -> Made:
    async with _connected(url) as connection:
        return await make_tables(connection)


async def _state(url: str) -> tuple[sql.State, str]:
    async with _connected(url) as connection:
        return await state_of_tables(connection)


@contextlib.asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    """Raises DatabaseAway, and ConfigurationError where the server is too old."""
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS, command_timeout=sql.STATEMENT_SECONDS + 10)
        try:
            version = connection.get_server_version().major
            if version < OLDEST:
                raise ConfigurationError(f"the database server is PostgreSQL {version}: {OLDEST} or newer is needed")
            yield connection
        finally:
            connection.terminate()
    except asyncpg.LockNotAvailableError as error:
        raise DatabaseAway("a table is locked by somebody else for long: find who, or try again later") from error
    except _FAILURES as error:
        # The text of such an error may show an address or a value: its kind is enough.
        raise DatabaseAway(
            f"the records' database cannot be reached, or fails ({type(error).__name__}): see that it runs"
        ) from error
