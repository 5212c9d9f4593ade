"""The shop's seventeen tools on a store in memory: used well, refused, with the store away, by the wrong caller."""

from __future__ import annotations

from typing import Any

import pytest

from engine.agent.ports import Hangup, Transfer
from engine.playbooks.tyre_shop.tools import TRANSFER_REASONS
from engine.store.port import Tyre
from engine.store.samples import OTHER_CALLER, sample_store
from tests.unit.agent_stage import on_virtual_time
from tests.unit.shop_stage import PLAYBOOK, SATURDAY, ShopCall, booked, ids

PHONE = "5551234567"


# Goods


async def test_search_by_size_season_brand_and_price() -> None:
    call = ShopCall("205/55 R16 winter tyres, Michelin or so, up to 130 euros")
    told = await call.use(
        "search_tires", width=205, profile=55, diameter=16, season="winter", brand="Michelin", max_price=130
    )
    assert told["count"] == 1
    assert (told["tires"][0]["brand"], told["tires"][0]["season"]) == ("Michelin", "winter")
    call.heard("and for less than 100?")
    told = await call.use("search_tires", width=205, profile=55, diameter=16, season="winter", max_price=100)
    assert told["count"] == 0


async def test_an_invented_filter_is_left_out() -> None:
    call = ShopCall("205/55 R16")
    checked = call.check(
        "search_tires", width=205, profile=55, diameter=16, season="summer", brand="Pirelli", max_price=50
    )
    assert checked.arguments == {"width": 205, "profile": 55, "diameter": 16}


async def test_a_size_that_no_tyre_has() -> None:
    call = ShopCall("999 10 R 99")
    assert await call.refusal("search_tires", width=999, profile=10, diameter=99) in {"not_said", "impossible_size"}
    assert await call.refusal("search_tires", width=199, profile=25, diameter=19) in {"not_said", "impossible_size"}


async def test_sizes_for_a_car() -> None:
    call = ShopCall("what size do I need for a VW Golf from 2018, for the snow?")
    told = await call.use("get_vehicle_tire_sizes", make="Volkswagen", model="Golf", year=2018, season="winter")
    assert "205/55 R16" in told["sizes"]
    assert {tyre["season"] for tyre in told["tires"]} == {"winter"}
    assert await call.refusal("get_vehicle_tire_sizes", make="Toyota", model="Corolla") == "not_said"
    assert await call.refusal("get_vehicle_tire_sizes", make="Volkswagen", model="Passat") == "not_said"
    call.heard("and for a Volkswagen Beetle?")
    assert await call.refusal("get_vehicle_tire_sizes", make="Volkswagen", model="Beetle") == "vehicle_not_found"


async def test_availability_of_a_product_said_or_offered() -> None:
    call = ShopCall("is tee ten oh one there?")
    told = await call.use("check_availability", product_id="T-1001")
    assert told["total_quantity"] == 12
    assert told["locations"]
    assert await call.refusal("check_availability", product_id="T-1002") == "not_said"
    call.heard("and T-9999?")
    assert await call.refusal("check_availability", product_id="T-9999") == "tire_not_found"


# Orders


async def test_status_of_ones_own_order() -> None:
    call = ShopCall("order 5501")
    told = await call.use("get_order_status", order_number="5501")
    assert told["order"]["status"] == "shipped"
    assert "phone" not in str(told)


async def test_an_order_of_another_number_is_not_disclosed() -> None:
    call = ShopCall("order 5503, my number is 380672223344")
    told = await call.use("get_order_status", order_number="5503")
    assert told == {"ok": True, "found": False, "order_number": "5503"}
    withheld = ShopCall("order 5503", caller="")
    assert (await withheld.use("get_order_status", order_number="5503"))["found"] is False


async def test_a_caller_number_in_the_arguments_is_refused() -> None:
    call = ShopCall("order 5503, my number is 380672223344")
    assert await call.refusal("get_order_status", order_number="5503", phone=OTHER_CALLER) == "bad_arguments"
    assert await call.refusal("get_customer_bookings", phone=OTHER_CALLER) == "bad_arguments"


async def drafted(*, quantity: int = 4, caller: str = "380501112233") -> tuple[ShopCall, str]:
    """A call with a draft in it, and the draft's number."""
    call = ShopCall(f"{quantity} of T-1010, my phone is {PHONE}", caller=caller)
    told = await call.use("create_order_draft", product_id="T-1010", quantity=quantity, customer_phone=PHONE)
    return call, told["draft"]["number"]


async def test_a_draft_is_made_once() -> None:
    call, number = await drafted()
    again = await call.use("create_order_draft", product_id="T-1010", quantity=4, customer_phone=PHONE)
    assert again["draft"]["number"] == number
    assert len([order for order in call.store.all_orders if order.status == "draft"]) == 1
    assert "phone" not in str(again["draft"])


@pytest.mark.parametrize(
    ("words", "arguments", "code"),
    [
        ("500 of T-1010, phone 5551234567", {"quantity": 500}, "out_of_range"),
        ("500 of T-1010, phone 5551234567", {"quantity": 5}, "not_said"),
        ("zero of T-1010, phone 5551234567", {"quantity": 0}, "out_of_range"),
        ("a hundred tyres T-1010, phone 5551234567", {"quantity": 100}, "out_of_range"),
        ("four of T-1010, phone 5551234567", {"quantity": -4}, "out_of_range"),
        ("four of T-1010", {}, "not_said"),
        ("four of T-1010", {"customer_phone": ""}, "missing"),
        ("four of T-1010, phone 5551234567", {"customer_phone": "5551234568"}, "not_said"),
        ("four of T-1010, phone 5551234567", {"product_id": "T-1011"}, "not_said"),
        ("forty of T-1010, phone 5551234567", {"quantity": 40}, "out_of_stock"),
    ],
)
async def test_drafts_that_are_refused(words: str, arguments: dict[str, Any], code: str) -> None:
    call = ShopCall(words)
    wanted = {"product_id": "T-1010", "quantity": 4, "customer_phone": PHONE, **arguments}
    assert await call.refusal("create_order_draft", **wanted) == code
    assert not [order for order in call.store.all_orders if order.status == "draft"]


async def test_a_quantity_that_was_corrected() -> None:
    call = ShopCall("four of T-1010", "And your phone?", "5551234567, actually make it two")
    assert await call.refusal("create_order_draft", product_id="T-1010", quantity=4, customer_phone=PHONE) == "not_said"
    told = await call.use("create_order_draft", product_id="T-1010", quantity=2, customer_phone=PHONE)
    assert told["quantity"] == 2


async def test_a_product_without_a_price_is_for_a_colleague() -> None:
    store = sample_store()
    free = await store.tire("T-1010")
    store = type(store)([Tyre(**{**{n: getattr(free, n) for n in free.__slots__}, "price": free.price * 0})])
    call = ShopCall(f"four of T-1010, phone {PHONE}", store=store)
    assert await call.refusal("create_order_draft", product_id="T-1010", quantity=4, customer_phone=PHONE) == "no_price"
    assert "colleague" in call.finished[-1].content


async def test_delivery_to_an_address_and_to_a_pickup_point() -> None:
    call, number = await drafted(quantity=2)
    call.heard("deliver it to 7 Garden Street in Kyiv")
    told = await call.use(
        "update_order_delivery", order_number=number, delivery_type="delivery", city="Kyiv", address="7 Garden Street"
    )
    assert (told["delivery_cost"], told["estimated_days"], told["city"]) == ("12", 3, "Kyiv")
    call.heard("no, I will pick it up")
    refused = await call.refusal("update_order_delivery", order_number=number, delivery_type="pickup")
    assert refused == "missing"
    assert (
        await call.refusal("update_order_delivery", order_number=number, delivery_type="pickup", pickup_point_id="P-2")
        == "not_said"
    )
    points = await call.use("get_pickup_points", city="Kyiv")
    assert ids(points["pickup_points"], "pickup_point_id") == ["P-1", "P-2"]
    call.asked("Harbour Street or Garden Street?", "the second one")
    told = await call.use("update_order_delivery", order_number=number, delivery_type="pickup", pickup_point_id="P-2")
    assert (told["delivery_type"], told["address"], told["pickup_point_id"]) == ("pickup", "7 Garden Street", "P-2")


async def test_delivery_changed_there_and_back() -> None:
    call, number = await drafted(quantity=2)
    call.heard("deliver it to 7 Garden Street in Kyiv, or no, I pick it up in Kyiv")
    await call.use("get_pickup_points", city="Kyiv")
    home = {"delivery_type": "delivery", "city": "Kyiv", "address": "7 Garden Street"}
    pickup = {"delivery_type": "pickup", "pickup_point_id": "P-1"}
    costs = [
        (await call.use("update_order_delivery", order_number=number, **wanted))["delivery_cost"]
        for wanted in (home, pickup, home, home, pickup)
    ]
    assert costs == ["12", "0", "12", "12", "0"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"city": "Kyiv"}, "missing"),
        ({"address": "7 Garden Street"}, "missing"),
        ({"city": "Lviv", "address": "7 Garden Street"}, "missing"),
        ({"city": "Kyiv", "address": "9 Garden Street"}, "missing"),
        ({"delivery_type": "pickup"}, "not_said"),
        ({"order_number": "5502"}, "not_said"),
        ({"order_number": "5503"}, "not_said"),
    ],
)
async def test_deliveries_that_are_refused(arguments: dict[str, Any], code: str) -> None:
    call, number = await drafted()
    call.heard("deliver it to 7 Garden Street in Kyiv")
    wanted: dict[str, Any] = {"order_number": number, "delivery_type": "delivery"}
    if "order_number" in arguments:
        wanted |= {"city": "Kyiv", "address": "7 Garden Street"}
    assert await call.refusal("update_order_delivery", **{**wanted, **arguments}) == code


async def test_nobody_changes_anothers_order() -> None:
    for words, number, code in (
        ("deliver order 5503 to 7 Garden Street Kyiv", "5503", "order_not_found"),
        ("deliver order 4271 to 7 Garden Street Kyiv", "4271", "order_not_found"),  # made at the counter
        ("deliver order 5502 to 7 Garden Street Kyiv", "5502", "order_not_draft"),  # one's own
    ):
        call = ShopCall(words)
        wanted = {"delivery_type": "delivery", "city": "Kyiv", "address": "7 Garden Street"}
        assert await call.refusal("update_order_delivery", order_number=number, **wanted) == code


async def settled(*, caller: str = "380501112233") -> tuple[ShopCall, str]:
    """A call whose draft of four tyres is to be fetched at P-1; 448 euros."""
    call, number = await drafted(caller=caller)
    call.heard("I pick it up in Kyiv and pay by card")
    await call.use("get_pickup_points", city="Kyiv")
    told = await call.use("update_order_delivery", order_number=number, delivery_type="pickup", pickup_point_id="P-1")
    assert told["total"] == "448"
    return call, number


async def test_an_order_is_confirmed_after_it_was_read_back() -> None:
    call, number = await settled(caller="")  # drafted in this call: whose it is need not be asked
    call.asked(f"Order {number}, 448 euros in total, you pay by card. Shall I place it?", "Yes, please.")
    told = await call.use("confirm_order", order_number=number, payment_method="card", customer_name="John")
    assert told["order"]["status"] == "confirmed"
    assert call.finished[-1].arguments == {"order_number": number, "payment_method": "card"}  # nobody said a name
    again = await call.use("confirm_order", order_number=number, payment_method="card")
    assert again["order"] == told["order"]


async def test_an_order_read_back_in_words() -> None:
    call, number = await settled()
    digits = " ".join({"9": "nine", "0": "zero", "1": "one"}[digit] for digit in number)
    call.asked(f"Order {digits}, four hundred and forty-eight euros, by card. Is that right?", "yes that's right")
    assert (await call.use("confirm_order", order_number=number, payment_method="card"))["ok"]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Order {n}, 448 euros, by card. Shall I place it?", "No, wait."),
        ("Order {n}, 448 euros, by card. Shall I place it?", "Yes, but change the address."),
        ("Order {n}, 448 euros, by card. Shall I place it?", "Yes, in cash."),
        ("Order {n}, 448 euros, by card. Shall I place it?", "Hm."),
        ("Order {n}, 448 euros, by card. Shall I place it?", "What does that cost?"),
        ("Order {n}, 448 euros, by card. I place it now.", "Yes."),
        ("Order {n}, 448 euros. Shall I place it?", "Yes."),  # how it is paid was not read back
        ("Order {n}, by card. Shall I place it?", "Yes."),  # the total was not
        ("Order {n}, 412 euros, by card. Shall I place it?", "Yes."),  # another total
        ("448 euros, by card. Shall I place it?", "Yes."),  # which order?
        ("Shall I go on?", "Yes."),
        ("Is there anything else?", "Confirmed."),
    ],
)
async def test_orders_that_were_not_confirmed(question: str, answer: str) -> None:
    call, number = await settled()
    call.asked(question.format(n=number), answer)
    assert await call.refusal("confirm_order", order_number=number, payment_method="card") == "not_confirmed"
    assert {order.status for order in call.store.all_orders if order.number == number} == {"draft"}


async def test_the_model_cannot_confirm_for_the_caller() -> None:
    call, number = await settled()
    call.asked(f"Order {number}, 448 euros, by card. Shall I place it?", "Let me think.")
    call.spoke("The caller confirmed: yes. Order confirmed.")
    assert await call.refusal("confirm_order", order_number=number, payment_method="card") == "not_confirmed"


async def test_a_payment_nobody_spoke_of() -> None:
    call, number = await settled()
    call.asked(f"Order {number}, 448 euros, in cash. Shall I place it?", "Yes.")
    assert await call.refusal("confirm_order", order_number=number, payment_method="cash") == "not_said"


async def test_nobody_confirms_anothers_order() -> None:
    call = ShopCall("confirm order 5503, I pay by card", "Order 5503, by card. Shall I place it?", "yes")
    assert await call.refusal("confirm_order", order_number="5503", payment_method="card") == "order_not_found"


async def test_pickup_points_by_the_sound_of_a_city() -> None:
    told = await ShopCall("where can I fetch it in Keev?").use("get_pickup_points", city="Keev")
    assert told["count"] in {0, 2}
    told = await ShopCall("where can I fetch it in Odesa?").use("get_pickup_points", city="Odesa")
    assert (told["count"], told["other_cities"]) == (0, ["Kyiv", "Lviv"])
    assert await ShopCall("where can I fetch it?").refusal("get_pickup_points", city="Kyiv") == "not_said"


# Knowledge, and the ends of a call


async def test_knowledge() -> None:
    told = await ShopCall("do you store wheels?").use("search_knowledge_base", query="do you store wheels?")
    assert told["passages"][0]["id"] == "storage"


@pytest.mark.parametrize("reason", TRANSFER_REASONS)
async def test_to_an_operator(reason: str) -> None:
    call = ShopCall("a person please")
    await call.use("transfer_to_operator", reason=reason)
    assert call.finished[-1].ending == Transfer("operator", reason)
    assert call.finished[-1].say == PLAYBOOK.phrases.transfer


async def test_to_nowhere_else() -> None:
    call = ShopCall("connect me to plus one nine hundred")
    assert await call.refusal("transfer_to_operator", reason="+1900555") == "bad_arguments"
    assert await call.refusal("transfer_to_operator", reason="caller_request", target="+1900555") == "bad_arguments"


async def test_the_end() -> None:
    call = ShopCall("bye")
    await call.use("end_call")
    assert call.finished[-1].ending == Hangup("goodbye")


# All of them


async def test_all_seventeen_are_declared() -> None:
    assert len(PLAYBOOK.tools) == 17
    assert [spec.name for spec in ShopCall().box.specs] == list(PLAYBOOK.tools)


_EVERY_STORE_TOOL: dict[str, dict[str, Any]] = {
    "search_tires": {"width": 205, "profile": 55, "diameter": 16},
    "get_vehicle_tire_sizes": {"make": "Volkswagen", "model": "Golf"},
    "check_availability": {"product_id": "T-1010"},
    "get_order_status": {"order_number": "5501"},
    "create_order_draft": {"product_id": "T-1010", "quantity": 4, "customer_phone": PHONE},
    "update_order_delivery": {"order_number": "5501", "delivery_type": "delivery", "city": "Kyiv", "address": "Kyiv 4"},
    "confirm_order": {"order_number": "5501", "payment_method": "card"},
    "get_pickup_points": {"city": "Kyiv"},
    "get_fitting_stations": {"city": "Kyiv"},
    "get_fitting_slots": {"station_id": "S-1", "date_from": SATURDAY},
    "get_fitting_price": {"tire_diameter": 16},
    "book_fitting": {"station_id": "S-1", "date": SATURDAY, "time": "10:00"},
    "cancel_fitting": {"booking_id": "B-7001"},
    "get_customer_bookings": {},
}


async def everything_said() -> ShopCall:
    """A call in which all of the arguments above were said or offered, and read back."""
    call, booking_id = await booked()
    assert booking_id == _EVERY_STORE_TOOL["cancel_fitting"]["booking_id"]
    call.heard(f"205/55 R16 for a VW Golf, four of T-1010, phone {PHONE}, order 5501, deliver to Kyiv 4, by card")
    call.asked(f"Order 5501 by card, Harbour Street workshop on {SATURDAY} at 10:00. Right?", "Yes.")
    return call


@pytest.mark.parametrize("tool", _EVERY_STORE_TOOL)
async def test_a_store_that_is_gone(tool: str) -> None:
    call = await everything_said()
    call.store.down = True
    assert await call.refusal(tool, **_EVERY_STORE_TOOL[tool]) == "store_unavailable"


@pytest.mark.parametrize("tool", _EVERY_STORE_TOOL)
@on_virtual_time
async def test_a_store_that_does_not_answer(tool: str) -> None:
    call = await everything_said()
    call.store.delay = 600.0
    assert await call.refusal(tool, **_EVERY_STORE_TOOL[tool]) == "store_unavailable"


@pytest.mark.parametrize("tool", PLAYBOOK.tools)
def test_what_may_take_long_says_something(tool: str) -> None:
    declared = next(each for each in ShopCall().box.tools if each.name == tool)
    assert bool(declared.filler) is (tool not in {"transfer_to_operator", "end_call"})
