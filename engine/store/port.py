"""What the engine asks of a shop's API.

Every method raises StoreRefused where the store says that the request is wrong (4xx) and StoreUnavailable where it is
slow, gone, overloaded or broken. Prices and totals are decimal amounts in ``currency``. Dates are ISO texts
("2026-12-07"), times of day "HH:MM" in the shop's own time.

A mutation carries an idempotency key: the same key with the same request is the same change, however often it is sent.
Where a key may be left out the adapter makes one for the tries of that request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol

Season = Literal["summer", "winter", "all_season"]
Sort = Literal["price", "-price", "brand"]
"""Cheapest first, dearest first, by brand."""
PaymentMethod = Literal["card", "cash", "bank_transfer", "instalments"]
ServiceType = Literal["fitting", "balancing", "seasonal_change", "storage"]


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
    sort: Sort = "price"
    page: int = 1
    """From 1."""


@dataclass(frozen=True, slots=True)
class TyrePage:
    """One page of the tyres found and how many there are on all pages."""

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
class VehicleQuery:
    """A car; None is left out."""

    make: str
    model: str
    year: int | None = None
    season: str | None = None


@dataclass(frozen=True, slots=True)
class VehicleTyres:
    """What fits a car."""

    make: str
    model: str
    oem_sizes: tuple[str, ...]
    """As "205/55 R16", smallest rim first."""
    tyres: tuple[Tyre, ...]
    """Some that fit and are in stock, cheapest first."""
    year: int | None = None


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
    customer_phone: str = ""
    """Digits; empty for an order made at the counter. For telling whose order it is, never to be read out."""


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


@dataclass(frozen=True, slots=True)
class HomeDelivery:
    """Brought to an address."""

    city: str
    address: str


@dataclass(frozen=True, slots=True)
class Pickup:
    """Fetched by the customer."""

    pickup_point_id: str


@dataclass(frozen=True, slots=True)
class DeliveryTerms:
    """What a draft costs with its delivery."""

    order: Order
    cost: Decimal
    """Of the delivery alone."""
    total: Decimal
    """Goods and delivery."""
    currency: str
    estimated_days: int


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What makes a draft an order."""

    payment_method: PaymentMethod
    customer_name: str
    send_sms_confirmation: bool = False


@dataclass(frozen=True, slots=True)
class DeliveryQuote:
    """What a delivery to a city costs."""

    city: str
    cost: Decimal
    currency: str
    estimated_days: int


@dataclass(frozen=True, slots=True)
class PickupPoint:
    """Where an order may be fetched."""

    id: str
    city: str
    address: str
    hours: str = ""


@dataclass(frozen=True, slots=True)
class FittingStation:
    """Where tyres are fitted."""

    id: str
    name: str
    city: str
    address: str


@dataclass(frozen=True, slots=True)
class FittingSlot:
    """A free time."""

    date: str
    time: str


@dataclass(frozen=True, slots=True)
class FittingPrices:
    """Prices of one station for four wheels of one diameter."""

    station_id: str
    tire_diameter: int
    currency: str
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    """Service type → price."""


@dataclass(frozen=True, slots=True)
class NewBooking:
    """A fitting to be booked."""

    station_id: str
    date: str
    time: str
    customer_phone: str
    call_id: str
    service_type: ServiceType = "fitting"
    customer_name: str = ""
    vehicle_info: str = ""
    tire_diameter: int | None = None


@dataclass(frozen=True, slots=True)
class Booking:
    """A booked fitting."""

    id: str
    station_id: str
    date: str
    time: str
    service_type: str
    status: str
    """``booked`` or ``cancelled``."""
    customer_phone: str = ""
    """Digits; for telling whose booking it is, never to be read out."""
    customer_name: str = ""
    vehicle_info: str = ""
    tire_diameter: int | None = None


@dataclass(frozen=True, slots=True)
class KnowledgePassage:
    """Something the shop tells its customers."""

    id: str
    category: str
    content: str
    relevance_score: float
    """0 to 1; the best first."""


class TyreStore(Protocol):
    """Goods."""

    async def search_tires(self, query: TyreQuery) -> TyrePage:
        """Tyres that fit ``query``, in its order (cheapest first); nothing found is an empty page."""

    async def tire(self, product_id: str) -> Tyre:
        """One tyre. StoreRefused ``tire_not_found``."""

    async def tire_availability(self, product_id: str) -> Availability:
        """How many there are, and where. StoreRefused ``tire_not_found``."""

    async def vehicle_tires(self, query: VehicleQuery) -> VehicleTyres:
        """Sizes and tyres for a car. StoreRefused ``vehicle_not_found``."""


class OrderStore(Protocol):
    """Orders and their delivery."""

    async def search_orders(self, *, phone: str, order_number: str = "", status: str = "") -> tuple[Order, ...]:
        """Orders of this phone number; the phone is always sent, so that the store discloses nobody else's."""

    async def order(self, order_id: str) -> Order:
        """One order, whoever's it is: compare its ``customer_phone`` first. StoreRefused ``order_not_found``."""

    async def create_order(self, order: NewOrder, *, idempotency_key: str) -> Order:
        """A draft; the same key gives the same draft.

        StoreRefused ``tire_not_found``, ``out_of_stock``, ``idempotency_conflict`` (the key came with another order).
        """

    async def set_delivery(
        self, order_id: str, delivery: HomeDelivery | Pickup, *, idempotency_key: str = ""
    ) -> DeliveryTerms:
        """Settles how a draft reaches its customer; may be done again until it is confirmed.

        StoreRefused ``order_not_found``, ``order_not_draft``, ``pickup_point_not_found``.
        """

    async def confirm_order(self, order_id: str, confirmation: Confirmation, *, idempotency_key: str) -> Order:
        """Makes a draft an order, status ``confirmed``; the same key gives the same order.

        StoreRefused ``order_not_found``, ``order_not_draft``, ``delivery_missing``, ``idempotency_conflict``.
        """

    async def calculate_delivery(self, city: str, *, order_id: str = "") -> DeliveryQuote:
        """What a delivery costs; of this draft's goods where ``order_id`` is given."""

    async def pickup_points(self, city: str = "") -> tuple[PickupPoint, ...]:
        """Those of a city, letter case aside, or all."""


class FittingStore(Protocol):
    """Fittings."""

    async def fitting_stations(self, city: str = "") -> tuple[FittingStation, ...]:
        """Those of a city, letter case aside, or all."""

    async def fitting_slots(
        self, station_id: str, *, date_from: str, date_to: str, service_type: ServiceType = "fitting"
    ) -> tuple[FittingSlot, ...]:
        """Free times, both days included, soonest first. StoreRefused ``station_not_found``, ``validation_error``."""

    async def fitting_prices(self, station_id: str, *, tire_diameter: int) -> FittingPrices:
        """Diameter in inches, 12 to 24. StoreRefused ``station_not_found``, ``validation_error``."""

    async def bookings(self, *, phone: str) -> tuple[Booking, ...]:
        """Bookings of this phone number that are still to come, soonest first."""

    async def create_booking(self, booking: NewBooking, *, idempotency_key: str) -> Booking:
        """Books a free time; the same key gives the same booking.

        StoreRefused ``station_not_found``, ``slot_taken``, ``idempotency_conflict``.
        """

    async def move_booking(self, booking_id: str, *, date: str, time: str, idempotency_key: str = "") -> Booking:
        """Books another time at the same station. StoreRefused ``booking_not_found``, ``slot_taken``."""

    async def cancel_booking(self, booking_id: str, *, idempotency_key: str = "") -> Booking:
        """The booking as it is now, ``cancelled``. StoreRefused ``booking_not_found``."""


class Store(TyreStore, OrderStore, FittingStore, Protocol):
    """A shop's API."""

    async def knowledge_search(self, query: str, *, category: str = "", limit: int = 3) -> tuple[KnowledgePassage, ...]:
        """What the shop says about ``query``; at most ``limit`` (1 to 20) passages. Nothing found is no error."""

    async def close(self) -> None:
        """Let go of connections; idempotent."""
