"""Reading a backup back from where it is kept: every digest, every tag, every checksum of every file."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path

from ops.backup.archive import unpack
from ops.backup.catalogue import Backup, note
from ops.backup.errors import Damaged, ObjectMissing, ToolFailed
from ops.backup.programs import Programs
from ops.backup.site import Site
from ops.backup.streams import gathered

VERIFY_SECONDS = 6 * 3600.0


async def verify(site: Site, backup: Backup, programs: Programs) -> None:
    """Take it apart as a restore would, let pg_verifybackup hold every file against the manifest, and note that it is
    so. Raises Damaged, KeyMismatch, RepositoryError.
    """
    async with site.workshop("verify") as work:
        await fetch_base(site, backup, work / "base")
        manifest = await gathered(site.fetch(backup.object("manifest"), backup.parts["manifest"]))
        if await asyncio.to_thread((work / "base" / "backup_manifest").read_bytes) != manifest:
            raise Damaged(f"backup {backup.id} holds two manifests, and they differ")
        await read_beside(site, backup, but=("base", "manifest"))
        await verify_folder(programs, work / "base", backup.id)
    await note(site.repository, backup, "verified", site.wall(), site.key)


async def read_beside(site: Site, backup: Backup, *, but: Collection[str] = ("base",)) -> None:
    """Open every part of it ``but`` these: no restore reads its globals, say, and whoever needs them needs them whole.
    Raises Damaged with the backup's id, KeyMismatch, RepositoryError.
    """
    for part in sorted(backup.parts.keys() - set(but)):
        with blamed_on(backup):
            await gathered(site.fetch(backup.object(part), backup.parts[part]))


@contextlib.contextmanager
def blamed_on(backup: Backup) -> Iterator[None]:
    """Damage inside is that backup's; what is missing counts as damaged. Raises Damaged with its id."""
    try:
        yield
    except ObjectMissing as error:
        gone = Damaged(str(error))
        gone.backup = backup.id
        raise gone from error
    except Damaged as error:
        error.backup = backup.id
        raise


async def fetch_base(site: Site, backup: Backup, folder: Path) -> None:
    """Unpack its base into ``folder``, which is made. Raises Damaged, KeyMismatch, RepositoryError."""
    await asyncio.to_thread(_make, folder)
    name = backup.object("base")
    await unpack(site.fetch(name, backup.parts["base"]), folder, name)


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


async def verify_folder(programs: Programs, folder: Path, identity: str) -> None:
    """By pg_verifybackup. Raises Damaged."""
    try:
        await programs.run("pg_verifybackup", "--quiet", folder, seconds=VERIFY_SECONDS)
    except ToolFailed as error:
        raise Damaged(f"backup {identity} is not as its manifest says: {error}") from error
