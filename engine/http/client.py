"""Any REST API that speaks JSON, over one pool of connections."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import random
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

import aiohttp
from yarl import URL

from engine.breaker import Breaker
from engine.errors import BreakerOpen, ConfigurationError, ServiceError, ServiceRefused, ServiceUnavailable
from engine.http.patience import patience_left
from engine.http.port import Method
from engine.http.retry import RetryPolicy, retry_after_seconds

logger = logging.getLogger(__name__)

_RETRIED: Final = frozenset({429, 503})
_NOT_OURS: Final = frozenset({401, 403, 407, 408})
"""4xx that tell of our token or of the way there, not of what the caller asked for."""
_REPEATABLE: Final = frozenset({"GET", "PUT", "DELETE"})
_LARGEST_ANSWER: Final = 1 << 20  # bytes; a page of fifty products has about fifteen thousand
_LARGEST_BODY: Final = 1 << 18
_CONNECTIONS: Final = 16
_SHORTEST_TRY: Final = 0.5
"""Seconds: with less it is not tried again."""
_SEGMENT: Final = re.compile(r"(?!\.{1,2}$)[\w.:@~-]{1,128}")
_PLACE: Final = re.compile(r"\{(\w+)\}")
_SECRET: Final = re.compile(r"[\x21-\x7e]*")


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: Any
    request_id: str
    retry_after: float | None


@dataclass(frozen=True, slots=True)
class _Request:
    """What is the same for all tries."""

    method: Method
    route: str
    """The path before it was filled in: nobody's number is in it."""
    url: URL
    params: Mapping[str, str]
    body: bytes | None
    headers: Mapping[str, str]
    request_id: str
    repeatable: bool
    """Whether it may be sent again though it may have arrived."""


class _Overloaded(ServiceUnavailable):
    def __init__(self, message: str, retry_after: float | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class _Broken(ServiceUnavailable):
    """The connection broke; ``arrived``: the request may have been read before."""

    def __init__(self, message: str, *, arrived: bool) -> None:
        super().__init__(message)
        self.arrived = arrived


class JsonClient:
    """A ``JsonService`` over HTTP; one pool of connections.

    Only 429, 503 and broken connections are tried again, never another error, and a request that may have arrived only
    where doing it twice is the same as once (GET, PUT, DELETE, or an idempotency key). One that ran into ``timeout`` is
    not, because its caller has waited long enough. All tries together end before the caller's ``patience`` does, and
    none is begun for which too little of it is left. Redirects are not followed. The breaker counts each try.
    """

    def __init__(
        self,
        base_url: str,
        token: str = "",
        *,
        name: str = "service",
        timeout: float = 5.0,
        retry: RetryPolicy | None = None,
        breaker: Breaker | None = None,
        uniform: Callable[[], float] = random.random,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``name`` is what messages and logs call the API. ``timeout``: seconds for one try, connection included.

        Raises ConfigurationError for an address that is no plain http(s) one, and for a token that no header may carry.
        """
        if not _plain_address(base_url):
            raise ConfigurationError(f"{name}: expected an address such as https://api.example.com/v1")
        if not _SECRET.fullmatch(token):
            raise ConfigurationError(f"{name}: the token has characters that no header may carry")
        self._name = name
        self._base = base_url.rstrip("/")
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._timeout = timeout
        self._retry = retry or RetryPolicy()
        self._breaker = breaker or Breaker(name, counts=lambda _error: False)
        self._uniform = uniform
        self._new_id = new_id
        self._wall = wall
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: Method,
        path: str,
        *,
        segments: Mapping[str, str] | None = None,
        params: Mapping[str, object] | None = None,
        body: object = None,
        idempotency_key: str = "",
    ) -> Any:
        request = self._prepare(method, path, segments or {}, params or {}, body, idempotency_key)
        attempt = 0
        failure: ServiceUnavailable
        while True:
            try:
                return await self._guarded(request, attempt)
            except _Overloaded as error:
                failure, wait = error, self._retry.wait(attempt, error.retry_after, self._uniform)
            except _Broken as error:
                may = request.repeatable or not error.arrived
                failure, wait = error, self._retry.wait(attempt, None, self._uniform) if may else None
            if wait is None or patience_left() < wait + min(self._timeout, _SHORTEST_TRY):
                raise failure
            await asyncio.sleep(wait)
            attempt += 1

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _prepare(  # noqa: PLR0917 - the arguments of ``request``
        self,
        method: Method,
        path: str,
        segments: Mapping[str, str],
        params: Mapping[str, object],
        body: object,
        idempotency_key: str,
    ) -> _Request:
        def fill(place: re.Match[str]) -> str:
            value = segments[place[1]]
            if not _SEGMENT.fullmatch(value):
                raise ServiceRefused("no id looks like this", code="bad_id", status=404)
            return quote(value, safe=":@~")

        headers = dict(self._headers)
        request_id = headers["X-Request-Id"] = self._new_id()
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        sent = None
        if body is not None:
            sent = json.dumps(body, ensure_ascii=False).encode()
            headers["Content-Type"] = "application/json"
            if len(sent) > _LARGEST_BODY:
                raise ServiceRefused("this is too much for one request", code="too_large", status=413)
        return _Request(
            method,
            path,
            URL(self._base + _PLACE.sub(fill, path), encoded=True),
            {name: _param(value) for name, value in params.items() if value is not None},
            sent,
            headers,
            request_id,
            repeatable=method in _REPEATABLE or bool(idempotency_key),
        )

    async def _guarded(self, request: _Request, attempt: int) -> Any:
        """One try through the breaker; failures are logged."""
        answer: _Answer | None = None
        seconds = min(self._timeout, patience_left())
        if seconds <= 0:
            self._log(request, attempt, answer, "no time left")
            raise ServiceUnavailable(f"no time is left to ask the {self._name}")
        try:
            async with self._breaker.attempt():
                answer = await self._send(request, seconds)
                self._judge(answer)
                return answer.body
        except BreakerOpen as error:
            self._log(request, attempt, answer, "left alone")
            raise ServiceUnavailable(f"the {self._name} failed too often and is left alone for a while") from error
        except ServiceError as error:
            self._log(request, attempt, answer, error.__class__.__name__.lstrip("_"))
            raise

    def _log(self, request: _Request, attempt: int, answer: _Answer | None, failure: str) -> None:
        logger.warning(
            "request failed",
            extra={
                "service": self._name,
                "method": request.method,
                "route": request.route,
                "status": answer.status if answer is not None else 0,
                "attempt": attempt + 1,
                "request_id": request.request_id,
                "answered_id": answer.request_id if answer is not None else "",
                "failure": failure,
            },
        )

    async def _send(self, request: _Request, seconds: float) -> _Answer:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        try:
            async with self._session.request(
                request.method,
                request.url,
                params=request.params,
                data=request.body,
                headers=request.headers,
                allow_redirects=False,
                # The library rounds long limits up to whole seconds, which a caller's patience does not.
                timeout=aiohttp.ClientTimeout(total=seconds, ceil_threshold=math.inf),
            ) as response:
                raw = b""
                while len(raw) <= _LARGEST_ANSWER and not response.content.at_eof():
                    raw += await response.content.read(_LARGEST_ANSWER + 1 - len(raw))
                if len(raw) > _LARGEST_ANSWER:
                    response.close()
                    raise ServiceUnavailable(f"the {self._name}'s answer is too large")
                return _Answer(
                    response.status,
                    self._json(raw, response.status),
                    response.headers.get("X-Request-Id", "")[:64],
                    retry_after_seconds(response.headers.get("Retry-After"), self._wall()),
                )
        except TimeoutError as error:
            raise ServiceUnavailable(f"the {self._name} did not answer in time") from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            arrived = not isinstance(error, aiohttp.ClientConnectorError)
            raise _Broken(f"no connection to the {self._name} ({type(error).__name__})", arrived=arrived) from error
        except aiohttp.ClientError as error:
            raise ServiceUnavailable(f"the {self._name} broke HTTP ({type(error).__name__})") from error

    def _json(self, raw: bytes, status: int) -> Any:
        try:
            return json.loads(raw) if raw else None
        except (ValueError, RecursionError) as error:
            if status < 300:
                raise ServiceUnavailable(f"the {self._name}'s answer is not JSON") from error
            return None

    def _judge(self, answer: _Answer) -> None:
        """Raises what an answer means that is no good one."""
        status = answer.status
        if status < 300:
            return
        if status < 400:
            raise ServiceUnavailable(f"the {self._name} sends us elsewhere (HTTP {status}), which is not followed")
        if status in _RETRIED:
            raise _Overloaded(f"the {self._name} is overloaded (HTTP {status})", answer.retry_after)
        detail = answer.body.get("error") if isinstance(answer.body, dict) else None
        detail = detail if isinstance(detail, dict) else {}
        code, message = str(detail.get("code") or "")[:64], str(detail.get("message") or "")[:400]
        if status < 500 and status not in _NOT_OURS:
            raise ServiceRefused(message or f"HTTP {status}", code=code or "refused", status=status)
        raise ServiceUnavailable(f"the {self._name} failed (HTTP {status}{f', {code}' if code else ''})")


def _plain_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return (
        parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and not (parts.query or parts.fragment or "@" in parts.netloc)
    )


def _param(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
