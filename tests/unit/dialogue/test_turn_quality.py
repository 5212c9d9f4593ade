"""Murmurs, turns without a word, slow tools and adaptive endpointing, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields, replace

import pytest

from engine.agent.ports import AgentOutput, Committed, Message, Say, ToolFinished, ToolStarted
from engine.dialogue.prepared import pieces_to_prepare
from engine.speech.ports import RecognitionOptions, RecognitionSession, Transcript
from engine.speech.providers.scripted import ScriptedRecognizer
from tests.unit.dialogue.stage import PHRASES, StoryAgent, on_stage, play, says, with_settings

TEN = "one two three four five six seven eight nine ten."


@pytest.mark.parametrize("murmur", ["uh-huh", "Okay, I see.", "Mm-hmm."])
def test_a_murmur_over_the_agent_does_not_end_its_sentence(murmur: str) -> None:
    async def scene() -> None:
        async with on_stage(StoryAgent(says(TEN)), texts=("first words", murmur)) as stage:
            stage.phone.speaks(3.0, 4.0)
            stage.phone.speaks(6.0, 6.4)
            await asyncio.sleep(12)
            spoken = sum(end - start for start, end in stage.phone.voiced_spans()[1:])
            assert spoken == pytest.approx(4.0, abs=0.3), "all ten words were heard"
            assert [message.content for message in stage.call.history.messages[1:]] == ["first words", TEN]
            assert len(stage.agent.asked) == 1
            assert stage.events_of("murmur")
            assert stage.call.state == "listening"

    play(scene)


def test_a_yes_to_a_question_that_was_heard_is_no_murmur() -> None:
    async def scene() -> None:
        answers = says("Shall I book it? Or would you rather wait for some other day of the week?", "booked.")
        async with on_stage(StoryAgent(answers), texts=("first words", "yes")) as stage:
            stage.phone.speaks(3.0, 4.0)
            stage.phone.speaks(7.0, 7.5)
            await asyncio.sleep(12)
            assert [message.content for message in stage.call.history.messages if message.role == "user"] == [
                "first words",
                "yes",
            ]

    play(scene)


def test_a_murmur_that_goes_on_is_an_interruption() -> None:
    async def scene() -> None:
        texts = ("first words", "okay / but how much is it")
        async with on_stage(StoryAgent(says(TEN, "ten euros.")), texts=texts) as stage:
            stage.phone.speaks(3.0, 4.0)
            stage.phone.speaks(6.0, 6.4)
            stage.phone.speaks(6.7, 7.5)
            await asyncio.sleep(12)
            first = stage.call.history.messages[2]
            assert first.interrupted
            assert stage.call.history.messages[-1].content == "ten euros."

    play(scene)


@pytest.mark.parametrize(
    ("texts", "taken"), [("to my,|okay", "okay"), ("wait|yes", "yes")], ids=["second-reading", "second-thought"]
)
def test_what_cut_the_agent_off_is_a_turn_though_it_reads_like_a_murmur_in_the_end(texts: str, taken: str) -> None:
    async def scene() -> None:
        settings = with_settings(endpointing_adaptive=True)
        recognizer = SecondThoughts(flush_seconds=0.1, texts=("first words|first words", texts), partial_every=0)
        async with on_stage(StoryAgent(says(TEN, "good.")), recognizer=recognizer, settings=settings) as stage:
            stage.phone.speaks(3.0, 4.0)
            stage.phone.speaks(6.5, 7.0)
            await asyncio.sleep(12)
            said = [message.content for message in stage.call.history.messages if message.role == "user"]
            assert said == ["first words", taken]
            assert stage.call.history.messages[-1].content == "good."

    play(scene)


def test_speech_without_a_word_is_asked_for_again_and_the_third_time_goes_to_a_person() -> None:
    async def scene() -> None:
        async with on_stage(StoryAgent(says("never said.")), texts=("",)) as stage:
            for start in (3.0, 7.0, 11.0):
                stage.phone.speaks(start, start + 1.2)
            await asyncio.sleep(20)
            said = [message.content for message in stage.call.history.messages]
            assert said == [PHRASES.greeting, PHRASES.not_heard, PHRASES.not_heard, PHRASES.transfer]
            outcome = await stage.outcome
            assert (outcome.next, outcome.reason) == ("operator", "not_understood")
            assert not stage.agent.asked

    play(scene)


def test_a_short_noise_without_a_word_is_not_mentioned() -> None:
    async def scene() -> None:
        async with on_stage(StoryAgent(says("never said.")), texts=("",)) as stage:
            stage.phone.speaks(3.0, 3.3)
            await asyncio.sleep(6)
            assert [message.content for message in stage.call.history.messages] == [PHRASES.greeting]
            assert stage.call.state == "listening"

    play(scene)


class SlowToolAgent(StoryAgent):
    """Works with a tool for ``delay`` seconds, then answers."""

    async def respond(self, history: Sequence[Message], committed: Committed) -> AsyncIterator[AgentOutput]:
        self.asked.append(tuple(history))
        yield ToolStarted("search", "One moment.")
        yield ToolStarted("search", "One moment.")
        await asyncio.sleep(self.delay)
        yield ToolFinished("search", {}, ok=True, seconds=self.delay)
        yield Say("found it.")


@pytest.mark.parametrize(
    ("seconds", "fillers"),
    [
        (0.5, []),
        (3.0, ["One moment."]),
        (9.0, ["One moment.", PHRASES.still_working]),
        (16.0, ["One moment.", PHRASES.still_working, PHRASES.still_working]),
        (25.0, ["One moment.", PHRASES.still_working, PHRASES.still_working]),
    ],
)
def test_a_slow_tool_is_filled_once_and_again(seconds: float, fillers: list[str]) -> None:
    async def scene() -> None:
        async with on_stage(SlowToolAgent([], delay=seconds)) as stage:
            stage.phone.speaks(3.0, 4.0)
            await asyncio.sleep(seconds + 10)
            assert stage.voice.asked == [*fillers, "found it."]

    play(scene)


class TwoToolsAgent(StoryAgent):
    """Says a word between two slow tools."""

    async def respond(self, history: Sequence[Message], committed: Committed) -> AsyncIterator[AgentOutput]:
        self.asked.append(tuple(history))
        yield ToolStarted("search", "")
        yield Say("So. ")
        yield ToolStarted("search", "One moment.")
        await asyncio.sleep(self.delay)
        yield ToolFinished("search", {}, ok=True, seconds=self.delay)
        yield Say("found it.")


def test_a_tool_after_words_is_filled_too() -> None:
    async def scene() -> None:
        async with on_stage(TwoToolsAgent([], delay=9.0)) as stage:
            stage.phone.speaks(3.0, 4.0)
            await asyncio.sleep(20)
            assert stage.voice.asked == ["So.", PHRASES.still_working, "found it."]

    play(scene)


def test_every_fixed_sentence_is_made_beforehand() -> None:
    pieces = " ".join(pieces_to_prepare(PHRASES, 50))
    optional = {"fillers", "tool_fillers"}
    for field in fields(PHRASES):
        if field.name not in optional:
            assert getattr(PHRASES, field.name) in pieces, field.name


def test_a_sentence_that_leads_on_is_waited_for() -> None:
    async def scene() -> None:
        settings = with_settings(endpointing_adaptive=True)
        texts = ("I want to check my / order please",)
        async with on_stage(StoryAgent(says("which one?")), texts=texts, settings=settings) as stage:
            stage.phone.speaks(3.0, 4.0)
            stage.phone.speaks(4.8, 5.5)  # 0.8 s: longer than the usual silence
            await asyncio.sleep(10)
            assert [turn["caller"] for turn in stage.events_of("turn")][1:] == ["I want to check my order please"]
            assert stage.phone.voiced_spans()[1][0] > 5.5

    play(scene)


class SecondThoughts(ScriptedRecognizer):
    """Reads each pause in another way when it is asked again: texts have a variant after "|"."""

    @asynccontextmanager
    async def open(self, options: RecognitionOptions) -> AsyncIterator[RecognitionSession]:
        async with super().open(options) as session:
            yield _SecondThoughts(session)


class _SecondThoughts:
    def __init__(self, inner: RecognitionSession) -> None:
        self._inner = inner
        self.begin, self.audio, self.flush, self.end = inner.begin, inner.audio, inner.flush, inner.end

    async def results(self) -> AsyncIterator[Transcript]:
        async for transcript in self._inner.results():
            first, _, second = transcript.text.partition("|")
            if transcript.flush:
                yield replace(transcript, text=second if transcript.flush > 1 else first)


@pytest.mark.parametrize(
    ("texts", "taken", "readings"),
    [
        ("the more and|tomorrow", "tomorrow", 2),
        ("to my,|to my.", "to my,", 1),
        ("it is four, two, seven, one|it is 4271", "it is four, two, seven, one", 1),
        ("it is four, two, seven, one|it is 4279", "it is 4279", 2),
    ],
)
def test_a_pause_that_may_be_no_end_is_read_once_more(texts: str, taken: str, readings: int) -> None:
    """The words of the second reading count, from when they were there; the same words stay as they were."""

    async def scene() -> None:
        settings = with_settings(endpointing_adaptive=True)
        recognizer = SecondThoughts(flush_seconds=0.1, texts=(texts,), partial_every=0)
        async with on_stage(StoryAgent(says("good.")), recognizer=recognizer, settings=settings) as stage:
            stage.phone.speaks(3.0, 4.0)
            await asyncio.sleep(8)
            _, turn = stage.events_of("turn")
            assert turn["caller"] == taken
            assert stage.agent.asked[-1][-1].content == taken
            assert len(stage.agent.asked) == readings
            assert turn["stages"]["first_token"] - turn["stages"]["final_text"] == pytest.approx(stage.agent.delay)

    play(scene)
