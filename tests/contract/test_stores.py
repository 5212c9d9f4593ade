"""What every store must do: the one in memory, and the HTTP client against the demo store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
import pytest_asyncio

from engine.errors import StoreRefused
from engine.store import payloads
from engine.store.memory import MemoryStore, OwnedOrder
from engine.store.port import (
    Confirmation,
    HomeDelivery,
    KnowledgePassage,
    NewBooking,
    NewOrder,
    Order,
    OrderItem,
    Pickup,
    Store,
    TyreQuery,
    VehicleQuery,
)
from serve_apps.demo_store.app import create_app
from serve_apps.demo_store.catalogue import make_catalogue
from serve_apps.demo_store.ledger import Ledger
from serve_apps.demo_store.vehicles import VEHICLES
from serve_apps.demo_store.workshop import PICKUP_POINTS, STATIONS
from tests.store_server import MONDAY, TOKEN, served, store_at

SEED = 2026
PHONE = "380501112233"


def _in_memory() -> MemoryStore:
    """The demo store's goods, orders, cars and stations without the demo store."""
    products = make_catalogue(SEED)
    tyres = [payloads.tyre(product.as_json()) for product in products.values()]
    known = Ledger(products, seed=SEED, today=date(2026, 11, 23)).search(phone=None, number=None, status=None)
    return MemoryStore(
        tyres,
        [OwnedOrder(order.customer_phone, payloads.order(order.as_json())) for order in known],
        vehicles={car: tuple(f"{w}/{p} R{d}" for w, p, d in sizes) for car, sizes in VEHICLES.items()},
        stations=[payloads.fitting_station(station) for station in STATIONS],
        points=[payloads.pickup_point(point) for point in PICKUP_POINTS],
        passages=[KnowledgePassage("hours", "hours", "Opening hours: we are open on Saturday from nine to four.", 0.0)],
        today=lambda: date(2026, 11, 23),
    )


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(create_app(token=TOKEN, seed=SEED, now=lambda: MONDAY)) as base:
        yield base


@pytest_asyncio.fixture(params=["memory", "http"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    made: Store = _in_memory() if request.param == "memory" else store_at(request.getfixturevalue("url"))
    yield made
    await made.close()


async def refused(asked: Awaitable[object], status: int, code: str) -> None:
    with pytest.raises(StoreRefused) as error:
        await asked
    assert (error.value.status, error.value.code) == (status, code)


@pytest.mark.parametrize(
    "size", [(205, 55, 16), (225, 45, 17), (195, 65, 15), (215, 60, 16), (185, 65, 15), (235, 35, 19)]
)
async def test_common_sizes_are_there(store: Store, size: tuple[int, int, int]) -> None:
    page = await store.search_tires(TyreQuery(*size, in_stock=True))
    assert page.total >= len(page.tyres) > 0
    assert {tyre.size for tyre in page.tyres} == {f"{size[0]}/{size[1]} R{size[2]}"}
    assert all(tyre.in_stock and tyre.price > 0 for tyre in page.tyres)


async def test_a_search_by_everything(store: Store) -> None:
    query = TyreQuery(205, 55, 16, season="winter", brand="michelin", min_price=Decimal(20), max_price=Decimal(900))
    page = await store.search_tires(query)
    assert [(tyre.brand, tyre.season) for tyre in page.tyres] == [("Michelin", "winter")]


async def test_the_cheapest_come_first_and_pages_are_short(store: Store) -> None:
    page = await store.search_tires(TyreQuery(205, 55, 16, per_page=3))
    prices = [tyre.price for tyre in page.tyres]
    assert prices == sorted(prices)
    assert len(prices) == 3 < page.total


async def test_nothing_found_is_no_error(store: Store) -> None:
    assert (await store.search_tires(TyreQuery(395, 25, 24))).tyres == ()


async def test_one_tyre_and_its_stock(store: Store) -> None:
    tyre = (await store.search_tires(TyreQuery(205, 55, 16, in_stock=True))).tyres[0]
    assert await store.tire(tyre.id) == tyre
    stock = await store.tire_availability(tyre.id)
    assert stock.total_quantity == tyre.stock_quantity == sum(place.quantity for place in stock.locations)


@pytest.mark.parametrize("product", ["T-9", "../orders", "T-1042/availability", "'; --", "%2e%2e"])
async def test_a_tyre_that_does_not_exist(store: Store, product: str) -> None:
    with pytest.raises(StoreRefused) as refused:
        await store.tire(product)
    assert refused.value.status == 404
    assert not refused.value.retryable


async def test_orders_of_a_phone(store: Store) -> None:
    found = await store.search_orders(phone=PHONE)
    assert {order.number for order in found} == {"5501", "5502"}
    assert [order.number for order in await store.search_orders(phone=PHONE, status="shipped")] == ["5501"]


async def test_an_order_of_another_phone_is_not_found(store: Store) -> None:
    assert await store.search_orders(phone=PHONE, order_number="5503") == ()
    assert await store.search_orders(phone="anonymous", order_number="5501") == ()
    assert await store.search_orders(phone="") == ()


async def test_an_order_made_at_the_counter_needs_its_number(store: Store) -> None:
    (order,) = await store.search_orders(phone="anonymous", order_number="4271")
    assert order.number == "4271"
    assert order.status_label
    assert order.items_summary
    assert order.total is not None
    assert await store.search_orders(phone="anonymous") == ()


async def test_the_same_key_gives_the_same_draft(store: Store) -> None:
    tyre = (await store.search_tires(TyreQuery(205, 55, 16, in_stock=True, min_price=Decimal(1)))).tyres[0]
    draft = NewOrder("5559876543", (OrderItem(tyre.id, 2),), "call-1")
    first = await store.create_order(draft, idempotency_key="key-0001")
    again = await store.create_order(draft, idempotency_key="key-0001")
    other = await store.create_order(draft, idempotency_key="key-0002")
    assert first == again
    assert other.number != first.number
    assert first.total == tyre.price * 2
    assert first.status == "draft"
    assert {order.number for order in await store.search_orders(phone="5559876543")} == {first.number, other.number}


async def test_a_draft_of_what_does_not_exist(store: Store) -> None:
    draft = NewOrder("5559876543", (OrderItem("T-9", 2),), "call-1")
    with pytest.raises(StoreRefused):
        await store.create_order(draft, idempotency_key="key-0003")


async def test_a_draft_of_more_than_there_is(store: Store) -> None:
    tyre = (await store.search_tires(TyreQuery(205, 55, 16, in_stock=True))).tyres[0]
    draft = NewOrder("5559876543", (OrderItem(tyre.id, 99),), "call-1")
    with pytest.raises(StoreRefused) as refused:
        await store.create_order(draft, idempotency_key="key-0004")
    assert refused.value.code == "out_of_stock"


async def test_the_same_key_for_another_draft(store: Store) -> None:
    await store.create_order(NewOrder("5559876543", (OrderItem("T-1042", 1),), "call-1"), idempotency_key="key-0005")
    other = NewOrder("5559876543", (OrderItem("T-1042", 2),), "call-1")
    await refused(store.create_order(other, idempotency_key="key-0005"), 409, "idempotency_conflict")


async def test_pages_follow_each_other_in_every_order(store: Store) -> None:
    query = TyreQuery(205, 55, 16, per_page=7)
    first, second = [await store.search_tires(replace(query, page=page)) for page in (1, 2)]
    assert not {tyre.id for tyre in first.tyres} & {tyre.id for tyre in second.tyres}
    assert first.tyres[-1].price <= second.tyres[0].price
    assert (await store.search_tires(replace(query, page=1000))).tyres == ()
    dearest = (await store.search_tires(replace(query, sort="-price"))).tyres
    assert [tyre.price for tyre in dearest] == sorted((tyre.price for tyre in dearest), reverse=True)
    brands = [tyre.brand for tyre in (await store.search_tires(replace(query, sort="brand"))).tyres]
    assert brands == sorted(brands)


async def test_a_car(store: Store) -> None:
    found = await store.vehicle_tires(VehicleQuery("Volkswagen", " golf ", 2018, "winter"))
    assert found.oem_sizes == ("195/65 R15", "205/55 R16", "225/45 R17", "225/40 R18")
    assert {tyre.season for tyre in found.tyres} == {"winter"}
    assert {tyre.size for tyre in found.tyres} <= set(found.oem_sizes)
    assert all(tyre.in_stock for tyre in found.tyres)
    assert [tyre.price for tyre in found.tyres] == sorted(tyre.price for tyre in found.tyres)


async def test_a_car_that_nobody_knows(store: Store) -> None:
    await refused(store.vehicle_tires(VehicleQuery("Trabant", "601")), 404, "vehicle_not_found")


async def test_one_order_tells_whose_it_is(store: Store) -> None:
    assert (await store.order("5501")).customer_phone == PHONE
    assert (await store.order("4271")).customer_phone == ""
    await refused(store.order("9"), 404, "order_not_found")


async def drafted(store: Store, key: str) -> Order:
    tyre = (await store.search_tires(TyreQuery(205, 55, 16, in_stock=True))).tyres[0]
    return await store.create_order(
        NewOrder("+380 67 000 11 22", (OrderItem(tyre.id, 1),), "call-1"), idempotency_key=key
    )


async def test_from_a_draft_to_an_order(store: Store) -> None:
    draft = await drafted(store, "journey-key-1")
    assert draft.customer_phone == "380670001122"
    assert draft.total is not None
    confirmation = Confirmation("card", "Olga", send_sms_confirmation=True)
    await refused(store.confirm_order(draft.id, confirmation, idempotency_key="journey-key-2"), 409, "delivery_missing")
    terms = await store.set_delivery(draft.id, HomeDelivery("Kyiv", "1 Main Street"))
    assert terms.cost == (await store.calculate_delivery("Kyiv", order_id=draft.id)).cost > 0
    assert terms.total == draft.total + terms.cost == terms.order.total
    assert terms.estimated_days > 0
    fetched = await store.set_delivery(draft.id, Pickup("P-1"))
    assert (fetched.cost, fetched.total) == (Decimal(0), draft.total)
    assert fetched.order.estimated_delivery == "2026-11-24"
    done = await store.confirm_order(draft.id, confirmation, idempotency_key="journey-key-2")
    assert (done.status, done.number, done.total) == ("confirmed", draft.number, draft.total)
    assert await store.confirm_order(draft.id, confirmation, idempotency_key="journey-key-2") == done
    await refused(store.confirm_order(draft.id, confirmation, idempotency_key="journey-key-3"), 409, "order_not_draft")
    await refused(store.set_delivery(draft.id, Pickup("P-2")), 409, "order_not_draft")
    assert await store.order(draft.id) == done


async def test_deliveries_that_cannot_be(store: Store) -> None:
    draft = await drafted(store, "journey-key-4")
    await refused(store.set_delivery(draft.id, Pickup("P-99")), 404, "pickup_point_not_found")
    await refused(store.set_delivery(draft.id, HomeDelivery("Kyiv", "")), 422, "validation_error")
    await refused(store.set_delivery("9", Pickup("P-1")), 404, "order_not_found")
    await refused(store.calculate_delivery("Kyiv", order_id="9"), 404, "order_not_found")


async def test_places(store: Store) -> None:
    assert {point.city for point in await store.pickup_points("kyiv")} == {"Kyiv"}
    assert {station.city for station in await store.fitting_stations("LVIV")} == {"Lviv"}
    assert len(await store.pickup_points()) == len(PICKUP_POINTS)
    assert len(await store.fitting_stations()) == len(STATIONS)
    assert await store.pickup_points("Atlantis") == ()
    assert await store.fitting_stations("Atlantis") == ()


async def test_prices_of_a_fitting(store: Store) -> None:
    small, large = [await store.fitting_prices("S-1", tire_diameter=inches) for inches in (14, 19)]
    assert set(small.prices) == {"fitting", "balancing", "seasonal_change", "storage"}
    assert 0 < small.prices["fitting"] < large.prices["fitting"]
    assert small.currency == "EUR"
    await refused(store.fitting_prices("S-9", tire_diameter=16), 404, "station_not_found")
    await refused(store.fitting_prices("S-1", tire_diameter=99), 422, "validation_error")


async def test_free_times(store: Store) -> None:
    slots = await store.fitting_slots("S-1", date_from="2026-12-04", date_to="2026-12-07")
    assert list(slots) == sorted(slots, key=lambda slot: (slot.date, slot.time))
    assert {slot.date for slot in slots} == {"2026-12-04", "2026-12-05", "2026-12-07"}  # the sixth is a Sunday
    assert await store.fitting_slots("S-1", date_from="2026-11-01", date_to="2026-11-22") == ()  # gone by
    await refused(store.fitting_slots("S-9", date_from="2026-12-04", date_to="2026-12-07"), 404, "station_not_found")
    await refused(store.fitting_slots("S-1", date_from="2026-12-04", date_to="2026-12-03"), 422, "validation_error")
    await refused(store.fitting_slots("S-1", date_from="tomorrow", date_to="2026-12-03"), 422, "validation_error")


async def test_from_a_booking_to_its_end(store: Store) -> None:
    phone = "380630001122"
    slot, other, third = (await store.fitting_slots("S-2", date_from="2026-12-07", date_to="2026-12-09"))[:3]
    wanted = NewBooking(
        "S-2", slot.date, slot.time, "+380 63 000-11-22", "call-1", "seasonal_change", "Olga", "Golf", tire_diameter=16
    )
    made = await store.create_booking(wanted, idempotency_key="booking-key-1")
    assert (made.station_id, made.date, made.time, made.status) == ("S-2", slot.date, slot.time, "booked")
    assert (made.service_type, made.customer_name, made.vehicle_info) == ("seasonal_change", "Olga", "Golf")
    assert (made.customer_phone, made.tire_diameter) == (phone, 16)
    assert await store.create_booking(wanted, idempotency_key="booking-key-1") == made
    changed = replace(wanted, time=other.time)
    await refused(store.create_booking(changed, idempotency_key="booking-key-1"), 409, "idempotency_conflict")
    await refused(store.create_booking(wanted, idempotency_key="booking-key-2"), 409, "slot_taken")
    assert slot not in await store.fitting_slots("S-2", date_from=slot.date, date_to=slot.date)
    assert await store.bookings(phone=phone) == (made,)
    assert await store.bookings(phone="380639999999") == await store.bookings(phone="anonymous") == ()
    moved = await store.move_booking(made.id, date=other.date, time=other.time)
    assert moved == replace(made, date=other.date, time=other.time)
    assert slot in await store.fitting_slots("S-2", date_from=slot.date, date_to=slot.date)
    await refused(store.move_booking(made.id, date="2026-12-13", time="09:00"), 409, "slot_taken")
    gone = await store.cancel_booking(made.id, idempotency_key="booking-key-3")
    assert gone == replace(moved, status="cancelled")
    assert await store.cancel_booking(made.id, idempotency_key="booking-key-3") == gone
    await refused(store.cancel_booking(made.id), 404, "booking_not_found")
    await refused(store.move_booking(made.id, date=third.date, time=third.time), 404, "booking_not_found")
    assert await store.bookings(phone=phone) == ()


async def test_a_booking_where_nobody_works(store: Store) -> None:
    wanted = NewBooking("S-9", "2026-12-07", "09:00", PHONE, "call-1")
    await refused(store.create_booking(wanted, idempotency_key="booking-key-4"), 404, "station_not_found")
    past = replace(wanted, station_id="S-1", date="2026-11-20")
    await refused(store.create_booking(past, idempotency_key="booking-key-5"), 409, "slot_taken")


@pytest.mark.parametrize("booking", ["B-1", "../orders", "", "B-1?x"])
async def test_a_booking_that_does_not_exist(store: Store, booking: str) -> None:
    with pytest.raises(StoreRefused) as error:
        await store.cancel_booking(booking)
    assert error.value.status == 404


async def test_knowledge(store: Store) -> None:
    passages = await store.knowledge_search("opening hours on Saturday", limit=2)
    assert 0 < len(passages) <= 2
    assert passages[0].id == "hours"
    assert 0 < passages[0].relevance_score <= 1
    assert await store.knowledge_search("zebra") == ()
    assert await store.knowledge_search("opening hours", category="nonsense") == ()


async def test_closing_twice(store: Store) -> None:
    await store.close()
    await store.close()
