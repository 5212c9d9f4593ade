"""Numbers in words, and back: what is spoken in a language is heard as the same number, day or time."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agent.dates import dates
from engine.agent.numbers import number_runs
from engine.agent.product_codes import product_codes
from engine.agent.speakable import spell_out
from engine.agent.times import times

LANGUAGES = st.sampled_from(["en", "ru", "uk"])
SLAVIC = st.sampled_from(["ru", "uk"])
TODAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Заказ 4271 отправлен.", "Заказ четыре два семь один отправлен."),
        ("95 EUR", "девяносто пять евро"),
        ("1 грн", "одна гривна"),
        ("2 грн", "две гривны"),
        ("3800 грн", "три тысячи восемьсот гривен"),
        ("21 доллар", "двадцать один доллар"),
        ("€95.50", "девяносто пять евро пятьдесят центов"),
        ("1,200 EUR", "тысяча двести евро"),
        ("доставка 2026-11-25", "доставка двадцать пятого ноября, в среду"),
        ("запись на 2026-12-03", "запись на третье декабря, в четверг"),
        ("25 ноября", "двадцать пятого ноября"),
        ("в 14:30", "в четырнадцать тридцать"),
        ("в 9:05", "в девять ноль пять утра"),
        ("в 15:00", "в пятнадцать часов"),
        ("4 недели", "четыре недели"),
        ("2 недели", "две недели"),
        ("1 минута", "одна минута"),
        ("21 минута", "двадцать одна минута"),
        ("2 места", "два места"),
        ("1 место", "одно место"),
        ("T-1042", "тэ один ноль четыре два"),
        ("+380501112233", "плюс три восемь ноль, пять ноль один, один один два, два три три"),
        ("10 %", "десять процентов"),
        ("2 мг", "два миллиграмма"),
        ("80 км/ч", "восемьдесят километров в час"),
        ("1.6 мм", "один и шесть миллиметра"),
        ("без чисел", "без чисел"),
    ],
)
def test_russian(text: str, spoken: str) -> None:
    assert spell_out(text, "ru") == spoken


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Замовлення 4271, 4 години", "Замовлення чотири два сім один, чотири години"),
        ("1 грн", "одна гривня"),
        ("2 гривні", "дві гривні"),
        ("3800 грн", "три тисячі вісімсот гривень"),
        ("95 EUR", "дев'яносто п'ять євро"),
        ("доставка 2026-11-25", "доставка двадцять п'ятого листопада, у середу"),
        ("запис на 2026-12-03", "запис на третє грудня, у четвер"),
        ("о 14:30", "о чотирнадцятій тридцять"),
        ("14:30", "чотирнадцята тридцять"),
        ("о 9:00", "о дев'ятій годині ранку"),
        ("2 пари", "дві пари"),
        ("T-1042", "те один нуль чотири два"),
        ("5 мл", "п'ять мілілітрів"),
        ("80 км/год", "вісімдесят кілометрів на годину"),
    ],
)
def test_ukrainian(text: str, spoken: str) -> None:
    assert spell_out(text, "uk") == spoken


@given(st.integers(1, 999), SLAVIC)
def test_a_quantity_spoken_is_the_number_heard(number: int, language: str) -> None:
    assert [run.digits for run in number_runs(spell_out(str(number), language), language)] == [str(number)]


@given(st.integers(1, 999_999), SLAVIC)
def test_an_amount_spoken_is_the_number_heard(number: int, language: str) -> None:
    assert [run.digits for run in number_runs(spell_out(f"{number} EUR", language), language)] == [str(number)]


@given(st.text("0123456789", min_size=4, max_size=15), LANGUAGES)
def test_digits_spoken_are_the_digits_heard(digits: str, language: str) -> None:
    assert [run.digits for run in number_runs(spell_out(digits, language), language)] == [digits]


@given(st.integers(100, 999_999), LANGUAGES)
def test_a_product_spoken_is_the_product_heard(number: int, language: str) -> None:
    assert product_codes(spell_out(f"T-{number}", language), language, "T") == [f"T-{number}"]


@given(st.integers(0, 360), LANGUAGES, st.booleans())
def test_a_day_spoken_is_the_day_heard(ahead: int, language: str, booked: bool) -> None:
    day = TODAY + timedelta(days=ahead)
    lead = {"en": "on ", "ru": "на ", "uk": "на "}[language] if booked else ""
    assert dates(spell_out(f"{lead}{day.isoformat()}", language), TODAY, language) == [day]


@given(st.integers(0, 23), st.integers(0, 59), LANGUAGES)
def test_a_time_spoken_is_the_time_heard(hour: int, minute: int, language: str) -> None:
    lead = {"en": "at ", "ru": "в ", "uk": "о "}[language]
    assert times(spell_out(f"{lead}{hour}:{minute:02}", language), language, opens=0) == [time(hour, minute)]


@given(st.text("0123456789 ./:-,€%RTшинагрн", max_size=40), SLAVIC)
def test_no_digit_is_left(text: str, language: str) -> None:
    spoken = spell_out(text, language)
    assert not any(character in "0123456789" for character in spoken)
    assert spell_out(spoken, language) == spoken


@given(st.text(max_size=200), SLAVIC)
def test_any_text_is_spoken_without_complaint(text: str, language: str) -> None:
    assert not any(character in "0123456789" for character in spell_out(text, language))
