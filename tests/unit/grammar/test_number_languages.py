"""Numbers in Russian and Ukrainian, and more of how English recognisers write them."""

from __future__ import annotations

import pytest

from engine.agent.numbers import number_runs
from engine.agent.product_codes import product_codes


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("nought five nought triple five", "050555"),
        ("seven two zeros five", "7005"),
        ("double oh seven", "007"),
        ("zero five zero, five five five, sixteen thirty three", "0505551633"),
        ("two hundred five", "205"),
        ("three thousand one hundred and two", "3102"),
        ("4 to 7 1", "4271"),
        ("my number is for two seven one", "4271"),
        ("four two seven won", "4271"),
        ("it's 0 5 0 double 5 5 1 2 3 3", "0505551233"),
        ("four two seven two, sorry, four two seven one", "4271"),
        ("Thirty-one, oh two.", "3102"),
    ],
)
def test_english(text: str, digits: str) -> None:
    assert [run.digits for run in number_runs(text)] == [digits]


@pytest.mark.parametrize(
    "text", ["I want to order for two people too", "free for you", "for you to see", "it is for me", "we won"]
)
def test_words_that_only_sound_like_digits_stay_words(text: str) -> None:
    assert all(len(run.digits) == 1 for run in number_runs(text))


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("четыре два семь один", "4271"),
        ("Четыре, два, семь, один.", "4271"),
        ("сорок два семьдесят один", "4271"),
        ("четыре тысячи двести семьдесят один", "4271"),
        ("тысяча двести", "1200"),
        ("две тысячи пять", "2005"),
        ("ноль пятьдесят, пятьсот пятьдесят пять, шестнадцать, тридцать три", "0505551633"),
        ("восемь девятьсот шестнадцать сто двадцать три сорок пять шестьдесят семь", "89161234567"),
        ("два нуля семь", "007"),
        ("три пятёрки", "555"),
        ("двухсот пяти", "205"),
        ("пятью", "5"),
        ("триста и один", "301"),
        ("4271, нет, 4272", "4272"),
        ("42 семьдесят один", "4271"),
    ],
)
def test_russian(text: str, digits: str) -> None:
    assert [run.digits for run in number_runs(text, "ru")] == [digits]


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("чотири два сім один", "4271"),
        ("сорок два сімдесят один", "4271"),
        ("чотири тисячі двісті сімдесят один", "4271"),
        ("нуль п'ятдесят, п’ятсот п’ятдесят п’ять, шістнадцять, тридцять три", "0505551633"),
        ("два нулі сім", "007"),
        ("три п'ятірки", "555"),
        ("двохсот п'яти", "205"),
        ("дев'яносто дев'ять", "99"),
        ("4271, ні, 4272", "4272"),
    ],
)
def test_ukrainian(text: str, digits: str) -> None:
    assert [run.digits for run in number_runs(text, "uk")] == [digits]


@pytest.mark.parametrize(
    ("text", "language"), [("т-1042", "ru"), ("Т1042", "uk"), ("тэ десять сорок два", "ru"), ("T-1042", "ru")]
)
def test_product_codes(text: str, language: str) -> None:
    assert product_codes(text, language, "T") == ["T-1042"]
