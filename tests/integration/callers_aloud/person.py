"""A caller with something in mind: says it, answers what he is asked, says it again where he was not understood."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.audio.format import FRAME_BYTES, SAMPLE_RATE
from ops.bench.barge_in import cough
from ops.caller import Caller, NoAnswerError
from ops.exchange import Exchange
from tests.integration.callers_aloud.voices import Voices, noisy

MOST_TURNS = 18
GOODBYE = "Goodbye."
REPEATS = 3
"""Times that a caller says a sentence again, where he was not understood and has no other words for it."""
OVER = "Stop. What are your opening hours on Saturday?"
"""Said over the agent."""
ANSWER_SECONDS = 25.0
_NOT_UNDERSTOOD = re.compile(
    r"did not (?:catch|get)|still did not|not sure I got|digit by digit|once more|order number\?"
)


@dataclass(frozen=True, slots=True)
class Line:
    """What the caller says when the agent said something that ``when`` is found in."""

    when: str
    says: tuple[str, ...]
    """One after the other where he is asked again, then from the first. Deeds: "[key] 0"; "[hang-up] …", in the
    middle of it; "[silence]"; "[cough] …" and "[over] …", a cough or another question while it is answered."""


def on(when: str, *says: str) -> Line:
    return Line(when, says)


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool call that must have been made, with these arguments among its own."""

    name: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    ok: bool = True


def tool(name: str, *, ok: bool = True, **arguments: object) -> Tool:
    return Tool(name, arguments, ok)


@dataclass(frozen=True, slots=True)
class Person:
    """A caller, and what must come of the call."""

    name: str
    scenario: str
    begins: str
    """What he says first."""
    lines: tuple[Line, ...] = ()
    """The first that fits is said; none: goodbye."""
    number: str = ""
    dialled: str = ""
    noise: float | None = None
    """Decibels between his speech and the noise round it; None: none."""
    tools: tuple[Tool, ...] = ()
    """In this order, others between."""
    never: tuple[str, ...] = ()
    """Tools that must not have succeeded."""
    hears: tuple[str, ...] = ()
    """Regular expressions for what the recogniser reads in the agent's voice."""
    hears_not: tuple[str, ...] = ()
    ends: tuple[str, str] | None = ("hangup", "goodbye")
    """What is next and why, by the engine; None: the caller hangs up."""
    attack: bool = False
    phone: str = ""
    """The number that he names for an order."""
    stores: tuple[str, ...] = ()
    """What the store holds under his numbers when all calls are over: "order confirmed 4", "booking booked"."""

    def sentences(self) -> Iterator[str]:
        """All that he may say."""
        for text in (self.begins, *(said for line in self.lines for said in line.says)):
            words = text.partition("] ")[2] if text.startswith("[") else text
            if words and not text.startswith("[key]"):
                yield words
        yield from (GOODBYE, OVER)


@dataclass(slots=True)
class Lived:
    """A call as it went."""

    person: Person
    turns: list[tuple[str, str]] = field(default_factory=list)
    """What the engine understood and what it said, by its own account."""
    tools: list[dict[str, Any]] = field(default_factory=list)
    voice: bytes = b""
    """Everything the caller heard."""
    heard: str = ""
    """The same, as a recogniser reads it."""
    ended: tuple[str, str] | None = None
    problem: str = ""
    """What went wrong on the line; empty where nothing did."""
    unfinished: str = ""
    """Why the caller gave up; empty where he did not."""
    violations: list[str] = field(default_factory=list)
    call_id: str = ""
    stored: tuple[str, ...] = ()

    def told(self) -> str:
        """The dialogue, for whoever looks at a failure."""
        talk = "\n".join(f"  caller {said}\n  agent  {answer}" for said, answer in self.turns)
        tools = "\n".join(f"  {one['name']} {one['arguments']} {one['error'] or 'ok'}" for one in self.tools)
        how = self.problem or self.unfinished or "no problem"
        return f"{self.person.name}: {how}, ended {self.ended}\n{talk}\n{tools}\n  {self.heard}"


class GaveUpError(Exception):
    """A caller who was answered, but got no further."""


class Call:
    """One call of a person."""

    def __init__(self, person: Person, leg: Caller, voices: Voices) -> None:
        self._person = person
        self._leg = leg
        self._voices = voices
        self._said: dict[int, int] = {}
        self._last = ""
        self._repeated = 0

    async def live(self) -> None:
        """From the greeting to the end. Raises NoAnswerError, GaveUpError."""
        leg = self._leg
        await leg.wait_for_greeting(20)
        await asyncio.sleep(0.3)
        says = self._last = self._person.begins
        for _ in range(MOST_TURNS):
            answer = await self._take_turn(says)
            if leg.ending is not None:
                return
            says = self._reply(answer)
        raise GaveUpError(f"not done after {MOST_TURNS} turns")

    def _reply(self, answer: str) -> str:
        for number, line in enumerate(self._person.lines):
            if re.search(line.when, answer, re.IGNORECASE):
                times = self._said.get(number, 0)
                self._said[number] = times + 1
                self._last = line.says[times % len(line.says)]
                return self._last
        if _NOT_UNDERSTOOD.search(answer) and self._repeated < REPEATS and not self._last.startswith("["):
            self._repeated += 1
            return self._last
        return GOODBYE

    async def _take_turn(self, says: str) -> str:
        """Say it, or do what a word in brackets names, and hear the answer out; empty where the call ended."""
        leg, seen = self._leg, len(self._leg.engine_events)
        act, _, rest = says.partition(" ") if says.startswith("[") else ("", "", says)
        match act:
            case "[key]":
                leg.press(rest)
            case "[hang-up]":
                pcm = await self._voices.say(rest)
                leg.begin_speaking(pcm)
                await asyncio.sleep(len(pcm) / FRAME_BYTES * 0.02 * 0.6)
                leg.hang_up()
                return ""
            case "[silence]":
                await leg.wait_for_voice(30, after=self._quiet_since())
                await leg.wait_for_end(30)
            case "[cough]" | "[over]":
                before = leg.spoken[-1].last_voiced if leg.spoken else leg.dialled_at
                await leg.speak(await self._spoken(rest))
                voice = await leg.wait_for_voice(15, after=leg.spoken[-1].last_voiced)
                assert voice.started > before
                await asyncio.sleep(1.2)  # well into the answer
                if act == "[cough]":
                    await leg.speak(cough(7) + bytes(SAMPLE_RATE))
                else:
                    seen = len(leg.engine_events)
                    await leg.speak(await self._spoken(OVER))
            case _:
                await leg.speak(await self._spoken(rest))
        return await self._answer(seen)

    def _quiet_since(self) -> float:
        runs = self._leg.heard.runs
        return runs[-1].ended if runs else self._leg.dialled_at

    async def _spoken(self, text: str) -> bytes:
        pcm = await self._voices.say(text)
        return pcm if self._person.noise is None else noisy(pcm, self._person.noise, len(text))

    async def _answer(self, seen: int) -> str:
        """What the agent says, by the engine's account, once it was heard out."""
        try:
            turn = await self._leg.wait_for_event(
                "turn", ANSWER_SECONDS, since=seen, accept=lambda event: not event.data.get("interrupted")
            )
        except NoAnswerError:
            if self._leg.ending is not None:
                return ""
            raise
        if not self._leg.ending:
            await asyncio.sleep(0.25)
        return str(turn.data.get("agent", ""))


async def live(person: Person, address: tuple[str, int], exchange: Exchange, voices: Voices) -> Lived:
    """A whole call."""
    lived = Lived(person)
    leg = Caller(address, exchange, caller=person.number, dialled=person.dialled, follow=True)
    lived.call_id = str(leg.call_id)
    async with leg:
        try:
            await Call(person, leg, voices).live()
            await asyncio.sleep(0.3)  # the events of the end
        except NoAnswerError as error:
            lived.problem = str(error)
        except GaveUpError as error:
            lived.unfinished = str(error)
    for event in leg.engine_events:
        if event.type == "turn" and event.data.get("stages"):
            lived.turns.append((str(event.data.get("caller", "")), str(event.data.get("agent", ""))))
        elif event.type == "tool":
            lived.tools.append(event.data)
        elif event.type == "ended" and leg.ending == "engine":
            lived.ended = (str(event.data.get("next")), str(event.data.get("reason")))
    if leg.dropped:
        lived.problem = lived.problem or f"the call was dropped ({leg.ending})"
    if lived.ended is not None and await exchange.next_step(lived.call_id) != lived.ended[0]:
        lived.problem = "the dialplan is told something else than the event says"
    lived.voice = b"".join(leg.heard.frames)
    lived.violations = leg.violations
    return lived
