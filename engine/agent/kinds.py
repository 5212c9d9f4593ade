"""How the value of a slot is read from what a caller said, one function a kind. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from engine.agent.dates import dates, dayparts, times
from engine.agent.forms import SlotSpec, filled_in, listed
from engine.agent.fuzzy import find_names, nearest_name
from engine.agent.grounding import is_assent
from engine.agent.number_corrections import corrected
from engine.agent.numbers import number_runs, phone_numbers
from engine.agent.quantities import goods_named, quantities


@dataclass(frozen=True, slots=True)
class Heard:
    """A turn and what is needed to read it."""

    text: str
    asked: bool
    """The slot was asked for just now."""
    today: date
    before: Any = None
    """What the slot holds already."""
    part: str = ""
    """The first digits of a number that is said in parts."""
    caller: str = ""


def _digits(slot: SlotSpec, heard: Heard) -> Any:
    if isinstance(heard.before, str) and heard.before.isdecimal():
        mended = corrected(heard.before, heard.text)  # "no, five not nine"
        if mended is not None and slot.least <= len(mended) <= slot.most:
            return mended
    if not heard.asked and (slot.words is None or not slot.words.search(heard.text)):
        return None
    runs = [run for run in number_runs(heard.text) if slot.least <= len(run.digits) <= slot.most]
    if not heard.asked and slot.words is not None:
        word = slot.words.search(heard.text)
        runs = [run for run in runs if word is not None and run.start >= word.start()] or runs
    return runs[-1 if heard.asked else 0].digits if runs else None


def _quantity(slot: SlotSpec, heard: Heard) -> Any:
    counts = quantities(heard.text, goods=goods_named(slot.goods))
    if not counts or not (heard.asked or slot.words is None or slot.words.search(heard.text)):
        return None
    return counts[-1]


def _phone(_slot: SlotSpec, heard: Heard) -> Any:
    numbers = phone_numbers(heard.text)
    if not numbers and isinstance(heard.before, str) and heard.before.isdecimal():
        return corrected(heard.before, heard.text)
    return numbers[-1] if numbers else None


def _days(slot: SlotSpec, heard: Heard) -> list[date]:
    return dates(heard.text, heard.today, goods=slot.goods)


def _date(slot: SlotSpec, heard: Heard) -> Any:
    if not heard.asked and slot.words is not None and not slot.words.search(heard.text):
        return None
    found = _days(slot, heard)
    last = re.search(r"\bfrom\b.*\bto\b", heard.text, re.IGNORECASE) is not None
    return found[-1 if last else 0].isoformat() if found else None


def _time(slot: SlotSpec, heard: Heard) -> Any:
    found = times(heard.text, goods=slot.goods)
    return f"{found[0]:%H:%M}" if found else None


_NAMED = re.compile(
    r"\b(?:my (?:first |full |last )?name(?:'s| is)|the name(?:'s| is)|name is|under the name(?: of)?|this is|i am|"
    r"i'm|it's|it is|for)\s+"
    r"((?:[^\W\d_][\w'’-]*)(?:\s+[^\W\d_][\w'’-]*){0,2})",
    re.IGNORECASE,
)
_INTRODUCED = re.compile(r"\b(?:my (?:first |full |last )?name|under the name|name is)\b", re.IGNORECASE)
_NO_NAMES = frozenset(
    re.findall(
        r"\w+",
        "yes no yeah sure please thanks thank you it is my name the a an and for under okay ok um uh well so "
        "just that put i am not calling looking interested sorry hello hi good morning correct right fine",
    )
)


def _name(slot: SlotSpec, heard: Heard) -> Any:
    if not heard.asked and not _INTRODUCED.search(heard.text):
        return None
    match = _NAMED.search(heard.text)
    if match is None and (number_runs(heard.text) or times(heard.text, goods=slot.goods) or _days(slot, heard)):
        return None
    text = match[1] if match is not None else heard.text if heard.asked else ""
    kept: list[str] = []
    for word in re.findall(r"[^\W\d_][\w'’-]*", text):
        if word.lower() in _NO_NAMES:
            if kept:
                break
            continue
        kept.append(word if word[0].isupper() else word.capitalize())
    return " ".join(kept[:3]) if 1 <= len(kept) <= 4 else None


def _names(slot: SlotSpec, heard: Heard) -> Any:
    found = find_names(heard.text, slot.names)
    found = found or [name for name, pattern in slot.options.items() if pattern.search(heard.text)]
    if found:
        return found[-1]
    return _nearest(slot.names, heard) or (_open(slot, heard) if _CALLED.search(heard.text) else None)


_CALLED = re.compile(r"^\W*\w+\W*$|\b[^\W\d_]+[\s,]+[A-Z][^\W\d_]+")
"""A word alone, or one with a capital within the sentence: what may be a name that no list has."""


def _nearest(names: Iterable[str], heard: Heard) -> str | None:
    """The name that a brief answer to its question sounds like."""
    text = _NAMED_THING.sub("", _LEAD.sub("", heard.text))
    return nearest_name(text, names) if heard.asked and len(text.split()) <= _BRIEF else None


_BRIEF = 3
"""Words of an answer that is the value and nothing else."""


def _open(slot: SlotSpec, heard: Heard) -> Any:
    """What was said where it may be anything, a word or three of it."""
    if not (slot.open and heard.asked):
        return None
    text = _NAMED_THING.sub("", _LEAD.sub("", heard.text)).strip(" ,.?!")
    return (
        text
        if 1 <= len(text.split()) <= 3 and len(text) >= 2 and not _NO_NAMES.issuperset(text.lower().split())
        else None
    )


_NAMED_THING = re.compile(
    r"^\W*(?:(?:i'?m|i am|we are|in|a|an|the|my|car|is|live|city|of|from)\b[\s,.]*)+", re.IGNORECASE
)
_LEAD = re.compile(
    r"^\W*(?:(?:yes|yeah|ok|okay|sure|well|um|uh|so|please|it'?s|it is|that'?s|that would be|"
    r"the address is|my address is|to|at|for)\b[\s,.]*)+",
    re.IGNORECASE,
)


def _text(slot: SlotSpec, heard: Heard) -> Any:
    if not heard.asked:
        match = slot.words.search(heard.text) if slot.words is not None else None
        if match is None or not match.groups():
            return None
        return match[1].strip(" ,.?!") or None
    text = _LEAD.sub("", heard.text).strip(" ,.?!")
    return text if len(text) >= 2 else None


def _choice(slot: SlotSpec, heard: Heard) -> Any:
    if not heard.asked and slot.words is not None and not slot.words.search(heard.text):
        return None
    kept = re.sub(r"\b(?:not|no|don't|instead of|rather than)\s+(?:by\s+|in\s+|the\s+|a\s+)?\w+", " ", heard.text)
    said = [
        (match.start(), value)
        for value, pattern in slot.options.items()
        for match in pattern.finditer(kept if pattern.search(kept) else "")
    ]
    if said:
        return max(said)[1]
    if slot.open:
        return _nearest(slot.options, heard) or _open(slot, heard)
    spoken = {word: value for value in slot.options for word in (value, slot.said.get(value, value).split()[-1])}
    near = _nearest([word for word in spoken if len(word) >= _TELLING], heard)
    return spoken[near] if near else None


_TELLING = 4
"""Letters of a word that may be known by its sound."""


READERS: Mapping[str, Callable[[SlotSpec, Heard], Any]] = {
    "digits": _digits,
    "quantity": _quantity,
    "phone": _phone,
    "date": _date,
    "time": _time,
    "name": _name,
    "names": _names,
    "text": _text,
    "choice": _choice,
}
"""``offered`` is read by ``chosen``: it needs the options."""

_ORDINALS = (
    (0, re.compile(r"\b(?:first|former|1st|number one|option one|earliest|soonest|nearest)\b", re.IGNORECASE)),
    (1, re.compile(r"\b(?:second|2nd|number two|option two|latter)\b", re.IGNORECASE)),
    (2, re.compile(r"\b(?:third|3rd|number three|option three)\b", re.IGNORECASE)),
    (-1, re.compile(r"\b(?:last|latest)\b", re.IGNORECASE)),
)
_ANY = re.compile(
    r"\b(?:any(?: of (?:them|those))?|whichever|either|doesn'?t matter|don'?t (?:mind|care|know)|you choose|"
    r"up to you|not sure|no (?:idea|preference)|as soon as possible)\b",
    re.IGNORECASE,
)


def chosen(slot: SlotSpec, options: Sequence[Mapping[str, Any]], heard: Heard) -> Mapping[str, Any] | None:
    """The option that a turn means; None where it means none, or more than one."""
    by_words = _by_words(slot, options, heard.text)
    if by_words is not None:
        return by_words
    by_moment = _by_moment(slot, options, heard)
    if by_moment is not None or not heard.asked:
        return by_moment
    if not _names_a_moment(slot, heard):
        shown = options[: slot.shown]
        for index, pattern in _ORDINALS:
            if pattern.search(heard.text) and -len(shown) <= index < len(shown):
                return shown[index]
        if _ANY.search(heard.text) or (len(options) == 1 and is_assent(heard.text)):
            return options[0]
    return _by_moment(slot, options, heard, expected=True)  # a bare "eleven" is a time


def _names_a_moment(slot: SlotSpec, heard: Heard) -> bool:
    if slot.match_date and _days(slot, heard):
        return True
    return bool(slot.match_time and times(heard.text, goods=slot.goods))


def _by_words(slot: SlotSpec, options: Sequence[Mapping[str, Any]], text: str) -> Mapping[str, Any] | None:
    for name in slot.match:
        values = list(dict.fromkeys(str(option.get(name, "")) for option in options))
        said = [value for value in values if value and _names_it(value, values, text)]
        meant = [option for option in options if str(option.get(name, "")) in said]
        if len(meant) == 1:
            return meant[0]
    return None


def _names_it(value: str, values: Sequence[str], text: str) -> bool:
    """Whether ``text`` holds the name, or a word of it that no other of ``values`` has."""
    if find_names(text, [value]):
        return True
    shared = {word.lower() for other in values if other != value for word in re.findall(r"[^\W\d_]+", other)}
    telling = [word for word in re.findall(r"[^\W\d_]{4,}", value) if word.lower() not in shared | _COMMON]
    return bool(telling) and bool(find_names(text, telling))


_COMMON = frozenset({"street", "avenue", "road", "with"})


def _by_moment(
    slot: SlotSpec, options: Sequence[Mapping[str, Any]], heard: Heard, *, expected: bool = False
) -> Mapping[str, Any] | None:
    meant = list(options)
    told = False
    if slot.match_time:
        wanted = [f"{moment:%H:%M}" for moment in times(heard.text, expected=expected, goods=slot.goods)]
        if wanted:
            told = True
            meant = [option for option in meant if str(option.get(slot.match_time, ""))[:5] == wanted[0]]
    if slot.match_date:
        days = [day.isoformat() for day in _days(slot, heard)]
        if days:
            told = True
            meant = [option for option in meant if str(option.get(slot.match_date, "")) in days]
    return meant[0] if told and len(meant) == 1 else None


def wanted_time(slot: SlotSpec, turns: Sequence[str]) -> str:
    """The time that was named last, HH:MM; empty where none was, or the slot has none."""
    if not slot.match_time:
        return ""
    return next((f"{moment:%H:%M}" for text in reversed(turns) for moment in times(text, goods=slot.goods)[:1]), "")


def _daypart(slot: SlotSpec, turns: Sequence[str]) -> str:
    """Where the part of the day begins that was named last."""
    if not slot.match_time:
        return ""
    return next((f"{begin:%H:%M}" for text in reversed(turns) for begin, _ in dayparts(text)[:1]), "")


def nearest_first(
    slot: SlotSpec, options: Sequence[Mapping[str, Any]], turns: Sequence[str]
) -> Sequence[Mapping[str, Any]]:
    """The options with those that are said in front: the nearest to a time that was named, else the first."""
    wanted, begin = wanted_time(slot, turns), _daypart(slot, turns)
    if not wanted:
        return sorted(options, key=lambda option: str(option.get(slot.match_time, "")) < begin) if begin else options
    order = sorted(range(len(options)), key=lambda at: (_minutes_apart(options[at], slot, wanted), at))
    shown = sorted(order[: slot.shown])
    return [options[at] for at in (*shown, *(at for at in range(len(options)) if at not in shown))]


def _minutes_apart(option: Mapping[str, Any], slot: SlotSpec, wanted: str) -> int:
    told = str(option.get(slot.match_time, ""))[:5]
    try:
        (hour, minute), (other, rest) = ((int(part) for part in text.split(":")) for text in (told, wanted))
    except ValueError:
        return 24 * 60
    return abs(60 * (hour - other) + minute - rest)


def options_said(slot: SlotSpec, options: Sequence[Mapping[str, Any]]) -> str:
    """How the options are said: the first few, "one, two or three"."""
    texts: list[str] = []
    day: Any = None
    # the first of those that sound the same
    different = {filled_in(slot.label, option): option for option in reversed(options)}
    for option in list(reversed(different.values()))[: slot.shown]:
        same = bool(slot.label_same) and texts and option.get(slot.match_date) == day
        texts.append(filled_in(slot.label_same if same else slot.label, option))
        day = option.get(slot.match_date)
    return listed(list(dict.fromkeys(texts)))
