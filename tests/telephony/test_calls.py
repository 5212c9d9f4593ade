"""Calls from a SIP telephone through a real Asterisk to the engine as a user starts it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.telephony.conftest import CAPACITY
from tests.telephony.rig.asterisk import Asterisk
from tests.telephony.rig.engine import CallEvents, Engine
from tests.telephony.rig.install import Installation
from tests.telephony.rig.phones import OPERATOR_TONE, SipCaller, SipOperator, read_wav
from tests.telephony.rig.sipp import place_calls

pytestmark = [pytest.mark.telephony, pytest.mark.timeout(300)]  # the first test may install and start all of it

CLIPS: Final = Path(__file__).parents[2] / "ops" / "demo"
QUESTION: Final = CLIPS / "yes_correct.wav"
"""What the scripted recogniser makes of a clip does not depend on it: a short one."""

LONGEST_GAP: Final = 0.1
"""Seconds without a packet that a caller may notice; the telephones of most people bridge less."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A call that the engine leads: the caller's telephone and what the engine tells."""

    caller: SipCaller
    events: CallEvents
    id: str

    async def listening(self, *, within: float = 10.0) -> None:
        """Wait until it is the caller's turn."""
        deadline = time.monotonic() + within
        while (state := self._state()) != "listening":
            if time.monotonic() > deadline or state in {"transferring", "ended"}:
                raise TimeoutError(f"not listening within {within} s but {state}: {self.events.all}")
            await asyncio.sleep(0.02)

    async def ask(self, clip: Path, turn: int) -> float:
        """Say the clip and wait for that turn; returns the seconds from its last sound to the first of the answer."""
        over = await self.caller.say(clip)
        await self.events.wait("turn", lambda event: event["turn"] == turn, within=15.0)
        sound = self.caller.heard.first_sound(over)
        assert sound is not None, "an answer, but no sound of it"
        return sound - over

    @property
    def pid(self) -> int:
        """The process that leads the call."""
        return int(self.events.of("actor")[-1]["pid"])

    async def kill(self) -> int:
        """Kill that process, and wait until another leads the call; returns the killed one."""
        killed = self.pid
        os.kill(killed, signal.SIGKILL)
        await self.events.wait("actor", lambda event: event["pid"] != killed and self.pid != killed, within=3.0)
        return killed

    def _state(self) -> str:
        states = self.events.of("state")
        return str(states[-1]["state"]) if states else "greeting"


@asynccontextmanager
async def connected(asterisk: Asterisk, engine: Engine, number: str = "1001") -> AsyncIterator[Connected]:
    """A call to the engine, hung up by the caller at the end of the block where nobody did before."""
    await asterisk.point_at(engine.audiosocket, engine.telephony)
    async with SipCaller(asterisk.sip_port, number=number) as caller:
        await caller.dial("500")
        call = await asterisk.call_of(number)
        async with engine.events(call) as events:
            yield Connected(caller, events, call)


@pytest.fixture
async def engine(scripted_engine: Engine) -> AsyncIterator[Engine]:
    """The scripted engine, with no call in it and all its processes warm before and after the test."""
    await scripted_engine.wait_calls(0, within=5.0)
    yield scripted_engine
    await scripted_engine.wait_calls(0, within=10.0)


async def test_a_caller_is_greeted_and_answered(asterisk: Asterisk, engine: Engine) -> None:
    async with connected(asterisk, engine) as call:
        await call.caller.heard.wait_for_sound(0.5, within=3.0)
        await call.listening()
        assert await call.ask(QUESTION, 1) < 2.0
        await call.listening()
        assert await call.ask(QUESTION, 2) < 2.0
        heard = call.caller.heard
        assert heard.longest_gap(heard.arrivals[0], time.monotonic()) < LONGEST_GAP
        turns = call.events.of("turn")
    assert [turn["turn"] for turn in turns] == [0, 1, 2]
    assert all(turn["agent"] for turn in turns)
    assert all(turn["caller"] for turn in turns[1:])


async def test_a_caller_who_hangs_up_leaves_no_process_busy(asterisk: Asterisk, engine: Engine) -> None:
    warm = (await engine.health())["warm"]
    async with connected(asterisk, engine) as call:
        await call.caller.heard.wait_for_sound(0.2, within=3.0)
        await engine.wait_calls(1, within=2.0)
        await call.caller.hang_up()
        await engine.wait_calls(0, within=3.0)
    await engine.wait_warm(warm, within=15.0)


async def test_zero_on_the_keypad_leads_to_the_operator(
    asterisk: Asterisk, engine: Engine, operator: SipOperator
) -> None:
    async with connected(asterisk, engine) as call:
        await call.caller.heard.wait_for_sound(0.3, within=3.0)
        await call.caller.press("0")
        await operator.wait_reached(within=15.0)
        await call.caller.heard.wait_for_tone(OPERATOR_TONE, 0.5, within=3.0)
        assert operator.reached == [call.id]


async def test_a_full_engine_leads_to_the_operator_and_disturbs_nobody(
    asterisk: Asterisk, engine: Engine, operator: SipOperator
) -> None:
    async with contextlib.AsyncExitStack() as calls:
        inside = [await calls.enter_async_context(connected(asterisk, engine, f"10{n:02}")) for n in range(CAPACITY)]
        for call in inside:
            await call.caller.heard.wait_for_sound(0.3, within=5.0)
        began = time.monotonic()
        async with SipCaller(asterisk.sip_port, number="1099") as refused:
            await refused.dial("500")
            await operator.wait_reached(within=3.0)
            await refused.heard.wait_for_tone(OPERATOR_TONE, 0.5, within=3.0)
            waited = time.monotonic() - refused.answered_at
        now = time.monotonic()
        assert waited < 2.5
        assert len(operator.reached) == 1
        assert operator.reached[0] not in {call.id for call in inside}
        for call in inside:
            assert not call.caller.ended.is_set()
            assert call.caller.heard.longest_gap(began, now) < LONGEST_GAP


async def test_killed_processes_are_not_noticed(
    asterisk: Asterisk, engine: Engine, note: Callable[[str], None]
) -> None:
    async with connected(asterisk, engine) as call:
        heard = call.caller.heard
        await heard.wait_for_sound(0.3, within=3.0)
        await call.listening()
        began = time.monotonic()
        first = await call.kill()  # while the caller has the word
        over = await call.caller.say(QUESTION)
        await heard.wait_for_sound(0.3, since=over, within=5.0)
        second = await call.kill()  # while the answer is being spoken
        killed = time.monotonic()
        await call.events.wait("turn", lambda event: event["turn"] == 1, within=15.0)
        assert heard.sound(killed) > 0.2  # it is spoken to its end
        await call.listening()
        await call.ask(QUESTION, 2)
        assert len({first, second, call.pid}) == 3
        gap = heard.longest_gap(began, time.monotonic())
        note(f"longest gap over two killed processes {gap * 1000:.0f} ms")
        assert gap < LONGEST_GAP
        assert not call.caller.ended.is_set()


async def test_the_engine_takes_calls_of_another_sip_implementation(
    installation: Installation, asterisk: Asterisk, engine: Engine
) -> None:
    await asterisk.point_at(engine.audiosocket, engine.telephony)
    placing = asyncio.create_task(
        place_calls(installation, asterisk.sip_port, "500", calls=CAPACITY, seconds=5.0, speech=read_wav(QUESTION))
    )
    await engine.wait_calls(CAPACITY, within=5.0)
    result = await placing
    assert (result.successful, result.failed) == (CAPACITY, 0), result.output
    await engine.wait_calls(0, within=5.0)


@pytest.mark.embedded
async def test_a_conversation_that_ends_with_a_human(
    asterisk: Asterisk, embedded_engine: Engine, operator: SipOperator, note: Callable[[str], None]
) -> None:
    async with connected(asterisk, embedded_engine) as call:
        await call.caller.heard.wait_for_sound(1.0, within=5.0)
        await call.listening()
        answered = await call.ask(CLIPS / "opening_hours.wav", 1)
        await call.listening(within=20.0)
        await call.caller.say(CLIPS / "operator.wav")
        await operator.wait_reached(within=15.0)
        await call.caller.heard.wait_for_tone(OPERATOR_TONE, 0.5, within=3.0)
        turns = {turn["turn"]: turn for turn in call.events.of("turn")}
        note(f"embedded engine answered after {answered:.2f} s")
    assert "hours" in turns[1]["caller"].lower()
    assert operator.reached == [call.id]
