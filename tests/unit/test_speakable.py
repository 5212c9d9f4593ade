"""Numbers in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agent.numbers import spell_out
from engine.agent.speakable import cardinal, ordinal


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Order 4271 has shipped.", "Order four two seven one has shipped."),
        ("order number 45012", "order number four five zero one two"),
        ("95 EUR", "ninety-five euros"),
        ("95 euros", "ninety-five euros"),
        ("1 euro", "one euro"),
        ("€95.50", "ninety-five euros fifty"),
        ("380.00 EUR", "three hundred and eighty euros"),
        ("1,200 EUR", "one thousand two hundred euros"),
        ("at 10:30", "at ten thirty"),
        ("at 9:00", "at nine o'clock"),
        ("until 19:00", "until seven o'clock in the evening"),
        ("at 9:05 am", "at nine oh five a m"),
        ("2026-11-24", "Tuesday, the twenty-fourth of November"),
        ("24 November", "the twenty-fourth of November"),
        ("In 2026", "In twenty twenty-six"),
        ("the 3rd one", "the third one"),
        ("555 123 4567", "five five five, one two three, four five six seven"),
        ("+380501112233", "plus three eight zero, five zero one, one one two, two three three"),
        ("T-1042", "T one zero four two"),
        ("10 %", "ten percent"),
        ("1.6 millimetres", "one point six millimetres"),
        ("2 x 500 mg", "two x five hundred milligrams"),
        ("100 ml", "one hundred millilitres"),
        ("80 km/h", "eighty kilometres an hour"),
        ("such as 91V", "such as ninety-one V"),
        ("4 tickets", "four tickets"),
        ("B16", "B sixteen"),
        ("no numbers here", "no numbers here"),
        ("", ""),
    ],
)
def test_what_a_voice_should_read(text: str, spoken: str) -> None:
    assert spell_out(text) == spoken


def test_a_language_without_rules_gets_digits_set_apart() -> None:
    assert spell_out("Zamówienie 4271, 4 opony", "pl") == "Zamówienie 4 2 7 1, 4 opony"


@pytest.mark.parametrize(("number", "words"), [(1, "first"), (12, "twelfth"), (20, "twentieth"), (22, "twenty-second")])
def test_ordinals(number: int, words: str) -> None:
    assert ordinal(number) == words


@given(st.integers(0, 999_999_999))
def test_cardinals_have_no_digits(number: int) -> None:
    assert not any(character.isdecimal() for character in cardinal(number))


@given(st.text(max_size=200))
def test_no_ascii_digit_is_left(text: str) -> None:
    assert not any(character in "0123456789" for character in spell_out(text))


@given(st.text("0123456789 ./:-,€%RT", max_size=40))
def test_nor_in_texts_full_of_them(text: str) -> None:
    spoken = spell_out(text)
    assert not any(character in "0123456789" for character in spoken)
    assert spell_out(spoken) == spoken
