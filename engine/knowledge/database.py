"""Articles in PostgreSQL with pgvector: near by meaning (HNSW) or by words (tsvector), then ordered as in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import asyncpg
import numpy as np

from engine.errors import KnowledgeUnavailable
from engine.knowledge.meaning import DIMENSIONS
from engine.knowledge.port import MAX_QUERY, Hit, Passage
from engine.knowledge.ranking import Embedded, Ranking, Space
from engine.knowledge.tables import queries
from engine.knowledge.words import NO_SPELLINGS, content_stems
from engine.sql import FAULTS

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from engine.knowledge.meaning import Matrix

TIMEOUT_SECONDS: Final = 1.0
_NEAR_VECTORS: Final = 120
"""Vectors looked at by meaning: about forty articles of three vectors each."""
_WORDED: Final = 20
"""Articles looked at by words."""
_CONNECTIONS: Final = 4
_HEADER_BYTES: Final = 4
"""Before the numbers of a vector in pgvector's binary form."""

T = TypeVar("T")


class DatabaseKnowledge:
    """A ``KnowledgeBase`` over the articles of one playbook in a database."""

    def __init__(
        self,
        url: str,
        playbook: str,
        space: Space,
        *,
        off_topic: Sequence[str] = (),
        spellings: Mapping[str, str] = NO_SPELLINGS,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        """``timeout``: seconds for one search, the connection included. ``off_topic``: what callers say that no article
        answers. ``spellings``: see ``words.stem``. Connects when it is first asked."""
        self._url = url
        self._playbook = playbook
        self._space = space
        self._off_topic = tuple(off_topic)
        self._spellings = spellings
        self._timeout = timeout
        self._pool: Any = None
        self._connecting = asyncio.Lock()

    async def search(self, query: str, limit: int = 3) -> list[Hit]:
        """See ``KnowledgeBase.search``. Articles that the job has not embedded yet are not found; where it has
        embedded none of the playbook's, KnowledgeUnavailable is raised: behind it stands the playbook itself."""
        query = query.strip()[:MAX_QUERY]
        if not query:
            return []
        question = await self._space.question(query)
        passages, embedded = await self._in_time(self._candidates(query, question))
        english = await self._space.english_question(query)
        nearness = await self._space.nearness(passages, self._off_topic) if english is not None else None
        return Ranking(self._space, passages, embedded, nearness).hits(query, question, limit, english)

    async def close(self) -> None:
        """Idempotent."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    async def _candidates(self, query: str, question: Matrix) -> tuple[list[Passage], Embedded]:
        sql, model = queries(), self._space.meaning.model
        async with (await self._connected()).acquire() as connection, connection.transaction(readonly=True):
            # Other playbooks and models share the index: go on until enough of ours are found.
            await connection.execute("SET LOCAL hnsw.iterative_scan = relaxed_order")
            near = await connection.fetch(sql["near"], self._playbook, model, vector_text(question), _NEAR_VECTORS)
            if not near:
                raise KnowledgeUnavailable(
                    f"the knowledge database holds no articles of {self._playbook!r} for {model}: run "
                    "`trunkline knowledge embed`"
                )
            ids = {row["article_id"] for row in near}
            if wanted := _tsquery(query, self._spellings):
                ids |= {row["id"] for row in await connection.fetch(sql["worded"], self._playbook, wanted, _WORDED)}
            articles = await connection.fetch(sql["articles"], self._playbook, sorted(ids))
            vectors = await connection.fetch(sql["vectors"], self._playbook, model, sorted(ids))
        return _assembled(articles, vectors)

    async def _connected(self) -> Any:
        async with self._connecting:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(self._url, min_size=1, max_size=_CONNECTIONS)
            return self._pool

    async def _in_time(self, work: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await work
        except TimeoutError as error:
            raise KnowledgeUnavailable(f"the knowledge database gave no answer within {self._timeout:g} s") from error
        except FAULTS as error:
            # The text of a server's error may show the address or a value: its kind is enough.
            raise KnowledgeUnavailable(f"the knowledge database failed ({type(error).__name__})") from error


def passage_of(article: Mapping[str, Any]) -> Passage:
    """A row of ``knowledge_articles``."""
    asks = tuple(line.strip() for line in article["asks"].splitlines() if line.strip())
    return Passage(article["id"], article["body"], asks, article["title"])


def vector_text(vector: Matrix) -> str:
    """A vector as pgvector reads it."""
    return f"[{','.join(f'{value:.7g}' for value in vector)}]"


def _tsquery(query: str, spellings: Mapping[str, str]) -> str:
    """Any of the question's telling words, as beginnings; letters and digits alone, so nothing of it is syntax."""
    return " | ".join(f"{stem}:*" for stem in dict.fromkeys(content_stems(query, spellings)))


def _assembled(articles: Sequence[Any], vectors: Sequence[Any]) -> tuple[list[Passage], Embedded]:
    """Articles that have their vectors, with them."""
    by_article: dict[str, dict[str, list[Matrix]]] = {}
    for row in vectors:
        numbers = np.frombuffer(row["vector"], dtype=">f4", offset=_HEADER_BYTES).astype(np.float32)
        by_article.setdefault(row["article_id"], {}).setdefault(row["kind"], []).append(numbers)
    passages = [passage_of(row) for row in articles if {"fact", "question"} <= by_article.get(row["id"], {}).keys()]
    asks, owners = [], []
    for number, passage in enumerate(passages):
        of_this = by_article[passage.id].get("ask", [])
        asks += of_this
        owners += [number] * len(of_this)
    facts = [by_article[passage.id]["fact"][0] for passage in passages]
    questions = [by_article[passage.id]["question"][0] for passage in passages]
    return passages, Embedded(_matrix(facts), _matrix(questions), _matrix(asks), tuple(owners))


def _matrix(rows: list[Matrix]) -> Matrix:
    return np.array(rows, dtype=np.float32).reshape(len(rows), DIMENSIONS)
