"""Hosted chat models as a call reaches them: behind a chain, behind the replica's gRPC server."""

from __future__ import annotations

import asyncio

import pytest

from engine.errors import ModelError
from engine.speech.chain import Member
from engine.speech.chain_models import ModelChain
from tests.chat_servers.script import Answer
from tests.chat_servers.served import PROTOCOLS, ask, connected, stream
from tests.over_grpc import ModelOverGrpc


@pytest.fixture(params=list(PROTOCOLS))
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_call_that_no_longer_listens_stops_the_provider_through_the_replica(protocol: str) -> None:
    endless = Answer(texts=("Hello", " again"), endless=True, pause=0.01)
    for answer, begun in ((endless, True), (Answer(before=60), False)):
        async with connected(protocol, answer, first_s=5) as (server, model):
            chain = ModelChain([Member(protocol, model, outside=True)])
            call = ModelOverGrpc(chain)
            await call.start()
            deltas = stream(call)
            if begun:
                await anext(deltas)
            else:
                asking = asyncio.ensure_future(anext(deltas))
                await server.asked.wait()
                asking.cancel()
                await asyncio.wait([asking])
            await deltas.aclose()
            async with asyncio.timeout(5):
                await server.seen[0].left.wait()
            await call.close()


@pytest.mark.parametrize(
    ("status", "retryable"), [(503, True), (429, True), (401, False), (400, False)], ids=["gone", "busy", "key", "bad"]
)
async def test_a_call_keeps_its_replica_when_the_provider_fails(protocol: str, status: int, retryable: bool) -> None:
    async with connected(protocol, Answer(status=status)) as (server, model):
        call = ModelOverGrpc(ModelChain([Member(protocol, model, outside=True)]))
        await call.start()
        with pytest.raises(ModelError, match=f"HTTP {status}") as caught:
            await ask(call)
        assert caught.value.retryable is retryable
        assert len(server.seen) == 1  # it is the agent that asks again, once
        assert call.leases.given_up == 0
        await call.close()
