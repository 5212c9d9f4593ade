"""What models used is told with each turn, and once more at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field

from engine.agent.ports import AgentOutput, Committed, Message
from engine.agent.tokens import ModelTally, ModelUse
from engine.dialogue.checkpoint import Checkpoint
from tests.unit.dialogue.stage import StoryAgent, on_stage, play, says
from tests.unit.dialogue.test_takeover import WORDS, first_life, restored

NONE = asdict(ModelUse())


@dataclass
class CountedAgent(StoryAgent):
    """Each of its answers is one request of 100 tokens; one that is dropped was told of by nobody."""

    tally: ModelTally = field(default_factory=ModelTally)

    async def respond(self, history: Sequence[Message], committed: Committed) -> AsyncIterator[AgentOutput]:
        complete = False
        try:
            async for output in super().respond(history, committed):
                yield output
            complete = True
        finally:
            self.tally.add(100 if complete else None, 7 if complete else None)


def test_a_turn_tells_what_was_used_since_the_turn_before() -> None:
    async def scene() -> None:
        tally = ModelTally()
        async with on_stage(CountedAgent(says("fine.", "good."), tally=tally), tally=tally) as stage:
            stage.phone.speaks(3.0, 4.0)
            stage.phone.speaks(8.0, 9.0)
            await asyncio.sleep(13)
            used = [turn["model_use"] for turn in stage.events_of("turn")]
            assert used == [NONE, asdict(ModelUse(1, 0, 100, 7)), asdict(ModelUse(1, 0, 100, 7))]
        assert stage.events_of("model_use") == []

    play(scene)


def test_an_answer_that_the_callers_end_cuts_off_is_told_at_the_end() -> None:
    async def scene() -> None:
        tally = ModelTally()
        async with on_stage(CountedAgent(says("fine."), delay=5.0, tally=tally), tally=tally) as stage:
            stage.phone.speaks(3.0, 4.0)
            await asyncio.sleep(6)
        assert stage.events_of("model_use") == [{"model_use": asdict(ModelUse(1, 1, 0, 0))}]

    play(scene)


def test_what_a_killed_process_had_used_for_an_answer_is_unknown() -> None:
    async def scene() -> None:
        box = await first_life(StoryAgent(says(WORDS), delay=1.5), 4.8, ((3.0, 4.0),))
        checkpoint: Checkpoint = restored(box)
        assert checkpoint.answering
        tally = ModelTally()
        async with on_stage(
            CountedAgent(says(WORDS), tally=tally), box=box, checkpoint=checkpoint, tally=tally
        ) as stage:
            await asyncio.sleep(8)
            (turn,) = stage.events_of("turn")
            assert turn["model_use"] == asdict(ModelUse(2, 1, 100, 7))

    play(scene)
