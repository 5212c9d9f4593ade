"""What embedded voices share: a text in pieces, each rendered whole in a worker thread and made fit for a telephone.

A voice that renders whole sentences lets the caller wait for a long one; so a long text is cut where a speaker would
breathe, and the first piece is heard while the next is rendered.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.audio.format import SAMPLE_BYTES, SAMPLE_RATE, seconds_of
from engine.audio.resample import float_to_engine
from engine.errors import SynthesisError
from engine.speech.ports import SynthesisRequest

Floats = NDArray[np.float32]

WAITING_REQUESTS: Final = 64
"""Requests at once, at most; more are refused at once, so that the caller of the port can go elsewhere."""

SPEECH_RMS: Final = 0.11
"""Loudness of the speaking parts, -19 dBFS: as loud as people arrive on a telephone line, with room for peaks."""

_LONG_WORDS: Final = 12
_PIECE_WORDS: Final = 5
_SENTENCE_GAP: Final = 0.22
_CLAUSE_GAP: Final = 0.1
_LEAD: Final = 0.01
_TAIL: Final = 0.1
_FADE: Final = 0.004
_AUDIBLE: Final = 0.01
"""-40 dBFS, after levelling: what is softer at either end is the voice's own silence."""
_HEALTH_TIMEOUT: Final = 10.0


class Voice(Protocol):
    """A model that speaks. Its methods block and are called in one worker thread only."""

    def load(self) -> None:
        """Raises ConfigurationError."""

    def check(self, request: SynthesisRequest) -> None:
        """Raises SynthesisError where this voice or language is not spoken. Called on the event loop: quick."""

    def render(self, text: str, request: SynthesisRequest) -> tuple[Floats, int]:
        """``text`` as mono samples in -1..1 and their rate; no samples where nothing can be spoken."""


class BatchSynthesizer:
    """``SpeechSynthesizer`` over a ``Voice``."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._thread: ThreadPoolExecutor | None = None
        self._gains: dict[tuple[str, str], float] = {}
        self._requests = 0

    async def start(self) -> None:
        if self._thread is not None:
            return
        thread = ThreadPoolExecutor(1, thread_name_prefix="speak")
        try:
            await asyncio.get_running_loop().run_in_executor(thread, self._voice.load)
        except BaseException:
            thread.shutdown(wait=False)
            raise
        self._thread = thread
        # The first run allocates; no caller should wait for that.
        await self.check_health()

    async def check_health(self) -> None:
        self._executor()
        try:
            async with asyncio.timeout(_HEALTH_TIMEOUT):
                heard = await self._piece("Good morning.", SynthesisRequest("Good morning."), 0.0)
        except TimeoutError as error:
            raise SynthesisError(f"two words took more than {_HEALTH_TIMEOUT:.0f} s") from error
        if seconds_of(len(heard)) < 0.1:
            raise SynthesisError("two words were rendered as silence")

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes]:
        self._executor()
        self._voice.check(request)
        if self._requests >= WAITING_REQUESTS:
            raise SynthesisError(f"{WAITING_REQUESTS} requests are being synthesised already")
        self._requests += 1
        try:
            for text, gap in breaths(request.text):
                if not any(character.isalnum() for character in text):
                    continue  # networks hiss at a lone full stop
                pcm = await self._piece(text, request, gap)
                if pcm:
                    yield pcm
        finally:
            self._requests -= 1

    async def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=False, cancel_futures=True)

    def _executor(self) -> ThreadPoolExecutor:
        if self._thread is None:
            raise SynthesisError("the voice is not started")
        return self._thread

    async def _piece(self, text: str, request: SynthesisRequest, gap: float) -> bytes:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor(), self._render, text, request, gap)
        except SynthesisError:
            raise
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._thread is None and task is not None and not task.cancelling():
                # Not this task was cancelled but its place in the queue, by close().
                raise SynthesisError("the voice was closed") from None
            raise
        except Exception as error:
            raise SynthesisError(f"synthesis failed: {error}") from error

    def _render(self, text: str, request: SynthesisRequest, gap: float) -> bytes:
        """In the worker."""
        samples, rate = self._voice.render(text, request)
        if not len(samples):
            return b""
        # One gain for a voice, by the first thing it says: its own loud and soft words stay so.
        key = (request.voice, request.language)
        if key not in self._gains:
            self._gains[key] = SPEECH_RMS / max(speech_rms(samples, rate), 1e-4)
        return for_telephone(samples * np.float32(self._gains[key]), rate, gap)


def breaths(text: str) -> list[tuple[str, float]]:
    """The pieces of ``text`` to be rendered one by one, each with the pause after it in seconds."""
    pieces: list[tuple[str, float]] = []
    for sentence in re.split(r"(?<=[.!?…])\s+", " ".join(text.split())):
        clauses = [sentence]
        if len(sentence.split()) > _LONG_WORDS:
            clauses = _clauses(sentence)
        pieces.extend((clause, _CLAUSE_GAP) for clause in clauses[:-1])
        if clauses[-1]:
            pieces.append((clauses[-1], _SENTENCE_GAP))
    if pieces:
        pieces[-1] = (pieces[-1][0], 0.0)
    return pieces


def _clauses(sentence: str) -> list[str]:
    clauses: list[str] = []
    for part in re.split(r"(?<=[,;:—–])\s+", sentence):
        if clauses and (len(clauses[-1].split()) < _PIECE_WORDS or len(part.split()) < _PIECE_WORDS - 2):
            clauses[-1] += " " + part
        else:
            clauses.append(part)
    return clauses


def speech_rms(samples: Floats, rate: int) -> float:
    """Loudness of the louder half of 20 ms blocks: of speech without its pauses."""
    block = rate // 50
    if len(samples) < block:
        return 0.0
    energy = np.square(samples[: len(samples) // block * block]).reshape(-1, block).mean(axis=1)
    return float(np.sqrt(np.sort(energy)[len(energy) // 2 :].mean()))


def for_telephone(samples: Floats, rate: int, gap: float = 0.0) -> bytes:
    """Levelled samples as engine audio: at most 20 ms of silence in front, 100 ms and ``gap`` behind, no click, no peak
    beyond full scale."""
    block = max(1, rate // 200)
    rms = np.sqrt(np.square(samples[: len(samples) // block * block]).reshape(-1, block).mean(axis=1))
    audible = np.flatnonzero(rms > _AUDIBLE)
    if not len(audible):
        return b""
    start = max(0, int(audible[0]) * block - int(_LEAD * rate))
    end = min(len(samples), (int(audible[-1]) + 1) * block + int(_TAIL * rate))
    piece = samples[start:end].copy()
    # Peaks above half of full scale are bent down softly; below, nothing is changed.
    loud = np.abs(piece) > 0.5
    piece[loud] = np.sign(piece[loud]) * (0.5 + 0.45 * np.tanh((np.abs(piece[loud]) - 0.5) / 0.45))
    fade = min(int(_FADE * rate), len(piece) // 2)
    if fade:
        ramp = np.linspace(0, 1, fade, dtype=np.float32)
        piece[:fade] *= ramp
        piece[-fade:] *= ramp[::-1]
    return float_to_engine(piece, rate) + bytes(int(gap * SAMPLE_RATE) * SAMPLE_BYTES)
