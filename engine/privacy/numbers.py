"""Telephone and card numbers, written, spoken and mixed: rows of digits that are too long to be anything else.

Seven digits in a row are a number of somebody's, unless they are seen to be something harmless: a tyre's size, a date,
opening hours, an amount of money, an order's number that is announced as one. Which of the two a doubtful row is, is
decided for the person.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from unicodedata import digit as digit_value

from engine.privacy import words as vocabulary
from engine.privacy.finding import Finding, Kind, Word

LEAST_DIGITS: Final = 7
LEAST_ANNOUNCED: Final = 4
"""Behind a word such as "telephone"; a caller may be cut off in the middle of a number."""
LEAST_OWN: Final = 6
"""Behind "my number is", which may be an order's too."""
LEAST_ASKED: Final = 2
"""Where a telephone number was asked for: it often comes in pieces."""
LONGEST_ORDER: Final = 9
LEAST_UNFINISHED: Final = 5
"""At the end of a text that is still being said."""
_CARD_DIGITS: Final = range(13, 20)
_LONGEST_PHONE: Final = 15
_LEAST_GLUED: Final = 9
"""Digits that touch a letter are the number of a thing (T1042), unless there are so many."""
_CONTEXT: Final = 6
"""Words that are looked back for what announces a number."""
_CORRECTED: Final = 4
"""Words between the two tries of a number that is said anew."""

_HARMLESS: Final = re.compile(
    r"""
      \b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b     # ids of calls
    | \b(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]{16,}\b                # ids of Ray, digests
    | (?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])(?::\d{1,5})?                # addresses of machines
    | (?<!\d)(?:19|20)\d\d-[01]\d-[0-3]\d(?!\d)(?:[T_ ][0-2]\d[:-][0-5]\d(?:[:-][0-5]\d)?(?:[.,]\d+)?)?
    | (?<![\d./])\d{1,2}[./]\d{1,2}[./](?:19|20)?\d\d(?![\d]|[./ -]\d)        # dates
    | (?<!\d)[0-2]?\d[:.][0-5]\d\s?(?:-|–|to|до)\s?[0-2]?\d[:.][0-5]\d(?!\d)  # opening hours
    | (?<![\d:])[0-2]?\d:[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?(?![\d:])
    | (?<!\d)(?<!\d[ -])(?:[01]?\d|2[0-4])\s?[-–]\s?(?:[01]?\d|2[0-4])(?!\d|[ -]\d)
    | (?<![\d/])\d{3}\s?[/x]\s?\d{2}(?:\s?/?\s?z?r?\s?\d{2}c?)?(?![\d]|[ /-]\d)   # sizes with their stroke
    | (?<!\d)\d{3}[ ,/-]{1,2}\d{2}\s?,?\s?z?r\s?\d{2}c?(?!\d)
    | (?<![\d.])(?<!\d[ -])(?!0\d)(?!\d{3}\.\d{4}\b)\d{1,6}\.\d{1,6}(?![\d.]|[ -]\d)   # fractions
    | [$€£₴]\s?\d{1,3}(?:[ ,]\d{3})+(?:\.\d\d)?(?!\d)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_GAP: Final = re.compile(r"[\s\-–—().,…+/]{0,4}")
_PAUSE: Final = re.compile(r"[.,…;]")


@dataclass(slots=True)
class _Group:
    """Digits said in one breath."""

    digits: str
    start: int
    end: int
    first: int
    """Index of its first word."""
    last: int
    room: int = 1
    """What a smaller number may still be added to it: 100 after "two hundred", 10 after "twenty", 1: nothing."""
    single: bool = False
    """One digit."""


@dataclass(slots=True)
class _Run:
    """Groups with nothing but pauses between them."""

    groups: list[_Group] = field(default_factory=list)

    @property
    def digits(self) -> str:
        return "".join(group.digits for group in self.groups)

    @property
    def start(self) -> int:
        return self.groups[0].start

    @property
    def end(self) -> int:
        return self.groups[-1].end


def find_numbers(
    text: str,
    words: Sequence[Word],
    *,
    asked_phone: bool = False,
    asked_order: bool = False,
    asked_size: bool = False,
    unfinished: bool = False,
    known: frozenset[str] = frozenset(),
) -> list[Finding]:
    """Telephone and card numbers of ``text``, whose words are ``words``.

    ``asked_phone``, ``asked_order``, ``asked_size``: it answers a question for one. ``unfinished``: more words may
    come. ``known``: digits of somebody's numbers; a row that ends like one of them is found at four digits.
    """
    harmless = [match.span() for match in _HARMLESS.finditer(text)] if any(c.isdecimal() for c in text) else []
    found: list[Finding] = []
    doubtful: list[_Run] = []
    for run in _Rows(text, words, harmless).runs():
        before = _before(words, run.groups[0].first) + ["order"] * asked_order + ["size"] * asked_size
        least = _least(before, asked_phone=asked_phone)
        announced = least < LEAST_DIGITS
        if unfinished and run.groups[-1].last == len(words) - 1 and _last_of(before, vocabulary.ORDER_WORDS) < 0:
            least = min(least, LEAST_UNFINISHED)
        digits = run.digits
        ends_like_known = len(digits) >= LEAST_ANNOUNCED and any(number.endswith(digits) for number in known)
        if ends_like_known or (
            len(digits) >= least and not _is_harmless(run, text, words, before, announced=announced)
        ):
            found.append(Finding(_kind(digits), run.start, run.end, digits))
        elif len(digits) >= 3:
            doubtful.append(run)
    found += _said_anew(doubtful, found, words)
    return found + _glued(text, words, harmless)


def passes_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit that payment cards have."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = digit_value(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


class _Rows:
    """Reads the rows of digits."""

    def __init__(self, text: str, words: Sequence[Word], harmless: Sequence[tuple[int, int]]) -> None:
        self._text = text
        self._words = words
        self._harmless = harmless
        self._runs: list[_Run] = []
        self._open = False
        self._times = 1

    def runs(self) -> list[_Run]:
        for index, word in enumerate(self._words):
            if index and self._open and not self._is_pause(self._words[index - 1].end, word.start):
                self._close()
            self._take(index, word)
        return [part for run in self._runs for part in self._parted(run)]

    def _take(self, index: int, word: Word) -> None:
        name = word.text
        if name.isdecimal():
            if _within(word.start, word.end, self._harmless) or self._is_glued(index):
                self._close()
                return
            self._add(index, name * (self._times if len(name) == 1 else 1), single=len(name) == 1)
        elif name in vocabulary.UNITS:
            self._value(index, vocabulary.UNITS[name], size=1)
        elif name in vocabulary.TEENS:
            self._value(index, vocabulary.TEENS[name], size=10)
        elif name in vocabulary.TENS:
            self._value(index, vocabulary.TENS[name], size=10, room=10)
        elif name in vocabulary.HUNDREDS:
            self._value(index, vocabulary.HUNDREDS[name], size=100, room=100)
        elif name == vocabulary.HUNDRED:
            self._hundred(index)
        elif name in vocabulary.REPEATS:
            self._times = vocabulary.REPEATS[name]
            return
        elif not self._goes_on(index, name):
            self._close()
        self._times = 1

    def _value(self, index: int, value: int, *, size: int, room: int = 1) -> None:
        last = self._runs[-1].groups[-1] if self._open else None
        if last is not None and value and last.room > size and self._words[last.last].end <= self._words[index].start:
            last.digits = str(int(last.digits) + value)
            last.end, last.last, last.room, last.single = self._words[index].end, index, room, False
            return
        digits = str(value) * (self._times if size == 1 else 1)
        self._add(index, digits, room=room, single=size == 1)

    def _hundred(self, index: int) -> None:
        last = self._runs[-1].groups[-1] if self._open else None
        if last is not None and last.single and len(last.digits) == 1:
            last.digits += "00"
            last.end, last.last, last.room, last.single = self._words[index].end, index, 100, False
        else:
            self._add(index, "100", room=100)

    def _goes_on(self, index: int, name: str) -> bool:
        """Whether a word that is no number leaves the row open."""
        if not self._open:
            return False
        last = self._runs[-1].groups[-1]
        if name in vocabulary.BETWEEN_DIGITS:
            return True
        if name == "and" and last.room == 100:
            return True
        following = self._words[index + 1].text if index + 1 < len(self._words) else ""
        if name in vocabulary.SOUND_LIKE_DIGITS and last.single and _is_digit(following):
            self._add(index, str(vocabulary.SOUND_LIKE_DIGITS[name]), single=True)
            return True
        return False

    def _add(self, index: int, digits: str, *, room: int = 1, single: bool = False) -> None:
        word = self._words[index]
        start = word.start
        if not self._open:
            self._runs.append(_Run())
            self._open = True
            if start and self._text[start - 1] == "+":
                start -= 1
        self._runs[-1].groups.append(_Group(digits, start, word.end, index, index, room, single))

    def _close(self) -> None:
        self._open = False

    def _is_pause(self, start: int, end: int) -> bool:
        return _GAP.fullmatch(self._text, start, end) is not None

    def _is_glued(self, index: int) -> bool:
        """Whether the digits touch a letter, or hang on one by a hyphen: R16, T-1042, 17C."""
        word = self._words[index]
        before = self._text[max(0, word.start - 2) : word.start]
        after = self._text[word.end : word.end + 1]
        if after.isalpha() or after == "_" or before[-1:].isalpha() or before[-1:] == "_":
            return True
        if before[-1:] in {"-", "–"} and before[:1].isalpha() and index:
            return self._words[index - 1].text not in vocabulary.UNITS
        return False

    def _parted(self, run: _Run) -> list[_Run]:
        """A pause sets a whole number apart: "four, 5551234567" are two."""
        parts = [_Run([run.groups[0]])]
        for group in run.groups[1:]:
            before = parts[-1].groups[-1]
            whole = max(len(group.digits), len(before.digits)) >= LEAST_DIGITS
            if whole and _PAUSE.search(self._text, before.end, group.start):
                parts.append(_Run())
            parts[-1].groups.append(group)
        return parts


def _is_digit(name: str) -> bool:
    return name in vocabulary.UNITS or name in vocabulary.REPEATS or (len(name) == 1 and name.isdecimal())


def _within(start: int, end: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(left <= start and end <= right for left, right in spans)


def _before(words: Sequence[Word], first: int) -> list[str]:
    return [word.text for word in words[max(0, first - _CONTEXT) : first]]


def _last_of(names: Sequence[str], wanted: frozenset[str]) -> int:
    return max((place for place, name in enumerate(names) if name in wanted), default=-1)


def _least(before: Sequence[str], *, asked_phone: bool) -> int:
    """How many digits make a number of somebody's, after these words."""
    phone, order = _last_of(before, vocabulary.PHONE_WORDS), _last_of(before, vocabulary.ORDER_WORDS)
    if phone > order:
        return LEAST_ANNOUNCED
    if asked_phone and order < 0:
        return LEAST_ASKED
    if order < 0 and any(announced in " ".join(before) for announced in vocabulary.OWN_NUMBER):
        return LEAST_OWN
    return LEAST_DIGITS


def _is_harmless(run: _Run, text: str, words: Sequence[Word], before: Sequence[str], *, announced: bool) -> bool:
    digits = run.digits
    plus = text[run.start] == "+"
    ordered = _last_of(before, vocabulary.ORDER_WORDS) >= 0
    if ordered and not announced and not plus and digits[0] != "0" and len(digits) <= LONGEST_ORDER:
        return True
    if not announced and _has_size(run, before):
        return True
    after = words[run.groups[-1].last + 1].text if run.groups[-1].last + 1 < len(words) else ""
    if after in vocabulary.CURRENCY and digits[0] != "0" and not plus:
        return len(run.groups) == 1 or all(len(group.digits) == 3 for group in run.groups[1:])
    prices = len(run.groups) > 1 and all(len(group.digits) == 4 for group in run.groups)
    return (
        prices
        and digits[0] != "0"
        and len(digits) not in _CARD_DIGITS
        and _PAUSE.search(text, run.start, run.end) is not None
    )


def _has_size(run: _Run, before: Sequence[str]) -> bool:
    """Whether it is a tyre's size, alone or beside how many are wanted."""
    if len(run.digits) > 9:
        return False
    told = any(name in vocabulary.SIZE_WORDS for name in before)
    if not told and (len(run.groups) == 1 or all(group.single for group in run.groups)):
        return False
    bounds = [0]
    for group in run.groups:
        bounds.append(bounds[-1] + len(group.digits))
    digits = run.digits
    return any(_plausible(digits[start : start + 7]) and start + 7 in bounds for start in bounds)


def _plausible(digits: str) -> bool:
    """Whether seven digits are width, profile and diameter of a tyre."""
    if len(digits) != 7 or not digits.isdecimal():
        return False
    width, profile, diameter = int(digits[:3]), int(digits[3:5]), int(digits[5:])
    return 125 <= width <= 395 and width % 10 == 5 and 25 <= profile <= 85 and profile % 5 == 0 and 12 <= diameter <= 24


def _kind(digits: str) -> Kind:
    card = len(digits) in _CARD_DIGITS and (passes_luhn(digits) or len(digits) > _LONGEST_PHONE)
    return Kind.CARD if card else Kind.PHONE


def _said_anew(doubtful: Sequence[_Run], found: Sequence[Finding], words: Sequence[Word]) -> list[Finding]:
    """The first try of a number that was taken back in the middle: "zero five zero five, no, zero six…"."""
    anew: list[Finding] = []
    places = {word.start: index for index, word in enumerate(words)}
    for run in reversed(doubtful):
        after = run.groups[-1].last + 1
        for number in [*found, *anew]:
            index = next((place for start, place in places.items() if number.start <= start < number.end), -1)
            between = [word.text for word in words[after:index]]
            if 0 < len(between) <= _CORRECTED and any(name in vocabulary.CORRECTIONS for name in between):
                anew.append(Finding(number.kind, run.start, run.end))
                break
    return anew


def _glued(text: str, words: Sequence[Word], harmless: Sequence[tuple[int, int]]) -> list[Finding]:
    """Long numbers that touch a letter or an underscore."""
    return [
        Finding(_kind(word.text), word.start, word.end, word.text)
        for word in words
        if len(word.text) >= _LEAST_GLUED
        and word.text.isdecimal()
        and not _within(word.start, word.end, harmless)
        and (text[max(0, word.start - 1) : word.start].isalpha() or text[word.end : word.end + 1].isalpha())
    ]
