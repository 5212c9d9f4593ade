"""The words that numbers are made of, one table a language.

A new language is a new table: the grammar of ``numbers`` (reading) and ``speakable`` (writing) is built on these names.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NumberWords:
    """Spoken numbers of one language."""

    units: dict[str, int]
    """Words of one digit, what recognisers make of them included."""
    teens: dict[str, int]
    tens: dict[str, int]
    hundred: frozenset[str]
    thousand: frozenset[str]
    repeats: dict[str, int]
    """"double five"."""
    joiners: frozenset[str]
    """Words inside a number that add nothing: "two hundred and five"."""
    weak_units: dict[str, int]
    """Words that sound like a digit: a digit only between two digits."""
    only_beside: frozenset[str]
    """Unit words that mean a digit only next to another number ("oh")."""
    separators: frozenset[str]
    """Words spoken between the groups of one number."""
    size_separators: frozenset[str]
    """Words spoken between width, profile and diameter of a tyre."""
    negations: frozenset[str]
    """"five not nine": what follows is not meant."""
    corrections: frozenset[str]
    """Words that take back the number before them."""
    sets: dict[str, int]
    """Words for a quantity: "a pair"."""


ENGLISH = NumberWords(
    units={
        "zero": 0,
        "oh": 0,
        "o": 0,
        "nought": 0,
        "naught": 0,
        "nil": 0,
        "one": 1,
        "two": 2,
        "three": 3,
        "four": 4,
        "five": 5,
        "six": 6,
        "seven": 7,
        "eight": 8,
        "nine": 9,
        "niner": 9,
        "fife": 5,
    },
    teens={
        "ten": 10,
        "eleven": 11,
        "twelve": 12,
        "thirteen": 13,
        "fourteen": 14,
        "fifteen": 15,
        "sixteen": 16,
        "seventeen": 17,
        "eighteen": 18,
        "nineteen": 19,
    },
    tens={
        "twenty": 20,
        "thirty": 30,
        "forty": 40,
        "fourty": 40,
        "fifty": 50,
        "sixty": 60,
        "seventy": 70,
        "eighty": 80,
        "ninety": 90,
    },
    hundred=frozenset({"hundred"}),
    thousand=frozenset({"thousand"}),
    repeats={"double": 2, "triple": 3, "treble": 3},
    joiners=frozenset({"and"}),
    weak_units={"to": 2, "too": 2, "for": 4, "fore": 4, "won": 1, "ate": 8, "tree": 3, "free": 3, "sex": 6},
    only_beside=frozenset({"oh", "o", "nil"}),
    separators=frozenset({"dash", "hyphen", "space", "uh", "um", "er", "erm", "then"}),
    size_separators=frozenset(
        {
            "r",
            "zr",
            "are",
            "our",
            "ar",
            "by",
            "over",
            "slash",
            "stroke",
            "profile",
            "rim",
            "rims",
            "inch",
            "on",
            "with",
            "and",
        }
    ),
    negations=frozenset({"not"}),
    corrections=frozenset({"no", "sorry", "correction", "actually", "rather", "mean", "wait", "nope", "mistake"}),
    sets={"pair": 2, "couple": 2, "set": 4, "dozen": 12},
)

LANGUAGES: dict[str, NumberWords] = {"en": ENGLISH}


def words_of(language: str) -> NumberWords | None:
    """The table of a BCP 47 tag ("en-GB" → English), None where there is none yet."""
    return LANGUAGES.get(language.split("-", maxsplit=1)[0].lower())
