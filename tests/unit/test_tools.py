"""What a tool call must fulfil before it runs."""

from __future__ import annotations

import json

import pytest

from engine.agent.grounding import Evidence, Said, grounded, is_assent, is_dissent
from engine.agent.ports import Message, ToolCall
from engine.agent.tools import NOT_SAID, RefusedCallError, Tool, ToolBox, idempotency_key
from engine.errors import ConfigurationError, StoreRefused, StoreUnavailable, ToolError
from tests.unit.agent_stage import FACTS, Counter, call, said


def heard(*texts: str) -> Said:
    return Said.of(said(*texts), product_prefix="T")


def test_a_value_that_was_said_passes() -> None:
    checked = Counter().box().check(call("look", number="4271", colour="red"), heard("number four two seven one, red"))
    assert checked.arguments == {"number": "4271", "colour": "red"}


@pytest.mark.parametrize("empty", [NOT_SAID, "", None, "null"])
def test_an_optional_value_may_be_missing(empty: str | None) -> None:
    checked = Counter().box().check(call("look", number="4271", colour=empty), heard("4271"))
    assert checked.arguments == {"number": "4271"}


def test_an_optional_value_that_nobody_said_is_dropped() -> None:
    checked = Counter().box().check(call("look", number="4271", colour="blue"), heard("4271"))
    assert checked.arguments == {"number": "4271"}


@pytest.mark.parametrize(
    ("bad", "code", "words"),
    [
        (call("look", number="4272"), "not_said", "4271"),
        (call("look"), "missing", "4271"),
        (call("look", number=NOT_SAID), "missing", "4271"),
        (call("look", number="1 OR 1=1"), "not_said", "1 OR 1=1"),
        (call("look", number="4271", colour="green"), "bad_arguments", "4271 green"),
        (call("look", number="4271", extra=1), "bad_arguments", "4271"),
        (call("change", count=500), "out_of_range", "500 tyres"),
        (call("change", count=5), "not_said", "500 tyres"),
        (call("change", count=0), "out_of_range", "zero tyres"),
        (call("change", count=True), "bad_arguments", "one tyre"),
        (call("change", count="many"), "bad_arguments", "many"),
        (call("delete_all"), "unknown_tool", "delete all"),
        (ToolCall("c", "look", "{"), "bad_arguments", "4271"),
        (ToolCall("c", "look", "[1]"), "bad_arguments", "4271"),
        (call("erase", number="4271"), "not_confirmed", "4271"),
    ],
)
def test_what_is_refused(bad: ToolCall, code: str, words: str) -> None:
    with pytest.raises(RefusedCallError) as refused:
        Counter().box().check(bad, heard(words))
    assert refused.value.code == code


def test_what_cannot_be_undone_needs_a_yes_to_a_question() -> None:
    box = Counter().box()
    asked = "I will erase number 4271. Is that right?"
    assert box.check(call("erase", number="4271"), heard("erase 4271", asked, "Yes, please.")).tool.confirm
    for answer in ("No.", "Yes, but wait", "What?", "4271"):
        with pytest.raises(RefusedCallError, match="confirm"):
            box.check(call("erase", number="4271"), heard("erase 4271", asked, answer))
    with pytest.raises(RefusedCallError, match="confirm"):
        box.check(call("erase", number="4271"), heard("erase 4271", "I will look.", "Yes."))


def test_two_tools_of_one_name() -> None:
    counter = Counter()
    with pytest.raises(ConfigurationError, match="look"):
        ToolBox((Tool("look", "", counter.tool("look")), Tool("look", "", counter.tool("look"))))


def test_schemas_are_loose_and_ask_for_every_argument() -> None:
    spec = next(spec for spec in Counter().box().specs if spec.name == "look")
    schema = json.loads(spec.parameters)
    assert schema["required"] == ["number", "colour"]
    assert schema["properties"]["colour"]["enum"] == ["red", "blue", NOT_SAID]
    change = next(spec for spec in Counter().box().specs if spec.name == "change")
    assert "maximum" not in change.parameters


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StoreRefused("no such order", code="order_not_found", status=404), "order_not_found"),
        (StoreUnavailable("gone"), "store_unavailable"),
        (TimeoutError(), "store_unavailable"),
        (ToolError("cannot"), "failed"),
        (RefusedCallError("no_price", "no price"), "no_price"),
    ],
)
async def test_failures_are_told_as_json(error: Exception, code: str) -> None:
    async def fail(*_: object) -> None:
        raise error

    box = ToolBox((Tool("t", "", fail),))  # type: ignore[arg-type]  # only the raising matters
    finished = await box.run(box.check(call("t"), heard("hello")), FACTS, heard("hello"))
    assert not finished.ok
    assert json.loads(finished.content)["error"]["code"] == code == finished.error


def test_the_same_change_has_the_same_key() -> None:
    box = Counter().box()
    one = box.check(call("change", "a", count=4), heard("four tyres"))
    again = box.check(call("change", "b", count=4), heard("four tyres"))
    other = box.check(call("change", "c", count=2), heard("two tyres"))
    assert idempotency_key("call", one) == idempotency_key("call", again)
    assert len({idempotency_key("call", one), idempotency_key("call", other), idempotency_key("other", one)}) == 3


@pytest.mark.parametrize(
    ("value", "evidence", "words", "supported"),
    [
        (205, Evidence.WIDTH, "two oh five fifty five sixteen", True),
        (55, Evidence.PROFILE, "two oh five fifty five sixteen", True),
        (17, Evidence.DIAMETER, "two oh five fifty five sixteen", False),
        (16, Evidence.DIAMETER, "sixteen", True),
        ("Michelin", Evidence.WORDS, "Mitchell in tyres", True),
        ("Pirelli", Evidence.WORDS, "Mitchell in tyres", False),
        ("winter", Evidence.SEASON, "for the snow", True),
        ("summer", Evidence.SEASON, "winter tyres", False),
        ("T-1042", Evidence.PRODUCT, "tee ten forty two", True),
        ("T-1042", Evidence.PRODUCT, "product ten forty two", True),
        ("T-1043", Evidence.PRODUCT, "tee ten forty two", False),
        (4, Evidence.QUANTITY, "a full set", True),
        (2, Evidence.QUANTITY, "a full set", False),
        ("5551234567", Evidence.DIGITS, "555 123 4567", True),
        ("+15551234567", Evidence.DIGITS, "555 123 4567", False),
        ("anything", Evidence.NONE, "", True),
    ],
)
def test_evidence(value: object, evidence: Evidence, words: str, supported: bool) -> None:
    assert grounded(value, evidence, heard(words)) is supported


def test_a_product_may_come_from_an_offer() -> None:
    assert grounded("T-2210", Evidence.PRODUCT, heard("hi", "The Hakka is product T-2210.", "that one"))
    history = (*said("hi"), Message("tool", '{"tires": [{"id": "T-77"}]}', tool_call_id="c"), *said("the first"))
    assert grounded("T-77", Evidence.PRODUCT, Said.of(history))


def test_a_phone_number_said_over_two_turns() -> None:
    words = heard("five five five nine", "Go on.", "eight seven six five four three")
    assert grounded("5559876543", Evidence.DIGITS, words)


@pytest.mark.parametrize(
    "text", ["Yes.", "yeah, go ahead", "Yes, that is correct.", "okay", "why not", "No problem, yes"]
)
def test_a_yes(text: str) -> None:
    assert is_assent(text)


@pytest.mark.parametrize("text", ["No.", "no thanks", "yes, no, wait", "that's not right", "hello", "never mind"])
def test_not_a_yes(text: str) -> None:
    assert not is_assent(text)


def test_a_no() -> None:
    assert is_dissent("No, not now.")
    assert not is_dissent("No problem.")
