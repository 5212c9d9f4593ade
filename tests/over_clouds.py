"""Cloud providers as a replica uses them: each with a server of its public protocol on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from engine.speech.ports import (
    RecognitionOptions,
    RecognitionSession,
    SpeechRecognizer,
    SpeechSynthesizer,
    SynthesisRequest,
)
from engine.speech.providers.google_access import GoogleAccess
from engine.speech.providers.google_recognition import GoogleRecognizer
from engine.speech.providers.google_voice import GoogleSynthesizer
from engine.speech.providers.openai_recognition import OpenAiRecognizer
from engine.speech.providers.openai_voice import OpenAiSynthesizer
from tests import google_server, openai_server


class _Recognizer:
    """Port SpeechRecognizer."""

    _server: google_server.GoogleServer | openai_server.OpenAiServer
    _client: SpeechRecognizer

    def _make(self) -> SpeechRecognizer:
        raise AssertionError

    async def start(self) -> None:
        await self._server.start()
        self._client = self._make()
        await self._client.start()

    async def check_health(self) -> None:
        await self._client.check_health()

    def open(self, options: RecognitionOptions) -> AbstractAsyncContextManager[RecognitionSession]:
        return self._client.open(options)

    async def close(self) -> None:
        await self._client.close()
        await self._server.stop()


class _Synthesizer:
    """Port SpeechSynthesizer."""

    _server: google_server.GoogleServer | openai_server.OpenAiServer
    _client: SpeechSynthesizer

    def _make(self) -> SpeechSynthesizer:
        raise AssertionError

    async def start(self) -> None:
        await self._server.start()
        self._client = self._make()
        await self._client.start()

    async def check_health(self) -> None:
        await self._client.check_health()

    def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes]:
        return self._client.synthesize(request)

    async def close(self) -> None:
        await self._client.close()
        await self._server.stop()


def _google(server: google_server.GoogleServer) -> GoogleAccess:
    return GoogleAccess(host="unused", endpoint=server.url, api_key=google_server.KEY, project="shop")


class GoogleRecognizerOnLoopback(_Recognizer):
    def __init__(self) -> None:
        self._google = self._server = google_server.GoogleServer()

    def _make(self) -> SpeechRecognizer:
        return GoogleRecognizer(_google(self._google), location="global", model="telephony")


class OpenAiRecognizerOnLoopback(_Recognizer):
    def __init__(self) -> None:
        self._server = openai_server.OpenAiServer()

    def _make(self) -> SpeechRecognizer:
        return OpenAiRecognizer(url=self._server.url, key=openai_server.KEY, model="whisper-1", partial_seconds=0.5)


class GoogleSynthesizerOnLoopback(_Synthesizer):
    def __init__(self, voice: str) -> None:
        self._google = self._server = google_server.GoogleServer()
        self._voice = voice

    def _make(self) -> SpeechSynthesizer:
        return GoogleSynthesizer(_google(self._google), voice=self._voice)


class OpenAiSynthesizerOnLoopback(_Synthesizer):
    def __init__(self) -> None:
        self._server = openai_server.OpenAiServer()

    def _make(self) -> SpeechSynthesizer:
        return OpenAiSynthesizer(url=self._server.url, key=openai_server.KEY, model="tts-1", voice="alloy")
