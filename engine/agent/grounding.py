"""Whether a value that a model put into a tool call was said by anybody.

A model fills what it was not told, and a decoder held to limits turns "500 tickets" into 5. So each argument names the
kind of evidence it needs, and the value is looked for in the caller's own words (or, where the argument allows it, in
what the agent offered from its tools).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, time
from enum import Enum
from itertools import pairwise
from typing import TypeVar

from engine.agent.assent import is_assent, is_dissent
from engine.agent.dates import dates, times
from engine.agent.fuzzy import alike, find_names, nearest_name, sound_key
from engine.agent.number_corrections import corrected
from engine.agent.numbers import number_runs
from engine.agent.product_codes import product_codes
from engine.agent.quantities import goods_named, quantities
from engine.agent.said import Said

__all__ = [
    "Evidence",
    "OwnEvidence",
    "Said",
    "grounded",
    "hours_named",
    "is_assent",
    "is_dissent",
    "retracted",
    "words_heard",
]


_Moment = TypeVar("_Moment", date, time)


class Evidence(Enum):
    """What must support a value."""

    NONE = "none"
    """Nothing: an enumeration or words of the model's own (a query, a reason)."""
    WORDS = "words"
    """The value, or something that sounds like it, in the caller's words."""
    DIGITS = "digits"
    """All its digits in one run of numbers that the caller said."""
    QUANTITY = "quantity"
    PRODUCT = "product"
    """A product code said by the caller or offered by the agent."""
    NUMBER = "number"
    """The number itself: an amount, a year."""
    DATE_FROM = "date_from"
    """Where a search begins: a day that the caller named, else today or tomorrow."""
    DATE = "date"
    """A day that the caller named, however they put it ("next Saturday")."""
    TIME = "time"
    NAME = "name"
    """Every word of it in one turn of the caller (or two in a row), by sound or spelled: a person, a city, a make."""
    PLACE = "place"
    """Every word and number of it in the caller's words: an address, a description of a car."""
    CHOICE = "choice"
    """What callers call it (``Argument.words``)."""
    OFFERED = "offered"
    """Never words: only a tool can have supplied it (``Argument.offered``)."""


@dataclass(frozen=True, slots=True)
class OwnEvidence:
    """Evidence of a kind that only one business knows, declared by its playbook's code."""

    supports: Callable[[object, Said], bool]
    """Whether what was said supports a value."""
    read: Callable[[str, Said], Collection[object]] | None = None
    """The values in one turn of the caller, where a later one takes the place of an earlier."""


def _words(value: object, said: Said) -> bool:
    name = str(value).strip()
    if not name:
        return False
    key = sound_key(name)
    return any(
        name.lower() in text.lower() or bool(find_names(text, [name])) or (len(key) > 3 and key in sound_key(text))
        for text in said.caller
    )


def _digits(value: object, said: Said) -> bool:
    wanted = re.sub(r"[\s()+./-]", "", str(value))
    if not wanted.isdecimal():
        return False
    if wanted in _numbers(said):
        return True
    # said over two turns in a row, as one does with a telephone number
    runs = [run.digits for text in said.caller for run in number_runs(text, said.language)]
    return any(one + other == wanted for one, other in pairwise(runs))


def _numbers(said: Said) -> set[str]:
    """The numbers that stand: said and, where a later turn corrected them ("no, five not nine"), as corrected."""
    standing: set[str] = set()
    before: set[str] = set()
    for text in said.caller:
        named = {run.digits for run in number_runs(text, said.language)}
        for number in before:
            changed = corrected(number, text, said.language) if len(number) >= _CORRECTABLE else None
            if changed is not None and number not in named:
                standing.discard(number)
                named.add(changed)
        standing |= named
        before = named or before
    return standing


_CORRECTABLE = 4
"""Digits of a number that is worth correcting instead of saying it anew."""


def _quantity(value: object, said: Said) -> bool:
    return any(value in _counts(text, said) for text in said.caller)


def _counts(text: str, said: Said) -> Collection[object]:
    return quantities(text, said.language, goods_named(said.goods, said.product_prefix))


def _code(text: str) -> str:
    return re.sub(r"[^0-9A-Z]", "", text.upper())


def _product(value: object, said: Said) -> bool:
    wanted = _code(str(value))
    if not wanted:
        return False
    for text in said.caller:
        if any(_code(code) == wanted for code in product_codes(text, said.language, said.product_prefix)):
            return True
        prefix = said.product_prefix.upper()
        bare = wanted[len(prefix) :] if prefix and wanted.startswith(prefix) else ""
        if bare and any(run.digits == bare for run in number_runs(text, said.language)):
            return True
    return any(
        _code(code) == wanted
        for text in said.offered
        for code in product_codes(text, said.language, said.product_prefix)
    ) or any(re.search(rf"\"id\":\s*\"{re.escape(str(value))}\"", text) for text in said.offered)


def _number(value: object, said: Said) -> bool:
    return any(
        str(value) in {run.digits, *run.groups} for text in said.caller for run in number_runs(text, said.language)
    )


def _day(value: object, said: Said) -> bool:
    wanted = _parsed(date.fromisoformat, value)
    today = said.today
    if wanted is None or today is None:
        return False
    return any(wanted in dates(text, today, said.language, said.goods) for text in said.caller)


def _day_from(value: object, said: Said) -> bool:
    wanted = _parsed(date.fromisoformat, value)
    soon = wanted is not None and said.today is not None and 0 <= (wanted - said.today).days <= 1
    return soon or _day(value, said)


def _hour(value: object, said: Said) -> bool:
    wanted = _parsed(time.fromisoformat, value)
    return wanted is not None and any(wanted.isoformat("minutes") in hours_named(text, said) for text in said.caller)


_SHORT = 6
"""Words of an answer in which a bare number may be a time ("two thirty please")."""


def hours_named(text: str, said: Said) -> Collection[str]:
    """The times of day in a caller's turn, such as 14:30."""
    short = len(text.split()) <= _SHORT and not re.search(r"\bone\b(?! (?:thirty|fifteen|forty))", text, re.IGNORECASE)
    return [f"{moment:%H:%M}" for moment in times(text, said.language, expected=short, goods=said.goods)]


def _parsed(read: Callable[[str], _Moment], value: object) -> _Moment | None:
    try:
        return read(str(value))
    except ValueError:
        return None


_PARTS = re.compile(r"[^\W\d_]+|\d+")


def words_heard(value: str, text: str, language: str = "en") -> bool:
    """Whether each word of ``value`` sounds in ``text`` or is spelled there, and each number stands there."""
    parts = _PARTS.findall(value)
    return bool(parts) and all(_part_heard(part, text, language) for part in parts)


def _part_heard(part: str, text: str, language: str) -> bool:
    words = _PARTS.findall(text)
    if part.isdecimal():
        return part in words or any(part in {run.digits, *run.groups} for run in number_runs(text, language))
    if part.lower() in (word.lower() for word in words) or find_names(text, [part]):
        return True
    if any(sound_key(word) == sound_key(part) or _vowels_apart(word, part) for word in words):
        return True
    spelled = "".join(word if len(word) == 1 else " " for word in words).lower()
    return len(part) > 1 and part.lower() in spelled.split()


_NEARLY = 0.8
"""How alike, 0..1, two short names must be that differ in their vowels: Jon is John, Jane is not."""


def _vowels_apart(one: str, other: str) -> bool:
    """Whether only vowels differ, which a recogniser mishears first ("Kiev" for Kyiv)."""
    skeleton = _skeleton(one)
    return len(skeleton) > 1 and skeleton == _skeleton(other) and alike(one, other) >= _NEARLY


def _skeleton(word: str) -> str:
    """Its first sound and its consonants."""
    key = sound_key(word)
    return key[:1] + re.sub(r"[aeiouh]", "", key[1:]) if key.isascii() else ""


def _name(value: object, said: Said) -> bool:
    turns = (*said.caller, *(f"{one} {other}" for one, other in pairwise(said.caller)))
    if any(words_heard(str(value), text, said.language) for text in turns):
        return True
    # An answer that is a name and nothing else may be further from it: "Give." was Kyiv.
    return any(len(text.split()) <= _BRIEF and nearest_name(text, [str(value)]) is not None for text in said.caller)


_BRIEF = 3
"""Words of an answer that is the name and nothing else."""


def _place(value: object, said: Said) -> bool:
    parts = _PARTS.findall(str(value))
    return bool(parts) and all(any(_part_heard(part, text, said.language) for text in said.caller) for part in parts)


_CHECKS: Mapping[Evidence, Callable[[object, Said], bool]] = {
    Evidence.NONE: lambda _value, _said: True,
    Evidence.WORDS: _words,
    Evidence.DIGITS: _digits,
    Evidence.QUANTITY: _quantity,
    Evidence.PRODUCT: _product,
    Evidence.NUMBER: _number,
    Evidence.DATE_FROM: _day_from,
    Evidence.DATE: _day,
    Evidence.TIME: _hour,
    Evidence.NAME: _name,
    Evidence.PLACE: _place,
    Evidence.CHOICE: _words,
    Evidence.OFFERED: lambda _value, _said: False,
}


def grounded(value: object, evidence: Evidence | OwnEvidence, said: Said, called: str = "") -> bool:
    """Whether ``said`` holds the evidence for ``value``; ``called`` is a regular expression of other names for it."""
    if called and any(re.search(called, text, re.IGNORECASE) for text in said.caller):
        return True
    supports = evidence.supports if isinstance(evidence, OwnEvidence) else _CHECKS[evidence]
    return supports(value, said)


_INSTEAD = re.compile(
    r"\b(?:no|not|nope|actually|instead|rather|sorry|wait|i mean|i meant|change|make (?:it|that)|correction|"
    r"нет|не|точнее|лучше|вместо|ой|ні|точніше|краще|замість)\b",
    re.IGNORECASE,
)


def retracted(value: object, evidence: Evidence | OwnEvidence, said: Said) -> bool:
    """Whether a later turn of the caller put another value of this sort in its place ("actually, make it two")."""
    read = evidence.read if isinstance(evidence, OwnEvidence) else _READERS.get(evidence)
    if read is None:
        return False
    replaced = False
    for text in said.caller:
        values = read(text, said)
        if value in values:
            replaced = False
        elif values and _INSTEAD.search(text):
            replaced = True
    return replaced and any(value in read(text, said) for text in said.caller)


def _days_in(text: str, said: Said) -> Collection[object]:
    if said.today is None:
        return ()
    return [day.isoformat() for day in dates(text, said.today, said.language, said.goods)]


_READERS: Mapping[Evidence, Callable[[str, Said], Collection[object]]] = {
    Evidence.QUANTITY: _counts,
    Evidence.DATE: _days_in,
    Evidence.TIME: hours_named,
}
