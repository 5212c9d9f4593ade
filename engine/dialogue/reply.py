"""One answer of the agent, from the conversation so far to speech in the playout.

The agent's text is cut into pieces as it comes, each piece is synthesised while the one before is heard, and where in
the playout each piece lies is kept, so that it is known at any moment what the caller has heard of it. The answer may
be prepared before the caller's turn is known to be over: then it is committed later, or dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from engine.agent.ports import (
    Agent,
    AgentOutput,
    Committed,
    Hangup,
    Message,
    Remember,
    Say,
    ToolFinished,
    ToolStarted,
    Transfer,
)
from engine.audio.format import SAMPLE_BYTES, SAMPLE_RATE, seconds_of
from engine.audio.playout import Playout
from engine.dialogue.clauses import ClauseSplitter
from engine.dialogue.history import Segment, heard_bytes, heard_text
from engine.errors import ModelError, SynthesisError
from engine.speech.ports import SpeechSynthesizer, SynthesisRequest

AHEAD_BYTES = 4 * SAMPLE_RATE * SAMPLE_BYTES
"""Speech that may wait in the playout before the next piece is synthesised: what is dropped at a barge-in cost work."""

TOOL_SECONDS = 30.0
"""Longest silence of the agent while a tool works; tools have limits of their own, far below."""

AGAIN_SECONDS = 6.0
"""From one filler to the next."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Voice:
    """How the agent sounds."""

    synthesizer: SpeechSynthesizer
    name: str = ""
    language: str = "en"
    speed: float = 1.0
    timeout: float = 4.0
    """Seconds without a piece of audio after which synthesis has failed."""
    spell: Callable[[str], str] = str
    """Text as written → text as spoken (numbers in words)."""

    async def speak(self, text: str, call_id: str) -> AsyncIterator[bytes]:
        """Engine audio of ``text``. Raises SynthesisError."""
        request = SynthesisRequest(self.spell(text), self.name, self.language, self.speed, call_id)
        chunks = self.synthesizer.synthesize(request)
        async with contextlib.aclosing(chunks) as stream:  # type: ignore[type-var]
            while True:
                try:
                    async with asyncio.timeout(self.timeout):
                        chunk = await anext(stream)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    raise SynthesisError(f"no audio after {self.timeout:g} s") from None
                yield chunk


@dataclass(slots=True)
class Milestones:
    """When the stages of one answer were reached, on the loop's clock; 0 where not yet."""

    first_token: float = 0.0
    first_piece: float = 0.0
    first_audio: float = 0.0
    on_the_wire: float = 0.0


@dataclass(slots=True)
class Reply:
    """One answer. ``run`` it once; ``commit`` when the caller's turn is over; cancel its task to drop it."""

    agent: Agent
    conversation: tuple[Message, ...]
    voice: Voice
    playout: Playout
    call_id: str
    first_words: int
    model_timeout: float
    filler_after: float
    on_segment: Callable[[], None]
    """Called when a piece was added or is complete: time for a checkpoint."""
    on_tool: Callable[[ToolFinished], None]
    still_working: str = ""
    """Said where a tool takes longer than its filler, time and again; empty: nothing."""
    segments: list[Segment] = field(default_factory=list)
    """Pieces in the playout; on a take-over those that the former process had queued."""
    memory: list[Message] = field(default_factory=list)
    """Tool calls and results that led to the answer."""
    ending: Transfer | Hangup | None = None
    """What follows when all is said."""
    complete: bool = False
    """Whether all of the answer lies in the playout."""
    milestones: Milestones = field(default_factory=Milestones)
    _committed: asyncio.Event = field(default_factory=asyncio.Event)
    _pieces: asyncio.Queue[str | None] = field(default_factory=lambda: asyncio.Queue(64))
    _said_before: list[str] = field(default_factory=list)

    @property
    def committed(self) -> bool:
        return self._committed.is_set()

    def commit(self) -> None:
        """The caller's turn is over: this is the answer."""
        self._committed.set()

    def heard(self) -> str:
        """What the caller has heard of it so far."""
        return heard_text(self.segments, self.playout.position)

    def heard_seconds(self) -> float:
        """How much of its speech that was."""
        return seconds_of(heard_bytes(self.segments, self.playout.position))

    async def run(self) -> None:
        """Prepare and queue the answer. Raises ModelError or SynthesisError."""
        # On a take-over: what lies whole in the playout is not said again, what was cut short is synthesised anew.
        self._said_before = [segment.text for segment in self.segments]
        thinking = asyncio.create_task(self._think(), name="reply-text")
        try:
            await self._speak()
            await thinking
        except BaseException:
            thinking.cancel()
            await asyncio.gather(thinking, return_exceptions=True)
            raise
        self.complete = True
        self.on_segment()

    async def _think(self) -> None:
        try:
            await self._cut_into_pieces()
        except BaseException:
            # The speaking side says what it has and must not wait for more.
            while True:
                try:
                    self._pieces.put_nowait(None)
                    break
                except asyncio.QueueFull:
                    self._pieces.get_nowait()
            raise
        await self._pieces.put(None)

    async def _cut_into_pieces(self) -> None:
        splitter = ClauseSplitter(self.first_words)
        filler: asyncio.Task[None] | None = None
        try:
            async for output in self._outputs_unbroken():
                pieces: list[str] = []
                match output:
                    case Say(text):
                        self.milestones.first_token = self.milestones.first_token or _now()
                        if filler is not None:
                            filler.cancel()
                            filler = None  # a tool that follows has one of its own
                        pieces = splitter.feed(text)
                    case ToolStarted(filler=words):
                        pieces = splitter.flush()
                        if filler is None or filler.done():
                            filler = asyncio.create_task(self._fill(words), name="reply-filler")
                    case _:
                        self._note(output)
                for piece in pieces:
                    await self._pieces.put(piece)
            for piece in splitter.flush():
                await self._pieces.put(piece)
        finally:
            if filler is not None:
                filler.cancel()

    def _note(self, output: AgentOutput) -> None:
        """What of the agent's outputs is not speech."""
        if isinstance(output, ToolFinished):
            self.on_tool(output)
        elif isinstance(output, Remember):
            self.memory.extend(output.messages)
            self.on_segment()
        elif isinstance(output, Transfer | Hangup):
            self.ending = output

    async def _outputs_unbroken(self) -> AsyncIterator[AgentOutput]:
        """The agent's outputs; a model lost in the middle of its answer is asked once more and its words compared."""
        said = ""
        try:
            async for output in self._outputs():
                if isinstance(output, Say):
                    said += output.text
                elif isinstance(output, Remember):
                    said = ""
                yield output
        except ModelError:
            if not said:
                raise
            logger.warning("the model was lost in the middle of an answer, asking again")
        else:
            return
        async for output in self._outputs():
            if not isinstance(output, Say) or not said:
                yield output
            elif said.startswith(output.text):
                said = said[len(output.text) :]
            elif output.text.startswith(said):
                yield Say(output.text[len(said) :])
                said = ""
            else:
                return  # it words it differently now: what was said stands, the caller may ask on

    async def _outputs(self) -> AsyncIterator[AgentOutput]:
        stream = self.agent.respond((*self.conversation, *self.memory), self.until_committed)
        async with contextlib.aclosing(stream) as outputs:  # type: ignore[type-var]
            limit = self.model_timeout
            while True:
                try:
                    async with asyncio.timeout(limit):
                        output = await anext(outputs)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    raise ModelError(f"no answer after {limit:g} s") from None
                limit = TOOL_SECONDS if isinstance(output, ToolStarted) else self.model_timeout
                yield output

    async def until_committed(self) -> None:
        """Returns when it is committed."""
        await self._committed.wait()

    async def _fill(self, filler: str) -> None:
        """While tools work and nothing else is to be said: the filler, later that it still takes time."""
        await asyncio.sleep(self.filler_after)
        await self._committed.wait()
        for words, wait in ((filler, AGAIN_SECONDS), (self.still_working, AGAIN_SECONDS), (self.still_working, 0.0)):
            if words and self._pieces.empty() and (words != filler or not self.segments):
                await self._pieces.put(words)
            await asyncio.sleep(wait)

    async def _speak(self) -> None:
        while (piece := await self._pieces.get()) is not None:
            self.milestones.first_piece = self.milestones.first_piece or _now()
            if self._said_before:
                segment = await self._again(piece)
                if segment is None:
                    continue
            else:
                if self.segments:
                    await self._committed.wait()
                    await self.playout.below(AHEAD_BYTES)
                segment = Segment(piece, self.playout.end)
                self.segments.append(segment)
                self.on_segment()
            await self._synthesize(segment)

    async def _again(self, piece: str) -> Segment | None:
        """After a take-over: the segment to finish when ``piece`` was cut short, None when it lies there whole."""
        before = self._said_before.pop(0)
        segment = self.segments[-1 - len(self._said_before)]
        if before != piece:
            # The model words it differently this time: keep what was queued, and say the rest of the new answer.
            self._said_before.clear()
            return None
        return None if segment.end >= 0 else segment

    async def _synthesize(self, segment: Segment) -> None:
        skip = self.playout.end - segment.start
        async for chunk in self.voice.speak(segment.text, self.call_id):
            self.milestones.first_audio = self.milestones.first_audio or _now()
            if skip >= len(chunk):
                skip -= len(chunk)
                continue
            await self.playout.put(chunk[skip:])
            skip = 0
        segment.end = self.playout.end
        self.on_segment()


def _now() -> float:
    return asyncio.get_running_loop().time()


class Fixed:
    """An agent that says one sentence, and may then end the call: for greetings, prompts, apologies."""

    def __init__(self, text: str, ending: Transfer | Hangup | None = None) -> None:
        self._outputs: tuple[AgentOutput, ...] = (Say(text),) if ending is None else (Say(text), ending)

    async def respond(self, history: Sequence[Message], committed: Committed) -> AsyncIterator[AgentOutput]:
        for output in self._outputs:
            yield output

    async def close(self) -> None:
        """Nothing is open."""
