"""Numbers that callers correct."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agent.number_corrections import corrected
from engine.agent.numbers import number_runs
from engine.agent.speakable import digit_by_digit


@pytest.mark.parametrize(
    ("previous", "text", "digits"),
    [
        ("4279", "no, five not nine", "4275"),
        ("4279", "No. Five, not nine.", "4275"),
        ("4279", "not nine but five", "4275"),
        ("4279", "not nine, five", "4275"),
        ("4279", "it should be five instead of nine", "4275"),
        ("0505551233", "four at the end", "0505551234"),
        ("0505551233", "no, four at the end", "0505551234"),
        ("0505551233", "the last digit is four", "0505551234"),
        ("0505551233", "the last one is four", "0505551234"),
        ("0505551233", "the last two digits are four four", "0505551244"),
        ("0505551233", "it ends with 44", "0505551244"),
        ("0505551233", "it starts with zero six", "0605551233"),
        ("0505551233", "no, one two three four", "0505551234"),
        ("4279", "the third digit is eight", "4289"),
        ("4279", "sorry, four two seven five", "4275"),
        ("4279", "no, it's 4 2 7 5", "4275"),
        ("4279", "not nine at the end, five", "4275"),
    ],
)
def test_english(previous: str, text: str, digits: str) -> None:
    assert corrected(previous, text) == digits


@pytest.mark.parametrize(
    ("previous", "text", "digits", "language"),
    [
        ("4279", "нет, пять, а не девять", "4275", "ru"),
        ("4279", "не девять, а пять", "4275", "ru"),
        ("4279", "последняя цифра пять", "4275", "ru"),
        ("4279", "пять в конце", "4275", "ru"),
        ("4279", "третья цифра восемь", "4289", "ru"),
        ("4279", "извините, четыре два семь пять", "4275", "ru"),
        ("0505551233", "начинается с ноль шесть", "0605551233", "ru"),
        ("4279", "ні, п'ять, а не дев'ять", "4275", "uk"),
        ("4279", "не дев’ять, а п’ять", "4275", "uk"),
        ("4279", "остання цифра п'ять", "4275", "uk"),
        ("4279", "п'ять в кінці", "4275", "uk"),
        ("4279", "вибачте, чотири два сім п'ять", "4275", "uk"),
    ],
)
def test_other_languages(previous: str, text: str, digits: str, language: str) -> None:
    assert corrected(previous, text, language) == digits


@pytest.mark.parametrize(
    ("previous", "text"),
    [
        ("4279", "yes"),
        ("4279", "no"),
        ("4279", "no, four"),
        ("4279", "four tyres please"),
        ("4299", "five not nine"),
        ("4279", "five not eight"),
        ("0505551233", "no, zero six"),
        ("0505551233", "no, five five"),
        ("1212121212", "no, one two one one"),
        ("", "no, five not nine"),
        ("4279", ""),
        ("4279", "4279"),
    ],
)
def test_what_is_not_clear_changes_nothing(previous: str, text: str) -> None:
    assert corrected(previous, text) is None


@pytest.mark.parametrize(
    ("text", "digits", "language"),
    [
        ("0505551233, no, four at the end", "0505551234", "en"),
        ("my number is 0505551233 no one two three four", "0505551234", "en"),
        ("order 4279, no, five not nine", "4275", "en"),
        ("order 4279, sorry, the last digit is five", "4275", "en"),
        ("4279, нет, не девять, а пять", "4275", "ru"),
        ("0505551233, нет, в конце четыре", "0505551234", "ru"),
        ("0505551233, ні, в кінці чотири", "0505551234", "uk"),
    ],
)
def test_within_one_utterance(text: str, digits: str, language: str) -> None:
    assert [run.digits for run in number_runs(text, language)] == [digits]


def test_what_follows_a_number_does_not_change_it() -> None:
    text = "my number is 4271, I need four tyres, not five"
    assert [run.digits for run in number_runs(text)] == ["4271", "4"]


@given(st.text("0123456789", min_size=4, max_size=12), st.data())
def test_a_number_said_again_replaces_it(previous: str, data: st.DataObject) -> None:
    digits = data.draw(st.text("0123456789", min_size=len(previous), max_size=len(previous)))
    expected = digits if digits != previous else None
    assert corrected(previous, "sorry, " + digit_by_digit(digits)) == expected


@given(st.text("0123456789", max_size=12), st.text(max_size=60), st.sampled_from(["en", "ru", "uk"]))
def test_a_correction_keeps_nearly_the_length(previous: str, text: str, language: str) -> None:
    result = corrected(previous, text, language)
    assert result is None or (result.isdecimal() and result != previous)
