"""Hours and minutes among spoken words: the slots of a language's ``ClockWords``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from engine.agent.counting import cardinal_slot, cardinals, ordinal_slot, within
from engine.agent.languages import Language
from engine.agent.phrases import Slot, Word, among


def clock_slots(tables: Language) -> dict[str, Slot]:
    """The slots by name."""
    cardinal = cardinal_slot(tables.numbers)
    return {
        "H": within(0, 24, cardinal),
        "O": within(1, 24, ordinal_slot(tables.numbers, tables.clock.hours)),
        "M": within(0, 59, partial(_minutes, tables)),
        "F": within(1, 59, partial(_minutes, tables), cardinal),
        "FIVE": partial(_by_fives, tables),
        "QUARTER": among(tables.clock.minutes),
        "W": partial(_written, ":"),
        "DOT": partial(_written, "."),
        "K": _compact,
    }


def _minutes(tables: Language, words: Sequence[Word], index: int) -> Iterator[tuple[int, int]]:
    """Minutes as they follow an hour: "thirty", "oh five"; a lone "five" may be anything."""
    word = words[index]
    if word.text in tables.clock.zero and index + 1 < len(words):
        for value, after in cardinals(words, index + 1, tables.numbers):
            if value < 10:
                yield value, after
        return
    yield from among(tables.clock.minutes)(words, index)
    for value, after in cardinals(words, index, tables.numbers):
        if value >= 10 or (word.number is not None and len(word.text) == 2):
            yield value, after


def _by_fives(tables: Language, words: Sequence[Word], index: int) -> Iterator[tuple[int, int]]:
    yield from among(tables.clock.minutes)(words, index)
    for value, after in cardinals(words, index, tables.numbers):
        if value in {5, 10, 15, 20, 25}:
            yield value, after


def _written(sign: str, words: Sequence[Word], index: int) -> Iterator[tuple[int, int]]:
    """Hours times a hundred and minutes; ten thousand more where the half of the day is plain."""
    hour, _, minute = words[index].text.partition(sign)
    if hour.isdecimal() and minute.isdecimal() and len(minute) == 2:
        exact = int(hour) > 12 or hour.startswith("0")
        yield int(hour) * 100 + int(minute) + (10_000 if exact else 0), index + 1


def _compact(words: Sequence[Word], index: int) -> Iterator[tuple[int, int]]:
    text = words[index].text
    if len(text) in {3, 4} and text.isdecimal() and text.isascii() and int(text[-2:]) % 5 == 0:
        yield int(text), index + 1
