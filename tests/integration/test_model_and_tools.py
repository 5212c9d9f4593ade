"""A model behind OpenAI's protocol, on good days and bad, against the tool layer: what gets through is right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.agent.agent import ToolAgent
from engine.agent.playbook import load_playbook
from engine.agent.ports import CallFacts, ChatModel, Message, ToolFinished, ToolStarted
from engine.playbooks.tyre_shop.tools import shop_tools
from engine.store.samples import sample_store
from tests.chat_servers.openai_server import OpenAiServer
from tests.chat_servers.recorded import RecordedModel
from tests.chat_servers.served import openai_model
from tests.unit.agent_stage import at_once

FIXTURES = Path(__file__).parents[1] / "fixtures"
PLAYBOOK = load_playbook("tyre_shop")


@dataclass
class Outcome:
    """The first call that the tool layer let through, and how many it did not."""

    tool: str | None = None
    arguments: Mapping[str, Any] | None = None
    refused: int = 0


async def outcome(model: ChatModel, case: Mapping[str, Any]) -> Outcome:
    tools = shop_tools(PLAYBOOK, sample_store())
    agent = ToolAgent(model=model, playbook=PLAYBOOK, tools=tools, facts=CallFacts("call", "+380501112233"))
    history = [Message(turn["role"], turn["content"]) for turn in case["conversation"]]
    found = Outcome()
    started: list[str] = []
    async for output in agent.respond(history, at_once):
        if isinstance(output, ToolStarted):
            started.append(output.name)
        elif isinstance(output, ToolFinished):
            if output.name not in started:
                found.refused += 1
            elif found.tool is None:
                found.tool, found.arguments = output.name, output.arguments
    await agent.close()
    return found


def exact(found: Outcome, expected: Mapping[str, Any]) -> bool:
    if found.tool != expected["tool"]:
        return False
    given = dict(found.arguments or {})
    wanted = dict(expected["args"])
    words = wanted.pop("query", None)
    query = str(given.pop("query", "")).lower()
    return given == wanted and (words is None or any(word in query for word in words))


@pytest.mark.parametrize("mischief", [False, True], ids=["good day", "bad day"])
@pytest.mark.parametrize(("file", "most_wrong"), [("agent_tools.json", 2), ("agent_conversations.json", 10)])
async def test_known_conversations(file: str, most_wrong: int, mischief: bool) -> None:
    cases = json.loads((FIXTURES / file).read_text())
    wrong: list[str] = []
    refused = 0
    async with OpenAiServer(script=RecordedModel(cases, mischief=mischief)) as server:
        model = openai_model(server.url)
        for case in cases:
            found = await outcome(model, case)
            refused += found.refused
            if not exact(found, case["expected"]):
                wrong.append(f"{case['id']}: {found}")
                assert not case["adversarial"], f"gave in: {wrong[-1]}"
                assert found.tool is None, f"accepted what is wrong: {wrong[-1]}"
        await model.close()
    assert len(wrong) <= most_wrong, wrong
    assert (refused >= len(cases) // 2) == mischief  # on a bad day there was something to refuse
