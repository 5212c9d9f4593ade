"""The line of a call on virtual time: schedule, stalls, floods, take-over in mid-stream."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable

import pytest

from engine.audio.audiosocket import Decoder, Kind, encode, encode_audio
from engine.audio.blackbox import BlackBox
from engine.audio.format import SILENCE
from engine.audio.line import FLOOD_SECONDS, STALL_SECONDS, Ending, Line
from engine.audio.playout import Playout
from engine.clock import VirtualTimeLoop

LOUD = b"\x00\x20" * 160


class Listener:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.audio = b""
        self.keys = ""
        self.ending: Ending | None = None

    def on_audio(self, pcm: bytes) -> None:
        self.audio += pcm

    def on_dtmf(self, digit: str) -> None:
        self.keys += digit

    def on_closed(self, ending: Ending) -> None:
        self.ending = ending


class Bench:
    """A line, its listener and the peer's end of the socket."""

    def __init__(self, *, lead: int = 2, resynchronise: bool = False, frames_sent: int = 0) -> None:
        self.peer, ours = socket.socketpair()
        self.peer.setblocking(False)
        box, fd = BlackBox.create()
        os.close(fd)
        self.listener = Listener()
        self.playout = Playout(box)
        self.line = Line(
            ours, box, self.playout, self.listener, lead=lead, resynchronise=resynchronise, frames_sent=frames_sent
        )
        self.line.start()
        _benches.append(self)

    def close(self) -> None:
        self.line.close()
        self.peer.close()

    def read(self) -> list[bytes]:
        """Payloads of the frames that have come."""
        decoder, frames = Decoder(), []
        try:
            while data := self.peer.recv(65536):
                frames += [frame.payload for frame in decoder.feed(data)]
        except BlockingIOError:
            pass
        return frames


_benches: list[Bench] = []


def on_virtual_time(scene: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        try:
            await scene()
        finally:
            while _benches:
                _benches.pop().close()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run())


@pytest.mark.parametrize(("lead", "sent", "at_once"), [(1, 0, 1), (2, 0, 2), (3, 0, 3), (2, 1, 1), (1, 1, 1)])
def test_the_lead_goes_out_at_once_and_then_a_frame_every_20_ms(lead: int, sent: int, at_once: int) -> None:
    async def scene() -> None:
        bench = Bench(lead=lead, frames_sent=sent)
        assert len(bench.read()) == at_once
        for _ in range(50):
            await asyncio.sleep(0.02)
            assert len(bench.read()) == 1

    on_virtual_time(scene)


def test_speech_leaves_in_order_and_stops_within_a_frame() -> None:
    async def scene() -> None:
        bench = Bench()
        await bench.playout.put(LOUD * 10)
        await asyncio.sleep(0.105)
        frames = bench.read()
        assert frames[:2] == [SILENCE, SILENCE]
        assert set(frames[2:]) == {LOUD}
        bench.playout.clear()
        await asyncio.sleep(0.1)
        fading, *silent = bench.read()
        assert fading[:2] == LOUD[:2]
        assert fading[128:] == SILENCE[128:], "it fades out within 8 ms"
        assert set(silent) == {SILENCE}

    on_virtual_time(scene)


def test_a_peer_that_does_not_read_ends_its_call_and_nothing_piles_up() -> None:
    async def scene() -> None:
        bench = Bench()
        async with asyncio.timeout(60):
            while bench.listener.ending is None:  # noqa: ASYNC110 - the line tells its listener
                await asyncio.sleep(0.1)
        assert bench.listener.ending == "stalled"

    on_virtual_time(scene)


def test_a_peer_that_reads_again_in_time_loses_no_speech() -> None:
    async def scene() -> None:
        bench = Bench()
        loop = asyncio.get_running_loop()
        while not bench.line._unsent:  # noqa: ASYNC110 - until the kernel takes no more
            await asyncio.sleep(0.02)
        await bench.playout.put(LOUD * 5)
        await asyncio.sleep(STALL_SECONDS - 2)
        began = loop.time()
        heard: list[bytes] = []
        while loop.time() - began < 1:
            heard += bench.read()
            await asyncio.sleep(0.02)
        assert heard.count(LOUD) == 5
        assert bench.listener.ending is None

    on_virtual_time(scene)


def test_a_flood_of_audio_is_dropped_beyond_three_seconds() -> None:
    async def scene() -> None:
        bench = Bench()
        frame = encode_audio(LOUD)
        for _ in range(40):  # a second of audio every 20 ms
            for _ in range(50):
                try:
                    bench.peer.send(frame)
                except BlockingIOError:
                    break
            await asyncio.sleep(0.02)
            bench.read()
        assert len(bench.listener.audio) / 16000 <= FLOOD_SECONDS + 0.8 + 0.1
        assert bench.line.dropped_bytes > 0
        assert bench.listener.ending is None

    on_virtual_time(scene)


def test_a_silent_peer_is_heard_as_silence() -> None:
    async def scene() -> None:
        bench = Bench()
        for _ in range(50):
            await asyncio.sleep(0.02)
            bench.read()
        assert 0.8 <= len(bench.listener.audio) / 16000 <= 1.0
        assert not bench.listener.audio.strip(b"\0")

    on_virtual_time(scene)


def test_keys_wideband_audio_and_the_end() -> None:
    async def scene() -> None:
        bench = Bench()
        bench.peer.send(encode(Kind.DTMF, b"7") + encode(0x12, bytes(640)))
        await asyncio.sleep(0.05)
        assert bench.listener.keys == "7"
        assert len(bench.listener.audio) == pytest.approx(320, abs=64)
        bench.peer.close()
        await asyncio.sleep(0.05)
        assert bench.listener.ending == "caller_hung_up"

    on_virtual_time(scene)


def test_a_stream_that_is_taken_over_in_the_middle_of_a_frame_is_understood() -> None:
    async def scene() -> None:
        bench = Bench(resynchronise=True)
        bench.peer.send(encode_audio(LOUD)[100:] + encode_audio(LOUD) * 4)
        await asyncio.sleep(0.05)
        assert bench.listener.audio.count(LOUD) >= 3

    on_virtual_time(scene)


def test_hanging_up_waits_for_the_peer_to_close() -> None:
    async def scene() -> None:
        bench = Bench()
        hanging_up = asyncio.ensure_future(bench.line.hang_up())
        await asyncio.sleep(0.5)
        assert not hanging_up.done()
        bench.peer.close()
        assert await hanging_up == "caller_hung_up"
        late = Bench()
        began = asyncio.get_running_loop().time()
        assert await late.line.hang_up() == "closed"
        assert asyncio.get_running_loop().time() - began == pytest.approx(2.0, abs=0.1)

    on_virtual_time(scene)
