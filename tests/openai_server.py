"""OpenAI's speech API on loopback: a toy recogniser and voice behind the public requests, and faults on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from engine.audio.resample import from_engine
from engine.audio.wav import decode_wav
from engine.speech.ports import SynthesisRequest
from engine.speech.providers.scripted import ScriptedSynthesizer
from tests.toy_speech import recognised

KEY: Final = "a-key-that-opens"


@dataclass(slots=True)
class Fault:
    """What goes wrong with one request."""

    status: int = 0
    """HTTP status instead of an answer."""
    silent: bool = False
    """It never answers."""
    slow: float = 0.0
    """Seconds before the answer."""
    cut_after: int = -1
    """Chunks of audio before the connection is cut."""
    body: bytes | None = None
    """Sent instead of what was asked for."""
    kind: str = "application/json"
    location: str = ""
    """Where a redirect leads: followed by what the path ends with."""

    def headers(self, path: str) -> dict[str, str]:
        return {"Location": self.location + path.rpartition("/")[2]} if self.location else {}


class OpenAiServer:
    """``start`` gives the base URL."""

    def __init__(self, *, key: str = KEY) -> None:
        """``key``: what opens it; empty: it asks for none."""
        self._key = key
        self.faults: list[Fault] = []
        """Of the next requests, in order."""
        self.heard: list[dict[str, Any]] = []
        """Recognition requests: their fields; ``pcm`` is the engine audio."""
        self.spoken: list[dict[str, Any]] = []
        self.signed: list[str | None] = []
        """``Authorization`` of each request."""
        self.gone = asyncio.Event()
        """A client went away in the middle."""
        self._voice = ScriptedSynthesizer(first_audio_seconds=0.0, pace=1000)
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> str:
        app = web.Application(client_max_size=4 << 20)
        app.router.add_post("/v1/audio/transcriptions", self._transcribe)
        app.router.add_post("/v1/audio/speech", self._speak)
        app.router.add_get("/v1/models", self._models)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self.url

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _admit(self, request: web.Request) -> Fault:
        self.signed.append(request.headers.get("Authorization"))
        if self._key and self.signed[-1] != f"Bearer {self._key}":
            raise web.HTTPUnauthorized(text='{"error": {"message": "Incorrect API key provided: a-wr***key"}}')
        fault = self.faults.pop(0) if self.faults else Fault()
        try:
            if fault.silent:
                await asyncio.Event().wait()
            await asyncio.sleep(fault.slow)
        except asyncio.CancelledError:
            self.gone.set()
            raise
        return fault

    async def _models(self, request: web.Request) -> web.Response:
        await self._admit(request)
        return web.json_response({"object": "list", "data": []})

    async def _transcribe(self, request: web.Request) -> web.Response:
        fields: dict[str, Any] = {}
        async for part in await request.multipart():
            data = await part.read()  # type: ignore[union-attr]  # no nested parts here
            fields[str(part.name)] = decode_wav(data) if part.name == "file" else data.decode()  # type: ignore[union-attr]
        fault = await self._admit(request)
        self.heard.append(fields)
        if fault.status:
            message = "it went wrong"
            return web.json_response(
                {"error": {"message": message}}, status=fault.status, headers=fault.headers(request.path)
            )
        if fault.body is not None:
            return web.Response(body=fault.body, content_type=fault.kind)
        return web.json_response({"text": " ".join(word for word, _ in recognised(fields["file"]))})

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        fields = await request.json()
        fault = await self._admit(request)
        self.spoken.append(fields)
        if fault.status:
            message = f"cannot say: {fields['input']}"
            return web.json_response(
                {"error": {"message": message}}, status=fault.status, headers=fault.headers(request.path)
            )
        if fault.body is not None:
            return web.Response(body=fault.body, content_type=fault.kind)
        response = web.StreamResponse(headers={"Content-Type": "audio/pcm"})
        await response.prepare(request)
        sent = 0
        try:
            async for chunk in self._sound(fields["input"], fields.get("speed", 1.0)):
                if sent == fault.cut_after:
                    assert request.transport is not None
                    request.transport.abort()
                    return response
                data = from_engine(chunk, 24_000)
                for start in range(0, len(data), 1001):  # a network does not cut at samples
                    await response.write(data[start : start + 1001])
                sent += 1
        except (ConnectionError, asyncio.CancelledError):
            self.gone.set()
            raise
        await response.write_eof()
        return response

    async def _sound(self, text: str, speed: float) -> AsyncIterator[bytes]:
        yield bytes(1600)
        async for chunk in self._voice.synthesize(SynthesisRequest(text, speed=speed)):
            yield chunk
        yield bytes(8000)


@asynccontextmanager
async def running(server: OpenAiServer) -> AsyncIterator[OpenAiServer]:
    """Starts it, and stops it in the end."""
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def openai(**how: Any) -> AbstractAsyncContextManager[OpenAiServer]:
    """A running server."""
    return running(OpenAiServer(**how))
