"""The Store API over HTTP."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from engine.errors import StoreError, StoreRefused, StoreUnavailable
from engine.store.payloads import availability_of, order_of, orders_of, tyre_of, tyre_page_of
from engine.store.port import Availability, NewOrder, Order, Tyre, TyrePage, TyreQuery

_RETRIED = frozenset({429, 503})
_LARGEST_ANSWER = 1 << 20  # bytes; a page of fifty tyres has about fifteen thousand


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how soon a request is made again. Times in seconds."""

    retries: int = 2
    first_wait: float = 0.2
    """Before the first retry; doubled before the second."""
    longest_wait: float = 2.0
    """A caller waits on the line: a store that asks for more patience than this counts as unavailable."""

    def wait(self, attempt: int, retry_after: float | None, uniform: Callable[[], float]) -> float | None:
        """How long to wait before retry ``attempt`` (0, 1, …); None: do not try again.

        The wait is exponential with full jitter over its upper half, or what the store asked for if that is longer.
        """
        if attempt >= self.retries:
            return None
        backoff: float = min(self.first_wait * 2.0**attempt, self.longest_wait)
        wait: float = backoff * (0.5 + 0.5 * uniform())
        if retry_after is not None:
            if retry_after > self.longest_wait:
                return None
            wait = max(wait, retry_after)
        return wait


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: Any
    request_id: str
    retry_after: float | None


class StoreClient:
    """A ``Store`` reached over HTTP; one connection pool a process.

    Only 429, 503 and broken connections are tried again, never another error; a request that ran into ``timeout`` is
    not, because its caller has waited long enough. A circuit breaker belongs round ``_request``.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        timeout: float = 5.0,
        retry: RetryPolicy | None = None,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        """``timeout`` is seconds for one attempt, connection included. ``uniform`` gives 0 ≤ x < 1 for the jitter."""
        self._base = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._retry = retry or RetryPolicy()
        self._uniform = uniform
        self._session: aiohttp.ClientSession | None = None
        self.last_request_id = ""
        """``X-Request-Id`` of the last answer, to be quoted when the store's people are asked."""

    async def search_tires(self, query: TyreQuery) -> TyrePage:
        params = {
            "width": query.width,
            "profile": query.profile,
            "diameter": query.diameter,
            "season": query.season,
            "brand": query.brand,
            "model": query.model,
            "min_price": query.min_price,
            "max_price": query.max_price,
            "in_stock": query.in_stock,
            "sort": "price",
            "per_page": query.per_page,
        }
        return tyre_page_of(await self._request("GET", "/tires/search", params=params))

    async def tire(self, product_id: str) -> Tyre:
        return tyre_of(await self._request("GET", f"/tires/{_segment(product_id)}"))

    async def tire_availability(self, product_id: str) -> Availability:
        path = f"/tires/{_segment(product_id)}/availability"
        return availability_of(product_id, await self._request("GET", path))

    async def search_orders(self, *, phone: str, order_number: str = "", status: str = "") -> tuple[Order, ...]:
        params = {"phone": phone, "order_number": order_number or None, "status": status or None}
        return orders_of(await self._request("GET", "/orders/search", params=params))

    async def create_order(self, order: NewOrder, *, idempotency_key: str) -> Order:
        body = {
            "customer_phone": order.customer_phone,
            "customer_name": order.customer_name,
            "items": [{"product_id": item.product_id, "quantity": item.quantity} for item in order.items],
            "source": order.source,
            "call_id": order.call_id,
        }
        return order_of(await self._request("POST", "/orders", body=body, idempotency_key=idempotency_key))

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        idempotency_key: str = "",
    ) -> Any:
        """The JSON of a good answer. The key stays the same over all attempts of this request."""
        headers = dict(self._headers)
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        sent = {name: _param(value) for name, value in (params or {}).items() if value is not None}
        attempt = 0
        while True:
            retry_after: float | None = None
            try:
                answer = await self._attempt(method, path, sent, body, headers)
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
                failure = StoreUnavailable(f"no connection to the store ({type(error).__name__})")
            else:
                if answer.status < 400:
                    return answer.body
                if answer.status not in _RETRIED:
                    raise _failure(answer)
                failure = StoreUnavailable(f"the store is overloaded (HTTP {answer.status})")
                retry_after = answer.retry_after
            wait = self._retry.wait(attempt, retry_after, self._uniform)
            if wait is None:
                raise failure
            await asyncio.sleep(wait)
            attempt += 1

    async def _attempt(
        self, method: str, path: str, params: Mapping[str, str], body: Any, headers: Mapping[str, str]
    ) -> _Answer:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        try:
            async with self._session.request(
                method, self._base + path, params=params, json=body, headers=headers, allow_redirects=False
            ) as response:
                raw = await response.content.read(_LARGEST_ANSWER + 1)
                while len(raw) <= _LARGEST_ANSWER and not response.content.at_eof():
                    raw += await response.content.read(_LARGEST_ANSWER + 1 - len(raw))
                self.last_request_id = response.headers.get("X-Request-Id", "")
                return _Answer(
                    response.status,
                    _json(raw, response.status),
                    self.last_request_id,
                    _seconds(response.headers.get("Retry-After")),
                )
        except TimeoutError as error:
            raise StoreUnavailable("the store did not answer in time") from error


_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _segment(value: str) -> str:
    """An id as a part of a path. Raises StoreRefused for one that would make another path of it."""
    if not _ID.fullmatch(value):
        raise StoreRefused("no id looks like this", code="bad_id", status=404)
    return value


def _param(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _seconds(header: str | None) -> float | None:
    """``Retry-After`` in seconds; its date form is not used by this API."""
    try:
        return max(float(header), 0.0) if header else None
    except ValueError:
        return None


def _json(raw: bytes, status: int) -> Any:

    if len(raw) > _LARGEST_ANSWER:
        raise StoreUnavailable("the store's answer is too large")
    try:
        return json.loads(raw) if raw else None
    except ValueError as error:
        if status < 400:
            raise StoreUnavailable("the store's answer is not JSON") from error
        return None


def _failure(answer: _Answer) -> StoreError:
    detail = answer.body.get("error") if isinstance(answer.body, dict) else None
    detail = detail if isinstance(detail, dict) else {}
    code, message = str(detail.get("code", "")), str(detail.get("message", ""))
    if 400 <= answer.status < 500 and answer.status not in {401, 403}:
        return StoreRefused(message or f"HTTP {answer.status}", code=code or "refused", status=answer.status)
    return StoreUnavailable(f"the store failed (HTTP {answer.status}{f', {code}' if code else ''})")
