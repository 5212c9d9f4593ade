"""A small AudioSocket server that behaves exactly as it is told, to prove what the outside caller measures.

It shares no code with the caller but the frame format's constants.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import socket
import struct
import time
import uuid
from dataclasses import dataclass, field
from types import TracebackType

from aiohttp import web

RATE = 8000


def tone(samples: int, level: int = 8000, frequency: float = 500.0) -> list[int]:
    """A tone that is loud from its first sample on (a cosine)."""
    return [round(level * math.cos(math.tau * frequency * at / RATE)) for at in range(samples)]


@dataclass
class Behaviour:
    """What the stand-in does. Seconds; None: not at all."""

    greeting_after: float | None = 0.1
    greeting: float = 0.3
    answer_after: float | None = 0.4
    """From the caller's last voiced sample to the first voiced sample of the answer."""
    answer: float = 0.5
    answers: int = 1_000
    """After that many it is silent."""
    stop_after: float | None = None
    """While it speaks: from the caller's first voiced sample to the last frame of voice."""
    deaf_below: float = 0.0
    """Speech that lasts less than this does not stop it, and is not answered."""
    freeze_at: float | None = None
    freeze: float = 0.0
    """Once, so long after the connect, no frame leaves for so long."""
    lead: int = 1
    hang_up_at: float | None = None
    close_at: float | None = None
    reset_at: float | None = None
    split: float | None = None
    """Pause between header and payload, once, after half a second."""
    odd_frame: bytes | None = None
    """Bytes written once, after half a second."""
    stop_reading: bool = False
    events: list[dict[str, object]] = field(default_factory=list)
    """What the event stream tells once a call is there."""
    refuse: int = 0
    """HTTP status with which registration is refused."""


class Call:
    """One connection."""

    def __init__(self, engine: StandinEngine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.engine, self.reader, self.writer = engine, reader, writer
        self.behaviour = engine.behaviour
        self.call_id = ""
        self.keys: list[str] = []
        self.frames = 0
        self.frame_times: list[float] = []
        self.kinds: list[int] = []
        self.eof = asyncio.Event()
        self.answered = 0
        self._last_voiced = 0.0
        self._first_voiced = 0.0
        self._stopped = False
        self._voice_from = 0.0
        self._voice_until = 0.0
        self._due: float | None = None

    async def run(self) -> None:
        began = time.monotonic()
        if self.behaviour.greeting_after is not None:
            self._speak(began + self.behaviour.greeting_after, self.behaviour.greeting)
        sender = asyncio.create_task(self._send(began))
        try:
            await self._receive()
        finally:
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await sender
            self.writer.close()
            with contextlib.suppress(OSError):
                await self.writer.wait_closed()

    def _speak(self, at: float, seconds: float) -> None:
        self._voice_from, self._voice_until = at, at + seconds

    async def _receive(self) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                if self.behaviour.stop_reading and self.frames > 5:
                    await asyncio.sleep(3600)
                kind, size = struct.unpack(">BH", await self.reader.readexactly(3))
                payload = await self.reader.readexactly(size)
                self.kinds.append(kind)
                if kind == 0x01:
                    self.call_id = str(uuid.UUID(bytes=payload))
                    self.engine.calls[self.call_id] = self
                elif kind == 0x03:
                    self.keys.append(payload.decode())
                elif kind == 0x10:
                    self.frames += 1
                    self.frame_times.append(time.monotonic())
                    self._listen(payload, self.frame_times[-1])
        self.eof.set()

    def _listen(self, payload: bytes, now: float) -> None:
        loud = [at for at, (value,) in enumerate(struct.iter_unpack("<h", payload)) if abs(value) >= 330]
        if loud:
            if now - self._last_voiced > 0.3:
                self._first_voiced = now + loud[0] / RATE
                self._stopped = False
            self._last_voiced = now + loud[-1] / RATE
            if self._last_voiced - self._first_voiced < self.behaviour.deaf_below:
                return
            speaks = self._voice_from <= now < self._voice_until
            if self.behaviour.stop_after is not None and speaks and not self._stopped:
                self._voice_until = self._first_voiced + self.behaviour.stop_after
                self._stopped = True
            self._due = None
            if self.behaviour.answer_after is not None and self.answered < self.behaviour.answers:
                self._due = self._last_voiced + self.behaviour.answer_after
        elif self._due is not None and now > self._due - 0.06:
            self._speak(self._due, self.behaviour.answer)
            self._due = None
            self.answered += 1

    async def _send(self, began: float) -> None:
        behaviour = self.behaviour
        wave = tone(RATE)
        number = 0
        oddities = {name for name in ("split", "odd_frame", "freeze_at") if getattr(behaviour, name) is not None}
        while True:
            due = began + (number - behaviour.lead + 1) * 0.02
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            since = now - began
            if behaviour.hang_up_at is not None and since >= behaviour.hang_up_at:
                self.writer.write(b"\0\0\0")
                return
            if behaviour.close_at is not None and since >= behaviour.close_at:
                self.writer.write_eof()
                return
            if behaviour.reset_at is not None and since >= behaviour.reset_at:
                connection = self.writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close is RST
                self.writer.transport.abort()
                return
            if "freeze_at" in oddities and behaviour.freeze_at is not None and since >= behaviour.freeze_at:
                oddities.remove("freeze_at")
                await asyncio.sleep(behaviour.freeze)
                began += behaviour.freeze
                continue
            samples = [wave[at] if self._voice_from <= now + at / RATE < self._voice_until else 0 for at in range(160)]
            frame = struct.pack(">BH320s", 0x10, 320, struct.pack("<160h", *samples))
            if since > 0.5 and "split" in oddities and behaviour.split is not None:
                oddities.remove("split")
                self.writer.write(frame[:3])
                await asyncio.sleep(behaviour.split)
                frame = frame[3:]
            if since > 0.5 and "odd_frame" in oddities and behaviour.odd_frame is not None:
                oddities.remove("odd_frame")
                frame = behaviour.odd_frame + frame
            self.writer.write(frame)
            number += 1


class StandinEngine:
    """The server, its registration and its event streams, on free ports of loopback."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour or Behaviour()
        self.calls: dict[str, Call] = {}
        self.registered: dict[str, dict[str, str]] = {}
        self.next = "hangup"

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    @property
    def url(self) -> str:
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    def call(self) -> Call:
        """The one call there is."""
        (found,) = self.calls.values()
        return found

    async def __aenter__(self) -> StandinEngine:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=256)
        app = web.Application()
        app.router.add_post("/telephony/calls", self._register)
        app.router.add_get("/telephony/calls/{uuid}/next", self._next)
        app.router.add_get("/telephony/calls/{uuid}/events", self._events)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._runner.cleanup()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(asyncio.CancelledError):  # the streams' own callback would log it
            await Call(self, reader, writer).run()
        self._tasks.discard(task)

    async def _register(self, request: web.Request) -> web.Response:
        if self.behaviour.refuse:
            return web.Response(status=self.behaviour.refuse, text="no room")
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.registered[form["uuid"]] = form
        return web.Response(text="ok")

    async def _next(self, request: web.Request) -> web.Response:
        return web.Response(text=self.next + "\n")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for event in self.behaviour.events:
            await response.write(json.dumps({"t": time.monotonic(), **event}).encode() + b"\n")
        await asyncio.sleep(3600)
        return response
