"""Tools about tyre fittings: stations, free times, prices, and a caller's bookings."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from engine.agent.grounding import Evidence
from engine.agent.playbook import Playbook
from engine.agent.said import Offered
from engine.agent.tools import Argument, RefusedCallError, Tool, ToolContext, ToolOutcome
from engine.errors import StoreError
from engine.playbooks.tyre_shop.cities import called, in_city
from engine.playbooks.tyre_shop.evidence import DIAMETER
from engine.playbooks.tyre_shop.results import booking_told, station_told
from engine.store.port import Booking, FittingStation, NewBooking, Store

_SPAN: Final = 6
"""Days looked at where the caller named only the first."""
_SLOTS: Final = 24
_STATIONS: Final = 8

_SERVICES: Mapping[str, str] = {
    "fitting": r"\bfit|\bmount|\bput (?:them |the tyres |the tires )?on\b|\bchang|шиномонтаж|монтаж",
    "balancing": r"\bbalanc|балансир|балансув",
    "seasonal_change": r"\bseason|\bswap|\bswitch|\b(?:winter|summer) (?:ones|tyres|tires|wheels|set)\b|сезон",
    "storage": r"\bstor(?:e|age|ing)\b|\bkeep (?:them|my)\b|хранен|зберіган",
}

_STATIONS_OFFERED = (Offered("get_fitting_stations", "station_id"), Offered("get_customer_bookings", "station_id"))
_BOOKINGS_OFFERED = (Offered("get_customer_bookings", "booking_id"), Offered("book_fitting", "booking_id"))


class _Fittings:
    """What these tools work with."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def stations(self, _context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        city, stations, others = await in_city(arguments["city"], self.store.fitting_stations)
        result: dict[str, Any] = {
            "city": city,
            "count": len(stations),
            "stations": [station_told(station) for station in stations[:_STATIONS]],
        }
        return ToolOutcome(result if stations else {**result, "other_cities": others})

    async def slots(self, _context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        first = arguments["date_from"]
        last = arguments.get("date_to") or (date.fromisoformat(first) + timedelta(days=_SPAN)).isoformat()
        if last < first:
            raise RefusedCallError("bad_arguments", "date_to lies before date_from: ask which days", "date_to")
        slots = await self.store.fitting_slots(
            arguments["station_id"],
            date_from=first,
            date_to=last,
            service_type=arguments.get("service_type", "fitting"),
        )
        return ToolOutcome(
            {
                "station_id": arguments["station_id"],
                "date_from": first,
                "date_to": last,
                "count": len(slots),
                "slots": [{"date": slot.date, "time": slot.time} for slot in slots[:_SLOTS]],
            }
        )

    async def price(self, _context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        diameter = arguments["tire_diameter"]
        station = arguments.get("station_id")
        if station is None:
            stations = await self.store.fitting_stations()
            if not stations:
                return ToolOutcome({"tire_diameter": diameter, "prices": {}})
            station = stations[0].id
        found = await self.store.fitting_prices(station, tire_diameter=diameter)
        return ToolOutcome(
            {
                "tire_diameter": diameter,
                "station_id": found.station_id,
                "currency": found.currency,
                "prices": {service: str(price) for service, price in found.prices.items() if price > 0},
            }
        )

    async def bookings(self, context: ToolContext, _arguments: Mapping[str, Any]) -> ToolOutcome:
        bookings, stations = await asyncio.gather(self._of_caller(context), self._stations())
        told = [booking_told(booking, stations.get(booking.station_id)) for booking in bookings]
        return ToolOutcome({"count": len(told), "bookings": told})

    async def book(self, context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        if not context.facts.caller:
            raise RefusedCallError("no_caller_number", "the caller's number is withheld: offer a colleague")
        if "booking_id" in arguments:
            return await self._move(context, arguments)
        booking = await self.store.create_booking(
            NewBooking(
                **{name: value for name, value in arguments.items() if name != "booking_id"},
                customer_phone=context.facts.caller,
                call_id=context.facts.call_id,
            ),
            idempotency_key=context.idempotency_key,
        )
        stations = await self._stations()
        return ToolOutcome({"booking": booking_told(booking, stations.get(booking.station_id)), "moved": False})

    async def cancel(self, context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        await self._own(context, arguments["booking_id"])
        booking = await self.store.cancel_booking(arguments["booking_id"], idempotency_key=context.idempotency_key)
        return ToolOutcome({"cancelled": True, "booking": booking_told(booking)})

    async def _move(self, context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        old = await self._own(context, arguments["booking_id"])
        if old.station_id != arguments["station_id"]:
            raise RefusedCallError(
                "other_station", "a booking can be moved at its own station only: cancel it and book anew", "station_id"
            )
        moved = await self.store.move_booking(
            old.id, date=arguments["date"], time=arguments["time"], idempotency_key=context.idempotency_key
        )
        stations = await self._stations()
        return ToolOutcome({"booking": booking_told(moved, stations.get(moved.station_id)), "moved": True})

    async def _own(self, context: ToolContext, booking_id: str) -> Booking:
        """Raises RefusedCallError where the caller has no such booking; whose it is then stays untold."""
        for booking in await self._of_caller(context):
            if booking.id == booking_id:
                return booking
        raise RefusedCallError(
            "booking_not_found", "this caller has no such booking: look up the bookings again or offer a colleague"
        )

    async def _of_caller(self, context: ToolContext) -> tuple[Booking, ...]:
        """Of the telephone network's number, never of one that was said."""
        return await self.store.bookings(phone=context.facts.caller) if context.facts.caller else ()

    async def _stations(self) -> Mapping[str, FittingStation]:
        """By id, for their names; a booking stands without them."""
        try:
            return {station.id: station for station in await self.store.fitting_stations()}
        except StoreError:
            return {}


def _station(*, required: bool = True, read_back: bool = False) -> Argument:
    return Argument(
        "station_id",
        "string",
        "from get_fitting_stations",
        Evidence.OFFERED,
        required=required,
        offered=_STATIONS_OFFERED,
        strict=True,
        read_back=read_back,
        spoken_as=(("name",), ("address",), ("station",)),
    )


def _diameter(*, required: bool) -> Argument:
    return Argument(
        "tire_diameter",
        "integer",
        "rim diameter in inches, 16 in 205/55 R16",
        DIAMETER,
        required=required,
        minimum=12,
        maximum=24,
    )


def _service() -> Argument:
    return Argument(
        "service_type",
        "string",
        "what is to be done; fitting if nothing else was said",
        Evidence.CHOICE,
        required=False,
        choices=tuple(_SERVICES),
        words=_SERVICES,
    )


def _booking(description: str, *, required: bool = True) -> Argument:
    """Read back before it is cancelled; before it is moved, the new day and time are."""
    return Argument(
        "booking_id",
        "string",
        description,
        Evidence.OFFERED,
        required=required,
        offered=_BOOKINGS_OFFERED,
        strict=True,
        read_back=required,
        spoken_as=(("date", "time"), ("booking_id",)),
    )


def _reading_tools(fittings: _Fittings, playbook: Playbook) -> Sequence[Tool]:
    filler = playbook.phrases.filler
    return (
        Tool(
            "get_fitting_stations",
            "Stations that fit tyres in a city.",
            fittings.stations,
            (Argument("city", "string", "city", Evidence.NAME, words=called(playbook)),),
            filler=filler("get_fitting_stations", mutates=False),
        ),
        Tool(
            "get_fitting_slots",
            "Free times of a station. Dates are days the caller named; for the soonest time begin with today.",
            fittings.slots,
            (
                _station(),
                Argument("date_from", "date", "first day, such as 2026-11-28", Evidence.DATE_FROM),
                Argument("date_to", "date", "last day, such as 2026-12-05", Evidence.DATE, required=False),
                _service(),
            ),
            filler=filler("get_fitting_slots", mutates=False),
        ),
        Tool(
            "get_fitting_price",
            "What the fitting of four tyres costs, by rim diameter.",
            fittings.price,
            (_diameter(required=True), _station(required=False)),
            filler=filler("get_fitting_price", mutates=False),
        ),
        Tool(
            "get_customer_bookings",
            "The fittings that are booked under the number the caller calls from.",
            fittings.bookings,
            filler=filler("get_customer_bookings", mutates=False),
        ),
    )


def fitting_tools(playbook: Playbook, store: Store) -> Sequence[Tool]:
    """``get_fitting_stations``, ``get_fitting_slots``, ``get_fitting_price``, ``get_customer_bookings``,
    ``book_fitting`` and ``cancel_fitting``."""
    fittings = _Fittings(store)
    filler = playbook.phrases.filler
    offered = "get_fitting_slots"
    return (
        *_reading_tools(fittings, playbook),
        Tool(
            "book_fitting",
            "Books a free time, or moves the booking booking_id to it. First read back the station's name, the day and "
            "the time, in one question, and wait for a yes.",
            fittings.book,
            (
                _station(read_back=True),
                Argument(
                    "date",
                    "date",
                    "day, such as 2026-11-28",
                    Evidence.DATE,
                    offered=(Offered(offered, "date"),),
                    read_back=True,
                ),
                Argument(
                    "time",
                    "time",
                    "time, such as 14:30",
                    Evidence.TIME,
                    offered=(Offered(offered, "time"),),
                    read_back=True,
                ),
                Argument("customer_name", "string", "the caller's name", Evidence.NAME, required=False),
                Argument("vehicle_info", "string", "car and plate, as said", Evidence.PLACE, required=False),
                _diameter(required=False),
                _service(),
                _booking("the booking to be moved, from get_customer_bookings", required=False),
            ),
            mutates=True,
            confirm=True,
            agreed=r"\b(?:book|reserve|take|move|change) (?:it|that|me in)\b",
            undone_by=("book_fitting", "cancel_fitting"),
            filler=filler("book_fitting", mutates=True),
        ),
        Tool(
            "cancel_fitting",
            "Cancels a booking. First read back its day and time, in one question, and wait for a yes.",
            fittings.cancel,
            (_booking("from get_customer_bookings"),),
            mutates=True,
            confirm=True,
            agreed=r"\bcancel(?: (?:it|that|the (?:fitting|booking|appointment)))?\b",
            filler=filler("cancel_fitting", mutates=True),
        ),
    )
