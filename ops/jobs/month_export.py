"""A table written as compressed CSV, for good: on disk, under its last name, with a checksum, before it is dropped."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from ops.jobs.job import JobFailed

_BLOCK: Final = 1 << 20
_LEVEL: Final = 6


@dataclass(frozen=True, slots=True)
class Exported:
    """A finished file."""

    file: Path
    rows: int
    size: int
    """Bytes."""
    sha256: str


async def export_table(connection: Any, table: str, folder: Path) -> Exported:
    """Write ``table`` to ``folder/TABLE.csv.gz`` and its checksum beside it (as ``sha256sum -c`` reads it).

    A file of that name is left as it is, and the new one numbered. Raises JobFailed where the file cannot be written or
    does not read back as it was written; asyncpg.PostgresError.
    """
    try:
        final = await asyncio.to_thread(_free_name, folder, table)
        part = final.with_name(f".{final.name}.part")
        rows = await _copy(connection, table, part)
        digest = await asyncio.to_thread(_checked, part)
        await asyncio.to_thread(_publish, part, final, digest)
        return Exported(final, rows, final.stat().st_size, digest)
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise JobFailed(
            f"{table} could not be exported to {folder}: {getattr(error, 'strerror', None) or error}"
        ) from error


async def _copy(connection: Any, table: str, part: Path) -> int:
    """Rows written. The file is on disk when this returns."""
    with _private(part) as raw:
        with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=_LEVEL, mtime=0) as out:

            async def take(data: bytes) -> None:
                await asyncio.to_thread(out.write, data)

            status = await connection.copy_from_table(table, output=take, format="csv", header=True)
        raw.flush()
        await asyncio.to_thread(os.fsync, raw.fileno())
    return int(status.rpartition(" ")[2])


def _checked(part: Path) -> str:
    """Its SHA-256, once it was read back and unpacked to the end."""
    digest = hashlib.sha256()
    with part.open("rb") as raw:
        while block := raw.read(_BLOCK):
            digest.update(block)
    with gzip.open(part) as packed:
        while packed.read(_BLOCK):
            pass
    return digest.hexdigest()


def _publish(part: Path, final: Path, digest: str) -> None:
    note = final.with_name(f"{final.name}.sha256")
    with _private(note) as out:
        out.write(f"{digest}  {final.name}\n".encode())
        out.flush()
        os.fsync(out.fileno())
    part.rename(final)
    handle = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _free_name(folder: Path, table: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    number = 1
    while True:
        name = f"{table}.csv.gz" if number == 1 else f"{table}.{number}.csv.gz"
        if not (folder / name).exists():
            return folder / name
        number += 1


def _private(file: Path) -> BinaryIO:
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
