"""How near English passages are to an English question, by the model for English alone.

A passage is as near as its whole text and its nearest part: what a question asks for is often said in half a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from engine.knowledge.port import Passage

if TYPE_CHECKING:
    from engine.knowledge.meaning import Matrix

_WHOLE, _PART = 0.8, 0.8
"""Weight of the cosine with the whole text, and with the nearest part."""
_BREAK: Final = re.compile(r"[;:,.]\s| and ")
_SHORTEST: Final = 3
"""Words of a part."""


def parts(passage: Passage) -> list[str]:
    """What a question may be near to in a passage: the text, its clauses, and the words callers use for it."""
    clauses = [clause.strip(" .") for clause in _BREAK.split(passage.text)]
    return [passage.text, *(clause for clause in clauses if len(clause.split()) >= _SHORTEST), *passage.asks]


@dataclass(frozen=True, slots=True)
class Nearness:
    """The vectors of some passages' parts and of what is off topic."""

    vectors: Matrix
    """(parts, 384): ``parts`` of each passage, one passage after the other."""
    starts: tuple[int, ...]
    """Passage → its first part, the whole text."""
    elsewhere: Matrix
    """(sentences, 384): what callers say that no passage answers."""

    def scores(self, question: Matrix) -> Matrix:
        """One score a passage, -1.6 to 1.6; ``question``: its unit vector by the same model."""
        near = self.vectors @ question
        nearest = np.maximum.reduceat(near, self.starts)
        scores: Matrix = (_WHOLE * near[list(self.starts)] + _PART * nearest).astype(np.float32)
        return scores

    def off_topic(self, question: Matrix) -> float:
        """Cosine of the question with the nearest sentence off topic; 0 where none is known."""
        return float((self.elsewhere @ question).max(initial=0.0))


def where_each_starts(texts: Sequence[Sequence[str]]) -> tuple[int, ...]:
    """The index of the first part of each passage, when all parts stand in a row."""
    ends = np.cumsum([0, *(len(each) for each in texts)])
    return tuple(int(end) for end in ends[:-1])
