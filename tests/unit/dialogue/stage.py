"""A telephone call on virtual time: a caller with a script, a real line over a socket pair, parts that do as told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.agent.ports import (
    AgentOutput,
    CallFacts,
    Committed,
    Message,
    Phrases,
    Say,
)
from engine.agent.tokens import ModelTally
from engine.audio.audiosocket import Decoder, Kind, encode, encode_audio
from engine.audio.blackbox import BlackBox
from engine.audio.format import FRAME_BYTES, FRAME_SECONDS, SILENCE
from engine.audio.line import Line
from engine.audio.playout import Playout
from engine.clock import LoopClock, VirtualTimeLoop
from engine.config import DialogueSettings
from engine.dialogue.call import Call
from engine.dialogue.checkpoint import Checkpoint
from engine.dialogue.parts import Outcome, Parts
from engine.dialogue.prepared import PreparedSynthesizer
from engine.dialogue.reply import Voice
from engine.errors import SynthesisError
from engine.speech.ports import SpeechRecognizer, SpeechSynthesizer, SynthesisRequest
from engine.speech.providers.scripted import ScriptedRecognizer

SPEECH = array("h", [9000, -9000] * 80).tobytes()
"""A frame that counts as speech here."""

PHRASES = Phrases(
    greeting="Hello from the shop.",
    still_there="Are you still there?",
    goodbye_silence="I hear nothing, goodbye.",
    goodbye="Goodbye then.",
    apology_transfer="Sorry, something failed, connecting you.",
    transfer="I am connecting you.",
    too_long="We have to end here.",
    not_heard="Sorry, what was that?",
    still_working="It still takes a moment.",
)

SECONDS_A_WORD = 0.4


class LevelActivity:
    """Voice activity by level: what is loud is speech."""

    def __init__(self) -> None:
        self._rest = b""

    def windows(self, frame: bytes) -> list[tuple[float, float]]:
        self._rest += frame
        found = []
        while len(self._rest) >= 512:
            samples = array("h", self._rest[:512])
            self._rest = self._rest[512:]
            loud = sum(abs(sample) > 3000 for sample in samples)
            found.append((0.95, -10.0) if loud > len(samples) / 2 else (0.02, -100.0))
        return found


class ToneSynthesizer:
    """Says each word as a tone of 0.4 s, the first after ``delay``; fails where told to."""

    def __init__(self, delay: float = 0.1) -> None:
        self.delay = delay
        self.broken = False
        self.asked: list[str] = []

    async def start(self) -> None:
        """Nothing to load."""

    async def check_health(self) -> None:
        """Always well."""

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes]:
        self.asked.append(request.text)
        await asyncio.sleep(self.delay)
        if self.broken:
            raise SynthesisError("told to fail")
        for _ in request.text.split():
            yield tone(SECONDS_A_WORD)

    async def close(self) -> None:
        """Nothing to let go of."""


def tone(seconds: float) -> bytes:
    return array("h", [5000, 5000, -5000, -5000] * int(seconds * 2000)).tobytes()


@dataclass
class StoryAgent:
    """Answers the n-th turn of the caller with the n-th output list, after ``delay`` seconds."""

    answers: Sequence[Sequence[AgentOutput] | Exception]
    delay: float = 0.2
    asked: list[tuple[Message, ...]] = field(default_factory=list)
    cancelled: int = 0

    async def respond(self, history: Sequence[Message], committed: Committed) -> AsyncIterator[AgentOutput]:
        self.asked.append(tuple(history))
        turn = sum(message.role == "user" for message in history)
        answer = self.answers[min(turn, len(self.answers)) - 1]
        try:
            await asyncio.sleep(self.delay)
            if isinstance(answer, Exception):
                raise answer
            for output in answer:
                yield output
        except GeneratorExit:
            self.cancelled += 1
            raise
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def close(self) -> None:
        """Nothing is open."""


def says(*texts: str) -> list[list[AgentOutput]]:
    """An answer a turn."""
    return [[Say(text)] for text in texts]


@dataclass(frozen=True)
class Heard:
    """A frame the caller got."""

    at: float
    voiced: bool


class Phone:
    """The other end of the line: sends a frame every 20 ms, notes what it gets. Times count from the connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        connection.setblocking(False)
        self._decoder = Decoder()
        self._began = asyncio.get_running_loop().time()
        self._spans: list[tuple[float, float]] = []
        self._keys: list[tuple[float, str]] = []
        self.heard: list[Heard] = []
        self.hung_up_at: float | None = None
        """When the engine ended the call."""
        self.hang_up_at: float | None = None
        self._task = asyncio.create_task(self._stream())

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    def speaks(self, start: float, end: float) -> None:
        """The caller speaks from ``start`` to ``end``."""
        self._spans.append((start, end))

    def presses(self, at: float, keys: str) -> None:
        self._keys.extend((at + 0.1 * index, key) for index, key in enumerate(keys))

    def voiced_spans(self, gap: float = 0.2) -> list[tuple[float, float]]:
        """When the caller heard speech."""
        spans: list[tuple[float, float]] = []
        for frame in self.heard:
            if not frame.voiced:
                continue
            if spans and frame.at - spans[-1][1] <= gap:
                spans[-1] = (spans[-1][0], frame.at + FRAME_SECONDS)
            else:
                spans.append((frame.at, frame.at + FRAME_SECONDS))
        return [(round(start, 3), round(end, 3)) for start, end in spans]

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._connection.close()

    async def _stream(self) -> None:
        loop = asyncio.get_running_loop()
        count = 0
        while True:
            if self.hang_up_at is not None and self.now >= self.hang_up_at:
                self._connection.close()
                return
            self._send()
            if not self._receive():
                self._connection.close()
                return
            count += 1
            await asyncio.sleep(self._began + count * FRAME_SECONDS + 0.001 - loop.time())

    def _send(self) -> None:
        with contextlib.suppress(OSError):
            while self._keys and self._keys[0][0] <= self.now:
                self._connection.send(encode(Kind.DTMF, self._keys.pop(0)[1].encode()))
            speaking = any(start <= self.now < end for start, end in self._spans)
            self._connection.send(encode_audio(SPEECH if speaking else SILENCE))

    def _receive(self) -> bool:
        while True:
            try:
                data = self._connection.recv(65536)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            for frame in self._decoder.feed(data):
                if frame.kind == Kind.HANGUP:
                    self.hung_up_at = self.now
                    return False
                assert len(frame.payload) == FRAME_BYTES
                loud = sum(abs(sample) > 1000 for sample in array("h", frame.payload))
                self.heard.append(Heard(self.now, loud > 40))


@dataclass
class Stage:
    """Everything of one call that a test may look at."""

    phone: Phone
    call: Call
    box: BlackBox
    agent: StoryAgent
    voice: ToneSynthesizer
    events: list[tuple[str, dict[str, Any]]]
    outcome: asyncio.Task[Outcome]

    def events_of(self, kind: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.events if name == kind]


@contextlib.asynccontextmanager
async def on_stage(
    agent: StoryAgent,
    *,
    texts: Sequence[str] = ("first words", "second words", "third words"),
    settings: DialogueSettings | None = None,
    recognizer: SpeechRecognizer | None = None,
    prepared: dict[str, bytes] | None = None,
    box: BlackBox | None = None,
    checkpoint: Checkpoint | None = None,
    voice: ToneSynthesizer | None = None,
    tally: ModelTally | None = None,
) -> AsyncIterator[Stage]:
    """A call that has just been connected; it is hung up at the end where it still runs."""
    theirs, ours = socket.socketpair()
    if box is None:
        box, fd = BlackBox.create()
        os.close(fd)
    voice = voice or ToneSynthesizer()
    events: list[tuple[str, dict[str, Any]]] = []
    playout = Playout(box)
    ready = {PHRASES.greeting: tone(2.0)} if prepared is None else prepared
    synthesizer: SpeechSynthesizer = PreparedSynthesizer(voice, ready)
    parts = Parts(
        facts=CallFacts("4f2c5f0e-6f5c-4d5e-9f0a-0d8d9a3f0001", "5550001"),
        settings=settings or with_settings(),
        phrases=PHRASES,
        box=box,
        playout=playout,
        activity=LevelActivity(),
        recognizer=recognizer or ScriptedRecognizer(flush_seconds=0.1, texts=tuple(texts)),
        voice=Voice(synthesizer),
        agent=agent,
        journal=lambda kind, fields: events.append((kind, fields)),
        clock=LoopClock(),
        tally=tally or ModelTally(),
    )
    call = Call(parts)
    call.attach(Line(ours, box, playout, call, resynchronise=checkpoint is not None))
    phone = Phone(theirs)

    async def noted(_: Outcome) -> None:
        """Nobody asks."""

    task = asyncio.create_task(call.run(noted, checkpoint))
    stage = Stage(phone, call, box, agent, voice, events, task)
    try:
        yield stage
    finally:
        if not task.done():
            call.end(Outcome("hangup", "test over"))
            await task
        await phone.close()


def play(scene: Callable[[], Awaitable[None]]) -> None:
    """Run ``scene`` on virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(_wrapped(scene))


async def _wrapped(scene: Callable[[], Awaitable[None]]) -> None:
    await scene()


def with_settings(**changes: Any) -> DialogueSettings:
    """The silence that ends a turn is always the same here, unless a test wants to see how it adapts."""
    return replace(DialogueSettings(endpointing_adaptive=False), **changes)
