"""What one turn of a caller is about, as far as the words of any telephone call tell."""

from __future__ import annotations

import re
from enum import StrEnum

from engine.agent import talk_words as words
from engine.agent.grounding import is_assent, is_dissent


class Talk(StrEnum):
    """What a turn is about. A job of the playbook has the name of its form instead."""

    ATTACK = "attack"
    """Instructions to the machine instead of words to a business."""
    PRIVATE = "private"
    """Somebody else's data."""
    OPERATOR = "operator"
    COMPLAINT = "complaint"
    GOODBYE = "goodbye"
    THANKS = "thanks"
    GREETING = "greeting"
    REPEAT = "repeat"
    WAIT = "wait"
    WHO = "who"
    """Whether this is a machine."""
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """"I don't know" to what was asked."""
    DROP = "drop"
    """"Never mind" to the job under way."""
    CALL_BACK = "call_back"
    KNOWLEDGE = "knowledge"
    UNCLEAR = "unclear"


def people(text: str, complaint: re.Pattern[str] | None = None) -> dict[str, float]:
    """How much speaks for a person being wanted, or for a complaint. ``complaint``: more words for one."""
    found: dict[str, float] = {}
    if words.OPERATOR.search(text) and not words.ABOUT_THINGS.search(text):
        found[Talk.OPERATOR] = 4.0
    if words.COMPLAINT.search(text) or (complaint is not None and complaint.search(text)):
        found[Talk.COMPLAINT] = 3.6
    return found


def small_talk(text: str, greeting: frozenset[str] = frozenset()) -> Talk | None:
    """Turns that are about the talk itself. ``greeting``: more words that a mere greeting may hold."""
    spoken = re.findall(r"[\w']+", text.lower())
    if words.WHO.search(text):
        return Talk.WHO
    if words.REPEAT.search(text) and len(spoken) <= 10:
        return Talk.REPEAT
    if words.GOODBYE.search(text) and len(spoken) <= 12:
        return Talk.GOODBYE
    if words.WAIT.search(text) and len(spoken) <= 9:
        return Talk.WAIT
    if words.THANKS.search(text) and len(spoken) <= 8:
        return Talk.NO if words.NO.search(text) else Talk.THANKS
    if words.GREETING.search(text) and all(word in words.GREETING_WORDS or word in greeting for word in spoken):
        return Talk.GREETING
    return None


def yes_or_no(text: str) -> Talk:
    """A yes or a no where nothing else was said; UNCLEAR where it is neither."""
    short = len(text.split()) <= 6
    if words.NO.search(text) or (is_dissent(text) and short):
        return Talk.NO
    if words.YES.search(text) or (is_assent(text) and short):
        return Talk.YES
    return Talk.UNCLEAR
