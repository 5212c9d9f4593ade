"""Fitting stations, free times, prices and bookings."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field, field_validator

from serve_apps.demo_store.days import in_reach
from serve_apps.demo_store.keys import MaybeKey
from serve_apps.demo_store.refusal import refuse
from serve_apps.demo_store.routes_orders import phone_digits
from serve_apps.demo_store.shop import Shop, TheShop
from serve_apps.demo_store.workshop import STATIONS, Booking, prices, station

router = APIRouter()
Service = Literal["fitting", "balancing", "seasonal_change", "storage"]


class NewBooking(BaseModel):
    """Body of ``POST /fitting/bookings``."""

    station_id: str = Field(max_length=20)
    date: date
    time: str = Field(pattern=r"^\d{2}:\d{2}$")
    service_type: Service = "fitting"
    customer_phone: str = Field(max_length=30)
    customer_name: str = Field(default="", max_length=200)
    vehicle_info: str = Field(default="", max_length=200)
    tire_diameter: int | None = Field(default=None, ge=12, le=24)
    call_id: str = Field(default="", max_length=64)

    _phone = field_validator("customer_phone")(phone_digits)


class BookingChange(BaseModel):
    """Body of ``PATCH /fitting/bookings/{id}``."""

    date: date
    time: str = Field(pattern=r"^\d{2}:\d{2}$")


def _station(station_id: str) -> dict[str, Any]:
    found = station(station_id)
    if found is None:
        refuse(404, "station_not_found", f"there is no station {station_id[:20]}")
    return found


def _booking(shop: Shop, booking_id: str) -> Booking:
    booking = shop.workshop.get(booking_id)
    if booking is None or booking.status != "booked":
        refuse(404, "booking_not_found", f"there is no booking {booking_id[:20]}")
    return booking


@router.get("/fitting/stations")
async def stations(city: str | None = None) -> dict[str, Any]:
    return {"data": [each for each in STATIONS if city is None or each["city"].lower() == city.lower()]}


@router.get("/fitting/stations/{station_id}/slots")
async def slots(
    shop: TheShop,
    station_id: str,
    date_from: date | None = None,
    date_to: date | None = None,
    service_type: Service = "fitting",
) -> dict[str, Any]:
    _station(station_id)
    today = shop.local().date()
    first = date_from or today
    in_reach(first, today)
    last = date_to or first + timedelta(days=6)
    if last < first:
        refuse(422, "validation_error", "date_to lies before date_from")
    return {"data": shop.workshop.free(station_id, first, last, shop.local()), "service_type": service_type}


@router.get("/fitting/prices")
async def fitting_prices(station_id: str, tire_diameter: int) -> dict[str, Any]:
    _station(station_id)
    if not 12 <= tire_diameter <= 24:
        refuse(422, "validation_error", "tire_diameter: from 12 to 24")
    return {
        "station_id": station_id,
        "tire_diameter": tire_diameter,
        "prices": prices(tire_diameter),
        "currency": "EUR",
    }


@router.get("/fitting/bookings")
async def bookings(shop: TheShop, phone: str) -> dict[str, Any]:
    today = shop.local().date().isoformat()
    found = [each for each in shop.workshop.of(phone) if each.status == "booked" and each.date >= today]
    found.sort(key=lambda each: (each.date, each.time))
    return {"data": [each.as_json() for each in found]}


def _take(shop: Shop, station_id: str, day: date, time: str) -> None:
    in_reach(day, shop.local().date())
    if not shop.workshop.is_free(station_id, day, time, shop.local()):
        refuse(409, "slot_taken", "this time is not free")


def _book(shop: Shop, body: NewBooking) -> dict[str, Any]:
    _station(body.station_id)
    _take(shop, body.station_id, body.date, body.time)
    details = body.model_dump(exclude={"call_id", "date"})
    return shop.workshop.add(**details, date=body.date.isoformat()).as_json()


@router.post("/fitting/bookings", status_code=201)
async def book(shop: TheShop, body: NewBooking, key: MaybeKey = None) -> dict[str, Any]:
    return shop.keys.once(key, f"book {body.model_dump_json()}", lambda: _book(shop, body))


def _move(shop: Shop, booking_id: str, body: BookingChange) -> dict[str, Any]:
    booking = _booking(shop, booking_id)
    _take(shop, booking.station_id, body.date, body.time)
    booking.date, booking.time = body.date.isoformat(), body.time
    return booking.as_json()


@router.patch("/fitting/bookings/{booking_id}")
async def move(shop: TheShop, booking_id: str, body: BookingChange, key: MaybeKey = None) -> dict[str, Any]:
    request = f"move {booking_id} {body.model_dump_json()}"
    return shop.keys.once(key, request, lambda: _move(shop, booking_id, body))


def _cancel(shop: Shop, booking_id: str) -> dict[str, Any]:
    booking = _booking(shop, booking_id)
    booking.status = "cancelled"
    return booking.as_json()


@router.delete("/fitting/bookings/{booking_id}")
async def cancel(shop: TheShop, booking_id: str, key: MaybeKey = None) -> dict[str, Any]:
    return shop.keys.once(key, f"cancel {booking_id}", lambda: _cancel(shop, booking_id))
