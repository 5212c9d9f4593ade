"""Bytes on their way: blocks of one size, read ahead, compressed, counted; the work on threads, the loop free."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from typing import Final, TypeVar, TypeVarTuple

import zstandard

from ops.backup.errors import Damaged

BLOCK: Final = 1 << 20
_SMALL: Final = 16 << 10
"""Bytes up to which a thread costs more than the work."""
_THREADS: Final = min(4, os.cpu_count() or 1)
"""That compress one stream."""
_END: Final = None

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


async def on_thread(function: Callable[[*Ts], T], *arguments: *Ts) -> T:
    """``function`` on a thread, or here where its last bytes are few."""
    sized = [len(each) for each in arguments if isinstance(each, bytes)]
    if max(sized, default=_SMALL) < _SMALL:
        return function(*arguments)
    return await asyncio.to_thread(function, *arguments)


async def in_blocks(source: AsyncIterable[bytes], size: int) -> AsyncIterator[bytes]:
    """The same bytes in blocks of ``size``, the last shorter; none empty."""
    parts: list[bytes] = []
    have = 0
    async for piece in source:
        parts.append(piece)
        have += len(piece)
        if have < size:
            continue
        joined = b"".join(parts)
        whole = have - have % size
        for start in range(0, whole, size):
            yield joined[start : start + size]
        have -= whole
        parts = [joined[whole:]] if have else []  # an empty one would make the next joining a copy
    if have:
        yield b"".join(parts)


async def read_ahead(source: AsyncIterable[bytes], blocks: int = 4) -> AsyncGenerator[bytes, None]:
    """The same, fetched by a task of its own at most ``blocks`` ahead, so that both sides work at once."""
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(blocks)

    async def fetch() -> None:
        try:
            async for piece in source:
                await queue.put(piece)
        finally:
            await queue.put(_END)

    task = asyncio.create_task(fetch())
    try:
        while (piece := await queue.get()) is not None:
            yield piece
        await task
    finally:
        task.cancel()
        while not task.done():  # its own end may wait for room in the queue
            with contextlib.suppress(asyncio.QueueEmpty):
                queue.get_nowait()
            await asyncio.wait([task], timeout=0.01)
        if not task.cancelled():
            task.exception()


def compressor(level: int) -> zstandard.ZstdCompressionObj:
    """Zstandard, on a few threads of its own: the others of a backup leave no core for long."""
    return zstandard.ZstdCompressor(level=level, write_checksum=False, threads=_THREADS).compressobj()


async def compressed(source: AsyncIterable[bytes], level: int) -> AsyncGenerator[bytes, None]:
    """Zstandard."""
    worker = compressor(level)
    async for block in in_blocks(source, BLOCK):
        if made := await on_thread(worker.compress, block):
            yield made
    yield await asyncio.to_thread(worker.flush)


async def decompressed(source: AsyncIterable[bytes], name: str) -> AsyncGenerator[bytes, None]:
    """Raises Damaged."""
    worker = zstandard.ZstdDecompressor().decompressobj()
    try:
        async for block in source:
            if made := await on_thread(worker.decompress, block):
                yield made
    except zstandard.ZstdError as error:
        raise Damaged(f"{name} cannot be decompressed") from error
    if not worker.eof:
        raise Damaged(f"{name} ends before its compressed content does")


async def of_bytes(content: bytes) -> AsyncIterator[bytes]:
    """One piece."""
    yield content


async def gathered(source: AsyncIterable[bytes]) -> bytes:
    """All of it."""
    return b"".join([piece async for piece in source])


class Size:
    """Bytes that have gone through."""

    def __init__(self) -> None:
        self.bytes = 0

    async def through(self, source: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
        """``source`` itself."""
        async for piece in source:
            self.bytes += len(piece)
            yield piece


class Meter:
    """Size and SHA-256 of what it is fed."""

    def __init__(self) -> None:
        self.bytes = 0
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of all of it, in hexadecimal digits."""
        return self._hash.hexdigest()

    def feed(self, piece: bytes) -> None:
        """The next piece."""
        self.bytes += len(piece)
        self._hash.update(piece)
