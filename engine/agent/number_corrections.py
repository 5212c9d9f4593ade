"""What a caller changes in a number just said: "no, five not nine", "four at the end", "no, one two three four".

Pure functions. Where it is not clear which digits are meant, nothing is changed: the number is asked for again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from engine.agent.languages import language_of
from engine.agent.languages.tables import NumberWords
from engine.agent.number_reader import Atom, Reader, joined
from engine.agent.phrases import Matcher, Word

_SHORTEST_PART = 3
"""Digits of a repeated part: fewer fit anywhere."""


_INSTEAD = frozenset({"instead", "rather", "вместо", "замість"})
_LINKS = frozenset({"of", "than", "but", "and", "a", "а", "it's", "is", "the", "то", "це", "это", "та"})
"""Words between two digits, one of which replaces the other."""
_COPULAS = frozenset({"is", "are", "should", "be", "it", "it's", "with", "это", "це", "должна", "быть", "має", "бути"})


@dataclass(frozen=True, slots=True)
class Correction:
    """A number as corrected."""

    digits: str
    end: int
    """Where the correction ends in the text, in characters."""


def corrected(previous: str, text: str, language: str = "en") -> str | None:
    """``previous`` (digits) with what ``text`` changes in it; None where it changes nothing or is not clear."""
    found = correction(previous, text, language)
    return found.digits if found is not None else None


@lru_cache(maxsize=512)
def correction(previous: str, text: str, language: str = "en") -> Correction | None:
    """As ``corrected``, with its place in the text."""
    numbers = language_of(language).numbers
    reader = Reader(text, numbers)
    runs = reader.all_runs()
    if not runs or not previous.isdecimal():
        return None
    for change in (_exchanged, _placed, _repeated):
        for digits, run in change(previous, reader, runs, language):
            if digits != previous:
                return Correction(digits, reader.span(run)[1])
    return None


def _takes_back(reader: Reader, until: int) -> int | None:
    """How many words stand between the last word that takes something back and ``until``; None without one."""
    for index in range(until - 1, -1, -1):
        if reader.names[index] in reader.words.corrections:
            return sum(name.isalpha() for name in reader.names[index + 1 : until])
    return None


def _exchanged(
    previous: str, reader: Reader, runs: Sequence[Sequence[Atom]], _language: str
) -> Iterator[tuple[str, Sequence[Atom]]]:
    """ "five not nine", "not nine but five", "not nine, five", "five instead of nine"."""
    for run in runs:
        taken_away = run[0].first > 0 and reader.names[run[0].first - 1] in reader.words.negations
        if taken_away and len(run) == 2 and previous.count(run[0].digits) == 1:
            yield previous.replace(run[0].digits, run[1].digits), run
    for left, right in pairwise(runs):
        between = reader.names[left[-1].last + 1 : right[0].first]
        words = [name for name in between if name.isalpha()]
        before = reader.names[left[0].first - 1] if left[0].first else ""
        negated = reader.words.negations
        if any(name in negated | _INSTEAD for name in words) and all(
            name in negated | _INSTEAD | _LINKS for name in words
        ):
            wanted, wrong = joined(left), joined(right)
        elif before in negated and all(name in _LINKS or name in reader.words.corrections for name in words):
            wanted, wrong = joined(right), joined(left)
        else:
            continue
        if previous.count(wrong) == 1:
            yield previous.replace(wrong, wanted), right


def _placed(
    previous: str, reader: Reader, runs: Sequence[Sequence[Atom]], language: str
) -> Iterator[tuple[str, Sequence[Atom]]]:
    """ "four at the end", "the last digit is four", "it starts with zero five", "the third digit is seven"."""
    words = [Word(name, token.start, token.end) for name, token in zip(reader.names, reader.tokens, strict=True)]
    for run in runs:
        digits = joined(run)
        if not len(digits) < len(previous) or _only_counts(reader, run, last=run is runs[-1]):
            continue
        place = _place_near(words, run, language, reader.words)
        if place == "end":
            yield previous[: -len(digits)] + digits, run
        elif place == "start":
            yield digits + previous[len(digits) :], run
        elif place.isdecimal() and int(place) + len(digits) <= len(previous):
            index = int(place)
            yield previous[:index] + digits + previous[index + len(digits) :], run


def _only_counts(reader: Reader, run: Sequence[Atom], *, last: bool) -> bool:
    """Whether a run names no digit to put in: the last *two* digits, the last *one*, not *nine*."""
    nouns, names = reader.words.digit_nouns, reader.names
    after = run[-1].last + 1
    counted = after < len(names) and names[after] in nouns
    negated = run[0].first > 0 and names[run[0].first - 1] in reader.words.negations
    return counted or negated or (not last and names[run[0].first] in nouns)


@lru_cache(maxsize=8)
def _places(language: str) -> Matcher:
    numbers = language_of(language).numbers
    phrases = [*(("end", phrase) for phrase in numbers.at_end), *(("start", phrase) for phrase in numbers.at_start)]
    return Matcher(phrases, {})


def _place_near(words: Sequence[Word], run: Sequence[Atom], language: str, numbers: NumberWords) -> str:
    """ "end", "start", an index from 0, or "" where the words around ``run`` name no place."""
    after = run[-1].last + 1
    if after < len(words) and words[after].text in {",", "-"}:
        after += 1
    found = _places(language).at(words, after) if after < len(words) else None
    if found is not None and (found.after >= len(words) or words[found.after].text in {".", ",", "!"}):
        return found.meaning
    for index in range(max(0, run[0].first - 5), run[0].first):
        found = _places(language).at(words, index)
        rest = words[found.after : run[0].first] if found is not None else ()
        if found is not None and all(_says_nothing(word.text, numbers) for word in rest):
            return found.meaning
        place = numbers.ordinals.get(words[index].text, 0)
        named = any(word.text in numbers.digit_nouns for word in words[index + 1 : run[0].first])
        if (
            0 < place < 20
            and named
            and all(_says_nothing(word.text, numbers) for word in words[index + 1 : run[0].first])
        ):
            return str(place - 1)
    return ""


def _says_nothing(name: str, numbers: NumberWords) -> bool:
    return not name.isalpha() or name in numbers.digit_nouns or name in numbers.units or name in _COPULAS


def _repeated(
    previous: str, reader: Reader, runs: Sequence[Sequence[Atom]], _language: str
) -> Iterator[tuple[str, Sequence[Atom]]]:
    """The whole number again, or a part of it in which one digit is another: "no, one two three four"."""
    for run in runs:
        digits = joined(run)
        distance = _takes_back(reader, run[0].first)
        if distance is None or reader.names[run[0].first - 1] in reader.words.negations:
            continue
        if len(digits) >= _SHORTEST_PART and abs(len(digits) - len(previous)) <= 1:
            yield digits, run
        elif distance <= 2 and _SHORTEST_PART <= len(digits) < len(previous):
            near = [at for at in range(len(previous) - len(digits) + 1) if _one_apart(previous[at:], digits)]
            if len(near) == 1 and digits not in previous:
                yield previous[: near[0]] + digits + previous[near[0] + len(digits) :], run


def _one_apart(one: str, other: str) -> bool:
    return sum(left != right for left, right in zip(one, other, strict=False)) == 1
