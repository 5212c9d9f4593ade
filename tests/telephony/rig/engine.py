"""The engine as a user starts it, a child process of the test, and what it tells of its calls."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.records_stage import WITHOUT_RECORDS
from tests.telephony.rig.ports import free_block

Event = dict[str, Any]

SCRIPTED: Final = {"TRUNKLINE_STT": "scripted", "TRUNKLINE_TTS": "scripted", "TRUNKLINE_LLM": "scripted"}
"""Settings for stand-ins with declared latencies in place of models."""

_READY_WITHIN: Final = 180.0
_STOP_WITHIN: Final = 20.0


class EngineError(Exception):
    """The engine did not start; the message ends with what it printed."""


class Engine:
    """``start``, use, ``stop``; ``TRUNKLINE_RIG_ENGINE`` replaces the command that starts it."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = False
        self._folder = Path()
        self.audiosocket = ""
        self.telephony = ""
        self.boot_seconds = 0.0

    def start(self) -> None:
        """Start and wait until it says that it is ready. Raises EngineError."""
        began = time.monotonic()
        self._folder = Path(tempfile.mkdtemp(prefix="tl-engine-"))
        with (self._folder / "stdout").open("wb") as out, (self._folder / "stderr").open("wb") as err:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=self._environment(),
                start_new_session=True,  # Ctrl-C is for the tests, which then stop it in order
            )
        while not (ready := self._ready()):
            if self._process.poll() is not None or time.monotonic() - began > _READY_WITHIN:
                said = self.log()
                self.stop()
                raise EngineError(f"the engine did not get ready within {_READY_WITHIN:.0f} s:\n{said}")
            time.sleep(0.05)
        self.audiosocket, self.telephony = ready["audiosocket"], ready["telephony"].rstrip("/")
        self.boot_seconds = time.monotonic() - began

    def interrupt(self) -> None:
        """Ask it to end, as Ctrl-C does."""
        if self._process is not None and self._process.poll() is None and not self._asked:
            self._asked = True
            self._process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """Interrupt it, wait for its end, kill it where that does not come, and remove what it wrote."""
        self.interrupt()
        if self._process is not None:
            try:
                self._process.wait(_STOP_WITHIN)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def log(self) -> str:
        """The end of what it printed."""
        texts = []
        for name in ("stdout", "stderr"):
            with contextlib.suppress(OSError):
                texts.append((self._folder / name).read_text(errors="replace")[-3000:])
        return "\n".join(texts)

    async def health(self) -> Event:
        """Its own report: ``status``, ``calls``, ``warm``."""
        async with _session() as http, http.get(f"{self.telephony}/telephony/health") as answer:
            report: Event = await answer.json()
            return report

    async def wait_calls(self, calls: int, *, within: float) -> None:
        """Wait until so many calls are running. Raises TimeoutError."""
        await self._wait("calls", lambda running: running == calls, within)

    async def wait_warm(self, processes: int, *, within: float) -> None:
        """Wait until at least so many processes are ready for a call. Raises TimeoutError."""
        await self._wait("warm", lambda ready: ready >= processes, within)

    async def _wait(self, what: str, accept: Callable[[int], bool], within: float) -> None:
        deadline = time.monotonic() + within
        while not accept((report := await self.health())[what]):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} not as expected within {within} s: {report}")
            await asyncio.sleep(0.1)

    @asynccontextmanager
    async def events(self, call: str) -> AsyncIterator[CallEvents]:
        """What the engine tells of that call, from its start on."""
        seen = CallEvents()
        async with _session() as http, http.get(f"{self.telephony}/telephony/calls/{call}/events") as answer:
            if answer.status != 200:
                raise EngineError(f"no events of {call}: {answer.status} {await answer.text()}")
            reading = asyncio.create_task(seen.read(answer.content))
            try:
                yield seen
            finally:
                reading.cancel()
                with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError):
                    await reading

    def _command(self) -> list[str]:
        named = os.environ.get("TRUNKLINE_RIG_ENGINE")
        return shlex.split(named) if named else [str(Path(sys.executable).with_name("trunkline")), "up"]

    def _environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}
        first = free_block(3, socket.SOCK_STREAM)
        ports = {
            f"TRUNKLINE_{name}_PORT": str(first + n) for n, name in enumerate(("AUDIOSOCKET", "TELEPHONY", "ADMIN"))
        }
        return {**own, **ports, "TRUNKLINE_STATE_DIR": str(self._folder / "state"), **WITHOUT_RECORDS, **self._settings}

    def _ready(self) -> dict[str, str]:
        for line in (self._folder / "stdout").read_text(errors="replace").splitlines():
            first, *fields = line.split()
            if first == "ready":
                return dict(field.split("=", 1) for field in fields if "=" in field)
        return {}


class CallEvents:
    """The events of one call so far, in their order."""

    def __init__(self) -> None:
        self.all: list[Event] = []
        self._grown = asyncio.Condition()

    async def read(self, lines: aiohttp.StreamReader) -> None:
        """Take in a stream of JSON lines until it ends."""
        async for line in lines:
            if line.strip():
                async with self._grown:
                    self.all.append(json.loads(line))
                    self._grown.notify_all()

    def of(self, kind: str) -> list[Event]:
        """All of one type."""
        return [event for event in self.all if event["type"] == kind]

    async def wait(self, kind: str, accept: Callable[[Event], bool] = lambda _: True, *, within: float) -> Event:
        """The first event of that type that is accepted, come or still to come. Raises TimeoutError."""

        def found() -> Event | None:
            return next((event for event in self.of(kind) if accept(event)), None)

        try:
            async with asyncio.timeout(within), self._grown:
                event = await self._grown.wait_for(found)
        except TimeoutError as error:
            raise TimeoutError(f"no such {kind} event within {within} s; there were {self.all}") from error
        assert event is not None
        return event


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, connect=5.0))
