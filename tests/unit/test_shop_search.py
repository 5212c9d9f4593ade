"""Whole conversations with the tyre shop about what it has: sizes, cars, brands, stock."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from engine.store.memory import MemoryStore
from engine.store.samples import sample_tyres
from tests.unit.talk_stage import Telephone


async def test_a_car_instead_of_a_size() -> None:
    call = Telephone()
    await call.say("I need tyres for my Golf")
    assert "What make" in await call.say("I don't know the size")
    assert "What year" in await call.say("Volkswagen Golf")
    answer = await call.say("twenty eighteen")
    assert call.calls[-1] == ("get_vehicle_tire_sizes", {"make": "Volkswagen", "model": "Golf", "year": 2018})
    assert "Your Volkswagen Golf takes 195/65 R15" in answer
    assert "How many" in await call.say("the second one")


async def test_a_car_without_its_year() -> None:
    call = Telephone()
    await call.all("Which size fits my Toyota Corolla?", "I don't know")
    assert call.calls[-1] == ("get_vehicle_tire_sizes", {"make": "Toyota", "model": "Corolla"})


async def test_whether_something_is_in_stock() -> None:
    call = Telephone()
    assert "in stock, 8 of them" in await call.say("Is T-1002 in stock?")
    assert "How many" in await call.say("Yes please")


async def test_the_second_is_the_second_that_was_heard() -> None:
    """Of two makers one tyre each is offered, whatever lies between them in the list."""
    tyre = sample_tyres()[0]
    shelf = (
        replace(tyre, id="T-1", brand="Rosava", model="Itegro", price=Decimal(40)),
        replace(tyre, id="T-2", brand="Rosava", model="Quartum", price=Decimal(41)),
        replace(tyre, id="T-3", brand="Kumho", model="Ecsta", price=Decimal(60)),
        replace(tyre, id="T-4", brand="Michelin", model="Primacy 4", price=Decimal(99)),
    )
    call = Telephone(store=MemoryStore(shelf, ()))
    answer = await call.say("summer tyres 195 65 15")
    assert "Rosava Itegro at 40 EUR each, and Kumho Ecsta at 60 EUR each" in answer
    await call.all("the second one", "four")
    assert "4 Kumho Ecsta, 240 EUR" in await call.say("my number is five five five one two three four five six seven")
    assert call.calls[-1][1]["product_id"] == "T-3"


async def test_an_amount_of_money_is_no_number_of_tyres() -> None:
    call = Telephone()
    await call.say("Do you have 205/55 R16?")
    assert "at 75 EUR each" in await call.say("How much is the second one?")
    assert "We have 2" in await call.say("Do you have something under eighty euros?")
    assert call.calls[-1][1]["max_price"] == 80
    await call.all("I'll take two of the Rosava", "0501234567")
    assert call.calls[-1][1] == {"product_id": "T-1018", "quantity": 2, "customer_phone": "0501234567"}


async def test_how_many_there_are_of_what_was_chosen() -> None:
    call = Telephone()
    await call.say("I'd like to buy T-1002")
    assert "in stock, 8 of them" in await call.say("How many are in stock?")


async def test_a_size_without_its_diameter() -> None:
    call = Telephone()
    assert "rim diameter" in await call.all("summer tyres please", "two twenty five by forty five")


async def test_any_other_brand() -> None:
    call = Telephone()
    await call.say("Pirelli in two oh five fifty five sixteen")
    await call.say("any other brand then")
    assert call.calls[-1] == ("search_tires", {"width": 205, "profile": 55, "diameter": 16})


async def test_how_many_there_are_of_one_that_was_offered() -> None:
    call = Telephone()
    await call.say("winter tyres two oh five fifty five sixteen")
    await call.say("how many of the Nokian are available")
    assert call.calls[-1] == ("check_availability", {"product_id": "T-1015"})


async def test_a_car_that_is_not_known() -> None:
    call = Telephone()
    answer = await call.all("what size of tyres do I need for a Lada Niva", "Lada", "Niva", "nineteen ninety eight")
    assert "Which size stands on the side" in answer
    assert call.tools == ["get_vehicle_tire_sizes!"]
