"""How passages are ordered for a question: meaning, usual questions, topics and, in English, a second model.

All cosines are taken from the middle of everyday questions and everyday facts instead of from zero: this model's
vectors lie close together (every cosine is 0.75 to 0.9), and a passage that is near to everything would win too often.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import yaml

from engine.knowledge.meaning import Meaning
from engine.knowledge.nearness import Nearness, parts, where_each_starts
from engine.knowledge.port import Hit, Passage
from engine.knowledge.tongue import is_english
from engine.knowledge.topics import Topics, delivered_topics

if TYPE_CHECKING:
    from engine.knowledge.meaning import Matrix

_EVERYDAY: Final = Path(__file__).with_name("everyday.yaml")
_AS_FACT, _AS_QUESTION = 0.7, 0.5
"""A passage is embedded as a fact and as a question; so much of each. The second helps across languages."""
_ASKS: Final = 0.6
"""Weight of the nearest usual question."""
_TOPICS: Final = 0.04
"""Weight of one rare topic in common; it grows with the rarity as in BM25."""
_MISSING: Final = 0.3
"""What it costs that a topic of the question is not in the passage, as a share of what it gains where it is."""
_IN_PASSING: Final = frozenset({"free", "price", "duration"})
"""Topics that passages touch in passing: that something is free says little of what it is."""
_EVERYWHERE: Final = 0.3
"""Weight of those."""
_OWN_MIDDLE: Final = 10
"""With so many passages the middle is half everyday's and half their own."""
_MIDDLE_SCORE, _STEEPNESS = 0.46, 12.0
"""Where a passage answers as likely as not, and how fast that changes. Measured with questions off topic."""

_ENGLISH_MIDDLE, _ENGLISH_STEEPNESS, _OFF_TOPIC = 0.57, 5.0, 0.93
"""The same with the second model, and what nearness to something off topic takes away."""
_MORE_CHANCES: Final = 0.06
"""What a passage with words of callers must reach beyond one without: the nearest of many is near to anything."""


_REMEMBERED: Final = 8192
"""English sentences whose vectors are kept (1.5 kB each): a database's articles are ranked anew for each question."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """The vectors of some passages, as the model gives them."""

    facts: Matrix
    """(passages, 384)."""
    questions: Matrix
    """(passages, 384): the same texts embedded as questions."""
    asks: Matrix
    """(asks, 384): the words callers use for them, as questions."""
    owners: tuple[int, ...]
    """Ask → passage."""


class Space:
    """What all knowledge of a process shares: the model, the middle, the usual questions of each topic."""

    def __init__(self, meaning: Meaning, topics: Topics | None = None) -> None:
        """``meaning`` must have been started when ``open`` is called; whoever made it closes it. ``topics``: None for
        those of every business."""
        self.meaning = meaning
        self.topics = topics or Topics(delivered_topics())
        self._elsewhere: tuple[str, ...] = ()
        self._english: dict[str, Matrix] = {}

    async def open(self) -> None:
        """Embeds what is needed for every question: about three seconds of one core, once a process."""
        everyday = yaml.safe_load(_EVERYDAY.read_text(encoding="utf-8"))
        self._elsewhere = tuple(everyday["elsewhere"])
        self.middle_question = (await self.meaning.questions(everyday["questions"])).mean(axis=0)
        self.middle_fact = (await self.meaning.passages(everyday["facts"])).mean(axis=0)
        pairs = [(topic, ask) for topic, asks in self.topics.asks.items() for ask in asks]
        self.ask_topics = tuple(topic for topic, _ in pairs)
        self.topic_asks = _unit(await self.meaning.questions([ask for _, ask in pairs]) - self.middle_question)

    async def embed(self, passages: Sequence[Passage]) -> Embedded:
        """The vectors of ``passages``, about 30 ms each."""
        texts = [passage.text for passage in passages]
        asks = [ask for passage in passages for ask in passage.asks]
        owners = tuple(number for number, passage in enumerate(passages) for _ in passage.asks)
        meaning = self.meaning
        return Embedded(
            await meaning.passages(texts), await meaning.questions(texts), await meaning.questions(asks), owners
        )

    async def question(self, text: str) -> Matrix:
        """The unit vector of a question, from the middle; shape (384,)."""
        return _unit(await self.meaning.question(text) - self.middle_question)

    async def english_question(self, text: str) -> Matrix | None:
        """The unit vector of an English question by the second model; None for other languages, or without it."""
        if not self.meaning.knows_english or not is_english(text):
            return None
        return await self.meaning.english_question(text)

    async def nearness(self, passages: Sequence[Passage], off_topic: Sequence[str] = ()) -> Nearness | None:
        """English ``passages`` for the second model: about 10 ms a sentence that was not seen before. ``off_topic``:
        what callers say that this business does not answer, besides what nobody answers. None as above."""
        if not passages or not self.meaning.knows_english or not is_english(" ".join(each.text for each in passages)):
            return None
        texts = [parts(passage) for passage in passages]
        vectors = await self._seen([text for each in texts for text in each])
        return Nearness(vectors, where_each_starts(texts), await self._seen([*self._elsewhere, *off_topic]))

    async def _seen(self, texts: Sequence[str]) -> Matrix:
        new = [text for text in dict.fromkeys(texts) if text not in self._english]
        found = {text: self._english[text] for text in texts if text in self._english}
        found.update(zip(new, await self.meaning.english(new), strict=True))
        self._english.update(found)
        for text in list(self._english)[: max(0, len(self._english) - _REMEMBERED)]:
            del self._english[text]
        return np.array([found[text] for text in texts], dtype=np.float32)


class Ranking:
    """Some passages, ready to be ordered for any question."""

    def __init__(
        self, space: Space, passages: Sequence[Passage], embedded: Embedded, nearness: Nearness | None = None
    ) -> None:
        """``nearness``: of the same passages, from ``Space.nearness``."""
        self.passages = tuple(passages)
        self._nearness = nearness
        self._space = space
        self._owners = np.asarray(embedded.owners, dtype=np.intp)
        number = len(self.passages)
        own = 0.5 * min(1.0, number / _OWN_MIDDLE) if number else 0.0
        facts = _unit(embedded.facts - _mix(space.middle_fact, embedded.facts, own))
        questions = _unit(embedded.questions - _mix(space.middle_question, embedded.questions, own))
        self._texts = _unit(_AS_FACT * facts + _AS_QUESTION * questions)
        self._asks = _unit(embedded.asks - space.middle_question)
        self._topics = [_topics_of(space.topics, passage) for passage in self.passages]
        found = Counter(topic for topics in self._topics for topic in topics)
        self._rarity = {topic: math.log(1 + (number - n + 0.5) / (n + 0.5)) for topic, n in found.items()}
        self._rarest = math.log(1 + (number + 0.5) / 0.5)
        share = np.array([math.sqrt(1 - found[topic] / (number + 1)) for topic in space.ask_topics])
        self._share = share.astype(np.float32)
        names = {topic: column for column, topic in enumerate(dict.fromkeys(space.ask_topics))}
        self._columns = np.array([names[topic] for topic in space.ask_topics], dtype=np.intp)
        self._about = np.zeros((number, len(names)), dtype=bool)
        for row, topics in enumerate(self._topics):
            for topic in topics & names.keys():
                self._about[row, names[topic]] = True

    def scores(self, text: str, question: Matrix) -> Matrix:
        """One score a passage, about 0 to 2.5; ``question`` is the vector of ``text`` from ``Space.question``."""
        usual = self._space.topic_asks @ question
        base = float(usual.mean())
        lifted = np.full(self._about.shape[1], base, dtype=np.float32)
        np.maximum.at(lifted, self._columns, base + (usual - base) * self._share)
        asked = np.where(self._about, lifted, base).max(axis=1, initial=base)
        if len(self._owners):
            np.maximum.at(asked, self._owners, self._asks @ question)
        weights = {topic: self._weight(topic) for topic in self._space.topics.of(text)}
        common = [
            sum(weight if topic in topics else -_MISSING * weight for topic, weight in weights.items())
            for topics in self._topics
        ]
        scores: Matrix = self._texts @ question + _ASKS * asked + _TOPICS * np.array(common, dtype=np.float32)
        return scores

    def _weight(self, topic: str) -> float:
        """How telling it is that a question touches ``topic``."""
        rarity = self._rarity.get(topic, self._rarest)
        return rarity * _EVERYWHERE if topic in _IN_PASSING else rarity

    def hits(self, text: str, question: Matrix, limit: int, english: Matrix | None = None) -> list[Hit]:
        """The best ``limit`` passages, best first, with calibrated scores; ``english``: ``Space.english_question``."""
        if not self.passages:
            return []
        scores = self.scores(text, question)
        if english is not None and self._nearness is not None:
            scores = scores + self._nearness.scores(english)
            off_topic = self._nearness.off_topic(english)
            sure = [_sure_in_english(float(score), off_topic) for score in scores]
        else:
            sure = [_sure(each, float(score)) for each, score in zip(self.passages, scores, strict=True)]
        order = np.argsort(-scores, kind="stable")[:limit]
        return [
            Hit(each.id, each.text, sure[row], each.title, by="meaning")
            for row, each in ((int(row), self.passages[row]) for row in order)
        ]


def calibrated(score: float) -> float:
    """A score of ``Ranking`` as how surely the passage answers, 0..1."""
    return _share(_STEEPNESS * (score - _MIDDLE_SCORE))


def _sure(passage: Passage, score: float) -> float:
    return calibrated(score - _MORE_CHANCES if passage.asks else score)


def _sure_in_english(score: float, off_topic: float) -> float:
    return _share(_ENGLISH_STEEPNESS * (score - _OFF_TOPIC * off_topic - _ENGLISH_MIDDLE))


def _share(odds: float) -> float:
    return round(1 / (1 + math.exp(-odds)), 4)


def _topics_of(topics: Topics, passage: Passage) -> frozenset[str]:
    return topics.of(" \n ".join((passage.title, passage.text, *passage.asks)))


def _mix(everyday: Matrix, vectors: Matrix, own: float) -> Matrix:
    return (1 - own) * everyday + own * vectors.mean(axis=0) if own else everyday


def _unit(vectors: Matrix) -> Matrix:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: Matrix = vectors / np.maximum(lengths, 1e-9)
    return unit
