"""The knowledge base over passages in memory, by meaning and words together."""

from __future__ import annotations

from collections.abc import Sequence

from engine.knowledge.port import MAX_QUERY, Hit, Passage
from engine.knowledge.ranking import Ranking, Space


class MeaningKnowledge:
    """A ``KnowledgeBase`` by meaning and words, over passages held in memory."""

    def __init__(self, space: Space, passages: Sequence[Passage], off_topic: Sequence[str] = ()) -> None:
        """``space`` must be open when ``open`` is called; whoever made it closes it. ``off_topic``: what callers say
        that these passages do not answer."""
        self._space = space
        self._passages = tuple(passages)
        self._off_topic = tuple(off_topic)
        self._ranking: Ranking | None = None

    async def open(self) -> None:
        """Embeds the passages."""
        nearness = await self._space.nearness(self._passages, self._off_topic)
        self._ranking = Ranking(self._space, self._passages, await self._space.embed(self._passages), nearness)

    async def search(self, query: str, limit: int = 3) -> list[Hit]:
        """See ``KnowledgeBase.search``. Raises nothing."""
        query = query.strip()[:MAX_QUERY]
        if not query or self._ranking is None:
            return []
        question, english = await self._space.question(query), await self._space.english_question(query)
        return self._ranking.hits(query, question, limit, english)

    async def close(self) -> None:
        """Nothing to let go of."""
