"""Spoken numbers, from text to digits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agent.numbers import (
    number_runs,
    order_numbers,
    phone_numbers,
)
from engine.agent.product_codes import product_codes
from engine.agent.speakable import cardinal, digit_by_digit

DIGITS = st.text("0123456789", min_size=3, max_size=15)


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("four, two, seven, one.", "4271"),
        ("thirty-one oh two", "3102"),
        ("seven seven three one oh two", "773102"),
        ("8 8 1 2 0 4", "881204"),
        ("seven double oh three", "7003"),
        ("triple five one", "5551"),
        ("four thousand two hundred and seventy one", "4271"),
        ("forty five thousand and twelve", "45012"),
        ("a hundred and fifty", "150"),
        ("4271, no, 4272", "4272"),
        ("4 2 7 5 not 9", "4275"),
        ("four to seven one", "4271"),
        ("plus 44 20 7946 0018", "442079460018"),
        ("zero five, zero, three, one, two, four, five, six, seven.", "0503124567"),
        ("forty-two seventy-one", "4271"),
    ],
)
def test_numbers_that_identify(text: str, digits: str) -> None:
    assert [run.digits for run in number_runs(text)] == [digits]


@pytest.mark.parametrize("text", ["oh, I see", "to be or not to be", "for you", "no", "won the match", "R"])
def test_words_that_only_sound_like_numbers(text: str) -> None:
    assert number_runs(text) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("T-1042", "T-1042"),
        ("t1042", "T-1042"),
        ("product T 1042", "T-1042"),
        ("tee ten forty two", "T-1042"),
        ("product T dash one zero four two", "T-1042"),
        ("item x three three oh seven", "X-3307"),
    ],
)
def test_product_codes(text: str, code: str) -> None:
    assert product_codes(text, prefix="T") == [code]


@pytest.mark.parametrize(
    ("text", "prefix", "codes"),
    [
        ("bee twelve hundred", "B", ["B-1200"]),
        ("item a b four five one", "AB", ["AB-451"]),
        ("item b four five one", "AB", ["B-451"]),
        ("a bee four five one", "AB", ["AB-451"]),
        ("R-1042", "R", ["R-1042"]),
        ("ar ten forty two", "R", ["R-1042"]),
        ("tee ten forty two", "", []),
        ("tee ten forty two", "B", []),
        ("т-1042", "B", []),
    ],
)
def test_whose_codes_they_are(text: str, prefix: str, codes: list[str]) -> None:
    assert product_codes(text, prefix=prefix) == codes


def test_a_rim_is_no_product() -> None:
    assert product_codes("R 16 and 225/45 R17") == []


def test_a_count_and_a_telephone_number_stay_apart() -> None:
    assert [run.digits for run in number_runs("Four, 5551234567")] == ["4", "5551234567"]


@given(DIGITS)
def test_digits_spoken_are_digits_heard(digits: str) -> None:
    assert [run.digits for run in number_runs(digit_by_digit(digits))] == [digits]


@given(DIGITS, st.sampled_from([" ", ", ", "-", ". "]))
def test_digits_set_apart_are_one_number(digits: str, between: str) -> None:
    assert [run.digits for run in number_runs(between.join(digits))] == [digits]


@given(st.integers(1, 999_999))
def test_a_cardinal_spoken_is_the_number_heard(number: int) -> None:
    assert [run.digits for run in number_runs(cardinal(number))] == [str(number)]


@given(st.text(max_size=200))
def test_any_text_is_read_without_complaint(text: str) -> None:
    for run in number_runs(text):
        assert run.digits.isdecimal()
        assert 0 <= run.start < run.end <= len(text)
    assert all(7 <= len(phone) <= 15 for phone in phone_numbers(text))
    assert all(3 <= len(order) <= 12 for order in order_numbers(text))
    product_codes(text, prefix="AT")
