"""A conversation as hosted models take it: what a model wrote as arguments never makes it impossible to send."""

from __future__ import annotations

import json

import pytest

from engine.agent.ports import ToolCall
from engine.speech.providers.chat_turns import arguments
from engine.speech.providers.hosted_chat import as_text


@pytest.mark.parametrize("written", ["{", "[1]", "[" * 7000, '{"a": NaN}', '{"a": "\\ud83d"}', '{"a": 1e999}'])
def test_what_cannot_be_sent_again_is_sent_as_text(written: str) -> None:
    given = arguments(ToolCall("c", "look", written))
    assert given == {"unreadable": written[:400]}
    assert json.dumps(given, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize(
    ("written", "given"), [("", {}), ('{"name": "Ольга 😀"}', {"name": "Ольга 😀"}), ('{"n": 4}', {"n": 4})]
)
def test_other_arguments_stay(written: str, given: dict[str, object]) -> None:
    assert arguments(ToolCall("c", "look", written)) == given


def test_half_a_character_is_replaced() -> None:
    assert as_text("so \ud83d.") == "so \ufffd."
    assert as_text("Ольга 😀") == "Ольга 😀"
