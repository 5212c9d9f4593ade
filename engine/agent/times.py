"""Times of day as callers say them: "half past three", "at ten", "15:30", "in the morning".

Pure functions of the text. An hour without a part of the day is read within the twelve hours from ``opens``: for a
workshop that opens at eight, "at three" is 15:00 and "at nine" 9:00. What was taken back is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import time
from functools import lru_cache

from engine.agent.clock_slots import clock_slots
from engine.agent.languages import Language, language_of
from engine.agent.phrases import Found, Matcher, Word, words_in
from engine.agent.taken_back import without_taken_back

__all__ = ["PARTS", "TimeSaid", "dayparts", "is_any_of", "times", "times_said"]

PARTS: dict[str, tuple[time, time]] = {
    "morning": (time(8), time(12)),
    "afternoon": (time(12), time(18)),
    "evening": (time(18), time(22)),
    "night": (time(22), time(6)),
}
"""From and until, the end not included."""

_DAY = 24 * 60
_FIXED = {"noon": (12, 0), "midnight": (0, 0)}
_BEFORE = frozenset({"to", "to_one", "half_before", "before_ordinal"})
"""Phrases that name the hour to come."""
_SURE = frozenset({"past", "half_of", "clock", "one", "am", "pm", "written", *_FIXED, *_BEFORE, *PARTS})


@dataclass(frozen=True, slots=True)
class TimeSaid:
    """One time and where it stands in the text, in characters."""

    at: time
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Clock:
    """Hours and minutes before anything is known of the half of the day."""

    hour: int
    minute: int
    part: str
    """"", a key of PARTS, "am", "pm" or "exact"."""
    found: Found


def times(
    text: str, language: str = "en", *, expected: bool = False, opens: int = 8, goods: tuple[str, ...] = ()
) -> list[time]:
    """The times of ``text`` in the order they were said. ``expected``: a time was asked for, so "ten" is one.

    ``goods``: what callers count here, such as "ticket…": "ten tickets" is no time.
    """
    said = times_said(text, language, expected=expected, opens=opens, goods=goods)
    return list(dict.fromkeys(one.at for one in said))


def times_said(
    text: str, language: str = "en", *, expected: bool = False, opens: int = 8, goods: tuple[str, ...] = ()
) -> list[TimeSaid]:
    """As ``times``, with places."""
    return list(_times_said(text, language, expected, opens, goods))


def dayparts(text: str, language: str = "en") -> list[tuple[time, time]]:
    """The parts of the day that were named ("in the morning"), as from and until; greetings are none."""
    tables = language_of(language)
    words = words_in(text)
    found = _parts(words, tables)
    kept = without_taken_back(words, found, tables)
    return list(dict.fromkeys(PARTS[part.meaning] for part in kept))


@lru_cache(maxsize=512)
def _times_said(text: str, language: str, expected: bool, opens: int, goods: tuple[str, ...]) -> tuple[TimeSaid, ...]:
    tables = language_of(language)
    words = words_in(text)
    if not words:
        return ()
    dated = expected or _speaks_of_a_day(words, tables)
    counted = tables.clock.counted.union(goods)
    kept: list[Found] = []
    for found in _matcher(tables.code).all(words):
        if found.meaning in _SURE or _plausible(
            found, words, tables, kept, dated=dated, expected=expected, counted=counted
        ):
            kept.append(found)
    parts = _parts(words, tables)
    clocks = [_clock(found, words, parts) for found in without_taken_back(words, kept, tables)]
    return tuple(
        TimeSaid(at, words[clock.found.first].start, words[clock.found.after - 1].end)
        for clock, at in _placed(clocks, opens)
    )


@lru_cache(maxsize=8)
def _matcher(code: str) -> Matcher:
    tables = language_of(code)
    return Matcher(tables.clock.phrases, clock_slots(tables))


@lru_cache(maxsize=8)
def _part_matcher(code: str) -> Matcher:
    clock = language_of(code).clock
    return Matcher([*clock.parts, *(("none", phrase) for phrase in clock.no_parts)], {})


def _parts(words: Sequence[Word], tables: Language) -> list[Found]:
    return [found for found in _part_matcher(tables.code).all(words) if found.meaning != "none"]


def _speaks_of_a_day(words: Sequence[Word], tables: Language) -> bool:
    calendar = tables.calendar
    relative = {phrase for meaning, phrase in calendar.phrases if meaning.startswith("days:")}
    names = {name for phrase in relative for name in phrase.split("|") if " " not in phrase}
    return bool(_parts(words, tables)) or any(
        word.text in calendar.weekdays or word.text in calendar.months or word.text in names for word in words
    )


def _plausible(
    found: Found,
    words: Sequence[Word],
    tables: Language,
    kept: Sequence[Found],
    *,
    dated: bool,
    expected: bool,
    counted: Collection[str],
) -> bool:
    """Whether numbers that may be a time are one: not in a longer number, nothing counted after them."""
    follows = bool(kept) and kept[-1].after >= found.first - 1
    if found.meaning == "none" or (_is_number(words, found.first - 1, tables) and not follows):
        return False
    for index in (found.after, found.after + 1):
        if index < len(words) and (words[index].text != "," or index > found.after):
            following = words[index].text
            if index > found.after and words[found.after].text not in {",", "-"}:
                break
            if _is_number(words, index, tables) or (index == found.after and is_any_of(following, counted)):
                return False
    if found.meaning == "led":
        return True
    if found.meaning == "chained":
        return follows
    if found.meaning == "loose":
        return dated and (found.values["M"][0] % 5 == 0 or expected)
    return expected


def _is_number(words: Sequence[Word], index: int, tables: Language) -> bool:
    if not 0 <= index < len(words):
        return False
    numbers, name = tables.numbers, words[index].text
    return name.isdecimal() or any(
        name in table for table in (numbers.units, numbers.teens, numbers.tens, numbers.hundred, numbers.hundreds)
    )


def is_any_of(name: str, nouns: Collection[str]) -> bool:
    """Whether ``name`` is among ``nouns``; "ticket…" stands for every word that begins with it."""
    return name in nouns or any(noun.endswith("…") and name.startswith(noun[:-1]) for noun in nouns)


def _clock(found: Found, words: Sequence[Word], parts: Sequence[Found]) -> _Clock:
    hour = next(iter(found.values.get("H") or found.values.get("O") or (0,)))
    minute = next(
        iter(
            found.values.get("M")
            or found.values.get("F")
            or found.values.get("FIVE")
            or found.values.get("QUARTER")
            or (0,)
        )
    )
    part = found.meaning if found.meaning in {"am", "pm", *PARTS} else _part_of(found, parts, words)
    for slot in ("W", "DOT", "K"):
        if slot in found.values:
            hour, minute = divmod(found.values[slot][0] % 10_000, 100)
            if found.values[slot][0] >= 10_000:
                part = "exact"
    if found.meaning in _FIXED:
        hour, minute, part = *_FIXED[found.meaning], "exact"
    elif found.meaning == "one":
        hour = 1
    elif found.meaning == "half_of":
        minute = 30
    elif found.meaning in _BEFORE:
        hour = 12 if found.meaning == "to_one" or hour == 1 else (hour - 1) % 24
        minute = {"to": 60 - minute, "to_one": 60 - minute, "half_before": 30}.get(found.meaning, minute)
    return _Clock(hour, minute, part, found)


def _part_of(found: Found, parts: Sequence[Found], words: Sequence[Word]) -> str:
    """The part of the day that stands beside a time, else the only one of the text."""
    for part in parts:
        if found.first <= part.first < found.after:
            return part.meaning
        if 0 <= part.first - found.after <= 2 and not any(
            words[index].text in {",", "."} for index in range(found.after, part.first)
        ):
            return part.meaning
    for part in parts:
        if 0 <= found.first - part.after <= 1:
            return part.meaning
    meanings = {part.meaning for part in parts}
    return meanings.pop() if len(meanings) == 1 else ""


def _placed(clocks: Sequence[_Clock], opens: int) -> Iterator[tuple[_Clock, time]]:
    """Each clock in its half of the day; impossible ones are left out."""
    for position, clock in enumerate(clocks):
        hour, minute, part = clock.hour, clock.minute, clock.part
        if hour == 24 and minute == 0:
            hour, part = 0, "exact"
        if hour > 23 or minute > 59:
            continue
        if not part and position + 1 < len(clocks) and clocks[position + 1].part in {"am", "pm", *PARTS}:
            following = clocks[position + 1]
            if hour % 12 < following.hour % 12:  # "between two and four in the afternoon"
                part = following.part
        yield clock, time(_in_day(hour, minute, part, opens), minute)


def _in_day(hour: int, minute: int, part: str, opens: int) -> int:
    if part == "exact" or hour > 12:
        return hour
    half = hour % 12
    if part in {"am", "morning"}:
        return 12 if part == "morning" and hour == 12 else half
    if part in {"pm", "afternoon"}:
        return half + 12
    if part == "evening":
        return half + 12 if half >= 4 else half
    if part == "night":
        return half + 12 if half >= 6 else half
    if hour in {0, 12}:
        return hour
    at = half * 60 + minute
    return half if opens * 60 <= at < opens * 60 + _DAY // 2 else half + 12
