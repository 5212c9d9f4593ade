"""Yes and no in many words.

What cannot be undone waits for a yes, so an answer is taken for one only where nothing in it says otherwise: "yes but",
"no, that's fine", "I'm not sure" and "yes and no" are neither. Pure functions of the text.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache

from engine.agent.languages import language_of
from engine.agent.phrases import Matcher, words_in

__all__ = ["Assent", "assent", "is_assent", "is_dissent"]


class Assent(Enum):
    """What an answer says to a question that wants a yes or a no."""

    YES = "yes"
    NO = "no"
    NEITHER = "neither"


def is_assent(text: str, language: str = "en") -> bool:
    """A clear yes, and nothing in it that takes it back."""
    return assent(text, language) is Assent.YES


def is_dissent(text: str, language: str = "en") -> bool:
    """A clear no. "No problem" and "why not" are none."""
    return assent(text, language) is Assent.NO


@lru_cache(maxsize=512)
def assent(text: str, language: str = "en") -> Assent:
    """Yes, no or neither of them."""
    tables = language_of(language)
    words = words_in(text)
    found = _matcher(tables.code).all(words)
    said = {one.meaning for one in found}
    if "unclear" in said:
        return Assent.NEITHER
    if "no" in said:
        return Assent.NO
    if "clear_yes" in said or ("yes" in said and "question" not in said):
        return Assent.YES
    covered = {index for one in found for index in range(one.first, one.after)}
    weighty = [
        word.text
        for index, word in enumerate(words)
        if index not in covered and word.text not in tables.answers.fillers and word.text.isalnum()
    ]
    return Assent.YES if "weak_yes" in said and not weighty and "question" not in said else Assent.NEITHER


@lru_cache(maxsize=8)
def _matcher(code: str) -> Matcher:
    answers = language_of(code).answers
    order = (
        ("unclear", answers.unclear),
        ("fine", answers.no_but_fine),
        ("question", answers.questions),
        ("no", answers.no),
        ("clear_yes", answers.clear_yes),
        ("yes", answers.yes),
        ("weak_yes", answers.weak_yes),
    )
    return Matcher([(meaning, phrase) for meaning, phrases in order for phrase in phrases], {})
