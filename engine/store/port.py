"""What the engine asks of a shop's API.

Every method raises StoreRefused where the store says that the request is wrong (4xx) and StoreUnavailable where it is
slow, gone, overloaded or broken. Prices and totals are decimal amounts in ``currency``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

Season = Literal["summer", "winter", "all_season"]


@dataclass(frozen=True, slots=True)
class Tyre:
    """A product."""

    id: str
    brand: str
    model: str
    size: str
    season: str
    price: Decimal
    currency: str
    in_stock: bool
    stock_quantity: int


@dataclass(frozen=True, slots=True)
class TyreQuery:
    """What is looked for; None is left out."""

    width: int | None = None
    profile: int | None = None
    diameter: int | None = None
    season: str | None = None
    brand: str | None = None
    model: str | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    in_stock: bool | None = None
    per_page: int = 10
    """1 to 50."""


@dataclass(frozen=True, slots=True)
class TyrePage:
    """The first tyres found and how many there are."""

    tyres: tuple[Tyre, ...]
    total: int


@dataclass(frozen=True, slots=True)
class StockLocation:
    """How many lie where."""

    name: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Availability:
    """Stock of one tyre."""

    product_id: str
    total_quantity: int
    locations: tuple[StockLocation, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """An order or a draft of one. Empty text and None: the store did not say."""

    id: str
    number: str
    status: str
    status_label: str
    items_summary: str
    total: Decimal | None
    currency: str
    estimated_delivery: str = ""
    """ISO date."""
    tracking_number: str = ""


@dataclass(frozen=True, slots=True)
class OrderItem:
    """One line of a new order."""

    product_id: str
    quantity: int


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A draft to be made."""

    customer_phone: str
    items: Sequence[OrderItem]
    call_id: str
    customer_name: str = ""
    source: str = "phone"


class Store(Protocol):
    """A shop's API."""

    async def search_tires(self, query: TyreQuery) -> TyrePage:
        """Tyres that fit ``query``, cheapest first."""

    async def tire(self, product_id: str) -> Tyre:
        """One tyre."""

    async def tire_availability(self, product_id: str) -> Availability:
        """How many there are."""

    async def search_orders(self, *, phone: str, order_number: str = "", status: str = "") -> tuple[Order, ...]:
        """Orders of this phone number; the phone is always sent, so that the store discloses nobody else's."""

    async def create_order(self, order: NewOrder, *, idempotency_key: str) -> Order:
        """A draft; the same key gives the same draft."""

    async def close(self) -> None:
        """Let go of connections; idempotent."""
