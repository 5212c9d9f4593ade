"""What hosted chat models have in common: how long one waits for them, and what their failures are in our words.

Nothing that a provider or its SDK says in words goes into an error or a log: such texts repeat parts of keys and of
what was asked. A status, a code, and the setting to look at are enough.
"""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeVar
from urllib.parse import urlsplit

import httpx2

from engine.agent.ports import ChatDelta, ChatDone, TextDelta, TokensTold, ToolCall, ToolCallDelta
from engine.errors import ModelDenied, ModelError, ModelRefused, TrunklineError

T = TypeVar("T")
Reason = Literal["stop", "tool_calls", "length"]

CHECK_SECONDS: Final = 5.0
"""Longest wait for the answer to "are you there": no caller waits for it."""
LIMITS: Final = httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=60.0)
"""Connections are kept from turn to turn: a caller takes longer than the usual five seconds to speak."""
CHARACTERS_A_TOKEN: Final = 16
"""An answer with more characters for each allowed token than this does not keep to the limit, and is ended."""
MOST_TOKENS: Final = 2**31 - 1
"""Of one request; what is more is no count."""

_CODE: Final = re.compile(r"[A-Za-z][A-Za-z_.]{0,47}")


@dataclass(frozen=True, slots=True)
class Service:
    """One hosted service, as its failures name it."""

    name: str
    url: str
    url_setting: str
    key_setting: str
    model_setting: str

    def __str__(self) -> str:
        return f"{self.name} at {urlsplit(self.url).netloc}"

    def failure(self, status: int, code: object = None, field: object = None) -> ModelError:
        """What an HTTP status means. ``code`` and ``field`` are the provider's own, used only where they are names."""
        told = " ".join([f"HTTP {status}", *(str(text) for text in (code, field) if _is_name(text))])
        if status in {401, 403}:
            return ModelDenied(f"{self} refuses the key ({told}): check {self.key_setting}")
        if status == 402:
            return ModelDenied(f"{self} wants to be paid first ({told})")
        if status == 404:
            return ModelDenied(
                f"{self} knows no such model or address ({told}): check {self.model_setting} and {self.url_setting}"
            )
        if 300 <= status < 400:
            return ModelDenied(f"{self} sends us elsewhere ({told}): set {self.url_setting} to where it leads")
        if status in {408, 409, 425, 429} or status >= 500:
            return ModelError(f"{self} cannot answer now ({told})")
        return ModelRefused(f"{self} refuses the request ({told})")

    def gone(self) -> ModelError:
        """It cannot be reached, or the connection broke."""
        return ModelError(f"{self} cannot be reached, or the connection broke")

    def slow(self) -> ModelError:
        return ModelError(f"{self} gave no output in time")

    def broke(self, code: object) -> ModelError:
        """It told of an error in the middle of an answer."""
        return ModelError(f"{self} broke off an answer" + (f" ({code})" if _is_name(code) else ""))

    def garbled(self) -> ModelError:
        return ModelError(f"{self} sent what its protocol does not allow")


def _is_name(text: object) -> bool:
    return isinstance(text, str) and _CODE.fullmatch(text) is not None


def waiting(connect: float) -> httpx2.Timeout:
    """Seconds for each step of a request; how long an answer may take is ``Patience``'s to say."""
    return httpx2.Timeout(CHECK_SECONDS, connect=connect, read=None)


class Patience:
    """How long one may still wait: ``first`` seconds until there is something of use, then ``following`` each time."""

    def __init__(self, first: float, following: float) -> None:
        self._following = following
        self._deadline = asyncio.get_running_loop().time() + first

    def progressed(self) -> None:
        """Something of use came."""
        self._deadline = asyncio.get_running_loop().time() + self._following

    async def wait(self, what: Awaitable[T]) -> T:
        """Raises TimeoutError."""
        async with asyncio.timeout_at(self._deadline):
            return await what


class Events(Protocol):
    """A stream of one SDK."""

    def __anext__(self) -> Awaitable[Any]: ...
    async def close(self) -> None: ...


class Reader(ABC):
    """Reads the events of one answer, in the words of one protocol.

    Tool calls are given at the end: until then nothing of them can be used, and another model may still be asked.
    """

    def __init__(self, max_tokens: int) -> None:
        self._longest = max_tokens * CHARACTERS_A_TOKEN
        self._characters = 0
        self._spoken = False
        self.input_tokens: int | None = None
        """As the provider counts them; None while it has not said."""
        self.output_tokens: int | None = None
        self.finish = ""
        """Why it ended, in the provider's word; empty while it has not."""

    @property
    def size(self) -> int:
        """Characters of text and arguments so far."""
        return self._characters

    @property
    def too_long(self) -> bool:
        return self._characters > self._longest

    @abstractmethod
    def read(self, event: Any) -> str:
        """More of the text, or nothing.

        Raises TypeError, AttributeError, LookupError or ValueError for what the protocol does not allow.
        """

    @abstractmethod
    def calls(self) -> list[ToolCall]:
        """The tool calls, in order."""

    @abstractmethod
    def reason(self) -> Reason | None:
        """Why it ended; None where the provider declined to answer."""

    def took(self, text: str) -> None:
        self._characters += len(text)

    def said(self, text: str) -> str:
        """``text`` without white space before the first word: nobody hears it."""
        if not self._spoken:
            text = text.lstrip()
        self._spoken = self._spoken or bool(text)
        self.took(text)
        return text

    def end(self, service: Service) -> list[ChatDelta]:
        """What stands at the end of an answer. Raises ModelError where it is none."""
        if not self.finish and not self.too_long:
            raise ModelError(f"{service} broke off in the middle of an answer")
        calls = self.calls()
        reason: Reason | None = "length" if not self.finish else self.reason()
        if not (self._spoken or calls):
            if reason is None:
                raise ModelRefused(f"{service} declined to answer")
            if reason == "length":
                raise ModelError(f"{service} used up its tokens before the first word: raise the limit of tokens")
            raise ModelError(f"{service} gave an empty answer")
        if calls and reason != "length":
            reason = "tool_calls"
        elif reason is None or (reason == "tool_calls" and not calls):
            reason = "stop"
        deltas: list[ChatDelta] = [ToolCallDelta(call) for call in calls]
        return [*deltas, ChatDone(reason, self.input_tokens, self.output_tokens)]


async def answer(
    service: Service,
    opening: Callable[[], Awaitable[Events]],
    reader: Reader,
    patience: Patience,
    translate: Callable[[Exception], ModelError | None],
) -> AsyncGenerator[ChatDelta, None]:
    """One answer, from the request (``opening``) to its end. Closing it closes the connection: the provider stops.

    ``translate``: an error of the SDK in our words; None for what is none of its own. Raises ModelError.
    """
    events: Events | None = None
    try:
        events = await patience.wait(opening())
        async with aclosing(_read(events, reader, patience)) as deltas:
            async for delta in deltas:
                yield delta
        for delta in reader.end(service):
            yield delta
    except TimeoutError:
        raise service.slow() from None
    except TrunklineError:
        raise
    except Exception as error:
        told = translate(error)
        if told is None and isinstance(error, ValueError | TypeError | AttributeError | LookupError):
            told = service.garbled()
        if told is None:
            raise
        if events is None and _not_taken_up(error):
            yield TokensTold(0, 0)
        raise told from None
    finally:
        if events is not None:
            await events.close()


async def _read(events: Events, reader: Reader, patience: Patience) -> AsyncGenerator[ChatDelta, None]:
    """Text as it comes, and tokens where they are told before the end."""
    counted = TokensTold()
    while not reader.too_long:
        try:
            event = await patience.wait(events.__anext__())
        except StopAsyncIteration:
            break
        before = reader.size
        text = reader.read(event)
        if reader.size > before:
            patience.progressed()
        if counted != (counted := TokensTold(reader.input_tokens, reader.output_tokens)):
            yield counted
        if text:
            yield TextDelta(text)


def _not_taken_up(error: Exception) -> bool:
    """Whether a request that failed was answered by an error, or never got there: no provider counts tokens for it."""
    unreached = (httpx2.ConnectError, httpx2.ConnectTimeout)
    return hasattr(error, "status_code") or isinstance(error, unreached) or isinstance(error.__cause__, unreached)


def as_text(value: Any) -> str:
    """A text that a server sent, or nothing. Raises TypeError for what is neither."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError("not a text")
    # Half of a character (a lone surrogate) could neither be sent on nor saved.
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def as_count(value: Any) -> int | None:
    """A number of tokens; None for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS else None
