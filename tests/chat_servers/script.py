"""What a scripted chat server answers, and what it saw."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

KEY = "test-key-4711"
MODEL = "test-model"


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call in fragments of its arguments."""

    name: str
    fragments: tuple[str, ...] = ("{}",)
    id: str = "call_1"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. Without anything else it says "Hello there." and ends well."""

    texts: tuple[str, ...] = ("Hello", " there.")
    calls: tuple[Call, ...] = ()
    finish: str = ""
    """The protocol's own word; empty: as it follows from text and calls."""
    status: int = 200
    body: Any = None
    """Of an answer that is no stream (``status`` is not 200)."""
    headers: tuple[tuple[str, str], ...] = ()
    before: float = 0.0
    """Seconds before the headers."""
    silent: float = 0.0
    """Seconds between the headers and the first event."""
    pause: float = 0.0
    """Seconds between two events."""
    events: int | None = None
    """Events after which the connection is cut; None: never."""
    garbage: str = ""
    """Written as it is after the first event."""
    error: Any = None
    """Told as an error of the protocol after the first event."""
    endless: bool = False
    """Texts are repeated until the other side leaves."""


@dataclass
class Seen:
    """One request."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    peer: tuple[str, int]
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the other side closed the connection before the answer was complete."""
    left_at: float = 0.0
    """Time of the loop."""


Script = Callable[[dict[str, Any]], Answer]


class ChatServer(ABC):
    """A server of one protocol on loopback. ``async with`` starts and stops it."""

    base = ""
    """Path of the API's base URL."""

    def __init__(self, *answers: Answer, script: Script | None = None) -> None:
        self._answers = list(answers)
        self._script = script
        self.seen: list[Seen] = []
        self.asked = asyncio.Event()
        self.checks = 0
        self.check_status = 200
        self.check_body: Any = None
        self.url = ""

    async def __aenter__(self) -> ChatServer:
        app = web.Application()
        self.routes(app)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}{self.base}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @abstractmethod
    def routes(self, app: web.Application) -> None:
        """Where the server answers."""

    @abstractmethod
    def authorized(self, request: web.Request) -> bool:
        """Whether the key is right."""

    @abstractmethod
    def frames(self, answer: Answer, body: dict[str, Any]) -> AsyncIterator[str]:
        """The events of an answer, as they go over the wire, without pauses."""

    @abstractmethod
    def error_frame(self, error: Any) -> str:
        """An error told in the middle of a stream."""

    def next_answer(self, body: dict[str, Any]) -> Answer:
        """The answers given, in turn, the last of them again and again; or what the script says."""
        if self._script is not None:
            return self._script(body)
        return self._answers.pop(0) if len(self._answers) > 1 else (self._answers or [Answer()])[0]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        seen = Seen(request.path, dict(request.headers), body, _peer(request))
        self.seen.append(seen)
        self.asked.set()
        if not self.authorized(request):
            return web.json_response({"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}, status=401)
        answer = self.next_answer(body)
        try:
            await asyncio.sleep(answer.before)
            if answer.status != 200:
                return web.json_response(answer.body, status=answer.status, headers=dict(answer.headers))
            return await self._streamed(request, answer, body)
        except (asyncio.CancelledError, ConnectionResetError):
            seen.left_at = asyncio.get_running_loop().time()
            seen.left.set()
            raise

    async def _streamed(self, request: web.Request, answer: Answer, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await asyncio.sleep(answer.silent)
        written = 0
        async for frame in self.frames(answer, body):
            if answer.events is not None and written == answer.events:
                assert request.transport is not None
                request.transport.abort()
                return response
            await response.write(frame.encode())
            written += 1
            if written == 1 and answer.error is not None:
                await response.write(self.error_frame(answer.error).encode())
                return response
            if written == 1 and answer.garbage:
                await response.write(answer.garbage.encode())
            await asyncio.sleep(answer.pause)
        await response.write_eof()
        return response


def _peer(request: web.Request) -> tuple[str, int]:
    assert request.transport is not None
    host, port = request.transport.get_extra_info("peername")
    return host, port


def texts(answer: Answer) -> Sequence[str]:
    """The texts, if there are no calls to make instead."""
    return () if answer.calls and answer.texts == Answer().texts else answer.texts
