"""A store in memory: for trying out a playbook, and for tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from engine.errors import StoreRefused, StoreUnavailable
from engine.store.port import Availability, NewOrder, Order, StockLocation, Tyre, TyrePage, TyreQuery


@dataclass(frozen=True, slots=True)
class OwnedOrder:
    """An order and whose it is; an empty phone means whoever knows its number."""

    phone: str
    order: Order


class MemoryStore:
    """A ``Store`` over given goods and orders."""

    def __init__(self, tyres: Iterable[Tyre] = (), orders: Iterable[OwnedOrder] = ()) -> None:
        self._tyres: dict[str, Tyre] = {tyre.id: tyre for tyre in tyres}
        self._orders = list(orders)
        self._keys: dict[str, Order] = {}
        self.down = False
        """Set to make every call fail with StoreUnavailable."""

    async def search_tires(self, query: TyreQuery) -> TyrePage:
        self._reach()
        found = [tyre for tyre in self._tyres.values() if _fits(tyre, query)]
        found.sort(key=lambda tyre: tyre.price)
        return TyrePage(tuple(found[: query.per_page]), len(found))

    async def tire(self, product_id: str) -> Tyre:
        self._reach()
        tyre = self._tyres.get(product_id.upper())
        if tyre is None:
            raise StoreRefused(f"there is no product {product_id}", code="tire_not_found", status=404)
        return tyre

    async def tire_availability(self, product_id: str) -> Availability:
        tyre = await self.tire(product_id)
        return Availability(tyre.id, tyre.stock_quantity, (StockLocation("warehouse", tyre.stock_quantity),))

    async def search_orders(self, *, phone: str, order_number: str = "", status: str = "") -> tuple[Order, ...]:
        self._reach()
        return tuple(
            owned.order
            for owned in self._orders
            if (owned.phone == phone if owned.phone else order_number)
            and order_number in {"", owned.order.number}
            and status in {"", owned.order.status}
        )

    async def create_order(self, order: NewOrder, *, idempotency_key: str) -> Order:
        self._reach()
        known = self._keys.get(idempotency_key)
        if known is not None:
            return known
        goods = [(await self.tire(item.product_id), item.quantity) for item in order.items]
        if any(tyre.stock_quantity < quantity for tyre, quantity in goods):
            raise StoreRefused("not enough in stock", code="out_of_stock", status=409)
        made = _draft(str(90_001 + len(self._keys)), goods)
        self._keys[idempotency_key] = made
        self._orders.append(OwnedOrder(order.customer_phone, made))
        return made

    async def close(self) -> None:
        """Nothing to let go of."""

    def _reach(self) -> None:
        if self.down:
            raise StoreUnavailable("the store is switched off")


def _draft(number: str, goods: list[tuple[Tyre, int]]) -> Order:
    summary = ", ".join(f"{quantity} {tyre.brand} {tyre.model}" for tyre, quantity in goods)
    total = sum((tyre.price * quantity for tyre, quantity in goods), Decimal(0))
    return Order(number, number, "draft", "a draft", summary, total, goods[0][0].currency)


def _fits(tyre: Tyre, query: TyreQuery) -> bool:
    width, _, rest = tyre.size.partition("/")
    profile, _, diameter = rest.partition(" R")
    measured: Mapping[str, int] = {"width": int(width), "profile": int(profile), "diameter": int(diameter)}
    return (
        all(getattr(query, name) in {None, value} for name, value in measured.items())
        and query.season in {None, tyre.season}
        and (query.brand is None or query.brand.lower() == tyre.brand.lower())
        and (query.model is None or query.model.lower() in tyre.model.lower())
        and (query.min_price is None or tyre.price >= query.min_price)
        and (query.max_price is None or tyre.price <= query.max_price)
        and query.in_stock in {None, tyre.in_stock}
    )
