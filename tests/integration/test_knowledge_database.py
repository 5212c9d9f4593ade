"""Knowledge in a real PostgreSQL with pgvector: loaded, embedded, searched, and away."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from engine.agent.playbook import load_playbook
from engine.clock import LoopClock
from engine.config import Settings, load_settings
from engine.errors import ConfigurationError, KnowledgeUnavailable
from engine.knowledge import embedding
from engine.knowledge.database import DatabaseKnowledge
from engine.knowledge.fallback import FallbackKnowledge
from engine.knowledge.meaning import DIMENSIONS
from engine.knowledge.port import Hit, Passage
from engine.knowledge.ranking import Space
from engine.knowledge.search import MeaningKnowledge
from engine.knowledge.tables import migrate
from engine.knowledge.words import WordsKnowledge
from ops.knowledge_job import run, update
from tests.postgres_server import running_postgres
from tests.word_meaning import WordMeaning

PASSAGES = (
    Passage("hours", "We are open from eight to seven.", ("when do you open",), "Opening hours"),
    Passage("dogs", "Dogs may come in; they wait at the counter."),
    Passage("parking", "Parking in the yard is free for two hours.", ("where do I leave my car", "car park")),
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_postgres() as url:
        yield url


@pytest.fixture
async def url(server: str) -> str:
    """A fresh database with the tables in it."""
    connection = await asyncpg.connect(server)
    await connection.execute("DROP DATABASE IF EXISTS knowledge WITH (FORCE)")
    await connection.execute("CREATE DATABASE knowledge")
    await connection.close()
    return server.rpartition("/")[0] + "/knowledge"


@pytest.fixture
async def connection(url: str) -> AsyncIterator[Any]:
    connected = await asyncpg.connect(url)
    await migrate(connected)
    yield connected
    await connected.close()


@pytest.fixture
async def space() -> Space:
    opened = Space(WordMeaning())
    await opened.open()
    return opened


async def test_tables_are_made_once(url: str) -> None:
    one, two = await asyncpg.connect(url), await asyncpg.connect(url)
    applied = await asyncio.gather(migrate(one), migrate(two))
    assert sorted(map(len, applied)) == [0, 1]
    assert await migrate(one) == []
    await asyncio.gather(one.close(), two.close())


async def test_what_is_embedded_is_not_embedded_again(connection: Any, space: Space) -> None:
    meaning = space.meaning
    assert isinstance(meaning, WordMeaning)
    first = await embedding.embed(connection, space, "shop", passages=PASSAGES)
    assert (first.loaded, first.embedded, first.articles, first.vectors) == (3, 3, 3, 9)
    meaning.embedded.clear()
    again = await embedding.embed(connection, space, "shop", passages=PASSAGES)
    assert (again.loaded, again.embedded, again.vectors) == (0, 0, 9)
    assert meaning.embedded == []


async def test_changed_articles_alone_are_embedded_anew(connection: Any, space: Space) -> None:
    await embedding.embed(connection, space, "shop", passages=PASSAGES)
    changed = (*PASSAGES[:2], Passage("parking", "Parking costs two euros.", ("car park",)))
    done = await embedding.embed(connection, space, "shop", passages=changed)
    assert (done.loaded, done.embedded, done.vectors) == (1, 1, 8)
    await connection.execute("UPDATE knowledge_articles SET body = 'Dogs must stay outside.' WHERE id = 'dogs'")
    assert (await embedding.embed(connection, space, "shop")).embedded == 1


async def test_vectors_go_with_their_articles(connection: Any, space: Space) -> None:
    await embedding.embed(connection, space, "shop", passages=PASSAGES)
    done = await embedding.embed(connection, space, "shop", passages=PASSAGES[1:])
    assert (done.unloaded, done.articles, done.vectors) == (1, 2, 6)
    await connection.execute("UPDATE knowledge_articles SET withdrawn_at = now() WHERE id = 'dogs'")
    done = await embedding.embed(connection, space, "shop")
    assert (done.withdrawn, done.articles, done.vectors) == (1, 1, 4)


async def test_articles_edited_in_the_database_stay(connection: Any, space: Space) -> None:
    insert = "INSERT INTO knowledge_articles (playbook, id, body) VALUES ('shop', $1, $2)"
    await connection.execute(insert, "dogs", "Dogs are welcome, and get water.")
    await connection.execute(insert, "wifi", "The password is on the wall.")
    done = await embedding.embed(connection, space, "shop", passages=PASSAGES)
    assert (done.loaded, done.unloaded, done.embedded) == (2, 0, 4)
    kept = await connection.fetchval("SELECT body FROM knowledge_articles WHERE id = 'dogs'")
    assert kept == "Dogs are welcome, and get water."


async def test_it_finds_what_memory_finds(connection: Any, url: str, space: Space) -> None:
    await embedding.embed(connection, space, "shop", passages=PASSAGES)
    memory = MeaningKnowledge(space, PASSAGES)
    await memory.open()
    base = DatabaseKnowledge(url, "shop", space, timeout=30)
    for question in ("When do you open?", "May my dogs come?", "Where is the car park?"):
        found, wanted = await base.search(question), await memory.search(question)
        assert [hit.id for hit in found] == [hit.id for hit in wanted]
        assert [hit.score for hit in found] == pytest.approx([hit.score for hit in wanted], abs=1e-3)
    (best,) = await base.search("When do you open?", limit=1)
    assert best == Hit("hours", PASSAGES[0].text, best.score, "Opening hours", by="meaning")
    assert await base.search("  ") == []
    await base.close()
    await base.close()


async def test_vectors_of_another_model_are_never_compared(connection: Any, url: str, space: Space) -> None:
    await embedding.embed(connection, space, "shop", passages=PASSAGES)
    other = Space(WordMeaning("words 2"))
    await other.open()
    base = DatabaseKnowledge(url, "shop", other, timeout=30)
    with pytest.raises(KnowledgeUnavailable, match="trunkline knowledge embed"):
        await base.search("When do you open?")
    done = await embedding.embed(connection, other, "shop")
    assert (done.embedded, done.vectors, done.other_models) == (3, 9, 9)
    assert (await base.search("When do you open?"))[0].id == "hours"
    done = await embedding.embed(connection, other, "shop", forget_other_models=True)
    assert (done.forgotten, done.vectors, done.other_models) == (9, 9, 0)
    await base.close()


async def test_stale_vectors_and_other_playbooks_are_not_found(connection: Any, url: str, space: Space) -> None:
    await embedding.embed(connection, space, "shop", passages=PASSAGES)
    await embedding.embed(connection, space, "clinic", passages=(Passage("fees", "Opening a file is free."),))
    base = DatabaseKnowledge(url, "shop", space, timeout=30)
    await connection.execute("UPDATE knowledge_articles SET body = 'Closed for good.' WHERE id = 'hours'")
    assert {hit.id for hit in await base.search("When do you open?", limit=10)} == {"dogs", "parking"}
    await base.close()


@pytest.mark.parametrize(
    "question", ["'; DROP TABLE knowledge_articles; --", "a & ! | ( <-> :* 'b", "\\ \x01 %_", "🚗" * 50]
)
async def test_a_question_is_never_syntax(connection: Any, url: str, space: Space, question: str) -> None:
    await embedding.embed(connection, space, "shop", passages=PASSAGES)
    base = DatabaseKnowledge(url, "shop", space, timeout=30)
    await base.search(question)
    assert await connection.fetchval("SELECT count(*) FROM knowledge_articles") == 3
    await base.close()


async def test_the_index_is_used_when_there_are_many(connection: Any, space: Space) -> None:
    many = [Passage(f"a{n}", f"Fact {n} about thing {n * 7}.") for n in range(400)]
    await embedding.embed(connection, space, "shop", passages=many)
    await connection.execute("ANALYZE")
    await connection.execute("SET enable_seqscan = off; SET enable_sort = off")
    vector = "[" + ",".join(["0.05"] * DIMENSIONS) + "]"
    plan = await connection.fetch(
        "EXPLAIN SELECT article_id FROM knowledge_embeddings ORDER BY embedding <#> $1::text::vector LIMIT 10", vector
    )
    assert any("knowledge_embeddings_near" in row[0] for row in plan)


async def test_a_playbook_that_was_never_embedded_answers_from_its_folder(
    connection: Any, url: str, space: Space
) -> None:
    await embedding.embed(connection, space, "clinic", passages=PASSAGES)
    names = ("the knowledge database", "the playbook")
    database = DatabaseKnowledge(url, "shop", space, timeout=30)
    base = FallbackKnowledge(database, WordsKnowledge(PASSAGES), LoopClock(), names=names)
    (hit,) = await base.search("When do you open?", limit=1)
    assert (hit.id, hit.by) == ("hours", "words")
    await base.close()


async def test_a_database_without_the_tables_is_unavailable(url: str, space: Space) -> None:
    base = DatabaseKnowledge(url, "shop", space, timeout=30)
    with pytest.raises(KnowledgeUnavailable, match="UndefinedTable"):
        await base.search("When do you open?")
    await base.close()


async def test_a_silent_database_is_given_up(space: Space) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"postgresql://postgres:secret@127.0.0.1:{silent.getsockname()[1]}/knowledge"
        base = DatabaseKnowledge(address, "shop", space, timeout=0.2)
        with pytest.raises(KnowledgeUnavailable, match="no answer within") as told:
            await base.search("When do you open?")
        assert "secret" not in str(told.value)
        await base.close()


async def test_away_and_back(
    connection: Any, url: str, space: Space, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await embedding.embed(connection, space, "shop", passages=PASSAGES)
    monkeypatch.setattr("engine.knowledge.fallback.RETRY_SECONDS", 0.0)
    database = DatabaseKnowledge(url, "shop", space, timeout=30)
    names = ("the knowledge database", "the playbook")
    base = FallbackKnowledge(database, WordsKnowledge(PASSAGES), LoopClock(), names=names)
    with caplog.at_level(logging.INFO):
        assert (await base.search("When do you open?"))[0].by == "meaning"
        await connection.execute("ALTER TABLE knowledge_articles RENAME TO gone")
        for _ in range(3):
            assert (await base.search("When do you open?"))[0].by == "words"
        await connection.execute("ALTER TABLE gone RENAME TO knowledge_articles")
        assert (await base.search("When do you open?"))[0].by == "meaning"
    assert [record.levelname for record in caplog.records if record.name == "engine.knowledge.fallback"] == [
        "WARNING",
        "INFO",
    ]
    await base.close()


async def test_the_job_tells_what_it_did(url: str) -> None:
    playbook = dataclasses.replace(load_playbook("tyre_shop"), name="shop", knowledge=PASSAGES)
    done = await update(url, [playbook], WordMeaning())
    assert done["migrations"] == ["knowledge/0001_articles.sql"]
    (first,) = done["playbooks"]
    assert (first["playbook"], first["model"], first["embedded"], first["vectors"]) == ("shop", "words 1", 3, 9)
    again = await update(url, [playbook], WordMeaning())
    assert again["migrations"] == []
    assert (again["playbooks"][0]["embedded"], again["playbooks"][0]["vectors"]) == (0, 9)


async def test_the_job_tells_that_the_database_is_away() -> None:
    with socket.socket() as refused:
        refused.bind(("127.0.0.1", 0))
        address = f"postgresql://postgres:secret@127.0.0.1:{refused.getsockname()[1]}/knowledge"
        with pytest.raises(KnowledgeUnavailable, match="ConnectionRefusedError") as told:
            await update(address, [], WordMeaning())
    assert "secret" not in str(told.value)


def test_the_job_is_for_every_playbook_that_is_configured(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ops.knowledge_job.Meaning", WordMeaning)
    run(load_settings({"TRUNKLINE_KNOWLEDGE": url, "TRUNKLINE_PLAYBOOK": "tyre_shop|clinic"}))
    done = json.loads(capsys.readouterr().out)["playbooks"]
    assert [(each["playbook"], each["embedded"] > 0) for each in done] == [("tyre_shop", True), ("clinic", True)]


def test_the_job_needs_a_database() -> None:
    with pytest.raises(ConfigurationError, match="set TRUNKLINE_KNOWLEDGE"):
        run(Settings())
