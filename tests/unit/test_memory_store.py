"""The store in memory as tests of others use it, and what is made of any JSON that a store may send."""

from __future__ import annotations

import asyncio
import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import VirtualTimeLoop
from engine.errors import StoreRefused, StoreUnavailable
from engine.store import payloads
from engine.store.phone import same_phone
from engine.store.port import NewBooking, NewOrder, OrderItem, TyreQuery, VehicleQuery
from engine.store.samples import KNOWN_CALLER, OTHER_CALLER, sample_store

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "id", "price", "total", "date", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)
_TYRE: dict[str, Any] = {
    "id": "T-1", "brand": "B", "model": "M", "size": "205/55 R16", "season": "winter", "price": 70.5,
    "currency": "EUR", "in_stock": True, "stock_quantity": 4,
}  # fmt: skip
_ORDER: dict[str, Any] = {"id": "1", "status": "draft", "total": 70, "currency": "EUR", "cost": 0, "estimated_days": 1}
_BOOKING: dict[str, Any] = {
    "id": "B-1", "station_id": "S-1", "date": "2026-12-07", "time": "09:00", "service_type": "fitting",
    "status": "booked",
}  # fmt: skip
_PARSERS = (
    (payloads.tyre, _TYRE),
    (payloads.tyre_page, {"data": [_TYRE]}),
    (payloads.availability("T-1"), {"total_quantity": 4}),
    (payloads.order, _ORDER),
    (payloads.delivery_terms, _ORDER),
    (payloads.delivery_quote, {**_ORDER, "city": "Kyiv"}),
    (payloads.booking, _BOOKING),
    (payloads.fitting_slot, {"date": "2026-12-07", "time": "09:00"}),
    (payloads.fitting_prices, {"station_id": "S", "tire_diameter": 16, "currency": "EUR", "prices": {"fitting": 1}}),
    (payloads.knowledge_passage, {"id": "a", "content": "b", "relevance_score": 1}),
    (payloads.vehicle_tyres, {"make": "a", "model": "b", "oem_sizes": [], "data": []}),
)


@given(st.sampled_from(_PARSERS), _JSON)
def test_any_json_is_what_was_expected_or_no_answer(parser: tuple[Any, dict[str, Any]], payload: object) -> None:
    try:
        made = payloads.parsed(parser[0], payload)
    except StoreUnavailable:
        return
    assert dataclasses.is_dataclass(made)


@given(st.sampled_from(_PARSERS), st.data())
def test_one_wrong_value_never_becomes_another_price(parser: tuple[Any, dict[str, Any]], data: st.DataObject) -> None:
    make, good = parser
    key = data.draw(st.sampled_from(sorted(good)))
    value = data.draw(_JSON)
    try:
        made = payloads.parsed(make, {**good, key: value})
    except StoreUnavailable:
        return
    for amount in (getattr(made, name, None) for name in ("price", "total", "cost")):
        if isinstance(amount, Decimal):
            assert amount.is_finite()
            assert amount >= 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("price", "NaN"), ("price", -1), ("price", True), ("price", None), ("price", float("inf")), ("price", "7,50"),
        ("in_stock", "false"), ("in_stock", 1), ("stock_quantity", 3.7), ("stock_quantity", "4"),
        ("stock_quantity", -1), ("id", None), ("id", ["T-1"]), ("brand", True),
    ],
)  # fmt: skip
def test_what_is_no_tyre(key: str, value: object) -> None:
    assert payloads.parsed(payloads.tyre, _TYRE).price == Decimal("70.5")
    with pytest.raises(StoreUnavailable, match="shape"):
        payloads.parsed(payloads.tyre, {**_TYRE, key: value})


async def test_the_sample_shop_has_a_little_of_everything() -> None:
    store = sample_store()
    page = await store.search_tires(TyreQuery(205, 55, 16, season="winter", in_stock=True))
    assert {tyre.brand for tyre in page.tyres} == {"Michelin", "Continental", "Nokian"}
    assert (await store.vehicle_tires(VehicleQuery("Toyota", "Corolla"))).tyres
    assert {order.number for order in await store.search_orders(phone=KNOWN_CALLER)} == {"5501", "5502"}
    assert {order.number for order in await store.search_orders(phone=OTHER_CALLER)} == {"5503"}
    (slot, *_) = await store.fitting_slots("S-1", date_from="2026-11-23", date_to="2026-11-23")
    await store.create_booking(NewBooking("S-1", slot.date, slot.time, KNOWN_CALLER, "c"), idempotency_key="k")
    await store.create_order(NewOrder(KNOWN_CALLER, (OrderItem("T-1001", 2),), "c"), idempotency_key="l")
    assert [booking.customer_phone for booking in store.all_bookings] == [KNOWN_CALLER]
    assert store.all_orders[-1].status == "draft"


async def test_gone_and_unwilling() -> None:
    store = sample_store()
    store.down = True
    with pytest.raises(StoreUnavailable):
        await store.pickup_points()
    store.down = False
    store.refusal = StoreRefused("no", code="maintenance", status=409)
    with pytest.raises(StoreRefused, match="no"):
        await store.bookings(phone=KNOWN_CALLER)
    store.refusal = None
    assert await store.pickup_points()


def test_slow() -> None:
    async def ask() -> float:
        store = sample_store()
        store.delay = 4.0
        before = asyncio.get_running_loop().time()
        await store.tire("T-1001")
        return asyncio.get_running_loop().time() - before

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(ask()) == 4.0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("380501112233", "+380 (50) 111-22-33", True),
        ("0501112233", "380501112233", True),
        ("1112233", "380501112233", False),  # too few digits to be sure of
        ("1112233", "111 22 33", True),
        ("", "", False),
        ("anonymous", "", False),
        ("380501112233", "380501112234", False),
    ],
)
def test_whether_two_numbers_are_one(one: str, other: str, same: bool) -> None:
    assert same_phone(one, other) is same
    assert same_phone(other, one) is same
