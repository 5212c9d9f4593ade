"""Spoken numbers, from text to digits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agent.numbers import (
    TyreSize,
    has_impossible_size,
    number_runs,
    order_numbers,
    partial_size,
    phone_numbers,
    product_codes,
    tyre_sizes,
)
from engine.agent.speakable import cardinal, digit_by_digit, spell_out

WIDTHS = st.sampled_from(range(125, 396, 10))
PROFILES = st.sampled_from(range(25, 86, 5))
DIAMETERS = st.integers(12, 24)
SIZES = st.builds(TyreSize, WIDTHS, PROFILES, DIAMETERS)
DIGITS = st.text("0123456789", min_size=3, max_size=15)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("two oh five fifty five sixteen", "205/55 R16"),
        ("two, o five, fifty, five, sixteen.", "205/55 R16"),
        ("one eighty five, sixty five, fifteen", "185/65 R15"),
        ("two thirty five forty five eighteens", "235/45 R18"),
        ("one nine five sixty five fifteen", "195/65 R15"),
        ("two twenty five, fifty, R seventeen", "225/50 R17"),
        ("225/40ZR18", "225/40 R18"),
        ("235/35R19", "235/35 R19"),
        ("205-55-16", "205/55 R16"),
        ("205.55.16", "205/55 R16"),
        ("2055516", "205/55 R16"),
        ("22545 17", "225/45 R17"),
        ("205 50 5 16", "205/55 R16"),
        ("two hundred and five fifty five R 16", "205/55 R16"),
        ("205 by 55 by 16", "205/55 R16"),
        ("205 55 and 16", "205/55 R16"),
        ("width 205, rim 16, profile 55", "205/55 R16"),
        ("205 55 16, no sorry, 205 60 16", "205/60 R16"),
        ("four two oh five fifty five sixteen", "205/55 R16"),
    ],
)
def test_sizes_as_they_are_said(text: str, size: str) -> None:
    assert [str(found) for found in tyre_sizes(text)] == [size]


@pytest.mark.parametrize(
    "text", ["999 10 R 99", "205/99 R16", "225/45 R99", "tyres in 315/10 R40", "size 20 55 16 10", "tyre 100 55 16"]
)
def test_sizes_that_cannot_exist(text: str) -> None:
    assert tyre_sizes(text) == []
    assert has_impossible_size(text)


@pytest.mark.parametrize(
    "text",
    ["", "order seven seven three one oh two", "I need tyres", "my phone is 5551234567", "at 10:30", "two or three"],
)
def test_no_size_at_all(text: str) -> None:
    assert tyre_sizes(text) == []
    assert not has_impossible_size(text)


def test_half_a_size() -> None:
    assert partial_size("two fifty five thirty five") == (255, 35)
    assert partial_size("two fifty five") is None


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
    assert product_codes(text) == [code]


def test_a_rim_is_no_product() -> None:
    assert product_codes("R 16 and 225/45 R17") == []


def test_a_count_and_a_telephone_number_stay_apart() -> None:
    assert [run.digits for run in number_runs("Four, 5551234567")] == ["4", "5551234567"]


@given(SIZES)
def test_a_size_written_is_a_size_read(size: TyreSize) -> None:
    assert tyre_sizes(f"I need {size} tyres") == [size]


@given(SIZES)
def test_a_size_spoken_is_a_size_heard(size: TyreSize) -> None:
    assert tyre_sizes(spell_out(str(size))) == [size]


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
    for size in tyre_sizes(text):
        assert TyreSize.plausible(size.width, size.profile, size.diameter)
    for run in number_runs(text):
        assert run.digits.isdecimal()
        assert 0 <= run.start < run.end <= len(text)
    assert all(7 <= len(phone) <= 15 for phone in phone_numbers(text))
    assert all(3 <= len(order) <= 12 for order in order_numbers(text))
    product_codes(text)
    has_impossible_size(text)
