"""Google Cloud's voices: Chirp 3 HD streamed over gRPC, the others in one answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Final

import grpc
import grpc.aio
from google.cloud.texttospeech_v1.types import cloud_tts as tts

from engine.audio.format import SAMPLE_BYTES, SAMPLE_RATE
from engine.audio.resample import StreamResampler
from engine.audio.wav import decode_wav
from engine.errors import SynthesisError
from engine.speech.ports import SynthesisRequest
from engine.speech.providers.google_access import (
    LISTEN_SECONDS,
    REACH_SECONDS,
    GoogleAccess,
    google_language,
    told,
    unexplained,
)
from engine.speech.providers.quiet_edges import QuietEdges

SERVICE: Final = "Google Text-to-Speech"

STREAM_RATE: Final = 24_000
"""Of the streamed voices, by Google's description of the answer."""

REQUEST_SECONDS: Final = 30.0
"""One clause takes at most so long, the listening included."""

_PREFIX: Final = "/google.cloud.texttospeech.v1.TextToSpeech/"
_STREAMED: Final = "Chirp3-HD"


class GoogleSynthesizer:
    """Port SpeechSynthesizer. ``voice`` is used where a request names none."""

    def __init__(self, access: GoogleAccess, *, voice: str) -> None:
        self._access = access
        self._voice = voice

    async def start(self) -> None:
        await self._access.start()

    async def check_health(self) -> None:
        """Asks for the list of voices: connection, credentials and API are tried, nothing is paid for."""
        ask = self._channel().unary_unary(
            _PREFIX + "ListVoices",
            request_serializer=tts.ListVoicesRequest.serialize,
            response_deserializer=tts.ListVoicesResponse.deserialize,
        )
        request = tts.ListVoicesRequest(language_code="en-US")
        try:
            await ask(request, metadata=self._access.metadata(), timeout=REACH_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise told(SynthesisError, SERVICE, error) from error

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes]:
        if not any(character.isalnum() for character in request.text):
            return
        voice = self._selected(request)
        edges = QuietEdges()
        try:
            async with aclosing(
                self._stream(voice, request) if _STREAMED in voice.name else self._whole(voice, request)
            ) as pieces:
                async for piece in pieces:
                    if heard := edges.feed(piece):
                        yield heard
        except grpc.aio.AioRpcError as error:
            raise told(SynthesisError, SERVICE, error, without=request.text) from error
        if rest := edges.finish():
            yield rest

    async def close(self) -> None:
        await self._access.close()

    async def _stream(self, voice: tts.VoiceSelectionParams, request: SynthesisRequest) -> AsyncGenerator[bytes, None]:
        ask = self._channel().stream_stream(
            _PREFIX + "StreamingSynthesize",
            request_serializer=tts.StreamingSynthesizeRequest.serialize,
            response_deserializer=tts.StreamingSynthesizeResponse.deserialize,
        )
        config = tts.StreamingSynthesizeConfig(
            voice=voice,
            streaming_audio_config=tts.StreamingAudioConfig(
                audio_encoding=tts.AudioEncoding.PCM, sample_rate_hertz=STREAM_RATE, speaking_rate=request.speed
            ),
        )
        asked = (
            tts.StreamingSynthesizeRequest(streaming_config=config),
            tts.StreamingSynthesizeRequest(input=tts.StreamingSynthesisInput(text=request.text)),
        )
        for listen in (0.0, LISTEN_SECONDS):
            call = ask(_paced(asked, listen), metadata=self._access.metadata(), timeout=REQUEST_SECONDS)
            begun = False
            try:
                async with aclosing(_engine_audio(call)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
            except grpc.aio.AioRpcError as error:
                if begun or listen or not unexplained(error):
                    raise
            else:
                return
            finally:
                call.cancel()

    async def _whole(self, voice: tts.VoiceSelectionParams, request: SynthesisRequest) -> AsyncGenerator[bytes, None]:
        ask = self._channel().unary_unary(
            _PREFIX + "SynthesizeSpeech",
            request_serializer=tts.SynthesizeSpeechRequest.serialize,
            response_deserializer=tts.SynthesizeSpeechResponse.deserialize,
        )
        message = tts.SynthesizeSpeechRequest(
            input=tts.SynthesisInput(text=request.text),
            voice=voice,
            audio_config=tts.AudioConfig(
                audio_encoding=tts.AudioEncoding.LINEAR16, sample_rate_hertz=SAMPLE_RATE, speaking_rate=request.speed
            ),
        )
        answer = await ask(message, metadata=self._access.metadata(), timeout=REQUEST_SECONDS)
        try:
            yield decode_wav(answer.audio_content)
        except ValueError as error:
            raise SynthesisError(f"{SERVICE}: the answer is no audio: {error}") from error

    def _selected(self, request: SynthesisRequest) -> tts.VoiceSelectionParams:
        """``en-US-Chirp3-HD-Charon`` speaks its own language, ``Chirp3-HD-Charon`` that of the request."""
        name = request.voice or self._voice
        parts = name.split("-")
        if len(parts) > 2 and parts[0].islower() and parts[1].isupper():
            return tts.VoiceSelectionParams(language_code="-".join(parts[:2]), name=name)
        language = google_language(request.language)
        return tts.VoiceSelectionParams(language_code=language, name=f"{language}-{name}")

    def _channel(self) -> grpc.aio.Channel:
        try:
            return self._access.channel
        except ConnectionError as error:
            raise SynthesisError("the voice is not started") from error


async def _paced(
    requests: Sequence[tts.StreamingSynthesizeRequest], pause: float
) -> AsyncIterator[tts.StreamingSynthesizeRequest]:
    for request in requests:
        yield request
        if pause:
            await asyncio.sleep(pause)


async def _engine_audio(answers: AsyncIterable[tts.StreamingSynthesizeResponse]) -> AsyncGenerator[bytes, None]:
    resampler = StreamResampler(STREAM_RATE, SAMPLE_RATE)
    rest = b""
    async for answer in answers:
        data = rest + answer.audio_content
        whole = len(data) // SAMPLE_BYTES * SAMPLE_BYTES
        rest = data[whole:]
        if piece := resampler.feed(data[:whole]):
            yield piece
