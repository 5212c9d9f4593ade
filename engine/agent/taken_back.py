"""What a caller said and took back: "not Friday, Saturday", "Friday, no, Saturday", "Friday does not work"."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from engine.agent.languages import Language, language_of
from engine.agent.phrases import Found, Matcher, Word

_LONGEST_CORRECTION = 7
"""Words between what is taken back and what replaces it: "Friday, no sorry, I mean, Saturday"."""


@lru_cache(maxsize=8)
def _refusals(code: str) -> Matcher:
    return Matcher([("refused", phrase) for phrase in language_of(code).calendar.refused_after], {})


def without_taken_back(words: Sequence[Word], found: Sequence[Found], language: Language) -> list[Found]:
    """``found``, which are of one kind and in order, without those that the caller refused or replaced."""
    kept: list[Found] = []
    for position, one in enumerate(found):
        if _negated(words, one, language) or _refused(words, one, language):
            continue
        following = found[position + 1] if position + 1 < len(found) else None
        if following is not None and _replaced(words, one, following, language):
            continue
        kept.append(one)
    return kept


def _negated(words: Sequence[Word], one: Found, language: Language) -> bool:
    calendar = language.calendar
    index = one.first
    if words[index].text in calendar.negations:
        return True
    if words[index].text in calendar.bounds:
        return False
    for _ in range(4):
        index -= 1
        if index < 0:
            return False
        name = words[index].text
        if name in calendar.negations:
            return index == 0 or words[index - 1].text not in calendar.not_negated_by
        if name not in calendar.lead:
            return False
    return False


def _refused(words: Sequence[Word], one: Found, language: Language) -> bool:
    for index in (one.after, one.after + 1):
        if index >= len(words):
            return False
        refusal = _refusals(language.code).at(words, index)
        if refusal is not None:
            return True
        if words[index].text != ",":
            return False
    return False


def _replaced(words: Sequence[Word], one: Found, following: Found, language: Language) -> bool:
    between = [word.text for word in words[one.after : following.first]]
    inside = [word.text for word in words[following.first : following.after]]
    lead = inside[:1] if inside[:1] and inside[0] in language.numbers.corrections else []
    return len(between) <= _LONGEST_CORRECTION and any(
        name in language.numbers.corrections for name in (*between, *lead)
    )
