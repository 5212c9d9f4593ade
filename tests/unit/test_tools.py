"""What a tool call must fulfil before it runs."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import date

import pytest

from engine.agent.grounding import Evidence, Said, grounded, is_assent, is_dissent
from engine.agent.ports import Message, ToolCall
from engine.agent.said import Offered
from engine.agent.tools import NOT_SAID, Argument, RefusedCallError, Tool, ToolBox, idempotency_key
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
        (ToolCall("c", "look", "[" * 7000), "bad_arguments", "4271"),
        (ToolCall("c", "look", '{"\\ud800": 1}'), "bad_arguments", "4271"),
        (ToolCall("c", "look", '{"number": NaN}'), "bad_arguments", "4271"),
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
        ("Michelin", Evidence.WORDS, "Mitchell in tyres", True),
        ("Pirelli", Evidence.WORDS, "Mitchell in tyres", False),
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


@pytest.mark.parametrize(
    ("value", "turns", "supported"),
    [
        ("4272", ("order 4271", "no, 4272"), True),
        ("4271", ("order 4271", "no, 4272"), False),
        ("5551234567", ("my number is 5551239567", "no, four not nine"), True),
        ("5551239567", ("my number is 5551239567", "no, four not nine"), False),
        ("4271", ("order 4271", "no, 4272", "sorry, 4271 was right"), True),
        ("5551234567", ("order 4271, phone 5551234567", "no, I want two of them"), True),
    ],
)
def test_a_number_that_was_corrected_in_a_later_turn(value: str, turns: tuple[str, ...], supported: bool) -> None:
    assert grounded(value, Evidence.DIGITS, Said(turns)) is supported


@pytest.mark.parametrize(
    ("value", "evidence", "words", "supported"),
    [
        ("2026-11-28", Evidence.DATE, "this Saturday", True),
        ("2026-11-28", Evidence.DATE, "on the twenty-eighth", True),
        ("2026-11-28", Evidence.DATE, "not Saturday, Friday", False),
        ("2026-11-29", Evidence.DATE, "this Saturday", False),
        ("2026-11-23", Evidence.DATE, "as soon as possible", False),
        ("2026-11-23", Evidence.DATE_FROM, "as soon as possible", True),
        ("2026-11-27", Evidence.DATE_FROM, "as soon as possible", False),
        ("never", Evidence.DATE, "this Saturday", False),
        ("14:30", Evidence.TIME, "half past two", True),
        ("14:30", Evidence.TIME, "two thirty", True),
        ("10:00", Evidence.TIME, "two thirty", False),
        ("never", Evidence.TIME, "two thirty", False),
        ("Kyiv", Evidence.NAME, "I am in Kiev", True),
        ("Lviv", Evidence.NAME, "I am in Kiev", False),
        ("John Smith", Evidence.NAME, "my name is Jon Smith", True),
        ("John Smith", Evidence.NAME, "S M I T H, John", True),
        ("John Smith", Evidence.NAME, "my name is John", False),
        ("John Smith", Evidence.NAME, "my name is Jane Smith", False),
        ("X5", Evidence.NAME, "a BMW X five", True),
        ("X5", Evidence.NAME, "a BMW X three", False),
        ("12 Harbour Street", Evidence.PLACE, "to twelve harbour street please", True),
        ("14 Harbour Street", Evidence.PLACE, "to twelve harbour street please", False),
        ("", Evidence.PLACE, "to twelve harbour street please", False),
        (120, Evidence.NUMBER, "up to a hundred and twenty euros", True),
        (12, Evidence.NUMBER, "up to a hundred and twenty euros", False),
        ("S-1", Evidence.OFFERED, "S-1", False),
    ],
)
def test_evidence_of_days_times_and_names(value: object, evidence: Evidence, words: str, supported: bool) -> None:
    said_on_monday = Said.of(said(words), today=date(2026, 11, 23))
    assert grounded(value, evidence, said_on_monday) is supported


def test_a_name_over_two_turns() -> None:
    assert grounded("John Smith", Evidence.NAME, heard("John", "And your family name?", "Smith"))


def _offering(content: str, tool: str = "list_rooms") -> Said:
    asked = Message("assistant", "", tool_calls=(ToolCall("t1", tool, "{}"),))
    return Said.of((*said("hi"), asked, Message("tool", content, tool_call_id="t1"), *said("the first")))


ROOM = Argument("room", "string", "a room", Evidence.OFFERED, offered=(Offered("list_rooms", "room_id"),))


@pytest.mark.parametrize(
    ("words", "supported"),
    [
        (_offering('{"ok": true, "rooms": [{"room_id": "R1", "name": "Blue"}]}'), True),
        (_offering('{"ok": true, "rooms": [{"room_id": 1, "other": "R1"}]}'), False),
        (_offering('{"ok": false, "rooms": [{"room_id": "R1"}]}'), False),
        (_offering('{"ok": true, "rooms": [{"room_id": "R1"}]}', tool="another_tool"), False),
        (_offering("R1"), False),
        (heard("R1"), False),
    ],
)
def test_an_id_comes_from_the_tool_that_offers_it_alone(words: Said, supported: bool) -> None:
    assert ROOM.supported("R1", words) is supported


def test_an_optional_value_may_be_too_weighty_to_be_left_out() -> None:
    for strict, outcome in ((False, None), (True, "not_said")):
        optional = replace(ROOM, required=False, strict=strict)
        if outcome is None:
            assert optional.checked("R9", heard("hi")) is None
        else:
            with pytest.raises(RefusedCallError) as refused:
                optional.checked("R9", heard("hi"))
            assert refused.value.code == outcome


def _booking() -> ToolBox:
    return ToolBox(
        (
            Tool(
                "book",
                "Books.",
                Counter().tool("book"),
                (
                    replace(ROOM, read_back=True, spoken_as=(("name",), ("floor", "door"))),
                    Argument("day", "date", "a day", Evidence.DATE, read_back=True),
                ),
                mutates=True,
                confirm=True,
                agreed=r"\bbook it\b",
            ),
        )
    )


@pytest.mark.parametrize(
    ("question", "answer", "passes"),
    [
        ("The Blue room on Saturday. Right?", "Yes.", True),
        ("The Blue room on Saturday. Right?", "book it", True),
        ("The Blue room on Saturday. Right?", "Yes, book it please.", True),
        ("The Blue room on the 28th. Right?", "Yes, on Saturday.", True),
        ("Third floor, door 12, on Saturday. Right?", "Yes.", True),
        ("Third floor, on Saturday. Right?", "Yes.", False),
        ("Room R1 on Saturday. Right?", "Yes.", False),
        ("The Red room on Saturday. Right?", "Yes.", False),
        ("The Blue room on Sunday. Right?", "Yes.", False),
        ("The Blue room. Right?", "Yes.", False),
        ("The Blue room on Saturday.", "Yes.", False),
        ("The Blue room on Saturday. Right?", "Yes, on Sunday.", False),
        ("The Blue room on Saturday. Right?", "Don't book it.", False),
        ("The Blue room on Saturday. Right?", "Book it, but on Sunday.", False),
        ("The Blue room on Saturday. Right?", "I'm not sure, book it?", False),
        ("The Blue room on Saturday. Right?", "", False),
    ],
)
def test_what_is_read_back_is_what_is_confirmed(question: str, answer: str, passes: bool) -> None:
    content = '{"ok": true, "rooms": [{"room_id": "R1", "name": "Blue", "floor": "third", "door": "12"}]}'
    history = (
        *said("a room this Saturday"),
        Message("assistant", "", tool_calls=(ToolCall("t1", "list_rooms", "{}"),)),
        Message("tool", content, tool_call_id="t1"),
        Message("assistant", question),
        Message("user", answer),
    )
    words = Said.of(history, today=date(2026, 11, 23))
    wanted = call("book", room="R1", day="2026-11-28")
    if passes:
        assert _booking().check(wanted, words).arguments == {"room": "R1", "day": "2026-11-28"}
    else:
        with pytest.raises(RefusedCallError) as refused:
            _booking().check(wanted, words)
        assert refused.value.code == "not_confirmed"


def test_what_the_caller_spoke_over_was_not_read_back() -> None:
    content = '{"ok": true, "rooms": [{"room_id": "R1", "name": "Blue"}]}'
    history = (
        *said("a room this Saturday"),
        Message("assistant", "", tool_calls=(ToolCall("t1", "list_rooms", "{}"),)),
        Message("tool", content, tool_call_id="t1"),
        Message("assistant", "The Blue", interrupted=True),
        Message("user", "Yes."),
    )
    with pytest.raises(RefusedCallError, match="day"):
        _booking().check(call("book", room="R1", day="2026-11-28"), Said.of(history, today=date(2026, 11, 23)))


@pytest.mark.parametrize(
    ("language", "words", "question", "answer", "passes"),
    [
        ("ru", "номер 4271", "Удалить номер 4271?", "Да, пожалуйста.", True),
        ("ru", "номер 4271", "Удалить номер 4271?", "Нет.", False),
        ("ru", "номер 4271", "Удалить номер 4271?", "Да, но только завтра.", False),
        ("uk", "номер 4271", "Видалити номер 4271?", "Так, будь ласка.", True),
        ("uk", "номер 4271", "Видалити номер 4271?", "Ні.", False),
        ("uk", "номер 4271", "Видалити номер 4271?", "Так, але краще завтра.", False),
    ],
)
def test_a_yes_in_other_languages(language: str, words: str, question: str, answer: str, passes: bool) -> None:
    spoken = Said.of(said(words, question, answer), language)
    if passes:
        assert Counter().box().check(call("erase", number="4271"), spoken).tool.confirm
    else:
        with pytest.raises(RefusedCallError, match="confirm"):
            Counter().box().check(call("erase", number="4271"), spoken)


def test_a_change_made_again_after_another_is_a_new_one() -> None:
    counter = Counter()
    switch = Tool(
        "switch",
        "Switches.",
        counter.tool("switch"),
        (Argument("to", "string", "colour", choices=("red", "blue")),),
        mutates=True,
        undone_by=("switch",),
    )
    box = ToolBox((switch,))
    history = list(said("red, no, blue, no, red"))
    keys = []
    for number, colour in enumerate(("red", "red", "blue", "blue", "red")):
        wanted = call("switch", f"c{number}", to=colour)
        words = Said.of(history)
        asyncio.run(_run(box, wanted, words))
        keys.append(counter.contexts[-1].idempotency_key)
        history += (
            Message("assistant", "", tool_calls=(wanted,)),
            Message("tool", '{"ok": true}', tool_call_id=wanted.id),
        )
    assert keys[0] == keys[1]
    assert keys[2] == keys[3]
    assert len({keys[0], keys[2], keys[4]}) == 3


async def _run(box: ToolBox, wanted: ToolCall, words: Said) -> None:
    await box.run(box.check(wanted, words), FACTS, words)
