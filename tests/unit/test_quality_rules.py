"""Each criterion with calls that must score high on it and calls that must score low."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from engine.agent.playbook import load_playbook
from engine.quality.business import business_of
from engine.quality.criteria import Business, Criterion, JudgedCall, Score, as_json, overall
from engine.quality.rows import judged_call
from engine.quality.rules import judge
from tests.records_rows import GREETING, CallRows, at, call

STARTED = at("2026-11-23T10:00:00")
SHOP = business_of(load_playbook("tyre_shop"))
READ_BACK = "Four Nokian tyres for 400 euros, shall I place the order?"


def scores(made: CallRows, business: Business = SHOP) -> Mapping[Criterion, Score]:
    return judge(judged(made), business)


def judged(made: CallRows) -> JudgedCall:
    return judged_call(made.call, made.turns, made.tools)


def made(**columns: Any) -> CallRows:
    return call("one", STARTED, **columns)


def greeted(**columns: Any) -> CallRows:
    return made(**columns).says("", GREETING)


GOOD_ORDER = (
    greeted(scenario="confirm_order")
    .uses("search_tires", {"season": "winter"})
    .says("Winter tyres, please.", READ_BACK)
    .uses("confirm_order", {"order": "1"})
    .says("Yes, please.", "It is placed.")
    .says("Thank you, goodbye.", "Goodbye.")
)


def test_a_good_call_is_good_on_all_that_applies() -> None:
    found = scores(GOOD_ORDER)
    assert {criterion: one.score for criterion, one in found.items() if one.score is not None} == {
        criterion: 1.0 for criterion in Criterion if criterion is not Criterion.ACCURATE
    }
    assert found[Criterion.ACCURATE].why == "results_not_kept"
    assert overall(found) == 1.0
    assert all(one.by == "rule" for one in found.values())


@pytest.mark.parametrize(
    ("name", "made", "score", "why"),
    [
        ("whole", greeted(), 1.0, "greeted"),
        (
            "cut after most of it",
            made().says("", "Hello, this is the tyre shop. How", interrupted=True),
            1.0,
            "greeting_cut",
        ),
        ("cut after a word", made().says("", "Hello, this", interrupted=True), 0.5, "greeting_cut"),
        ("another one", made().says("", "Good day to you all, speak."), 0.5, "another_greeting"),
        ("none", made().says("Hello?", "Yes."), 0.0, "no_greeting"),
        ("silence", made(), 0.0, "agent_silent"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_greeted(name: str, made: CallRows, score: float, why: str) -> None:
    assert scores(made)[Criterion.GREETED] == Score(score, why)


NOT_HEARD = load_playbook("tyre_shop").phrases.not_heard


@pytest.mark.parametrize(
    ("name", "made", "low", "high", "why"),
    [
        ("done", greeted().uses("search_tires").says("Tyres.", "Here."), 1.0, 1.0, "tool_did_it"),
        ("a person, at once", greeted(transfer_reason="keypad").says("Person.", "Yes."), 1.0, 1.0, "asked_for_person"),
        ("given up", greeted(ending_reason="not_understood").says("Mumble.", "?"), 0.0, 0.0, "not_understood"),
        (
            "asked again twice",
            greeted().says("Mumble.", NOT_HEARD).says("Mumble more.", NOT_HEARD),
            0.0,
            0.0,
            "caller_repeated_himself",
        ),
        (
            "said it twice",
            greeted().uses("search_tires").says("I want winter tyres.", "Hm.").says("I want winter tyres!", "Here."),
            0.7,
            0.8,
            "caller_repeated_himself",
        ),
        ("small talk", greeted().says("Nice weather today.", "It is."), 0.5, 0.5, "nothing_was_done"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_intent_understood(name: str, made: CallRows, low: float, high: float, why: str) -> None:
    one = scores(made)[Criterion.INTENT_UNDERSTOOD]
    assert one.score is not None
    assert (low <= one.score <= high, one.why) == (True, why)


@pytest.mark.parametrize(
    ("name", "made", "score", "why"),
    [
        ("fits", greeted().uses("search_tires").says("a", "b"), 1.0, "tools_fit"),
        ("invented", greeted().uses("open_door", error="unknown_tool").says("a", "b"), 0.0, "tools_refused"),
        (
            "half of them refused",
            greeted().uses("search_tires").uses("confirm_order", error="missing").says("a", "b"),
            0.5,
            "tools_refused",
        ),
        (
            "refused until the caller says yes",
            greeted().uses("confirm_order", error="not_confirmed").says("a", "b?").uses("confirm_order").says("y", "c"),
            1.0,
            "tools_fit",
        ),
        (
            "asked the same twice",
            greeted().uses("search_tires", {"a": 1}).uses("search_tires", {"a": 1}).says("a", "b"),
            0.5,
            "tool_repeated",
        ),
        ("the store was away", greeted().uses("search_tires", error="store_unavailable"), None, "tools_away"),
        ("none needed", greeted().says("a", "b"), None, "no_tool_needed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_right_tool(name: str, made: CallRows, score: float | None, why: str) -> None:
    assert scores(made)[Criterion.RIGHT_TOOL] == Score(score, why)


PRICED = {"ok": True, "tires": [{"id": "T-1", "price": 104.5, "size": "215/55 R17"}]}


@pytest.mark.parametrize(
    ("name", "made", "score", "why"),
    [
        (
            "the tool's price, size and the caller's number",
            greeted()
            .uses("search_tires", {"q": 1}, result=PRICED)
            .says("Order 12345?", "215 55 17 for 104 euros, and order 12345."),
            1.0,
            "numbers_have_sources",
        ),
        (
            "a price of its own",
            greeted().uses("search_tires", result=PRICED).says("How much?", "They are 199 euros."),
            0.0,
            "numbers_without_source",
        ),
        (
            "the same in words",
            greeted().uses("search_tires", result=PRICED).says("How much?", "One hundred and ninety nine euros."),
            0.0,
            "numbers_without_source",
        ),
        (
            "an order that failed in a call that ended well",
            greeted().says("Yes", READ_BACK).uses("confirm_order", error="store_unavailable").says("Yes.", "Done!"),
            0.0,
            "change_failed_and_resolved",
        ),
        (
            "the same, and done at the second try",
            greeted()
            .uses("confirm_order", error="store_unavailable")
            .uses("confirm_order", result={"ok": True})
            .says("Yes.", "Done."),
            1.0,
            "no_numbers_said",
        ),
        (
            "the numbers that records keep of an answer",
            greeted().uses("search_tires", result={"numbers": "205 55 16 199"}).says("a", "199 euros each"),
            1.0,
            "numbers_have_sources",
        ),
        (
            "a price that no tool told",
            greeted().uses("search_tires", result={"numbers": "205 55 16 199"}).says("a", "189 euros each"),
            0.0,
            "numbers_without_source",
        ),
        ("results that were not kept", greeted().uses("search_tires").says("a", "199 euros"), None, "results_not_kept"),
        ("no numbers", greeted().says("a", "b"), 1.0, "no_numbers_said"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_accurate(name: str, made: CallRows, score: float | None, why: str) -> None:
    assert scores(made)[Criterion.ACCURATE] == Score(score, why)


@pytest.mark.parametrize(
    ("name", "made", "score", "why"),
    [
        ("asked, and yes", GOOD_ORDER, 1.0, "all_confirmed"),
        (
            "words that are a yes to just this",
            greeted()
            .says("Cancel it.", "Booking 12, on Monday: cancel it?")
            .uses("cancel_fitting")
            .says("Cancel it.", "Done."),
            1.0,
            "all_confirmed",
        ),
        ("not asked", greeted().uses("confirm_order").says("Four tyres.", "Ordered."), 0.0, "done_without_a_yes"),
        (
            "asked, and no answer to it",
            greeted().says("Four tyres.", READ_BACK).uses("confirm_order").says("What is the price?", "Ordered."),
            0.0,
            "done_without_a_yes",
        ),
        (
            "one of two",
            greeted()
            .says("Four.", READ_BACK)
            .uses("confirm_order")
            .says("Yes.", "Done.")
            .uses("book_fitting")
            .says("Monday.", "Booked."),
            0.5,
            "done_without_a_yes",
        ),
        ("nothing to confirm", greeted().uses("search_tires").says("a", "b"), None, "nothing_to_confirm"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_confirmed_before_acting(name: str, made: CallRows, score: float | None, why: str) -> None:
    assert scores(made)[Criterion.CONFIRMED] == Score(score, why)


def test_a_yes_in_the_callers_language_counts() -> None:
    made = (
        greeted(language="uk").says("Чотири шини.", "Чотири шини, оформити?").uses("confirm_order").says("Так.", "Є.")
    )
    assert scores(made)[Criterion.CONFIRMED] == Score(1.0, "all_confirmed")


LECTURE = "We have winter tyres and summer tyres and all season tyres of many makers. " * 8
ANSWER = "We have them in stock at all of our stations today."


@pytest.mark.parametrize(
    ("name", "made", "low", "high", "why"),
    [
        ("short", greeted().says("a", ANSWER), 1.0, 1.0, "short_answers"),
        ("a lecture each time", greeted().says("a", LECTURE).says("b", LECTURE[:-5]), 0.0, 0.0, "repeats_itself"),
        ("one lecture", greeted().says("a", LECTURE).says("b", "Yes."), 0.0, 0.4, "long_answers"),
        ("the same again", greeted().says("a", ANSWER).says("b", ANSWER), 0.75, 0.75, "repeats_itself"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_concise(name: str, made: CallRows, low: float, high: float, why: str) -> None:
    one = scores(made)[Criterion.CONCISE]
    assert one.score is not None
    assert (low <= one.score <= high, one.why) == (True, why)


@pytest.mark.parametrize(
    ("columns", "score", "why"),
    [
        ({"outcome": "resolved"}, 1.0, "resolved"),
        ({"outcome": "resolved", "ending_reason": "callback"}, 1.0, "call_back_agreed"),
        ({"outcome": "transferred", "transfer_reason": "caller_request"}, 0.0, "asked_for_person"),
        ({"outcome": "transferred", "transfer_reason": "cannot_help"}, 0.0, "went_to_a_person"),
        ({"outcome": "abandoned"}, 0.0, "caller_left"),
        ({"outcome": "failed"}, 0.0, "failed"),
        ({"outcome": None}, None, "outcome_unknown"),
    ],
)
def test_resolved_without_a_person(columns: dict[str, Any], score: float | None, why: str) -> None:
    assert scores(greeted(**columns).says("a", "b"))[Criterion.RESOLVED] == Score(score, why)


@pytest.mark.parametrize(
    ("columns", "words", "score", "why"),
    [
        ({}, "Thank you very much.", 1.0, "thanked"),
        ({}, "Дякую!", 1.0, "thanked"),
        ({}, "Fine.", 0.8, "resolved_quietly"),
        ({"outcome": None}, "Fine.", 0.5, "no_sign"),
        ({"outcome": "abandoned", "ending_reason": "hangup"}, "Hm.", 0.3, "caller_left"),
        ({"failures": 1}, "Fine.", 0.2, "something_failed"),
        ({}, "This is ridiculous, thanks.", 0.1, "annoyed_words"),
        ({"transfer_reason": "complaint", "outcome": "transferred"}, "Thank you.", 0.0, "complaint"),
    ],
)
def test_satisfied(columns: dict[str, Any], words: str, score: float, why: str) -> None:
    assert scores(greeted(**columns).says(words, "b"))[Criterion.SATISFIED] == Score(score, why)


def test_without_its_text_a_call_is_judged_by_what_is_left() -> None:
    made = GOOD_ORDER
    removed = judged_call(made.call, [{**turn, "text": None} for turn in made.turns], made.tools)
    found = judge(removed, SHOP)
    assert found[Criterion.RESOLVED].score == 1.0
    for criterion in (Criterion.GREETED, Criterion.CONFIRMED, Criterion.CONCISE, Criterion.ACCURATE):
        assert found[criterion] == Score(None, "text_removed")


def test_nobodys_words_are_in_what_is_stored() -> None:
    made = greeted().says("My name is Zebulon Quux.", "Hello Zebulon Quux.").uses("search_tires", {"name": "Quux"})
    stored = as_json(scores(made))
    assert set(stored) == {criterion.value for criterion in Criterion}
    assert "quux" not in str(stored).lower()


def test_a_tool_without_its_turn_ran_in_the_one_that_was_over_next() -> None:
    tools = [{**tool, "turn": None} for tool in GOOD_ORDER.tools]
    found = judged_call(GOOD_ORDER.call, GOOD_ORDER.turns, tools)
    assert [tool.turn for tool in found.tools] == [1, 2]
    assert judge(found, SHOP)[Criterion.CONFIRMED].score == 1.0


def test_a_row_that_is_not_as_drawn_is_refused() -> None:
    tools = [{**GOOD_ORDER.tools[0], "arguments": '["a", "list"]'}]
    with pytest.raises(ValueError, match="JSON objects"):
        judged_call(GOOD_ORDER.call, GOOD_ORDER.turns, tools)


def test_a_business_knows_what_it_reads_back_and_its_own_numbers() -> None:
    assert set(SHOP.confirmed) == {"confirm_order", "book_fitting", "cancel_fitting"}
    assert SHOP.greeting == GREETING
    assert business_of(load_playbook("clinic")).confirmed
