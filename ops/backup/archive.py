"""One tar archive as it goes by: a named file is picked out of it, or all of it is unpacked."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tarfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

from ops.backup.errors import Damaged
from ops.backup.streams import BLOCK, in_blocks

_RECORD: Final = 512
_COPY: Final = 256 << 10
"""Bytes that are copied at once; 16 KB, as tarfile has it, and 1 MB both cost a restore more of its time."""


class Picker:
    """Keeps the content of one file of a tar archive that streams through; the archive itself is not changed."""

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted
        self._header = b""
        self._skip = 0
        self._take = 0
        self._taken: list[bytes] = []

    @property
    def content(self) -> bytes:
        """Of the file; empty where it did not come by."""
        return b"".join(self._taken)

    def feed(self, piece: memoryview) -> None:
        """The next piece; it is not kept. Raises Damaged where it is no tar archive."""
        place = 0
        while place < len(piece):
            if self._take:
                part = bytes(piece[place : place + self._take])
                self._taken.append(part)
                self._take -= len(part)
                place += len(part)
            elif self._skip:
                step = min(self._skip, len(piece) - place)
                self._skip -= step
                place += step
            else:
                part = bytes(piece[place : place + _RECORD - len(self._header)])
                self._header += part
                place += len(part)
                if len(self._header) == _RECORD:
                    self._entry(self._header)
                    self._header = b""

    def _entry(self, header: bytes) -> None:
        if not any(header):  # the end
            return
        try:
            entry = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except tarfile.TarError as error:
            raise Damaged("what the server sent is no tar archive") from error
        size = entry.size if entry.isreg() else 0
        padding = -size % _RECORD
        if entry.name.removeprefix("./") == self._wanted:
            self._take, self._skip = size, padding
        else:
            self._skip = size + padding


async def unpack(source: AsyncGenerator[bytes, None], folder: Path, name: str) -> None:
    """Unpack an archive into ``folder``, which must be there. Raises Damaged, and OSError where the disk is full."""
    reading, writing = os.pipe()
    with contextlib.suppress(OSError, AttributeError):
        import fcntl  # noqa: PLC0415 - not on every system

        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, BLOCK)
    unpacking = asyncio.create_task(asyncio.to_thread(_unpack, reading, folder))
    try:
        async with contextlib.aclosing(source):
            async for block in in_blocks(source, BLOCK):
                await asyncio.to_thread(_write, writing, block)
    except BrokenPipeError:
        pass  # the other side tells why
    finally:
        os.close(writing)
        await asyncio.wait([unpacking])
        unpacking.exception()  # looked at, though the source's own fault may be the one that is told
    try:
        unpacking.result()
    except tarfile.TarError as error:
        raise Damaged(f"{name} is no whole archive") from error


def _unpack(descriptor: int, folder: Path) -> None:
    with os.fdopen(descriptor, "rb", buffering=BLOCK) as file, tarfile.open(fileobj=file, mode="r|") as archive:
        archive.copybufsize = _COPY  # type: ignore[attr-defined] # not in its stubs
        archive.extractall(folder, filter="data")
        while file.read(BLOCK):  # what pads the end
            pass


def _write(descriptor: int, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
