"""What is found in a text, and the words of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """Kinds of personal data; a kind's value is what stands in its place."""

    PHONE = "[phone]"
    CARD = "[card]"
    NAME = "[name]"
    EMAIL = "[email]"
    ADDRESS = "[address]"


@dataclass(frozen=True, slots=True)
class Finding:
    """Personal data from ``start`` to ``end`` (characters)."""

    kind: Kind
    start: int
    end: int
    value: str = ""
    """Of a number its digits, however they were said."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word or a row of digits."""

    text: str
    """In lower case, with one form of apostrophe."""
    start: int
    end: int


_WORD: Final = re.compile(r"[^\W\d_]+(?:['’ʼ`][^\W\d_]+)*|\d+")
_APOSTROPHES: Final = str.maketrans("’ʼ`", "'''")


def normal(text: str) -> str:
    """``text`` as the word lists have it. As long as the original, so that places in one are places in the other."""
    lowered = text.translate(_APOSTROPHES).lower()
    # A few letters become two in lower case; then the places matter more than the case.
    return lowered if len(lowered) == len(text) else text.translate(_APOSTROPHES)


def words_of(text: str) -> list[Word]:
    """The words of ``text`` in their order."""
    plain = normal(text)
    return [Word(plain[match.start() : match.end()], match.start(), match.end()) for match in _WORD.finditer(text)]
