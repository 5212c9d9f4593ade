"""Small patterns over spoken words: the ground under ``dates``, ``times`` and ``assent``.

The notation stands in ``languages.tables``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(
    r"[ap]\.\s?m\b\.?"
    r"|(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)"
    r"|(?<![\d:])\d{1,2}:\d{2}(?![\d:])"
    r"|(?<![\d/.])\d{1,2}([./])\d{1,2}(?:\1(?:20)?\d{2})?(?![\d/]|\.\d)"
    r"|\d+(?:st|nd|rd|th|-?(?:ого|его|го|ое|ье|е|є|ій|ій|й|ої|ї|ую|ю|у|ою|ей))\b"
    r"|\d+"
    r"|[^\W\d_]+(?:['-][^\W\d_]+)*"
    r"|[^\w\s]|_",
    re.IGNORECASE,
)
_SAME_LENGTH = str.maketrans({"ё": "е", "’": "'", "ʼ": "'", "`": "'", "–": "-", "—": "-"})
_PAUSES = frozenset({",", "-", "…"})


@dataclass(frozen=True, slots=True)
class Word:
    """One word, number or sign of a text."""

    text: str
    """In lower case, with a straight apostrophe and without "ё"."""
    start: int
    end: int

    @property
    def number(self) -> int | None:
        """The value of plain digits."""
        return int(self.text) if self.text.isdecimal() and self.text.isascii() and len(self.text) <= 9 else None


@lru_cache(maxsize=256)
def words_in(text: str) -> tuple[Word, ...]:
    """The words of ``text`` in order; "p.m." and "p m" are "pm", hyphens part words except in "a-b" names."""
    found: list[Word] = []
    plain = text.translate(_SAME_LENGTH)
    for match in _WORD.finditer(plain):
        found += _parted(match.group().lower(), match.start())
    merged: list[Word] = []
    for word in found:
        if word.text == "m" and merged and merged[-1].text in {"a", "p"}:
            merged[-1] = Word(merged[-1].text + "m", merged[-1].start, word.end)
        else:
            merged.append(word)
    return tuple(merged)


def _parted(text: str, start: int) -> Iterator[Word]:
    if text[0] in "ap" and text[1:2] == ".":
        yield Word(text[0] + "m", start, start + len(text))
        return
    if text.startswith("пол") and text.endswith(("ого", "его")):  # "half" is written together with its hour
        yield Word("пол", start, start + 3)
        yield Word(text[3:], start + 3, start + len(text))
        return
    if "-" in text and text[0].isalpha() and text not in {"uh-huh", "mm-hm", "mm-hmm", "uh-uh", "o-kay"}:
        for piece in re.finditer(r"[^-]+|-", text):
            yield Word(piece.group(), start + piece.start(), start + piece.end())
        return
    yield Word(text, start, start + len(text))


Slot = Callable[[Sequence[Word], int], Iterator[tuple[int, int]]]
"""Reads a value at an index: pairs of the value and the index after it, the longest first."""


@dataclass(frozen=True, slots=True)
class _Part:
    slot: str
    literals: frozenset[str]
    stems: tuple[str, ...]
    optional: bool

    def fits(self, word: str) -> bool:
        return word in self.literals or (bool(self.stems) and word.startswith(self.stems))


@dataclass(frozen=True, slots=True)
class Found:
    """One phrase that was said."""

    meaning: str
    values: Mapping[str, tuple[int, ...]]
    first: int
    """Index of its first word."""
    after: int
    """Index after its last word."""


@lru_cache(maxsize=1024)
def _compiled(phrase: str) -> tuple[_Part, ...]:
    parts = []
    for piece in phrase.split():
        optional = piece.endswith("?")
        piece = piece.removesuffix("?")  # noqa: PLW2901 - the same piece without its mark
        if piece.isupper() and piece.isascii():
            parts.append(_Part(piece, frozenset(), (), optional))
            continue
        names = piece.split("|")
        literals = frozenset(name for name in names if not name.endswith("…"))
        parts.append(_Part("", literals, tuple(name[:-1] for name in names if name.endswith("…")), optional))
    return tuple(parts)


class Matcher:
    """Looks for phrases with one set of slots."""

    def __init__(self, phrases: Sequence[tuple[str, str]], slots: Mapping[str, Slot]) -> None:
        self._phrases = [(meaning, _compiled(phrase)) for meaning, phrase in phrases]
        self._slots = slots

    def at(self, words: Sequence[Word], index: int) -> Found | None:
        """The longest phrase that begins at ``index``."""
        best: Found | None = None
        for meaning, parts in self._phrases:
            if not parts[0].optional and not parts[0].slot and not parts[0].fits(words[index].text):
                continue
            for values, after in self._match(words, index, parts, 0):
                if best is None or after > best.after:
                    best = Found(meaning, values, index, after)
                break
        return best

    def all(self, words: Sequence[Word]) -> list[Found]:
        """Every phrase of ``words`` from left to right, none over another."""
        found = []
        index = 0
        while index < len(words):
            one = self.at(words, index)
            if one is None or one.after == index:
                index += 1
            else:
                found.append(one)
                index = one.after
        return found

    def _match(
        self, words: Sequence[Word], index: int, parts: tuple[_Part, ...], position: int
    ) -> Iterator[tuple[dict[str, tuple[int, ...]], int]]:
        if position == len(parts):
            yield {}, index
            return
        part = parts[position]
        here = index
        if position and here < len(words) - 1 and words[here].text in _PAUSES and not part.fits(words[here].text):
            here += 1
        if here < len(words):
            if not part.slot:
                if part.fits(words[here].text):
                    yield from self._match(words, here + 1, parts, position + 1)
            else:
                for value, after in self._slots[part.slot](words, here):
                    for values, end in self._match(words, after, parts, position + 1):
                        yield {**values, part.slot: (value, *values.get(part.slot, ()))}, end
        if part.optional:
            yield from self._match(words, index, parts, position + 1)


def among(table: Mapping[str, int]) -> Slot:
    """A slot of single words."""

    def read(words: Sequence[Word], index: int) -> Iterator[tuple[int, int]]:
        value = table.get(words[index].text)
        if value is not None:
            yield value, index + 1

    return read
