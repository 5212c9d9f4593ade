"""The dialplan for users, on a real Asterisk: whatever the engine does, nobody is dropped.

The engine's part is played by the stand-in; ``test_calls`` has the engine itself.
"""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from tests.telephony.rig.asterisk import Asterisk
from tests.telephony.rig.heard import is_tone, tone
from tests.telephony.rig.install import Installation
from tests.telephony.rig.phones import OPERATOR_TONE, SipCaller, SipOperator
from tests.telephony.rig.sipp import place_calls
from tests.telephony.rig.stand_in import GREETING_TONE, Behaviour, StandIn

pytestmark = [pytest.mark.telephony, pytest.mark.timeout(300)]  # the first test may install and start all of it

CALLER_TONE = 600.0


async def test_the_engine_hears_the_caller_and_the_caller_the_engine(asterisk: Asterisk) -> None:
    async with StandIn() as engine, SipCaller(asterisk.sip_port, number="1001") as caller:
        await asterisk.point_at(engine.audiosocket, engine.http)
        await caller.dial("500")
        await caller.heard.wait_for_tone(GREETING_TONE, 0.9, within=3.0)
        await caller.say(tone(CALLER_TONE, 1.0))
        await caller.press("5#")
        await caller.hang_up()
        (call,) = await engine.wait_ended(within=3.0)
    assert (call.caller, call.dialled) == ("1001", "500")
    assert call.channel.startswith("PJSIP/callers-")
    assert call.keys == "5#"
    assert sum(len(packet) for packet in call.heard if is_tone(packet, CALLER_TONE)) >= 0.9 * 8000
    assert call.ended_at - caller.ended_at < 0.5
    assert caller.heard.longest_gap(caller.heard.arrivals[0], caller.ended_at) < 0.1


@pytest.mark.parametrize(("packet_ms", "frame_bytes"), [(10, 160), (20, 320), (30, 480)])
async def test_frames_are_as_long_as_the_callers_packets(asterisk: Asterisk, packet_ms: int, frame_bytes: int) -> None:
    async with StandIn() as engine, SipCaller(asterisk.sip_port, packet_ms=packet_ms) as caller:
        await asterisk.point_at(engine.audiosocket, engine.http)
        await caller.dial("500")
        await caller.heard.wait_for_tone(GREETING_TONE, 0.5, within=3.0)
        await caller.hang_up()
        (call,) = await engine.wait_ended(within=3.0)
    assert call.frames.most_common(1)[0][0] == frame_bytes


async def test_the_engine_may_end_the_call(asterisk: Asterisk, operator: SipOperator) -> None:
    behaviour = Behaviour(ends_after=0.5, follows="hangup")
    async with StandIn(behaviour) as engine, SipCaller(asterisk.sip_port) as caller:
        await asterisk.point_at(engine.audiosocket, engine.http)
        await caller.dial("500")
        await asyncio.wait_for(caller.ended.wait(), 3.0)
        assert engine.asked == list(engine.calls)
    assert operator.reached == []


@pytest.mark.parametrize("follows", ["operator", "", "anything else"])
async def test_the_engine_may_send_the_call_to_the_operator(
    asterisk: Asterisk, operator: SipOperator, follows: str
) -> None:
    async with StandIn(Behaviour(ends_after=0.5, follows=follows)) as engine, SipCaller(asterisk.sip_port) as caller:
        await asterisk.point_at(engine.audiosocket, engine.http)
        await caller.dial("500")
        await operator.wait_reached(within=3.0)
        await caller.heard.wait_for_tone(OPERATOR_TONE, 0.3, within=3.0)
        assert operator.reached == list(engine.calls)


async def test_operator_and_caller_hear_each_other(asterisk: Asterisk, operator: SipOperator) -> None:
    async with StandIn(Behaviour(ends_after=0.1)) as engine, SipCaller(asterisk.sip_port) as caller:
        await asterisk.point_at(engine.audiosocket, engine.http)
        await caller.dial("500")
        await operator.wait_reached(within=3.0)
        await caller.say(tone(CALLER_TONE, 0.5))
        await operator.heard(operator.reached[0]).wait_for_tone(CALLER_TONE, 0.4, within=2.0)
        assert caller.heard.tone(OPERATOR_TONE) > 0.3


async def test_an_engine_that_crashes_in_mid_call_leads_to_the_operator(
    asterisk: Asterisk, operator: SipOperator
) -> None:
    async with StandIn(Behaviour(crashes_after=0.7)) as engine, SipCaller(asterisk.sip_port) as caller:
        await asterisk.point_at(engine.audiosocket, engine.http)
        await caller.dial("500")
        await operator.wait_reached(within=3.0)
        assert operator.reached == list(engine.calls)
        assert engine.asked == []
        assert caller.heard.tone(GREETING_TONE) > 0.5


async def test_no_engine_leads_to_the_operator_at_once(asterisk: Asterisk, operator: SipOperator) -> None:
    async with StandIn() as engine:
        gone = engine.audiosocket, engine.http
    await asterisk.point_at(*gone)
    async with SipCaller(asterisk.sip_port) as caller:
        await caller.dial("500")
        await operator.wait_reached(within=1.0)
        await caller.heard.wait_for_tone(OPERATOR_TONE, 0.3, within=2.0)


async def test_an_engine_that_hangs_leads_to_the_operator(asterisk: Asterisk, operator: SipOperator) -> None:
    async with StandIn(Behaviour(speaks=False, answers_http=False)) as engine, SipCaller(asterisk.sip_port) as caller:
        await asterisk.point_at(engine.audiosocket, engine.http)
        await caller.dial("500")
        await operator.wait_reached(within=4.0)
        waited = time.monotonic() - caller.answered_at
        await caller.heard.wait_for_tone(OPERATOR_TONE, 0.3, within=2.0)
    assert waited < 3.0


async def test_a_full_engine_leads_to_the_operator_and_disturbs_nobody(
    asterisk: Asterisk, operator: SipOperator
) -> None:
    behaviour = Behaviour(capacity=1, greeting=60.0)
    async with (
        StandIn(behaviour) as engine,
        SipCaller(asterisk.sip_port, number="1001") as first,
        SipCaller(asterisk.sip_port, number="1002") as second,
    ):
        await asterisk.point_at(engine.audiosocket, engine.http)
        await first.dial("500")
        await first.heard.wait_for_tone(GREETING_TONE, 0.3, within=3.0)
        began = time.monotonic()
        await second.dial("500")
        await second.heard.wait_for_tone(OPERATOR_TONE, 0.5, within=3.0)
        now = time.monotonic()
        assert first.heard.longest_gap(began, now) < 0.1
        assert first.heard.tone(GREETING_TONE, began, now) > 0.9 * (now - began) - 0.1
        assert [engine.calls[call].caller for call in operator.reached] == ["1002"]


async def test_a_refused_announcement_leads_to_the_operator_at_once(asterisk: Asterisk, operator: SipOperator) -> None:
    async with StandIn(Behaviour(announcement=401)) as engine, SipCaller(asterisk.sip_port) as caller:
        await asterisk.point_at(engine.audiosocket, engine.http)
        await caller.dial("500")
        await operator.wait_reached(within=1.0)
        assert engine.active == 0
        assert caller.heard.tone(GREETING_TONE) == 0.0


async def test_the_token_is_shown_with_the_announcement(asterisk: Asterisk, operator: SipOperator) -> None:
    async with StandIn(Behaviour(ends_after=0.1)) as engine, SipCaller(asterisk.sip_port) as caller:
        await asterisk.point_at(engine.audiosocket, engine.http, token="of two words & more")
        await caller.dial("500")
        await operator.wait_reached(within=3.0)
        assert [call.token for call in engine.calls.values()] == ["of two words & more"]


async def test_the_operator_may_be_a_number_of_the_pbx(asterisk: Asterisk, operator: SipOperator) -> None:
    async with StandIn(Behaviour(ends_after=0.1)) as engine, SipCaller(asterisk.sip_port) as caller:
        await asterisk.point_at(engine.audiosocket, engine.http, operator="Local/600@callers")
        await caller.dial("500")
        await caller.heard.wait_for_tone(OPERATOR_TONE, 0.3, within=3.0)
        assert operator.reached == list(engine.calls)


async def test_a_call_that_no_operator_takes_hears_the_busy_tone(asterisk: Asterisk) -> None:
    async with (
        SipOperator(asterisk.operator_port, busy=True),
        StandIn(Behaviour(speaks=True, greeting=0.0, ends_after=0.1)) as engine,
        SipCaller(asterisk.sip_port) as caller,
    ):
        await asterisk.point_at(engine.audiosocket, engine.http)
        await caller.dial("500")
        await caller.heard.wait_for_sound(0.4, within=3.0)
        assert not caller.ended.is_set()


async def test_a_running_call_may_be_moved_to_the_operator_by_hand(asterisk: Asterisk, operator: SipOperator) -> None:
    async with StandIn() as engine, SipCaller(asterisk.sip_port) as caller:
        await asterisk.point_at(engine.audiosocket, engine.http)
        await caller.dial("500")
        await caller.heard.wait_for_tone(GREETING_TONE, 0.3, within=3.0)
        (call,) = engine.calls.values()
        await asterisk.command(f"channel redirect {call.channel} trunkline-operator,s,1")
        await caller.heard.wait_for_tone(OPERATOR_TONE, 0.3, within=3.0)
        assert operator.reached == [call.id]


async def test_a_call_that_hangs_up_early_leaves_nothing(asterisk: Asterisk, operator: SipOperator) -> None:
    async with StandIn() as engine, SipCaller(asterisk.sip_port) as caller:
        await asterisk.point_at(engine.audiosocket, engine.http)
        await caller.dial("500")
        await caller.hang_up()
        await asterisk.wait_idle(within=2.0)
    assert engine.active == 0
    assert operator.reached == []


async def test_the_channel_driver_brings_the_same_audio(asterisk: Asterisk) -> None:
    async with StandIn() as engine, SipCaller(asterisk.sip_port) as caller:
        await asterisk.point_at(engine.audiosocket, engine.http)
        await caller.dial("501")
        await caller.heard.wait_for_tone(GREETING_TONE, 0.5, within=3.0)
        await caller.say(tone(CALLER_TONE, 0.5))
        await caller.hang_up()
        (call,) = await engine.wait_ended(within=3.0)
    assert set(call.frames) == {320}
    assert sum(len(packet) for packet in call.heard if is_tone(packet, CALLER_TONE)) >= 0.4 * 8000


async def test_calls_of_another_sip_implementation(installation: Installation, asterisk: Asterisk) -> None:
    async with StandIn() as engine:
        await asterisk.point_at(engine.audiosocket, engine.http)
        result = await place_calls(
            installation, asterisk.sip_port, "500", calls=6, seconds=2.0, speech=tone(CALLER_TONE, 1.0)
        )
        calls = await engine.wait_ended(6, within=3.0)
    assert (result.successful, result.failed) == (6, 0), result.output
    for call in calls:
        heard = np.concatenate(call.heard)
        assert len(heard) > 1.8 * 8000
        assert is_tone(heard[4000:12000], CALLER_TONE)
