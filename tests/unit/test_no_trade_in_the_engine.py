"""What belongs to one trade stands in its playbook: the engine knows no tyres."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

import engine

ENGINE = Path(engine.__file__).parent
OF_THE_SHOP = ("playbooks", "store")
"""The playbooks themselves, and the shop's own API."""
WORD = re.compile(
    r"tyre(?!_shop)|(?<![a-z])tires?(?![a-z])|(?-i:Tire)(?=[A-Z])|\bшин[аиіуы]?\b|покр[ыи]ш",
    re.IGNORECASE,
)
"""In any language of the engine; ``tyre_shop`` is the name of a playbook."""

KNOWN: Mapping[str, int] = {
    # what the models without a model say, whose length the benchmarks are measured with
    "agent/scripted.py": 2,
    "speech/providers/scripted.py": 1,
    # sizes are told from telephone numbers wherever text is masked, also where no playbook is known
    "privacy/numbers.py": 3,
    "privacy/words.py": 17,
}
"""File → how many such words stand there. May become fewer, not more."""


def words_in(text: str) -> list[str]:
    return [match[0].lower() for match in WORD.finditer(text)]


def test_no_word_of_the_tyre_trade_is_new_in_the_engine() -> None:
    found: Counter[str] = Counter()
    read = 0
    for path in sorted(ENGINE.rglob("*")):
        place = path.relative_to(ENGINE)
        if not path.is_file() or place.parts[0] in OF_THE_SHOP or "__pycache__" in place.parts:
            continue
        read += 1
        words = words_in(f"{place}\n{path.read_text(encoding='utf-8', errors='replace')}")
        if words:
            found[place.as_posix()] = len(words)
    assert read > 100
    assert found == KNOWN


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("winter tyres", ["tyre"]),
        ("class TyreSize:", ["tyre"]),
        ("class TireSize:", ["tire"]),
        ("search_tires", ["tires"]),
        ("TIRE", ["tire"]),
        ("зимние шины", ["шины"]),
        ("покрышка", ["покрыш"]),
        ("the entire day, tired, retired", []),
        ("машина", []),
        ("TRUNKLINE_PLAYBOOK=tyre_shop", []),
    ],
)
def test_which_words_are_looked_for(text: str, words: list[str]) -> None:
    assert words_in(text) == words
