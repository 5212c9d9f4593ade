"""The knowledge of a process that has the embeddings: one base a playbook, made from the settings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence

from engine.agent.playbook import Playbook, load_playbook
from engine.clock import Clock
from engine.config import Settings
from engine.errors import ConfigurationError, KnowledgeUnavailable
from engine.knowledge.fallback import FallbackKnowledge
from engine.knowledge.meaning import Meaning
from engine.knowledge.port import Hit, KnowledgeBase
from engine.knowledge.ranking import Space
from engine.knowledge.search import MeaningKnowledge
from engine.knowledge.topics import Topics, delivered_topics
from engine.knowledge.words import WordsKnowledge

logger = logging.getLogger(__name__)


def topics_of(playbooks: Iterable[Playbook]) -> Topics:
    """The topics that every business shares, and those that these bring."""
    return Topics(delivered_topics(), *(playbook.topics for playbook in playbooks))


class Library:
    """The knowledge bases of some playbooks, by name."""

    def __init__(self, settings: Settings, playbooks: Sequence[str], clock: Clock) -> None:
        """Names or folders of playbooks. Loads nothing before ``start``."""
        self._settings = settings
        self._names = tuple(playbooks)
        self._clock = clock
        self._meaning = Meaning()
        self._bases: dict[str, KnowledgeBase] = {}
        self._opening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load the playbooks, and search them by words; the embeddings follow in the background, in some seconds.

        Raises ConfigurationError. Embeddings that are not installed, or a database that is away, are done without.
        """
        playbooks = [load_playbook(name) for name in self._names]
        self._bases = {playbook.name: WordsKnowledge(playbook.knowledge, playbook.spellings) for playbook in playbooks}
        self._opening = asyncio.create_task(self._open(playbooks), name="open-knowledge")

    async def opened(self) -> None:
        """Returns when the search by meaning has taken over, or cannot."""
        if self._opening is not None:
            await asyncio.shield(self._opening)

    async def _open(self, playbooks: Sequence[Playbook]) -> None:
        try:
            await self._meaning.start()
            space = Space(self._meaning, topics_of(playbooks))
            await space.open()
            for playbook in playbooks:
                self._bases[playbook.name] = await self._base(space, playbook)
        except ConfigurationError as error:
            logger.warning("knowledge is searched by words alone: %s", error)
        except Exception:
            logger.exception("knowledge is searched by words alone")

    async def _base(self, space: Space, playbook: Playbook) -> KnowledgeBase:
        own = MeaningKnowledge(space, playbook.knowledge, playbook.off_topic)
        await own.open()
        wanted = self._settings.knowledge
        if not wanted.database:
            return own
        from engine.knowledge.database import DatabaseKnowledge  # noqa: PLC0415 - asyncpg, where it is asked for

        database = DatabaseKnowledge(
            wanted.database,
            playbook.name,
            space,
            off_topic=playbook.off_topic,
            spellings=playbook.spellings,
            timeout=wanted.timeout_s,
        )
        names = ("the knowledge database", f"the playbook {playbook.name}")
        return FallbackKnowledge(database, own, self._clock, names=names)

    async def search(self, playbook: str, query: str, limit: int) -> Sequence[Hit]:
        """As ``KnowledgeBase.search``. Raises KnowledgeUnavailable, also where the playbook is not known here."""
        base = self._bases.get(playbook)
        if base is None:
            raise KnowledgeUnavailable(f"no knowledge of a playbook {playbook[:40]!r} here")
        return await base.search(query, limit)

    async def close(self) -> None:
        """Idempotent."""
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
        bases, self._bases = self._bases, {}
        for base in bases.values():
            await base.close()
        await self._meaning.close()
