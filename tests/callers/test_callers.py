"""Each conversation of ``conversations/``, and the table of them all."""

from __future__ import annotations

import asyncio
import os

import pytest

from engine.clock import VirtualTimeLoop
from tests.callers.conftest import DOCUMENT
from tests.callers.judging import Verdict, document, judge
from tests.callers.script import Conversation, conversations
from tests.callers.stage import play
from tests.callers.world import StageModel

ALL = tuple(conversations())


@pytest.mark.parametrize("conversation", ALL, ids=lambda each: f"{each.scenario}: {each.name}")
def test_conversation(conversation: Conversation, model: StageModel, verdicts: list[Verdict]) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        played = runner.run(play(conversation, model))
    verdict = judge(conversation, played)
    verdicts.append(verdict)
    heard = "\n".join(f"  {text}" for text in played.heard)
    if verdict.problems:
        pytest.fail("\n".join([*verdict.problems, "heard:", heard]), pytrace=False)


def test_the_table_in_the_documentation(verdicts: list[Verdict]) -> None:
    if len(verdicts) < len(ALL):
        pytest.skip("not all conversations were played")
    if os.environ.get("CALLERS_WRITE"):
        pytest.skip("it is being written")
    assert DOCUMENT.read_text(encoding="utf-8") == document(verdicts), "run `make callers`"
    assert sum(verdict.wrong_values for verdict in verdicts) == 0
