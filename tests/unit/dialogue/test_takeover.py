"""The process that leads a call dies at any moment; another goes on from the black box."""

from __future__ import annotations

import asyncio
import os

import pytest

from engine.audio.blackbox import BlackBox
from engine.dialogue.checkpoint import Checkpoint
from tests.unit.dialogue.stage import PHRASES, StoryAgent, on_stage, play, says, tone

WORDS = "one two three four five six seven eight nine ten."


async def first_life(agent: StoryAgent, seconds: float, speaks: tuple[tuple[float, float], ...]) -> BlackBox:
    """A call until ``seconds``, as it lies in the black box then; its process does nothing more."""
    box, fd = BlackBox.create()
    os.close(fd)
    async with on_stage(agent, box=box) as stage:
        for start, end in speaks:
            stage.phone.speaks(start, end)
        await asyncio.sleep(seconds)
        snapshot = (box.load(), box.queued, box.played, box.caller_position)
        audio = box.peek(box.queued - box.played)
        caller = box.heard(0)
    successor, fd = BlackBox.create()
    os.close(fd)
    saved, queued, played, _ = snapshot
    assert saved is not None
    successor.save(saved)
    successor.hear(caller)
    successor.queue(bytes(queued - len(audio)))
    successor.queue(audio)
    successor.advance(played)
    return successor


def restored(box: BlackBox) -> Checkpoint:
    saved = box.load()
    assert saved is not None
    return Checkpoint.from_bytes(saved)


def test_in_the_greeting_the_rest_of_it_is_heard() -> None:
    async def scene() -> None:
        box = await first_life(StoryAgent(says(WORDS)), 1.0, ())
        async with on_stage(StoryAgent(says(WORDS)), box=box, checkpoint=restored(box)) as stage:
            await asyncio.sleep(3)
            ((start, end),) = stage.phone.voiced_spans()
            assert start <= 0.04
            assert end == pytest.approx(1.0, abs=0.1), "of two seconds one was heard before"
            assert stage.call.history.messages[0].content == PHRASES.greeting

    play(scene)


def test_while_listening_the_words_said_before_and_after_make_one_turn() -> None:
    async def scene() -> None:
        box = await first_life(StoryAgent(says(WORDS)), 3.6, ((3.0, 4.0),))
        assert restored(box).utterance_start >= 0
        agent = StoryAgent(says(WORDS))
        async with on_stage(agent, box=box, checkpoint=restored(box)) as stage:
            stage.phone.speaks(0.0, 0.4)
            await asyncio.sleep(5)
            assert stage.phone.voiced_spans()[0][0] == pytest.approx(0.4 + 0.6, abs=0.15)
            roles = [message.role for message in stage.call.history.messages]
            assert roles == ["assistant", "user", "assistant"]
            assert len(agent.asked) == 1

    play(scene)


def test_while_thinking_the_answer_is_asked_for_again() -> None:
    async def scene() -> None:
        agent = StoryAgent(says(WORDS), delay=1.5)
        box = await first_life(agent, 4.8, ((3.0, 4.0),))
        assert restored(box).state == "thinking"
        successor = StoryAgent(says(WORDS), delay=0.2)
        async with on_stage(successor, box=box, checkpoint=restored(box)) as stage:
            await asyncio.sleep(8)
            assert stage.phone.voiced_spans()[0][0] == pytest.approx(0.3, abs=0.1)
            assert successor.asked[0][-1].content == "first words"
            assert stage.call.history.messages[-1].content == WORDS

    play(scene)


@pytest.mark.parametrize("killed_at", [4.75, 5.0, 6.0, 8.0])
def test_while_speaking_the_sentence_goes_on_where_it_stopped(killed_at: float) -> None:
    async def scene() -> None:
        box = await first_life(StoryAgent(says(WORDS)), killed_at, ((3.0, 4.0),))
        before = box.played - len(tone(2.0))
        async with on_stage(StoryAgent(says(WORDS)), box=box, checkpoint=restored(box)) as stage:
            await asyncio.sleep(8)
            ((start, end),) = stage.phone.voiced_spans(gap=0.5)
            assert start <= 0.5
            assert end - start + before / 16000 == pytest.approx(4.0, abs=0.35)
            assert stage.call.history.messages[-1].content == WORDS
            assert not stage.call.history.messages[-1].interrupted
            assert stage.call.state == "listening"

    play(scene)


def test_the_conversation_goes_on_knowing_what_was_said() -> None:
    async def scene() -> None:
        box = await first_life(StoryAgent(says("one two.", "three four.")), 8.0, ((3.0, 4.0),))
        agent = StoryAgent(says("one two.", "three four."))
        async with on_stage(agent, box=box, checkpoint=restored(box), texts=("second words",)) as stage:
            stage.phone.speaks(1.0, 2.0)
            await asyncio.sleep(5)
            assert [message.content for message in agent.asked[0]] == [
                PHRASES.greeting,
                "first words",
                "one two.",
                "second words",
            ]
            assert stage.events_of("takeover") == [{"history": 3, "state": "listening", "turn": 1}]

    play(scene)
