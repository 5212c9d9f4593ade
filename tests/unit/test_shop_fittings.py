"""Whole conversations with the tyre shop about fittings: booked, moved, cancelled."""

from __future__ import annotations

from engine.agent.ports import Transfer
from engine.store.port import NewBooking
from engine.store.samples import KNOWN_CALLER, OTHER_CALLER
from tests.unit.talk_stage import FITTING, Telephone


async def test_a_fitting_from_city_to_booking() -> None:
    call = Telephone()
    answer = await call.all(*FITTING)
    assert answer == "That is a fitting at Left Bank workshop on 2026-11-28 at 10:00. Shall I book it?"
    assert not call.store.all_bookings
    assert "Your fitting is booked for 2026-11-28 at 10:00" in await call.say("yes")
    (booking,) = call.store.all_bookings
    assert (booking.station_id, booking.date, booking.time) == ("S-2", "2026-11-28", "10:00")
    assert (booking.customer_name, booking.customer_phone) == ("Olga Petrenko", KNOWN_CALLER)


async def test_a_fitting_in_one_sentence() -> None:
    call = Telephone()
    assert "name" in await call.say("Can I book a fitting in Lviv on Friday at eleven?")
    assert "Lviv workshop on 2026-11-27 at 11:00" in await call.say("No name, thanks")
    await call.say("yes")
    assert [(each.date, each.time) for each in call.store.all_bookings] == [("2026-11-27", "11:00")]


async def test_another_day_after_the_read_back() -> None:
    call = Telephone()
    await call.all(*FITTING)
    assert "on 2026-11-27 at 10:00. Shall I book" in await call.say("Actually, make it Friday")
    await call.say("yes please")
    assert [each.date for each in call.store.all_bookings] == ["2026-11-27"]


async def test_a_time_that_is_not_free() -> None:
    call = Telephone()
    await call.all(*FITTING[:4])
    assert "That time is not free" in await call.say("at three in the morning")
    assert "name" in await call.say("eleven then")


async def test_a_yes_to_something_else_books_nothing() -> None:
    call = Telephone()
    await call.all(*FITTING)
    await call.say("Do you store tyres?")
    assert call.store.all_bookings == ()
    assert "Shall I book it?" in call.history[-1].content
    await call.say("yes")
    assert len(call.store.all_bookings) == 1


async def test_a_city_without_a_workshop() -> None:
    call = Telephone()
    answer = await call.all("book a fitting please", "in Odesa")
    assert answer == "I am sorry, we have no workshop in Odesa, only in Kyiv and Lviv. In which city?"
    assert "Which one suits you" in await call.say("Kyiv then")


async def test_a_booking_is_told_moved_and_cancelled() -> None:
    call = Telephone()
    await call.all(*FITTING, "yes")
    assert "booked for 2026-11-28 at 10:00" in await call.say("When is my fitting?")
    await call.say("I'd like to move my booking to Thursday")
    assert "to 2026-11-26 at 11:00. Shall I do that?" in await call.say("at eleven")
    assert "now on 2026-11-26 at 11:00" in await call.say("yes")
    assert [(each.date, each.time) for each in call.store.all_bookings] == [("2026-11-26", "11:00")]
    assert "I cancel your fitting on 2026-11-26 at 11:00" in await call.say("Please cancel my appointment")
    assert "is cancelled" in await call.say("yes, cancel it")
    assert [each.status for each in call.store.all_bookings] == ["cancelled"]


async def test_a_booking_that_stays() -> None:
    call = Telephone()
    await call.all(*FITTING, "yes", "cancel my fitting")
    assert "What should I change" in await call.say("no")
    assert "leave it as it is" in await call.say("nothing, no")
    assert [each.status for each in call.store.all_bookings] == ["booked"]


async def test_no_booking_to_cancel() -> None:
    call = Telephone()
    assert "I find no booking" in await call.say("cancel my fitting")
    await call.say("yes please")
    assert call.ending == Transfer("operator", "caller_request")


async def test_the_price_of_a_fitting() -> None:
    call = Telephone()
    assert "of 16 inches costs 60.00 EUR" in await call.say("How much is fitting for sixteen inch wheels?")


async def test_a_withheld_number_books_nothing() -> None:
    call = Telephone(caller="")
    await call.all(*FITTING)
    assert "withheld" in await call.say("yes")
    assert call.store.all_bookings == ()


async def test_a_slot_that_was_just_taken() -> None:
    call = Telephone()
    await call.all(*FITTING)
    other = NewBooking("S-2", "2026-11-28", "10:00", OTHER_CALLER, "call-2")
    await call.store.create_booking(other, idempotency_key="other")
    assert "just taken" in await call.say("yes")
    assert "at 11:00. Shall I book it?" in await call.say("eleven")
    await call.say("yes")
    assert [(each.time, each.customer_phone) for each in call.store.all_bookings] == [
        ("10:00", OTHER_CALLER),
        ("11:00", KNOWN_CALLER),
    ]


async def test_the_store_goes_away_before_the_last_yes() -> None:
    call = Telephone()
    await call.all(*FITTING)
    call.store.down = True
    assert "cannot reach our system" in await call.say("yes")
    call.store.down = False
    assert call.store.all_bookings == ()


async def test_a_question_that_was_broken_off() -> None:
    call = Telephone()
    await call.say("I want to book a fitting")
    await call.say("Kyiv", heard=12)
    assert "which day" in (await call.say("Left Bank workshop")).lower()


async def test_a_city_as_it_is_misheard() -> None:
    call = Telephone()
    answer = await call.say("I would like to book a fitting and key if on Saturday at ten o'clock.")
    assert call.calls[-1] == ("get_fitting_stations", {"city": "Kyiv"})
    assert "Which one suits you" in answer
    assert "name" in await call.say("The luck bank workshop, please.")
    assert "Left Bank workshop on 2026-11-28 at 10:00" in await call.say("My name is Aulka.")


async def test_a_time_while_a_fitting_is_booked_is_no_number_of_tyres() -> None:
    call = Telephone()
    await call.all(*FITTING[:4], "nine thirty", "never mind")
    assert "How many" in await call.say("I'll take T-1002")


async def test_the_nearest_times_are_offered() -> None:
    call = Telephone()
    other = NewBooking("S-2", "2026-11-28", "14:00", OTHER_CALLER, "call-2")
    await call.store.create_booking(other, idempotency_key="other")
    answer = await call.all("book a fitting in Kyiv on Saturday at two in the afternoon", "Left Bank")
    assert answer == "That time is not free. There is 2026-11-28 at 12:00, 13:00 or 15:00. What time suits you?"
    await call.all("the second one", "no name")
    assert "at 13:00. Shall I book it?" in call.history[-1].content


async def test_a_yes_to_a_read_back_that_was_not_heard_to_its_end() -> None:
    call = Telephone()
    await call.all(*FITTING[:5])
    await call.say("Olga Petrenko", heard=20)
    assert "Shall I book it?" in await call.say("Yes")
    assert not call.store.all_bookings
    await call.say("Yes")
    assert len(call.store.all_bookings) == 1


async def test_a_part_of_the_day() -> None:
    call = Telephone()
    answer = await call.say("I'd like to book a fitting for Monday afternoon in Lviv")
    assert answer == "There is 2026-11-30 at 12:00, 13:00 or 14:00. What time suits you?"


async def test_a_yes_to_what_can_i_do_connects_nobody() -> None:
    call = Telephone()
    await call.all(*FITTING, "are you a robot", "yes")
    assert call.ending is None
    assert call.store.all_bookings == ()


async def test_trying_again() -> None:
    call = Telephone()
    await call.all(*FITTING)
    call.store.down = True
    await call.say("yes")
    call.store.down = False
    assert "Shall I book it?" in await call.say("try again please")
    await call.say("yes")
    assert len(call.store.all_bookings) == 1
