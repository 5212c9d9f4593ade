"""How long whoever asks will wait."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Any

import pytest

from engine.agent.ports import CallFacts, ToolCall
from engine.agent.said import Said
from engine.agent.tools import Tool, ToolBox, ToolContext, ToolOutcome
from engine.http.patience import patience, patience_left
from tests.unit.agent_stage import on_virtual_time


@on_virtual_time
async def test_the_shorter_of_two_patiences_counts() -> None:
    assert patience_left() == math.inf
    with patience(3):
        with patience(5):
            assert patience_left() == 3
        with patience(2):
            await asyncio.sleep(1.5)
            assert patience_left() == 0.5
        await asyncio.sleep(4)
        assert patience_left() == 0
    assert patience_left() == math.inf


@on_virtual_time
async def test_the_requests_of_a_tool_end_a_little_before_it_does() -> None:
    left: list[float] = []

    async def run(_context: ToolContext, _arguments: Mapping[str, Any]) -> ToolOutcome:
        left.append(patience_left())
        await asyncio.sleep(3)
        left.append(patience_left())
        return ToolOutcome({})

    box, said = ToolBox([Tool("look", "Looks.", run)]), Said.of(())
    assert (await box.run(box.check(ToolCall("c1", "look", "{}"), said), CallFacts("call-1", ""), said)).ok
    assert left == [pytest.approx(7.6), pytest.approx(4.6)]
    assert patience_left() == math.inf
