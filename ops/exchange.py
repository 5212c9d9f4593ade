"""What a PBX says to the engine over HTTP: it announces a call, asks what is next, and listens to a call's events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

import aiohttp

from engine.errors import TrunklineError

_TIMEOUT: Final = 5.0
_LONGEST_EVENT: Final = 1 << 18


class ExchangeError(TrunklineError):
    """The engine could not be reached over HTTP, or refused."""


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """Something that happened in a call, as the engine tells it."""

    type: str
    t: float
    """Seconds on the engine's monotonic clock: this machine's, where the engine runs on it."""
    data: dict[str, Any]
    """All fields."""


class Exchange:
    """The telephony endpoint of one engine. One object serves any number of calls."""

    def __init__(self, url: str, *, token: str = "") -> None:
        """``url``: as ``trunkline up`` prints it. ``token``: what registration must show, where that is set."""
        self._url = url.rstrip("/") + "/telephony/calls"
        headers = {"Authorization": f"Bearer {token}"} if token else None
        self._session = aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(limit=0),
            read_bufsize=_LONGEST_EVENT,
        )
        self._timeout = aiohttp.ClientTimeout(total=_TIMEOUT)

    async def __aenter__(self) -> Exchange:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def announce(self, call_id: str, *, caller: str = "", channel: str = "", dialled: str = "") -> None:
        """Register a call, form-encoded as a dialplan's CURL() does. Raises ExchangeError."""
        form = {"uuid": call_id, "caller": caller, "channel": channel, "dialled": dialled}
        status, text = await self._ask("POST", self._url, form)
        if status >= 300:
            raise ExchangeError(f"registration was answered with {status} {text[:200].strip()}")

    async def next_step(self, call_id: str) -> str:
        """``operator`` or ``hangup``. Raises ExchangeError."""
        status, text = await self._ask("GET", f"{self._url}/{call_id}/next", None)
        if status >= 300:
            raise ExchangeError(f"the question what is next was answered with {status} {text[:200].strip()}")
        return text.strip()

    async def _ask(self, method: str, url: str, form: dict[str, str] | None) -> tuple[int, str]:
        try:
            async with self._session.request(method, url, data=form, timeout=self._timeout) as response:
                return response.status, await response.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ExchangeError(f"no engine answers at {self._url} ({error or type(error).__name__})") from error

    async def events(self, call_id: str) -> AsyncIterator[EngineEvent]:
        """A call's events as they happen, to the end of the call. Raises ExchangeError where there are none."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_TIMEOUT)
        try:
            async with self._session.get(f"{self._url}/{call_id}/events", timeout=timeout) as response:
                if response.status != 200:
                    raise ExchangeError(f"the call's events were answered with {response.status}")
                async for line in response.content:
                    if event := _event(line):
                        yield event
        except (aiohttp.ClientError, OSError) as error:
            raise ExchangeError(f"the call's events broke off ({error or type(error).__name__})") from error

    async def close(self) -> None:
        """Let go of the connections."""
        await self._session.close()
        await asyncio.sleep(0)  # lets the transports of closed connections go


def _event(line: bytes) -> EngineEvent | None:
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    if not isinstance(fields, dict) or "type" not in fields:
        return None  # a blank line that keeps the connection open
    return EngineEvent(str(fields["type"]), float(fields.get("t", 0.0)), fields)
