"""Voices by OpenAI's API (``/audio/speech``): raw samples at 24 kHz, streamed, as engine audio.

Converted by the short filter of a stream: soxr would hold 40 to 120 ms back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import openai

from engine.audio.format import SAMPLE_BYTES, SAMPLE_RATE
from engine.audio.resample import StreamResampler
from engine.errors import SynthesisError
from engine.speech.ports import SynthesisRequest
from engine.speech.providers.openai_speech import CLIENT_ERRORS, check, speech_client, told
from engine.speech.providers.quiet_edges import QuietEdges

PCM_RATE: Final = 24_000
"""Of ``response_format="pcm"``, by OpenAI's reference: 16-bit little-endian mono, no header."""

ANSWER_SECONDS: Final = 10.0
"""Longest wait for bytes."""

_CHUNK_BYTES: Final = 4_800
"""100 ms."""

_NO_SAMPLES: Final = (b"RIFF", b"ID3", b"OggS", b"fLaC")
"""How files begin that a server sends although raw samples were asked for."""


class OpenAiSynthesizer:
    """Port SpeechSynthesizer. ``voice`` is used where a request names none."""

    def __init__(self, *, url: str, key: str, model: str, voice: str) -> None:
        self._url = url
        self._key = key
        self._model = model
        self._voice = voice
        self._client: openai.AsyncOpenAI | None = None

    async def start(self) -> None:
        if self._client is None:
            self._client = speech_client(self._url, self._key, answer_seconds=ANSWER_SECONDS)

    async def check_health(self) -> None:
        await check(self._started(), SynthesisError)

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes]:
        if not any(character.isalnum() for character in request.text):
            return
        resampler, edges, rest, first = StreamResampler(PCM_RATE, SAMPLE_RATE), QuietEdges(), b"", True
        try:
            async with self._started().audio.speech.with_streaming_response.create(
                model=self._model,
                voice=request.voice or self._voice,
                input=request.text,
                response_format="pcm",
                speed=request.speed if request.speed != 1.0 else openai.omit,
            ) as response:
                kind = response.headers.get("content-type", "")
                if kind.startswith(("text/", "application/json")):
                    raise SynthesisError(f"speech by OpenAI's API: the answer is no audio but {kind.partition(';')[0]}")
                async for data in response.iter_bytes(_CHUNK_BYTES):
                    if first and data.startswith(_NO_SAMPLES):
                        raise SynthesisError("speech by OpenAI's API: the answer is a file, not the samples asked for")
                    first = False
                    joined = rest + data
                    whole = len(joined) // SAMPLE_BYTES * SAMPLE_BYTES
                    rest = joined[whole:]
                    if heard := edges.feed(resampler.feed(joined[:whole])):
                        yield heard
        except CLIENT_ERRORS as error:
            raise told(SynthesisError, error) from error
        if tail := edges.finish():
            yield tail

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _started(self) -> openai.AsyncOpenAI:
        if self._client is None:
            raise SynthesisError("the voice is not started")
        return self._client
