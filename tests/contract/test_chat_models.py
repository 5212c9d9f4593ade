"""What every chat model does, whoever makes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import cast

import pytest

from engine.agent.policy import PolicyModel
from engine.agent.ports import (
    ChatDelta,
    ChatDone,
    ChatModel,
    ChatRequest,
    Message,
    TextDelta,
    TokensTold,
    ToolCallDelta,
)
from engine.agent.scripted import ScriptedModel
from engine.agent.tokens import ModelUse
from engine.speech.chain import Member
from engine.speech.chain_models import ModelChain
from tests.chat_servers.served import ServedModel, tokens_of
from tests.over_grpc import ModelOverGrpc

ADAPTERS = [
    pytest.param(lambda: ScriptedModel(first_token_seconds=0.01, tokens_per_second=1000), id="scripted"),
    pytest.param(
        lambda: ModelOverGrpc(ScriptedModel(first_token_seconds=0.01, tokens_per_second=1000)), id="over-grpc"
    ),
    pytest.param(lambda: PolicyModel(embeddings=False), id="policy"),
    pytest.param(lambda: ServedModel("openai"), id="openai"),
    pytest.param(lambda: ServedModel("anthropic"), id="anthropic"),
    pytest.param(
        lambda: ModelChain([Member("scripted", ScriptedModel(first_token_seconds=0.01, tokens_per_second=1000))]),
        id="chain",
    ),
]

FIRST = ChatRequest(
    (Message("system", "You sell tyres."), Message("user", "Hello, I need four tyres.")),
    call_id="a",
    playbook="tyre_shop",
)
SECOND = ChatRequest(
    (*FIRST.messages, Message("assistant", "What size?", interrupted=True), Message("user", "I am not sure.")),
    call_id="a",
    playbook="tyre_shop",
)


@pytest.fixture(params=ADAPTERS)
async def model(request: pytest.FixtureRequest) -> AsyncIterator[ChatModel]:
    make: Callable[[], ChatModel] = request.param
    model = make()
    await model.start()
    yield model
    await model.close()


async def ask(model: ChatModel, request: ChatRequest) -> list[ChatDelta]:
    async with asyncio.timeout(30):
        return [delta async for delta in model.chat(request) if not isinstance(delta, TokensTold)]


@pytest.mark.parametrize("request_", [FIRST, SECOND], ids=["first turn", "second turn"])
async def test_an_answer_has_content_and_an_end(model: ChatModel, request_: ChatRequest) -> None:
    deltas = await ask(model, request_)
    *content, done = deltas
    assert isinstance(done, ChatDone)
    assert content
    assert all(isinstance(delta, TextDelta | ToolCallDelta) for delta in content)
    calls = any(isinstance(delta, ToolCallDelta) for delta in content)
    assert done.reason == ("tool_calls" if calls else "stop")
    text = "".join(delta.text for delta in content if isinstance(delta, TextDelta))
    assert calls or text == text.strip() != ""


async def test_tokens_are_told_or_said_to_be_unknown(model: ChatModel) -> None:
    whole = await tokens_of(model, request=FIRST)
    assert (whole.asked, whole.unknown) == (1, 0), "all of these tell"
    dropped = await tokens_of(model, request=FIRST, words=1)
    if whole.input_tokens:
        assert (dropped.asked, dropped.unknown, dropped.output_tokens) == (1, 1, 0), "the provider had not said yet"
        assert dropped.input_tokens in {0, whole.input_tokens}
    else:
        assert dropped == ModelUse(), "rules use none"


async def test_a_model_keeps_nothing_between_requests(model: ChatModel) -> None:
    first = await ask(model, FIRST)
    await ask(model, SECOND)
    assert await ask(model, FIRST) == first


async def test_one_may_stop_listening(model: ChatModel) -> None:
    stream = cast("AsyncGenerator[ChatDelta, None]", model.chat(FIRST))
    async with aclosing(stream):
        await anext(stream)
    assert isinstance((await ask(model, FIRST))[-1], ChatDone)


async def test_several_answers_at_once(model: ChatModel) -> None:
    first, second = await asyncio.gather(ask(model, FIRST), ask(model, SECOND))
    assert first == await ask(model, FIRST)
    assert second == await ask(model, SECOND)


async def test_health_and_closing_twice(model: ChatModel) -> None:
    await model.check_health()
    await model.close()
    await model.close()
