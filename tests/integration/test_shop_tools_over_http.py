"""The shop's tools over the Store API: a whole order, a whole fitting, and a store that fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from engine.agent.ports import CallFacts
from engine.playbooks.tyre_shop.tools import shop_tools
from engine.store.client import StoreClient
from engine.store.samples import SAMPLE_DAY
from serve_apps.demo_store.app import create_app
from tests.store_server import MONDAY, TOKEN, served, store_at
from tests.unit.shop_stage import PLAYBOOK, ShopCall

PHONE = "380501112233"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(create_app(token=TOKEN, now=lambda: MONDAY)) as base:
        yield base


@pytest_asyncio.fixture
async def client(url: str) -> AsyncIterator[StoreClient]:
    made = store_at(url)
    yield made
    await made.close()


def over(client: StoreClient, words: str, *, call_id: str) -> ShopCall:
    """A call whose tools ask the store over HTTP."""
    call = ShopCall(words, caller=PHONE, today=SAMPLE_DAY)
    call.box = shop_tools(PLAYBOOK, client)
    call.facts = CallFacts(call_id, PHONE)
    return call


async def test_four_tyres_from_the_size_to_the_confirmation(client: StoreClient) -> None:
    call = over(client, "winter tyres two oh five fifty five sixteen", call_id="order-1")
    found = await call.use("search_tires", width=205, profile=55, diameter=16, season="winter")
    tyre = next(each for each in found["tires"] if each["stock_quantity"] >= 4)
    call.asked(f"{tyre['brand']} {tyre['model']}, {tyre['price']} euros each.", "four of those, phone 0501112233")
    assert (await call.use("check_availability", product_id=tyre["id"]))["total_quantity"] >= 4
    draft = await call.use("create_order_draft", product_id=tyre["id"], quantity=4, customer_phone="0501112233")
    number = draft["draft"]["number"]
    call.asked("Delivery or pick-up?", "I collect it in Odesa and pay cash")
    points = await call.use("get_pickup_points", city="Odesa")
    wanted = {"delivery_type": "pickup", "pickup_point_id": points["pickup_points"][0]["pickup_point_id"]}
    terms = await call.use("update_order_delivery", order_number=number, **wanted)
    assert (terms["city"], terms["order_number"]) == ("Odesa", number)
    confirm = {"order_number": number, "payment_method": "cash"}
    assert await call.refusal("confirm_order", **confirm) == "not_confirmed"
    call.asked(f"Order {number}, {terms['total']} euros, in cash. Shall I place it?", "Yes, go ahead.")
    done = await call.use("confirm_order", **confirm)
    assert done["ok"], done
    assert done["order"]["status"] == "confirmed"
    assert (await call.use("confirm_order", **confirm))["order"] == done["order"]
    assert (await call.use("get_order_status", order_number=number))["order"]["status"] == "confirmed"


async def test_a_fitting_booked_moved_and_cancelled(client: StoreClient) -> None:
    call = over(client, "a fitting in Lviv this Friday, for sixteen inch", call_id="fitting-1")
    station = (await call.use("get_fitting_stations", city="Lviv"))["stations"][0]
    assert (await call.use("get_fitting_price", tire_diameter=16, station_id=station["station_id"]))["prices"]
    slots = await call.use("get_fitting_slots", station_id=station["station_id"], date_from="2026-11-27")
    first, second = slots["slots"][:2]
    call.asked(f"{station['name']} on {first['date']} at {first['time']}. Shall I book it?", "yes please")
    booked = await call.use("book_fitting", station_id=station["station_id"], **first)
    booking = {"booking_id": booked["booking"]["booking_id"]}
    call.asked("Anything else?", "a little later, please")
    call.asked(f"{station['name']} on {second['date']} at {second['time']}. Shall I move it?", "yes, move it")
    moved = await call.use("book_fitting", station_id=station["station_id"], **second, **booking)
    assert (moved["moved"], moved["booking"]["time"]) == (True, second["time"])
    assert (await call.use("get_customer_bookings"))["bookings"][0]["station"] == station["name"]
    call.asked(f"Your fitting on {second['date']} at {second['time']}. Shall I cancel it?", "Yes, cancel it.")
    assert (await call.use("cancel_fitting", **booking))["cancelled"]
    assert (await call.use("get_customer_bookings"))["count"] == 0


async def test_sizes_of_a_car(client: StoreClient) -> None:
    call = over(client, "what fits a Skoda Octavia?", call_id="car-1")
    assert (await call.use("get_vehicle_tire_sizes", make="Skoda", model="Octavia"))["sizes"]


async def test_a_store_that_is_not_there() -> None:
    client = store_at("http://127.0.0.1:1")
    call = over(client, "order 5501", call_id="gone-1")
    assert await call.refusal("get_order_status", order_number="5501") == "store_unavailable"
    await client.close()
