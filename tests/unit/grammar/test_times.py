"""Times of day as callers say them."""

from __future__ import annotations

from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agent.times import dayparts, times, times_said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("half past three", "15:30"),
        ("half three", "15:30"),
        ("three thirty pm", "15:30"),
        ("three thirty p.m.", "15:30"),
        ("3:30 p m", "15:30"),
        ("10 a m", "10:00"),
        ("at ten", "10:00"),
        ("at three", "15:00"),
        ("at seven", "19:00"),
        ("at eight", "08:00"),
        ("quarter to nine", "08:45"),
        ("a quarter past four", "16:15"),
        ("ten to nine", "08:50"),
        ("twenty past three", "15:20"),
        ("five minutes to one", "12:55"),
        ("15:30", "15:30"),
        ("07:30", "07:30"),
        ("at 3.30", "15:30"),
        ("at 1530", "15:30"),
        ("noon", "12:00"),
        ("midnight", "00:00"),
        ("12 am", "00:00"),
        ("12 pm", "12:00"),
        ("ten o'clock", "10:00"),
        ("ten o'clock in the evening", "22:00"),
        ("seven in the morning", "07:00"),
        ("tomorrow morning at seven", "07:00"),
        ("nine oh five in the morning", "09:05"),
        ("at three in the afternoon", "15:00"),
        ("at fourteen thirty", "14:30"),
        ("Saturday ten thirty", "10:30"),
        ("Tuesday at ten thirty", "10:30"),
        ("between two and four", "14:00 16:00"),
        ("between two and four in the afternoon", "14:00 16:00"),
        ("from nine to five", "09:00 17:00"),
        ("at two or three", "14:00 15:00"),
        ("for three thirty", "15:30"),
        ("at ten, no, at eleven", "11:00"),
        ("not at three, at four", "16:00"),
        ("not before eleven", "11:00"),
        ("at ten, sorry, eleven thirty tomorrow", "11:30"),
        ("good morning, can I come at seven", "19:00"),
    ],
)
def test_english(text: str, expected: str) -> None:
    assert times(text) == _times(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("половина четвёртого", "15:30"),
        ("в половине четвертого", "15:30"),
        ("полчетвёртого", "15:30"),
        ("в пол пятого", "16:30"),
        ("без четверти девять", "08:45"),
        ("без пятнадцати девять", "08:45"),
        ("без пяти минут час", "12:55"),
        ("десять минут пятого", "16:10"),
        ("четверть девятого", "08:15"),
        ("в три", "15:00"),
        ("в три часа дня", "15:00"),
        ("в час дня", "13:00"),
        ("в пятнадцать тридцать", "15:30"),
        ("в девять ноль пять", "09:05"),
        ("в 15:30", "15:30"),
        ("в семь вечера", "19:00"),
        ("завтра в девять утра", "09:00"),
        ("завтра утром в семь", "07:00"),
        ("в полдень", "12:00"),
        ("с девяти до пяти", "09:00 17:00"),
        ("к трём часам", "15:00"),
        ("в десять, нет, в одиннадцать", "11:00"),
        ("не в три, а в четыре", "16:00"),
        ("не раньше одиннадцати", "11:00"),
        ("через три дня", ""),
        ("через два часа", ""),
        ("двадцать восьмого", ""),
    ],
)
def test_russian(text: str, expected: str) -> None:
    assert times(text, "ru") == _times(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("пів на четверту", "15:30"),
        ("о пів на четверту", "15:30"),
        ("за чверть дев'ята", "08:45"),
        ("за п'ятнадцять хвилин дев'ята", "08:45"),
        ("чверть на дев'яту", "08:15"),
        ("десять хвилин на п'яту", "16:10"),
        ("десять по четвертій", "16:10"),
        ("о третій", "15:00"),
        ("о третій годині дня", "15:00"),
        ("о п'ятнадцятій тридцять", "15:30"),
        ("о 15:30", "15:30"),
        ("о сьомій вечора", "19:00"),
        ("завтра о дев'ятій ранку", "09:00"),
        ("опівдні", "12:00"),
        ("о десятій, ні, об одинадцятій", "11:00"),
        ("не о третій, а о четвертій", "16:00"),
        ("не раніше одинадцятої", "11:00"),
        ("на третє грудня", ""),
        ("через три дні", ""),
        ("двадцять восьмого", ""),
    ],
)
def test_ukrainian(text: str, expected: str) -> None:
    assert times(text, "uk") == _times(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "four pieces at ninety euros",
        "at two oh five fifty five sixteen",
        "tee ten forty two",
        "about four pieces",
        "ten thirty",
        "two or three",
        "the price is 12.50",
        "zero five zero three one two four",
        "205/55 R16",
        "in two hours",
    ],
)
def test_no_time_at_all(text: str) -> None:
    assert times(text) == []


def test_what_a_business_counts_is_no_time() -> None:
    assert times("about four tickets") == [time(16)]
    assert times("about four tickets", goods=("ticket…",)) == []
    assert times("at ten I need four tickets", goods=("ticket…",)) == [time(10)]


def test_a_bare_number_is_a_time_where_one_was_asked_for() -> None:
    assert times("ten", expected=True) == [time(10)]
    assert times("ten thirty", expected=True) == [time(10, 30)]
    assert times("three please", expected=True) == [time(15)]
    assert times("десять", "ru", expected=True) == [time(10)]
    assert times("десята", "uk", expected=True) == [time(10)]


def test_the_day_begins_when_the_place_opens() -> None:
    assert times("at seven", opens=7) == [time(7)]
    assert times("at seven", opens=8) == [time(19)]


@pytest.mark.parametrize(
    ("text", "language", "hours"),
    [
        ("in the morning", "en", [(8, 12)]),
        ("tomorrow afternoon", "en", [(12, 18)]),
        ("in the evening or at night", "en", [(18, 22), (22, 6)]),
        ("not in the morning, in the afternoon", "en", [(12, 18)]),
        ("good morning", "en", []),
        ("утром", "ru", [(8, 12)]),
        ("после обеда", "ru", [(12, 18)]),
        ("доброе утро", "ru", []),
        ("вранці", "uk", [(8, 12)]),
        ("доброго ранку", "uk", []),
    ],
)
def test_parts_of_the_day(text: str, language: str, hours: list[tuple[int, int]]) -> None:
    assert [(start.hour, end.hour) for start, end in dayparts(text, language)] == hours


def test_where_a_time_was_said() -> None:
    text = "Please book me in at half past three."
    (said,) = times_said(text)
    assert text[said.start : said.end] == "half past three"


@given(st.times(), st.sampled_from(["en", "ru", "uk"]))
def test_a_time_written_is_the_time_read(at: time, language: str) -> None:
    at = at.replace(hour=at.hour if at.hour < 10 or at.hour > 12 else 13, second=0, microsecond=0)
    assert times(f"{at:%H:%M}", language) == [at]


@given(st.text(max_size=100), st.sampled_from(["en", "ru", "uk", "de"]))
def test_any_text_is_read_without_complaint(text: str, language: str) -> None:
    for said in times_said(text, language, expected=True):
        assert 0 <= said.start < said.end <= len(text)


def _times(expected: str) -> list[time]:
    return [time.fromisoformat(one) for one in expected.split()]
