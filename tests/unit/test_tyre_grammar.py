"""What only the tyre shop reads in its callers' words: sizes, seasons, how many tyres."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agent.dates import dates, times
from engine.agent.grounding import OwnEvidence, grounded, retracted
from engine.agent.playbook import load_playbook
from engine.agent.playbooks import spelling_of
from engine.agent.said import Said
from engine.agent.speakable import spell_out
from engine.playbooks.tyre_shop import SPEECH
from engine.playbooks.tyre_shop.evidence import COUNT, DIAMETER, PROFILE, SEASON, WIDTH, tyres_wanted
from engine.playbooks.tyre_shop.sizes import TyreSize, has_impossible_size, partial_size, tyre_sizes

LANGUAGES = st.sampled_from(["en", "ru", "uk"])
SIZES = st.builds(
    TyreSize, st.sampled_from(range(125, 396, 10)), st.sampled_from(range(25, 86, 5)), st.integers(12, 24)
)


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
    ("text", "size", "language"),
    [
        ("двести пять пятьдесят пять шестнадцать", "205/55 R16", "ru"),
        ("двести пять на пятьдесят пять на шестнадцать", "205/55 R16", "ru"),
        ("сто девяносто пять дробь шестьдесят пять эр пятнадцать", "195/65 R15", "ru"),
        ("двести двадцать пять сорок пять семнадцать", "225/45 R17", "ru"),
        ("205/55 Р16", "205/55 R16", "ru"),
        ("ширина двести пять, профиль пятьдесят пять, радиус шестнадцать", "205/55 R16", "ru"),
        ("двісті п'ять п'ятдесят п'ять шістнадцять", "205/55 R16", "uk"),
        ("двісті п'ять на п'ятдесят п'ять ер шістнадцять", "205/55 R16", "uk"),
        ("сто дев'яносто п'ять шістдесят п'ять п'ятнадцять", "195/65 R15", "uk"),
        ("ширина двісті п'ять, профіль п'ятдесят п'ять, радіус шістнадцять", "205/55 R16", "uk"),
    ],
)
def test_sizes_in_other_languages(text: str, size: str, language: str) -> None:
    assert [str(found) for found in tyre_sizes(text, language)] == [size]


@given(SIZES)
def test_a_size_written_is_a_size_read(size: TyreSize) -> None:
    assert tyre_sizes(f"I need {size} tyres") == [size]


@given(SIZES, LANGUAGES)
def test_a_size_spoken_is_the_size_heard(size: TyreSize, language: str) -> None:
    assert tyre_sizes(spell_out(str(size), language, SPEECH), language) == [size]


@pytest.mark.parametrize(
    ("text", "spoken", "language"),
    [
        ("205/55 R16", "two oh five, fifty five, R sixteen", "en"),
        ("200/55 R16", "two hundred, fifty five, R sixteen", "en"),
        ("225/45R17 tyres", "two twenty five, forty five, R seventeen tyres", "en"),
        ("4 tyres 205/55 R16 at 95 EUR", "four tyres two oh five, fifty five, R sixteen at ninety-five euros", "en"),
        ("R16", "R sixteen", "en"),
        ("205/55 R16", "двести пять, пятьдесят пять, эр шестнадцать", "ru"),
        ("R16", "эр шестнадцать", "ru"),
        ("4 шины", "четыре шины", "ru"),
        ("2 шины", "две шины", "ru"),
        ("1 шина", "одна шина", "ru"),
        ("21 шина", "двадцать одна шина", "ru"),
        ("2 колеса", "два колеса", "ru"),
        ("1 колесо", "одно колесо", "ru"),
        ("205/55 R16", "двісті п'ять, п'ятдесят п'ять, ер шістнадцять", "uk"),
        ("2 шини", "дві шини", "uk"),
        ("5 коліс", "п'ять коліс", "uk"),
        ("4 opony 1042", "4 opony 1 0 4 2", "pl"),
    ],
)
def test_what_a_voice_should_read(text: str, spoken: str, language: str) -> None:
    assert spell_out(text, language, SPEECH) == spoken


GOODS = load_playbook("tyre_shop").goods


@pytest.mark.parametrize(
    ("text", "language"),
    [("about four tyres", "en"), ("about four tires", "en"), ("в пять шин", "ru"), ("п'ять шин", "uk")],
)
def test_a_count_of_tyres_is_no_time(text: str, language: str) -> None:
    assert times(text, language, expected=True) != []
    assert times(text, language, expected=True, goods=GOODS) == []


def test_a_tyre_out_of_several_is_no_day() -> None:
    assert dates("on the second tyre", date(2026, 11, 24), goods=GOODS) == []


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_playbook_brings_its_own_speech(language: str) -> None:
    text = "205/55 R16"
    assert spelling_of(load_playbook("tyre_shop"), language)(text) == spell_out(text, language, SPEECH)
    assert spelling_of(load_playbook("clinic"), language)(text) == spell_out(text, language)
    assert spell_out(text, language) != spell_out(text, language, SPEECH)


@given(st.text(max_size=200))
def test_any_text_is_read_without_complaint(text: str) -> None:
    for size in tyre_sizes(text):
        assert TyreSize.plausible(size.width, size.profile, size.diameter)
    has_impossible_size(text)
    tyres_wanted(text)


@pytest.mark.parametrize(
    ("value", "evidence", "words", "supported"),
    [
        (205, WIDTH, "two oh five fifty five sixteen", True),
        (55, PROFILE, "two oh five fifty five sixteen", True),
        (17, DIAMETER, "two oh five fifty five sixteen", False),
        (16, DIAMETER, "sixteen", True),
        ("winter", SEASON, "for the snow", True),
        ("summer", SEASON, "winter tyres", False),
        (4, COUNT, "four two oh five fifty five sixteen", True),
        (205, COUNT, "two oh five fifty five sixteen", False),
        (4, COUNT, "a full set", True),
    ],
)
def test_evidence(value: object, evidence: OwnEvidence, words: str, supported: bool) -> None:
    assert grounded(value, evidence, Said((words,))) is supported


def test_a_season_and_a_count_may_be_taken_back() -> None:
    said = Said(("four winter tyres", "no, make it two summer tyres"))
    assert retracted("winter", SEASON, said)
    assert retracted(4, COUNT, said)
    assert not retracted("summer", SEASON, said)
    assert not retracted(2, COUNT, said)
