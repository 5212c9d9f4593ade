"""What a program writes, compressed as it is read.

A wait between threads costs 0.2 ms and a core that backups need whole: so one thread reads, shows and compresses block
after block, and tells the loop when there is enough to write.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Final

from ops.backup.errors import ToolFailed
from ops.backup.programs import Programs, Tool, failure
from ops.backup.streams import BLOCK, Size, compressor
from ops.backup.waits import within

SILENT_SECONDS: Final = 600.0
"""Longest that a program may write nothing; before the first byte a server makes a checkpoint."""
_TURN_BYTES: Final = 16 << 20
"""Most that is read before the loop hears of it."""


class Output:
    """What a running program writes."""

    def __init__(self, tool: Tool, descriptor: int) -> None:
        assert tool.process.stderr is not None
        self._tool = tool
        self._descriptor = descriptor
        self._said = asyncio.create_task(tool.process.stderr.read())

    def read_into(self, buffer: memoryview) -> int:
        """Its next bytes, 0 at the end; blocks. Raises ToolFailed."""
        if not select.select([self._descriptor], [], [], SILENT_SECONDS)[0]:
            raise ToolFailed(f"{self._tool.name} sent nothing for {SILENT_SECONDS:.0f} s and was ended")
        return os.readv(self._descriptor, [buffer])

    async def ended_well(self) -> None:
        """To be asked for after the last byte. Raises ToolFailed."""
        try:
            status = await within(SILENT_SECONDS, self._tool.process.wait())
        except TimeoutError as error:
            raise ToolFailed(f"{self._tool.name} does not end and was ended") from error
        if status:
            raise ToolFailed(failure(self._tool.name, status, await self._said))

    def close(self) -> None:
        """Nobody asks what it said any more."""
        self._said.cancel()


@contextlib.asynccontextmanager
async def output_of(
    programs: Programs, program: str, arguments: Sequence[str], environment: dict[str, str]
) -> AsyncIterator[Output]:
    """What it writes, while the block is not left."""
    reading, writing = os.pipe()
    with contextlib.suppress(OSError, AttributeError):
        import fcntl  # noqa: PLC0415 - not on every system

        fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, BLOCK)
    try:
        async with programs.running(program, *arguments, environment=environment, output=writing) as tool:
            os.close(writing)
            writing = -1
            output = Output(tool, reading)
            try:
                yield output
            finally:
                output.close()
    finally:
        for descriptor in (reading, writing):
            if descriptor >= 0:
                os.close(descriptor)


async def packed(
    output: Output, level: int, seen: Callable[[memoryview], object], size: Size
) -> AsyncGenerator[bytes, None]:
    """Zstandard of it; ``seen`` gets each piece on the thread that read it, and may not keep it. Raises ToolFailed, and
    what ``seen`` raises.
    """
    worker = compressor(level)
    buffer = memoryview(bytearray(BLOCK))

    def turn() -> tuple[bytes, bool]:
        made: list[bytes] = []
        before = size.bytes
        while sum(map(len, made)) < BLOCK and size.bytes - before < _TURN_BYTES:
            if not (have := output.read_into(buffer)):
                return b"".join(made), True
            size.bytes += have
            seen(buffer[:have])
            made.append(worker.compress(buffer[:have]))
        return b"".join(made), False

    last = False
    while not last:
        made, last = await asyncio.to_thread(turn)
        if made:
            yield made
    await output.ended_well()
    yield await asyncio.to_thread(worker.flush)
