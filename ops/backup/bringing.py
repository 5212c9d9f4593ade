"""One object out of the storage into a file: a dump for ``pg_restore``, or the globals for ``psql``."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from engine.errors import ConfigurationError
from ops.backup.catalogue import DUMPS, Part, read_catalogue
from ops.backup.clusters import cluster_tag
from ops.backup.dumping import entries_of, read_dumps
from ops.backup.errors import BackupError, Damaged, KeyMismatch, WrongVersion
from ops.backup.fetching import choose
from ops.backup.programs import find_programs
from ops.backup.site import Site

What = Literal["dump", "globals"]

AGAIN: Final = (
    "a dump brings back callers who were erased since: once it is loaded, before calls are taken, erase them again: "
    "`trunkline ops run erasure --reapply yes`"
)
"""What whoever loads a dump must know."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What was brought: opened with the key, and as it was recorded when it was made."""

    file: Path
    identity: str
    """Of the dump, or of the backup whose globals they are."""
    bytes: int
    told: str
    """What was looked at, for the operator."""


async def bring(site: Site, what: What, file: Path, *, identity: str = "", cluster: str = "") -> Brought:
    """Write it to ``file``, which must not be there and is its owner's alone; nothing is left where it fails.

    ``identity``: empty is the newest, whose key must be here; ``cluster``: empty is the only one. Raises
    ConfigurationError, BackupError and its kinds.
    """
    if await asyncio.to_thread(file.exists):
        raise ConfigurationError(f"{file} is there: move it out of the way, or name another")
    if not await asyncio.to_thread(file.parent.is_dir):
        raise ConfigurationError(f"{file.parent} is no folder: make it, or name another")
    if what == "globals":
        catalogue = await read_catalogue(site.repository, site.keys)
        backup = choose(catalogue, identity=identity, before=None, before_lsn=None, cluster=cluster)
        if not identity:
            _newest_opens(catalogue.closed, backup.id, cluster, "globals")
        size = await _write(site.fetch(backup.object("globals"), backup.parts["globals"]), file)
        return Brought(file, backup.id, size, "as it was recorded; `psql -f` reads it, before a dump is loaded")
    faults: dict[str, str] = {}
    body = await _dump(site, identity, cluster, faults)
    passed = "".join(f"; not looked at: {fault}" for each, fault in faults.items() if each > str(body["id"]))
    found, version = str(body["id"]), str(body["server_version"])
    size = await _write(site.fetch(f"{DUMPS}{found}/dump", Part(**body["part"])), file)
    try:
        entries = await entries_of(find_programs(site.settings.postgres_programs, version), file)
    except WrongVersion as error:
        return Brought(file, found, size, f"as it was recorded; not listed by pg_restore: {error}{passed}")
    except BaseException:
        await asyncio.to_thread(file.unlink, missing_ok=True)
        raise
    listed = f"pg_restore of PostgreSQL {version} lists {entries} entries"
    return Brought(file, found, size, f"as it was recorded; {listed}{passed}")


async def _dump(site: Site, identity: str, cluster: str, faults: dict[str, str]) -> dict[str, Any]:
    """What the one that is meant says of itself. Raises BackupError, KeyMismatch."""
    kept = await read_dumps(site)
    faults.update(kept.faults)
    dumps = kept.bodies
    if kept.closed and (identity in kept.closed or not dumps):
        raise KeyMismatch(kept.closed.get(identity) or kept.closed[max(kept.closed)])
    if identity in faults:
        raise Damaged(f"{faults[identity]}: take another, `trunkline ops backups` lists them")
    if identity:
        dumps = [each for each in dumps if each["id"] == identity]
        if not dumps:
            raise BackupError(f"there is no dump {identity}: `trunkline ops backups` lists them")
    if cluster:
        dumps = [each for each in dumps if each["system_id"] == cluster]
    if not dumps:
        if faults:
            raise Damaged(f"no dump can be read: {'; '.join(faults.values())}")
        of = f" of cluster {cluster}" if cluster else ""
        raise BackupError(f"there is no dump{of} yet: `trunkline ops run dump` makes one")
    clusters = sorted({f"{each['system_id'] or 'not recorded'} (database {each['database']})" for each in dumps})
    if len(clusters) > 1:
        raise BackupError(
            f"dumps of {len(clusters)} clusters are kept here: say which by --cluster ID, or one dump by its ID. There "
            f"are: {'; '.join(clusters)}"
        )
    if not identity:
        _newest_opens(kept.closed, str(dumps[-1]["id"]), cluster, "dump")
    return dumps[-1]


def _newest_opens(closed: Mapping[str, str], taken: str, cluster: str, what: What) -> None:
    """Raises KeyMismatch where one is newer than the one that would be ``taken`` for the newest, and its key is not
    here. Of which cluster it is, its id tells.
    """
    newer = [each for each in closed if each > taken and (not cluster or each.endswith(f"-{cluster_tag(cluster)}"))]
    if newer:
        raise KeyMismatch(
            f"{closed[max(newer)]}; it is newer than {taken}, the newest that opens: "
            f"`trunkline ops fetch {what} {taken}` takes that one"
        )


async def _write(source: AsyncGenerator[bytes, None], file: Path) -> int:
    """All of it or nothing; its bytes."""
    unfinished = file.with_name(f".{file.name}.writing")
    try:
        with await asyncio.to_thread(open, unfinished, "xb", opener=_private) as out:
            async with contextlib.aclosing(source):
                async for block in source:
                    await asyncio.to_thread(out.write, block)
            size = out.tell()
            await asyncio.to_thread(_flush, out.fileno())
        await asyncio.to_thread(unfinished.rename, file)
    except FileExistsError as error:
        raise ConfigurationError(f"{unfinished} is there, of a run that lives or died: remove it") from error
    except BaseException as error:
        await asyncio.to_thread(unfinished.unlink, missing_ok=True)
        if isinstance(error, OSError):
            raise BackupError(f"{file} cannot be written ({error.strerror})") from error
        raise
    return size


def _flush(descriptor: int) -> None:
    os.fsync(descriptor)


_MODE: Final = 0o600


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, _MODE)
