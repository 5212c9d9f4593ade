"""The rules of a conversation, on virtual time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from engine.agent.ports import AgentOutput, Hangup, Say, Transfer
from engine.errors import ModelError, RecognitionError
from engine.speech.ports import RecognitionOptions, RecognitionSession, Transcript
from tests.unit.dialogue.stage import PHRASES, StoryAgent, on_stage, play, says, with_settings


def test_greets_at_once_and_listens() -> None:
    async def scene() -> None:
        async with on_stage(StoryAgent(says("fine"))) as stage:
            await asyncio.sleep(3)
            assert stage.phone.heard[0].at <= 0.021
            ((start, end),) = stage.phone.voiced_spans()
            assert start <= 0.04
            assert end == pytest.approx(2.0, abs=0.1)
            assert stage.call.state == "listening"
            assert stage.call.history.messages[0].content == PHRASES.greeting

    play(scene)


def test_one_frame_leaves_every_20_ms() -> None:
    async def scene() -> None:
        async with on_stage(StoryAgent(says("fine"))) as stage:
            await asyncio.sleep(10)
            assert len(stage.phone.heard) == pytest.approx(10 / 0.02 + 2, abs=2)

    play(scene)


def test_answers_after_the_silence_and_not_before() -> None:
    async def scene() -> None:
        async with on_stage(StoryAgent(says("one two three."))) as stage:
            stage.phone.speaks(3.0, 4.0)
            await asyncio.sleep(8)
            _, (start, end) = stage.phone.voiced_spans()
            assert 4.5 <= start <= 4.75, "0.5 s of silence ends a turn; the answer was prepared meanwhile"
            assert end - start == pytest.approx(1.2, abs=0.1)
            assert [message.content for message in stage.call.history.messages] == [
                PHRASES.greeting,
                "first words",
                "one two three.",
            ]
            turn = stage.events_of("turn")[-1]
            assert turn["caller"] == "first words"
            stages = turn["stages"]
            assert stages["final_text"] < stages["endpointing"] < stages["on_the_wire"]

    play(scene)


def test_an_answer_begun_in_a_pause_is_dropped_when_the_caller_goes_on() -> None:
    async def scene() -> None:
        agent = StoryAgent(says("one two three."), delay=0.01)
        async with on_stage(agent) as stage:
            stage.phone.speaks(3.0, 4.0)
            stage.phone.speaks(4.4, 5.0)  # within the endpointing silence
            await asyncio.sleep(8)
            spans = stage.phone.voiced_spans()
            assert len(spans) == 2, "nothing is said into the caller's pause"
            assert spans[1][0] >= 5.5
            assert len(agent.asked) == 2
            assert sum(message.role == "user" for message in stage.call.history.messages) == 1

    play(scene)


def test_without_speculation_the_model_starts_at_the_end_of_the_turn() -> None:
    async def scene() -> None:
        agent = StoryAgent(says("one two three."))
        async with on_stage(agent, settings=with_settings(speculate=False)) as stage:
            stage.phone.speaks(3.0, 4.0)
            await asyncio.sleep(4.5 - 0.05)
            assert not agent.asked
            await asyncio.sleep(3)
            assert len(agent.asked) == 1

    play(scene)


def test_speech_interrupts_within_300_ms_and_the_history_ends_with_what_was_heard() -> None:
    async def scene() -> None:
        words = "one two three four five six seven eight nine ten"
        async with on_stage(StoryAgent(says(words, "yes indeed."))) as stage:
            stage.phone.speaks(3.0, 4.0)
            stage.phone.speaks(6.0, 7.0)
            await asyncio.sleep(10)
            _, answer, second = stage.phone.voiced_spans()
            assert 6.1 < answer[1] <= 6.3
            assert second[0] >= 7.5
            cut = stage.call.history.messages[2]
            assert cut.interrupted
            heard = cut.content.split()
            assert heard == words.split()[: len(heard)]
            assert len(heard) == pytest.approx((answer[1] - answer[0]) / 0.4, abs=1.1)
            turns = stage.events_of("turn")
            assert turns[1]["interrupted"] is True
            assert turns[1]["interrupted_at_ms"] == pytest.approx(1000 * (answer[1] - answer[0]), abs=100)
            assert not [turn for turn in (turns[0], *turns[2:]) if "interrupted_at_ms" in turn]

    play(scene)


def test_a_cough_does_not_interrupt() -> None:
    async def scene() -> None:
        async with on_stage(StoryAgent(says("one two three four five six seven eight nine ten"))) as stage:
            stage.phone.speaks(3.0, 4.0)
            stage.phone.speaks(6.0, 6.1)
            await asyncio.sleep(12)
            assert len(stage.phone.voiced_spans()) == 2
            assert not stage.call.history.messages[2].interrupted

    play(scene)


def test_a_noise_without_words_only_delays_the_answer() -> None:
    async def scene() -> None:
        words = "one two three four five six seven eight nine ten"
        async with on_stage(StoryAgent(says(words)), texts=("first words", "")) as stage:
            stage.phone.speaks(3.0, 4.0)
            stage.phone.speaks(6.0, 6.6)
            await asyncio.sleep(14)
            spans = stage.phone.voiced_spans()
            assert len(spans) == 3
            spoken = spans[1][1] - spans[1][0] + spans[2][1] - spans[2][0]
            assert spoken == pytest.approx(4.0, abs=0.15), "all of it was said, in two parts"
            assert stage.call.history.messages[2].content == words
            assert not stage.call.history.messages[2].interrupted

    play(scene)


def test_silence_is_asked_about_and_then_ends_the_call() -> None:
    async def scene() -> None:
        async with on_stage(StoryAgent(says("fine"))) as stage:
            outcome = await stage.outcome
            _, asked, goodbye = stage.phone.voiced_spans()
            assert asked[0] == pytest.approx(12.1, abs=0.2)
            assert goodbye[0] == pytest.approx(asked[1] + 10.1, abs=0.2)
            assert (outcome.next, outcome.reason) == ("hangup", "silence")
            assert stage.phone.hung_up_at is not None

    play(scene)


def test_the_caller_who_speaks_again_is_asked_anew() -> None:
    async def scene() -> None:
        async with on_stage(StoryAgent(says("one two three."))) as stage:
            stage.phone.speaks(15.0, 16.0)
            await asyncio.sleep(27.5)
            assert stage.voice.asked.count(PHRASES.still_there) == 1
            await asyncio.sleep(2)
            assert stage.voice.asked.count(PHRASES.still_there) == 2

    play(scene)


def test_zero_leads_to_the_operator() -> None:
    async def scene() -> None:
        async with on_stage(StoryAgent(says("fine"))) as stage:
            stage.phone.presses(1.0, "0")
            outcome = await stage.outcome
            assert (outcome.next, outcome.reason) == ("operator", "keypad")
            assert PHRASES.transfer in stage.voice.asked
            assert stage.phone.hung_up_at is not None
            assert stage.call.history.messages[0].interrupted

    play(scene)


def test_a_number_keyed_in_is_what_the_caller_says() -> None:
    async def scene() -> None:
        async with on_stage(StoryAgent(says("one two three."))) as stage:
            stage.phone.presses(3.0, "4071#")
            await asyncio.sleep(6)
            assert stage.agent.asked[0][-1].content == "4071"
            assert "4071" not in str(stage.events_of("dtmf"))

    play(scene)


def test_the_longest_duration_leads_to_the_operator() -> None:
    async def scene() -> None:
        async with on_stage(StoryAgent(says("fine")), settings=with_settings(max_call_s=11.0)) as stage:
            outcome = await stage.outcome
            assert (outcome.next, outcome.reason) == ("operator", "too_long")
            assert stage.phone.now == pytest.approx(11 + 0.1 + 5 * 0.4, abs=0.2)

    play(scene)


def test_transfer_and_goodbye_follow_when_all_is_said() -> None:
    async def scene() -> None:
        answers: list[list[AgentOutput]] = [[Say("I connect you now."), Transfer("operator", "caller_request")]]
        async with on_stage(StoryAgent(answers)) as stage:
            stage.phone.speaks(3.0, 4.0)
            outcome = await stage.outcome
            assert (outcome.next, outcome.reason) == ("operator", "caller_request")
            assert stage.phone.voiced_spans()[1][1] - stage.phone.voiced_spans()[1][0] == pytest.approx(1.6, abs=0.1)
        async with on_stage(StoryAgent([[Hangup()]])) as stage:
            stage.phone.speaks(3.0, 4.0)
            outcome = await stage.outcome
            assert outcome.next == "hangup"
            assert PHRASES.goodbye in stage.voice.asked, "a bare goodbye is said in the playbook's words"

    play(scene)


def test_a_line_that_never_falls_silent_is_answered_all_the_same() -> None:
    async def scene() -> None:
        async with on_stage(StoryAgent(says("one two three."))) as stage:
            stage.phone.speaks(3.0, 200.0)
            await asyncio.sleep(60)
            assert stage.agent.asked
            assert stage.agent.asked[0][-1].content == "first words"

    play(scene)


def test_the_caller_hangs_up() -> None:
    async def scene() -> None:
        async with on_stage(StoryAgent(says("fine"))) as stage:
            stage.phone.hang_up_at = 1.0
            outcome = await stage.outcome
            assert (outcome.next, outcome.reason) == ("hangup", "caller_hung_up")
            assert stage.phone.now <= 1.05

    play(scene)


def test_a_model_that_fails_leads_to_an_apology_and_the_operator() -> None:
    async def scene() -> None:
        async with on_stage(StoryAgent([ModelError("gone")])) as stage:
            stage.phone.speaks(3.0, 4.0)
            outcome = await stage.outcome
            assert (outcome.next, outcome.reason) == ("operator", "model_failed")
            assert PHRASES.apology_transfer.split()[0] in " ".join(stage.voice.asked)

    play(scene)


def test_a_model_that_never_answers_is_given_up() -> None:
    async def scene() -> None:
        async with on_stage(
            StoryAgent(says("never"), delay=3600), settings=with_settings(llm_timeout_ms=8000)
        ) as stage:
            stage.phone.speaks(3.0, 4.0)
            outcome = await stage.outcome
            assert outcome.reason == "model_failed"
            assert 12 < stage.phone.now < 17

    play(scene)


def test_a_voice_that_fails_leads_to_the_operator_by_prepared_words_or_none() -> None:
    async def scene() -> None:
        async with on_stage(StoryAgent(says("one two three."))) as stage:
            stage.voice.broken = True
            stage.phone.speaks(3.0, 4.0)
            outcome = await stage.outcome
            assert (outcome.next, outcome.reason) == ("operator", "synthesis_failed")

    play(scene)


class _Nobody:
    """A session that is never handed out."""

    async def begin(self, utterance: int) -> None: ...

    async def audio(self, pcm: bytes) -> None: ...

    async def flush(self, flush: int) -> None: ...

    async def end(self) -> None: ...

    async def results(self) -> AsyncIterator[Transcript]:
        silence: tuple[Transcript, ...] = ()
        for transcript in silence:
            yield transcript


class DeafRecognizer:
    """Opens sessions and never answers."""

    async def start(self) -> None:
        """Nothing to load."""

    async def check_health(self) -> None:
        """Seems well."""

    @contextlib.asynccontextmanager
    async def open(self, options: RecognitionOptions) -> AsyncIterator[RecognitionSession]:
        if options.call_id:
            raise RecognitionError("nobody listens")
        yield _Nobody()

    async def close(self) -> None:
        """Nothing to let go of."""


def test_a_recogniser_that_is_gone_leads_to_an_apology_and_the_operator() -> None:
    async def scene() -> None:
        async with on_stage(StoryAgent(says("fine")), recognizer=DeafRecognizer()) as stage:
            stage.phone.speaks(3.0, 4.0)
            outcome = await stage.outcome
            assert (outcome.next, outcome.reason) == ("operator", "recognition_failed")
            assert stage.phone.now < 4 + 4 + 0.5 + 4

    play(scene)
