"""Backups in a folder: a local disk, or one that another machine lends."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import mmap
import os
import secrets
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple

from ops.backup.errors import ObjectMissing, RepositoryGone
from ops.backup.repository import Kept
from ops.backup.storage_threads import StorageThreads
from ops.backup.streams import in_blocks
from ops.backup.waits import within

_WRITING: Final = ".writing-"
"""Begins the name of what is not whole yet; a crash may leave one, ``sweep`` removes it."""
_BLOCK: Final = 1 << 20
_NOT_DIRECT: Final = (errno.EINVAL, errno.ENOTSUP)
"""A file system whose files are in memory anyway, or another machine's."""
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

ABANDONED_SECONDS: Final = 900.0
"""Since a half-written file was last written to; its source may be silent for ten minutes."""
SECONDS: Final = 60.0
"""Longest wait for one block: a disk of another machine may hang for ever."""


class FolderRepository:
    """A Repository. Files are readable by their owner alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads = StorageThreads()

    @property
    def place(self) -> str:
        """The folder."""
        return str(self._folder)

    async def put(self, name: str, source: AsyncIterable[bytes]) -> None:
        """As the port says: written beside it, flushed to the disk, renamed, and the folder flushed."""
        target = self._folder / name
        writing = target.with_name(f"{_WRITING}{secrets.token_hex(8)}")
        file = _File()
        try:
            await self._do(name, file.create, writing)
            async for block in in_blocks(source, _BLOCK):
                await self._do(name, file.write, block)
            await self._do(name, file.flush)
            await self._do(name, _publish, writing, target)
        finally:
            await self._closed(file)
            with contextlib.suppress(OSError, TimeoutError):
                await within(SECONDS, self._threads.run(_forget, writing))

    async def get(self, name: str) -> AsyncGenerator[bytes, None]:
        """As the port says."""
        file = _File()
        try:
            await self._do(name, file.open, self._folder / name)
            while block := await self._do(name, file.read):
                yield block
        finally:
            await self._closed(file)

    async def beginning(self, name: str, size: int) -> bytes:
        """As the port says."""
        return await self._do(name, _beginning, self._folder / name, size)

    async def listing(self, prefix: str) -> list[Kept]:
        """As the port says."""
        return await self._do(prefix, self._listed, prefix)

    async def delete(self, name: str) -> None:
        """As the port says; folders that are left empty go too."""
        await self._do(name, self._remove, self._folder / name)

    async def sweep(self, now: float) -> list[str]:
        """As the port says: files that nobody has locked and nobody has written to for a good while."""
        return await self._do("", self._swept, now)

    def _swept(self, now: float) -> list[str]:
        gone = []
        for folder, _, files in os.walk(self._folder):
            for path in (Path(folder) / file for file in files if file.startswith(_WRITING)):
                with contextlib.suppress(FileNotFoundError):  # it is whole now
                    if now - path.stat().st_mtime > ABANDONED_SECONDS and _nobody_writes(path):
                        path.unlink()
                        gone.append(path.relative_to(self._folder).as_posix())
        return gone

    def _listed(self, prefix: str) -> list[Kept]:
        return sorted(self._walk(prefix), key=lambda kept: kept.name)

    def _walk(self, prefix: str) -> Iterator[Kept]:
        for folder, _, files in os.walk(self._folder / prefix.rpartition("/")[0]):
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

    async def _do(self, name: str, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        try:
            return await within(SECONDS, self._threads.run(work, *arguments))
        except FileNotFoundError as error:
            raise ObjectMissing(f"{name} is not in {self.place}") from error
        except TimeoutError as error:
            raise RepositoryGone(
                f"{self.place} does not answer within {SECONDS:.0f} s: does the disk hang that it is on?"
            ) from error
        except OSError as error:
            raise RepositoryGone(f"{self.place} refuses {name or 'a listing'} ({error.strerror})") from error

    async def _closed(self, file: _File) -> None:
        """Close it; a disk that hangs is not waited for longer than for anything else."""
        with contextlib.suppress(TimeoutError):
            await within(SECONDS, asyncio.shield(self._threads.run(file.close)))


class _File:
    """A file that threads work on. A wait for one of them may be given up while it works: so closing waits for it, and
    nothing is done once it is closed, when its number may be another file's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._descriptor = -1
        self._closed = False
        self._aligned: mmap.mmap | None = None
        self._direct = hasattr(os, "O_DIRECT")

    def create(self, path: Path) -> None:
        """For writing; locked, so that ``sweep`` knows it is in use."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._set(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with self._lock, contextlib.suppress(OSError):  # a file system may know no locks: then its age tells
            if not self._closed:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def open(self, path: Path) -> None:
        """For reading."""
        self._set(path, os.O_RDONLY)

    def _set(self, path: Path, flags: int) -> None:
        with self._lock:
            if not self._closed:
                self._descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)

    def read(self) -> bytes:
        """The next block."""
        with self._lock:
            return b"" if self._closed else os.read(self._descriptor, _BLOCK)

    def write(self, block: bytes) -> None:
        """All of it."""
        with self._lock:
            if self._closed or (len(block) == _BLOCK and self._past_the_memory(block)):
                return
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]

    def _past_the_memory(self, block: bytes) -> bool:
        """Write a whole block to the disk itself; whether this file system can. What nobody reads soon would drive out
        of the memory what others read, and costs more of a core there than all that seals it.
        """
        if not self._direct:
            return False
        if self._aligned is None:
            self._aligned = mmap.mmap(-1, _BLOCK)  # begins with a page, as the disk wants it
        self._aligned[:] = block
        try:
            _set_direct(self._descriptor, on=True)
            done = os.write(self._descriptor, self._aligned)
        except OSError as error:
            if error.errno not in _NOT_DIRECT:
                raise
            done = 0
        finally:
            _set_direct(self._descriptor, on=False)
        self._direct = done == _BLOCK
        if 0 < done < _BLOCK:
            os.lseek(self._descriptor, -done, os.SEEK_CUR)
        return self._direct

    def flush(self) -> None:
        """To the disk."""
        with self._lock:
            if not self._closed:
                os.fsync(self._descriptor)

    def close(self) -> None:
        """For good."""
        with self._lock:
            self._closed = True
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
            if self._aligned is not None:
                self._aligned.close()
                self._aligned = None


def _set_direct(descriptor: int, *, on: bool) -> None:
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_DIRECT if on else flags & ~os.O_DIRECT)


def _beginning(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


def _nobody_writes(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # no locks there: it is old enough
    else:
        return True
    finally:
        os.close(descriptor)


def _forget(writing: Path) -> None:
    writing.unlink(missing_ok=True)


def _publish(writing: Path, target: Path) -> None:
    writing.rename(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
