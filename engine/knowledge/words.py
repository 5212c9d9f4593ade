"""Search over passages by words (BM25): what works everywhere, without a model."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engine.knowledge.port import MAX_QUERY, Hit, Passage

_SURE_WORDS: Final = 1.5
"""BM25 score of one telling word in common: as likely as not an answer."""

_WORD = re.compile(r"[^\W_]+")
_STOP = frozenset(
    re.findall(
        r"\w+",
        """
        a an and any are as at be been but by can could did do does for from had has have he her his how i if in
        into is it its let like long may me might must my need not of on or our out please shall should so some
        tell than thank thanks that the their them then there these they this those to up us was we were what
        when where which who whom will with would you your hello hi want get got know about much many am im ive
        id hey ok okay just also
        """,
    )
)
_ENDINGS = ("ations", "ation", "ings", "ing", "ments", "ment", "ers", "er", "ies", "ed", "es", "s", "e", "y")


NO_SPELLINGS: Final[Mapping[str, str]] = {}


def stem(word: str, spellings: Mapping[str, str] = NO_SPELLINGS) -> str:
    """The word without its English ending, roughly: "deliveries", "delivered" and "delivery" fall together.

    ``spellings``: how words may begin → how they begin in the passages.
    """
    word = word.lower()
    for other, usual in spellings.items():
        if word.startswith(other):
            word = usual + word[len(other) :]
            break
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def content_stems(text: str, spellings: Mapping[str, str] = NO_SPELLINGS) -> list[str]:
    """Stems of the words that carry meaning; ``spellings``: see ``stem``."""
    return [stem(word, spellings) for word in _WORD.findall(text.lower().replace("'", "")) if word not in _STOP]


@dataclass(frozen=True, slots=True)
class WordHit:
    """A passage found, with its score: larger is better, 0 is no word in common."""

    passage: Passage
    score: float


class KnowledgeIndex:
    """BM25 over passages and the words callers use for them."""

    def __init__(
        self,
        passages: Sequence[Passage],
        spellings: Mapping[str, str] = NO_SPELLINGS,
        *,
        k1: float = 1.2,
        b: float = 0.5,
    ) -> None:
        """``spellings``: see ``stem``. ``k1`` and ``b`` are the usual parameters of BM25; short passages want a small
        ``b``."""
        self._spellings = spellings
        self.passages = tuple(passages)
        self._k1, self._b = k1, b
        self._counts = [Counter(content_stems(" ".join((p.title, p.text, *p.asks)), spellings)) for p in self.passages]
        self._lengths = [sum(counts.values()) for counts in self._counts]
        self._mean = sum(self._lengths) / len(self._lengths) if self._lengths else 1.0
        found_in: Counter[str] = Counter()
        for counts in self._counts:
            found_in.update(counts.keys())
        number = len(self.passages)
        self._weights = {word: math.log(1 + (number - n + 0.5) / (n + 0.5)) for word, n in found_in.items()}

    def knows(self, text: str) -> float:
        """The share of meaning-carrying words of ``text`` that occur in any passage, 0..1."""
        stems = content_stems(text, self._spellings)
        return sum(word in self._weights for word in stems) / len(stems) if stems else 0.0

    def scores(self, query: str) -> list[float]:
        """One score a passage."""
        wanted = set(content_stems(query, self._spellings))
        result = []
        for counts, length in zip(self._counts, self._lengths, strict=True):
            score = 0.0
            for word in wanted & counts.keys():
                count = counts[word]
                norm = self._k1 * (1 - self._b + self._b * length / self._mean)
                score += self._weights[word] * count * (self._k1 + 1) / (count + norm)
            result.append(score)
        return result

    def search(self, query: str, limit: int = 3) -> list[WordHit]:
        """The best passages first; those without a word in common come last, in the playbook's order."""
        scored = sorted(zip(self.scores(query), range(len(self.passages)), strict=True), key=lambda e: (-e[0], e[1]))
        return [WordHit(self.passages[index], score) for score, index in scored[:limit]]


class WordsKnowledge:
    """A ``KnowledgeBase`` by words alone: needs no model, for a call's process and for when meaning is away."""

    def __init__(self, passages: Sequence[Passage], spellings: Mapping[str, str] = NO_SPELLINGS) -> None:
        """``spellings``: see ``stem``."""
        self._index = KnowledgeIndex(passages, spellings)

    async def search(self, query: str, limit: int = 3) -> list[Hit]:
        """See ``KnowledgeBase.search``; passages without a word in common are not found. Raises nothing."""
        found = self._index.search(query[:MAX_QUERY], limit)
        return [
            Hit(hit.passage.id, hit.passage.text, _likely(hit.score), hit.passage.title) for hit in found if hit.score
        ]

    async def close(self) -> None:
        """Nothing to let go of."""


def _likely(score: float) -> float:
    return round(score / (score + _SURE_WORDS), 4)
