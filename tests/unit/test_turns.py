"""Turns of the caller, window by window."""

from __future__ import annotations

import pytest

from engine.dialogue.clauses import ClauseSplitter
from engine.dialogue.endpointing import DICTATED, LONGER, SHORTER, wait_factor
from engine.dialogue.history import History, Segment, heard_text
from engine.dialogue.turns import WINDOW_SECONDS, Turn, TurnDetector

LOUD, SOFT, SILENT = -15.0, -30.0, -90.0


def detector() -> TurnDetector:
    return TurnDetector(threshold=0.5, pause_seconds=0.09, endpoint_seconds=0.5, barge_in_seconds=0.15)


def feed(into: TurnDetector, seconds: float, probability: float, level: float) -> list[tuple[Turn, float]]:
    """The turns that so many seconds of equal windows make, with the time of each."""
    found = []
    for index in range(round(seconds / WINDOW_SECONDS)):
        turn = into.feed(probability, level)
        if turn is not None:
            found.append((turn, (index + 1) * WINDOW_SECONDS))
    return found


def test_speech_begins_after_two_windows_and_interrupts_after_150_ms() -> None:
    turns = feed(detector(), 1.0, 0.9, LOUD)
    assert [turn for turn, _ in turns] == [Turn.ONSET, Turn.BARGE_IN]
    assert turns[0][1] == pytest.approx(0.064)
    assert turns[1][1] == pytest.approx(0.160)


def test_the_turn_ends_half_a_second_after_the_sound_though_voice_activity_lags() -> None:
    found = detector()
    feed(found, 1.0, 0.9, LOUD)
    lagging = feed(found, 0.128, 0.8, SILENT)
    silent = feed(found, 1.0, 0.02, SILENT)
    assert [turn for turn, _ in lagging] == [Turn.PAUSE]
    assert lagging[0][1] == pytest.approx(0.096)
    (end,) = silent
    assert end[0] is Turn.ENDPOINT
    assert 0.128 + end[1] == pytest.approx(0.5, abs=0.04)


def test_in_noise_voice_activity_alone_ends_the_turn() -> None:
    found = detector()
    feed(found, 1.0, 0.9, LOUD)
    turns = feed(found, 1.0, 0.1, SOFT)  # noise 15 dB below the speech never counts as quiet
    assert [turn for turn, _ in turns] == [Turn.PAUSE, Turn.ENDPOINT]
    assert turns[1][1] == pytest.approx(0.512)


def test_the_caller_who_goes_on_resumes_his_turn() -> None:
    found = detector()
    feed(found, 1.0, 0.9, LOUD)
    feed(found, 0.3, 0.02, SILENT)
    found.endpoint_seconds = 2.0
    assert [turn for turn, _ in feed(found, 0.3, 0.9, LOUD)] == [Turn.RESUME]
    assert found.endpoint_seconds == 0.5
    assert [turn for turn, _ in feed(found, 1.0, 0.02, SILENT)] == [Turn.PAUSE, Turn.ENDPOINT]


def test_soft_speech_after_loud_speech_is_speech() -> None:
    found = detector()
    feed(found, 0.5, 0.9, LOUD)
    turns = feed(found, 2.0, 0.9, LOUD - 30)
    assert Turn.ENDPOINT not in [turn for turn, _ in turns]
    assert Turn.RESUME in [turn for turn, _ in turns]


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("Yes.", SHORTER),
        ("Thank you.", SHORTER),
        ("I want to check my", LONGER),
        ("My number is", LONGER),
        ("winter tyres and", LONGER),
        ("My order is four two seven", DICTATED),
        ("It is 4271.", DICTATED),
        ("What are your opening hours?", 1.0),
        ("Is it for?", 1.0),
    ],
)
def test_the_wait_depends_on_what_was_said(text: str, factor: float) -> None:
    assert wait_factor(text) == factor


def test_the_first_piece_comes_early_and_later_ones_are_sentences() -> None:
    splitter = ClauseSplitter(first_words=5)
    pieces = []
    for word in ["One", "two", "three", "four", "five", "six", "seven.", "Eight,", "nine", "ten.", "Eleven"]:
        pieces += splitter.feed(word + " ")
    assert pieces == ["One two three four five", "six seven.", "Eight, nine ten."]
    assert splitter.flush() == ["Eleven"]
    assert splitter.flush() == []


def test_a_clause_ends_the_first_piece_even_earlier() -> None:
    splitter = ClauseSplitter(first_words=9)
    assert splitter.feed("Of course, I will look. ") == ["Of course,", "I will look."]


def test_what_was_heard_is_counted_in_words() -> None:
    segments = [Segment("one two", 0, 1000), Segment("three four", 1000, 2000)]
    assert heard_text(segments, 0) == ""
    assert heard_text(segments, 1000) == "one two"
    assert heard_text(segments, 1600) == "one two three"
    assert heard_text(segments, 2000) == "one two three four"
    assert Segment("not whole yet", 0).heard(5000) == ""


def test_two_turns_without_an_answer_between_them_are_one() -> None:
    history = History()
    history.caller_said("I want")
    history.caller_said("winter tyres")
    assert [message.content for message in history.messages] == ["I want winter tyres"]
