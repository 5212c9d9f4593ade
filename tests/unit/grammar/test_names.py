"""Brands as recognisers mishear them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine.agent.fuzzy import alike, find_names, nearest_name, sound_key

ROOT = Path(__file__).parents[3]
CITIES = ("Kyiv", "Lviv", "Odesa", "Dnipro", "Kharkiv")
PAYMENTS = ("card", "cash", "transfer", "instalments")
BRANDS = tuple(yaml.safe_load((ROOT / "engine/playbooks/tyre_shop/playbook.yaml").read_text())["brands"])
FIXTURES = ROOT / "tests" / "fixtures"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Michelin", ["Michelin"]),
        ("Mitchell and winter tyres", ["Michelin"]),
        ("Mitchell in, please", ["Michelin"]),
        ("bridge stone", ["Bridgestone"]),
        ("Do you have Bridgeston tires?", ["Bridgestone"]),
        ("no kian tyres", ["Nokian"]),
        ("I would like nokyan", ["Nokian"]),
        ("Nokia tyres", ["Nokian"]),
        ("han cook", ["Hankook"]),
        ("hank cook winter tyres", ["Hankook"]),
        ("good year", ["Goodyear"]),
        ("con tea nental", ["Continental"]),
        ("continent all", ["Continental"]),
        ("the Yoko hama ones", ["Yokohama"]),
        ("Do you have Yokama tires?", ["Yokohama"]),
        ("per rally", ["Pirelli"]),
        ("pirelly", ["Pirelli"]),
        ("What about Pyrrally or Nexon?", ["Pirelli", "Nexen"]),
        ("Dunlap", ["Dunlop"]),
        ("done lop", ["Dunlop"]),
        ("fire stone", ["Firestone"]),
        ("falcon", ["Falken"]),
        ("I would like forfalcon, please.", ["Falken"]),
        ("What about Debico or Apollo?", ["Debica", "Apollo"]),
        ("Michelin or bridge stone", ["Michelin", "Bridgestone"]),
        ("not Michelin, Nokian", ["Nokian"]),
        ("anything except Mitchell in", []),
    ],
)
def test_names_that_were_said(text: str, names: list[str]) -> None:
    assert find_names(text, BRANDS) == names


@pytest.mark.parametrize(
    "text",
    [
        "",
        "how do I get to you",
        "no can do",
        "handbook",
        "shall I go on",
        "we take cards",
        "I need tyres for an SUV",
        "what is the other one",
        "they still haven't come",
        "I did not receive my parcel",
        "I'm looking for a van tyre",
        "first of November",
        "the tyre is faulty",
    ],
)
def test_words_that_are_no_name(text: str) -> None:
    assert find_names(text, BRANDS) == []


MISHEARD = {
    "I'm looking for Mitchell in tires two oh five fifty five sixteen.",
    "I want good year all weather tyres, 225 40 18 please",
    "Do you have Mitchell and or Bridgestone in stock?",
    "do you carry pirelly winter tyres in two fifty five forty five twenty",
    "Bridge stone winter two hundred five fifty five sixteen inch",
}


def test_no_other_sentence_of_the_shop_holds_a_name_that_is_not_there() -> None:
    sentences = {text for name in ("agent_conversations", "agent_tools") for text in _texts(_load(f"{name}.json"))}
    assert len(sentences) > 400
    wrong = {
        text
        for text in sentences - MISHEARD
        if any(name.lower() not in text.lower() for name in find_names(text, BRANDS))
    }
    assert wrong == set()


@given(st.sampled_from(BRANDS), st.sampled_from(["I want {} tyres", "{}", "What about {}?", "ok {} then"]))
def test_a_name_written_is_found(name: str, frame: str) -> None:
    assert find_names(frame.format(name), BRANDS) == [name]


@given(st.text(max_size=80))
def test_any_text_is_read_without_complaint(text: str) -> None:
    assert set(find_names(text, BRANDS)) <= set(BRANDS)
    assert re.fullmatch(r"[^\W\d_]*", sound_key(text)) is not None


@given(
    st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12), st.text("abcdefghijklmnopqrstuvwxyz", max_size=12)
)
def test_likeness_is_a_share(one: str, other: str) -> None:
    assert alike(one, one) == 1.0
    assert 0.0 <= alike(one, other) <= 1.0
    assert alike(one, other) == pytest.approx(alike(other, one))


@pytest.mark.parametrize(
    ("said", "names", "meant"),
    [
        ("Give.", CITIES, "Kyiv"),
        ("Keef", CITIES, "Kyiv"),
        ("Le Viv", CITIES, "Lviv"),
        ("Harkov", CITIES, None),
        ("And he,", CITIES, None),
        ("clock", CITIES, None),
        ("book it", CITIES, None),
        ("I carred.", PAYMENTS, "card"),
        ("cache", PAYMENTS, "cash"),
        ("yes", PAYMENTS, None),
        ("", PAYMENTS, None),
    ],
)
def test_an_answer_to_a_question_is_known_by_less(said: str, names: tuple[str, ...], meant: str | None) -> None:
    assert nearest_name(said, names) == meant


def _load(name: str) -> Any:
    return json.loads((FIXTURES / name).read_text())


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in _texts(part)]
