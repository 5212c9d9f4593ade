"""The clinic's API: doctors, free times, appointments. Kept in memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Query
from pydantic import BaseModel, Field, field_validator

from engine.store.phone import digits_of, same_phone
from serve_apps.demo_shell import dress
from serve_apps.demo_store.days import in_reach
from serve_apps.demo_store.keys import Keys, MaybeKey
from serve_apps.demo_store.refusal import refuse

DOCTORS: tuple[dict[str, str], ...] = (
    {"id": "D-1", "specialty": "general", "name": "the general practitioner", "room": "4"},
    {"id": "D-2", "specialty": "dentist", "name": "the dentist", "room": "7"},
    {"id": "D-3", "specialty": "eye", "name": "the eye doctor", "room": "9"},
    {"id": "D-4", "specialty": "children", "name": "the children's doctor", "room": "2"},
    {"id": "D-5", "specialty": "dentist", "name": "the second dentist", "room": "8"},
)
_ZONE = ZoneInfo("Europe/Kyiv")
_TIMES = tuple(f"{hour:02d}:{minute:02d}" for hour in range(8, 16) for minute in (0, 30))
_LONGEST_VIEW = 31  # days
_KEPT = 20_000
_SATURDAY = 5


class NewAppointment(BaseModel):
    """Body of ``POST /appointments``."""

    doctor_id: str = Field(max_length=20)
    date: date
    time: str = Field(pattern=r"^\d{2}:\d{2}$")
    phone: str = Field(max_length=30)
    name: str = Field(min_length=1, max_length=200)
    reason: str = Field(default="", max_length=200)

    @field_validator("phone")
    @classmethod
    def _digits(cls, value: str) -> str:
        digits = digits_of(value)
        if not 7 <= len(digits) <= 15:
            raise ValueError("not a phone number")
        return digits


@dataclass(slots=True)
class Appointment:
    """One appointment."""

    id: str
    doctor_id: str
    doctor: str
    date: str
    time: str
    phone: str
    name: str
    reason: str
    status: str = "booked"


class Desk:
    """All appointments."""

    def __init__(self, now: Callable[[], float]) -> None:
        """``now``: seconds since 1970-01-01 UTC."""
        self._now = now
        self._appointments: OrderedDict[str, Appointment] = OrderedDict()
        self._next = 301

    @property
    def all(self) -> tuple[Appointment, ...]:
        """Everybody's, cancelled ones too, oldest first."""
        return tuple(self._appointments.values())

    def local(self) -> datetime:
        """The clinic's own time."""
        return datetime.fromtimestamp(self._now(), _ZONE)

    def free(self, doctor_id: str, first: date, last: date) -> list[dict[str, str]]:
        """Free times, soonest first; closed at the weekend, every fourth time is taken."""
        doctor = _doctor(doctor_id)
        now = self.local()
        in_reach(first, now.date())
        past = (now.date().isoformat(), f"{now:%H:%M}")
        taken = {
            (each.date, each.time)
            for each in self._appointments.values()
            if each.doctor_id == doctor_id and each.status == "booked"
        }
        slots = []
        day = max(first, now.date())
        while day <= min(last, first + timedelta(days=_LONGEST_VIEW)):
            for position, clock in enumerate(_TIMES):
                moment = (day.isoformat(), clock)
                busy = (day.toordinal() + position + int(doctor_id[-1])) % 4 == 0
                if day.weekday() < _SATURDAY and not busy and moment not in taken and moment > past:
                    slots.append(
                        {"doctor_id": doctor_id, "doctor": doctor["name"], "date": moment[0], "time": moment[1]}
                    )
            day += timedelta(days=1)
        return slots

    def of(self, phone: str) -> list[Appointment]:
        """Appointments of this number still to come, soonest first."""
        today = self.local().date().isoformat()
        mine = [
            each
            for each in self._appointments.values()
            if each.status == "booked" and each.date >= today and same_phone(each.phone, phone)
        ]
        return sorted(mine, key=lambda each: (each.date, each.time))

    def book(self, wanted: NewAppointment) -> Appointment:
        doctor = _doctor(wanted.doctor_id)
        free = self.free(wanted.doctor_id, wanted.date, wanted.date)
        if all(slot["time"] != wanted.time for slot in free):
            refuse(409, "slot_taken", "this time is not free")
        made = Appointment(
            id=f"A-{self._next}",
            doctor_id=wanted.doctor_id,
            doctor=doctor["name"],
            date=wanted.date.isoformat(),
            time=wanted.time,
            phone=wanted.phone,
            name=wanted.name,
            reason=wanted.reason,
        )
        self._next += 1
        self._appointments[made.id] = made
        while len(self._appointments) > _KEPT:
            self._appointments.popitem(last=False)
        return made

    def cancel(self, appointment_id: str, phone: str) -> Appointment:
        """Refuses what is not this number's just as what does not exist."""
        found = self._appointments.get(appointment_id)
        if found is None or found.status != "booked" or not same_phone(found.phone, phone):
            refuse(404, "appointment_not_found", "there is no such appointment")
        found.status = "cancelled"
        return found


def _doctor(doctor_id: str) -> dict[str, str]:
    found = next((doctor for doctor in DOCTORS if doctor["id"] == doctor_id), None)
    if found is None:
        refuse(404, "doctor_not_found", "there is no such doctor")
    return found


def create_app(*, token: str, admin_token: str = "", now: Callable[[], float] = time.time) -> FastAPI:
    """The demo clinic. See ``dress`` for the tokens. ``now``: seconds since 1970-01-01 UTC."""
    app = FastAPI(title="Demo clinic", docs_url=None, redoc_url=None, openapi_url=None)
    desk, keys = Desk(now), Keys(now)

    @app.get("/doctors")
    async def doctors(specialty: str | None = None) -> dict[str, Any]:
        return {"data": [each for each in DOCTORS if specialty in {None, each["specialty"]}]}

    @app.get("/slots")
    async def slots(  # noqa: PLR0917 - FastAPI passes them by name
        specialty: str | None = None,
        doctor_id: str | None = None,
        date_from: date | None = None,
        date_to: date | None = None,
        time_from: Annotated[str, Query(pattern=r"^\d{2}:\d{2}$")] = "00:00",
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> dict[str, Any]:
        if doctor_id is not None:
            _doctor(doctor_id)
        today = desk.local().date()
        first = date_from or today
        in_reach(first, today)
        last = date_to or first + timedelta(days=6)
        if last < first:
            refuse(422, "validation_error", "date_to lies before date_from")
        asked = [
            each["id"] for each in DOCTORS if specialty in {None, each["specialty"]} and doctor_id in {None, each["id"]}
        ]
        found = [slot for each in asked for slot in desk.free(each, first, last) if slot["time"] >= time_from]
        found.sort(key=lambda slot: (slot["date"], slot["time"]))
        return {"data": found[:limit], "total": len(found)}

    @app.get("/appointments")
    async def appointments(phone: Annotated[str, Query(max_length=30)]) -> dict[str, Any]:
        return {"data": [asdict(each) for each in desk.of(phone)]}

    @app.post("/appointments", status_code=201)
    async def book(wanted: NewAppointment, key: MaybeKey = None) -> dict[str, Any]:
        return keys.once(key, f"book {wanted.model_dump_json()}", lambda: asdict(desk.book(wanted)))

    @app.delete("/appointments/{appointment_id}")
    async def cancel(
        appointment_id: str, phone: Annotated[str, Query(max_length=30)], key: MaybeKey = None
    ) -> dict[str, Any]:
        request = f"cancel {appointment_id} {digits_of(phone)}"
        return keys.once(key, request, lambda: asdict(desk.cancel(appointment_id, phone)))

    dress(app, token=token, admin_token=admin_token)
    return app
