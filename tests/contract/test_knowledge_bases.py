"""What every knowledge base does, whatever it searches with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from engine.clock import LoopClock
from engine.errors import KnowledgeUnavailable
from engine.knowledge.fallback import FallbackKnowledge
from engine.knowledge.grpc_client import GrpcKnowledge
from engine.knowledge.port import MAX_QUERY, Hit, KnowledgeBase, Passage
from engine.knowledge.ranking import Space
from engine.knowledge.search import MeaningKnowledge
from engine.knowledge.words import WordsKnowledge
from engine.speech.grpc_client import Channels
from engine.speech.grpc_server import SpeechServer
from engine.speech.leases import FixedLeases
from tests.word_meaning import WordMeaning

PASSAGES = (
    Passage("hours", "We are open from eight to seven.", ("when do you open",), "Opening hours"),
    Passage("dogs", "Dogs may come in; they wait at the counter."),
    Passage("parking", "Parking in the yard is free for two hours.", ("where do I leave my car", "car park")),
)


class Away:
    """A base that cannot be reached."""

    async def search(self, query: str, limit: int = 3) -> Sequence[Hit]:
        raise KnowledgeUnavailable("away")

    async def close(self) -> None:
        """Nothing."""


class Shelf:
    """One base under a name, as a library serves it."""

    def __init__(self, base: KnowledgeBase) -> None:
        self._base = base

    async def search(self, playbook: str, query: str, limit: int) -> Sequence[Hit]:
        assert playbook == "shop"
        return await self._base.search(query, limit)


async def by_meaning(passages: Sequence[Passage] = PASSAGES) -> MeaningKnowledge:
    space = Space(WordMeaning())
    await space.open()
    base = MeaningKnowledge(space, passages)
    await base.open()
    return base


@pytest.fixture(params=["words", "meaning", "fallback", "grpc"])
async def base(request: pytest.FixtureRequest) -> AsyncIterator[KnowledgeBase]:
    match request.param:
        case "words":
            yield WordsKnowledge(PASSAGES)
        case "meaning":
            yield await by_meaning()
        case "fallback":
            yield FallbackKnowledge(Away(), WordsKnowledge(PASSAGES), LoopClock(), names=("one", "two"))
        case _:
            async with served(await by_meaning()) as client:
                yield client


class served:
    """A base behind a real gRPC server on loopback, through the client of the contract."""

    def __init__(self, base: KnowledgeBase | None) -> None:
        self._base = base

    async def __aenter__(self) -> GrpcKnowledge:
        self._server = SpeechServer(knowledge=Shelf(self._base) if self._base is not None else None)
        port = await self._server.start("127.0.0.1")
        self._channels = Channels()
        leases = FixedLeases({"llm": f"127.0.0.1:{port}"})
        return GrpcKnowledge(leases, self._channels, playbook="shop", call_id="call-1", timeout=20)

    async def __aexit__(self, *_: object) -> None:
        await self._channels.close()
        await self._server.stop()


async def test_the_best_comes_first(base: KnowledgeBase) -> None:
    hits = await base.search("When do you open?")
    assert hits[0].id == "hours"
    assert hits[0].text == PASSAGES[0].text
    assert hits[0].title == "Opening hours"
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(0 <= hit.score <= 1 for hit in hits)
    assert hits[0].answers


async def test_words_of_callers_are_searched_and_not_told(base: KnowledgeBase) -> None:
    (hit,) = await base.search("Is there a car park?", limit=1)
    assert (hit.id, hit.text) == ("parking", PASSAGES[2].text)


async def test_no_more_than_asked_for(base: KnowledgeBase) -> None:
    for limit in (1, 2):
        assert len(await base.search("dogs open parking", limit=limit)) == limit


@pytest.mark.parametrize("query", ["", "   "])
async def test_nothing_asked_nothing_found(base: KnowledgeBase, query: str) -> None:
    assert list(await base.search(query)) == []


async def test_a_long_question_is_cut(base: KnowledgeBase) -> None:
    long = "dogs " * MAX_QUERY
    assert await base.search(long) == await base.search(long[:MAX_QUERY])


async def test_closing_twice_is_closing_once(base: KnowledgeBase) -> None:
    await base.close()
    await base.close()


async def test_an_empty_base_finds_nothing() -> None:
    assert await WordsKnowledge(()).search("anything") == []
    assert await (await by_meaning(())).search("anything") == []


async def test_what_is_off_topic_has_no_answer() -> None:
    base = await by_meaning()
    assert not any(hit.answers for hit in await base.search("Purple elephants sing opera"))
    assert await WordsKnowledge(PASSAGES).search("Purple elephants sing opera") == []


async def test_over_grpc_a_failure_stays_a_failure() -> None:
    async with served(Away()) as client:
        with pytest.raises(KnowledgeUnavailable, match="UNAVAILABLE"):
            await client.search("When do you open?")


async def test_a_server_without_knowledge_is_unavailable() -> None:
    async with served(None) as client:
        with pytest.raises(KnowledgeUnavailable, match="UNIMPLEMENTED"):
            await client.search("When do you open?")
