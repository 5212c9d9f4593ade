"""A chain of chat models: the first that may be asked answers; where it fails before its first output, the next."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import cast

from engine.agent.ports import ChatDelta, ChatModel, ChatRequest, TokensTold
from engine.errors import BreakerOpen, ConfigurationError, ModelError, ModelRefused
from engine.speech.chain import Failures, Member, check_all, close_all, start_all

logger = logging.getLogger(__name__)


class ModelChain:
    """Port ChatModel.

    An answer has one author: when a member fails after its first output, the failure is raised, and whoever asked
    decides whether to ask again. A request that a member refuses goes on to the next without counting against it.
    The tokens of a member that failed are told before the next one is asked.
    """

    def __init__(self, members: Sequence[Member[ChatModel]]) -> None:
        if not members:
            raise ValueError("a chain has at least one member")
        self.members = tuple(members)
        self._closing = False

    async def start(self) -> None:
        await start_all(self.members)

    async def check_health(self) -> None:
        await check_all(self.members)

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        failures = Failures()
        for member in self.members:
            begun, told = False, TokensTold()
            try:
                async with aclosing(self._asked(member, request)) as deltas:
                    async for delta in deltas:
                        if isinstance(delta, TokensTold):
                            told = TokensTold() if delta.in_vain else delta
                        else:
                            begun = True
                        yield delta
            except (ModelError, BreakerOpen) as error:
                if begun:
                    error.outside = member.outside
                    raise
                failures.add(member.name, error, outside=member.outside)
                if isinstance(error, BreakerOpen):
                    continue
                logger.warning("%s did not answer: %s", member.name, error)
            else:
                return
            yield TokensTold(told.input_tokens, told.output_tokens, in_vain=True)
        yield TokensTold(0, 0)  # nobody else is asked
        raised = ModelError(f"no chat model answers ({failures.told()})")
        raised.retryable, raised.outside = failures.retryable, failures.outside
        raise raised

    async def close(self) -> None:
        self._closing = True
        await close_all(self.members)

    async def _asked(self, member: Member[ChatModel], request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """The member's answer, behind its breaker. Raises ModelError or BreakerOpen."""
        try:
            async with member.breaker.attempt() as attempt, aclosing(_stream(member.provider, request)) as deltas:
                try:
                    async for delta in deltas:
                        if not isinstance(delta, TokensTold):
                            attempt.worked()
                        yield delta
                except ModelError as error:
                    if self._closing:  # we tore it down ourselves: no word on how the member is
                        raise asyncio.CancelledError from error
                    raise
        except asyncio.CancelledError as error:
            if isinstance(error.__cause__, ModelError):
                raise error.__cause__ from None
            raise


def counts_against_it(error: Exception) -> bool:
    """Whether a breaker counts ``error`` as a member's failure: not where it refused one request, and works."""
    return not isinstance(error, ModelRefused | ConfigurationError)


def _stream(model: ChatModel, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
    """Every adapter's ``chat`` is a generator; the port promises no more than that it can be iterated and closed."""
    stream: AsyncIterator[ChatDelta] = model.chat(request)
    return cast("AsyncGenerator[ChatDelta, None]", stream)
