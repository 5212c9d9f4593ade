"""Backups in a folder: a local disk, or one that another machine lends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from pathlib import Path
from typing import Final

from ops.backup.errors import ObjectMissing, RepositoryGone
from ops.backup.repository import Kept
from ops.backup.streams import in_blocks

_WRITING: Final = ".writing-"
"""Begins the name of what is not whole yet; a crash may leave one, ``sweep`` removes it."""
_BLOCK: Final = 1 << 20
SECONDS: Final = 60.0
"""Longest wait for one block: a disk of another machine may hang for ever."""


class FolderRepository:
    """A Repository. Files are readable by their owner alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def place(self) -> str:
        """The folder."""
        return str(self._folder)

    async def put(self, name: str, source: AsyncIterable[bytes]) -> None:
        """As the port says: written beside it, flushed to the disk, renamed, and the folder flushed."""
        target = self._folder / name
        writing = target.with_name(f"{_WRITING}{secrets.token_hex(8)}")
        descriptor = -1
        try:
            descriptor = await self._do(name, _create, writing)
            async for block in in_blocks(source, _BLOCK):
                await self._do(name, _write_all, descriptor, block)
            await self._do(name, os.fsync, descriptor)
            os.close(descriptor)
            descriptor = -1
            await self._do(name, _publish, writing, target)
        finally:
            if descriptor >= 0:
                os.close(descriptor)
            with contextlib.suppress(OSError):
                writing.unlink(missing_ok=True)

    async def get(self, name: str) -> AsyncGenerator[bytes, None]:
        """As the port says."""
        descriptor = await self._do(name, os.open, self._folder / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while block := await self._do(name, os.read, descriptor, _BLOCK):
                yield block
        finally:
            os.close(descriptor)

    async def list(self, prefix: str) -> list[Kept]:
        """As the port says."""
        return await self._do(prefix, lambda: sorted(self._walk(prefix), key=lambda kept: kept.name))

    async def delete(self, name: str) -> None:
        """As the port says; folders that are left empty go too."""
        await self._do(name, self._remove, self._folder / name)

    def _walk(self, prefix: str) -> Iterator[Kept]:
        start = self._folder / prefix.rpartition("/")[0]
        for folder, _, files in start.walk() if hasattr(start, "walk") else os.walk(start):
            for file in files:
                path = Path(folder) / file
                name = path.relative_to(self._folder).as_posix()
                if not name.startswith(prefix) or file.startswith(_WRITING):
                    continue
                with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                    facts = path.stat()
                    yield Kept(name, facts.st_size, facts.st_mtime)

    def _remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        for parent in path.parents:
            if parent == self._folder:
                break
            with contextlib.suppress(OSError):  # another object is in it
                parent.rmdir()

    async def _do(self, name: str, work, *arguments):  # type: ignore[no-untyped-def]
        try:
            return await asyncio.wait_for(asyncio.to_thread(work, *arguments), SECONDS)
        except FileNotFoundError as error:
            raise ObjectMissing(f"{name} is not in {self.place}") from error
        except TimeoutError as error:
            raise RepositoryGone(f"{self.place} does not answer within {SECONDS:.0f} s") from error
        except OSError as error:
            raise RepositoryGone(f"{self.place} refuses {name or 'a listing'} ({error.strerror})") from error


def _create(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _write_all(descriptor: int, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _publish(writing: Path, target: Path) -> None:
    writing.rename(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
