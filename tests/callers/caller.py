"""The caller's voice and the recogniser that hears it: words with times, on a telephone of tones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from engine.audio.format import seconds_of
from engine.errors import RecognitionError
from engine.speech.ports import RecognitionOptions, RecognitionSession, Transcript
from tests.unit.dialogue.stage import Phone

SECONDS_A_WORD = 0.3
PAUSE_SECONDS = 0.45
"""Of the caller, where " / " stands in what he says."""
FLUSH_SECONDS = 0.1
PARTIAL_EVERY = 0.5
FORGOTTEN_SECONDS = 1.5
"""What was said longer ago than this, when an utterance begins, belongs to none."""


@dataclass(slots=True)
class _Piece:
    start: float
    end: float
    words: list[str]
    over: bool = False
    """It belonged to an utterance that is finished."""


class Caller:
    """Says texts into a phone, and knows at any time what of them was said."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._pieces: list[_Piece] = []
        self._utterance = 0

    def says(self, text: str) -> float:
        """Begin to say ``text`` now; returns the seconds that it takes."""
        start = self._phone.now
        for part in text.split(" / "):
            words = part.split()
            start = self._sounds(start, max(0.5, SECONDS_A_WORD * len(words)), words) + PAUSE_SECONDS
        return start - PAUSE_SECONDS - self._phone.now

    def makes_noise(self, seconds: float) -> None:
        """Sound without a word in it."""
        self._sounds(self._phone.now, seconds, [])

    def begins(self, utterance: int) -> None:
        if utterance == self._utterance:
            return  # another session hears the same again
        self._utterance = utterance
        for piece in self._pieces:
            piece.over = piece.over or piece.end < self._phone.now - FORGOTTEN_SECONDS

    def ends(self) -> None:
        for piece in self._pieces:
            piece.over = piece.over or piece.end <= self._phone.now

    def said(self) -> str:
        """Of the utterance so far."""
        now, words = self._phone.now, list[str]()
        for piece in self._pieces:
            if not piece.over and piece.start <= now:
                share = min(1.0, (now - piece.start + 0.05) / (piece.end - piece.start))
                words += piece.words[: int(share * len(piece.words))]
        return " ".join(words)

    def _sounds(self, start: float, seconds: float, words: list[str]) -> float:
        self._phone.speaks(start, start + seconds)
        self._pieces.append(_Piece(start, start + seconds, words))
        return start + seconds


class CallerRecognizer:
    """A ``SpeechRecognizer`` that hears one caller. Can be told to be ``gone``, or to ``lose`` some sessions."""

    def __init__(self) -> None:
        self.caller: Caller | None = None
        self.gone = False
        self.lose = 0

    async def start(self) -> None:
        """Nothing to load."""

    async def check_health(self) -> None:
        """Always well."""

    @asynccontextmanager
    async def open(self, options: RecognitionOptions) -> AsyncIterator[RecognitionSession]:
        if self.gone:
            raise RecognitionError("told to be gone")
        assert self.caller is not None
        yield _Session(self, self.caller)

    async def close(self) -> None:
        """Nothing to let go of."""


class _Session:
    def __init__(self, recognizer: CallerRecognizer, caller: Caller) -> None:
        self._recognizer = recognizer
        self._caller = caller
        self._results: asyncio.Queue[Transcript] = asyncio.Queue()
        self._utterance = 0
        self._bytes = self._partials = 0

    async def begin(self, utterance: int) -> None:
        self._utterance = utterance
        self._bytes = self._partials = 0
        self._caller.begins(utterance)

    async def audio(self, pcm: bytes) -> None:
        self._bytes += len(pcm)
        due = int(seconds_of(self._bytes) / PARTIAL_EVERY)
        if due > self._partials:
            self._partials = due
            self._results.put_nowait(Transcript(self._utterance, self._caller.said(), confidence=0.9))

    async def flush(self, flush: int) -> None:
        if self._recognizer.gone or self._recognizer.lose:
            self._recognizer.lose = max(0, self._recognizer.lose - 1)
            raise RecognitionError("told to be lost")
        answer = Transcript(self._utterance, self._caller.said(), flush=flush, confidence=0.95)
        asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._results.put_nowait, answer)

    async def end(self) -> None:
        self._caller.ends()

    async def results(self) -> AsyncIterator[Transcript]:
        while True:
            yield await self._results.get()
