"""How long a server that recovers is waited for, and which process is known as one's own."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.config import load_settings
from ops import embedded_postgres
from ops.child import ServerFailed
from ops.embedded_postgres import EmbeddedPostgres, Home

FIELDS = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"


@contextlib.asynccontextmanager
async def recovering() -> AsyncIterator[int]:
    """The port of a server that says to everybody that it is starting up."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            size, code = struct.unpack("!II", await reader.readexactly(8))
            if code == 80877103:  # may this be encrypted?
                writer.write(b"N")
                (size,) = struct.unpack("!I", await reader.readexactly(4))
                await reader.readexactly(size - 4)
            writer.write(b"E" + struct.pack("!I", len(FIELDS) + 4) + FIELDS)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmbeddedPostgres:
    monkeypatch.setattr(embedded_postgres, "START_SECONDS", 0.6)
    monkeypatch.setattr(embedded_postgres, "RECOVERY_TOLD", 0.3)
    (tmp_path / "password").write_text("secret")
    (tmp_path / "log").write_text("LOG:  of an earlier start\n")
    made = EmbeddedPostgres(load_settings({"TRUNKLINE_STATE_DIR": str(tmp_path)}))
    made._home = Home(tmp_path, tmp_path, None)
    return made


@pytest.fixture
def process() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)


@pytest.mark.parametrize("progress", [True, False])
async def test_one_that_recovers_is_waited_for_as_long_as_it_comes_further(
    server: EmbeddedPostgres, process: subprocess.Popen[bytes], tmp_path: Path, progress: bool
) -> None:
    said: list[str] = []
    server._say = said.append
    began = time.monotonic()

    async def recover() -> None:
        for number in range(8):
            await asyncio.sleep(0.25)
            line = f"LOG:  redo in progress, elapsed time: {number}.00 s" if progress else "FATAL:  starting up"
            with (tmp_path / "log").open("a") as log:
                log.write(line + "\n")

    with process:
        async with recovering() as port:
            server._port = port
            writing = asyncio.create_task(recover())
            with pytest.raises(ServerFailed, match="came no further"):
                await server._until_ready(process)
            waited = time.monotonic() - began
            written = writing.done()
            await writing
        process.communicate()
    assert written is progress
    assert (waited > 2.0) is progress
    assert said == ["PostgreSQL recovers from a crash: what calls record waits on disk until it is ready"]


def test_its_own_server_is_known_however_its_folder_is_spelled(server: EmbeddedPostgres, tmp_path: Path) -> None:
    data, link, other = tmp_path / "data", tmp_path / "link", tmp_path / "other"
    data.mkdir()
    other.mkdir()
    link.symlink_to(tmp_path)

    def ours(name: str, *options: str, cwd: Path = tmp_path) -> bool:
        code = "import sys; print(flush=True); sys.stdin.read()"
        with subprocess.Popen(
            [name, "-c", code, *options],
            executable=sys.executable,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=cwd,
        ) as started:
            assert started.stdout is not None
            started.stdout.readline()
            found = server._is_ours(started.pid)
            started.communicate()
        return found

    assert ours("/bin/postgres", "-D", str(data))
    assert ours("/bin/postgres", "-D", str(link / "data"))
    assert ours("/bin/postgres", "-D", "data", cwd=data)  # as somebody started it who stood beside it
    assert not ours("/bin/postgres", "-D", str(other))
    assert not ours("/bin/other", "-D", str(data))
