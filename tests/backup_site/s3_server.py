"""A real S3 protocol server on loopback, and a proxy before it that is as bad as networks are."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from tests.ports import free_port

START_SECONDS = 30.0


@contextlib.contextmanager
def running_s3(bucket: str) -> Iterator[str]:
    """URL of a server with one empty bucket in it."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                request = urllib.request.Request(f"{url}/{bucket}", method="PUT")
                with urllib.request.urlopen(request, timeout=5):
                    break
            except (urllib.error.URLError, OSError):
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the S3 server did not start") from None
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(10)


class FaultyProxy:
    """Passes bytes on, unless it is told to refuse, to hang or to cut."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.removeprefix("http://").partition(":")
        self._target_port = int(port)
        self._port = free_port()
        self._refuse = 0
        self._hang = False
        self._delay = 0.0
        self._cut: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.refused = 0

    @property
    def url(self) -> str:
        """Its own."""
        return f"http://127.0.0.1:{self._port}"

    def refuse(self, times: int) -> None:
        """Answer so many requests with 503."""
        self._refuse = times
        self._close_all()

    def slow(self, seconds: float) -> None:
        """Let every connection wait before its first byte is passed on."""
        self._delay = seconds
        self._close_all()

    def hang(self) -> None:
        """Take everything, answer nothing."""
        self._hang = True
        self._close_all()

    def cut_after(self, sent: int) -> None:
        """Cut every connection that has sent so many bytes."""
        self._cut = sent
        self._close_all()

    def heal(self) -> None:
        """Pass everything on."""
        self._refuse, self._hang, self._cut, self._delay = 0, False, None, 0.0
        self._close_all()

    def _close_all(self) -> None:
        for writer in self._writers:
            writer.close()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self._close_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._connection(reader, writer)
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(1 << 16)
        if not first:
            return
        if self._hang:
            while await reader.read(1 << 16):
                pass
            return
        if self._refuse > 0:
            self._refuse -= 1
            self.refused += 1
            writer.write(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        await asyncio.sleep(self._delay)
        server_reader, server_writer = await asyncio.open_connection(self._host, self._target_port)
        self._writers.add(server_writer)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, server_writer, first, cut=self._cut))
                group.create_task(self._pass(server_reader, writer, b"", cut=None))
        except* OSError:
            pass
        finally:
            self._writers.discard(server_writer)
            server_writer.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes, *, cut: int | None
    ) -> None:
        passed, block = 0, first
        while True:
            if cut is not None and passed + len(block) > cut:
                raise ConnectionError("cut")
            writer.write(block)
            await writer.drain()
            passed += len(block)
            block = await reader.read(1 << 16)
            if not block:
                if writer.can_write_eof():
                    writer.write_eof()
                return
