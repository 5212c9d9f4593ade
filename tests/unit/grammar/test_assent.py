"""Yes, no and neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agent.assent import Assent, assent, is_assent, is_dissent

YES = {
    "en": (
        "Yes.",
        "yes please",
        "yeah, go ahead",
        "Yep, that's the one",
        "uh-huh",
        "Uh huh.",
        "mm-hm",
        "Mm-hmm.",
        "mhm",
        "That is correct.",
        "that's right",
        "correct",
        "Okay.",
        "all right then",
        "sure, thank you",
        "sounds good",
        "of course",
        "please do",
        "go ahead",
        "book it",
        "let's do that",
        "that would be great",
        "fine by me",
        "absolutely",
        "I do",
        "No problem, yes",
        "why not",
        "by all means",
        "Yes, that is correct, thank you very much.",
        "yes, four tyres",
    ),
    "ru": (
        "Да.",
        "да, конечно",
        "ага",
        "угу",
        "всё верно",
        "хорошо",
        "давайте",
        "подтверждаю",
        "оформляйте",
        "почему бы и нет",
        "не возражаю",
        "да, пожалуйста",
        "так и есть",
    ),
    "uk": (
        "Так.",
        "так, звичайно",
        "ага",
        "все вірно",
        "добре",
        "гаразд",
        "давайте",
        "підтверджую",
        "чому б і ні",
        "не проти",
        "так, будь ласка",
        "авжеж",
    ),
}
NO = {
    "en": (
        "No.",
        "nope",
        "no thanks",
        "No, not now.",
        "that's not right",
        "never mind",
        "hold on",
        "wait",
        "uh-uh",
        "I don't want it",
        "that's wrong",
        "no, that's all",
        "yes, wait, stop",
        "please don't",
        "cancel that",
        "of course not",
        "not today",
    ),
    "ru": ("Нет.", "нет, спасибо", "не надо", "не сейчас", "неверно", "отмените", "подождите", "ни в коем случае, нет"),
    "uk": ("Ні.", "ні, дякую", "не треба", "не зараз", "невірно", "скасуйте", "зачекайте"),
}
NEITHER = {
    "en": (
        "",
        "hello",
        "No, that's fine.",
        "no that's okay",
        "no, it's right",
        "I'm not sure",
        "not sure",
        "maybe",
        "yes and no",
        "no, yes",
        "yes, but to another address",
        "yes if it is cheaper",
        "I guess so",
        "I don't know",
        "No problem.",
        "is that right?",
        "are you sure",
        "right now I am driving",
        "the front right tyre",
        "okay, what about winter tyres",
        "can you book it for Friday",
        "sure would like Michelin better",
        "I do have a question",
        "what exactly is it",
        "four tyres",
        "the golf course",
    ),
    "ru": (
        "",
        "алло",
        "нет, всё нормально",
        "не знаю",
        "да нет",
        "наверное",
        "да, но не туда",
        "если дешевле",
        "вы уверены",
        "хорошо, а зимние шины",
    ),
    "uk": (
        "",
        "алло",
        "ні, все добре",
        "не знаю",
        "мабуть",
        "так, але не туди",
        "якщо дешевше",
        "ви впевнені",
        "добре, а зимові шини",
    ),
}


def _cases(table: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(language, text) for language, texts in table.items() for text in texts]


@pytest.mark.parametrize(("language", "text"), _cases(YES))
def test_a_yes(language: str, text: str) -> None:
    assert assent(text, language) is Assent.YES


@pytest.mark.parametrize(("language", "text"), _cases(NO))
def test_a_no(language: str, text: str) -> None:
    assert assent(text, language) is Assent.NO


@pytest.mark.parametrize(("language", "text"), _cases(NEITHER))
def test_neither(language: str, text: str) -> None:
    assert assent(text, language) is Assent.NEITHER


@given(st.text(max_size=80), st.sampled_from(["en", "ru", "uk", "de"]))
def test_no_text_is_both(text: str, language: str) -> None:
    assert not (is_assent(text, language) and is_dissent(text, language))


@given(st.sampled_from(_cases(YES)), st.sampled_from(_cases(NO)))
def test_a_no_beside_a_yes_is_never_a_yes(yes: tuple[str, str], no: tuple[str, str]) -> None:
    assert not is_assent(f"{yes[1]}. {no[1]}", yes[0] if yes[0] == no[0] else no[0])
