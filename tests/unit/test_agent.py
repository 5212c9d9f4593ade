"""The loop between a model and its tools."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from engine.agent.agent import AgentLimits, ToolAgent
from engine.agent.playbook import Playbook, load_playbook
from engine.agent.ports import (
    AgentOutput,
    ChatDone,
    Hangup,
    Message,
    Remember,
    Say,
    TokensTold,
    ToolFinished,
    ToolStarted,
    Transfer,
)
from engine.agent.tokens import ModelTally, ModelUse
from engine.agent.tools import Tool, ToolBox
from engine.clock import LoopClock
from engine.errors import ModelError, ModelRefused
from tests.unit.agent_stage import FACTS, Counter, ReplayModel, at_once, broken, call, kinds, on_virtual_time, said


@pytest.fixture(scope="module")
def playbook() -> Playbook:
    return load_playbook("tyre_shop")


def agent_of(model: ReplayModel, counter: Counter, playbook: Playbook, **limits: float) -> ToolAgent:
    return ToolAgent(
        model=model,
        playbook=playbook,
        tools=counter.box(),
        facts=FACTS,
        limits=AgentLimits(**limits),  # type: ignore[arg-type]  # whole numbers and seconds alike
    )


async def answer(agent: ToolAgent, *texts: str) -> list[AgentOutput]:
    return [output async for output in agent.respond(said(*texts), at_once)]


def spoken(outputs: list[AgentOutput]) -> str:
    return "".join(output.text for output in outputs if isinstance(output, Say))


@on_virtual_time
async def test_text_streams_through(playbook: Playbook) -> None:
    model = ReplayModel(["Hello, ", "how can I help?"])
    outputs = await answer(agent_of(model, Counter(), playbook), "hi")
    assert outputs == [Say("Hello, "), Say("how can I help?")]
    request = model.requests[0]
    system = request.messages[0]
    assert system.role == "system"
    before, _, after = playbook.prompt.partition("{today}")
    assert system.content.startswith(before)
    assert system.content.endswith(after)
    assert re.search(r"Today is [A-Z][a-z]+day, \d{4}-\d\d-\d\d\.", system.content)
    assert (request.call_id, request.playbook, request.language) == ("call-1", "tyre_shop", "en")


@on_virtual_time
async def test_a_reading_tool_and_its_answer(playbook: Playbook) -> None:
    model = ReplayModel([call("look", number="4271")], ["It is red."])
    counter = Counter(seconds=0.25)
    outputs = await answer(agent_of(model, counter, playbook), "look at 4271")
    assert kinds(outputs) == ["ToolStarted", "ToolFinished", "Remember", "Say"]
    assert outputs[0] == ToolStarted("look", "One moment.")
    finished = outputs[1]
    assert isinstance(finished, ToolFinished)
    assert (finished.ok, finished.arguments) == (True, {"number": "4271"})
    assert finished.seconds == pytest.approx(0.25)
    remembered = outputs[2]
    assert isinstance(remembered, Remember)
    assert [message.role for message in remembered.messages] == ["assistant", "tool"]
    assert model.requests[1].messages[-2:] == remembered.messages
    assert json.loads(remembered.messages[1].content) == {"ok": True, "did": "look"}


@on_virtual_time
async def test_a_refused_call_is_told_to_the_model(playbook: Playbook) -> None:
    model = ReplayModel([call("look", number="9999")], ["Which number?"])
    counter = Counter()
    outputs = await answer(agent_of(model, counter, playbook), "look at it")
    assert kinds(outputs) == ["ToolFinished", "Remember", "Say"]
    assert counter.begun == []
    told = json.loads(model.requests[1].messages[-1].content)
    assert told["error"]["code"] == "not_said"
    assert told["error"]["argument"] == "number"


@on_virtual_time
async def test_one_retry_before_the_first_output(playbook: Playbook) -> None:
    model = ReplayModel([broken()], ["Hello."])
    assert spoken(await answer(agent_of(model, Counter(), playbook), "hi")) == "Hello."
    with pytest.raises(ModelError):
        await answer(agent_of(ReplayModel([broken()], [broken()]), Counter(), playbook), "hi")


@on_virtual_time
async def test_no_retry_after_the_first_output(playbook: Playbook) -> None:
    model = ReplayModel(["Hel", broken()], ["never"])
    with pytest.raises(ModelError):
        await answer(agent_of(model, Counter(), playbook), "hi")
    assert len(model.requests) == 1


@on_virtual_time
async def test_a_silent_model_is_tried_once_more(playbook: Playbook) -> None:
    model = ReplayModel([60.0, "late"], ["Hello."])
    assert spoken(await answer(agent_of(model, Counter(), playbook), "hi")) == "Hello."
    assert model.closed_early == 1


@on_virtual_time
async def test_a_model_that_stops_half_way(playbook: Playbook) -> None:
    with pytest.raises(ModelError):
        await answer(agent_of(ReplayModel(["Hel", 60.0, "lo"]), Counter(), playbook), "hi")


@on_virtual_time
async def test_rounds_end(playbook: Playbook) -> None:
    looks = [[call("look", f"c{index}", number="4271")] for index in range(3)]
    model = ReplayModel(*looks)
    outputs = await answer(agent_of(model, Counter(), playbook, rounds=3), "look at 4271")
    assert len(model.requests) == 3
    assert model.requests[-1].tools == ()
    assert sum(isinstance(output, ToolFinished) for output in outputs) == 2


@on_virtual_time
async def test_reading_does_not_wait_for_the_end_of_the_turn_but_changing_does(playbook: Playbook) -> None:
    over = asyncio.Event()

    async def committed() -> None:
        await over.wait()

    counter = Counter()
    model = ReplayModel([call("look", "a", number="4271"), call("change", "b", count=4)], ["Done."])
    agent = agent_of(model, counter, playbook)
    outputs: list[AgentOutput] = []

    async def talk() -> None:
        outputs.extend([each async for each in agent.respond(said("four of 4271, I need four tyres"), committed)])

    task = asyncio.create_task(talk())
    await asyncio.sleep(1)
    assert counter.ended == ["look"]
    over.set()
    await task
    assert counter.ended == ["look", "change"]
    assert spoken(outputs) == "Done."


@pytest.mark.parametrize(
    ("tool", "ending", "words"),
    [("leave", Transfer("operator", "caller_request"), "One moment."), ("hang_up", Hangup(), "Goodbye.")],
)
@on_virtual_time
async def test_endings(playbook: Playbook, tool: str, ending: AgentOutput, words: str) -> None:
    model = ReplayModel([call(tool, "a"), call("look", "b", number="4271")])
    counter = Counter()
    outputs = await answer(agent_of(model, counter, playbook), "4271, bye")
    assert outputs[-2:] == [Say(words), ending]
    assert counter.ended == [tool]
    assert len(model.requests) == 1


@on_virtual_time
async def test_an_ending_with_words_of_the_model(playbook: Playbook) -> None:
    outputs = await answer(agent_of(ReplayModel(["Bye!", call("hang_up")]), Counter(), playbook), "bye")
    assert spoken(outputs) == "Bye!"
    assert outputs[-1] == Hangup()


@on_virtual_time
async def test_closing_cancels_the_model(playbook: Playbook) -> None:
    model = ReplayModel(["Hello, ", 5.0, "there"])
    stream = agent_of(model, Counter(), playbook).respond(said("hi"), at_once)
    assert await anext(stream) == Say("Hello, ")
    await stream.aclose()
    assert model.closed_early == 1


async def _interrupted(agent: ToolAgent, words: str) -> None:
    """Drops an answer one second after it began."""

    async def talk() -> None:
        async for _ in agent.respond(said(words), at_once):
            pass

    task = asyncio.create_task(talk())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@on_virtual_time
async def test_a_reading_tool_is_cancelled(playbook: Playbook) -> None:
    counter = Counter(seconds=5)
    await _interrupted(agent_of(ReplayModel([call("look", number="4271")]), counter, playbook), "4271")
    await asyncio.sleep(10)
    assert (len(counter.begun), counter.ended) == (1, [])


@on_virtual_time
async def test_a_change_goes_on_and_is_remembered_with_the_next_answer(playbook: Playbook) -> None:
    counter = Counter(seconds=5)
    model = ReplayModel([call("change", "c7", count=4)], ["It is done."])
    agent = agent_of(model, counter, playbook)
    await _interrupted(agent, "I need four tyres")
    outputs = await answer(agent, "I need four tyres", "", "is it done?")
    assert counter.ended == ["change"]
    remembered = outputs[0]
    assert isinstance(remembered, Remember)
    assert [message.role for message in remembered.messages] == ["assistant", "tool"]
    assert remembered.messages[1].tool_call_id == "c7"
    asked = model.requests[-1].messages
    assert asked[-1] == Message("user", "is it done?")
    assert asked[-3:-1] == remembered.messages
    assert kinds(await answer(agent_of(ReplayModel(["ok"]), counter, playbook), "hi")) == ["Say"]


@on_virtual_time
async def test_closing_the_agent_waits_for_a_change(playbook: Playbook) -> None:
    counter = Counter(seconds=5)
    agent = agent_of(ReplayModel([call("change", count=4)]), counter, playbook)
    await _interrupted(agent, "I need four tyres")
    await agent.close()
    await agent.close()
    assert counter.ended == ["change"]


@on_virtual_time
async def test_closing_the_agent_does_not_wait_for_ever(playbook: Playbook) -> None:
    counter = Counter(seconds=7)
    agent = agent_of(ReplayModel([call("change", count=4)]), counter, playbook, change=2.0)
    await _interrupted(agent, "I need four tyres")
    await agent.close()
    assert counter.ended == []


@on_virtual_time
async def test_tools_get_the_callers_number_from_the_network(playbook: Playbook) -> None:
    counter = Counter()
    await answer(
        agent_of(ReplayModel([call("look", number="4271")], ["ok"]), counter, playbook),
        "my phone is 555123 and it is 4271",
    )
    assert counter.contexts[0].facts is FACTS


@on_virtual_time
async def test_a_model_that_will_not_answer_is_not_asked_again(playbook: Playbook) -> None:
    model = ReplayModel([ModelRefused("against the rules")])
    with pytest.raises(ModelRefused):
        await answer(agent_of(model, Counter(), playbook), "hello")
    assert len(model.requests) == 1


@on_virtual_time
async def test_reading_tools_run_side_by_side_and_answer_in_order(playbook: Playbook) -> None:
    counter = Counter(seconds=2)
    looks = [call("look", f"c{digit}", number=digit * 4) for digit in "123"]
    model = ReplayModel([looks[0], call("look", "bad", number="9999"), *looks[1:]], ["Done."])
    begun = asyncio.get_running_loop().time()
    outputs = await answer(agent_of(model, counter, playbook), "look at 1111, then at 2222, then at 3333")
    assert asyncio.get_running_loop().time() - begun == pytest.approx(2)
    assert len(counter.ended) == 3
    told = [message.tool_call_id for message in model.requests[1].messages if message.role == "tool"]
    assert told == ["c1", "bad", "c2", "c3"]
    finished = [output for output in outputs if isinstance(output, ToolFinished)]
    assert [(each.ok, each.arguments.get("number")) for each in finished] == [
        (True, "1111"),
        (False, None),
        (True, "2222"),
        (True, "3333"),
    ]
    assert [each.seconds for each in finished] == pytest.approx([2, 0, 2, 2])


@on_virtual_time
async def test_a_change_waits_for_what_stands_before_it(playbook: Playbook) -> None:
    counter = Counter(seconds=2)
    calls = [
        call("look", "a", number="4271"),
        call("change", "b", count=4),
        call("change", "c", count=2),
        call("look", "d", number="4271"),
    ]
    begun = asyncio.get_running_loop().time()
    outputs = await answer(
        agent_of(ReplayModel(calls, ["Done."]), counter, playbook), "4271, I need four tyres, and two tyres"
    )
    assert asyncio.get_running_loop().time() - begun == pytest.approx(8)
    assert [name for name, _ in counter.begun] == ["look", "change", "change", "look"]
    assert counter.ended == ["look", "change", "change", "look"]
    assert sum(isinstance(output, ToolFinished) for output in outputs) == 4


@on_virtual_time
async def test_tools_side_by_side_are_cancelled_together(playbook: Playbook) -> None:
    counter = Counter(seconds=5)
    looks = [call("look", f"c{digit}", number=digit * 4) for digit in "12"]
    await _interrupted(agent_of(ReplayModel(looks), counter, playbook), "look at 1111, then at 2222")
    await asyncio.sleep(10)
    assert (len(counter.begun), counter.ended) == (2, [])


@on_virtual_time
async def test_a_fault_in_a_tool_ends_no_call(playbook: Playbook, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(*_: object) -> None:
        raise KeyError("+380501112233")

    box = ToolBox((Tool("look", "Looks.", fail),))  # type: ignore[arg-type]  # only the raising matters
    model = ReplayModel([call("look")], ["I cannot look at the moment."])
    agent = ToolAgent(model=model, playbook=playbook, tools=box, facts=FACTS)
    assert spoken(await answer(agent, "look")) == "I cannot look at the moment."
    assert json.loads(model.requests[1].messages[-1].content)["error"]["code"] == "failed"
    assert "look failed: KeyError" in caplog.text
    assert "380501112233" not in caplog.text


@on_virtual_time
async def test_the_day_is_the_businesss(playbook: Playbook) -> None:
    class Midnight(LoopClock):
        def wall(self) -> float:
            return 1_795_559_400.0  # 2026-11-24 22:30 UTC, half past midnight of the next day in Kyiv

    model = ReplayModel(["Hello."])
    agent = ToolAgent(model=model, playbook=playbook, tools=Counter().box(), facts=FACTS, clock=Midnight())
    await answer(agent, "hi")
    assert "Today is Wednesday, 2026-11-25." in model.requests[0].messages[0].content


@on_virtual_time
async def test_tokens_of_every_request_are_counted(playbook: Playbook) -> None:
    tally = ModelTally()
    model = ReplayModel(
        [call("look", number="4271"), ChatDone("tool_calls", 100, 9)],
        [TokensTold(200), broken()],  # before its first output: tried once more
        ["It is red.", ChatDone("stop", 210, 5)],
        [TokensTold(300), "It", 5.0],  # dropped while it speaks
        ["It is blue."],  # by a provider that tells nothing
    )
    tools = Counter().box()
    agent = ToolAgent(model=model, playbook=playbook, tools=tools, facts=FACTS, tally=tally)
    await answer(agent, "4271")
    assert tally.take() == ModelUse(asked=3, unknown=1, input_tokens=510, output_tokens=14)
    await _interrupted(agent, "4271")
    assert tally.take() == ModelUse(asked=1, unknown=1, input_tokens=300, output_tokens=0)
    await answer(agent, "4271")
    assert tally.take() == ModelUse(asked=1, unknown=1)
    assert not tally.take()
