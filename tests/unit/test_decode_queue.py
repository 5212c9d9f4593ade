"""The queue before a recogniser: who goes first, what is dropped, what is let go."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from engine.audio.format import seconds_of
from engine.errors import RecognitionError
from engine.speech.ports import RecognitionOptions, Transcript
from engine.speech.providers.decode_queue import (
    OPEN_FLUSHES,
    PIECE_SECONDS,
    UNDECODED_SECONDS,
    UNREAD_RESULTS,
    Decoded,
    DecodeQueue,
    QueuedSession,
    Stop,
)

SECOND = b"\x10\x27" * 8000
BRIEF = SECOND[:4000]
"""A quarter of a second: too little for a partial."""


class Listener:
    """Decodes audio to its length; holds each decoding until it is released."""

    def __init__(self, *, held: bool = False) -> None:
        self.seen: list[float] = []
        self.stopped: list[float] = []
        self.options: list[RecognitionOptions] = []
        self.error: Exception | None = None
        self.working = threading.Semaphore(0)
        self.release = threading.Event()
        if not held:
            self.release.set()

    def __call__(self, pcm: bytes, options: RecognitionOptions, stop: Stop) -> Decoded | None:
        self.options.append(options)
        seconds = seconds_of(len(pcm))
        self.seen.append(seconds)
        self.working.release()
        while not self.release.wait(0.001):
            if stop():
                self.stopped.append(seconds)
                return None
        if self.error is not None:
            raise self.error
        return Decoded(f"{seconds:g}", 0.5)

    async def busy(self) -> None:
        """Until one more decoding has begun."""
        assert await asyncio.to_thread(self.working.acquire, timeout=10)


@asynccontextmanager
async def calls(
    listener: Listener, count: int = 1, *, partials: bool = True
) -> AsyncIterator[tuple[DecodeQueue, list[QueuedSession]]]:
    queue = DecodeQueue(listener)
    sessions = [queue.session(RecognitionOptions(call_id=str(number), partials=partials)) for number in range(count)]
    try:
        yield queue, sessions
    finally:
        listener.release.set()
        for session in sessions:
            session.close()
        await queue.close()


async def take(session: QueuedSession, count: int) -> list[Transcript]:
    results = session.results()
    async with asyncio.timeout(10):
        return [await anext(results) for _ in range(count)]


async def test_flushes_go_before_partials() -> None:
    listener = Listener(held=True)
    async with calls(listener, 4) as (_, (first, *others)):
        await first.begin(1)
        await first.audio(BRIEF)
        await first.flush(1)
        await listener.busy()
        for number, session in enumerate(others, 2):
            await session.begin(1)
            await session.audio(SECOND * number)  # wants a partial
        await others[-1].flush(1)
        listener.release.set()
        await take(others[-1], 1)
    assert listener.seen[:2] == [0.25, 4], "the second flush goes before the two partials that waited longer"


async def test_a_flush_stops_a_partial_that_is_in_its_way() -> None:
    listener = Listener(held=True)
    async with calls(listener, 2) as (_, (talking, asking)):
        await talking.begin(1)
        await talking.audio(SECOND)
        await listener.busy()
        await asking.begin(1)
        await asking.audio(SECOND[:8000])
        await asking.flush(1)
        await listener.busy()
        listener.release.set()
        (answer,) = await take(asking, 1)
    assert listener.stopped == [1.0]
    assert (answer.flush, answer.text) == (1, "0.5")


async def test_a_partial_waits_for_half_a_second_and_takes_the_latest_audio() -> None:
    listener = Listener(held=True)
    async with calls(listener, 2) as (_, (blocking, talking)):
        await blocking.begin(1)
        await blocking.audio(BRIEF)
        await blocking.flush(1)
        await listener.busy()
        await talking.begin(1)
        for _ in range(40):
            await talking.audio(SECOND[:640])
        listener.release.set()
        (partial,) = await take(talking, 1)
        assert (partial.flush, partial.text) == (0, "1.6")
        for _ in range(10):
            await talking.audio(SECOND[:640])
    assert listener.seen == [0.25, 1.6], "another partial only after half a second more"


async def test_a_partial_overtaken_by_a_flush_is_not_computed() -> None:
    listener = Listener(held=True)
    async with calls(listener, 2) as (_, (blocking, talking)):
        await blocking.begin(1)
        await blocking.audio(BRIEF)
        await blocking.flush(1)
        await listener.busy()
        await talking.begin(1)
        await talking.audio(SECOND)
        await talking.flush(1)
        listener.release.set()
        (answer,) = await take(talking, 1)
        assert answer.flush == 1
    assert listener.seen == [0.25, 1]


async def test_an_utterance_given_up_is_not_decoded() -> None:
    listener = Listener(held=True)
    async with calls(listener, 2) as (_, (blocking, talking)):
        await blocking.begin(1)
        await blocking.audio(BRIEF)
        await blocking.flush(1)
        await listener.busy()
        await talking.begin(1)
        await talking.audio(SECOND)
        await talking.flush(1)
        await talking.begin(2)
        await talking.audio(SECOND[:1600])
        await talking.flush(1)
        listener.release.set()
        (answer,) = await take(talking, 1)
    assert (answer.utterance, answer.text) == (2, "0.1")


async def test_an_answer_that_was_asked_for_outlives_the_utterances_end() -> None:
    listener = Listener(held=True)
    async with calls(listener) as (_, (session,)):
        await session.begin(1)
        await session.audio(SECOND)
        await session.flush(1)
        await session.end()
        listener.release.set()
        (answer,) = await take(session, 1)
    assert answer.utterance == 1


def talk(seconds: float, pauses: tuple[float, ...]) -> bytes:
    """Noise with pauses of 0.4 s at the given times."""
    samples = np.random.default_rng(1).normal(0, 3000, int(seconds * 8000))
    for pause in pauses:
        samples[int(pause * 8000) : int((pause + 0.4) * 8000)] = 0
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()


async def test_a_long_utterance_is_cut_in_its_pauses_and_its_audio_let_go() -> None:
    listener = Listener()
    async with calls(listener) as (_, (session,)):
        await session.begin(1)
        pcm = talk(50, (11.0, 24.0, 37.0))
        for start in range(0, len(pcm), 16000):
            await session.audio(pcm[start : start + 16000])
            await asyncio.sleep(0.005)
        await session.flush(1)
        results = session.results()
        async with asyncio.timeout(10):
            answer = await anext(result async for result in results if result.flush)
        assert session._open is not None
        assert seconds_of(len(session._open.audio)) <= PIECE_SECONDS
    assert max(listener.seen) <= PIECE_SECONDS
    pieces = [float(word) for word in answer.text.split()]
    assert sum(pieces) == pytest.approx(50, abs=0.01), "no audio is lost or heard twice"
    for edge, pause in zip(np.cumsum(pieces), (11.0, 24.0, 37.0), strict=False):
        assert pause < edge < pause + 0.4


async def test_a_long_utterance_is_settled_where_no_partials_are_wanted() -> None:
    listener = Listener()
    async with calls(listener, partials=False) as (_, (session,)):
        await session.begin(1)
        pcm = talk(40, (12.0, 26.0))
        for start in range(0, len(pcm), 16000):
            await session.audio(pcm[start : start + 16000])
            await asyncio.sleep(0.005)
        assert session._open is not None
        assert seconds_of(len(session._open.audio)) < 20
        await session.flush(1)
        (answer,) = await take(session, 1)
    assert sum(float(word) for word in answer.text.split()) == pytest.approx(40, abs=0.01)
    assert answer.confidence == pytest.approx(0.5)


async def test_a_failing_decoder_breaks_the_session() -> None:
    listener = Listener()
    listener.error = ValueError("no such model")
    async with calls(listener, 2) as (_, (session, other)):
        await session.begin(1)
        await session.audio(SECOND)
        await session.flush(1)
        with pytest.raises(RecognitionError, match="no such model"):
            await take(session, 1)
        with pytest.raises(RecognitionError):
            await session.audio(SECOND)
        listener.error = None
        await other.begin(1)
        await other.audio(SECOND)
        await other.flush(1)
        results = await take(other, 1)
        assert results[0].text == "1"


async def test_workers_that_are_lost_break_the_session() -> None:
    async with calls(Listener(held=True)) as (_, (session,)):
        await session.begin(1)
        for _ in range(int(UNDECODED_SECONDS)):
            await session.audio(SECOND)
        with pytest.raises(RecognitionError, match="wait to be recognised"):
            await session.audio(SECOND)


async def test_flushes_do_not_pile_up() -> None:
    async with calls(Listener(held=True)) as (_, (session,)):
        await session.begin(1)
        await session.audio(SECOND)
        for flush in range(1, OPEN_FLUSHES + 1):
            await session.flush(flush)
        with pytest.raises(RecognitionError, match="flushes"):
            await session.flush(OPEN_FLUSHES + 1)


async def test_results_that_nobody_reads_break_the_session() -> None:
    async with calls(Listener()) as (_, (session,)):
        await session.begin(1)
        await session.audio(SECOND)
        for flush in range(1, UNREAD_RESULTS + 3):
            if session._failure is None:
                await session.flush(flush)
            for _ in range(1000):
                if not session._flushes:
                    break
                await asyncio.sleep(0.001)
        with pytest.raises(RecognitionError, match="reads"):
            await session.audio(SECOND)


async def test_closing_fails_what_is_open() -> None:
    listener = Listener(held=True)
    async with calls(listener) as (queue, (session,)):
        await session.begin(1)
        await session.audio(SECOND)
        await session.flush(1)
        await listener.busy()
        await queue.close()
        assert listener.stopped == [1.0], "what was being decoded is given up"
        with pytest.raises(RecognitionError, match="closed"):
            await take(session, 1)
        with pytest.raises(RecognitionError, match="closed"):
            queue.session(RecognitionOptions(call_id="late"))


async def test_a_call_is_decoded_by_its_own_options() -> None:
    listener = Listener()
    async with calls(listener, 2) as (_, sessions):
        for session in sessions:
            await session.begin(1)
            await session.audio(BRIEF)
            await session.flush(1)
            await take(session, 1)
    assert [options.call_id for options in listener.options] == ["0", "1"]


async def test_one_decoding_past_the_queue() -> None:
    async with calls(Listener()) as (queue, _):
        assert await queue.decode(SECOND) == Decoded("1", 0.5)
