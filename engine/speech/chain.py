"""Chains of providers of one kind ("openai, then policy"): who belongs to one, who may be asked, who is well.

How a provider's failure hands over to the next differs by kind and stands beside each kind's chain. What they share is
here: each member stands behind a circuit breaker, so that a provider that is down costs a call nothing; a service
outside that is down does not make the process that asks it unwell; a setting that is wrong is refused at start.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from engine.errors import ConfigurationError, TrunklineError

_FOREIGN: Final = re.compile(r"[^a-z0-9.]+")

logger = logging.getLogger(__name__)

REASON = 160
"""Characters of a member's failure that a chain repeats in its own."""


class Provider(Protocol):
    """What recognisers, voices and models have in common."""

    async def start(self) -> None: ...
    async def check_health(self) -> None: ...
    async def close(self) -> None: ...


P = TypeVar("P", bound=Provider)


class Attempt(Protocol):
    """One request to a member."""

    def worked(self) -> None:
        """The member answers: said at the first piece of a stream."""


class Breaker(Protocol):
    """What a chain needs of a circuit breaker (``engine.breaker``)."""

    def attempt(self) -> AbstractAsyncContextManager[Attempt]:
        """Round one request. Entering raises BreakerOpen where none may be made now.

        An error that leaves it counts as a failure, unless it is a cancellation or the closing of a generator.
        """


class AlwaysClosed:
    """For members inside this process: what they fail at is not mended by waiting."""

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[Attempt]:
        yield self

    def worked(self) -> None:
        """Nothing to note."""


def breaker_name(service: str, member: str) -> str:
    """Name of a member's breaker: ``llm.openai``, ``stt.grpc-10.0.0.1-7000``."""
    return f"{service}.{_FOREIGN.sub('-', member.lower())}"[:64]


@dataclass(frozen=True, slots=True)
class Member(Generic[P]):
    """One provider of a chain."""

    name: str
    """As the settings call it."""
    provider: P
    breaker: Breaker = field(default_factory=AlwaysClosed)
    outside: bool = False
    """A service that others run: this process can neither mend it nor be blamed for it."""


async def start_all(members: Sequence[Member[P]]) -> None:
    """Starts every member, all at once.

    Raises ConfigurationError for any member, and what a member inside this process raises. A service outside that
    cannot be reached is told in the log: it is asked again when a call needs it.
    """
    results = await asyncio.gather(*(member.provider.start() for member in members), return_exceptions=True)
    for member, result in zip(members, results, strict=True):
        if isinstance(result, BaseException):
            if not (member.outside and isinstance(result, TrunklineError)) or isinstance(result, ConfigurationError):
                raise result
            logger.warning("%s cannot be had for now: %s", member.name, result)


async def check_all(members: Sequence[Member[P]]) -> None:
    """Raises the failure of a member inside this process where no member is well; failures outside are logged."""
    results = await asyncio.gather(*(member.provider.check_health() for member in members), return_exceptions=True)
    inside: TrunklineError | None = None
    for member, result in zip(members, results, strict=True):
        if isinstance(result, TrunklineError):
            logger.warning("%s is not well: %s", member.name, result)
            inside = inside if member.outside or inside else result
        elif isinstance(result, BaseException):
            raise result
    if inside is not None and all(isinstance(result, TrunklineError) for result in results):
        raise inside


async def close_all(members: Sequence[Member[P]]) -> None:
    """Closes every member, whatever one of them raises."""
    for result in await asyncio.gather(*(member.provider.close() for member in members), return_exceptions=True):
        if isinstance(result, BaseException):
            logger.warning("a provider did not close: %s", type(result).__name__)


@dataclass(slots=True)
class Failures:
    """Why the members that were asked so far did not do it."""

    reasons: list[str] = field(default_factory=list)
    retryable: bool = False
    """Whether one of them may do it when asked again."""
    outside: bool = True
    """Whether all of them are services outside."""

    def add(self, name: str, error: TrunklineError, *, outside: bool = False) -> None:
        """``outside``: whether the member of this name is a service outside."""
        self.reasons.append(f"{name}: {str(error)[:REASON]}")
        self.retryable = self.retryable or error.retryable
        self.outside = self.outside and outside

    def told(self) -> str:
        return "; ".join(self.reasons)
