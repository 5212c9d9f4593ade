"""A chat model as the judge: what it is asked, and that only what was asked for is believed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agent.ports import ChatDelta, ChatDone, ChatRequest, TextDelta
from engine.errors import ModelError
from engine.quality.criteria import Criterion, Score
from engine.quality.model import CODES, LONGEST_TRANSCRIPT, AnswerRefused, ask, judgement_of, request_of, transcript_of
from engine.quality.rows import judged_call
from tests.records_rows import GREETING, CallRows, at, call

ANSWER = {
    "intent_understood": {"score": 1, "why": "understood"},
    "right_tool": {"score": 0.5, "why": "detour"},
    "accurate": {"score": 0, "why": "wrong_fact"},
    "satisfied": {"score": 0.7, "why": "content"},
}


def made() -> CallRows:
    return (
        call("one", at("2026-11-23T10:00:00"))
        .says("", GREETING)
        .uses("get_order_status", {"customer_name": "Zebulon Quux"})
        .says("My name is Zebulon Quux, my number is 044 123 45 67.", "Your order 12345 comes tomorrow, Mr Quux.")
    )


def judged(rows: CallRows) -> Any:
    return judged_call(rows.call, rows.turns, rows.tools)


class Model:
    """Answers with a text, in pieces."""

    def __init__(self, text: str, *, pause: float = 0.0, fault: Exception | None = None) -> None:
        self.text, self.pause, self.fault = text, pause, fault
        self.requests: list[ChatRequest] = []
        self.closed = 0

    async def chat(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        self.requests.append(request)
        try:
            await asyncio.sleep(self.pause)
            if self.fault is not None:
                raise self.fault
            for index in range(0, len(self.text), 40):
                yield TextDelta(self.text[index : index + 40])
            yield ChatDone("stop", 900, 80)
        finally:
            self.closed += 1

    async def start(self) -> None: ...
    async def check_health(self) -> None: ...
    async def close(self) -> None: ...


async def test_its_scores_are_taken_over() -> None:
    model = Model("Here you are:\n```json\n" + json.dumps(ANSWER) + "\n```")
    judgement = await ask(model, judged(made()))
    assert judgement.scores == {
        Criterion.INTENT_UNDERSTOOD: Score(1.0, "understood", "model"),
        Criterion.RIGHT_TOOL: Score(0.5, "detour", "model"),
        Criterion.ACCURATE: Score(0.0, "wrong_fact", "model"),
        Criterion.SATISFIED: Score(0.7, "content", "model"),
    }
    assert (judgement.input_tokens, judgement.output_tokens, model.closed) == (900, 80, 1)


def test_it_is_sent_the_masked_conversation_and_no_call_id() -> None:
    request = request_of(judged(made()))
    text = " ".join(message.content for message in request.messages)
    for personal in ("Zebulon", "Quux", "044", "4567", "45 67"):
        assert personal not in text
    assert "[name]" in text
    assert "12345" in text
    assert '"tool": "get_order_status", "worked": true' in text
    assert not request.call_id
    assert not request.tools


def test_a_name_that_is_given_late_is_masked_before() -> None:
    rows = (
        call("two", at("2026-11-23T10:00:00")).says("", "Good morning, Quux family?").says("My name is Quux.", "Yes.")
    )
    assert "Quux" not in transcript_of(judged(rows))


def test_of_a_long_call_beginning_and_end_are_sent() -> None:
    rows = call("long", at("2026-11-23T10:00:00")).says("", GREETING)
    for index in range(200):
        rows.says(f"Question {index} about winter tyres and all that belongs to them.", f"Answer {index}, in short.")
    text = transcript_of(judged(rows))
    assert len(text) < LONGEST_TRANSCRIPT * 1.1
    told = json.loads(text)["call"]
    assert GREETING in str(told[0])
    assert told[-1]["agent"].startswith("Answer 199")
    left_out = [line["left_out"] for line in told if "left_out" in line]
    assert left_out == [401 - len(told) + 1]


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "All good, ten out of ten.",
        "[]",
        json.dumps({**ANSWER, "greeted": {"score": 1, "why": "greeted"}}),
        json.dumps({name: value for name, value in ANSWER.items() if name != "satisfied"}),
        json.dumps({**ANSWER, "satisfied": 1}),
        json.dumps({**ANSWER, "satisfied": {"score": 1.01, "why": "content"}}),
        json.dumps({**ANSWER, "satisfied": {"score": -0.1, "why": "content"}}),
        json.dumps({**ANSWER, "satisfied": {"score": True, "why": "content"}}),
        json.dumps({**ANSWER, "satisfied": {"score": "1", "why": "content"}}),
        json.dumps({**ANSWER, "satisfied": {"score": float("nan"), "why": "content"}}),
        json.dumps({**ANSWER, "satisfied": {"score": 1, "why": "Zebulon Quux was pleased"}}),
        json.dumps({**ANSWER, "satisfied": {"score": 1, "why": ["content"]}}),
        "{" * 5000,
    ],
)
async def test_whatever_else_it_says_is_refused(answer: str) -> None:
    with pytest.raises(AnswerRefused) as refused:
        await ask(Model(answer), judged(made()))
    assert "Quux" not in str(refused.value)


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.dictionaries(st.text(), inner))
)
def test_no_answer_can_do_more_than_be_refused(value: Any) -> None:
    for text in (json.dumps(value), json.dumps({**ANSWER, "satisfied": value})):
        try:
            scores = judgement_of(text)
        except AnswerRefused:
            continue
        assert all(score.why in CODES[criterion] for criterion, score in scores.items())


async def test_one_that_does_not_stop_talking_is_stopped() -> None:
    model = Model("x" * 1_000_000)
    with pytest.raises(AnswerRefused, match="too long"):
        await ask(model, judged(made()))
    assert model.closed == 1


async def test_one_that_is_slow_is_left() -> None:
    model = Model("{}", pause=30)
    with pytest.raises(ModelError):
        await ask(model, judged(made()), timeout=0.01)
    assert model.closed == 1


def test_what_does_not_apply_has_no_score() -> None:
    answer = {**ANSWER, "right_tool": {"score": 1, "why": "no_tool_needed"}}
    assert judgement_of(json.dumps(answer))[Criterion.RIGHT_TOOL] == Score(None, "no_tool_needed", "model")
