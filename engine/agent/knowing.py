"""Which passage answers a question, and whether a turn is a question that the knowledge may answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.agent import talk_words as words
from engine.agent.playbook import Playbook
from engine.knowledge.meaning import Meaning
from engine.knowledge.port import ANSWERS
from engine.knowledge.words import KnowledgeIndex

if TYPE_CHECKING:
    from engine.knowledge.meaning import Matrix

# Cosines with this embedding model. Over the knowledge of a shop, questions that it answers reach 0.856 and more with
# the passage (or one of its "asks"), questions that it does not answer 0.861 at most.
_RELATED = 0.845
"""From here on an unclear question is looked up, if it is also nearer to the knowledge than to anything off topic."""
_ANSWERS = 0.85
"""From here on a passage that shares words with the question answers it."""
_ANSWERS_ALONE = 0.865
"""… and one that shares none."""
_ANSWERS_SURE = 0.80
"""… and one that shares many, or that another knowledge base found by its own search."""
_MANY_WORDS = 6.0
"""BM25 score of two or three telling words in common."""


class KnowledgeDesk:
    """The policy's view of one playbook's knowledge."""

    def __init__(self, playbook: Playbook) -> None:
        self._playbook = playbook
        self._index = KnowledgeIndex(playbook.knowledge, playbook.spellings)
        self._meaning: Meaning | None = None
        self._vectors: Matrix | None = None
        self._owners: tuple[int, ...] = ()
        self._off_topic: Matrix | None = None

    async def start(self, meaning: Meaning | None) -> None:
        """Without ``meaning`` it goes by words alone."""
        self._meaning = meaning
        if meaning is None:
            return
        texts: list[str] = []
        owners: list[int] = []
        for number, passage in enumerate(self._playbook.knowledge):
            texts += [passage.text, *passage.asks]
            owners += [number] * (1 + len(passage.asks))
        self._owners = tuple(owners)
        self._vectors = await meaning.passages(texts) if texts else None
        strange = list(self._playbook.off_topic)
        self._off_topic = await meaning.passages(strange) if strange else None

    async def may_answer(self, text: str) -> bool:
        """Whether a turn without a known intent is a question that the knowledge base may answer."""
        if len(text.split()) < 3 or not words.QUESTION.search(text):
            return False
        if self._meaning is None or self._vectors is None:
            return self._index.knows(text) >= 0.5
        best = max(await self._by_passage(text, self._vectors), default=0.0)
        if best < _RELATED or self._off_topic is None:
            return best >= _RELATED
        return best > max(await self._meaning.compare(text, self._off_topic))

    async def answer(self, query: str, passages: Sequence[Mapping[str, Any]]) -> str:
        """The text of the passage that answers ``query``; empty where none does."""
        judged = [item for item in passages if item.get("by") == "meaning"]
        if judged or self._meaning is None:  # the search has judged already what answers
            found = max(judged or passages, key=lambda item: float(item.get("score", 0.0)), default={})
            return str(found.get("text", "")) if float(found.get("score", 0.0)) >= ANSWERS else ""
        known = {passage.text: number for number, passage in enumerate(self._playbook.knowledge)}
        texts = [str(item.get("text", "")) for item in passages]
        strange = [text for text in texts if text not in known]
        by_passage = await self._by_passage(query, self._vectors) if self._vectors is not None else []
        scored, meanings = dict.fromkeys(strange, 0.0), {}
        if len(strange) < len(texts) or not texts:  # the playbook's own: meaning may find what shares no word
            scored.update(zip(known, self._index.scores(query), strict=False))
            meanings = {text: by_passage[number] for text, number in known.items()} if by_passage else {}
        if not scored:
            return ""
        if strange:  # passages that another knowledge base delivered
            scores = await self._meaning.compare(query, await self._meaning.passages(strange))
            meanings.update(zip(strange, scores, strict=True))
        top = max(scored.values()) or 1.0
        # a cosine moves within 0.75..0.90, so the best match by words is worth a quarter of its range
        best = max(scored, key=lambda text: meanings[text] + 0.04 * scored[text] / top)
        sure = best in strange or scored[best] >= _MANY_WORDS
        needed = _ANSWERS_SURE if sure else _ANSWERS if scored[best] else _ANSWERS_ALONE
        return best if meanings[best] >= needed else ""

    async def _by_passage(self, text: str, vectors: Matrix) -> list[float]:
        """The best cosine of each passage with ``text``."""
        assert self._meaning is not None
        best = [0.0] * len(self._playbook.knowledge)
        for owner, score in zip(self._owners, await self._meaning.compare(text, vectors), strict=True):
            best[owner] = max(best[owner], score)
        return best
