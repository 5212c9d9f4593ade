"""How many pieces a caller wants."""

from __future__ import annotations

import re

from engine.agent.number_words import ENGLISH, words_of
from engine.agent.numbers import number_runs, plausible_profile, plausible_width, product_codes, tyre_sizes

_NOT_A_QUANTITY_BEFORE = re.compile(
    r"(?:\br|/|product|item|article|code|number|order number|size|phone|inch|model|at|for|year|\b[a-z])\s*[-:,]?\s*$",
    re.IGNORECASE,
)
_PRONOUN_BEFORE = re.compile(
    r"\b(?:the|that|this|which|first|second|third|last|other|another|any|no|every|each|cheap\w*|expensive|best|good|"
    r"better|new|old|same|right|wrong|big\w*|small\w*|winter|summer|season|michelin|said|real|some)\s*$",
    re.IGNORECASE,
)
_ASKS_FOR = r"(?:take|have|add|order|need|want|get|like|buy|send|reserve|book|give me|make it|make that)"
_MISHEARD = (
    (re.compile(rf"\b{_ASKS_FOR}\s+(?:to|too)\s+(?:more|of|please|tyres?|tires?|pieces|\W*$)", re.IGNORECASE), 2),
    (re.compile(rf"\b{_ASKS_FOR}\s+for\s+(?:more|of|please|\W*$)", re.IGNORECASE), 4),
)
_ONE = re.compile(
    r"\b(?:just|only|is|take|have|order|need|want|get|buy|quantity|add|like|yes,?|send|me)\s+(?:the\s+)?one\b|"
    r"^\W*(?:yes,?\s+)?(?:just\s+|only\s+)?one\W*$|\bone\s+(?:please|piece|tyre|tire|of)\b|\bone\s+[A-Z]-?\d|"
    r"\ba\s+single\b|\bone\W+(?:please|my|and my)\b",
    re.IGNORECASE,
)


def quantities(text: str, language: str = "en") -> list[int]:
    """The counts in ``text``, the order they were said in; numbers of sizes, phones, orders and products left out.

    Nothing is limited here: "500 tyres" is 500, and refused elsewhere.
    """
    words = words_of(language) or ENGLISH
    found: list[tuple[int, int]] = []
    sized = bool(tyre_sizes(text, language))
    codes = {re.sub(r"\D", "", code) for code in product_codes(text, language)}
    for run in number_runs(text, language):
        found += _of_run(text, run.start, run.end, run.digits, run.groups, sized=sized, codes=codes)
    for match in _ONE.finditer(text):
        if _PRONOUN_BEFORE.search(text[: match.start() + match.group().lower().find("one")]):
            continue  # "the second one please"
        if not any(start <= match.end() and number == 1 for start, number in found):
            found.append((match.start(), 1))
    for name, number in words.sets.items():
        counted = re.search(
            rf"\b(?:an?|the|one|full|whole|complete|half an?)\s+(?:full\s+|whole\s+)?{name}\b", text, re.IGNORECASE
        )
        if counted is not None:
            found.append((counted.start(), number // 2 if counted.group().lower().startswith("half") else number))
    for pattern, number in _MISHEARD:
        misheard = pattern.search(text)
        if misheard is not None:
            found.append((misheard.start(), number))
    return [number for _, number in sorted(found)]


def _of_run(
    text: str, start: int, end: int, digits: str, groups: tuple[str, ...], *, sized: bool, codes: set[str]
) -> list[tuple[int, int]]:
    before, after = text[:start], text[end:]
    if len(groups) == 2 and groups[0] == "1" and _PRONOUN_BEFORE.search(before):
        digits, groups, before = groups[1], groups[1:], ""  # "the second one, two of them"
    rest = "".join(groups[1:])
    if sized and len(rest) >= 5 and plausible_width(int(rest[:3])) and plausible_profile(int(rest[3:5])):
        return [(start, int(groups[0]))] if len(groups[0]) < 3 else []  # "four two oh five fifty five sixteen"
    if digits in codes or len(groups) > 2 or len(digits) > 5:
        return []
    if sized and len(digits) >= 3:
        return []
    if digits == "1":
        return []  # "one" is a pronoun more often than not: see _ONE
    counted = re.match(r"\s*(?:of|tyres?|tires?|pieces?|more|x|times|sets?|units?|please)\b", after, re.IGNORECASE)
    sets = re.match(r"\s*(?:full\s+)?sets?\b", after, re.IGNORECASE)
    if not counted and (_NOT_A_QUANTITY_BEFORE.search(before) or _PRONOUN_BEFORE.search(before)):
        return []
    if len(digits) > 3 and not counted:
        return []
    number = int(digits)
    if re.search(r"(?:\bminus|\bnegative)\s*$|(?:^|\s)-$", before, re.IGNORECASE):
        number = -number
    return [(start, number * 4 if sets else number)]
