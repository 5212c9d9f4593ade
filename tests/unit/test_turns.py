"""Turns of the caller, window by window."""

from __future__ import annotations

import pytest

from engine.dialogue.clauses import ClauseSplitter
from engine.dialogue.endpointing import DICTATED, LEADS_ON, OPEN, WHOLE, is_murmur, wait_factor
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


def test_the_sound_before_voice_activity_notices_it_counts_towards_an_interruption() -> None:
    found = detector()
    feed(found, 1.0, 0.02, SILENT)
    feed(found, 0.128, 0.2, LOUD)
    turns = feed(found, 0.5, 0.9, LOUD)
    assert [turn for turn, _ in turns] == [Turn.BARGE_IN]
    assert turns[0][1] == pytest.approx(0.064)


def test_sound_alone_is_no_interruption_however_long() -> None:
    found = detector()
    feed(found, 1.0, 0.02, SILENT)
    assert not feed(found, 2.0, 0.3, LOUD)


def test_the_noise_of_the_line_does_not_count_as_the_beginning_of_a_word() -> None:
    found = detector()
    feed(found, 2.0, 0.1, SOFT)
    turns = feed(found, 0.5, 0.9, SOFT)
    assert [turn for turn, _ in turns] == [Turn.ONSET, Turn.BARGE_IN]
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


def test_silence_that_voice_activity_calls_speech_for_long_is_still_silence() -> None:
    found = detector()
    feed(found, 1.0, 0.02, SILENT)
    feed(found, 1.0, 0.9, LOUD)
    lagging = feed(found, 0.32, 0.8, SILENT)
    assert [turn for turn, _ in lagging] == [Turn.PAUSE]
    (end,) = feed(found, 1.0, 0.02, SILENT)
    assert end[0] is Turn.ENDPOINT
    assert 0.32 + end[1] == pytest.approx(0.53, abs=0.04)


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
        ("Yes.", WHOLE),
        ("Thank you.", WHOLE),
        ("Good-bye.", WHOLE),
        ("Good-by,", WHOLE),
        ("The first one, please,", OPEN),
        ("I would like,", LEADS_ON),
        ("No, that's all, thank you.", WHOLE),
        ("I want to check my", LEADS_ON),
        ("I want to check.", LEADS_ON),
        ("I would like to book", LEADS_ON),
        ("Where is your nearest?", LEADS_ON),
        ("My number is", LEADS_ON),
        ("winter tyres and", LEADS_ON),
        ("Can I pay by?", LEADS_ON),
        ("My name is James.", OPEN),
        ("Connect me.", OPEN),
        ("How much?", OPEN),
        ("My order is four two seven", DICTATED),
        ("It is 4271.", DICTATED),
        ("My phone number is zero five zero.", LEADS_ON),
        ("My phone number is zero five zero three one two four five six seven.", WHOLE),
        ("The size is one nine five sixty five fifteen.", 1.0),
        ("Can I come on Friday at half past three?", 1.0),
        ("What are your opening hours?", WHOLE),
        ("I need some help with my last order.", WHOLE),
        ("Where is my order?", 1.0),
        ("", 1.0),
    ],
)
def test_the_wait_depends_on_what_was_said(text: str, factor: float) -> None:
    assert wait_factor(text) == factor


def test_the_wait_depends_on_what_was_asked() -> None:
    assert wait_factor("zero five zero", "And what phone number should I put on it?") == LEADS_ON
    assert wait_factor("0503124567", "And what phone number should I put on it?") == WHOLE
    assert wait_factor("Four.", "How many would you like?") == 1.0
    assert wait_factor("Four.", "What is your order number?") == LEADS_ON
    assert wait_factor("Tomorrow.", "Which day would you like?") == 1.0
    assert wait_factor("Tomorrow.", "Hello, how can I help?") == OPEN


def test_a_voice_that_does_not_fall_has_more_to_say() -> None:
    assert wait_factor("What are your opening hours?", broke_off=True) == OPEN
    assert wait_factor("Connect me.", broke_off=True) == LEADS_ON


def test_a_language_without_rules_waits_as_long_as_the_settings_say() -> None:
    assert wait_factor("Ich möchte", language="de") == 1.0


def test_the_fall_of_the_voice_is_told_in_the_pause() -> None:
    for levels, broke_off in (((-26.0, -30.0, -34.0), False), ((-15.0, -16.0, -15.0), True)):
        found = detector()
        feed(found, 0.5, 0.9, LOUD)
        for level in levels:
            found.feed(0.9, level)
        assert [turn for turn, _ in feed(found, 0.128, 0.1, SILENT)] == [Turn.PAUSE]
        assert found.broke_off is broke_off


def test_sound_at_the_end_of_the_silence_may_be_the_caller_going_on() -> None:
    found = detector()
    feed(found, 1.0, 0.9, LOUD)
    feed(found, 0.48, 0.02, SILENT)
    assert not feed(found, 0.096, 0.2, LOUD), "voice activity has not noticed it yet"
    assert [turn for turn, _ in feed(found, 0.1, 0.9, LOUD)] == [Turn.RESUME]


def test_sound_that_is_no_speech_delays_the_end_for_a_moment_only() -> None:
    found = detector()
    feed(found, 1.0, 0.9, LOUD)
    feed(found, 0.48, 0.02, SILENT)
    assert [turn for turn, _ in feed(found, 0.3, 0.2, LOUD)] == [Turn.ENDPOINT]


@pytest.mark.parametrize(
    ("text", "asked", "murmur"),
    [
        ("Uh-huh.", "We have four in that size.", True),
        ("Mm-hmm.", "We have four in that size.", True),
        ("Okay, I see.", "We have four in that size.", True),
        ("Yes.", "Shall I order them?", False),
        ("Yes.", "We have four in that size.", True),
        ("No.", "We have four in that size.", False),
        ("Wait.", "We have four in that size.", False),
        ("Okay but how much is it?", "We have four in that size.", False),
        ("", "We have four in that size.", False),
    ],
)
def test_a_murmur_takes_no_turn(text: str, asked: str, murmur: bool) -> None:
    assert is_murmur(text, asked) is murmur


def test_murmurs_in_other_languages() -> None:
    assert is_murmur("Угу, да.", "", "ru")
    assert is_murmur("Ага, зрозуміло.", "", "uk")
    assert not is_murmur("Uh-huh.", "", "de")


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
