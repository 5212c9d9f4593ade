"""Chains of recognisers and voices: who is asked, what is replayed, what counts, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest

from engine.breaker import Breaker
from engine.dialogue.hearing import Hearing
from engine.errors import RecognitionError, SynthesisError
from engine.speech.cache import CachedSynthesizer, stored
from engine.speech.chain import Member
from engine.speech.chain_recognizers import RecognizerChain
from engine.speech.chain_synthesizers import GuardedSynthesizer, SynthesizerChain
from engine.speech.ports import (
    RecognitionOptions,
    RecognitionSession,
    SpeechRecognizer,
    SpeechSynthesizer,
    SynthesisRequest,
    Transcript,
)
from engine.speech.providers.scripted import ScriptedSynthesizer
from tests.breaking import BreakingRecognizer, BreakingSynthesizer, BreaksAt, HangsAt
from tests.unit.agent_stage import on_virtual_time

CALL = RecognitionOptions(call_id="a")
SAID = bytes(range(200)) * 16


def loop_time() -> float:
    return asyncio.get_running_loop().time()


class Pair:
    """A chain of two recognisers, the first behind a breaker that opens at the third failure."""

    def __init__(self, at: BreaksAt, second: BreaksAt = "answers", *, hangs: HangsAt = "") -> None:
        self.first, self.second = BreakingRecognizer(at, hangs), BreakingRecognizer(second)
        self.breaker = Breaker("stt.first", failures=3, half_open_after=30, now=loop_time)
        members: list[Member[SpeechRecognizer]] = [
            Member("first", self.first, self.breaker, outside=True),
            Member("second", self.second),
        ]
        self.chain = RecognizerChain(members, answer_seconds=2)


async def utter(session: RecognitionSession, number: int = 1) -> Transcript:
    await session.begin(number)
    for start in range(0, len(SAID), 640):
        await session.audio(SAID[start : start + 640])
        await asyncio.sleep(0.04)
    await session.flush(1)
    async with asyncio.timeout(60):
        async for transcript in session.results():
            if transcript.flush:
                await session.end()
                return transcript
    raise AssertionError("no answer")


@pytest.mark.parametrize("at", ["open", "audio", "flush", "never"])
def test_the_utterance_is_played_to_the_next_whole(at: BreaksAt) -> None:
    @on_virtual_time
    async def test() -> None:
        pair = Pair(at)
        async with pair.chain.open(CALL) as session:
            heard = await utter(session)
        assert heard.text == "the first heard this"
        assert [bytes(audio) for audio in pair.second.heard] == [SAID]
        assert pair.breaker.reading().failures == 1
        assert pair.second.closed == 1

    test()


@on_virtual_time
async def test_an_answer_that_does_not_come_costs_its_share_of_patience_once() -> None:
    pair = Pair("never")
    async with pair.chain.open(CALL) as session:
        await utter(session)
        for number in (2, 3):
            await utter(session, number)
        assert pair.breaker.reading().state == "open"
        began = loop_time()
        await utter(session, 4)
        assert loop_time() - began < 0.5
        assert len(pair.first.heard) == 3


@pytest.mark.parametrize("hangs", ["open", "begin", "audio", "flush"])
def test_a_member_that_hangs_counts_as_failed_within_its_time(hangs: HangsAt) -> None:
    @on_virtual_time
    async def test() -> None:
        pair = Pair("answers", hangs=hangs)
        async with pair.chain.open(CALL) as session:
            began = loop_time()
            heard = await utter(session)
            assert loop_time() - began <= 5 * 0.04 + 2  # what the audio takes, then one member's time
        assert heard.text == "the first heard this"
        assert [bytes(audio) for audio in pair.second.heard] == [SAID]
        assert pair.breaker.reading().failures == 1

    test()


@on_virtual_time
async def test_opening_and_beginning_share_a_members_time() -> None:
    pair = Pair("answers", hangs="open")
    async with pair.chain.open(CALL) as session:
        await session.begin(1)
        await session.audio(SAID)
        await session.flush(1)
        began = loop_time()
        await asyncio.sleep(1.5)
        pair.first.hangs = "begin"
        pair.first.freed.set()
        pair.first.freed = asyncio.Event()
        async for transcript in session.results():
            assert transcript.text == "the first heard this"
            break
        assert loop_time() - began == pytest.approx(2)
    assert [bytes(audio) for audio in pair.second.heard] == [SAID]


@on_virtual_time
async def test_a_member_that_hangs_over_the_end_of_an_utterance_is_left() -> None:
    pair = Pair("answers", hangs="end")
    async with pair.chain.open(CALL) as session:
        for number in (1, 2):
            assert (await utter(session, number)).utterance == number
            await asyncio.sleep(3)
    assert pair.breaker.reading().failures == 2
    assert pair.first.closed == 2


@on_virtual_time
async def test_the_next_of_the_chain_does_not_wait_for_a_session_that_hangs_in_closing() -> None:
    pair = Pair("flush", hangs="close")
    async with pair.chain.open(CALL) as session:
        began = loop_time()
        await utter(session)
        assert loop_time() - began < 0.5
        await asyncio.sleep(5)
    assert pair.second.closed == 1


@pytest.mark.parametrize("hangs", ["close", "close for good"])
def test_a_call_ends_though_a_session_does_not(hangs: HangsAt) -> None:
    @on_virtual_time
    async def test() -> None:
        pair = Pair("answers", hangs=hangs)
        async with pair.chain.open(CALL) as session:
            await utter(session)
            ending = loop_time()
        assert loop_time() - ending <= 3
        assert pair.first.closed == 0
        pair.first.freed.set()
        await asyncio.sleep(1)
        assert pair.first.closed == (hangs == "close for good")

    test()


@on_virtual_time
async def test_results_that_cannot_be_read_are_a_failure_at_once() -> None:
    pair = Pair("never")
    pair.first.unreadable = True
    async with pair.chain.open(CALL) as session:
        began = loop_time()
        await utter(session)
        assert loop_time() - began < 0.5
    assert pair.breaker.reading().failures == 1


@on_virtual_time
async def test_a_call_comes_back_to_the_first_when_it_is_well() -> None:
    pair = Pair("flush")
    async with pair.chain.open(CALL) as session:
        for number in (1, 2, 3, 4):
            await utter(session, number)
        pair.first.at = "answers"
        await asyncio.sleep(31)
        before = len(pair.second.heard)
        await utter(session, 5)
        await asyncio.sleep(0)
        assert len(pair.second.heard) == before
        assert bytes(pair.first.heard[-1]) == SAID
    assert pair.breaker.reading().state == "closed"


@on_virtual_time
async def test_breakers_ignore_calls_that_end_and_utterances_without_a_question() -> None:
    pair = Pair("never")
    for _ in range(5):
        async with pair.chain.open(CALL) as session:
            await session.begin(1)
            await session.audio(SAID)
            await session.flush(1)
            await asyncio.sleep(0.5)
    async with pair.chain.open(CALL) as session:
        for number in range(5):
            await session.begin(number)
            await session.audio(SAID)
            await asyncio.sleep(0.1)
            await session.end()
            await asyncio.sleep(0.1)
    assert pair.breaker.reading().failures == 0
    assert pair.second.heard == []


@on_virtual_time
async def test_where_all_fail_the_session_breaks_and_says_why() -> None:
    pair = Pair("audio", "flush")
    async with pair.chain.open(CALL) as session:
        with pytest.raises(RecognitionError, match=r"first: broken at audio; second: broken at flush"):
            await utter(session)
        with pytest.raises(RecognitionError):
            await session.begin(2)


@on_virtual_time
async def test_a_call_hears_through_a_chain_whose_first_breaks_in_the_middle() -> None:
    """As the dialogue uses it: the replay is the chain's, the call's own is not needed."""
    pair = Pair("never")
    hearing = Hearing(pair.chain, CALL, timeout=4, on_partial=lambda _: None)
    hearing.start()
    hearing.begin(b"")
    for start in range(0, len(SAID), 320):
        hearing.hear(SAID[start : start + 320])
        await asyncio.sleep(0.02)
    assert (await hearing.text()).text == "the first heard this"
    assert hearing.renewed == 0
    await hearing.close()


class Voices:
    """A chain of two voices, each behind a breaker and in a cache of its own."""

    def __init__(self, first: SpeechSynthesizer, folder: Path | None = None) -> None:
        self.breaker = Breaker("tts.first", failures=3, half_open_after=30, now=loop_time)
        self.second = BreakingSynthesizer(chunks=1000)
        members: list[Member[SpeechSynthesizer]] = []
        for name, voice in (("first", first), ("second", self.second)):
            guarded = GuardedSynthesizer(
                voice,
                self.breaker if name == "first" else Breaker("tts.second", now=loop_time),
                first_seconds=2,
                next_seconds=4,
            )
            kept = CachedSynthesizer(guarded, identity=name, directory=folder, memory_bytes=1 << 20)
            members.append(Member(name, kept, outside=name == "first"))
        self.chain = SynthesizerChain(members)


async def speak(voice: SpeechSynthesizer, text: str = "Your order is ready.", call: str = "") -> bytes:
    return b"".join([chunk async for chunk in voice.synthesize(SynthesisRequest(text, voice="anna", call_id=call))])


@pytest.mark.parametrize("first", [BreakingSynthesizer(), BreakingSynthesizer(silent=True)], ids=["breaks", "silent"])
def test_the_next_voice_speaks_the_whole_clause(first: BreakingSynthesizer) -> None:
    @on_virtual_time
    async def test() -> None:
        voices = Voices(first)
        assert await speak(voices.chain) == ScriptedSynthesizer().sound("Your order is ready.")
        assert voices.breaker.reading().failures == 1
        assert [request.voice for request in first.asked] == ["anna"]
        assert [request.voice for request in voices.second.asked] == [""]

    test()


@on_virtual_time
async def test_after_the_first_sound_a_failure_is_told() -> None:
    voices = Voices(BreakingSynthesizer(chunks=2))
    with pytest.raises(SynthesisError, match="broken"):
        await speak(voices.chain)
    assert voices.second.asked == []
    assert voices.breaker.reading().failures == 1


@on_virtual_time
async def test_a_voice_that_fails_again_and_again_is_left_alone() -> None:
    first = BreakingSynthesizer()
    voices = Voices(first)
    for number in range(6):
        await speak(voices.chain, f"Number {number}.")
    assert len(first.asked) == 3
    assert voices.breaker.reading().state == "open"


@on_virtual_time
async def test_who_stops_listening_says_nothing_about_the_voice() -> None:
    voices = Voices(BreakingSynthesizer(silent=True))
    for _ in range(5):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await speak(voices.chain)
    working = Voices(BreakingSynthesizer(chunks=1000))
    for number in range(5):
        stream = cast("Any", working.chain.synthesize(SynthesisRequest(f"Number {number} of a long list of words.")))
        async with aclosing(stream):
            await anext(stream)
        await asyncio.sleep(0.1)
    assert voices.breaker.reading().failures == working.breaker.reading().failures == 0


def test_what_the_next_voice_said_is_not_kept_as_the_first_ones(tmp_path: Path) -> None:
    async def test() -> None:
        first = BreakingSynthesizer()
        voices = Voices(first, tmp_path)
        await voices.chain.start()
        await speak(voices.chain)
        await voices.chain.close()
        asked = SynthesisRequest("Your order is ready.", voice="anna")
        assert stored(tmp_path, "first", asked) is None
        assert stored(tmp_path, "second", SynthesisRequest("Your order is ready."))

    asyncio.run(test())


@on_virtual_time
async def test_what_the_first_said_before_needs_no_service() -> None:
    first = BreakingSynthesizer(chunks=1000)
    voices = Voices(first)
    spoken = await speak(voices.chain)
    first.chunks = 0
    for number in range(3):
        await speak(voices.chain, f"Number {number}.")
    assert voices.breaker.reading().state == "open"
    assert await speak(voices.chain) == spoken
    assert all(request.text != "Your order is ready." for request in voices.second.asked)


class Mute:
    """A voice that ends without a sound."""

    async def start(self) -> None: ...
    async def check_health(self) -> None: ...
    async def close(self) -> None: ...

    async def synthesize(self, _: SynthesisRequest) -> AsyncIterator[bytes]:
        nothing: tuple[bytes, ...] = ()
        for chunk in nothing:
            yield chunk


@on_virtual_time
async def test_no_sound_is_a_failure_and_nothing_to_say_is_none() -> None:
    voices = Voices(Mute())
    assert await speak(voices.chain)
    assert voices.breaker.reading().failures == 1
    assert await speak(voices.chain, " … ") == b""
    assert voices.breaker.reading().failures == 1
