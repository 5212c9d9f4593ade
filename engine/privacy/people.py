"""Names, e-mail addresses and postal addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from engine.privacy import words as vocabulary
from engine.privacy.finding import Finding, Kind, normal

_NAME_WORDS: Final = 4
"""Words of a name, at most."""
_ALSO_NAMES: Final = frozenset({"will", "may", "april", "june", "august", "summer", "winter"})
"""Words that are names too where a name is announced."""
_NAME_PART: Final = re.compile(r"[\s.:,…\"'«]{0,3}([^\W\d_]+(?:[-'’ʼ][^\W\d_]+)*)")
_ADDRESS_WORDS: Final = 10
_CLAUSE_END: Final = re.compile(r"[?!;]|\.(?:\s|$)|\n")


def _any(patterns: Iterable[str]) -> str:
    return "(?:" + "|".join(patterns) + ")"


def _words(patterns: Iterable[str]) -> str:
    return rf"(?<!\w){_any(patterns)}(?!\w)"


_INTRODUCED: Final = re.compile(rf"(?<!\w){_any(vocabulary.NAME_INTRODUCTIONS)}(?!\w)")
_HINTED: Final = re.compile(_words(vocabulary.NAME_HINTS))
_TITLED: Final = re.compile(rf"(?<!\w){_any(vocabulary.TITLES)}(?!\w)\.?")
_ENDED: Final = re.compile(
    r"(?<!\w)((?:[^\W\d_][\w'’-]*\s){1,3})(?:" + "|".join(sorted(vocabulary.NAME_ENDS)) + r")(?!\w)", re.IGNORECASE
)
_SPELLED: Final = re.compile(r"(?<![\w'’ʼ])[^\W\d_](?:(?:\s?[-–.,]\s?|\s)[^\W\d_](?!\w)){2,}")

_LETTERS_OR_DIGITS: Final = r"[^\W_]{1,40}"
_WRITTEN_EMAIL: Final = re.compile(r"(?<![\w.%+-])[\w.%+-]++@[\w-]++(?:\.[\w-]++)*")
_DOT: Final = rf"(?:\s?\.\s?|\s{_any(vocabulary.DOT_WORDS)}\s)"
_DASHES: Final = r"(?:dash|underscore|hyphen|minus|тире|дефис|(?:нижнее )?подчеркивание|підкреслення)"
_JOIN: Final = rf"(?:{_DOT}|\s?[-_]\s?|\s{_DASHES}\s)"
_SPOKEN_EMAIL: Final = re.compile(
    rf"(?<!\w)(?P<local>{_LETTERS_OR_DIGITS}(?:{_JOIN}{_LETTERS_OR_DIGITS}){{0,4}})\s{_any(vocabulary.AT_WORDS)}\s"
    rf"{_LETTERS_OR_DIGITS}(?:\s{_LETTERS_OR_DIGITS})?(?:{_DOT}{_LETTERS_OR_DIGITS}){{0,2}}"
    rf"{_DOT}{_any(vocabulary.DOMAIN_ENDS)}(?!\w)"
)
_BEFORE_LOCAL: Final = re.compile(r"((?:[^\W_]+\s){1,3})$")
_BEFORE_STOPS: Final = frozenset(
    {"email", "mail", "address", "почта", "почту", "пошта", "адрес", "адреса", "имейл", "імейл"}
)

_NUMBER_WORD: Final = _any(
    sorted(
        {*vocabulary.UNITS, *vocabulary.TEENS, *vocabulary.TENS, *vocabulary.HUNDREDS, "hundred"}, key=len, reverse=True
    )
)
_NUMBER: Final = (
    r"(?:\d{1,5}(?:\s?/\s?\d+)?(?:\s?[a-zа-яіїє](?!\w))?|"
    rf"{_NUMBER_WORD}(?:[\s-]{_NUMBER_WORD}){{0,4}}(?:\s[a-zа-яіїє](?!\w))?)"
)
_STREET_NAME: Final = r"(?!(?:way|on|in|at|of|to|the|a|and|from|for|or|by|is|are|it)\b)[^\W\d_][\w'’-]*"
_STREET_EN: Final = re.compile(
    rf"(?<!\w)(?:{_NUMBER},?\s)?(?:{_STREET_NAME}\s){{1,3}}{_any(sorted(vocabulary.STREET_AFTER))}(?!\w)"
    rf"(?:,?\s(?:number\s)?{_NUMBER}(?!\w))?"
)
_STREET_WEAK: Final = re.compile(
    rf"(?<!\w){_NUMBER},?\s(?:[A-ZА-ЯІЇЄҐ][\w'’-]*\s){{1,3}}"
    rf"{_any(word.capitalize() for word in sorted(vocabulary.STREET_AFTER_CAPITAL))}(?!\w)"
)
_STREET_BEFORE: Final = re.compile(
    rf"(?<!\w){_any(vocabulary.STREET_BEFORE)}(?!\w)\s?(?:[^\W\d_][\w'’.-]*\s?){{1,3}}?,?\s?"
    rf"(?:{_any(vocabulary.DWELLINGS)}\s)?{_NUMBER}(?!\w)"
)
_DWELLING: Final = re.compile(rf"(?<!\w){_any(vocabulary.DWELLINGS)}\s?(?:number\s|№\s?)?{_NUMBER}(?!\w)")
_ADDRESS_TOLD: Final = re.compile(rf"(?<!\w){_any(vocabulary.ADDRESS_INTRODUCTIONS)}", re.IGNORECASE)
_POSTCODE: Final = re.compile(
    rf"(?<!\w){_any(vocabulary.POSTCODE_WORDS)}(?!\w)\W{{0,2}}(?:is\s|це\s|это\s)?"
    rf"(?P<code>{_LETTERS_OR_DIGITS}(?:[\s,-]+{_any(['[0-9]+', _NUMBER_WORD, '[a-z]'])}){{0,6}})"
)
_BRITISH_POSTCODE: Final = re.compile(r"\b[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}\b")


def find_names(text: str) -> list[Finding]:
    """Names that somebody introduces himself or another by, that follow a title, and what is spelled letter by letter.

    A name out of the blue ("John Smith called") is not found: no list of names would be long enough.
    """
    plain = normal(text)
    found: list[Finding] = []
    for match in _INTRODUCED.finditer(plain):
        found += _name_from(text, match.end(), sure=True)
    for match in _TITLED.finditer(plain):
        if text[match.start()].isupper() or match.group().rstrip(".") in {"mr", "mrs", "ms", "пан", "пані"}:
            found += _name_from(text, match.end(), sure=True, longest=2)
    for match in _HINTED.finditer(plain):
        found += _name_from(text, match.end(), sure=False)
    for match in _ENDED.finditer(text):
        found += _name_before(text, match)
    for match in _SPELLED.finditer(text):
        found += _spelled(match)
    return found


def bare_name(text: str) -> list[Finding]:
    """The names of an answer to "what is your name?": every word that is not one of everyday language."""
    return [
        Finding(Kind.NAME, *match.span())
        for match in re.finditer(r"[^\W\d_]+(?:[-'’ʼ][^\W\d_]+)*", text)
        if normal(match.group()) not in vocabulary.STOPS
        or (match.group()[0].isupper() and match.start() > 0 and normal(match.group()) in _ALSO_NAMES)
    ]


def _name_from(text: str, start: int, *, sure: bool, longest: int = _NAME_WORDS) -> list[Finding]:
    """The name that begins at ``start``. ``sure``: there is one, however it is written."""
    first, end, capital = -1, start, False
    for count in range(longest):
        match = _NAME_PART.match(text, end)
        if match is None:
            break
        word = match[1]
        upper, known = word[0].isupper(), normal(word) in vocabulary.STOPS
        paused = any(mark in text[end : match.start(1)] for mark in ".,…")
        if count == 0:
            is_name = (upper and (not known or (sure and normal(word) not in {"i", "i'm"}))) or (
                sure and (not known or normal(word) in _ALSO_NAMES)
            )
            capital = upper
        else:
            is_name = (upper or (not capital and sure)) and not known and (not paused or upper)
            is_name = is_name or normal(word) in vocabulary.NAME_PARTICLES
            if paused and "." in text[end : match.start(1)] and len(text[first:end]) > 2:
                is_name = False  # another sentence begins
        if not is_name or normal(word) in vocabulary.NAME_ENDS:
            break
        if first < 0:
            first = match.start(1)
        end = match.end(1)
    return [Finding(Kind.NAME, first, end)] if first >= 0 else []


def _name_before(text: str, match: re.Match[str]) -> list[Finding]:
    """The name before "speaking": with capital letters, or behind a hint."""
    start, end = match.start(1), match.end(1)
    words = re.finditer(r"[^\W\d_][\w'’-]*", text[start:end])
    names = [(start + word.start(), start + word.end()) for word in words]
    kept: list[tuple[int, int]] = []
    for left, right in reversed(names):
        word_text = text[left:right]
        if normal(word_text) in vocabulary.STOPS:
            break
        if not word_text[0].isupper() and not _hinted(text, left, kept):
            break
        kept.append((left, right))
    return [Finding(Kind.NAME, kept[-1][0], kept[0][1])] if kept else []


def _hinted(text: str, start: int, kept: Sequence[tuple[int, int]]) -> bool:
    """Whether a hint stands within two words before ``start``, for a recogniser that writes no capitals."""
    before = normal(text[max(0, start - 30) : start])
    return len(kept) < 3 and re.search(_words(vocabulary.NAME_HINTS) + r"(?:\s\w+)?\s$", before) is not None


def _spelled(match: re.Match[str]) -> list[Finding]:
    letters = re.findall(r"[^\W\d_]", match.group())
    joined = "".join(letters).lower()
    hyphened = any(mark in match.group() for mark in "-–.")
    if joined in vocabulary.LETTER_NAMES or (len(letters) < 4 and not (hyphened or match.group().isupper())):
        return []
    return [Finding(Kind.NAME, *match.span())]


def find_emails(text: str) -> list[Finding]:
    """E-mail addresses, written and spoken."""
    found = [Finding(Kind.EMAIL, *match.span()) for match in _WRITTEN_EMAIL.finditer(text)] if "@" in text else []
    plain = normal(text)
    for match in _SPOKEN_EMAIL.finditer(plain):
        start = match.start()
        before = _BEFORE_LOCAL.search(plain, max(0, start - 40), start)
        for word in reversed(list(re.finditer(r"[^\W_]+", before[1]))) if before is not None else []:
            if word.group() in vocabulary.STOPS or word.group() in _BEFORE_STOPS:
                break
            start = before.start(1) + word.start()  # type: ignore[union-attr]
        found.append(Finding(Kind.EMAIL, start, match.end()))
    return found


def find_addresses(text: str) -> list[Finding]:
    """Streets with a number, dwellings, post codes, and what somebody says to be his address."""
    plain = normal(text)
    found = [Finding(Kind.ADDRESS, *match.span()) for match in _STREET_EN.finditer(plain) if _is_address(match, text)]
    for source, pattern in (
        (text, _STREET_WEAK),
        (plain, _STREET_BEFORE),
        (plain, _DWELLING),
        (text, _BRITISH_POSTCODE),
    ):
        found += [Finding(Kind.ADDRESS, *match.span()) for match in pattern.finditer(source)]
    for match in _POSTCODE.finditer(plain):
        if any(c.isdecimal() for c in match["code"]) or re.search(_NUMBER_WORD, match["code"]):
            found.append(Finding(Kind.ADDRESS, *match.span("code")))
    for match in _ADDRESS_TOLD.finditer(text):
        found += told_address(text, match.end())
    return found


def told_address(text: str, start: int = 0) -> list[Finding]:
    """The rest of the clause that begins at ``start``, ten words at most: somebody says where he lives."""
    end_match = _CLAUSE_END.search(text, start)
    end = end_match.start() if end_match is not None else len(text)
    words = list(re.finditer(r"[\w'’-]+", text[start:end]))[:_ADDRESS_WORDS]
    kept = [word for word in words if word.group()]
    while kept and normal(kept[0].group()) in vocabulary.STOPS:
        kept.pop(0)
    return [Finding(Kind.ADDRESS, start + kept[0].start(), start + kept[-1].end())] if kept else []


def _is_address(match: re.Match[str], text: str) -> bool:
    """A street's name without a number is one where all of it has capital letters."""
    found = text[match.start() : match.end()]
    numbered = re.search(r"\d", found) or re.search(rf"(?<!\w){_NUMBER_WORD}(?!\w)", normal(found))
    return numbered is not None or all(word[0].isupper() for word in found.split())
