"""Masking: what is found, what is left, who sees what."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine.agent.business import business_texts
from engine.agent.playbook import load_playbook
from engine.privacy import Asked, MaskedConversation, Masker, Role, asked_by, cacheable, mask, transcript_for
from engine.privacy.numbers import passes_luhn
from tests.unit.privacy_sentences import HARMLESS, PLANTED

FIXTURES = Path(__file__).parents[1] / "fixtures"
PLAYBOOK = Path(__file__).parents[2] / "engine" / "playbooks" / "tyre_shop"


def texts_in(value: Any) -> list[str]:
    """All texts of a tree of lists and mappings."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in inner for text in texts_in(part)]


PLAYBOOK_TEXTS = [text for path in PLAYBOOK.glob("*.yaml") for text in texts_in(yaml.safe_load(path.read_text()))]


@pytest.mark.parametrize(
    ("text", "canaries"), [case for cases in PLANTED.values() for case in cases], ids=lambda value: str(value)[:40]
)
def test_what_is_personal_is_gone(text: str, canaries: tuple[str, ...]) -> None:
    masked = mask(text)
    assert [canary for canary in canaries if canary in masked] == [], masked
    assert "[" in masked


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_nobodys_stays(text: str) -> None:
    assert mask(text) == text


def test_recall_and_false_masks_as_the_documentation_has_them() -> None:
    planted = [case for cases in PLANTED.values() for case in cases]
    missed = sum(any(canary in mask(text) for canary in canaries) for text, canaries in planted)
    false = sum(mask(text) != text for text in HARMLESS)
    documented = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text()
    assert f"{len(planted) - missed} of {len(planted)} sentences" in documented
    assert f"{false} of {len(HARMLESS)} harmless" in documented


def test_conversations_about_tyres_stay_readable() -> None:
    """Only what a person said of himself is masked in what callers say, and nothing of the shop's own."""
    said = [
        message["content"]
        for name in ("agent_tools", "agent_conversations")
        for case in json.loads((FIXTURES / f"{name}.json").read_text())
        for message in case["conversation"]
    ]
    masked = [text for text in said if mask(text) != text]
    personal = ("phone", "number", "my name", "reach me", "call me", "five five five", "oh six seven", "seven nine")
    unexplained = [text for text in masked if not any(word in text.lower() for word in personal)]
    # Sizes said digit by digit without a word that says so, and numbers with nothing round them.
    assert len(unexplained) <= 4, unexplained
    shop = Masker(PLAYBOOK_TEXTS)
    assert [text for text in PLAYBOOK_TEXTS if shop.mask(text) != text] == []
    tyres = Masker(business_texts(load_playbook("tyre_shop")))
    assert tyres.mask("This is Continental, right?") == "This is Continental, right?"
    assert tyres.mask("This is Thornbury, right?") == "This is [name], right?"
    assert cacheable("We are at twelve Harbour Street, next to the railway station.", tyres)


def test_every_sentence_of_a_playbook_is_its_own() -> None:
    shop = load_playbook("tyre_shop")
    phrases = dataclasses.replace(shop.phrases, tool_fillers={"get_order_status": "I ask Thornbury in Harbour Street."})
    texts = business_texts(dataclasses.replace(shop, phrases=phrases))
    assert "I ask Thornbury in Harbour Street." in texts
    assert "get_order_status" not in texts
    assert shop.phrases.still_working in texts


def test_what_belongs_to_the_business_stays_and_nothing_else_does() -> None:
    shop = Masker(["Call us at 044 555 0199, we are at 12 Harbour Street.", "Write to help@example.com."])
    assert shop.mask("We are at 12 Harbour Street.") == "We are at 12 Harbour Street."
    assert shop.mask("Our number is 0445550199.") == "Our number is 0445550199."
    assert shop.mask("+380 44 555 0199 or help@example.com") == "+380 44 555 0199 or help@example.com"
    assert shop.mask("my number is 044 555 0198") == "my number is [phone]"
    assert shop.mask("I live at 14 Harbour Street") == "I live at [address]"


def test_a_question_tells_what_its_answer_is() -> None:
    assert asked_by("Sure. What is your name? I will note it.") is Asked.NAME
    assert asked_by("And what phone number should I put on the order?") is Asked.PHONE
    assert asked_by("I can check that. What is your order number?") is Asked.ORDER
    assert asked_by("What size are they? You can read it from the side.") is Asked.SIZE
    assert asked_by("Как вас зовут?") is Asked.NAME
    assert asked_by("На яку адресу доставити?") is Asked.ADDRESS
    assert asked_by("How many would you like?") is Asked.NOTHING
    person = Masker()
    assert person.mask("Yes, it's thornbury", Asked.NAME) == "Yes, it's [name]"
    assert person.mask("zero five zero", Asked.PHONE) == "[phone]"
    assert person.mask("orchard lane 5", Asked.ADDRESS) == "[address]"
    assert person.mask("one nine five, six five, one five", Asked.SIZE) == "one nine five, six five, one five"
    assert person.mask("one two three four five six seven", Asked.ORDER) == "one two three four five six seven"
    assert person.mask("one two three four five six seven") == "[phone]"


def test_a_name_once_given_is_masked_in_the_rest_of_the_call() -> None:
    masker = Masker()
    masker.learn_number("+380505551234")
    conversation = MaskedConversation(masker)
    events: list[dict[str, Any]] = [
        {"type": "partial", "t": 1.0, "caller": "My name is Margaret"},
        {"type": "turn", "turn": 1, "caller": "My name is Margaret.", "agent": "Thank you, Margaret. How many?"},
        {"type": "turn", "turn": 2, "caller": "four for margaret", "agent": "For the number ending in 1234?"},
        {"type": "tool", "name": "create_order_draft", "arguments": {"customer_name": "Zed", "quantity": 4}},
        {"type": "turn", "turn": 3, "caller": "yes", "agent": "Noted for Zed: 4 tyres."},
    ]
    masked = [conversation.event(event) for event in events]
    assert [event.get("caller") for event in masked] == [
        "My name is [name]",
        "My name is [name].",
        "four for [name]",
        None,
        "yes",
    ]
    assert masked[1]["agent"] == "Thank you, [name]. How many?"
    assert masked[2]["agent"] == "For the number ending in [phone]?"
    assert masked[3] == {
        "type": "tool",
        "name": "create_order_draft",
        "arguments": {"customer_name": "[name]", "quantity": 4},
    }
    assert masked[4]["agent"] == "Noted for [name]: 4 tyres."


def test_each_role_sees_what_it_may() -> None:
    events = [
        {"type": "turn", "t": 1.5, "caller": "it is for thornbury", "agent": "Hello! What is your name?"},
        {"type": "turn", "t": 9.0, "caller": "Thornbury, and my phone is 5550199", "agent": "Four 205/55 R16 at 2400?"},
    ]
    for role in (Role.SUPERVISOR, Role.ADMIN):
        assert transcript_for(role, events) == events
    for role in (Role.VIEWER, Role.AUDITOR):
        assert transcript_for(role, events) == [
            {"type": "turn", "t": 1.5, "caller": "it is for [name]", "agent": "Hello! What is your name?"},
            {
                "type": "turn",
                "t": 9.0,
                "caller": "[name], and my phone is [phone]",
                "agent": "Four 205/55 R16 at 2400?",
            },
        ]


def test_a_number_still_being_said_is_masked_early() -> None:
    masker = Masker()
    assert masker.mask("it is zero five zero five five", unfinished=True) == "it is [phone]"
    assert masker.mask("order four two seven one five", unfinished=True) == "order four two seven one five"
    assert masker.mask("two oh five", unfinished=True) == "two oh five"


def test_what_may_be_kept_on_disk() -> None:
    assert cacheable("Good afternoon. How can I help?")
    assert cacheable("We have four in two hundred and five fifty five sixteen.")
    assert not cacheable("I have noted it for zero five zero, five five five, one two three four.")
    assert not cacheable("Thank you, Mr Henderson.")
    known = Masker()
    known.learn_name("Margaret")
    assert not cacheable("Thank you, Margaret.", known)
    assert not cacheable("x" * 10_000)


def test_cards_are_told_by_their_check_digit() -> None:
    assert passes_luhn("4111111111111111")
    assert not passes_luhn("4111111111111112")
    assert mask("4111 1111 1111 1111") == "[card]"


@given(st.text(max_size=200))
def test_masking_twice_changes_nothing_and_nothing_raises(text: str) -> None:
    masked = mask(text)
    assert mask(masked) == masked or "[" in masked


@given(st.text(max_size=40), st.text(alphabet="0123456789", min_size=7, max_size=15), st.text(max_size=40))
def test_no_number_survives_whatever_stands_round_it(before: str, number: str, after: str) -> None:
    assert number not in mask(f"{before} x {number} x {after}")


def test_long_texts_are_cut_and_do_not_take_long() -> None:
    text = "five " * 5000
    assert len(mask(text)) < 8_100
