"""What a recogniser and a synthesiser must do, whoever makes them.

A provider object lives once in a process; a call opens sessions on it. The same ports are met by embedded models, by
cloud clients, by scripted stand-ins and by the gRPC client that a call uses to reach a replica.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RecognitionOptions:
    """How one call wants to be recognised."""

    call_id: str
    language: str = "en"
    """BCP 47 tag."""
    hints: tuple[str, ...] = ()
    """Words of the playbook (brands, names) to favour; a provider may ignore them."""
    partials: bool = True
    """Whether results are wanted while the caller speaks."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was recognised of one utterance so far."""

    utterance: int
    """Number that ``begin`` gave."""
    text: str
    flush: int = 0
    """Number of the ``flush`` this answers; 0 for a partial that nobody asked for."""
    confidence: float | None = None
    """0..1, None where the provider knows none."""
    seconds: float = 0.0
    """Work time of the recogniser for this answer, in seconds."""


class RecognitionSession(Protocol):
    """One call's stream of utterances. Audio is engine audio (``engine.audio.format``).

    Order of calls: ``begin`` → ``audio``… → ``flush`` → (the caller goes on: ``audio``… → ``flush``) → ``end``.
    Methods raise RecognitionError when the session is broken; a broken session is not mended, a new one is opened and
    the unfinished utterance is replayed to it.
    """

    async def begin(self, utterance: int) -> None:
        """Start an utterance; one that was open is given up."""

    async def audio(self, pcm: bytes) -> None:
        """More audio of the open utterance. Never waits for recognition."""

    async def flush(self, flush: int) -> None:
        """Ask for the text of all audio of the open utterance up to here; the answer carries ``flush`` (1, 2, …)."""

    async def end(self) -> None:
        """The open utterance is over; nothing more will be asked about it."""

    def results(self) -> AsyncIterator[Transcript]:
        """Partials and answers to flushes, in order; ends when the session is closed.

        Raises RecognitionError when the recogniser is lost. A flush of audio without words is answered by an empty
        text.
        """


class SpeechRecognizer(Protocol):
    """A recogniser."""

    async def start(self) -> None:
        """Load what is needed. Raises ConfigurationError, or RecognitionError where the provider cannot be reached."""

    async def check_health(self) -> None:
        """Recognise something short for real. Raises RecognitionError."""

    def open(self, options: RecognitionOptions) -> AbstractAsyncContextManager[RecognitionSession]:
        """A session for one call."""

    async def close(self) -> None:
        """Let go of everything; idempotent."""


@dataclass(frozen=True, slots=True)
class SynthesisRequest:
    """One clause to be spoken."""

    text: str
    """As it is to be spoken: numbers already in words."""
    voice: str = ""
    """Provider's name of the voice; empty for its default."""
    language: str = "en"
    speed: float = 1.0
    """1.0 is the voice's own pace; 1.2 is faster."""
    call_id: str = field(default="", compare=False)
    first_only: bool = field(default=False, compare=False)
    """Of a chain of voices, only the first may speak it: for what is kept under that voice's name."""


class SpeechSynthesizer(Protocol):
    """A voice."""

    async def start(self) -> None:
        """Load what is needed. Raises ConfigurationError, or SynthesisError where the provider cannot be reached."""

    async def check_health(self) -> None:
        """Say something short for real. Raises SynthesisError."""

    def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes]:
        """Chunks of engine audio, the first as early as can be; chunks are whole samples, of any length.

        Raises SynthesisError. Closing the iterator stops the work.
        """

    async def close(self) -> None:
        """Let go of everything; idempotent."""
