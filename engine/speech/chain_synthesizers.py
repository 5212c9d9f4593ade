"""A chain of voices: where one fails before its first sound, the next speaks the clause.

After the first sound a failure is told: half a clause in one voice and the rest in another would say things twice, and
whoever leads the conversation knows better how to go on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import cast

from engine.errors import BreakerOpen, LeaseError, SynthesisError
from engine.speech.chain import Breaker, Failures, Member, check_all, close_all, start_all
from engine.speech.ports import SpeechSynthesizer, SynthesisRequest

logger = logging.getLogger(__name__)


class SynthesizerChain:
    """Port SpeechSynthesizer.

    A request's voice is the first member's; the others speak with their own default voice, and not at all where a
    request is for the first only. Breakers and time limits
    stand round each member (``GuardedSynthesizer``), inside its cache: what a voice has said before needs no service.
    """

    def __init__(self, members: Sequence[Member[SpeechSynthesizer]]) -> None:
        if not members:
            raise ValueError("a chain has at least one member")
        self._members = tuple(members)

    async def start(self) -> None:
        await start_all(self._members)

    async def check_health(self) -> None:
        await check_all(self._members)

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes]:
        failures = Failures()
        for place, member in enumerate(self._members[:1] if request.first_only else self._members):
            asked = request if place == 0 else replace(request, voice="")
            begun = False
            try:
                async with aclosing(_stream(member.provider, asked)) as chunks:
                    async for chunk in chunks:
                        begun = True
                        yield chunk
            except SynthesisError as error:
                if begun:
                    raise
                failures.add(member.name, error)
                logger.warning("%s does not speak: %s", member.name, error)
            else:
                return
        raised = SynthesisError(f"no voice speaks ({failures.told()})")
        raised.retryable = failures.retryable
        raise raised

    async def close(self) -> None:
        await close_all(self._members)


class GuardedSynthesizer:
    """Port SpeechSynthesizer: ``inner`` behind a circuit breaker and time limits, in seconds.

    Raises SynthesisError at once while the breaker is open. An answer without a sound is a failure.
    """

    def __init__(
        self, inner: SpeechSynthesizer, breaker: Breaker, *, first_seconds: float, next_seconds: float
    ) -> None:
        self._inner = inner
        self._breaker = breaker
        self._first_seconds = first_seconds
        self._next_seconds = next_seconds

    async def start(self) -> None:
        await self._inner.start()

    async def check_health(self) -> None:
        await self._inner.check_health()

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes]:
        if not any(character.isalnum() for character in request.text):
            return
        try:
            async with self._breaker.attempt(), aclosing(self._limited(request)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except (BreakerOpen, LeaseError) as error:
            raise SynthesisError(str(error)) from error

    async def close(self) -> None:
        await self._inner.close()

    async def _limited(self, request: SynthesisRequest) -> AsyncGenerator[bytes, None]:
        limit, begun = self._first_seconds, False
        async with aclosing(_stream(self._inner, request)) as chunks:
            while True:
                try:
                    async with asyncio.timeout(limit):
                        chunk = await anext(chunks, None)
                except TimeoutError:
                    raise SynthesisError(f"no audio for {limit:g} s") from None
                if chunk is None:
                    break
                limit, begun = self._next_seconds, True
                yield chunk
        if not begun:
            raise SynthesisError("the voice gave no audio")


def _stream(voice: SpeechSynthesizer, request: SynthesisRequest) -> AsyncGenerator[bytes, None]:
    """Every adapter's ``synthesize`` is a generator; the port promises no more than that it can be iterated."""
    return cast("AsyncGenerator[bytes, None]", voice.synthesize(request))
