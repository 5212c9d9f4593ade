"""Days as callers say them: "tomorrow", "next Saturday", "on the third of December", "in two weeks", "3/12".

Pure functions of the text and of today. Days lie ahead: "the 28th" is the next 28th, "December third" the next one.
"Next Saturday" is the Saturday of the next week, which begins on Monday; "this Friday" and "Friday" are the next to
come, and a bare "Friday" said on a Friday means the one in a week. A span gives both its ends; "next week" its Monday
and its Sunday. What was taken back ("not Friday, Saturday") is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache

from engine.agent.counting import cardinal_slot, ordinal_slot, within, written_ordinal, years
from engine.agent.languages import language_of
from engine.agent.phrases import Found, Matcher, Slot, Word, among, words_in
from engine.agent.taken_back import without_taken_back
from engine.agent.times import TimeSaid, dayparts, is_any_of, times, times_said

__all__ = ["DateSaid", "dates", "dates_said", "dayparts", "times", "times_said"]


@dataclass(frozen=True, slots=True)
class DateSaid:
    """One day and where it stands in the text, in characters."""

    day: date
    start: int
    end: int


def dates(text: str, today: date, language: str = "en", goods: tuple[str, ...] = ()) -> list[date]:
    """The days of ``text`` in the order they were said, each once.

    ``goods``: see ``times``; "the second ticket" is no day.
    """
    return list(dict.fromkeys(said.day for said in dates_said(text, today, language, goods)))


def dates_said(text: str, today: date, language: str = "en", goods: tuple[str, ...] = ()) -> list[DateSaid]:
    """As ``dates``, with places; both ends of a span have the span's place."""
    return list(_dates_said(text, today, language, goods))


@lru_cache(maxsize=512)
def _dates_said(text: str, today: date, language: str, goods: tuple[str, ...]) -> tuple[DateSaid, ...]:
    tables = language_of(language)
    words = words_in(text)
    if not words:
        return ()
    month_first = language.lower() in tables.calendar.months_first
    found = _matcher(tables.code).all(words)
    clock = times_said(text, language, goods=goods) if any(one.meaning == "day" for one in found) else ()
    not_before = tables.calendar.not_a_day_before.union(goods)
    found = [one for one in found if _names_a_day(one, words, not_before, clock)]
    found = _in_the_week_named(without_taken_back(words, found, tables))
    result = []
    for position, one in enumerate(found):
        if _named_twice(words, found, position):
            continue
        if one.meaning == "numeric":
            days = _numeric_day(words[one.first].text, today, month_first=month_first)
        else:
            days = _days(one, today, _weekday_before(words, found, position))
        result += [DateSaid(day, words[one.first].start, words[one.after - 1].end) for day in days]
    return tuple(result)


def _in_the_week_named(found: list[Found]) -> list[Found]:
    """ "Next week, maybe on Wednesday" is one day of that week."""
    meanings = [one.meaning for one in found]
    if "next_week" not in meanings or "weekday" not in meanings[meanings.index("next_week") :]:
        return found
    at = meanings.index("next_week")
    later = [replace(one, meaning="next_weekday") if one.meaning == "weekday" else one for one in found[at + 1 :]]
    return [*found[:at], *later]


@lru_cache(maxsize=8)
def _matcher(code: str) -> Matcher:
    tables = language_of(code)
    numbers, calendar = tables.numbers, tables.calendar
    ordinal, cardinal = ordinal_slot(numbers), cardinal_slot(numbers)
    slots: dict[str, Slot] = {
        "D": within(1, 31, ordinal, cardinal),
        "ORD": within(1, 31, ordinal),
        "NTH": within(1, 31, written_ordinal),
        "LATE": within(4, 31, ordinal),
        "GEN": within(1, 31, ordinal_slot(numbers, calendar.genitive)),
        "NEU": within(1, 31, ordinal_slot(numbers, calendar.neuter)),
        "N": within(1, 99, among(calendar.counts), cardinal),
        "MONTH": among(calendar.months),
        "WEEKDAY": among(calendar.weekdays),
        "YEAR": years(numbers),
        "NUMERIC": lambda words, index: iter([(index, index + 1)] if _numeric(words[index].text) else []),
    }
    return Matcher([*calendar.phrases, ("numeric", "NUMERIC")], slots)


def _numeric(text: str) -> tuple[int, ...]:
    """The parts of a date in digits: (2026, 12, 3) or (3, 12) or (3, 12, 2026); empty where it is none."""
    for sign in ("-", "/", "."):
        parts = text.split(sign)
        if len(parts) in {2, 3} and all(part.isdecimal() and part.isascii() for part in parts):
            if sign == "." and len(parts) == 2 and (len(parts[0]) != 2 or len(parts[1]) != 2 or int(parts[1]) > 12):
                return ()  # "3.30" is a time and "7.5" an amount
            return tuple(int(part) for part in parts)
    return ()


def _names_a_day(found: Found, words: Sequence[Word], not_before: Collection[str], clock: Sequence[TimeSaid]) -> bool:
    """Whether what looks like a day is one, not the "fifth" of a time or of a choice."""
    if found.meaning == "numeric":
        name = words[found.first].text
        nothing_more = name.count(".") != 1 or found.after >= len(words) or words[found.after].text not in {"am", "pm"}
        return nothing_more and bool(_calendar_parts(_numeric(name), month_first=False))
    if found.meaning != "day":
        return True
    if found.after < len(words) and is_any_of(words[found.after].text, not_before):
        return False
    start, end = words[found.first].start, words[found.after - 1].end
    return not any(said.start < end and start < said.end for said in clock)


def _calendar_parts(parts: Sequence[int], *, month_first: bool) -> tuple[int | None, int, int] | None:
    """Year, month and day."""
    if len(parts) == 3 and parts[0] > 99:
        return (parts[0], parts[1], parts[2]) if 1 <= parts[1] <= 12 and 1 <= parts[2] <= 31 else None
    if len(parts) not in {2, 3}:
        return None
    day, month = (parts[1], parts[0]) if month_first else (parts[0], parts[1])
    if month > 12 and day <= 12:
        day, month = month, day
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    if len(parts) == 2:
        return None, month, day
    return parts[2] if parts[2] > 99 else 2000 + parts[2], month, day


def _days(found: Found, today: date, weekday: int | None) -> list[date]:
    """The days that a phrase means, seen from ``today``."""
    values = found.values
    kind, _, number = found.meaning.partition(":")
    monday = today - timedelta(days=today.weekday())
    try:
        match kind:
            case "days":
                return [today + timedelta(days=int(number))]
            case "in_days":
                return [today + timedelta(days=values["N"][0])]
            case "in_weeks":
                return [today + timedelta(weeks=values["N"][0])]
            case "weeks_from_tomorrow":
                return [today + timedelta(weeks=values["N"][0], days=1)]
            case "weekend" | "next_weekend" | "this_week" | "next_week":
                return _span(kind, monday, today)
            case "date" | "dates" | "day":
                return _named_days(found, today, weekday)
            case _:
                return [_weekday(kind, one, today, values.get("N", (1,))[0]) for one in values["WEEKDAY"]]
    except (OverflowError, ValueError):
        return []


def _span(kind: str, monday: date, today: date) -> list[date]:
    match kind:
        case "this_week":
            return [today, monday + timedelta(days=6)]
        case "next_week":
            return [monday + timedelta(days=7), monday + timedelta(days=13)]
        case "next_weekend":
            return [monday + timedelta(days=12), monday + timedelta(days=13)]
        case _:
            return list(dict.fromkeys((max(today, monday + timedelta(days=5)), monday + timedelta(days=6))))


def _weekday(kind: str, weekday: int, today: date, weeks: int) -> date:
    ahead = (weekday - today.weekday()) % 7
    coming = today + timedelta(days=ahead or 7)
    in_next_week = today + timedelta(days=7 - today.weekday() + weekday)
    match kind:
        case "this_weekday":
            return today + timedelta(days=ahead)
        case "next_weekday":
            return in_next_week
        case "after_next":
            return in_next_week + timedelta(days=7)
        case "weekday_week":
            return coming + timedelta(days=7)
        case "weeks_from_weekday":
            return coming + timedelta(weeks=weeks)
        case _:
            return coming


def _named_days(found: Found, today: date, weekday: int | None) -> list[date]:
    days = [day for slot in ("D", "ORD", "NTH", "LATE", "GEN", "NEU") for day in found.values.get(slot, ())]
    months, given = found.values.get("MONTH"), found.values.get("YEAR")
    if months is None:
        return [_next_day(day, today, weekday) for day in days]
    result: list[date] = []
    for day in days:
        result.append(_on(given[0] if given else None, months[-1], day, result[-1] if result else today))
    return result


def _next_day(day: int, today: date, weekday: int | None) -> date:
    """The next ``day`` of a month, on ``weekday`` where one was named with it and one of the next year fits."""
    first: date | None = None
    year, month = today.year, today.month
    for _ in range(13):
        try:
            candidate = date(year, month, day)
        except ValueError:
            candidate = None
        if candidate is not None and candidate >= today:
            if weekday is None or candidate.weekday() == weekday:
                return candidate
            first = first or candidate
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    if first is None:
        raise ValueError(day)
    return first


def _on(year: int | None, month: int, day: int, earliest: date) -> date:
    """The day in the ``year`` said, else the first one from ``earliest`` on; 29 February waits for a leap year."""
    if year is not None:
        return date(year, month, day)
    for candidate in range(earliest.year, earliest.year + 9):
        try:
            found = date(candidate, month, day)
        except ValueError:
            continue
        if found >= earliest:
            return found
    raise ValueError(day)


def _numeric_day(text: str, today: date, *, month_first: bool) -> list[date]:
    parts = _calendar_parts(_numeric(text), month_first=month_first)
    if parts is None:
        return []
    year, month, day = parts
    try:
        return [_on(year, month, day, today)]
    except ValueError:
        return []


def _weekday_before(words: Sequence[Word], found: Sequence[Found], position: int) -> int | None:
    """The weekday said right before or after a day of the month: "Saturday the 28th"."""
    if found[position].meaning != "day":
        return None
    for other in (position - 1, position + 1):
        if 0 <= other < len(found) and found[other].meaning.endswith("weekday"):
            left, right = sorted((found[other], found[position]), key=lambda one: one.first)
            if _beside(words, left, right):
                return found[other].values["WEEKDAY"][0]
    return None


def _beside(words: Sequence[Word], left: Found, right: Found) -> bool:
    return all(words[index].text in {",", "-", "(", ")"} for index in range(left.after, right.first))


def _named_twice(words: Sequence[Word], found: Sequence[Found], position: int) -> bool:
    """Whether a weekday only says again which day stands beside it: "Friday, the third of December"."""
    if not found[position].meaning.endswith("weekday"):
        return False
    exact = {"date", "day", "numeric"}
    before, after = position - 1, position + 1
    return (after < len(found) and found[after].meaning in exact and _beside(words, found[position], found[after])) or (
        before >= 0 and found[before].meaning in exact and _beside(words, found[before], found[position])
    )
