"""Providers that break as they are told, for what stands behind them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from engine.errors import RecognitionError, SynthesisError
from engine.speech.ports import RecognitionOptions, RecognitionSession, SynthesisRequest, Transcript
from engine.speech.providers.recognition_results import RecognitionResults
from engine.speech.providers.scripted import ScriptedSynthesizer

BreaksAt = Literal["open", "audio", "flush", "never", "answers"]
HangsAt = Literal["", "open", "begin", "audio", "flush", "end", "close", "close for good"]


class BreakingRecognizer:
    """Port SpeechRecognizer that breaks at ``at``; ``never`` gives no answer at all, ``answers`` works.

    The call ``hangs`` does not return until ``freed``, "close for good" not even when it is cancelled.
    """

    def __init__(self, at: BreaksAt = "audio", hangs: HangsAt = "") -> None:
        self.at: BreaksAt = at
        self.hangs: HangsAt = hangs
        self.freed = asyncio.Event()
        self.unreadable = False
        """Whether reading its results raises what no recogniser should."""
        self.heard: list[bytearray] = []
        """Audio of each utterance."""
        self.closed = 0
        """Sessions that were left."""

    async def start(self) -> None:
        """Nothing to load."""

    async def check_health(self) -> None:
        """Always well."""

    @asynccontextmanager
    async def open(self, _options: RecognitionOptions) -> AsyncIterator[RecognitionSession]:
        if self.at == "open":
            raise RecognitionError("no session")
        await self.hang("open")
        session = _Breaking(self)
        try:
            yield session
        finally:
            session.out.close()
            await self.hang("close")
            while self.hangs == "close for good" and not self.freed.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await self.freed.wait()
            self.closed += 1

    async def hang(self, call: HangsAt) -> None:
        if self.hangs == call:
            await self.freed.wait()

    async def close(self) -> None:
        """Nothing to let go of."""


class _Breaking:
    def __init__(self, owner: BreakingRecognizer) -> None:
        self._owner = owner
        self._utterance = 0
        self.out = RecognitionResults()

    async def begin(self, utterance: int) -> None:
        self.out.check()
        await self._owner.hang("begin")
        self._utterance = utterance
        self._owner.heard.append(bytearray())

    async def audio(self, pcm: bytes) -> None:
        self.out.check()
        await self._owner.hang("audio")
        self._owner.heard[-1] += pcm
        if self._owner.at == "audio":
            self.out.fail(RecognitionError("broken at audio"))

    async def flush(self, flush: int) -> None:
        await self._owner.hang("flush")
        if self._owner.at == "flush":
            raise RecognitionError("broken at flush")
        if self._owner.at == "answers":
            self.out.tell(Transcript(self._utterance, "the first heard this", flush, 0.9, 0.01))

    async def end(self) -> None:
        self.out.check()
        await self._owner.hang("end")

    async def results(self) -> AsyncIterator[Transcript]:
        if self._owner.unreadable:
            raise ValueError("no transcript")
        async for transcript in self.out.read():
            yield transcript


class BreakingSynthesizer:
    """Port SpeechSynthesizer that fails after ``chunks`` of audio; ``silent`` gives nothing and does not end."""

    def __init__(self, chunks: int = 0, *, silent: bool = False) -> None:
        self.chunks = chunks
        self.silent = silent
        self.asked: list[SynthesisRequest] = []
        self._voice = ScriptedSynthesizer(first_audio_seconds=0.0)

    async def start(self) -> None:
        """Nothing to load."""

    async def check_health(self) -> None:
        """Always well."""

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes]:
        self.asked.append(request)
        if self.silent:
            await asyncio.Event().wait()
        given = 0
        async for chunk in self._voice.synthesize(request):
            if given == self.chunks:
                raise SynthesisError("broken")
            given += 1
            yield chunk

    async def close(self) -> None:
        """Nothing to let go of."""
