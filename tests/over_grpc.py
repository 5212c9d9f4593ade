"""Providers as a call reaches them: behind a real gRPC server on loopback, through the client of the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from engine.agent.ports import ChatDelta, ChatModel, ChatRequest
from engine.speech.grpc_client import Channels, GrpcChatModel, GrpcRecognizer, GrpcSynthesizer
from engine.speech.grpc_server import SpeechServer
from engine.speech.leases import FixedLeases, Lease, Service
from engine.speech.ports import (
    RecognitionOptions,
    RecognitionSession,
    SpeechRecognizer,
    SpeechSynthesizer,
    SynthesisRequest,
)


class CountingLeases(FixedLeases):
    """Counts the leases that were given up."""

    def __init__(self, addresses: dict[Service, str]) -> None:
        super().__init__(addresses)
        self.given_up = 0

    def lost(self, lease: Lease) -> None:
        self.given_up += 1


class _Served:
    """Starts and stops the server and the channels."""

    _server: SpeechServer
    _inner: SpeechRecognizer | SpeechSynthesizer | ChatModel

    def __init__(self) -> None:
        self._channels = Channels()

    async def _serve(self) -> str:
        await self._inner.start()
        return f"127.0.0.1:{await self._server.start('127.0.0.1')}"

    async def check_health(self) -> None:
        await self._inner.check_health()

    async def close(self) -> None:
        await self._channels.close()
        await self._server.stop()
        await self._inner.close()


class RecognizerOverGrpc(_Served):
    """Port SpeechRecognizer."""

    def __init__(self, inner: SpeechRecognizer) -> None:
        super().__init__()
        self._inner = inner
        self._server = SpeechServer(recognizer=inner)

    async def start(self) -> None:
        self._client = GrpcRecognizer(FixedLeases({"stt": await self._serve()}), self._channels)

    def open(self, options: RecognitionOptions) -> AbstractAsyncContextManager[RecognitionSession]:
        return self._client.open(options)


class SynthesizerOverGrpc(_Served):
    """Port SpeechSynthesizer."""

    def __init__(self, inner: SpeechSynthesizer) -> None:
        super().__init__()
        self._inner = inner
        self._server = SpeechServer(synthesizer=inner)

    async def start(self) -> None:
        self._client = GrpcSynthesizer(FixedLeases({"tts": await self._serve()}), self._channels)

    def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes]:
        return self._client.synthesize(request)


class ModelOverGrpc(_Served):
    """Port ChatModel."""

    def __init__(self, inner: ChatModel) -> None:
        super().__init__()
        self._inner = inner
        self._server = SpeechServer(model=inner)

    async def start(self) -> None:
        self.leases = CountingLeases({"llm": await self._serve()})
        self._client = GrpcChatModel(self.leases, self._channels)

    def chat(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        return self._client.chat(request)
