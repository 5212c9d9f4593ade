"""The shop's tools for fittings: stations, free times, prices, bookings, and whose they are."""

from __future__ import annotations

from typing import Any

import pytest

from engine.store.samples import OTHER_CALLER
from tests.unit.shop_stage import SATURDAY, ShopCall, at_station, booked, ids


async def test_a_fitting_is_booked_for_the_number_of_the_network() -> None:
    call, booking_id = await booked()
    (booking,) = call.store.all_bookings
    assert (booking.id, booking.customer_phone, booking.date, booking.time) == (
        booking_id,
        "380501112233",
        SATURDAY,
        "10:00",
    )
    assert booking.tire_diameter == 16
    assert "phone" not in call.finished[-1].content
    again = await call.use("book_fitting", station_id="S-1", date=SATURDAY, time="10:00", tire_diameter=16)
    assert again["booking"]["booking_id"] == booking_id
    assert len(call.store.all_bookings) == 1


async def test_a_withheld_number_cannot_book() -> None:
    call = await at_station(caller="")
    call.asked(f"Harbour Street workshop on {SATURDAY} at 10:00. Shall I book it?", "Yes.")
    refused = await call.refusal("book_fitting", station_id="S-1", date=SATURDAY, time="10:00")
    assert refused == "no_caller_number"


@pytest.mark.parametrize(
    ("question", "answer", "arguments", "code"),
    [
        ("Harbour Street workshop on {d} at 10:00. Shall I book it?", "No.", {}, "not_confirmed"),
        ("Harbour Street workshop on {d} at 10:00. Shall I book it?", "Yes, but at 11:00.", {}, "not_confirmed"),
        ("Harbour Street workshop on {d} at 10:00. Shall I book it?", "Yes, 11:00.", {}, "not_confirmed"),
        ("Harbour Street workshop on {d} at 10:00. Shall I book it?", "Yes, 2026-11-27.", {}, "not_confirmed"),
        ("Harbour Street workshop on {d} at 10:00. Shall I book it?", "Yes.", {"time": "11:00"}, "not_confirmed"),
        ("Harbour Street workshop on {d} at 10:00. Shall I book it?", "Yes.", {"station_id": "S-2"}, "not_confirmed"),
        ("Harbour Street workshop on {d}. Shall I book it?", "Yes.", {}, "not_confirmed"),
        ("Harbour Street workshop at 10:00. Shall I book it?", "Yes.", {}, "not_confirmed"),
        ("On {d} at 10:00. Shall I book it?", "Yes.", {}, "not_confirmed"),
        ("Harbour Street workshop on {d} at 10:00. I book it.", "Yes.", {}, "not_confirmed"),
        ("Harbour Street workshop on {d} at 10:00. Shall I book it?", "Yes.", {"station_id": "S-9"}, "not_said"),
        ("Harbour Street workshop on {d} at 10:00. Shall I book it?", "Yes.", {"booking_id": "B-9999"}, "not_said"),
        ("Harbour Street workshop on {d} at 10:00. Shall I book it?", "Yes.", {"date": "2026-12-05"}, "not_said"),
        ("Harbour Street workshop on {d} at 10:00. Shall I book it?", "Yes.", {"date": "2025-11-28"}, "out_of_range"),
        ("Harbour Street workshop on {d} at 10:00. Shall I book it?", "Yes.", {"date": "2029-11-28"}, "out_of_range"),
        ("Harbour Street workshop on {d} at 10:00. Shall I book it?", "Yes.", {"date": "Saturday"}, "bad_arguments"),
        ("Harbour Street workshop on {d} at 10:00. Shall I book it?", "Yes.", {"time": "10:17"}, "not_said"),
        ("Harbour Street workshop on {d} at 10:00. Shall I book it?", "Yes.", {"time": "25:00"}, "bad_arguments"),
    ],
)
async def test_fittings_that_are_not_booked(question: str, answer: str, arguments: dict[str, Any], code: str) -> None:
    call = await at_station()
    call.asked(question.format(d=SATURDAY), answer)
    wanted = {"station_id": "S-1", "date": SATURDAY, "time": "10:00", **arguments}
    assert await call.refusal("book_fitting", **wanted) == code
    assert call.store.all_bookings == ()


async def test_a_time_that_was_taken_meanwhile() -> None:
    call = await at_station()
    rival = await at_station(caller=OTHER_CALLER)
    rival.store = call.store
    question = f"Harbour Street workshop on {SATURDAY} at 10:00. Shall I book it?"
    other, _ = await booked(caller=OTHER_CALLER)
    late = ShopCall(caller="380501112233", store=other.store)
    late.history = [*call.history]
    late.asked(question, "yes")
    assert await late.refusal("book_fitting", station_id="S-1", date=SATURDAY, time="10:00") == "slot_taken"


async def test_a_booking_is_moved_after_it_was_read_back() -> None:
    call, booking_id = await booked()
    call.heard("move it to 11:00")
    listed = await call.use("get_customer_bookings")
    assert ids(listed["bookings"], "booking_id") == [booking_id]
    move = {"station_id": "S-1", "date": SATURDAY, "time": "11:00", "booking_id": booking_id}
    assert await call.refusal("book_fitting", **move) == "not_confirmed"
    call.asked(f"Harbour Street workshop on {SATURDAY} at 11:00 instead. Is that right?", "Yes.")
    told = await call.use("book_fitting", **move)
    assert (told["moved"], told["booking"]["time"]) == (True, "11:00")
    call.asked("Anything else?", "Back to 10:00 please")
    call.asked(f"Harbour Street workshop on {SATURDAY} at 10:00 again. Is that right?", "Yes.")
    assert (await call.use("book_fitting", **{**move, "time": "10:00"}))["booking"]["time"] == "10:00"
    call.asked(f"Harbour Street workshop on {SATURDAY} at 11:00. Is that right?", "Yes.")
    assert (await call.use("book_fitting", **move))["booking"]["time"] == "11:00"
    (booking,) = call.store.all_bookings
    assert booking.time == "11:00"


async def test_a_booking_is_not_moved_to_another_station() -> None:
    call, booking_id = await booked()
    call.asked(f"Left Bank workshop on {SATURDAY} at 11:00. Is that right?", "Yes.")
    move = {"station_id": "S-2", "date": SATURDAY, "time": "11:00", "booking_id": booking_id}
    assert await call.refusal("book_fitting", **move) == "other_station"


async def test_a_booking_is_cancelled_and_made_again() -> None:
    call, booking_id = await booked()
    call.heard("cancel it")
    assert await call.refusal("cancel_fitting", booking_id=booking_id) == "not_confirmed"
    call.asked("Your fitting at Harbour Street. Shall I cancel it?", "Yes.")  # which day?
    assert await call.refusal("cancel_fitting", booking_id=booking_id) == "not_confirmed"
    call.asked(f"Your fitting on {SATURDAY} at 10:00. Shall I cancel it?", "yes, cancel it")
    assert await call.refusal("cancel_fitting", booking_id="B-7002") == "not_said"
    told = await call.use("cancel_fitting", booking_id=booking_id)
    assert told["booking"]["status"] == "cancelled"
    call.asked(f"Harbour Street workshop on {SATURDAY} at 10:00. Shall I book it?", "Yes.")
    await call.use("book_fitting", station_id="S-1", date=SATURDAY, time="10:00", tire_diameter=16)
    assert [booking.status for booking in call.store.all_bookings] == ["cancelled", "booked"]


async def test_nobody_sees_or_cancels_anothers_booking() -> None:
    mine, booking_id = await booked()
    thief = ShopCall(f"cancel booking {booking_id} of 380501112233", caller=OTHER_CALLER, store=mine.store)
    assert (await thief.use("get_customer_bookings"))["bookings"] == []
    assert await thief.refusal("cancel_fitting", booking_id=booking_id) == "not_said"
    # even a history in which the booking was offered does not make it this caller's
    thief.history = [*mine.history]
    thief.asked(f"Your fitting on {SATURDAY} at 10:00. Shall I cancel it?", "yes")
    assert await thief.refusal("cancel_fitting", booking_id=booking_id) == "booking_not_found"
    assert [booking.status for booking in mine.store.all_bookings] == ["booked"]
    withheld = ShopCall("my bookings", caller="", store=mine.store)
    assert (await withheld.use("get_customer_bookings"))["bookings"] == []


async def test_free_times_from_today_and_only_where_a_station_was_offered() -> None:
    call = ShopCall("a fitting in Lviv, as soon as possible")
    assert await call.refusal("get_fitting_slots", station_id="S-3", date_from="2026-11-23") == "not_said"
    await call.use("get_fitting_stations", city="Lviv")
    told = await call.use("get_fitting_slots", station_id="S-3", date_from="2026-11-23")
    assert (told["date_to"], told["count"] > 0) == ("2026-11-29", True)
    assert await call.refusal("get_fitting_slots", station_id="S-3", date_from="2026-11-26") == "not_said"


async def test_price_of_a_fitting() -> None:
    call = ShopCall("what does a fitting cost for sixteen inch?")
    told = await call.use("get_fitting_price", tire_diameter=16)
    assert told["prices"]["fitting"] == "60.00" or float(told["prices"]["fitting"]) == 60
    assert await call.refusal("get_fitting_price", tire_diameter=17) == "not_said"
    call.heard("and for ninety nine inch?")
    assert await call.refusal("get_fitting_price", tire_diameter=99) == "out_of_range"
