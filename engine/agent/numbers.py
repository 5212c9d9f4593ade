"""Numbers as callers say them and recognisers write them: digits, words and any mix of both.

Everything here is a pure function of the text. Numbers that identify something (order, phone) come back as strings
of digits, as said, zeros included. ``spell_out`` (the other direction) lives in ``speakable`` and is offered
here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from engine.agent.number_corrections import correction
from engine.agent.number_reader import Atom, Reader, joined
from engine.agent.number_words import ENGLISH, words_of
from engine.agent.speakable import spell_out

__all__ = [
    "NumberRun",
    "number_runs",
    "order_numbers",
    "phone_numbers",
    "spell_out",
]


@dataclass(frozen=True, slots=True)
class NumberRun:
    """Numbers said one after the other, nothing but pauses between them."""

    digits: str
    groups: tuple[str, ...]
    start: int
    """Where it starts in the text, in characters."""
    end: int


def number_runs(text: str, language: str = "en") -> list[NumberRun]:
    """All numbers of ``text``, those said in a row as one run, what was taken back left out."""
    return list(_number_runs(text, language))


@lru_cache(maxsize=512)
def _number_runs(text: str, language: str) -> tuple[NumberRun, ...]:
    reader = Reader(text, words_of(language) or ENGLISH)
    result: list[NumberRun] = []
    for run in reader.runs():
        start, end = reader.span(run)
        if result and start < result[-1].end:
            continue  # a part of what was corrected
        digits, groups = joined(run), tuple(atom.digits for atom in run)
        change = correction(digits, text[end:], language) if _is_taken_back(reader, run) else None
        if change is not None:
            digits, groups, end = change.digits, (change.digits,), end + change.end
        result.append(NumberRun(digits, groups, start, end))
    return tuple(result)


def _is_taken_back(reader: Reader, run: Sequence[Atom]) -> bool:
    """Whether a word such as "no" or "sorry" follows at once: "0505551233, no, four at the end"."""
    if len(joined(run)) < 4:
        return False
    following = [name for name in reader.names[run[-1].last + 1 :] if name.isalnum()][:2]
    return any(name in reader.words.corrections for name in following)


def phone_numbers(text: str, language: str = "en") -> list[str]:
    """Runs of 7 to 15 digits."""
    return [run.digits for run in number_runs(text, language) if 7 <= len(run.digits) <= 15]


def order_numbers(text: str, language: str = "en") -> list[str]:
    """Runs of 3 to 12 digits."""
    return [run.digits for run in number_runs(text, language) if 3 <= len(run.digits) <= 12]
