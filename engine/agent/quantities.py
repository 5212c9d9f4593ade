"""How many pieces a caller wants."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from engine.agent.number_words import ENGLISH, words_of
from engine.agent.numbers import NumberRun, number_runs
from engine.agent.product_codes import product_codes


@dataclass(frozen=True, slots=True)
class Goods:
    """What a business counts, and which of its numbers are no counts."""

    noun: str = ""
    """Regular expression of one of what is counted, such as ``ticket|seat``: "seventy-one tickets" is not one."""
    nouns: str = ""
    """… of one or more: ``tickets?|seats?``."""
    kinds: str = ""
    """… and of words that choose one among several: "the balcony one" is no count."""
    product_prefix: str = ""
    """See ``product_codes``."""
    measured: Callable[[str, str], bool] | None = None
    """Whether a text (of a language) names a measure, whose numbers are no counts."""
    measure: Callable[[str], bool] | None = None
    """Whether a row of digits begins with such a measure: what was said before it is a count."""


ANYTHING = Goods()
"""Pieces of anything."""


@lru_cache(maxsize=32)
def goods_named(nouns: tuple[str, ...], product_prefix: str = "") -> Goods:
    """The goods of a playbook that is data: ``nouns`` as its ``goods`` names them, "ticket…" for any ending."""
    pattern = "|".join(re.escape(noun.rstrip("…")) + (r"\w*" if noun.endswith("…") else "") for noun in nouns)
    return Goods(noun=pattern, nouns=pattern, product_prefix=product_prefix)


_NOT_A_QUANTITY_BEFORE = re.compile(
    r"(?:\br|/|product|item|article|code|number|order number|size|phone|inch|model|at|for|year|\b[a-z])\s*[-:,]?\s*$",
    re.IGNORECASE,
)
_ASKS_FOR = r"(?:take|have|add|order|need|want|get|like|buy|send|reserve|book|give me|make it|make that)"


class _Patterns:
    """What is looked for where these goods are counted."""

    def __init__(self, noun: str, nouns: str, kinds: str) -> None:
        noun = f"{noun}|" if noun else ""
        nouns, kinds = f"{nouns}|" if nouns else "", f"{kinds}|" if kinds else ""
        self.pronoun_before = re.compile(
            rf"\b(?:the|that|this|which|first|second|third|last|other|another|any|no|every|each|cheap\w*|expensive|best|"
            rf"good|better|new|old|same|right|wrong|big\w*|small\w*|{kinds}said|real|some)\s*$",
            re.IGNORECASE,
        )
        self.misheard = (
            (re.compile(rf"\b{_ASKS_FOR}\s+(?:to|too)\s+(?:more|of|please|{nouns}pieces|\W*$)", re.IGNORECASE), 2),
            (re.compile(rf"\b{_ASKS_FOR}\s+for\s+(?:more|of|please|\W*$)", re.IGNORECASE), 4),
        )
        self.one = re.compile(
            r"\b(?:just|only|is|take|have|order|need|want|get|buy|quantity|add|like|yes,?|send|me)\s+(?:the\s+)?one\b|"
            r"^\W*(?:yes,?\s+)?(?:just\s+|only\s+)?one\W*$|"
            rf"\bone\s+(?:please|piece|{noun}of)\b|\bone\s+[A-Z]-?\d|"
            r"\ba\s+single\b|\bone\W+(?:please|my|and my)\b",
            re.IGNORECASE,
        )
        self.counted = re.compile(rf"\s*(?:of|{nouns}pieces?|more|x|times|sets?|units?|please)\b", re.IGNORECASE)


@lru_cache(maxsize=32)
def _patterns(noun: str, nouns: str, kinds: str) -> _Patterns:
    return _Patterns(noun, nouns, kinds)


_MEASURED_AFTER = re.compile(
    r"\s*(?:euros?|eur|dollars?|bucks|pounds?|hryvnias?|uah|percent|%|kilomet\w+|km|inch\w*|"
    r"m[mgl]\b|milli\w+|grams?\b|o'?\s?clock|[ap]\.?m\b)",
    re.IGNORECASE,
)
_SET_AFTER = re.compile(r"\s+(?:full\s+|whole\s+|complete\s+)?(?:sets?|pairs?|couple|dozen)\b", re.IGNORECASE)


def quantities(text: str, language: str = "en", goods: Goods = ANYTHING) -> list[int]:
    """The counts in ``text``, the order they were said in; numbers of measures, phones, orders and products left out.

    Nothing is limited here: "500 tickets" is 500, and refused elsewhere.
    """
    words = words_of(language) or ENGLISH
    found: list[tuple[int, int]] = []
    patterns = _patterns(goods.noun, goods.nouns, goods.kinds)
    measure = goods.measure if goods.measured is not None and goods.measured(text, language) else None
    codes = {re.sub(r"\D", "", code) for code in product_codes(text, language, goods.product_prefix)}
    for run in number_runs(text, language):
        found += _of_run(text, run, patterns, measure, codes=codes)
    for match in patterns.one.finditer(text):
        if patterns.pronoun_before.search(text[: match.start() + match.group().lower().find("one")]):
            continue  # "the second one please"
        if _SET_AFTER.match(text[match.start() + match.group().lower().find("one") + 3 :]):
            continue  # "one set of" is counted as a set
        if not any(start <= match.end() and number == 1 for start, number in found):
            found.append((match.start(), 1))
    for name, number in words.sets.items():
        counted = re.search(
            rf"\b(?:an?|the|one|full|whole|complete|half an?)\s+(?:full\s+|whole\s+)?{name}\b", text, re.IGNORECASE
        )
        if counted is not None:
            found.append((counted.start(), number // 2 if counted.group().lower().startswith("half") else number))
    for pattern, number in patterns.misheard:
        misheard = pattern.search(text)
        if misheard is not None:
            found.append((misheard.start(), number))
    return [number for _, number in sorted(found)]


def _of_run(
    text: str, run: NumberRun, patterns: _Patterns, measure: Callable[[str], bool] | None, *, codes: set[str]
) -> list[tuple[int, int]]:
    """The count in a run of numbers, and where it stands. ``measure`` where the text names one: see ``Goods``."""
    start, digits, groups = run.start, run.digits, run.groups
    before, after = text[:start], text[run.end :]
    if len(groups) == 2 and groups[0] == "1" and patterns.pronoun_before.search(before):
        digits, groups, before = groups[1], groups[1:], ""  # "the second one, two of them"
    if measure is not None and measure("".join(groups[1:])):
        return [(start, int(groups[0]))] if len(groups[0]) < 3 else []  # "four eighty by a hundred and twenty"
    if digits in codes or len(groups) > 2 or len(digits) > 5 or (measure is not None and len(digits) >= 3):
        return []
    if _MEASURED_AFTER.match(after):
        return []
    counted = patterns.counted.match(after)
    if digits == "1" and not (counted and text[start : run.end] == "1" and not patterns.pronoun_before.search(before)):
        return []  # "one" is a pronoun more often than not: see ``one``
    sets = re.match(r"\s*(?:full\s+)?sets?\b", after, re.IGNORECASE)
    if not counted and (_NOT_A_QUANTITY_BEFORE.search(before) or patterns.pronoun_before.search(before)):
        return []
    if len(digits) > 3 and not counted:
        return []
    number = int(digits)
    if re.search(r"(?:\bminus|\bnegative)\s*$|(?:^|\s)-$", before, re.IGNORECASE):
        number = -number
    return [(start, number * 4 if sets else number)]
