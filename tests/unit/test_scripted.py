"""The scripted providers keep their times to the millisecond and their sound to its promises."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import pytest

from engine.agent.ports import ChatDone, ChatRequest, Message, TextDelta, TokensTold
from engine.agent.scripted import ScriptedModel
from engine.clock import VirtualTimeLoop
from engine.errors import RecognitionError
from engine.speech.ports import RecognitionOptions, SynthesisRequest, Transcript
from engine.speech.providers.scripted import ScriptedRecognizer, ScriptedSynthesizer

T = TypeVar("T")

CALL = RecognitionOptions(call_id="a")
SENTENCE = "We have four summer tyres in that size"


def on_virtual_time(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_flush_is_answered_on_time_and_texts_go_round() -> None:
    async def call() -> list[tuple[str, float]]:
        heard = []
        recognizer = ScriptedRecognizer(flush_seconds=0.25, texts=("one", "two"), partial_every=0)
        async with recognizer.open(CALL) as session:
            results = session.results()
            for utterance in (1, 2, 3):
                await session.begin(utterance)
                await session.audio(bytes(320))
                began = now()
                await session.flush(1)
                result = await anext(results)
                heard.append((result.text, now() - began))
                await session.end()
        return heard

    answers = on_virtual_time(call())
    assert [text for text, _ in answers] == ["one", "two", "one"]
    assert [seconds for _, seconds in answers] == pytest.approx([0.25] * 3, abs=1e-9)


def test_an_utterance_keeps_its_text_over_flushes_and_a_new_session() -> None:
    async def call() -> list[Transcript]:
        recognizer = ScriptedRecognizer(texts=("one", "two", "three"), partial_every=0)
        heard = []
        for _ in range(2):
            async with recognizer.open(CALL) as session:
                results = session.results()
                await session.begin(2)
                await session.audio(bytes(320))
                await session.flush(1)
                await session.flush(2)
                heard += [await anext(results), await anext(results)]
        return heard

    heard = on_virtual_time(call())
    assert [result.text for result in heard] == ["two"] * 4
    assert [result.flush for result in heard] == [1, 2, 1, 2]


def test_partials_are_growing_beginnings_of_the_text() -> None:
    async def call() -> list[Transcript]:
        async with ScriptedRecognizer(texts=(SENTENCE,), partial_every=0.5).open(CALL) as session:
            await session.begin(1)
            for _ in range(100):
                await session.audio(bytes(320))
                await asyncio.sleep(0.02)
            results = session.results()
            return [await anext(results) for _ in range(4)]

    partials = on_virtual_time(call())
    assert all(partial.flush == 0 and SENTENCE.startswith(partial.text) for partial in partials)
    lengths = [len(partial.text) for partial in partials]
    assert lengths == sorted(set(lengths))


def test_no_partials_where_none_are_wanted() -> None:
    async def call() -> Transcript:
        quiet = RecognitionOptions(call_id="a", partials=False)
        async with ScriptedRecognizer().open(quiet) as session:
            await session.begin(1)
            await session.audio(bytes(64000))
            await session.flush(1)
            return await anext(session.results())

    assert on_virtual_time(call()).flush == 1


def test_results_that_nobody_reads_do_not_pile_up() -> None:
    async def call() -> int:
        async with ScriptedRecognizer().open(CALL) as session:
            await session.begin(1)
            for _ in range(1000):
                await session.audio(bytes(8000))
        return len([result async for result in session.results()])

    assert on_virtual_time(call()) < 300


def test_a_closed_session_is_closed() -> None:
    async def call() -> None:
        async with ScriptedRecognizer().open(CALL) as session:
            await session.begin(1)
        with pytest.raises(RecognitionError):
            await session.audio(bytes(320))

    on_virtual_time(call())


def test_the_first_sound_comes_on_time_and_the_rest_faster_than_it_is_heard() -> None:
    async def call() -> list[tuple[float, bytes]]:
        began = now()
        voice = ScriptedSynthesizer(first_audio_seconds=0.15, pace=10)
        return [(now() - began, chunk) async for chunk in voice.synthesize(SynthesisRequest(SENTENCE))]

    chunks = on_virtual_time(call())
    assert [seconds for seconds, _ in chunks] == pytest.approx([0.15 + 0.04 * n for n in range(len(chunks))], abs=1e-9)
    assert len(chunks[0][1]) == 1600
    assert {len(chunk) for _, chunk in chunks[1:-1]} == {6400}
    assert sum(len(chunk) for _, chunk in chunks) == pytest.approx(16000 * 8 / 2.5, abs=32)


@pytest.mark.parametrize("text", [SENTENCE, "Yes", "Good morning, how can I help you?"])
@pytest.mark.parametrize("speed", [0.8, 1.0, 1.5])
def test_the_sound_is_loud_throughout_and_never_clipped(text: str, speed: float) -> None:
    samples = np.abs(np.frombuffer(ScriptedSynthesizer().sound(text, speed), "<i2").astype(np.int32))
    for start in range(0, len(samples) - 320, 80):
        assert samples[start : start + 320].max() > 1000, "40 ms"
    assert 10000 < samples.max() < 32000
    blocks = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    assert np.sqrt(np.square(blocks).mean(axis=1)).min() > 300


def test_the_sound_depends_on_the_text_alone() -> None:
    assert ScriptedSynthesizer().sound(SENTENCE) == ScriptedSynthesizer(first_audio_seconds=1).sound(SENTENCE)
    assert ScriptedSynthesizer().sound("hello") != ScriptedSynthesizer().sound("there")
    assert ScriptedSynthesizer().sound("  ") == b""


def history(turns: int) -> ChatRequest:
    return ChatRequest(tuple(Message("user", f"question {turn}") for turn in range(turns)))


@pytest.mark.parametrize("words", [1, 10, 35, 60])
def test_replies_are_one_sentence_of_so_many_words(words: int) -> None:
    model = ScriptedModel(reply_words=words)
    replies = [model.reply(turn) for turn in range(1, 8)]
    for reply in replies:
        assert len(reply.split()) == words
        assert reply.endswith(".")
        assert reply.count(".") == 1
        assert "," not in reply
    assert all(first != second for first, second in pairwise(replies))


def test_tokens_come_on_time() -> None:
    async def chat() -> tuple[list[float], list[TextDelta | ChatDone]]:
        began = now()
        times, deltas = [], []
        model = ScriptedModel(first_token_seconds=0.3, tokens_per_second=20, reply_words=4)
        async for delta in model.chat(history(1)):
            if delta == TokensTold(input_tokens=2):
                continue
            times.append(now() - began)
            assert isinstance(delta, TextDelta | ChatDone)
            deltas.append(delta)
        return times, deltas

    times, deltas = on_virtual_time(chat())
    assert times == pytest.approx([0.3, 0.35, 0.4, 0.45, 0.45], abs=1e-9)
    text = "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))
    assert text == ScriptedModel(reply_words=4).reply(1)
    assert deltas[-1] == ChatDone("stop", input_tokens=2, output_tokens=4)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: ScriptedRecognizer(texts=()),
        lambda: ScriptedSynthesizer(words_per_second=0),
        lambda: ScriptedSynthesizer(pace=0),
        lambda: ScriptedModel(reply_words=0),
        lambda: ScriptedModel(tokens_per_second=0),
    ],
)
def test_nonsense_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="scripted"):
        wrong()
