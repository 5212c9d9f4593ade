"""What is in a database at one place of its log: rows by table, samples of their content, the schema.

Taken of the live database when it is backed up, and of the restored one when that is checked: both must be the same.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import asyncpg

from ops.backup.database import connected, queries
from ops.backup.errors import BackupError
from ops.backup.sealing import Key
from ops.backup.wal import position

SAMPLED_BYTES: Final = 32 << 20
"""A table larger than that is sampled: about as many bytes of it, by whole pages, the same ones each time."""
EDITION: Final = 2
"""Of the schema's digest. 1: tables, columns, indexes, constraints, triggers, views, functions, extensions. 2: owners,
privileges, policies and labels of enumerations too."""
_TRIES: Final = 5
_PAUSE_SECONDS: Final = 2.0
_SEED: Final = 20


@dataclass(frozen=True, slots=True)
class Table:
    """One table, or one partition, at the mark."""

    rows: int
    percent: float
    """How much of it was sampled."""
    sample: str
    """Digest of the sampled rows by the owner's key, so that it tells nothing of them."""


@dataclass(frozen=True, slots=True)
class Contents:
    """All of a database at the mark."""

    schema: str
    """SHA-256 of all that is defined; before it, with a colon, its edition, where that is not the first."""
    tables: Mapping[str, Table] = field(default_factory=dict)
    sequences: Mapping[str, int] = field(default_factory=dict)
    """The last value that each had given out."""

    @property
    def edition(self) -> int:
        """Of its schema: what is in the digest has grown with the versions of Trunkline."""
        edition, colon, _ = self.schema.partition(":")
        return int(edition) if colon else 1

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(table.rows for table in self.tables.values())


@dataclass(frozen=True, slots=True)
class Mark:
    """A place of the log at which the contents are known."""

    lsn: int
    at: float
    """By the server's clock, seconds since 1970-01-01 UTC."""
    contents: Contents


async def marked(url: str, key: Key) -> Mark:
    """Contents of the live database, and the place of the log at which it has exactly these.

    Writers wait for the moment in which a snapshot is taken (all tables are locked against writing meanwhile, some
    milliseconds), not for the counting. Raises BackupError.
    """
    server = queries("server.sql")
    async with connected(url) as holder, connected(url) as reader:
        tables = await holder.fetch(queries()["tables"])
        names = ", ".join(row["quoted"] for row in tables)
        for tried in range(1, _TRIES + 1):
            try:
                async with holder.transaction():
                    if names:
                        await holder.execute(f"LOCK TABLE {names} IN SHARE MODE")
                    # Before the mark: no snapshot holds them still.
                    sequences = await _sequences(holder)
                    mark = await holder.fetchrow(server["mark"])
                    transaction = reader.transaction(isolation="repeatable_read", readonly=True)
                    await transaction.start()
                    if names:
                        await reader.execute(f"LOCK TABLE {names} IN ACCESS SHARE MODE")
                    await reader.fetchval("SELECT 1")  # takes the snapshot
                    await holder.fetchval(server["beat"])
                break
            except asyncpg.LockNotAvailableError:
                if tried == _TRIES:
                    raise BackupError(
                        f"the records' tables could not be locked for a moment in {_TRIES} tries: does a transaction "
                        "on them stand open?"
                    ) from None
                await asyncio.sleep(_PAUSE_SECONDS)
            except asyncpg.InsufficientPrivilegeError as error:
                raise BackupError(
                    "the user of the backups may not lock the records' tables: grant it their owner's role"
                ) from error
        contents = replace(await read(reader, key), sequences=sequences)
        await transaction.rollback()
    return Mark(position(mark["lsn"]), float(mark["at"]), contents)


async def _sequences(connection: Any) -> dict[str, int]:
    return {row["name"]: int(row["value"]) for row in await connection.fetch(queries()["sequences"])}


async def read(
    connection: Any, key: Key, percents: Mapping[str, float] | None = None, *, edition: int = EDITION
) -> Contents:
    """Contents as the transaction of ``connection`` sees them. ``percents``: how much to sample of each table; None: as
    its size says. ``edition``: of the schema's digest.
    """
    found: dict[str, Table] = {}
    for row in await connection.fetch(queries()["tables"]):
        if not row["has_rows"]:
            continue
        name = row["name"]
        percent = min(100.0, 100.0 * SAMPLED_BYTES / max(row["bytes"], 1))
        if percents is not None:
            percent = percents.get(name, percent)
        rows = await connection.fetchval(f"SELECT count(*) FROM ONLY {row['quoted']}")  # noqa: S608 - by the server
        total = await connection.fetchval(
            "SELECT count(*) || '/' || coalesce(sum(hashtextextended(whole_row_::text, 0)::numeric), 0)"  # noqa: S608
            f" FROM ONLY {row['quoted']} AS whole_row_ TABLESAMPLE SYSTEM ($1) REPEATABLE ({_SEED})",
            percent,
        )
        found[name] = Table(int(rows), percent, key.digest(f"contents {name}", str(total).encode())[:32])
    lines = [str(row["line"]) for row in await connection.fetch(queries()["schema"])]
    if edition > 1:
        lines += [str(row["line"]) for row in await connection.fetch(queries()["schema_more"])]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return Contents(f"{edition}:{digest}" if edition > 1 else digest, found, await _sequences(connection))


def differences(recorded: Contents, restored: Contents) -> list[str]:
    """What is not the same, one line each; names and numbers, no content."""
    found = []
    if recorded.schema != restored.schema:
        found.append("the schema differs")
    for name, given in recorded.sequences.items():
        if restored.sequences.get(name, given - 1) < given:
            found.append(f"the sequence {name} would give out values again that it had given out")
    for name in sorted({*recorded.tables, *restored.tables}):
        was, now = recorded.tables.get(name), restored.tables.get(name)
        if was is None or now is None:
            found.append(f"{name} is {'new' if was is None else 'missing'}")
        elif was.rows != now.rows:
            found.append(f"{name} has {now.rows} rows, recorded were {was.rows}")
        elif was.sample != now.sample:
            found.append(f"{name} has other content")
    return found
