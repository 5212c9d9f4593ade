"""The demo store's routes, as the Store API names them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from serve_apps.demo_store.app import create_app
from serve_apps.demo_store.catalogue import make_catalogue
from serve_apps.demo_store.vehicles import VEHICLES
from tests.store_server import ADMIN_TOKEN, MONDAY, TOKEN, served


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(create_app(token=TOKEN, admin_token=ADMIN_TOKEN, now=lambda: MONDAY)) as base:
        yield base


async def ask(url: str, method: str, path: str, *, token: str = TOKEN, **options: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
    async with (
        aiohttp.ClientSession(url) as session,
        session.request(method, path, headers=headers, **options) as response,
    ):
        assert response.headers["X-Request-Id"]
        body = await response.json()
        if response.status >= 400:
            assert set(body["error"]) == {"code", "message", "request_id"}
            assert body["error"]["request_id"] == response.headers["X-Request-Id"]
        return response.status, body


def test_the_catalogue_is_the_same_for_the_same_seed() -> None:
    assert make_catalogue(1) == make_catalogue(1)
    assert make_catalogue(1) != make_catalogue(2)
    assert len(make_catalogue(1)) >= 2000
    assert len(VEHICLES) >= 80


def test_every_size_of_every_car_is_sold() -> None:
    sold = {(product.width, product.profile, product.diameter) for product in make_catalogue(2026).values()}
    assert {size for sizes in VEHICLES.values() for size in sizes} <= sold


@pytest.mark.parametrize("token", ["", "wrong", ADMIN_TOKEN, "ключ"])
async def test_every_route_asks_for_the_token(url: str, token: str) -> None:
    for path in ("/tires/search", "/orders/4271", "/nowhere", "/knowledge/search?query=hours"):
        async with aiohttp.ClientSession(url) as session:
            header = f"Bearer {token}".encode().decode("latin-1")
            async with session.get(path, headers={"Authorization": header}) as response:
                assert response.status == 401
                assert (await response.json())["error"]["code"] == "unauthorized"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("DELETE", "/tires/search", 405, "method_not_allowed"),
        ("GET", "/tires/search?per_page=51", 422, "validation_error"),
        ("GET", "/tires/search?season=spring", 422, "validation_error"),
        ("GET", "/tires/T-9", 404, "tire_not_found"),
        ("GET", "/orders/9", 404, "order_not_found"),
        ("GET", "/orders/search", 422, "validation_error"),
        ("GET", "/vehicles/tires?make=Trabant&model=601", 404, "vehicle_not_found"),
        ("GET", "/fitting/stations/S-9/slots", 404, "station_not_found"),
        ("GET", "/fitting/stations/S-1/slots?date_from=9999-12-31", 422, "validation_error"),
        ("DELETE", "/fitting/bookings/B-1", 404, "booking_not_found"),
        ("POST", "/orders", 422, "validation_error"),
    ],
)
async def test_errors_have_one_shape(url: str, method: str, path: str, status: int, code: str) -> None:
    answer, body = await ask(url, method, path)
    assert (answer, body["error"]["code"]) == (status, code)


async def test_pages(url: str) -> None:
    _, first = await ask(url, "GET", "/tires/search?width=205&per_page=10")
    _, second = await ask(url, "GET", "/tires/search?width=205&per_page=10&page=2")
    assert first["pagination"]["total"] == 252
    assert first["pagination"]["total_pages"] == 26
    assert not {tire["id"] for tire in first["data"]} & {tire["id"] for tire in second["data"]}


async def test_a_car(url: str) -> None:
    _, body = await ask(url, "GET", "/vehicles/tires?make=Volkswagen&model=Golf&year=2018&season=winter")
    assert "205/55 R16" in body["oem_sizes"]
    assert {tire["season"] for tire in body["data"]} == {"winter"}


async def test_an_order_from_draft_to_confirmation(url: str) -> None:
    headers = {"Idempotency-Key": "journey-1"}
    order = {"customer_phone": "+380 50 111 22 33", "items": [{"product_id": "T-1042", "quantity": 2}]}
    status, draft = await ask(url, "POST", "/orders", json=order, headers=headers)
    assert (status, draft["status"]) == (201, "draft")
    path = f"/orders/{draft['id']}"
    payment = {"payment_method": "card", "customer_name": "Olga"}
    early, _ = await ask(url, "POST", f"{path}/confirm", json=payment, headers={"Idempotency-Key": "journey-2"})
    assert early == 409
    bad, _ = await ask(url, "PATCH", f"{path}/delivery", json={"delivery_type": "delivery", "city": "Kyiv"})
    assert bad == 422
    _, delivery = await ask(
        url, "PATCH", f"{path}/delivery", json={"delivery_type": "delivery", "city": "Kyiv", "address": "1 Main"}
    )
    assert delivery["total"] == draft["total"] + delivery["cost"]
    for _ in range(2):
        status, done = await ask(url, "POST", f"{path}/confirm", json=payment, headers={"Idempotency-Key": "journey-2"})
        assert (status, done["status"]) == (200, "confirmed")
    again, _ = await ask(url, "POST", f"{path}/confirm", json=payment, headers={"Idempotency-Key": "journey-3"})
    assert again == 409


async def test_delivery_and_pick_up(url: str) -> None:
    _, points = await ask(url, "GET", "/pickup-points?city=kyiv")
    assert {point["city"] for point in points["data"]} == {"Kyiv"}
    _, cost = await ask(url, "GET", "/delivery/calculate?city=Lviv")
    assert cost["cost"] > 0


async def test_a_fitting_from_slot_to_cancellation(url: str) -> None:
    _, stations = await ask(url, "GET", "/fitting/stations?city=Kyiv")
    station = stations["data"][0]["id"]
    dates = {"date_from": "2026-12-07", "date_to": "2026-12-13"}
    _, slots = await ask(url, "GET", f"/fitting/stations/{station}/slots", params=dates)
    assert all(slot["date"] != "2026-12-13" for slot in slots["data"])  # Sunday
    first, second = slots["data"][:2]
    booking = {"station_id": station, **first, "customer_phone": "0501112233", "tire_diameter": 16}
    status, made = await ask(url, "POST", "/fitting/bookings", json=booking)
    assert status == 201
    taken, _ = await ask(url, "POST", "/fitting/bookings", json=booking)
    assert taken == 409
    _, mine = await ask(url, "GET", "/fitting/bookings", params={"phone": "+380501112233"})
    assert [each["id"] for each in mine["data"]] == [made["id"]]
    _, moved = await ask(url, "PATCH", f"/fitting/bookings/{made['id']}", json=second)
    assert (moved["date"], moved["time"]) == (second["date"], second["time"])
    _, gone = await ask(url, "DELETE", f"/fitting/bookings/{made['id']}")
    assert gone["status"] == "cancelled"
    _, none = await ask(url, "GET", "/fitting/bookings?phone=0501112233")
    assert none["data"] == []


async def test_nobody_books_in_another_age(url: str) -> None:
    body = {"station_id": "S-1", "date": "9999-12-31", "time": "10:00", "customer_phone": "+380501112233"}
    key = {"Idempotency-Key": "far-1"}
    status, answer = await ask(url, "POST", "/fitting/bookings", json=body, headers=key)
    assert (status, answer["error"]["code"]) == (422, "validation_error")


async def test_fitting_prices_grow_with_the_wheel(url: str) -> None:
    _, small = await ask(url, "GET", "/fitting/prices?station_id=S-1&tire_diameter=14")
    _, large = await ask(url, "GET", "/fitting/prices?station_id=S-1&tire_diameter=19")
    assert small["prices"]["fitting"] < large["prices"]["fitting"]


async def test_knowledge(url: str) -> None:
    _, body = await ask(url, "GET", "/knowledge/search", params={"query": "opening hours on Saturday", "limit": 2})
    assert body["data"][0]["id"] == "hours"
    assert body["data"][0]["relevance_score"] == 1.0
    _, none = await ask(url, "GET", "/knowledge/search", params={"query": "zebra"})
    assert none["data"] == []


async def test_faults_are_for_the_admin_alone(url: str) -> None:
    assert (await ask(url, "PUT", "/__faults", json={"mode": "503"}))[0] == 404
    assert (await ask(url, "PUT", "/__faults", token=ADMIN_TOKEN, json={"mode": "503", "retry_after": 3}))[0] == 200
    assert (await ask(url, "GET", "/tires/T-1042"))[0] == 503
    assert (await ask(url, "PUT", "/__faults", token=ADMIN_TOKEN, json={"mode": "none"}))[0] == 200
    assert (await ask(url, "GET", "/tires/T-1042"))[0] == 200


async def test_faults_of_every_kind(url: str) -> None:
    async def switch(**fault: Any) -> None:
        assert (await ask(url, "PUT", "/__faults", token=ADMIN_TOKEN, json=fault))[0] == 200

    async def raw(path: str) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(url, headers=headers) as session, session.get(path) as response:
            return response.status, await response.read()

    await switch(mode="bad_json", path="/tires")
    assert await raw("/tires/T-1042") == (200, b'{"data": [{"id": "T-1')
    assert (await raw("/orders/4271"))[1].endswith(b"}")  # another path is not hit
    await switch(mode="wrong_shape", remaining=1)
    assert b"soon" in (await raw("/tires/T-1042"))[1]
    assert b"T-1042" in (await raw("/tires/T-1042"))[1]
    for mode in ("disconnect", "lost_answer"):
        await switch(mode=mode)
        with pytest.raises(aiohttp.ClientError):
            await raw("/tires/T-1042")
    await switch(mode="429", retry_after=7)
    assert (await raw("/tires/T-1042"))[0] == 429
    await switch(mode="none")


async def test_a_past_time_is_not_free(url: str) -> None:
    dates = {"date_from": "2026-11-20", "date_to": "2026-11-23"}
    _, slots = await ask(url, "GET", "/fitting/stations/S-1/slots", params=dates)
    assert {slot["date"] for slot in slots["data"]} == {"2026-11-23"}
    assert min(slot["time"] for slot in slots["data"]) > "10:00"  # it is ten in the morning there
