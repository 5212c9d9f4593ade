"""Adapters of hosted models in front of their local servers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

from engine.agent.ports import ChatDelta, ChatDone, ChatModel, ChatRequest, Message, TokensTold, ToolSpec
from engine.agent.tokens import ModelTally, ModelUse
from engine.config import AnthropicSettings, OpenAiChatSettings, Secret
from engine.errors import ModelError
from engine.speech.providers.anthropic_chat import AnthropicChatModel
from engine.speech.providers.openai_chat import OpenAiChatModel
from tests.chat_servers.anthropic_server import AnthropicServer
from tests.chat_servers.openai_server import OpenAiServer
from tests.chat_servers.script import KEY, MODEL, Answer, ChatServer

Connect = Callable[..., ChatModel]


def openai_model(url: str, *, key: str = KEY, **settings: Any) -> OpenAiChatModel:
    return OpenAiChatModel(OpenAiChatSettings(**{"model": MODEL, **settings}), url=url, key=Secret(key))


def anthropic_model(url: str, *, key: str = KEY, **settings: Any) -> AnthropicChatModel:
    return AnthropicChatModel(AnthropicSettings(**{"model": MODEL, **settings}, url=url, key=Secret(key)))


PROTOCOLS: dict[str, tuple[type[ChatServer], Connect]] = {
    "openai": (OpenAiServer, openai_model),
    "anthropic": (AnthropicServer, anthropic_model),
}


class ServedModel:
    """Port ChatModel: an adapter with a server of its own, both from ``start`` to ``close``."""

    def __init__(self, protocol: str) -> None:
        server, self._connect = PROTOCOLS[protocol]
        self._server = server()
        self._model: ChatModel | None = None

    async def start(self) -> None:
        await self._server.__aenter__()
        self._model = self._connect(self._server.url)
        await self._model.start()

    async def check_health(self) -> None:
        assert self._model is not None
        await self._model.check_health()

    def chat(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        assert self._model is not None
        return self._model.chat(request)

    async def close(self) -> None:
        if self._model is not None:
            await self._model.close()
        await self._server.__aexit__()


SAID = "My number is 0501112233, canary-sentence."
ASKED = ChatRequest(
    (Message("system", "You sell tyres."), Message("user", SAID)),
    tools=(ToolSpec("look", "Looks.", '{"type": "object", "properties": {"size": {"type": "integer"}}}'),),
    call_id="a",
)


@asynccontextmanager
async def connected(protocol: str, *answers: Answer, **settings: Any) -> AsyncIterator[tuple[ChatServer, ChatModel]]:
    server_class, connect = PROTOCOLS[protocol]
    async with server_class(*answers) as server:
        model = connect(server.url, **settings)
        try:
            yield server, model
        finally:
            await model.close()


async def ask(model: ChatModel, request: ChatRequest = ASKED) -> list[ChatDelta]:
    async with asyncio.timeout(20), aclosing(stream(model, request)) as deltas:
        return [delta async for delta in deltas]


async def stream(model: ChatModel, request: ChatRequest = ASKED) -> AsyncGenerator[ChatDelta, None]:
    """The answer alone; what is told of its tokens on the way is ``tokens_of``'s."""
    async with aclosing(cast("AsyncGenerator[ChatDelta, None]", model.chat(request))) as deltas:
        async for delta in deltas:
            if not isinstance(delta, TokensTold):
                yield delta


async def tokens_of(model: ChatModel, *, words: int = 1000, request: ChatRequest = ASKED) -> ModelUse:
    """What a call counts of one answer, which it drops after so many pieces of text; a failure ends it, too."""
    tally = ModelTally()
    asked, heard = tally.asked(), 0
    async with asyncio.timeout(20), aclosing(cast("AsyncGenerator[ChatDelta, None]", model.chat(request))) as deltas:
        with contextlib.suppress(ModelError):
            async for delta in deltas:
                if isinstance(delta, TokensTold):
                    asked.told(delta)
                elif isinstance(delta, ChatDone):
                    asked.done(delta)
                else:
                    heard += 1
                if heard == words:
                    break
    asked.over()
    return tally.take()
