"""Counts, days and hours among spoken words: the number slots of ``phrases``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from engine.agent.languages.tables import NumberWords
from engine.agent.phrases import Slot, Word

_ORDINAL = re.compile(r"(\d{1,2})-?[^\W\d_]+")


def _after(words: Sequence[Word], index: int) -> int:
    """The index after a hyphen, which may stand inside a number: "twenty-third"."""
    return index + 1 if index < len(words) and words[index].text == "-" else index


def cardinals(words: Sequence[Word], index: int, numbers: NumberWords) -> Iterator[tuple[int, int]]:
    """Numbers below a hundred that begin at ``index``, the longest first."""
    word = words[index]
    if word.number is not None:
        yield word.number, index + 1
        return
    tens = numbers.tens.get(word.text)
    if tens is not None:
        second = _after(words, index + 1)
        unit = numbers.units.get(words[second].text, 0) if second < len(words) else 0
        if unit:
            yield tens + unit, second + 1
        yield tens, index + 1
        return
    value = numbers.teens.get(word.text, numbers.units.get(word.text))
    if value is not None:
        yield value, index + 1


def ordinals(
    words: Sequence[Word], index: int, numbers: NumberWords, forms: Mapping[str, int] | None = None
) -> Iterator[tuple[int, int]]:
    """Ordinals below a hundred, words or digits with an ending; ``forms`` limits the words' last part."""
    word = words[index]
    written = _ORDINAL.fullmatch(word.text)
    if written is not None:
        yield int(written[1]), index + 1
        return
    table = numbers.ordinals if forms is None else forms
    tens = numbers.tens.get(word.text)
    if tens is not None:
        second = _after(words, index + 1)
        unit = table.get(words[second].text, 0) if second < len(words) else 0
        if 0 < unit < 10:
            yield tens + unit, second + 1
    elif word.text in table:
        yield table[word.text], index + 1


def within(low: int, high: int, *readers: Slot) -> Slot:
    """A slot that takes what the first fitting of ``readers`` finds between ``low`` and ``high``."""

    def read(words: Sequence[Word], index: int) -> Iterator[tuple[int, int]]:
        for reader in readers:
            for value, after in reader(words, index):
                if low <= value <= high:
                    yield value, after

    return read


def cardinal_slot(numbers: NumberWords) -> Slot:
    return lambda words, index: cardinals(words, index, numbers)


def ordinal_slot(numbers: NumberWords, forms: Mapping[str, int] | None = None) -> Slot:
    return lambda words, index: ordinals(words, index, numbers, forms)


def written_ordinal(words: Sequence[Word], index: int) -> Iterator[tuple[int, int]]:
    """ "28th"."""
    match = _ORDINAL.fullmatch(words[index].text)
    if match is not None:
        yield int(match[1]), index + 1


def years(numbers: NumberWords) -> Slot:
    """2000 … 2099: "2026", "twenty twenty six", "two thousand and twenty six", with a word for "year" after it."""

    def read(words: Sequence[Word], index: int) -> Iterator[tuple[int, int]]:
        word = words[index]
        if word.number is not None:
            if 2000 <= word.number <= 2099:
                yield word.number, _year_word(words, index + 1)
            return
        rest = _after_century(words, index, numbers)
        for reader in (ordinals, cardinals):
            for value, after in reader(words, rest, numbers) if rest < len(words) else ():
                if 10 <= value <= 99 and words[rest].number is None:
                    yield 2000 + value, _year_word(words, after)

    return read


def _after_century(words: Sequence[Word], index: int, numbers: NumberWords) -> int:
    """The index after "twenty" or "two thousand and"; the end of the words where there is no such thing."""
    name, following = words[index].text, words[index + 1].text if index + 1 < len(words) else ""
    if numbers.tens.get(name) == 20 and following in numbers.tens:
        return index + 1
    if numbers.units.get(name) == 2 and following in numbers.thousand and index + 2 < len(words):
        return index + 2 + (words[index + 2].text in numbers.joiners)
    return len(words)


def _year_word(words: Sequence[Word], index: int) -> int:
    return index + 1 if index < len(words) and words[index].text in {"года", "году", "року", "році"} else index
