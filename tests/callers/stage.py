"""Plays one conversation: a whole call on virtual time, led by the real dialogue, agent, policy and tools."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from engine.agent.agent import ToolAgent
from engine.agent.playbook import load_playbook
from engine.agent.playbooks import spelling_of
from engine.agent.ports import CallFacts
from engine.agent.toolbox import open_tools
from engine.audio.blackbox import BlackBox
from engine.audio.line import Line
from engine.audio.playout import Playout
from engine.config import DialogueSettings
from engine.dialogue.call import Call
from engine.dialogue.parts import Journal, Outcome, Parts
from engine.dialogue.prepared import PreparedSynthesizer, pieces_to_prepare
from engine.dialogue.reply import Voice
from tests.callers.caller import Caller
from tests.callers.script import Conversation, Given, Step, ToolUse
from tests.callers.world import SECONDS_A_WORD, StageModel, World
from tests.unit.dialogue.stage import LevelActivity, Phone, tone

REACTION_SECONDS = 0.5
"""From the end of what he hears to the caller's own words."""
LOOK_SECONDS = 0.01
NOTICED_SECONDS = 3.5
"""Within which the call does something about a turn or a key, or never."""
PATIENCE_SECONDS = 90.0
"""For anything that a step waits for."""


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a conversation."""

    outcome: Outcome | None
    """None: it did not end."""
    tools: tuple[ToolUse, ...]
    heard: tuple[str, ...]
    """What the agent said from each step to the next, the greeting before the first."""
    orders: tuple[str, ...]
    bookings: tuple[str, ...]
    appointments: tuple[str, ...]
    sounded: float
    """Seconds of speech that the caller heard."""
    stuck: str = ""
    """Why a step could not be done."""


@dataclass(slots=True)
class _Stage:
    call: Call
    phone: Phone
    caller: Caller
    world: World
    running: asyncio.Task[Outcome]
    events: list[tuple[str, dict[str, Any]]]
    marks: list[int] = field(default_factory=list)
    """Events there were when each step began."""

    @property
    def over(self) -> bool:
        return self.running.done()

    async def until(self, reached: Callable[[], bool], what: str, limit: float = PATIENCE_SECONDS) -> None:
        """Raises TimeoutError."""
        for _ in range(int(limit / LOOK_SECONDS)):
            if reached() or self.over:
                return
            await asyncio.sleep(LOOK_SECONDS)
        raise TimeoutError(f"never {what}, but {self.call.state}")


async def play(conversation: Conversation, model: StageModel) -> Played:
    """The whole of it, from the first ring to the end of the call."""
    given = conversation.given
    world = World(given, model)
    await model.begin(world.clock)
    await world.settle(given)
    await world.becomes(given.world)
    stuck = ""
    async with _connected(given, world) as stage:
        try:
            for step in conversation.talk:
                await _do(step, stage)
            await stage.until(lambda: False, "over")
        except TimeoutError as error:
            stuck = str(error)
        outcome = stage.running.result() if stage.over else None
        return Played(
            outcome,
            tuple(_used(fields) for kind, fields in stage.events if kind == "tool"),
            _heard(stage),
            world.orders,
            world.bookings,
            world.appointments,
            sum(frame.voiced for frame in stage.phone.heard) / 50,
            stuck,
        )


@contextlib.asynccontextmanager
async def _connected(given: Given, world: World) -> AsyncIterator[_Stage]:
    """A call that has just been put through."""
    theirs, ours = socket.socketpair()
    box, descriptor = BlackBox.create()
    os.close(descriptor)
    playout = Playout(box)
    events: list[tuple[str, dict[str, Any]]] = []
    call = Call(_parts(given, world, box, playout, lambda kind, fields: events.append((kind, fields))))
    call.attach(Line(ours, box, playout, call))
    phone = Phone(theirs)
    caller = world.recognizer.caller = Caller(phone)
    running = asyncio.create_task(call.run(_noted))
    try:
        yield _Stage(call, phone, caller, world, running, events)
    finally:
        call.end(Outcome("hangup", "the test is over"))
        await asyncio.gather(running, return_exceptions=True)
        await phone.close()
        box.close()


def _parts(given: Given, world: World, box: BlackBox, playout: Playout, journal: Journal) -> Parts:
    playbook = load_playbook(given.playbook)
    settings = replace(DialogueSettings(), **given.settings)
    facts = CallFacts("4f2c5f0e-6f5c-4d5e-9f0a-0d8d9a3f0001", given.caller)
    pieces = pieces_to_prepare(playbook.phrases, settings.first_clause_words)
    spell = spelling_of(playbook, "en")
    prepared = {spell(piece): tone(SECONDS_A_WORD * len(spell(piece).split())) for piece in pieces}
    return Parts(
        facts=facts,
        settings=settings,
        phrases=playbook.phrases,
        box=box,
        playout=playout,
        activity=LevelActivity(),
        recognizer=world.recognizer,
        voice=Voice(PreparedSynthesizer(world.voice, prepared), spell=spell),
        agent=ToolAgent(
            model=world.model,
            playbook=playbook,
            tools=open_tools(
                playbook,
                store=world.store,
                service=world.clinic,
                knowledge=world.model.knowledge(playbook.name),
                is_open=lambda: playbook.hours.open_at(world.clock.wall()),
            ),
            facts=facts,
            clock=world.clock,
        ),
        journal=journal,
        clock=world.clock,
    )


async def _noted(_: Outcome) -> None:
    """Nobody asks."""


async def _do(step: Step, stage: _Stage) -> None:
    """One step of the caller, when its time has come."""
    if step.over:
        # the agent's words from now on; what he says to the step before has not begun yet
        start = len(stage.phone.heard)
        await stage.until(
            lambda: sum(frame.voiced for frame in stage.phone.heard[start:]) >= 50 * SECONDS_A_WORD * step.over,
            f"{step.over} words heard",
        )
    elif step.during or step.action == "hangs_up":
        state = step.during or step.value
        await stage.until(lambda: stage.call.state == state, state)
    else:
        await _own_turn(stage)
    stage.marks.append(len(stage.events))
    if stage.over:
        raise TimeoutError(f"the call was over before: {step.action} {step.value}")
    match step.action:
        case "says":
            await asyncio.sleep(stage.caller.says(step.value))
            await _noticed(stage)
        case "noise":
            stage.caller.makes_noise(step.value)
            await asyncio.sleep(step.value)
            await _noticed(stage)
        case "silence":
            await asyncio.sleep(step.value)
        case "keys":
            stage.phone.presses(stage.phone.now, step.value)
            await asyncio.sleep(0.1 * len(step.value))
            await _noticed(stage)
        case "hangs_up":
            stage.phone.hang_up_at = 0.0
        case "world":
            await stage.world.becomes(step.value)


async def _own_turn(stage: _Stage) -> None:
    """Until the agent has finished and waits."""
    quiet = 0
    for _ in range(int(PATIENCE_SECONDS / LOOK_SECONDS)):
        waiting = stage.call.state == "listening" and stage.call.may_begin()
        quiet = quiet + 1 if waiting else 0
        if quiet * LOOK_SECONDS >= REACTION_SECONDS or stage.over:
            return
        await asyncio.sleep(LOOK_SECONDS)
    raise TimeoutError(f"never the caller's turn, but {stage.call.state}")


async def _noticed(stage: _Stage) -> None:
    """Until the call does something about what the caller did, or does not."""
    before = stage.marks[-1]
    with contextlib.suppress(TimeoutError):
        await stage.until(
            lambda: any(kind == "state" for kind, _ in stage.events[before:]), "noticed", limit=NOTICED_SECONDS
        )


def _used(fields: dict[str, Any]) -> ToolUse:
    if not fields["ok"]:
        return ToolUse(fields["name"], error=fields["error"])
    return ToolUse(fields["name"], dict(fields["arguments"]))


def _heard(stage: _Stage) -> tuple[str, ...]:
    bounds = [0, *stage.marks, len(stage.events)]
    return tuple(
        " ".join(fields["agent"] for kind, fields in stage.events[start:end] if kind == "turn" and fields["agent"])
        for start, end in pairwise(bounds)
    )
