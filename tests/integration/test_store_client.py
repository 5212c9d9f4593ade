"""The store client against a store that fails in every way it can."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from engine.breaker import Breaker
from engine.errors import StoreRefused, StoreUnavailable
from engine.http.retry import RetryPolicy
from engine.store.client import StoreClient
from engine.store.port import NewBooking, NewOrder, OrderItem, TyreQuery
from serve_apps.demo_store.app import create_app
from tests.store_server import ADMIN_TOKEN, TOKEN, served, store_at

QUICK = RetryPolicy(first_wait=0.01, longest_wait=1.5)
DRAFT = NewOrder("5559876543", (OrderItem("T-1042", 1),), "call-1")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(create_app(token=TOKEN, admin_token=ADMIN_TOKEN)) as base:
        yield base


@pytest_asyncio.fixture
async def client(url: str) -> AsyncIterator[StoreClient]:
    made = store_at(url, timeout=0.5, retry=QUICK)
    yield made
    await made.close()


Fault = Callable[..., Awaitable[None]]
Seen = Callable[[], Awaitable[int]]


@pytest_asyncio.fixture
async def admin(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}) as session:
        yield session
        async with session.put("/__faults", json={"mode": "none"}) as response:
            assert response.status == 200


@pytest.fixture
def fault(admin: aiohttp.ClientSession) -> Fault:
    async def switch(**fault: Any) -> None:
        async with admin.put("/__faults", json=fault) as response:
            assert response.status == 200

    return switch


@pytest.fixture
def seen(admin: aiohttp.ClientSession) -> Seen:
    async def count() -> int:
        async with admin.get("/__faults") as response:
            return int((await response.json())["seen"])

    return count


@pytest.mark.parametrize("mode", ["429", "503", "disconnect"])
async def test_passing_faults_are_not_noticed(client: StoreClient, fault: Fault, seen: Seen, mode: str) -> None:
    await fault(mode=mode, remaining=2)
    assert (await client.tire("T-1042")).id == "T-1042"
    assert await seen() == 3


@pytest.mark.parametrize("mode", ["429", "503", "disconnect"])
async def test_lasting_faults_are_given_up_after_two_retries(
    client: StoreClient, fault: Fault, seen: Seen, mode: str
) -> None:
    await fault(mode=mode)
    with pytest.raises(StoreUnavailable):
        await client.tire("T-1042")
    assert await seen() == 3


async def test_500_is_never_tried_again(client: StoreClient, fault: Fault, seen: Seen) -> None:
    await fault(mode="500")
    with pytest.raises(StoreUnavailable, match="500"):
        await client.tire("T-1042")
    assert await seen() == 1


async def test_a_slow_store_is_given_up(client: StoreClient, fault: Fault, seen: Seen) -> None:
    await fault(mode="slow", delay=3)
    with pytest.raises(StoreUnavailable, match="in time"):
        await client.tire("T-1042")
    assert await seen() == 1


async def test_retry_after_is_honoured(client: StoreClient, fault: Fault) -> None:
    await fault(mode="503", remaining=1, retry_after=1)
    started = time.monotonic()
    await client.tire("T-1042")
    assert time.monotonic() - started >= 1


async def test_a_long_retry_after_is_not_waited_for(client: StoreClient, fault: Fault, seen: Seen) -> None:
    await fault(mode="429", retry_after=30)
    with pytest.raises(StoreUnavailable):
        await client.tire("T-1042")
    assert await seen() == 1


async def test_a_draft_is_made_once_whatever_happens(client: StoreClient, fault: Fault) -> None:
    await fault(mode="503", remaining=1)
    first = await client.create_order(DRAFT, idempotency_key="retry-key-1")
    await fault(mode="disconnect", remaining=2)
    assert await client.create_order(DRAFT, idempotency_key="retry-key-1") == first


@pytest.mark.parametrize("mode", ["bad_json", "wrong_shape"])
async def test_wrong_answers_are_no_answers(client: StoreClient, fault: Fault, seen: Seen, mode: str) -> None:
    await fault(mode=mode)
    for ask in (
        client.tire("T-1042"),
        client.search_tires(TyreQuery(205)),
        client.tire_availability("T-1042"),
        client.search_orders(phone="380501112233"),
        client.order("5501"),
        client.pickup_points(),
        client.fitting_stations(),
        client.bookings(phone="380501112233"),
        client.knowledge_search("hours"),
        client.create_order(DRAFT, idempotency_key="wrong-answer-1"),
    ):
        with pytest.raises(StoreUnavailable):
            await ask
    assert await seen() == 10  # an answer that makes no sense is not asked for again


async def test_what_was_done_before_its_answer_was_lost_is_done_once(client: StoreClient, fault: Fault) -> None:
    phone = "380631234567"
    draft = NewOrder(phone, (OrderItem("T-1042", 1),), "call-1")
    await fault(mode="lost_answer", remaining=1)
    order = await client.create_order(draft, idempotency_key="lost-answer-1")
    assert await client.search_orders(phone=phone) == (order,)
    day = (datetime.now(UTC) + timedelta(days=8)).date()
    last = day + timedelta(days=2)
    slot, other = (await client.fitting_slots("S-1", date_from=day.isoformat(), date_to=last.isoformat()))[:2]
    await fault(mode="lost_answer", remaining=1)
    booking = await client.create_booking(
        NewBooking("S-1", slot.date, slot.time, phone, "call-1"), idempotency_key="lost-answer-2"
    )
    assert await client.bookings(phone=phone) == (booking,)
    await fault(mode="lost_answer", remaining=1)
    moved = await client.move_booking(booking.id, date=other.date, time=other.time)
    assert (moved.id, moved.time) == (booking.id, other.time)
    await fault(mode="lost_answer", remaining=1)
    assert (await client.cancel_booking(booking.id)).status == "cancelled"
    assert await client.bookings(phone=phone) == ()


async def test_a_lasting_failure_opens_the_breaker(url: str, fault: Fault, seen: Seen) -> None:
    breaker = Breaker("store")
    client = store_at(url, retry=QUICK, breaker=breaker)
    await fault(mode="500")
    for _ in range(7):
        with pytest.raises(StoreUnavailable):
            await client.tire("T-1042")
    assert await seen() == 5
    assert breaker.reading().state == "open"
    await client.close()


async def test_a_wrong_token_is_no_fault_of_the_request(url: str) -> None:
    client = store_at(url, "wrong", retry=QUICK)
    with pytest.raises(StoreUnavailable, match="401"):
        await client.tire("T-1042")
    await client.close()


async def test_nobody_there() -> None:
    client = store_at("http://127.0.0.1:1", retry=QUICK)
    with pytest.raises(StoreUnavailable, match="no connection"):
        await client.tire("T-1042")
    await client.close()


async def test_a_conflicting_key_is_refused(client: StoreClient) -> None:
    await client.create_order(DRAFT, idempotency_key="conflict-key")
    other = NewOrder("5559876543", (OrderItem("T-1042", 2),), "call-1")
    with pytest.raises(StoreRefused) as refused:
        await client.create_order(other, idempotency_key="conflict-key")
    assert (refused.value.status, refused.value.code) == (409, "idempotency_conflict")


async def test_cancelling_a_request_ends_it(client: StoreClient, fault: Fault) -> None:
    await fault(mode="slow", delay=0.4)
    task = asyncio.create_task(client.tire("T-1042"))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await fault(mode="none")
    assert (await client.tire("T-1042")).id == "T-1042"


@pytest_asyncio.fixture
async def strange() -> AsyncIterator[tuple[str, list[web.Response], list[web.Request]]]:
    """A server that answers what a test gives it."""
    answers: list[web.Response] = []
    requests: list[web.Request] = []

    async def handle(request: web.Request) -> web.Response:
        requests.append(request)
        await request.read()
        return answers.pop(0)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}", answers, requests
    await runner.cleanup()


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"null", b'{"data": 5}', b'{"data": [{"id": 1}]}', b"\xff\xfe", b'"' + b"x" * 2_000_000],
)
async def test_strange_answers(strange: tuple[str, list[web.Response], list[web.Request]], body: bytes) -> None:
    base, answers, _ = strange
    client = store_at(base, retry=QUICK)
    answers.append(web.Response(body=body))
    with pytest.raises(StoreUnavailable):
        await client.search_tires(TyreQuery(205, 55, 16))
    await client.close()


async def test_what_is_sent(strange: tuple[str, list[web.Response], list[web.Request]]) -> None:
    base, answers, requests = strange
    client = store_at(base + "/v1/", retry=QUICK)
    answers += [
        web.Response(status=503),
        web.json_response({"id": "1", "status": "draft"}, status=201),
        web.json_response({"data": []}),
    ]
    await client.create_order(DRAFT, idempotency_key="the-key")
    await client.search_tires(TyreQuery(205, in_stock=True, brand="A&B=C"))
    assert [request.headers["Idempotency-Key"] for request in requests[:2]] == ["the-key", "the-key"]
    assert {request.headers["Authorization"] for request in requests} == {f"Bearer {TOKEN}"}
    assert requests[0].path == "/v1/orders"
    query = requests[2].query
    assert (query["in_stock"], query["brand"], "profile" in query) == ("true", "A&B=C", False)
    assert "Idempotency-Key" not in requests[2].headers
    await client.close()


@given(st.integers(0, 5), st.one_of(st.none(), st.floats(0, 60)), st.floats(0, 0.999))
def test_waits_are_bounded(attempt: int, retry_after: float | None, chance: float) -> None:
    policy = RetryPolicy()
    wait = policy.wait(attempt, retry_after, lambda: chance)
    if attempt >= policy.retries or (retry_after or 0) > policy.longest_wait:
        assert wait is None
    else:
        assert wait is not None
        assert (retry_after or 0) <= wait <= policy.longest_wait
