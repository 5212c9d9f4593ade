"""Whole conversations with the tyre shop about orders: drafted, delivered, paid, asked after."""

from __future__ import annotations

import pytest

from engine.agent.ports import Hangup, Transfer
from engine.store.samples import OTHER_CALLER
from tests.unit.talk_stage import DRAFT, Telephone


async def test_from_a_season_to_a_placed_order() -> None:
    call = Telephone()
    assert "What size" in await call.say("I need winter tyres.")
    assert "We have 3 in 205/55 R16 winter tyres" in await call.say("two, o five, fifty, five, sixteen")
    assert "How many" in await call.say("I'll take the Mitchell in ones.")
    assert "phone number" in await call.say("four")
    answer = await call.say("zero five zero, one one one, two two, three three")
    assert "492 EUR in total, for the phone number 0501112233" in answer
    assert "delivered, or will you pick it up" in answer
    assert "which city" in await call.say("Deliver it please")
    assert "address" in await call.say("Kyiv")
    assert "How would you like to pay" in await call.say("12 Main Street, flat 5")
    assert "492 EUR in total, paid by card. Shall I place the order?" in await call.say("By card.")
    assert [order.status for order in call.store.all_orders if order.number == "90001"] == ["draft"]
    assert "Your order 90001 is placed" in await call.say("Yes please.")
    assert [order.status for order in call.store.all_orders if order.number == "90001"] == ["confirmed"]
    assert await call.say("No thanks") == call.playbook.phrases.goodbye
    assert call.ending == Hangup("goodbye")
    assert call.tools == [
        "search_tires", "create_order_draft", "update_order_delivery", "confirm_order", "end_call",
    ]  # fmt: skip


async def test_an_order_that_is_collected() -> None:
    call = Telephone()
    await call.all(DRAFT, "I'll pick it up myself")
    assert "12 Harbour Street or 7 Garden Street" in await call.say("in Kyiv")
    assert "How would you like to pay" in await call.say("Garden Street")
    assert "paid in cash. Shall I place" in await call.say("cash")
    await call.say("yes, that's right")
    assert call.calls[-2][1]["pickup_point_id"] == "P-2"
    assert call.calls[-1] == ("confirm_order", {"order_number": "90001", "payment_method": "cash"})


async def test_another_way_to_pay_is_read_back_again() -> None:
    call = Telephone()
    await call.all(DRAFT, "delivery", "Lviv", "3 Green Lane", "cash")
    assert "paid by card. Shall I place" in await call.say("No, by card")
    await call.say("Yes")
    assert call.calls[-1] == ("confirm_order", {"order_number": "90001", "payment_method": "card"})


async def test_a_no_places_nothing() -> None:
    call = Telephone()
    await call.all(DRAFT, "delivery", "Lviv", "3 Green Lane", "cash")
    assert "What should I change" in await call.say("No, wait.")
    assert "leave it as it is" in await call.say("No, nothing")
    assert "confirm_order" not in call.tools


async def test_a_correction_of_the_number_of_tyres() -> None:
    call = Telephone()
    await call.all("I'd like T-1002", "four")
    await call.say("no, make it two")
    await call.say("my number is five five five one two three four five six seven")
    assert call.calls[-1][1]["quantity"] == 2


async def test_a_phone_number_in_two_parts() -> None:
    call = Telephone()
    await call.all("I'd like four T-1002", "five five five")
    await call.say("one two three four five six seven")
    assert call.tools[-1] == "create_order_draft"
    assert call.calls[-1][1]["customer_phone"] == "5551234567"


async def test_everything_at_once() -> None:
    call = Telephone()
    answer = await call.say(
        "Can I order two of product tee ten oh two? My number is zero five zero three one two four five six seven."
    )
    assert call.calls == [
        ("create_order_draft", {"product_id": "T-1002", "quantity": 2, "customer_phone": "0503124567"})
    ]
    assert "2 of product T-1002" in answer


async def test_more_tyres_than_are_taken() -> None:
    call = Telephone()
    assert "one to 99" in await call.say("Order five hundred tyres T-1002, phone 5551234567.")
    assert call.tools == []


async def test_an_order_of_the_caller() -> None:
    call = Telephone()
    assert "order number" in await call.say("Where is my order?")
    assert "Order 5501" in await call.say("Five five oh one.")
    assert "It should arrive on" in call.history[-1].content


async def test_an_order_of_somebody_else() -> None:
    call = Telephone(caller=OTHER_CALLER)
    answer = await call.say("Where is order 5501? My phone number is 380501112233.")
    assert "cannot find an order 5501" in answer
    assert "Michelin" not in answer


async def test_a_digit_of_the_order_number_is_corrected() -> None:
    call = Telephone()
    assert "cannot find an order 5901" in await call.say("Where is order five nine oh one?")
    assert "Order 5501" in await call.say("no, five not nine")
    assert call.calls[-1] == ("get_order_status", {"order_number": "5501"})


@pytest.mark.parametrize(
    ("heard", "city"), [("Give.", "Kyiv"), ("And he,", ""), ("In the vase,", ""), ("Poltava please", "Poltava")]
)
async def test_a_city_as_a_bad_line_has_it(heard: str, city: str) -> None:
    call = Telephone()
    await call.all(DRAFT, "delivery")
    answer = await call.say(heard)
    assert ("address" in answer) == bool(city)
    if city:
        await call.say("5 River Street")
        assert call.calls[-1][1]["city"] == city
        assert f"Delivery to {city} costs" in call.history[-1].content
    else:
        assert "which city" in answer


async def test_a_misheard_card_is_a_card() -> None:
    call = Telephone()
    await call.all(DRAFT, "delivery", "Kyiv", "5 River Street")
    assert "paid by card" in await call.say("I carred.")


async def test_another_number_of_tyres_after_the_draft_is_another_draft() -> None:
    call = Telephone()
    await call.all(DRAFT, "actually, make it two tyres", "delivery", "Lviv", "3 Green Lane", "cash")
    assert "order 90002, 2 Michelin" in call.history[-1].content
    await call.say("yes")
    assert [order.status for order in call.store.all_orders if order.number in {"90001", "90002"}] == [
        "draft",
        "confirmed",
    ]


async def test_an_order_cannot_be_cancelled_by_telephone() -> None:
    call = Telephone()
    await call.say("Where is order 5501?")
    assert "cannot change an order" in await call.say("Cancel it please")
    await call.say("yes")
    assert call.ending == Transfer("operator", "caller_request")


async def test_another_way_of_delivery_than_what_was_asked() -> None:
    call = Telephone()
    await call.all(DRAFT, "I'll pick it up")
    assert "which city" in await call.say("actually no deliver it to my house")
    assert "address" in await call.say("Kyiv")


async def test_the_order_number_beside_another_number() -> None:
    call = Telephone()
    await call.say("my number is zero five zero one one one two two three three where is order five five zero one")
    assert call.calls == [("get_order_status", {"order_number": "5501"})]
