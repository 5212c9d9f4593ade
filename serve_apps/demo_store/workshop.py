"""Fitting at the demo shop: stations, free times, prices and bookings. Kept in memory."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

from engine.store.phone import same_phone

STATIONS: tuple[dict[str, Any], ...] = (
    {"id": "S-1", "name": "Harbour Street workshop", "city": "Kyiv", "address": "12 Harbour Street"},
    {"id": "S-2", "name": "Left Bank workshop", "city": "Kyiv", "address": "40 River Avenue"},
    {"id": "S-3", "name": "Lviv workshop", "city": "Lviv", "address": "3 Station Square"},
    {"id": "S-4", "name": "Sea Road workshop", "city": "Odesa", "address": "25 Sea Road"},
)
PICKUP_POINTS: tuple[dict[str, Any], ...] = (
    {"id": "P-1", "city": "Kyiv", "address": "12 Harbour Street", "hours": "08:00-19:00"},
    {"id": "P-2", "city": "Kyiv", "address": "7 Garden Street", "hours": "09:00-20:00"},
    {"id": "P-3", "city": "Lviv", "address": "3 Station Square", "hours": "09:00-19:00"},
    {"id": "P-4", "city": "Odesa", "address": "25 Sea Road", "hours": "09:00-18:00"},
)
SERVICES = {"fitting": 1.0, "balancing": 0.4, "seasonal_change": 0.9, "storage": 0.75}
_TIMES = ("08:00", "09:00", "10:00", "10:30", "11:00", "12:00", "14:00", "15:00", "16:00", "17:00", "18:00")
_LONGEST_VIEW = 31  # days
_BOOKINGS_KEPT = 50_000


@dataclass(slots=True)
class Booking:
    """One fitting."""

    id: str
    station_id: str
    date: str
    time: str
    service_type: str
    customer_phone: str
    customer_name: str
    vehicle_info: str
    tire_diameter: int | None
    status: str = "booked"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def station(station_id: str) -> dict[str, Any] | None:
    return next((each for each in STATIONS if each["id"] == station_id), None)


def prices(diameter: int) -> dict[str, float]:
    """Price of each service for four wheels of this diameter, in euros."""
    base = 44 + 4 * max(diameter - 12, 0)
    return {service: round(base * share, 2) for service, share in SERVICES.items()}


class Workshop:
    """All bookings."""

    def __init__(self) -> None:
        self._bookings: OrderedDict[str, Booking] = OrderedDict()
        self._next = 7001

    def free(self, station_id: str, first: date, last: date, now: datetime) -> list[dict[str, str]]:
        """Free times from ``first`` to ``last`` that lie after ``now`` (the shop's own time).

        Sunday is closed, Saturday ends at four, every fifth time is taken.
        """
        taken = {
            (each.date, each.time)
            for each in self._bookings.values()
            if each.station_id == station_id and each.status == "booked"
        }
        slots = []
        past = (now.date().isoformat(), f"{now:%H:%M}")
        day = max(first, now.date())
        while day <= min(last, first + timedelta(days=_LONGEST_VIEW)):
            for position, time in enumerate(_TIMES):
                closed = day.weekday() == 6 or (day.weekday() == 5 and not "09:00" <= time < "16:00")
                busy = (day.toordinal() + position + ord(station_id[-1])) % 5 == 0
                if not closed and not busy and (day.isoformat(), time) not in taken and (day.isoformat(), time) > past:
                    slots.append({"date": day.isoformat(), "time": time})
            day += timedelta(days=1)
        return slots

    def is_free(self, station_id: str, day: date, time: str, now: datetime) -> bool:
        return {"date": day.isoformat(), "time": time} in self.free(station_id, day, day, now)

    def add(self, **details: Any) -> Booking:
        booking = Booking(id=f"B-{self._next}", **details)
        self._next += 1
        self._bookings[booking.id] = booking
        while len(self._bookings) > _BOOKINGS_KEPT:
            self._bookings.popitem(last=False)
        return booking

    def get(self, booking_id: str) -> Booking | None:
        return self._bookings.get(booking_id)

    def of(self, phone: str) -> list[Booking]:
        """Bookings of this number, whatever became of them."""
        return [each for each in self._bookings.values() if same_phone(each.customer_phone, phone)]
