"""Orders of the demo shop: seeded ones, and drafts made over the API. Kept in memory."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from engine.store.phone import same_phone
from serve_apps.demo_store.catalogue import COMMON, Product

STATUS_LABELS = {
    "draft": "a draft that waits for its delivery details",
    "confirmed": "confirmed",
    "processing": "being packed",
    "shipped": "on its way to you",
    "ready_for_pickup": "ready to be picked up",
    "delivered": "delivered",
    "cancelled": "cancelled",
}
_ORDERS_KEPT = 50_000


@dataclass(slots=True)
class Order:
    """One order."""

    number: str
    status: str
    items: list[tuple[Product, int]]
    customer_phone: str
    """Empty for an order made at the counter: whoever knows its number may ask about it."""
    customer_name: str = ""
    estimated_delivery: date | None = None
    tracking_number: str = ""
    delivery: dict[str, Any] = field(default_factory=dict)
    delivery_cost: Decimal = Decimal(0)

    @property
    def goods(self) -> Decimal:
        return sum((product.price * quantity for product, quantity in self.items), Decimal(0))

    def as_json(self) -> dict[str, Any]:
        summary = ", ".join(f"{quantity} {product.brand} {product.model}" for product, quantity in self.items)
        return {
            "id": self.number,
            "order_number": self.number,
            "status": self.status,
            "status_label": STATUS_LABELS[self.status],
            "items_summary": summary,
            "items": [{"product_id": product.id, "quantity": quantity} for product, quantity in self.items],
            "total": float(self.goods + self.delivery_cost),
            "currency": "EUR",
            "estimated_delivery": self.estimated_delivery.isoformat() if self.estimated_delivery else None,
            "tracking_number": self.tracking_number or None,
            "customer_phone": self.customer_phone,
        }


# Number, status, days until delivery, phone; the first is made at the counter, so that a call from any number may ask.
_KNOWN: tuple[tuple[str, str, int | None, str], ...] = (
    ("4271", "shipped", 2, ""),
    ("3102", "processing", 4, ""),
    ("45012", "ready_for_pickup", None, ""),
    ("773102", "delivered", -3, ""),
    ("881204", "confirmed", 5, ""),
    ("123456", "cancelled", None, ""),
    ("5501", "shipped", 1, "380501112233"),
    ("5502", "processing", 3, "380501112233"),
    ("5503", "delivered", -9, "15550100"),
)


class Ledger:
    """All orders."""

    def __init__(self, products: Mapping[str, Product], *, seed: int, today: date) -> None:
        self._orders: OrderedDict[str, Order] = OrderedDict()
        self._next = 90_001
        chance = random.Random(seed + 1)
        common = list(products.values())[:COMMON]
        for number, status, days, phone in _KNOWN:
            product = chance.choice(common)
            order = Order(number, status, [(product, chance.choice((2, 4)))], phone)
            order.estimated_delivery = None if days is None else today + timedelta(days=days)
            if status in {"shipped", "delivered"}:
                order.tracking_number = f"TR{chance.randrange(10**9):09d}"
            self._orders[number] = order

    def get(self, number: str) -> Order | None:
        return self._orders.get(number)

    def search(self, *, phone: str | None, number: str | None, status: str | None) -> list[Order]:
        """Orders of ``phone`` (and those of nobody, where the number is given too), newest last."""
        found = []
        for order in self._orders.values():
            if number is not None and order.number != number:
                continue
            if status is not None and order.status != status:
                continue
            counter = not order.customer_phone and number is not None
            if phone is None or counter or same_phone(order.customer_phone, phone):
                found.append(order)
        return found

    def create(self, items: Sequence[tuple[Product, int]], phone: str, name: str) -> Order:
        order = Order(str(self._next), "draft", list(items), phone, name)
        self._next += 1
        self._orders[order.number] = order
        while len(self._orders) > _ORDERS_KEPT:
            self._orders.popitem(last=False)
        return order
