"""A stand-in for the engine that knows the telephone side alone, for what an engine must not do.

It speaks AudioSocket and the telephony endpoint by code of its own, so that the dialplan and the rig are tried against
something other than the engine: an engine that hangs, crashes, is full, or answers nonsense.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Literal, Self

import numpy as np
from aiohttp import web

from tests.telephony.rig.heard import RATE, Samples, tone
from tests.telephony.rig.ports import free_tcp_port

GREETING_TONE: Final = 440.0
"""Hertz of what the stand-in says."""

_HEAD: Final = struct.Struct(">BH")
_HANG_UP, _UUID, _KEY, _AUDIO = 0x00, 0x01, 0x03, 0x10
_FRAME: Final = RATE // 50


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the stand-in treats its calls."""

    speaks: bool = True
    """Greets with a tone and streams silence; otherwise accepts the connection and never sends a byte."""
    answers_http: bool = True
    """Otherwise accepts the request and leaves it unanswered."""
    greeting: float = 1.0
    """Seconds of tone."""
    ends_after: float | None = None
    """Seconds after which it hangs up the socket."""
    crashes_after: float | None = None
    """Seconds after which it resets the connection."""
    capacity: int = 100
    """Calls at once; one more is hung up at once."""
    announcement: int = 201
    """HTTP status of its answer to an announced call."""
    follows: str = "operator"
    """What it answers when the dialplan asks what follows."""


@dataclass(slots=True)
class SeenCall:
    """What the stand-in saw of one call."""

    id: str
    caller: str
    channel: str
    dialled: str
    token: str
    frames: Counter[int] = field(default_factory=Counter)
    """Payload size → frames."""
    heard: list[Samples] = field(default_factory=list)
    keys: str = ""
    ended: Literal["", "eof", "reset", "refused"] = ""
    ended_at: float = 0.0


class StandIn:
    """``async with StandIn(Behaviour(...)) as engine`` listens on ports of its own."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour or Behaviour()
        self.calls: dict[str, SeenCall] = {}
        """By UUID, in the order of their announcement."""
        self.asked: list[str] = []
        """The calls of which the dialplan asked what follows."""
        self.active = 0
        self._connections: dict[asyncio.Task[None], asyncio.WriteTransport] = {}

    async def __aenter__(self) -> Self:
        self._audio_port = free_tcp_port()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._audio_port)
        routes = web.Application()
        routes.router.add_post("/telephony/calls", self._announce)
        routes.router.add_get("/telephony/calls/{call}/next", self._next)
        self._web = web.AppRunner(routes, shutdown_timeout=0.1, handler_cancellation=True)
        await self._web.setup()
        self._http_port = free_tcp_port()
        await web.TCPSite(self._web, "127.0.0.1", self._http_port).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in list(self._connections.values()):
            connection.abort()
        await asyncio.gather(*self._connections)
        await self._web.cleanup()

    @property
    def audiosocket(self) -> str:
        return f"127.0.0.1:{self._audio_port}"

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self._http_port}"

    async def wait_ended(self, calls: int = 1, *, within: float) -> list[SeenCall]:
        """Wait until so many calls are over. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while True:
                over = [call for call in self.calls.values() if call.ended]
                if len(over) >= calls:
                    return over
                await asyncio.sleep(0.02)

    async def _announce(self, request: web.Request) -> web.Response:
        if not self.behaviour.answers_http:
            await asyncio.sleep(60.0)
        form = await request.post()
        uuid_, caller, channel, dialled, token = (
            str(form.get(name, "")) for name in ("uuid", "caller", "channel", "dialled", "token")
        )
        call = SeenCall(uuid_, caller, channel, dialled, token)
        self.calls[call.id] = call
        return web.Response(status=self.behaviour.announcement)

    async def _next(self, request: web.Request) -> web.Response:
        if not self.behaviour.answers_http:
            await asyncio.sleep(60.0)
        self.asked.append(request.match_info["call"])
        return web.Response(text=self.behaviour.follows)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer.transport
        self.active += 1
        speaking: asyncio.Task[None] | None = None
        call: SeenCall | None = None
        try:
            kind, payload = await _read(reader)
            call = self.calls.get(str(uuid.UUID(bytes=payload))) if kind == _UUID else None
            if call is not None and self.behaviour.speaks:
                if self.active > self.behaviour.capacity:
                    writer.write(_HEAD.pack(_HANG_UP, 0))
                    call.ended = "refused"
                else:
                    speaking = asyncio.create_task(self._speak(writer))
            while True:
                kind, payload = await _read(reader)
                if call is not None:
                    _note(call, kind, payload)
        except asyncio.IncompleteReadError:
            _end(call, "eof")
        except ConnectionError:
            _end(call, "reset")
        finally:
            self.active -= 1
            del self._connections[task]
            if speaking is not None:
                speaking.cancel()
            writer.close()

    async def _speak(self, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        greeting = tone(GREETING_TONE, self.behaviour.greeting)
        began = deadline = time.monotonic()
        position = 0
        with contextlib.suppress(ConnectionError):
            while True:
                frame = np.zeros(_FRAME, "<i2")
                said = greeting[position : position + _FRAME]
                frame[: len(said)] = said
                position += _FRAME
                writer.write(_HEAD.pack(_AUDIO, 2 * _FRAME) + frame.tobytes())
                deadline += 0.02
                await asyncio.sleep(max(0.0, deadline - time.monotonic()))
                if _due(began, self.behaviour.ends_after):
                    writer.write(_HEAD.pack(_HANG_UP, 0))
                    return
                if _due(began, self.behaviour.crashes_after):
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    writer.transport.abort()
                    return


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    kind, length = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    return kind, await reader.readexactly(length)


def _note(call: SeenCall, kind: int, payload: bytes) -> None:
    if kind == _KEY:
        call.keys += payload.decode("ascii")
    elif kind == _AUDIO:
        call.frames[len(payload)] += 1
        call.heard.append(np.frombuffer(payload, "<i2").astype(np.int16))


def _end(call: SeenCall | None, how: Literal["eof", "reset"]) -> None:
    if call is not None:
        call.ended = call.ended or how
        call.ended_at = time.monotonic()


def _due(began: float, after: float | None) -> bool:
    return after is not None and time.monotonic() - began >= after
