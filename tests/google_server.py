"""Google's speech services on loopback: the public gRPC methods, a toy recogniser and voice, and faults on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
import grpc.aio
from google.cloud.speech_v2.types import cloud_speech as speech
from google.cloud.texttospeech_v1.types import cloud_tts as tts
from google.protobuf.duration_pb2 import Duration

from engine.audio.format import SAMPLE_RATE
from engine.audio.resample import from_engine
from engine.audio.wav import encode_wav
from engine.speech.ports import SynthesisRequest
from engine.speech.providers.scripted import ScriptedSynthesizer
from tests.toy_speech import recognised

KEY: Final = "a-key-that-opens"
SETTLED_SECONDS: Final = 0.5
"""Silence after which the stand-in calls words final by itself, as Google does."""
LONGEST_CHUNK: Final = 15 * 1024

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(slots=True)
class Fault:
    """What goes wrong with one request."""

    code: grpc.StatusCode | None = None
    details: str = ""
    after_seconds: float = 0.0
    """Seconds of audio (recognition) or chunks (voice) before ``code``."""
    silent: bool = False
    """It takes everything and never answers."""
    slow: float = 0.0
    """Seconds before the last words."""
    deaf: bool = False
    """It ends well and says nothing."""
    garbled: bool = False
    """The first words are no message of the protocol."""


@dataclass(slots=True)
class Stream:
    """What one recognition stream got."""

    config: speech.StreamingRecognitionConfig
    recognizer: str
    audio: bytearray = field(default_factory=bytearray)
    chunks: list[int] = field(default_factory=list)
    gone: bool = False
    """The client gave it up."""


class GoogleServer:
    """Both services on one port. ``limit_seconds`` of audio end each stream, as five minutes do at Google's."""

    def __init__(
        self,
        *,
        key: str = KEY,
        limit_seconds: float = 1e9,
        limit_code: grpc.StatusCode = grpc.StatusCode.ABORTED,
        idle_seconds: float | None = None,
    ) -> None:
        """``idle_seconds`` without audio end a stream, as ten do at Google's."""
        self._key = key
        self._limit = limit_seconds
        self._limit_code = limit_code
        self._idle = idle_seconds
        self._server: grpc.aio.Server | None = None
        self.faults: list[Fault] = []
        """Of the next requests, in order."""
        self.always: Fault | None = None
        """Of every request that has none of its own."""
        self.streams: list[Stream] = []
        self.spoken: list[tts.StreamingSynthesizeRequest | tts.SynthesizeSpeechRequest] = []
        self.lists = 0
        self.metadata: list[dict[str, str]] = []
        self.voice_gone = asyncio.Event()
        """A client stopped listening to the voice."""
        self._voice = ScriptedSynthesizer(first_audio_seconds=0.0)
        self.url = ""

    async def start(self) -> str:
        """The endpoint."""
        self._server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(
                    "google.cloud.speech.v2.Speech",
                    {
                        "StreamingRecognize": grpc.stream_stream_rpc_method_handler(
                            self._recognize,
                            speech.StreamingRecognizeRequest.deserialize,
                            _encoded,
                        ),
                        "ListRecognizers": grpc.unary_unary_rpc_method_handler(
                            self._list_recognizers,
                            speech.ListRecognizersRequest.deserialize,
                            speech.ListRecognizersResponse.serialize,
                        ),
                    },
                ),
                grpc.method_handlers_generic_handler(
                    "google.cloud.texttospeech.v1.TextToSpeech",
                    {
                        "StreamingSynthesize": grpc.stream_stream_rpc_method_handler(
                            self._stream_voice,
                            tts.StreamingSynthesizeRequest.deserialize,
                            tts.StreamingSynthesizeResponse.serialize,
                        ),
                        "SynthesizeSpeech": grpc.unary_unary_rpc_method_handler(
                            self._whole_voice,
                            tts.SynthesizeSpeechRequest.deserialize,
                            tts.SynthesizeSpeechResponse.serialize,
                        ),
                        "ListVoices": grpc.unary_unary_rpc_method_handler(
                            self._list_voices, tts.ListVoicesRequest.deserialize, tts.ListVoicesResponse.serialize
                        ),
                    },
                ),
            )
        )
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        self.url = f"http://127.0.0.1:{port}"
        return self.url

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(0)
            self._server = None

    async def _admit(self, context: Context) -> Fault:
        told = {key: str(value) for key, value in context.invocation_metadata() or ()}
        self.metadata.append(told)
        if told.get("x-goog-api-key") != self._key:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "API key not valid. Please pass a valid API key.")
        fault = self.faults.pop(0) if self.faults else self.always or Fault()
        if fault.code is not None and not fault.after_seconds:
            await context.abort(fault.code, fault.details)
        return fault

    async def _list_recognizers(
        self, request: speech.ListRecognizersRequest, context: Context
    ) -> speech.ListRecognizersResponse:
        await self._admit(context)
        assert request.parent == "projects/shop/locations/global"
        self.lists += 1
        return speech.ListRecognizersResponse()

    async def _list_voices(self, _: tts.ListVoicesRequest, context: Context) -> tts.ListVoicesResponse:
        await self._admit(context)
        self.lists += 1
        return tts.ListVoicesResponse()

    async def _recognize(
        self, requests: AsyncIterator[speech.StreamingRecognizeRequest], context: Context
    ) -> AsyncIterator[speech.StreamingRecognizeResponse | bytes]:
        fault = await self._admit(context)
        first = await anext(requests)
        stream = Stream(first.streaming_config, first.recognizer)
        self.streams.append(stream)
        settled = 0  # words that were called final
        told = 0
        async for request in self._paced(requests, context):
            await self._take(stream, request.audio, fault, context)
            if fault.silent or fault.deaf:
                continue
            if fault.garbled:
                yield b"\xff\xff\xff"
            words = recognised(bytes(stream.audio))
            now = len(stream.audio) / 2 / SAMPLE_RATE
            if words[settled:] and now - words[-1][1] >= SETTLED_SECONDS:
                yield _final(words[settled:])
                settled = told = len(words)
            elif len(words) > told and stream.config.streaming_features.interim_results:
                told = len(words)
                yield _interim(words[settled:])
        try:  # whether the client closed its side or went away is known a moment later
            await asyncio.sleep(fault.slow or 0.01)
            if fault.silent:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            stream.gone = True
            raise
        rest = recognised(bytes(stream.audio))[settled:]
        if rest and not fault.deaf:
            yield _final(rest)

    async def _paced(
        self, requests: AsyncIterator[speech.StreamingRecognizeRequest], context: Context
    ) -> AsyncIterator[speech.StreamingRecognizeRequest]:
        while True:
            try:
                async with asyncio.timeout(self._idle):
                    request = await anext(requests, None)
            except TimeoutError:
                await context.abort(self._limit_code, "Stream timed out after receiving no more client requests.")
            if request is None:
                return
            yield request

    async def _take(self, stream: Stream, audio: bytes, fault: Fault, context: Context) -> None:
        if not audio or len(audio) % 2 or len(audio) > LONGEST_CHUNK:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"audio of {len(audio)} bytes")
        stream.audio += audio
        stream.chunks.append(len(audio))
        seconds = len(stream.audio) / 2 / SAMPLE_RATE
        if fault.code is not None and seconds >= fault.after_seconds:
            await context.abort(fault.code, fault.details)
        if seconds > self._limit:
            await context.abort(self._limit_code, "Max duration of 5 minutes reached for stream.")

    async def _stream_voice(
        self, requests: AsyncIterator[tts.StreamingSynthesizeRequest], context: Context
    ) -> AsyncIterator[tts.StreamingSynthesizeResponse]:
        fault = await self._admit(context)
        config = await anext(requests)
        self.spoken.append(config)
        text = ""
        async for request in requests:
            self.spoken.append(request)
            text += request.input.text
        if fault.silent:
            await asyncio.Event().wait()
        rate = config.streaming_config.streaming_audio_config.sample_rate_hertz or 24_000
        sent = 0
        try:
            speed = config.streaming_config.streaming_audio_config.speaking_rate or 1.0
            async for chunk in self._sound(text, speed):
                if fault.code is not None and sent >= fault.after_seconds:
                    await context.abort(fault.code, fault.details)
                yield tts.StreamingSynthesizeResponse(audio_content=from_engine(chunk, rate))
                sent += 1
        except asyncio.CancelledError:
            self.voice_gone.set()
            raise

    async def _whole_voice(
        self, request: tts.SynthesizeSpeechRequest, context: Context
    ) -> tts.SynthesizeSpeechResponse:
        fault = await self._admit(context)
        self.spoken.append(request)
        if fault.silent:
            await asyncio.Event().wait()
        pcm = b"".join([chunk async for chunk in self._sound(request.input.text, request.audio_config.speaking_rate)])
        if fault.deaf:
            return tts.SynthesizeSpeechResponse(audio_content=b"RIFF, but not really")
        return tts.SynthesizeSpeechResponse(audio_content=encode_wav(pcm))

    async def _sound(self, text: str, speed: float) -> AsyncIterator[bytes]:
        """A tenth of a second of silence before and half a second behind, as real voices have."""
        yield bytes(1600)
        async for chunk in self._voice.synthesize(SynthesisRequest(text, speed=speed or 1.0)):
            yield chunk
        yield bytes(8000)


def _encoded(answer: speech.StreamingRecognizeResponse | bytes) -> bytes:
    return answer if isinstance(answer, bytes) else bytes(speech.StreamingRecognizeResponse.serialize(answer))


def _final(words: list[tuple[str, float]]) -> speech.StreamingRecognizeResponse:
    return _response(words, final=True)


def _interim(words: list[tuple[str, float]]) -> speech.StreamingRecognizeResponse:
    return _response(words, final=False)


def _response(words: list[tuple[str, float]], *, final: bool) -> speech.StreamingRecognizeResponse:
    end = words[-1][1]
    result = speech.StreamingRecognitionResult(
        alternatives=[
            speech.SpeechRecognitionAlternative(
                transcript=" " + " ".join(word for word, _ in words), confidence=0.9 if final else 0.0
            )
        ],
        is_final=final,
        result_end_offset=Duration(seconds=int(end), nanos=round(end % 1 * 1e9)),
    )
    return speech.StreamingRecognizeResponse(results=[result])


@asynccontextmanager
async def running(server: GoogleServer) -> AsyncIterator[GoogleServer]:
    """Starts it, and stops it in the end."""
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def google(**how: Any) -> AbstractAsyncContextManager[GoogleServer]:
    """A running server."""
    return running(GoogleServer(**how))
