"""What every recogniser does, whoever makes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from engine.errors import RecognitionError
from engine.speech.chain import Member
from engine.speech.chain_recognizers import RecognizerChain
from engine.speech.ports import RecognitionOptions, RecognitionSession, SpeechRecognizer, Transcript
from engine.speech.providers.moonshine import MoonshineRecognizer
from engine.speech.providers.scripted import ScriptedRecognizer
from ops.bench.word_errors import word_errors
from tests.breaking import BreakingRecognizer
from tests.over_clouds import GoogleRecognizerOnLoopback, OpenAiRecognizerOnLoopback
from tests.over_grpc import RecognizerOverGrpc
from tests.speech_clips import SAID, clip, frames


def chain(*before: SpeechRecognizer) -> SpeechRecognizer:
    last = ScriptedRecognizer(flush_seconds=0.01, texts=("Hello there.", "Goodbye."))
    members: list[Member[SpeechRecognizer]] = [
        Member(str(place), member) for place, member in enumerate((*before, last))
    ]
    return RecognizerChain(members, answer_seconds=5)


ADAPTERS = [
    pytest.param(lambda: ScriptedRecognizer(flush_seconds=0.01, texts=("Hello there.", "Goodbye.")), id="scripted"),
    pytest.param(
        lambda: RecognizerOverGrpc(ScriptedRecognizer(flush_seconds=0.01, texts=("Hello there.", "Goodbye."))),
        id="over-grpc",
    ),
    pytest.param(GoogleRecognizerOnLoopback, id="google"),
    pytest.param(OpenAiRecognizerOnLoopback, id="openai"),
    pytest.param(chain, id="chain"),
    pytest.param(lambda: chain(BreakingRecognizer()), id="chain-after-a-break"),
    pytest.param(MoonshineRecognizer, id="moonshine", marks=pytest.mark.embedded),
]

CALL = RecognitionOptions(call_id="a")
QUIET = RecognitionOptions(call_id="a", partials=False)


@pytest.fixture(params=ADAPTERS)
async def recognizer(request: pytest.FixtureRequest) -> AsyncIterator[SpeechRecognizer]:
    make: Callable[[], SpeechRecognizer] = request.param
    recognizer = make()
    await recognizer.start()
    yield recognizer
    await recognizer.close()


@pytest.fixture
async def moonshine() -> AsyncIterator[MoonshineRecognizer]:
    recognizer = MoonshineRecognizer()
    await recognizer.start()
    yield recognizer
    await recognizer.close()


async def say(session: RecognitionSession, pcm: bytes) -> None:
    for frame in frames(pcm):
        await session.audio(frame)


async def answer(results: AsyncIterator[Transcript], flush: int) -> Transcript:
    """The answer to a flush, past the partials before it."""
    async with asyncio.timeout(30):
        async for result in results:
            if result.flush:
                assert result.flush == flush
                return result
    raise AssertionError("the results ended")


async def test_a_flush_is_answered_with_its_number(recognizer: SpeechRecognizer) -> None:
    async with recognizer.open(QUIET) as session:
        results = session.results()
        await session.begin(7)
        await say(session, clip("order"))
        await session.flush(1)
        heard = await answer(results, 1)
        assert heard.utterance == 7
        assert heard.text == heard.text.strip() != ""
        assert heard.confidence is None or 0 <= heard.confidence <= 1
        assert heard.seconds > 0


async def test_an_utterance_may_go_on_after_a_flush(recognizer: SpeechRecognizer) -> None:
    pcm = clip("order")
    async with recognizer.open(CALL) as session:
        results = session.results()
        await session.begin(1)
        await say(session, pcm[: len(pcm) // 2])
        await session.flush(1)
        await answer(results, 1)
        await say(session, pcm[len(pcm) // 2 :])
        await session.flush(2)
        heard = await answer(results, 2)
        await session.end()
        assert heard.text


async def test_flushes_are_answered_in_order(recognizer: SpeechRecognizer) -> None:
    async with recognizer.open(QUIET) as session:
        results = session.results()
        await session.begin(1)
        for flush in (1, 2, 3):
            await say(session, clip("yes"))
            await session.flush(flush)
        assert [(await answer(results, flush)).flush for flush in (1, 2, 3)] == [1, 2, 3]


async def test_utterances_follow_each_other(recognizer: SpeechRecognizer) -> None:
    async with recognizer.open(CALL) as session:
        results = session.results()
        for utterance in (1, 2, 3):
            await session.begin(utterance)
            await say(session, clip("yes"))
            await session.flush(1)
            assert (await answer(results, 1)).utterance == utterance
            await session.end()


async def test_nothing_heard_is_an_empty_text(recognizer: SpeechRecognizer) -> None:
    async with recognizer.open(CALL) as session:
        await session.begin(1)
        await session.flush(1)
        assert (await answer(session.results(), 1)).text == ""


async def test_an_utterance_given_up_gets_no_answer(recognizer: SpeechRecognizer) -> None:
    async with recognizer.open(QUIET) as session:
        await session.begin(1)
        await say(session, clip("order"))
        await session.flush(1)
        await session.begin(2)
        await say(session, clip("yes"))
        await session.flush(1)
        assert (await answer(session.results(), 1)).utterance == 2


async def test_partials_come_unasked_where_they_are_wanted(recognizer: SpeechRecognizer) -> None:
    async with recognizer.open(CALL) as session:
        await session.begin(1)
        results = session.results()
        await say(session, clip("order")[: 16000 * 2])
        async with asyncio.timeout(30):
            partial = await anext(results)
        assert (partial.utterance, partial.flush) == (1, 0)
        assert partial.text


async def test_no_partials_where_they_are_not_wanted(recognizer: SpeechRecognizer) -> None:
    async with recognizer.open(QUIET) as session:
        await session.begin(1)
        await say(session, clip("order"))
        await session.flush(1)
        async with asyncio.timeout(30):
            assert (await anext(session.results())).flush == 1


async def test_results_end_with_the_session(recognizer: SpeechRecognizer) -> None:
    async with recognizer.open(CALL) as session:
        reading = asyncio.create_task(_all(session))
        await session.begin(1)
        await say(session, clip("yes"))
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        assert all(result.utterance == 1 for result in await reading)


async def _all(session: RecognitionSession) -> list[Transcript]:
    return [result async for result in session.results()]


async def test_a_session_that_is_over_is_over(recognizer: SpeechRecognizer) -> None:
    async with recognizer.open(CALL) as session:
        await session.begin(1)
    with pytest.raises(RecognitionError):
        await session.audio(bytes(320))
    with pytest.raises(RecognitionError):
        await session.begin(2)


async def test_audio_belongs_to_an_utterance(recognizer: SpeechRecognizer) -> None:
    async with recognizer.open(CALL) as session:
        with pytest.raises(RecognitionError):
            await session.audio(bytes(320))
    async with recognizer.open(CALL) as session:
        await session.begin(1)
        await session.end()
        with pytest.raises(RecognitionError):
            await session.flush(1)


async def test_calls_do_not_hear_each_other(recognizer: SpeechRecognizer) -> None:
    async with recognizer.open(QUIET) as one, recognizer.open(QUIET) as other:
        for number, session in enumerate((one, other), 1):
            await session.begin(number)
            await say(session, clip("yes"))
            await session.flush(1)
        assert (await answer(one.results(), 1)).utterance == 1
        assert (await answer(other.results(), 1)).utterance == 2


async def test_health_and_closing_twice(recognizer: SpeechRecognizer) -> None:
    await recognizer.check_health()
    await recognizer.close()
    await recognizer.close()


@pytest.mark.embedded
@pytest.mark.parametrize("name", SAID)
async def test_moonshine_understands_the_telephone(moonshine: MoonshineRecognizer, name: str) -> None:
    async with moonshine.open(QUIET) as session:
        await session.begin(1)
        await say(session, clip(name))
        await session.flush(1)
        heard = await answer(session.results(), 1)
    errors, words = word_errors(SAID[name], heard.text)
    assert errors <= words // 6, heard.text
    assert heard.confidence is not None
    assert heard.confidence > 0.6


@pytest.mark.embedded
@pytest.mark.parametrize("name", SAID)
async def test_hints_do_no_harm_to_other_words(moonshine: MoonshineRecognizer, name: str) -> None:
    hints = ("Michelin", "Bridgestone", "Goodyear", "Nokian", "Yokohama", "Volkswagen Golf", "Continental")
    async with moonshine.open(RecognitionOptions(call_id="a", partials=False, hints=hints)) as session:
        await session.begin(1)
        await say(session, clip(name))
        await session.flush(1)
        heard = await answer(session.results(), 1)
    errors, words = word_errors(SAID[name], heard.text)
    assert errors <= words // 6, heard.text


@pytest.mark.embedded
async def test_moonshine_hears_no_words_in_silence(moonshine: MoonshineRecognizer) -> None:
    async with moonshine.open(QUIET) as session:
        await session.begin(1)
        await say(session, bytes(32000))
        await session.flush(1)
        assert (await answer(session.results(), 1)).text == ""


@pytest.mark.embedded
async def test_moonshine_hears_the_one_word_alone(moonshine: MoonshineRecognizer) -> None:
    """A third of a second, without the silence that usually surrounds it."""
    async with moonshine.open(QUIET) as session:
        await session.begin(1)
        await say(session, clip("yes")[2 * 2400 : 2 * 6400])
        await session.flush(1)
        assert word_errors("yes", (await answer(session.results(), 1)).text)[0] == 0


@pytest.mark.embedded
async def test_moonshine_follows_a_minute_of_speech(moonshine: MoonshineRecognizer) -> None:
    async with moonshine.open(QUIET) as session:
        await session.begin(1)
        for _ in range(12):
            await say(session, clip("order"))
            await asyncio.sleep(0.05)
        await session.flush(1)
        heard = await answer(session.results(), 1)
    errors, words = word_errors(" ".join([SAID["order"]] * 12), heard.text)
    assert errors <= words // 4, heard.text


@pytest.mark.embedded
async def test_moonshine_refuses_what_it_cannot_do(moonshine: MoonshineRecognizer) -> None:
    with pytest.raises(RecognitionError, match="uk"):
        async with moonshine.open(RecognitionOptions(call_id="a", language="uk")):
            pass
    with pytest.raises(RecognitionError, match="started"):
        await MoonshineRecognizer().check_health()
