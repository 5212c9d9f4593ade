"""Recognition and voice by OpenAI's API against a server of it on loopback, faults included."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import pytest

from engine.audio.format import seconds_of
from engine.errors import RecognitionError, SynthesisError
from engine.speech.ports import RecognitionOptions, RecognitionSession, SynthesisRequest, Transcript
from engine.speech.providers.openai_recognition import OpenAiRecognizer
from engine.speech.providers.openai_voice import OpenAiSynthesizer
from tests.openai_server import KEY, Fault, OpenAiServer, openai
from tests.toy_speech import pause, spoken

CALL = RecognitionOptions(call_id="a", language="en-GB", hints=("Michelin", "Nokian"))
QUIET = RecognitionOptions(call_id="a", partials=False)


@asynccontextmanager
async def recogniser(server: OpenAiServer, key: str = KEY, partial: float = 0.0) -> AsyncIterator[OpenAiRecognizer]:
    made = OpenAiRecognizer(url=server.url, key=key, model="whisper-1", partial_seconds=partial)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def voice(server: OpenAiServer, key: str = KEY) -> AsyncIterator[OpenAiSynthesizer]:
    made = OpenAiSynthesizer(url=server.url, key=key, model="tts-1", voice="alloy")
    await made.start()
    try:
        yield made
    finally:
        await made.close()


async def answer(results: AsyncIterator[Transcript], flush: int = 1) -> Transcript:
    async with asyncio.timeout(20):
        async for result in results:
            if result.flush == flush:
                return result
    raise AssertionError("the results ended")


async def utterance(session: RecognitionSession, *words: str) -> str:
    await session.begin(1)
    await session.audio(spoken(*words))
    await session.flush(1)
    return (await answer(session.results())).text


async def test_an_utterance_is_sent_as_the_api_wants_it() -> None:
    async with openai() as server, recogniser(server) as made, made.open(CALL) as session:
        assert await utterance(session, "one", "two") == "one two"
        (asked,) = server.heard
        assert asked.pop("file") == spoken("one", "two")
        assert asked == {
            "model": "whisper-1",
            "language": "en",
            "prompt": "Michelin, Nokian",
            "response_format": "json",
            "temperature": "0",
        }


async def test_a_caller_who_goes_on_is_heard_from_the_beginning_and_nothing_is_asked_twice() -> None:
    async with openai() as server, recogniser(server) as made, made.open(QUIET) as session:
        results = session.results()
        await session.begin(1)
        await session.audio(spoken("one"))
        await session.flush(1)
        await session.flush(2)
        assert (await answer(results, 2)).text == "one"
        await session.audio(spoken("two"))
        await session.flush(3)
        assert (await answer(results, 3)).text == "one two"
        assert len(server.heard) == 2


async def test_answers_come_in_order_though_the_first_is_slow() -> None:
    async with openai() as server, recogniser(server) as made, made.open(QUIET) as session:
        server.faults.append(Fault(slow=0.2))
        await session.begin(1)
        for flush, word in enumerate(("one", "two"), 1):
            await session.audio(spoken(word))
            await session.flush(flush)
            await asyncio.sleep(0.05)
        results = session.results()
        assert [(await anext(results)).flush for _ in range(2)] == [1, 2]


async def test_silence_is_not_sent() -> None:
    async with openai() as server, recogniser(server) as made, made.open(QUIET) as session:
        await session.begin(1)
        await session.audio(pause(1))
        await session.flush(1)
        assert (await answer(session.results())).text == ""
        assert not server.heard


async def test_partials_where_they_are_wanted() -> None:
    async with openai() as server, recogniser(server, partial=0.5) as made, made.open(CALL) as session:
        await session.begin(1)
        await session.audio(spoken("one", "two"))
        async with asyncio.timeout(10):
            partial = await anext(session.results())
        assert (partial.text, partial.flush) == ("one two", 0)


@pytest.mark.parametrize(
    ("fault", "words", "retryable"),
    [
        (Fault(status=429), "quota", True),
        (Fault(status=500), "failed", True),
        (Fault(status=404), "no such model", False),
        (Fault(status=400), "refused", False),
        (Fault(body=b"<html>hello</html>", kind="text/html"), "no text", True),
        (Fault(body=b'{"words": 1}'), "no text", True),
    ],
)
async def test_faults_break_the_session_and_say_what_to_do(fault: Fault, words: str, retryable: bool) -> None:
    async with openai() as server, recogniser(server) as made, made.open(QUIET) as session:
        server.faults.append(fault)
        with pytest.raises(RecognitionError, match=words) as caught:
            await utterance(session, "one")
        assert caught.value.retryable is retryable


@pytest.mark.parametrize("status", [302, 307, 308])
async def test_nothing_follows_a_redirect(status: int) -> None:
    async with openai() as server, openai() as other, recogniser(server) as made, voice(server) as speaker:
        elsewhere = Fault(status=status, location=f"{other.url}/audio/")
        server.faults += [elsewhere, elsewhere]
        with pytest.raises(SynthesisError, match="sends us elsewhere"):
            await heard(speaker, SynthesisRequest("hello"))
        async with made.open(QUIET) as session:
            with pytest.raises(RecognitionError, match="sends us elsewhere") as caught:
                await utterance(session, "one")
        assert not caught.value.retryable
        assert (other.heard, other.spoken) == ([], [])


async def test_a_wrong_key_is_told_without_the_key() -> None:
    async with openai() as server, recogniser(server, "a-wrong-key") as made, voice(server, "a-wrong-key") as speaker:
        for check, kind in ((made.check_health, RecognitionError), (speaker.check_health, SynthesisError)):
            with pytest.raises(kind, match="TRUNKLINE_OPENAI_KEY") as caught:
                await check()
            assert "wr" not in str(caught.value).replace("wrong", "")


async def test_without_a_key_nothing_is_signed() -> None:
    async with openai(key="") as server:
        async with recogniser(server, key="") as made, made.open(CALL) as session:
            await made.check_health()
            assert await utterance(session, "one") == "one"
        async with voice(server, key="") as speaker:
            async for _ in speaker.synthesize(SynthesisRequest("Hello.")):
                pass
        assert server.signed == [None] * 3


async def test_a_server_that_is_gone_is_told() -> None:
    async with openai() as server, recogniser(server) as made:
        await server.stop()
        with pytest.raises(RecognitionError, match="cannot be reached"):
            await made.check_health()


async def test_a_call_that_ends_gives_its_request_up() -> None:
    async with openai() as server, recogniser(server) as made:
        server.faults.append(Fault(silent=True))
        async with made.open(QUIET) as session:
            await session.begin(1)
            await session.audio(spoken("one"))
            await session.flush(1)
            await asyncio.sleep(0.1)
        async with asyncio.timeout(5):
            await server.gone.wait()


async def heard(speaker: OpenAiSynthesizer, request: SynthesisRequest) -> bytes:
    async with asyncio.timeout(20):
        return b"".join([chunk async for chunk in speaker.synthesize(request)])


async def test_a_voice_speaks() -> None:
    async with openai() as server, voice(server) as speaker:
        pcm = await heard(speaker, SynthesisRequest("Your tyres are here.", speed=1.25))
        assert 1.1 < seconds_of(len(pcm)) < 1.6
        assert server.spoken == [
            {
                "model": "tts-1",
                "voice": "alloy",
                "input": "Your tyres are here.",
                "response_format": "pcm",
                "speed": 1.25,
            }
        ]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(status=429), "quota"),
        (Fault(status=503), "failed"),
        (Fault(status=400), "refused"),
        (Fault(body=b'{"ok": true}'), "no audio"),
        (Fault(body=b"RIFF....", kind="audio/wav"), "a file"),
    ],
)
async def test_a_voice_that_fails_says_so_without_the_text(fault: Fault, words: str) -> None:
    async with openai() as server, voice(server) as speaker:
        server.faults.append(fault)
        with pytest.raises(SynthesisError, match=words) as caught:
            await heard(speaker, SynthesisRequest("call me at five five five"))
        assert "five" not in str(caught.value)


async def test_a_voice_cut_in_the_middle_is_an_error_after_its_audio() -> None:
    async with openai() as server, voice(server) as speaker:
        server.faults.append(Fault(cut_after=3))
        stream = speaker.synthesize(SynthesisRequest("one two three four five six seven eight"))
        assert await anext(aiter(stream))
        with pytest.raises(SynthesisError, match="reached"):
            [chunk async for chunk in stream]


async def test_to_stop_listening_stops_the_voice() -> None:
    async with openai() as server, voice(server) as speaker:
        stream = cast("Any", speaker.synthesize(SynthesisRequest(" ".join(["one"] * 600))))
        async with aclosing(stream):
            await anext(stream)
        async with asyncio.timeout(5):
            await server.gone.wait()
