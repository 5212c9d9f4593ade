"""The outside caller measures what a stand-in engine was told to do."""

from __future__ import annotations

import asyncio
import socket
import statistics
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from engine.audio.audiosocket import encode_audio
from engine.audio.wav import read_wav
from ops.caller import Caller, NoAnswerError, NotConnectedError
from ops.exchange import Exchange, ExchangeError
from ops.heard import voiced_span
from ops.metronome import Metronome
from tests.integration.standin_engine import Behaviour, StandinEngine, tone

LOADED = 0.03
"""What a busy machine may add to a single measurement, in seconds; the best of several must be exact."""

ROOT = Path(__file__).parents[2]


def said(seconds: float, *, before: float = 0.1, after: float = 0.1, extra: int = 0) -> bytes:
    """A tone between silences; ``extra`` samples move its end within the frame."""
    voiced = tone(round(seconds * 8000) + extra)
    samples = [0] * round(before * 8000) + voiced + [0] * round(after * 8000)
    return struct.pack(f"<{len(samples)}h", *samples)


def calling(address: tuple[str, int], exchange: Exchange | None = None, **more: Any) -> Caller:
    return Caller(address, exchange, answer_gap=0.25, **more)


@pytest.mark.parametrize(("delay", "extra"), [(0.25, 37), (0.8, 101)])
async def test_measures_the_delay_of_an_answer(delay: float, extra: int) -> None:
    async with StandinEngine(Behaviour(answer_after=delay)) as engine, calling(engine.address) as call:
        greeting = await call.wait_for_greeting(2.0)
        assert greeting.latency == pytest.approx(0.1, abs=LOADED)
        assert greeting.ended - greeting.started == pytest.approx(0.3, abs=LOADED)
        errors = []
        for _ in range(2):
            spoken = await call.speak(said(0.3, extra=extra))
            assert spoken.last_voiced - spoken.first_voiced == pytest.approx(0.3 + extra / 8000, abs=LOADED)
            answer = await call.wait_for_answer(3.0)
            assert answer.asked == spoken.last_voiced
            assert answer.ended - answer.started == pytest.approx(0.5, abs=LOADED)
            assert len(answer.pcm) == pytest.approx(0.5 * 16000, abs=640)
            errors.append(abs(answer.latency - delay))
        assert min(errors) < 0.005
        assert max(errors) < LOADED
        assert not call.dropped
        assert call.violations == []
        assert call.ending is None


async def test_an_answer_that_comes_while_the_clip_still_runs_is_measured() -> None:
    async with StandinEngine(Behaviour(answer_after=0.2)) as engine, calling(engine.address) as call:
        await call.wait_for_greeting(2.0)
        await call.speak(said(0.2, after=0.6))
        answer = await call.wait_for_answer(1.0)
        assert answer.latency == pytest.approx(0.2, abs=LOADED)


async def test_registers_like_a_dialplan_and_asks_what_is_next() -> None:
    async with StandinEngine() as engine, Exchange(engine.url) as exchange:
        async with calling(engine.address, exchange, caller="+15550100") as call:
            await call.wait_for_frame(1.0)
            form = engine.registered[str(call.call_id)]
            channel = f"AudioSocket/{call.call_id}"
            assert form == {"uuid": str(call.call_id), "caller": "+15550100", "channel": channel, "dialled": ""}
            assert engine.call().call_id == str(call.call_id)
        assert await exchange.next_step(str(call.call_id)) == "hangup"


async def test_a_refused_registration_and_an_absent_engine_are_told_apart() -> None:
    async with StandinEngine(Behaviour(refuse=503)) as engine, Exchange(engine.url) as exchange:
        with pytest.raises(ExchangeError, match="503 no room"):
            await calling(engine.address, exchange).dial()
        address, url = engine.address, engine.url
    async with Exchange(url) as exchange:
        with pytest.raises(ExchangeError, match="no engine answers"):
            await exchange.announce("x")
    with pytest.raises(NotConnectedError, match=str(address[1])):
        async with calling(address):
            pass


async def test_frame_gaps_show_a_freeze() -> None:
    async with StandinEngine(Behaviour(freeze_at=0.5, freeze=0.15)) as engine, calling(engine.address) as call:
        await call.wait_for_frame(1.0)
        await asyncio.sleep(1.0)
        gaps = sorted(call.heard.gaps())
    assert gaps[-1] == pytest.approx(0.15, abs=LOADED)
    assert gaps[-2] < 0.02 + LOADED
    assert statistics.median(gaps) == pytest.approx(0.02, abs=0.004)


async def test_a_caller_that_reads_late_does_not_make_frames_late() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        async with calling(server.getsockname()) as call:
            peer, _ = server.accept()
            with peer:
                peer.send(encode_audio(bytes(320)))
                await asyncio.sleep(0.02)
                sent = time.monotonic()
                peer.send(encode_audio(bytes(320)))
                time.sleep(0.1)  # noqa: ASYNC251 - the whole process is late
                await call.wait_for_frame(1.0)
                await asyncio.sleep(0.02)
    assert call.heard.times[1] - sent < 0.05
    assert call.blurred == 0


async def test_barge_in_is_measured_to_the_last_voiced_frame() -> None:
    async with StandinEngine(Behaviour(answer=1.2, stop_after=0.2)) as engine, calling(engine.address) as call:
        await call.wait_for_greeting(2.0)
        await call.speak(said(0.3))
        run = await call.wait_for_voice(2.0, after=call.spoken[-1].last_voiced)
        await asyncio.sleep(0.5)
        spoken = await call.speak(said(0.4, before=0.0))
        ended = await call.wait_for_quiet(0.3)
        assert run.started < spoken.first_voiced < ended
        assert ended - spoken.first_voiced == pytest.approx(0.2, abs=LOADED)
        assert (await call.wait_for_answer(2.0)).latency == pytest.approx(0.4, abs=LOADED)


@pytest.mark.parametrize(
    ("behaviour", "ending", "dropped"),
    [
        (Behaviour(greeting_after=None, hang_up_at=0.3), "engine", False),
        (Behaviour(greeting_after=None, close_at=0.3), "eof", True),
        (Behaviour(greeting_after=None, reset_at=0.3), "reset", True),
        (Behaviour(greeting_after=None, odd_frame=b"\x42\x00\x00"), "protocol", True),
    ],
)
async def test_who_ended_the_call(behaviour: Behaviour, ending: str, dropped: bool) -> None:
    async with StandinEngine(behaviour) as engine, calling(engine.address) as call:
        assert await call.wait_for_end(2.0) == ending
        assert call.dropped is dropped
        assert call.ended_at - call.dialled_at == pytest.approx(0.52 if ending == "protocol" else 0.3, abs=0.06)
        with pytest.raises(NoAnswerError, match=ending):
            await call.wait_for_answer(1.0)
        with pytest.raises(NoAnswerError, match=ending):
            await call.speak(said(0.1))


async def test_the_caller_hangs_up_by_closing() -> None:
    async with StandinEngine() as engine:
        async with calling(engine.address) as call:
            await call.speak(said(0.1))
        assert call.ending == "caller"
        assert not call.dropped
        async with asyncio.timeout(1):
            await engine.call().eof.wait()
        assert set(engine.call().kinds) == {0x01, 0x10}


async def test_a_hang_up_in_mid_answer_ends_the_answer() -> None:
    async with StandinEngine(Behaviour(answer=5.0, hang_up_at=1.8)) as engine, calling(engine.address) as call:
        await call.wait_for_greeting(2.0)
        await call.speak(said(0.1, before=0.0, after=0.0))
        answer = await call.wait_for_answer(2.0)
        assert answer.hung_up
        assert answer.ended == pytest.approx(call.ended_at, abs=0.03)


async def test_no_answer() -> None:
    async with StandinEngine(Behaviour(answers=0)) as engine, calling(engine.address) as call:
        await call.wait_for_greeting(2.0)
        await call.speak(said(0.1))
        with pytest.raises(NoAnswerError, match=r"no voice within 0\.5 s"):
            await call.wait_for_answer(0.5)


@pytest.mark.parametrize(
    ("behaviour", "violation"),
    [
        (Behaviour(split=0.03), "a frame paused for "),
        (Behaviour(odd_frame=b"\x10\x00\x00"), "kind 0x10 with 0 bytes"),
        (Behaviour(odd_frame=b"\x03\x00\x015"), "kind 0x03"),
        (Behaviour(odd_frame=b"\xff\x00\x01\x01"), "kind 0xff"),
    ],
)
async def test_what_would_fail_a_call_in_asterisk_is_seen(behaviour: Behaviour, violation: str) -> None:
    async with StandinEngine(behaviour) as engine, calling(engine.address) as call:
        await call.wait_for_frame(1.0)
        await asyncio.sleep(0.8)
        assert len(call.violations) == 1
        assert violation in call.violations[0]


async def test_keys_are_pressed() -> None:
    async with StandinEngine() as engine, calling(engine.address) as call:
        await call.wait_for_frame(1.0)
        for key in "0#":
            call.press(key)
        await asyncio.sleep(0.1)
        assert engine.call().keys == ["0", "#"]


async def test_an_engine_that_does_not_read_costs_frames_and_nothing_else() -> None:
    async with StandinEngine(Behaviour(stop_reading=True)) as engine, calling(engine.address) as call:
        await call.wait_for_frame(1.0)
        before = time.monotonic()
        for _ in range(40_000):  # what two minutes send
            call._beat(0.0)
        assert call.frames_refused > 10_000
        assert time.monotonic() - before < 10
        assert call.ending is None


async def test_engine_events_are_read() -> None:
    events: list[dict[str, object]] = [
        {"type": "actor", "pid": 7, "state": "listening"},
        {"type": "turn", "turn": 1, "caller": "hello", "agent": "hi", "stages": {"endpointing": 0.5}},
    ]
    async with (
        StandinEngine(Behaviour(events=events)) as engine,
        Exchange(engine.url) as exchange,
        calling(engine.address, exchange, follow=True) as call,
    ):
        turn = await call.wait_for_event("turn", 1.0)
        assert turn.data["stages"] == {"endpointing": 0.5}
        assert abs(turn.t - time.monotonic()) < 1.0
        assert (await call.wait_for_event("actor", 1.0, accept=lambda event: event.data["pid"] == 7)).type == "actor"
        with pytest.raises(NoAnswerError, match="'turn'"):
            await call.wait_for_event("turn", 0.1, since=len(call.engine_events))


async def test_records_both_sides_on_one_timeline(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    async with StandinEngine(Behaviour(answer_after=0.3)) as engine, calling(engine.address) as call:
        await call.wait_for_greeting(2.0)
        await call.speak(said(0.3))
        await call.wait_for_answer(2.0)
        call.write_stereo_wav(path)
    data = path.read_bytes()
    assert data[22:24] == b"\x02\x00"
    samples = struct.unpack(f"<{(len(data) - 44) // 2}h", data[44:])
    left = struct.pack(f"<{len(samples) // 2}h", *samples[0::2])
    right = struct.pack(f"<{len(samples) // 2}h", *samples[1::2])
    caller, engine_voice = voiced_span(left), voiced_span(right[16000 * 9 // 10 :])
    assert caller is not None
    assert engine_voice is not None
    assert (caller[1] - caller[0]) / 8000 == pytest.approx(0.3, abs=0.005)
    assert (7200 + engine_voice[0] - caller[1]) / 8000 == pytest.approx(0.3, abs=0.045)
    kinds = [(event.side, event.what) for event in call.events]
    assert kinds == [
        ("engine", "onset"), ("engine", "offset"), ("caller", "onset"),
        ("caller", "offset"), ("engine", "onset"), ("engine", "offset"),
    ]  # fmt: skip


async def test_real_speech_is_said_in_time() -> None:
    pcm = read_wav(ROOT / "ops" / "demo" / "yes_correct.wav")
    async with StandinEngine(Behaviour(answer_after=0.5)) as engine, calling(engine.address) as call:
        await call.wait_for_greeting(2.0)
        spoken = await call.speak(pcm)
        assert 1.35 < spoken.last_voiced - spoken.started < 1.5
        assert (await call.wait_for_answer(2.0)).latency == pytest.approx(0.5, abs=LOADED)
        times = engine.call().frame_times
        assert times[-1] - times[0] == pytest.approx((len(times) - 1) * 0.02, abs=LOADED)


async def test_many_calls_share_one_beat() -> None:
    async with StandinEngine(Behaviour(answer_after=0.3, answer=0.2)) as engine:
        metronome = Metronome()

        async def one() -> float:
            async with calling(engine.address, metronome=metronome, keep_audio=False) as call:
                await call.wait_for_greeting(3.0)
                await call.speak(said(0.2))
                answer = await call.wait_for_answer(3.0)
                assert answer.pcm == b""
                return answer.latency

        latencies = await asyncio.gather(*(one() for _ in range(10)))
        metronome.close()
    assert min(latencies) == pytest.approx(0.3, abs=0.005)
    assert statistics.median(latencies) == pytest.approx(0.3, abs=LOADED)
