"""A knowledge base with another behind it, for when it is away."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from engine.clock import Clock
from engine.errors import KnowledgeUnavailable
from engine.knowledge.port import Hit, KnowledgeBase

RETRY_SECONDS: Final = 30.0
"""How long the first is left alone after it failed: a caller does not wait for it each time."""

logger = logging.getLogger(__name__)


class FallbackKnowledge:
    """A ``KnowledgeBase`` that asks ``first``, and ``second`` where the first fails. Tells the log once each way."""

    def __init__(self, first: KnowledgeBase, second: KnowledgeBase, clock: Clock, *, names: tuple[str, str]) -> None:
        """Closes both. ``names``: of the two, for the log."""
        self._first = first
        self._second = second
        self._clock = clock
        self._names = names
        self._away = False
        self._retry_at = 0.0

    async def search(self, query: str, limit: int = 3) -> Sequence[Hit]:
        """See ``KnowledgeBase.search``. Raises KnowledgeUnavailable where both fail."""
        if self._away and self._clock.now() < self._retry_at:
            return await self._second.search(query, limit)
        self._retry_at = self._clock.now() + RETRY_SECONDS  # one try at a time while it is away
        try:
            found = await self._first.search(query, limit)
        except KnowledgeUnavailable as error:
            self._retry_at = self._clock.now() + RETRY_SECONDS
            if not self._away:
                self._away = True
                logger.warning("%s: answers come from %s until it is back", error, self._names[1])
            return await self._second.search(query, limit)
        if self._away:
            self._away = False
            logger.info("%s is back", self._names[0])
        return found

    async def close(self) -> None:
        """Idempotent."""
        await self._first.close()
        await self._second.close()
