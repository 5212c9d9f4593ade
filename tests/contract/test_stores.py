"""What every store must do: the one in memory, and the HTTP client against the demo store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import date
from decimal import Decimal

import pytest
import pytest_asyncio

from engine.errors import StoreRefused
from engine.store.client import StoreClient
from engine.store.memory import MemoryStore, OwnedOrder
from engine.store.port import NewOrder, Order, OrderItem, Store, Tyre, TyreQuery
from serve_apps.demo_store.app import create_app
from serve_apps.demo_store.catalogue import make_catalogue
from serve_apps.demo_store.ledger import Ledger
from tests.store_server import TOKEN, served

SEED = 2026
PHONE = "380501112233"


def _in_memory() -> MemoryStore:
    """The demo store's goods and orders without the demo store."""
    products = make_catalogue(SEED)
    tyres = []
    for product in products.values():
        data = product.as_json()
        tyres.append(
            Tyre(
                id=product.id,
                brand=product.brand,
                model=product.model,
                size=data["size"],
                season=product.season,
                price=product.price,
                currency="EUR",
                in_stock=product.quantity > 0,
                stock_quantity=product.quantity,
            )
        )
    orders = []
    for order in Ledger(products, seed=SEED, today=date(2026, 11, 22)).search(phone=None, number=None, status=None):
        data = order.as_json()
        known = Order(
            id=order.number,
            number=order.number,
            status=order.status,
            status_label=data["status_label"],
            items_summary=data["items_summary"],
            total=Decimal(str(data["total"])),
            currency="EUR",
        )
        orders.append(OwnedOrder(order.customer_phone, known))
    return MemoryStore(tyres, orders)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(create_app(token=TOKEN, seed=SEED)) as base:
        yield base


@pytest_asyncio.fixture(params=["memory", "http"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    made: Store = _in_memory() if request.param == "memory" else StoreClient(request.getfixturevalue("url"), TOKEN)
    yield made
    await made.close()


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


async def test_closing_twice(store: Store) -> None:
    await store.close()
    await store.close()
