"""A recogniser and a voice without models, for tests and benchmarks: they answer on time and always the same.

Both wait by ``asyncio.sleep`` and ``loop.call_later`` only, so that they work on a virtual clock as well.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.audio.format import SAMPLE_BYTES, SAMPLE_RATE, seconds_of
from engine.errors import RecognitionError
from engine.speech.ports import RecognitionOptions, RecognitionSession, SynthesisRequest, Transcript

DEFAULT_TEXTS: Final = (
    "I need four winter tyres for my car",
    "What is the price of a fitting",
    "Yes please book it for Tuesday morning",
    "Where is my order now",
    "Thank you that is all",
)


class ScriptedRecognizer:
    """``SpeechRecognizer``: utterance 1 of a call is ``texts[0]``, utterance 2 ``texts[1]``, and round again.

    A flush is answered exactly ``flush_seconds`` after it was asked (0 and more), however often an utterance is
    flushed with the same text; every ``partial_every`` seconds of audio (0: never) a longer beginning of it is a
    partial. An utterance without audio has no words. `` / `` in a text stands for a pause of the caller: the first
    flush is answered by what stands before the first of them, the second by what stands before the second; one with
    nothing but digital silence since the flush before it is answered as that one was.
    """

    def __init__(
        self, *, flush_seconds: float = 0.1, texts: Sequence[str] = DEFAULT_TEXTS, partial_every: float = 0.5
    ) -> None:
        if not texts:
            raise ValueError("a scripted recogniser needs a text")
        self._flush_seconds = flush_seconds
        self._texts = tuple(texts)
        self._partial_every = partial_every

    async def start(self) -> None:
        """Nothing to load."""

    async def check_health(self) -> None:
        """Always well."""

    @asynccontextmanager
    async def open(self, options: RecognitionOptions) -> AsyncIterator[RecognitionSession]:
        every = self._partial_every if options.partials else 0.0
        session = _ScriptedSession(self._texts, self._flush_seconds, every)
        try:
            yield session
        finally:
            session.close()

    async def close(self) -> None:
        """Nothing to let go of."""


class _ScriptedSession:
    def __init__(self, texts: tuple[str, ...], flush_seconds: float, partial_every: float) -> None:
        self._texts = texts
        self._flush_seconds = flush_seconds
        self._partial_every = partial_every
        self._results: asyncio.Queue[Transcript | None] = asyncio.Queue(maxsize=256)
        self._timers: dict[asyncio.TimerHandle, int] = {}
        self._utterance: int | None = None
        self._bytes = 0
        self._sound = True
        self._partials = self._flushes = 0
        self._closed = False

    async def begin(self, utterance: int) -> None:
        self._check()
        if self._utterance is not None:
            for timer in [timer for timer, number in self._timers.items() if number == self._utterance]:
                timer.cancel()
                del self._timers[timer]
        self._utterance = utterance
        self._bytes = self._partials = self._flushes = 0
        self._sound = True

    async def audio(self, pcm: bytes) -> None:
        number = self._open()
        self._bytes += len(pcm)
        self._sound = self._sound or any(pcm)
        if not self._partial_every:
            return
        due = int(seconds_of(self._bytes) / self._partial_every)
        if due > self._partials:
            self._partials = due
            words = self._so_far(number, self._flushes + 1).split()
            # About two and a half words a second, like a caller.
            heard = max(1, int(seconds_of(self._bytes) * 2.5))
            self._tell(Transcript(number, " ".join(words[:heard]), confidence=0.9))

    async def flush(self, flush: int) -> None:
        number = self._open()
        if self._sound or not self._flushes:
            self._flushes += 1
        self._sound = False
        text = self._so_far(number, self._flushes) if self._bytes else ""
        answer = Transcript(number, text, flush=flush, confidence=0.95, seconds=self._flush_seconds)

        def tell() -> None:
            del self._timers[timer]
            self._tell(answer)

        timer = asyncio.get_running_loop().call_later(self._flush_seconds, tell)
        self._timers[timer] = number

    async def end(self) -> None:
        self._check()
        self._utterance = None

    async def results(self) -> AsyncIterator[Transcript]:
        while not (self._closed and self._results.empty()):
            result = await self._results.get()
            if result is None:
                return
            yield result

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            for timer in self._timers:
                timer.cancel()
            self._timers.clear()
            if self._results.full():
                self._results.get_nowait()
            self._results.put_nowait(None)

    def _so_far(self, number: int, parts: int) -> str:
        return " ".join(self._text(number).split(" / ")[:parts])

    def _text(self, utterance: int) -> str:
        return self._texts[(utterance - 1) % len(self._texts)]

    def _tell(self, transcript: Transcript) -> None:
        if self._results.full():  # nobody reads: the oldest goes
            self._results.get_nowait()
        self._results.put_nowait(transcript)

    def _check(self) -> None:
        if self._closed:
            raise RecognitionError("the session is closed")

    def _open(self) -> int:
        self._check()
        if self._utterance is None:
            raise RecognitionError("no utterance is open")
        return self._utterance


class ScriptedSynthesizer:
    """``SpeechSynthesizer``: the first 100 ms of sound exactly ``first_audio_seconds`` after the request, then 400 ms
    of sound every 400 ms / ``pace``.

    The sound is a buzz like a voice, a hump of loudness for each word, ``words_per_second`` of them at speed 1; it is
    the same for the same text, never quiet within a word and never silent between two, so that a test can tell where
    speech begins and ends.
    """

    def __init__(self, *, first_audio_seconds: float = 0.1, words_per_second: float = 2.5, pace: float = 10.0) -> None:
        if words_per_second <= 0 or pace <= 0:
            raise ValueError("a scripted voice speaks forward")
        self._first = first_audio_seconds
        self._words_per_second = words_per_second
        self._pause = _CHUNK_SECONDS / pace
        self._sounds: dict[tuple[str, float], bytes] = {}

    async def start(self) -> None:
        """Nothing to load."""

    async def check_health(self) -> None:
        """Always well."""

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes]:
        await asyncio.sleep(self._first)
        sound = self.sound(request.text, request.speed)
        first = int(_FIRST_CHUNK_SECONDS * SAMPLE_RATE) * SAMPLE_BYTES
        step = int(_CHUNK_SECONDS * SAMPLE_RATE) * SAMPLE_BYTES
        if sound:
            yield sound[:first]
        for start in range(first, len(sound), step):
            await asyncio.sleep(self._pause)
            yield sound[start : start + step]

    async def close(self) -> None:
        """Nothing to let go of."""

    def sound(self, text: str, speed: float = 1.0) -> bytes:
        """The whole of what is said for ``text``."""
        seconds = 1 / (self._words_per_second * speed)
        return b"".join(self._word(word, seconds) for word in text.split())

    def _word(self, word: str, seconds: float) -> bytes:
        """A word's sound, computed once: a stand-in shall cost little beside what is measured with it."""
        sound = self._sounds.get((word, seconds))
        if sound is None:
            if len(self._sounds) >= _WORDS_KEPT:
                self._sounds.clear()
            sound = self._sounds[word, seconds] = _word(word, seconds)
        return sound


_FIRST_CHUNK_SECONDS: Final = 0.1
_CHUNK_SECONDS: Final = 0.4
_WORDS_KEPT: Final = 1000
_HARMONICS: Final = 16


def _word(word: str, seconds: float) -> bytes:
    """A buzz of 130 to 180 Hz with two formants that depend on the word's letters."""
    seed = zlib.crc32(word.lower().encode())
    pitch = 130 + seed % 50
    formants = (400 + seed // 50 % 400, 1200 + seed // 20000 % 1000)
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    wave: NDArray[np.float64] = np.zeros(len(time))
    for harmonic in range(1, _HARMONICS + 1):
        frequency = harmonic * pitch
        weight = 0.1 + sum(np.exp(-(((frequency - formant) / 250) ** 2)) for formant in formants)
        # Cosines in step: a pulse in each period, as vocal cords make it.
        wave += weight * np.cos(2 * np.pi * frequency * time)
    wave /= np.abs(wave).max()
    envelope = 0.3 + 0.7 * np.sin(np.pi * np.arange(len(time)) / len(time))
    return np.rint(wave * envelope * 20000).astype("<i2").tobytes()
