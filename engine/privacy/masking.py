"""Masks personal data in texts.

``mask`` knows the text alone. A ``Masker`` also knows what belongs to the business itself and is left readable, and
what was learned of one call: the caller's number, the names he gave, which are then masked wherever they occur in it.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from engine.privacy import words as vocabulary
from engine.privacy.finding import Finding, Kind, normal, words_of
from engine.privacy.numbers import find_numbers
from engine.privacy.people import bare_name, find_addresses, find_emails, find_names, told_address

LONGEST_TEXT: Final = 8_000
"""Characters that are looked at; what lies behind is cut off, for what is not looked at cannot be shown."""
_MOST_LEARNED: Final = 64
_LEAST_NAME: Final = 3
"""Letters of a name that is masked wherever it occurs."""

SLOTS: Final[dict[str, Kind]] = {
    **dict.fromkeys(
        ("phone", "customer_phone", "caller", "caller_number", "phone_number", "callback", "mobile"), Kind.PHONE
    ),
    **dict.fromkeys(
        ("customer_name", "caller_name", "first_name", "last_name", "full_name", "surname", "patient"), Kind.NAME
    ),
    **dict.fromkeys(("patient_name", "contact_name", "owner_name"), Kind.NAME),
    **dict.fromkeys(("address", "street", "flat", "apartment", "delivery_address", "postcode", "zip"), Kind.ADDRESS),
    **dict.fromkeys(("email", "e_mail", "mail"), Kind.EMAIL),
    **dict.fromkeys(("card", "card_number"), Kind.CARD),
}
"""Names of arguments, columns and fields whose whole value is personal, whatever it looks like."""

_SLOT: Final = re.compile(
    rf"(?<!\w)(?:{'|'.join(sorted(SLOTS, key=len, reverse=True))})[\"']?\s?(?:=\s?|:\s?(?=[\"'+\d]))"
    r"(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>[^\s,;&)\]}\"']+(?:\s[A-ZА-ЯІЇЄҐ][^\s,;&)\]}\"']*)*))",
    re.IGNORECASE,
)
_NOTHING: Final = frozenset({"", "none", "null", "not_said", "true", "false"})


class Asked(Enum):
    """What the last question was for: an answer to it needs no words that announce what it is."""

    NOTHING = auto()
    NAME = auto()
    PHONE = auto()
    ADDRESS = auto()
    EMAIL = auto()
    ORDER = auto()
    SIZE = auto()


def _pattern(texts: Iterable[str], end: str = "") -> re.Pattern[str]:
    return re.compile("(?:" + "|".join(texts) + ")" + end)


_QUESTIONS: Final = (
    (Asked.ORDER, _pattern(vocabulary.ASKS_FOR_ORDER)),
    (Asked.EMAIL, _pattern(vocabulary.ASKS_FOR_EMAIL)),
    (Asked.ADDRESS, _pattern(vocabulary.ASKS_FOR_ADDRESS)),
    (Asked.PHONE, _pattern(vocabulary.ASKS_FOR_PHONE)),
    (Asked.NAME, _pattern(vocabulary.ASKS_FOR_NAME)),
    (Asked.SIZE, _pattern(vocabulary.ASKS_FOR_SIZE)),
)
_NAME_BEGUN: Final = _pattern(vocabulary.NAME_INTRODUCTIONS, r"\W*$")
_SENTENCES: Final = re.compile(r"(?<=[.!?])\s+")


def asked_by(text: str) -> Asked:
    """What the agent's words ask for; the last of its sentences that asks for something counts."""
    for sentence in reversed(_SENTENCES.split(normal(text))):
        for asked, pattern in _QUESTIONS:
            if pattern.search(sentence):
                return asked
    return Asked.NOTHING


def begun_by(text: str) -> Asked:
    """What the caller was about to say when his words ended: a name after "my name is"."""
    return Asked.NAME if _NAME_BEGUN.search(normal(text)) else Asked.NOTHING


@lru_cache(maxsize=16)
def _allowed_of(business: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """The numbers and the phrases that stand in the business's own texts.

    Kept: a playbook's texts take 20 ms, and each onlooker of each call has a masker of his own.
    """
    numbers, phrases = set[str](), set[str]()
    for text in business:
        for finding in _find(text):
            if finding.value:
                numbers.add(finding.value)
            else:
                phrases.add(_phrase(text[finding.start : finding.end]))
    return frozenset(numbers), frozenset(phrases)


class Masker:
    """Masks, with what is known of the business and of one call. Not thread-safe for learning."""

    def __init__(self, business: Iterable[str] = ()) -> None:
        """``business``: texts of the business itself; personal data that stands in them is not masked."""
        self._allowed_numbers, self._allowed = _allowed_of(tuple(business))
        self._numbers: frozenset[str] = frozenset()
        self._names: OrderedDict[str, None] = OrderedDict()
        self._named: re.Pattern[str] | None = None

    # -- what is learned of a call ------------------------------------------------------------------------------------

    def learn_number(self, number: str) -> None:
        """A telephone number of the caller, in any form: four digits of its end are then enough to be masked."""
        digits = re.sub(r"\D", "", number)
        if len(digits) >= 4 and len(self._numbers) < _MOST_LEARNED:
            self._numbers |= {digits}

    def learn_name(self, name: str) -> None:
        """A name: masked from now on wherever it occurs, in capital letters or not."""
        before = len(self._names)
        for word in re.findall(r"[^\W\d_]+(?:[-'’ʼ][^\W\d_]+)*", name):
            plain = normal(word)
            if len(plain) >= _LEAST_NAME and plain not in vocabulary.STOPS and plain not in self._names:
                self._names[plain] = None
        while len(self._names) > _MOST_LEARNED:
            self._names.popitem(last=False)
        if len(self._names) != before:
            names = "|".join(re.escape(known) for known in sorted(self._names, key=len, reverse=True))
            self._named = re.compile(rf"(?<!\w)(?:{names})(?!\w)")

    def learn_slots(self, arguments: object) -> None:
        """The names and numbers among the arguments of a tool."""
        if not isinstance(arguments, dict):
            return
        for slot, value in arguments.items():
            kind = SLOTS.get(str(slot).lower())
            if kind is Kind.NAME:
                self.learn_name(str(value))
            elif kind is Kind.PHONE:
                self.learn_number(str(value))

    # -- masking ------------------------------------------------------------------------------------------------------

    def find(self, text: str, asked: Asked = Asked.NOTHING, *, unfinished: bool = False) -> list[Finding]:
        """What is personal in ``text``, in its order, none overlapping another."""
        found = _find(text, asked, unfinished=unfinished, known=self._numbers)
        if self._named is not None:
            found += [Finding(Kind.NAME, *match.span()) for match in self._named.finditer(normal(text))]
        return _merged([finding for finding in found if not self._is_allowed(finding, text)], text)

    def mask(self, text: str, asked: Asked = Asked.NOTHING, *, unfinished: bool = False, learn: bool = False) -> str:
        """``text`` with a mark in place of what is personal.

        ``asked``: the question that it answers. ``unfinished``: more of it may come. ``learn``: from the names in it.
        """
        if len(text) > LONGEST_TEXT:
            text = text[:LONGEST_TEXT] + " …"
        found = self.find(text, asked, unfinished=unfinished)
        if not found:
            return text
        pieces, at = [], 0
        for finding in found:
            pieces += [text[at : finding.start], finding.kind.value]
            at = finding.end
            if learn and finding.kind is Kind.NAME and text[finding.start].isupper():
                self.learn_name(text[finding.start : finding.end])
        return "".join((*pieces, text[at:]))

    def value(self, value: object, slot: str = "") -> object:
        """Any plain value, with what is personal in it masked; ``slot`` is the name it goes by."""
        kind = SLOTS.get(slot.lower())
        if isinstance(value, dict):
            return {key: self.value(inner, str(key)) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner, slot) for inner in value]
        if kind is not None and value is not None and str(value).lower() not in _NOTHING:
            return kind.value
        if value is None or isinstance(value, bool | float | int):
            return value
        return self.mask(str(value))

    def _is_allowed(self, finding: Finding, text: str) -> bool:
        if finding.value and self._allowed_numbers:
            return any(_same_number(finding.value, known) for known in self._allowed_numbers)
        if not self._allowed:
            return False
        phrase = _phrase(text[finding.start : finding.end])
        return any(f" {phrase} " in f" {known} " for known in self._allowed)


def cacheable(text: str, masker: Masker | None = None) -> bool:
    """Whether ``text`` (or its audio) may be kept on disk: there is nothing of anybody in it."""
    return len(text) <= LONGEST_TEXT and not (masker or _NOBODY).find(text)


def mask(text: str) -> str:
    """``text`` with a mark such as ``[phone]`` in place of everything personal that can be seen from it alone."""
    return _mask(text) if len(text) < 300 else _NOBODY.mask(text)


@lru_cache(maxsize=256)
def _mask(text: str) -> str:
    return _NOBODY.mask(text)


def _find(
    text: str, asked: Asked = Asked.NOTHING, *, unfinished: bool = False, known: frozenset[str] = frozenset()
) -> list[Finding]:
    words = words_of(text)
    found = find_numbers(
        text,
        words,
        asked_phone=asked is Asked.PHONE,
        asked_order=asked is Asked.ORDER,
        asked_size=asked is Asked.SIZE,
        unfinished=unfinished,
        known=known,
    )
    if not any(not word.text.isdecimal() for word in words):
        return found
    found += find_emails(text)
    found += find_addresses(text)
    found += find_names(text)
    if asked is Asked.NAME:
        found += bare_name(text)
    elif asked is Asked.ADDRESS and words:
        found += told_address(text)
    elif asked is Asked.EMAIL:
        found += told_address(text) if len(words) > 1 else []
    if "=" in text or ":" in text:
        found += _slots(text)
    return found


def _slots(text: str) -> list[Finding]:
    """Values with the name of a personal slot before them: ``customer_name='…'``, as it stands in tracebacks."""
    found = []
    for match in _SLOT.finditer(text):
        group = next(name for name in ("double", "single", "bare") if match[name] is not None)
        name = re.match(r"\w+", match.group())
        if name is not None and match[group].lower() not in _NOTHING and not match[group].startswith("["):
            found.append(Finding(SLOTS[name.group().lower()], *match.span(group)))
    return found


def _merged(found: list[Finding], text: str) -> list[Finding]:
    """In their order, what overlaps or goes on as one: a first and a last name are one name."""
    merged: list[Finding] = []
    for finding in sorted(found, key=lambda one: (one.start, -one.end)):
        if merged and (finding.start < merged[-1].end or _goes_on(merged[-1], finding, text)):
            last = merged[-1]
            merged[-1] = Finding(last.kind, last.start, max(last.end, finding.end), last.value)
        else:
            merged.append(finding)
    return merged


def _goes_on(left: Finding, right: Finding, text: str) -> bool:
    return left.kind is right.kind is Kind.NAME and text[left.end : right.start].isspace()


def _phrase(text: str) -> str:
    return " ".join(word.text for word in words_of(text))


def _same_number(one: str, other: str) -> bool:
    """Whether two numbers are one, with or without the country's prefix."""
    shorter, longer = sorted((one, other), key=len)
    return one == other or (len(shorter) >= 9 and longer.endswith(shorter[1:] if shorter[0] == "0" else shorter))


_NOBODY: Final = Masker()
