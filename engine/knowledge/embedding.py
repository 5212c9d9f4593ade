"""Keeps the vectors of a database's articles up to date. Idempotent: what is done already is not done again."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from engine.knowledge.database import passage_of, vector_text
from engine.knowledge.port import Passage
from engine.knowledge.ranking import Space
from engine.knowledge.tables import queries

_BATCH: Final = 32
"""Articles embedded between two looks at the database."""


@dataclass(frozen=True, slots=True)
class Done:
    """What one run did to one playbook's articles."""

    playbook: str
    model: str
    loaded: int
    """Articles of the playbook's folder that were new or different."""
    unloaded: int
    """Articles that have left the folder."""
    embedded: int
    """Articles whose vectors were made."""
    withdrawn: int
    """Withdrawn articles that lost their vectors."""
    forgotten: int
    """Vectors of other models that were removed."""
    articles: int
    """Articles that are there now."""
    vectors: int
    """Vectors of this model that are there now."""
    other_models: int
    """Vectors of other models that are there still."""


async def load(connection: Any, playbook: str, passages: Sequence[Passage]) -> tuple[int, int]:
    """Write a folder's passages into the tables, and remove those that have left it: how many changed and how many
    went. Articles that people edit in the database are left alone, one of the same id included."""
    sql = queries()
    loaded = 0
    async with connection.transaction():
        for passage in passages:
            asks = "\n".join(passage.asks)
            row = await connection.fetchrow(sql["load"], playbook, passage.id, passage.title, passage.text, asks)
            loaded += row is not None
        gone = await connection.fetch(sql["unload"], playbook, [passage.id for passage in passages])
    return loaded, len(gone)


async def embed(
    connection: Any,
    space: Space,
    playbook: str,
    *,
    passages: Sequence[Passage] | None = None,
    forget_other_models: bool = False,
) -> Done:
    """Bring a playbook's vectors up to date; first load ``passages``, where given.

    ``space`` needs a started model, but need not be open. Raises asyncpg.PostgresError, OSError; what was embedded
    until then stays.
    """
    sql, model = queries(), space.meaning.model
    loaded, unloaded = await load(connection, playbook, passages) if passages is not None else (0, 0)
    withdrawn = await connection.fetch(sql["forget_withdrawn"], playbook)
    embedded = 0
    while rows := await connection.fetch(sql["unembedded"], playbook, model, _BATCH):
        for row in rows:
            await _embed(connection, space, playbook, row)
            embedded += 1
    forgotten = await connection.fetchval(sql["forget_other_models"], playbook, model) if forget_other_models else 0
    now = await connection.fetchrow(sql["count"], playbook, model)
    return Done(
        playbook=playbook,
        model=model,
        loaded=loaded,
        unloaded=unloaded,
        embedded=embedded,
        withdrawn=len(withdrawn),
        forgotten=forgotten,
        articles=now["articles"],
        vectors=now["vectors"],
        other_models=now["other_models"],
    )


async def _embed(connection: Any, space: Space, playbook: str, row: Any) -> None:
    sql, model, article = queries(), space.meaning.model, row["id"]
    made = await space.embed([passage_of(row)])
    vectors = [("fact", 0, made.facts[0]), ("question", 0, made.questions[0])]
    vectors += [("ask", part, vector) for part, vector in enumerate(made.asks)]
    # An article may be deleted meanwhile: then it has no vectors.
    with contextlib.suppress(asyncpg.ForeignKeyViolationError):
        async with connection.transaction():
            await connection.execute(sql["forget"], playbook, article, model)
            await connection.executemany(
                sql["embed"],
                [
                    (playbook, article, model, kind, part, row["content_hash"], vector_text(vector))
                    for kind, part, vector in vectors
                ],
            )
