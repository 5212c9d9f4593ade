"""A store in memory: for trying out a playbook, and for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from engine.errors import StoreRefused, StoreUnavailable
from engine.store.memory_rules import (
    CURRENCY,
    DELIVERY_DAYS,
    HOURS,
    LONGEST_VIEW,
    PICKUP_DAYS,
    SERVICES,
    SUNDAY,
    day_of,
    delivery_cost,
    fits,
    invalid,
    words_of,
)
from engine.store.phone import digits_of, same_phone
from engine.store.port import (
    Availability,
    Booking,
    Confirmation,
    DeliveryQuote,
    DeliveryTerms,
    FittingPrices,
    FittingSlot,
    FittingStation,
    HomeDelivery,
    KnowledgePassage,
    NewBooking,
    NewOrder,
    Order,
    Pickup,
    PickupPoint,
    ServiceType,
    StockLocation,
    Tyre,
    TyrePage,
    TyreQuery,
    VehicleQuery,
    VehicleTyres,
)

_Made = TypeVar("_Made", Order, Booking, DeliveryTerms)


@dataclass(frozen=True, slots=True)
class OwnedOrder:
    """An order and whose it is; an empty phone means whoever knows its number."""

    phone: str
    order: Order


class MemoryStore:
    """A ``Store`` over given goods, orders, cars and stations.

    Can be told to be gone (``down``), slow (``delay``) or unwilling (``refusal``).
    """

    def __init__(
        self,
        tyres: Iterable[Tyre] = (),
        orders: Iterable[OwnedOrder] = (),
        *,
        vehicles: Mapping[tuple[str, str], tuple[str, ...]] | None = None,
        stations: Iterable[FittingStation] = (),
        points: Iterable[PickupPoint] = (),
        passages: Iterable[KnowledgePassage] = (),
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        """``vehicles``: make and model in small letters → OEM sizes. ``today``: the first day that can be booked."""
        self._tyres: dict[str, Tyre] = {tyre.id: tyre for tyre in tyres}
        self._orders = {owned.order.id: replace(owned.order, customer_phone=owned.phone) for owned in orders}
        self._items: dict[str, Decimal] = {}
        self._settled: set[str] = set()
        self._vehicles = dict(vehicles or {})
        self._stations = {station.id: station for station in stations}
        self._points = {point.id: point for point in points}
        self._passages = tuple(passages)
        self._bookings: dict[str, Booking] = {}
        self._keys: dict[str, tuple[object, Order | Booking | DeliveryTerms]] = {}
        self._today = today
        self._next_order, self._next_booking = 90_001, 7001
        self.down = False
        """Set to make every call fail with StoreUnavailable."""
        self.delay = 0.0
        """Seconds before each answer."""
        self.refusal: StoreRefused | None = None
        """Raised by every call while it is set."""

    @property
    def all_orders(self) -> tuple[Order, ...]:
        """Everybody's, oldest first."""
        return tuple(self._orders.values())

    @property
    def all_bookings(self) -> tuple[Booking, ...]:
        """Everybody's, cancelled ones too, oldest first."""
        return tuple(self._bookings.values())

    async def search_tires(self, query: TyreQuery) -> TyrePage:
        await self._reach()
        found = [tyre for tyre in self._tyres.values() if fits(tyre, query)]
        if query.sort == "brand":
            found.sort(key=lambda tyre: tyre.brand)
        else:
            found.sort(key=lambda tyre: tyre.price, reverse=query.sort == "-price")
        start = (query.page - 1) * query.per_page
        return TyrePage(tuple(found[start : start + query.per_page]), len(found))

    async def tire(self, product_id: str) -> Tyre:
        await self._reach()
        return self._tyre(product_id)

    async def tire_availability(self, product_id: str) -> Availability:
        tyre = await self.tire(product_id)
        return Availability(tyre.id, tyre.stock_quantity, (StockLocation("warehouse", tyre.stock_quantity),))

    async def vehicle_tires(self, query: VehicleQuery) -> VehicleTyres:
        await self._reach()
        sizes = self._vehicles.get((query.make.strip().lower(), query.model.strip().lower()))
        if sizes is None:
            raise StoreRefused("no sizes are known for this car", code="vehicle_not_found", status=404)
        tyres = [
            tyre
            for tyre in self._tyres.values()
            if tyre.size in sizes and tyre.in_stock and query.season in {None, tyre.season}
        ]
        tyres.sort(key=lambda tyre: tyre.price)
        return VehicleTyres(query.make, query.model, sizes, tuple(tyres[:20]), query.year)

    async def search_orders(self, *, phone: str, order_number: str = "", status: str = "") -> tuple[Order, ...]:
        await self._reach()
        return tuple(
            order
            for order in self._orders.values()
            if (same_phone(order.customer_phone, phone) if order.customer_phone else order_number)
            and order_number in {"", order.number}
            and status in {"", order.status}
        )

    async def order(self, order_id: str) -> Order:
        await self._reach()
        return self._order(order_id)

    async def create_order(self, order: NewOrder, *, idempotency_key: str) -> Order:
        await self._reach()
        return self._once(idempotency_key, order, lambda: self._draft(order))

    async def set_delivery(
        self, order_id: str, delivery: HomeDelivery | Pickup, *, idempotency_key: str = ""
    ) -> DeliveryTerms:
        await self._reach()
        return self._once(idempotency_key, (order_id, delivery), lambda: self._settle(order_id, delivery))

    async def confirm_order(self, order_id: str, confirmation: Confirmation, *, idempotency_key: str) -> Order:
        await self._reach()
        return self._once(idempotency_key, (order_id, confirmation), lambda: self._confirm(order_id))

    async def calculate_delivery(self, city: str, *, order_id: str = "") -> DeliveryQuote:
        await self._reach()
        goods = self._goods(self._order(order_id)) if order_id else Decimal(0)
        return DeliveryQuote(city, delivery_cost(goods), CURRENCY, DELIVERY_DAYS)

    async def pickup_points(self, city: str = "") -> tuple[PickupPoint, ...]:
        await self._reach()
        return tuple(point for point in self._points.values() if not city or point.city.lower() == city.lower())

    async def fitting_stations(self, city: str = "") -> tuple[FittingStation, ...]:
        await self._reach()
        return tuple(each for each in self._stations.values() if not city or each.city.lower() == city.lower())

    async def fitting_slots(
        self, station_id: str, *, date_from: str, date_to: str, service_type: ServiceType = "fitting"
    ) -> tuple[FittingSlot, ...]:
        await self._reach()
        self._known_service(service_type)
        return self._free(station_id, day_of(date_from), day_of(date_to))

    async def fitting_prices(self, station_id: str, *, tire_diameter: int) -> FittingPrices:
        await self._reach()
        self._station(station_id)
        if not 12 <= tire_diameter <= 24:
            raise invalid("tire_diameter: from 12 to 24")
        base = 44 + 4 * (tire_diameter - 12)
        prices = {service: round(base * share, 2) for service, share in SERVICES.items()}
        return FittingPrices(station_id, tire_diameter, CURRENCY, prices)

    async def bookings(self, *, phone: str) -> tuple[Booking, ...]:
        await self._reach()
        today = self._today().isoformat()
        mine = [
            each
            for each in self._bookings.values()
            if each.status == "booked" and each.date >= today and same_phone(each.customer_phone, phone)
        ]
        return tuple(sorted(mine, key=lambda each: (each.date, each.time)))

    async def create_booking(self, booking: NewBooking, *, idempotency_key: str) -> Booking:
        await self._reach()
        return self._once(idempotency_key, booking, lambda: self._book(booking))

    async def move_booking(self, booking_id: str, *, date: str, time: str, idempotency_key: str = "") -> Booking:
        await self._reach()

        def move() -> Booking:
            booking = self._booking(booking_id)
            self._take(booking.station_id, date, time)
            return self._keep(replace(booking, date=date, time=time))

        return self._once(idempotency_key, (booking_id, date, time), move)

    async def cancel_booking(self, booking_id: str, *, idempotency_key: str = "") -> Booking:
        await self._reach()

        def cancel() -> Booking:
            return self._keep(replace(self._booking(booking_id), status="cancelled"))

        return self._once(idempotency_key, booking_id, cancel)

    async def knowledge_search(self, query: str, *, category: str = "", limit: int = 3) -> tuple[KnowledgePassage, ...]:
        await self._reach()
        words = set(words_of(query))
        hits = [
            replace(each, relevance_score=round(len(words & set(words_of(each.content))) / len(words), 3))
            for each in self._passages
            if words and category in {"", each.category}
        ]
        hits.sort(key=lambda hit: -hit.relevance_score)
        return tuple(hit for hit in hits if hit.relevance_score > 0)[:limit]

    async def close(self) -> None:
        """Nothing to let go of."""

    async def _reach(self) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.down:
            raise StoreUnavailable("the store is switched off")
        if self.refusal is not None:
            raise self.refusal

    def _once(self, key: str, request: object, make: Callable[[], _Made]) -> _Made:
        """The answer this key already has, or a new one."""
        known = self._keys.get(key) if key else None
        if known is None:
            made = make()
            if key:
                self._keys[key] = (request, made)
            return made
        if known[0] != request:
            raise StoreRefused("this key was used for another request", code="idempotency_conflict", status=409)
        return known[1]  # type: ignore[return-value]  # the same request has the same kind of answer

    def _tyre(self, product_id: str) -> Tyre:
        tyre = self._tyres.get(product_id.upper())
        if tyre is None:
            raise StoreRefused(f"there is no product {product_id}", code="tire_not_found", status=404)
        return tyre

    def _order(self, order_id: str) -> Order:
        order = self._orders.get(order_id)
        if order is None:
            raise StoreRefused("there is no such order", code="order_not_found", status=404)
        return order

    def _station(self, station_id: str) -> FittingStation:
        station = self._stations.get(station_id)
        if station is None:
            raise StoreRefused("there is no such station", code="station_not_found", status=404)
        return station

    def _booking(self, booking_id: str) -> Booking:
        booking = self._bookings.get(booking_id)
        if booking is None or booking.status != "booked":
            raise StoreRefused("there is no such booking", code="booking_not_found", status=404)
        return booking

    def _goods(self, order: Order) -> Decimal:
        return self._items.get(order.id, order.total or Decimal(0))

    def _draft(self, order: NewOrder) -> Order:
        goods = [(self._tyre(item.product_id), item.quantity) for item in order.items]
        if any(tyre.stock_quantity < quantity for tyre, quantity in goods):
            raise StoreRefused("not enough in stock", code="out_of_stock", status=409)
        number = str(self._next_order)
        self._next_order += 1
        summary = ", ".join(f"{quantity} {tyre.brand} {tyre.model}" for tyre, quantity in goods)
        total = sum((tyre.price * quantity for tyre, quantity in goods), Decimal(0))
        currency = goods[0][0].currency if goods else CURRENCY
        phone = digits_of(order.customer_phone)
        made = Order(number, number, "draft", "a draft", summary, total, currency, customer_phone=phone)
        self._items[number] = total
        self._orders[number] = made
        return made

    def _settle(self, order_id: str, delivery: HomeDelivery | Pickup) -> DeliveryTerms:
        order = self._order(order_id)
        if order.status != "draft":
            raise StoreRefused("only a draft can be changed", code="order_not_draft", status=409)
        goods = self._goods(order)
        if isinstance(delivery, Pickup):
            if delivery.pickup_point_id not in self._points:
                raise StoreRefused("there is no such pick-up point", code="pickup_point_not_found", status=404)
            cost, days = Decimal(0), PICKUP_DAYS
        else:
            if not (delivery.city and delivery.address):
                raise invalid("city and address are needed for a delivery")
            cost, days = delivery_cost(goods), DELIVERY_DAYS
        arrives = (self._today() + timedelta(days=days)).isoformat()
        order = replace(order, total=goods + cost, estimated_delivery=arrives)
        self._orders[order_id] = order
        self._settled.add(order_id)
        return DeliveryTerms(order, cost, goods + cost, order.currency, days)

    def _confirm(self, order_id: str) -> Order:
        order = self._order(order_id)
        if order.status != "draft":
            raise StoreRefused("this order is confirmed already", code="order_not_draft", status=409)
        if order_id not in self._settled:
            raise StoreRefused("the delivery is not settled yet", code="delivery_missing", status=409)
        order = replace(order, status="confirmed", status_label="confirmed")
        self._orders[order_id] = order
        return order

    def _free(self, station_id: str, first: date, last: date) -> tuple[FittingSlot, ...]:
        self._station(station_id)
        if last < first:
            raise invalid("date_to lies before date_from")
        taken = {
            (each.date, each.time)
            for each in self._bookings.values()
            if each.station_id == station_id and each.status == "booked"
        }
        first = max(first, self._today())
        days = range(min((last - first).days, LONGEST_VIEW) + 1)
        return tuple(
            FittingSlot(day.isoformat(), time)
            for day in (first + timedelta(days=offset) for offset in days)
            if day.weekday() != SUNDAY
            for time in HOURS
            if (day.isoformat(), time) not in taken
        )

    def _take(self, station_id: str, day: str, time: str) -> None:
        if FittingSlot(day, time) not in self._free(station_id, day_of(day), day_of(day)):
            raise StoreRefused("this time is not free", code="slot_taken", status=409)

    def _known_service(self, service: str) -> None:
        if service not in SERVICES:
            raise invalid(f"service_type: one of {', '.join(SERVICES)}")

    def _book(self, booking: NewBooking) -> Booking:
        self._known_service(booking.service_type)
        self._take(booking.station_id, booking.date, booking.time)
        made = Booking(
            id=f"B-{self._next_booking}",
            station_id=booking.station_id,
            date=booking.date,
            time=booking.time,
            service_type=booking.service_type,
            status="booked",
            customer_phone=digits_of(booking.customer_phone),
            customer_name=booking.customer_name,
            vehicle_info=booking.vehicle_info,
            tire_diameter=booking.tire_diameter,
        )
        self._next_booking += 1
        return self._keep(made)

    def _keep(self, booking: Booking) -> Booking:
        self._bookings[booking.id] = booking
        return booking
