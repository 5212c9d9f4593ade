"""The engine that is measured: started for it and ended after it, or one that runs already."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from engine.errors import TrunklineError
from ops.bench.processes import Process, descendants, still_running

READY: Final = re.compile(r"^ready audiosocket=(?P<host>.+):(?P<port>\d+) telephony=(?P<url>\S+) admin=(?P<admin>\S+)")
READY_SECONDS: Final = 240.0
STOP_SECONDS: Final = 60.0
GONE_SECONDS: Final = 10.0
"""How long processes may take to vanish after the engine itself has ended."""
_SHOWN_LINES: Final = 30


class EngineError(TrunklineError):
    """The engine did not start, or did not end as it must."""


@dataclass(slots=True)
class Engine:
    """Where the engine under measurement is."""

    address: tuple[str, int]
    """Of its AudioSocket."""
    telephony: str
    """URL of its telephony endpoint."""
    pid: int | None = None
    """Its process, where it was started for the measurement."""
    ready_seconds: float = 0.0
    """From its start to the line that says it is ready."""
    left_behind: list[Process] = field(default_factory=list)
    """Processes that outlived it; known once it has ended."""


def parse_against(text: str, *, telephony_port: int) -> Engine:
    """``HOST:PORT`` or ``HOST:PORT,URL``. Raises EngineError."""
    address, _, url = text.partition(",")
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdigit():
        raise EngineError(f"expected HOST:PORT or HOST:PORT,URL, got {text!r}")
    host = host.strip("[]")
    shown = f"[{host}]" if ":" in host else host
    return Engine((host, int(port)), url or f"http://{shown}:{telephony_port}")


@contextlib.asynccontextmanager
async def engine_process(
    settings: Mapping[str, str],
    *,
    command: tuple[str, ...] = (sys.executable, "-m", "ops.cli", "up"),
    stderr: Path | None = None,
) -> AsyncIterator[Engine]:
    """Start the engine with these environment variables on free ports; end it with SIGINT.

    ``stderr``: a file for what it writes there; None: one that is gone with it.
    Raises EngineError when it is not ready in time, or ends by itself, or leaves a process behind.
    """
    free = {f"TRUNKLINE_{name}_PORT": "0" for name in ("AUDIOSOCKET", "TELEPHONY", "ADMIN")}
    with tempfile.TemporaryFile(prefix="trunkline-bench-") if stderr is None else stderr.open("w+b") as log:
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**os.environ, "PYTHONPATH": _search_path(), **free, **settings},
            start_new_session=True,  # Ctrl-C at the terminal reaches us alone: we end it in order
            limit=1 << 20,
        )
        engine: Engine | None = None
        drain: asyncio.Task[None] | None = None
        try:
            engine = await _ready(process, log)
            engine.ready_seconds = time.monotonic() - began
            assert process.stdout is not None
            drain = asyncio.create_task(_drain(process.stdout), name="engine-output")
            yield engine
            if process.returncode is not None:
                raise EngineError(f"the engine ended by itself ({process.returncode})\n{_tail(log)}")
        finally:
            left = await _stop(process)
            if drain is not None:
                drain.cancel()
                await asyncio.gather(drain, return_exceptions=True)
        engine.left_behind = left
        if left:
            names = ", ".join(f"{one.pid} {one.kind}" for one in left)
            raise EngineError(f"the engine left processes behind: {names}")


async def _ready(process: asyncio.subprocess.Process, log: IO[bytes]) -> Engine:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_SECONDS):
            async for line in process.stdout:
                if found := READY.match(line.decode("utf-8", errors="replace")):
                    host = found["host"].strip("[]")
                    return Engine((host, int(found["port"])), found["url"], process.pid)
    except TimeoutError:
        raise EngineError(f"the engine was not ready within {READY_SECONDS:g} s\n{_tail(log)}") from None
    raise EngineError(f"the engine did not start\n{_tail(log)}")


async def _drain(output: asyncio.StreamReader) -> None:
    while await output.read(1 << 16):
        pass


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode("utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_SHOWN_LINES:])


async def _stop(process: asyncio.subprocess.Process) -> list[Process]:
    """End it as Ctrl-C would; returns what of it is still there."""
    tree = descendants(process.pid) if process.returncode is None else []
    # A process that is not our child tells nobody when it ends, and one that holds the engine's output open would have
    # ``process.wait()`` wait for it: so both are looked at.
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
        if not await _becomes_true(lambda: process.returncode is not None, STOP_SECONDS):
            process.kill()
    await _becomes_true(lambda: not still_running(tree), GONE_SECONDS)
    left = still_running(tree)
    for one in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGKILL)
    await _becomes_true(lambda: not still_running(left), GONE_SECONDS)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GONE_SECONDS):
            await process.wait()
    return left


async def _becomes_true(condition: Callable[[], bool], timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(0.1)
    return True


def _search_path() -> str:
    """So that the engine is the one we belong to, from whatever folder we were started."""
    return os.pathsep.join(filter(None, [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]))
