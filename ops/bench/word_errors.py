"""Word error rate, with numbers compared digit by digit however they are written.

"four two seven one", "42 71" and "4271" are the same answer; so are "tyre" and "tire".
"""

from __future__ import annotations

import re
from typing import Final

_DIGITS: Final = {
    word: str(digit)
    for digit, word in enumerate(("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"))
} | {"oh": "0"}
_TEENS: Final = {
    word: str(number)
    for number, word in enumerate(
        ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"],
        10,
    )
}
_TENS: Final = {
    word: str(number)
    for number, word in enumerate(("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), 2)
}
_SPELLINGS: Final = {"tyre": "tire", "tyres": "tires"}


def comparable_words(text: str) -> list[str]:
    """Lower case, no punctuation, one spelling, every digit a word of its own."""
    text = re.sub(r"(?<=\w)-(?=\w)", " ", text.lower())
    text = re.sub(r"(?<=\d)[:.,](?=\d)", " ", text)
    words = re.sub(r"[^\w' ]", " ", text).split()
    result: list[str] = []
    for place, word in enumerate(words):
        following = words[place + 1] if place + 1 < len(words) else ""
        if word in _TENS:
            # "sixty five" is 65, "sixty" alone is 60
            joined = following in _DIGITS and following not in {"oh", "zero"}
            result.extend(_TENS[word] if joined else _TENS[word] + "0")
        elif word in _DIGITS or word in _TEENS:
            result.extend(_DIGITS.get(word) or _TEENS[word])
        elif word.isdecimal():
            result.extend(word)
        else:
            result.append(_SPELLINGS.get(word, word))
    return result


def word_errors(reference: str, heard: str) -> tuple[int, int]:
    """(words to insert, delete or replace to come from ``heard`` to ``reference``, words of the reference)."""
    wanted, got = comparable_words(reference), comparable_words(heard)
    distances = list(range(len(got) + 1))
    for row, word in enumerate(wanted, 1):
        diagonal, distances[0] = distances[0], row
        for column, other in enumerate(got, 1):
            best = min(distances[column] + 1, distances[column - 1] + 1, diagonal + (word != other))
            diagonal, distances[column] = distances[column], best
    return distances[-1], len(wanted)
