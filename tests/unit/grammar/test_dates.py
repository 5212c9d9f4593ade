"""Days as callers say them, seen from Tuesday, 24 November 2026."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agent.dates import dates, dates_said

TODAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today", "11-24"),
        ("tomorrow", "11-25"),
        ("the day after tomorrow", "11-26"),
        ("Tomorrow morning, please.", "11-25"),
        ("tonight at eight", "11-24"),
        ("on Saturday", "11-28"),
        ("Tuesday", "12-01"),
        ("this Tuesday", "11-24"),
        ("this Friday", "11-27"),
        ("next Saturday", "12-05"),
        ("next Tuesday", "12-01"),
        ("the Friday after next", "12-11"),
        ("Monday week", "12-07"),
        ("Saturday next week", "12-05"),
        ("next week on Thursday", "12-03"),
        ("on Monday or Tuesday next week", "11-30 12-01"),
        ("on the third of December", "12-03"),
        ("the third December", "12-03"),
        ("december 3rd", "12-03"),
        ("December, the third", "12-03"),
        ("december twenty third", "12-23"),
        ("december twenty-third", "12-23"),
        ("3 December 2027", "2027-12-03"),
        ("december third twenty twenty seven", "2027-12-03"),
        ("the first of march", "2027-03-01"),
        ("the twenty ninth of february", "2028-02-29"),
        ("the 28th", "11-28"),
        ("the twenty eighth", "11-28"),
        ("the fifth", "12-05"),
        ("on the thirty first", "12-31"),
        ("Saturday the 28th", "11-28"),
        ("Saturday the 5th", "12-05"),
        ("Friday, the fourth of December", "12-04"),
        ("in two weeks", "12-08"),
        ("in a fortnight", "12-08"),
        ("in three days", "11-27"),
        ("in a couple of days", ""),
        ("in a week", "12-01"),
        ("two weeks from today", "12-08"),
        ("a week from Monday", "12-07"),
        ("a week tomorrow", "12-02"),
        ("2026-12-03", "12-03"),
        ("3/12", "12-03"),
        ("12/25", "12-25"),
        ("03.12.2026", "12-03"),
        ("3/12/26", "12-03"),
        ("from the third to the fifth of December", "12-03 12-05"),
        ("between December third and fifth", "12-03 12-05"),
        ("3 to 5 December", "12-03 12-05"),
        ("the thirtieth of December to the second of January", "12-30 2027-01-02"),
        ("from Monday to Wednesday", "11-30 11-25"),
        ("next week", "11-30 12-06"),
        ("sometime next week, maybe Wednesday", "12-02"),
        ("this weekend", "11-28 11-29"),
        ("not Friday, Saturday", "11-28"),
        ("not on the third, on the fourth of December", "12-04"),
        ("Friday, no, Saturday", "11-28"),
        ("Friday, sorry, I mean Saturday.", "11-28"),
        ("Friday doesn't work, Saturday please", "11-28"),
        ("I can't come on Friday but Saturday is fine", "11-28"),
        ("Saturday instead of Friday", "11-28"),
        ("any day except Monday", ""),
        ("why not Friday", "11-27"),
        ("Friday or Saturday", "11-27 11-28"),
    ],
)
def test_english(text: str, expected: str) -> None:
    assert dates(text, TODAY) == _days(expected)


def test_who_says_the_month_first_is_read_so() -> None:
    assert dates("12/3", TODAY, "en-US") == [date(2026, 12, 3)]
    assert dates("12/3", TODAY, "en-GB") == [date(2027, 3, 12)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("завтра", "11-25"),
        ("послезавтра", "11-26"),
        ("завтра в десять утра", "11-25"),
        ("во вторник", "12-01"),
        ("в эту пятницу", "11-27"),
        ("в следующую субботу", "12-05"),
        ("в субботу на следующей неделе", "12-05"),
        ("в ближайшее воскресенье", "11-29"),
        ("на третье декабря", "12-03"),
        ("третьего декабря", "12-03"),
        ("двадцать третьего декабря", "12-23"),
        ("двадцать восьмого", "11-28"),
        ("28-го", "11-28"),
        ("двадцать восьмого числа", "11-28"),
        ("3 декабря 2027 года", "2027-12-03"),
        ("третьего декабря две тысячи двадцать седьмого года", "2027-12-03"),
        ("через две недели", "12-08"),
        ("через неделю", "12-01"),
        ("через три дня", "11-27"),
        ("в понедельник через неделю", "12-07"),
        ("с третьего по пятое декабря", "12-03 12-05"),
        ("не в пятницу, а в субботу", "11-28"),
        ("в пятницу, нет, в субботу", "11-28"),
        ("в пятницу не могу, давайте в субботу", "11-28"),
        ("почему бы не в пятницу", "11-27"),
        ("на выходных", "11-28 11-29"),
        ("03.12", "12-03"),
        ("половина четвёртого", ""),
        ("в десять минут пятого", ""),
    ],
)
def test_russian(text: str, expected: str) -> None:
    assert dates(text, TODAY, "ru") == _days(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("завтра", "11-25"),
        ("післязавтра", "11-26"),
        ("у вівторок", "12-01"),
        ("цієї п'ятниці", "11-27"),
        ("цієї п’ятниці", "11-27"),
        ("наступної суботи", "12-05"),
        ("у суботу наступного тижня", "12-05"),
        ("на третє грудня", "12-03"),
        ("третього грудня", "12-03"),
        ("двадцять третього грудня", "12-23"),
        ("двадцять восьмого", "11-28"),
        ("3 грудня 2027 року", "2027-12-03"),
        ("через два тижні", "12-08"),
        ("за тиждень", "12-01"),
        ("через три дні", "11-27"),
        ("з третього по п'яте грудня", "12-03 12-05"),
        ("не в п'ятницю, а в суботу", "11-28"),
        ("в п'ятницю, ні, в суботу", "11-28"),
        ("в п'ятницю не можу, давайте в суботу", "11-28"),
        ("на вихідних", "11-28 11-29"),
        ("о п'ятій", ""),
    ],
)
def test_ukrainian(text: str, expected: str) -> None:
    assert dates(text, TODAY, "uk") == _days(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "the second one please",
        "the first",
        "in the second half",
        "I need tyres in 205/55 R16",
        "order four two seven one",
        "may I ask something",
        "the price is 12.50",
        "my second car",
        "zero five zero three one two four",
        "it takes two weeks",
        "the fifth one",
    ],
)
def test_no_day_at_all(text: str) -> None:
    assert dates(text, TODAY) == []


def test_what_a_business_counts_is_no_day() -> None:
    assert dates("on the second ticket", TODAY) != []
    assert dates("on the second ticket", TODAY, goods=("ticket…",)) == []
    assert dates("on the second, two tickets", TODAY, goods=("ticket…",)) != []


def test_where_a_day_was_said() -> None:
    text = "Can I come on December 3rd, please?"
    (said,) = dates_said(text, TODAY)
    assert text[said.start : said.end] == "on December 3rd"


@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.integers(0, 360), st.sampled_from(["en", "ru", "uk"]))
def test_a_day_written_is_the_day_read(today: date, ahead: int, language: str) -> None:
    day = today + timedelta(days=ahead)
    assert dates(f"{day.isoformat()}", today, language) == [day]
    assert dates(f"{day:%d.%m.%Y}", today, language) == [day]


@given(st.text(max_size=100), st.dates(), st.sampled_from(["en", "ru", "uk", "de"]))
def test_any_text_is_read_without_complaint(text: str, today: date, language: str) -> None:
    for said in dates_said(text, today, language):
        assert 0 <= said.start < said.end <= len(text)


@given(
    st.lists(
        st.sampled_from(
            [
                "the",
                "third",
                "31",
                "of",
                "February",
                "next",
                "week",
                "Friday",
                "99",
                "12/13",
                "from",
                "to",
                "29th",
                "in",
            ]
        ),
        max_size=8,
    ),
    st.dates(),
)
def test_nor_about_texts_full_of_days(pieces: list[str], today: date) -> None:
    dates(" ".join(pieces), today)


def _days(expected: str) -> list[date]:
    return [date.fromisoformat(day if len(day) == 10 else f"2026-{day}") for day in expected.split()]
