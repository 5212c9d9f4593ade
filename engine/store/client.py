"""The Store API over HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from engine.errors import ServiceRefused, ServiceUnavailable, StoreRefused, StoreUnavailable
from engine.http.port import JsonService, Method
from engine.store import payloads
from engine.store.payloads import many, parsed
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
    Tyre,
    TyrePage,
    TyreQuery,
    VehicleQuery,
    VehicleTyres,
)


class StoreClient:
    """A ``Store`` over any ``JsonService``; retries, time limits and the circuit breaker are that one's."""

    def __init__(self, service: JsonService, *, new_key: Callable[[], str] = lambda: uuid.uuid4().hex) -> None:
        """``new_key`` makes an idempotency key where a change comes without one. Closes ``service`` with itself."""
        self._service = service
        self._new_key = new_key

    async def search_tires(self, query: TyreQuery) -> TyrePage:
        params = {
            "width": query.width,
            "profile": query.profile,
            "diameter": query.diameter,
            "season": query.season,
            "brand": query.brand,
            "model": query.model,
            "min_price": query.min_price,
            "max_price": query.max_price,
            "in_stock": query.in_stock,
            "sort": query.sort,
            "page": query.page,
            "per_page": query.per_page,
        }
        return parsed(payloads.tyre_page, await self._get("/tires/search", **params))

    async def tire(self, product_id: str) -> Tyre:
        return parsed(payloads.tyre, await self._get("/tires/{product_id}", {"product_id": product_id}))

    async def tire_availability(self, product_id: str) -> Availability:
        stock = await self._get("/tires/{product_id}/availability", {"product_id": product_id})
        return parsed(payloads.availability(product_id), stock)

    async def vehicle_tires(self, query: VehicleQuery) -> VehicleTyres:
        found = await self._get(
            "/vehicles/tires", make=query.make, model=query.model, year=query.year, season=query.season
        )
        return parsed(payloads.vehicle_tyres, found)

    async def search_orders(self, *, phone: str, order_number: str = "", status: str = "") -> tuple[Order, ...]:
        found = await self._get("/orders/search", phone=phone, order_number=order_number or None, status=status or None)
        return parsed(many(payloads.order), found)

    async def order(self, order_id: str) -> Order:
        return parsed(payloads.order, await self._get("/orders/{order_id}", {"order_id": order_id}))

    async def create_order(self, order: NewOrder, *, idempotency_key: str) -> Order:
        body = {
            "customer_phone": order.customer_phone,
            "customer_name": order.customer_name,
            "items": [{"product_id": item.product_id, "quantity": item.quantity} for item in order.items],
            "source": order.source,
            "call_id": order.call_id,
        }
        return parsed(payloads.order, await self._change("POST", "/orders", {}, body, idempotency_key))

    async def set_delivery(
        self, order_id: str, delivery: HomeDelivery | Pickup, *, idempotency_key: str = ""
    ) -> DeliveryTerms:
        if isinstance(delivery, Pickup):
            body = {"delivery_type": "pickup", "pickup_point_id": delivery.pickup_point_id}
        else:
            body = {"delivery_type": "delivery", "city": delivery.city, "address": delivery.address}
        path, segments = "/orders/{order_id}/delivery", {"order_id": order_id}
        return parsed(payloads.delivery_terms, await self._change("PATCH", path, segments, body, idempotency_key))

    async def confirm_order(self, order_id: str, confirmation: Confirmation, *, idempotency_key: str) -> Order:
        path, segments = "/orders/{order_id}/confirm", {"order_id": order_id}
        return parsed(payloads.order, await self._change("POST", path, segments, asdict(confirmation), idempotency_key))

    async def calculate_delivery(self, city: str, *, order_id: str = "") -> DeliveryQuote:
        quote = await self._get("/delivery/calculate", city=city, order_id=order_id or None)
        return parsed(payloads.delivery_quote, quote)

    async def pickup_points(self, city: str = "") -> tuple[PickupPoint, ...]:
        return parsed(many(payloads.pickup_point), await self._get("/pickup-points", city=city or None))

    async def fitting_stations(self, city: str = "") -> tuple[FittingStation, ...]:
        return parsed(many(payloads.fitting_station), await self._get("/fitting/stations", city=city or None))

    async def fitting_slots(
        self, station_id: str, *, date_from: str, date_to: str, service_type: ServiceType = "fitting"
    ) -> tuple[FittingSlot, ...]:
        path, segments = "/fitting/stations/{station_id}/slots", {"station_id": station_id}
        slots = await self._get(path, segments, date_from=date_from, date_to=date_to, service_type=service_type)
        return parsed(many(payloads.fitting_slot), slots)

    async def fitting_prices(self, station_id: str, *, tire_diameter: int) -> FittingPrices:
        prices = await self._get("/fitting/prices", station_id=station_id, tire_diameter=tire_diameter)
        return parsed(payloads.fitting_prices, prices)

    async def bookings(self, *, phone: str) -> tuple[Booking, ...]:
        return parsed(many(payloads.booking), await self._get("/fitting/bookings", phone=phone))

    async def create_booking(self, booking: NewBooking, *, idempotency_key: str) -> Booking:
        body = asdict(booking)
        return parsed(payloads.booking, await self._change("POST", "/fitting/bookings", {}, body, idempotency_key))

    async def move_booking(self, booking_id: str, *, date: str, time: str, idempotency_key: str = "") -> Booking:
        path, segments = "/fitting/bookings/{booking_id}", {"booking_id": booking_id}
        body = {"date": date, "time": time}
        return parsed(payloads.booking, await self._change("PATCH", path, segments, body, idempotency_key))

    async def cancel_booking(self, booking_id: str, *, idempotency_key: str = "") -> Booking:
        path, segments = "/fitting/bookings/{booking_id}", {"booking_id": booking_id}
        return parsed(payloads.booking, await self._change("DELETE", path, segments, None, idempotency_key))

    async def knowledge_search(self, query: str, *, category: str = "", limit: int = 3) -> tuple[KnowledgePassage, ...]:
        found = await self._get("/knowledge/search", query=query, category=category or None, limit=limit)
        return parsed(many(payloads.knowledge_passage), found)

    async def close(self) -> None:
        await self._service.close()

    async def _get(self, path: str, segments: Mapping[str, str] | None = None, /, **params: object) -> Any:
        return await self._request("GET", path, segments or {}, params=params)

    async def _change(
        self, method: Method, path: str, segments: Mapping[str, str], body: object, idempotency_key: str
    ) -> Any:
        key = idempotency_key or self._new_key()
        return await self._request(method, path, segments, body=body, idempotency_key=key)

    async def _request(
        self,
        method: Method,
        path: str,
        segments: Mapping[str, str],
        *,
        params: Mapping[str, object] | None = None,
        body: object = None,
        idempotency_key: str = "",
    ) -> Any:
        try:
            return await self._service.request(
                method, path, segments=segments, params=params, body=body, idempotency_key=idempotency_key
            )
        except ServiceRefused as error:
            raise StoreRefused(str(error), code=error.code, status=error.status) from error
        except ServiceUnavailable as error:
            raise StoreUnavailable(str(error)) from error
