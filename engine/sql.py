"""SQL that lives in files: tables made by numbered migrations, forward only, and named queries.

A folder of SQL holds ``NNNN_name.sql`` files, which are applied once in their order and never changed afterwards, and
files of queries, each under a line ``-- name: what_it_does``. Applied files stand in the table ``schema_migrations``
with a checksum, those of several folders side by side: a folder's files are named ``family/NNNN_name.sql`` there.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

from engine.errors import ConfigurationError

FAULTS: Final = (
    OSError,  # and TimeoutError
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the connection was cut in the middle of an answer
)
"""All that asyncpg raises. The text of these may show a row's values: tell their kind alone."""
LOCK_SECONDS: Final = 5
"""How long a statement may wait for a lock that a call's records hold: whoever waits for a table keeps others waiting
behind him."""
STATEMENT_SECONDS: Final = 600
TRIES: Final = 6
"""How often a file is begun whose locks could not be had."""
PAUSE_SECONDS: Final = 2.0

_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_LOCK: Final = 0x74726B6C
"""Of the database, so that two processes do not make the tables at once."""
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS schema_migrations"
    " (name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
)

Explain = Callable[[Exception], ConfigurationError | None]
"""Turns an error of a migration into one that says what to do; None: it cannot."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    name: str
    """As ``schema_migrations`` has it, such as ``records/0001_calls.sql``."""
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class State:
    """How a database stands to the files."""

    applied: tuple[str, ...]
    pending: tuple[str, ...]
    changed: tuple[str, ...]
    """Applied, and not the file that is here now."""
    unknown: tuple[str, ...]
    """Applied by a newer release."""


def named_queries(file: Path) -> dict[str, str]:
    """The queries of a file by their names."""
    _, *parts = _NAME.split(file.read_text(encoding="utf-8"))
    return {name: text.strip().rstrip(";") for name, text in zip(parts[::2], parts[1::2], strict=True)}


def migrations(family: str, folder: Path) -> list[Migration]:
    """The numbered files of a folder, in their order."""
    files = sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    return [Migration(f"{family}/{file.name}", file.read_text(encoding="utf-8")) for file in files]


async def state(connection: Any, wanted: list[Migration]) -> State:
    """What has been applied of ``wanted``. Changes nothing. Raises asyncpg.PostgresError."""
    if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
        return State((), tuple(one.name for one in wanted), (), ())
    rows = {
        row["name"]: row["checksum"] for row in await connection.fetch("SELECT name, checksum FROM schema_migrations")
    }
    families = {one.name.partition("/")[0] for one in wanted}
    known = {one.name for one in wanted}
    return State(
        applied=tuple(one.name for one in wanted if one.name in rows),
        pending=tuple(one.name for one in wanted if one.name not in rows),
        changed=tuple(one.name for one in wanted if rows.get(one.name, one.checksum) != one.checksum),
        unknown=tuple(sorted(name for name in rows if name.partition("/")[0] in families and name not in known)),
    )


async def migrate(connection: Any, wanted: list[Migration], *, explain: Explain = lambda _error: None) -> list[str]:
    """Apply what is missing; its names. Each file is a transaction of its own. Safe twice, in two processes at once,
    and while calls are recorded: a file whose locks are not to be had is begun again a little later.

    Raises ConfigurationError where an applied file was changed since or what ``explain`` makes of an error, and
    asyncpg.PostgresError for any other fault: files before that one stay applied.
    """
    applied = []
    await make_table(connection)
    for one in wanted:
        for attempt in range(1, TRIES + 1):
            try:
                if await _apply(connection, one, explain):
                    applied.append(one.name)
                break
            except asyncpg.LockNotAvailableError:
                if attempt == TRIES:
                    raise
                await asyncio.sleep(PAUSE_SECONDS)
    return applied


async def make_table(connection: Any) -> None:
    """The table of what was applied, where it is missing."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)  # IF NOT EXISTS is not safe in a race
        await connection.execute(_TABLE)


async def _apply(connection: Any, one: Migration, explain: Explain) -> bool:
    """Whether it had to be applied."""
    async with connection.transaction():
        await connection.execute(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'")  # the lock's wait too
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        checksum = await connection.fetchval("SELECT checksum FROM schema_migrations WHERE name = $1", one.name)
        if checksum == one.checksum:
            return False
        if checksum is not None:
            raise ConfigurationError(
                f"the database has {one.name} in another form than this release: an applied migration is never changed."
                " Install the release that made it, or put the change into a new file"
            )
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        with _explained(explain):
            await connection.execute(one.text)
        await connection.execute(
            "INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)", one.name, one.checksum
        )
    return True


@contextmanager
def _explained(explain: Explain) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        told = explain(error)
        if told is None:
            raise
        raise told from error
