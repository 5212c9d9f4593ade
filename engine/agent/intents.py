"""What a caller wants, by the words used: patterns with weights, the context of the conversation, highest sum wins.

The words themselves stand in ``intent_words``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from engine.agent import intent_words as words


class Intent(Enum):
    """What one turn of a caller is about."""

    ATTACK = "attack"
    """Instructions to the machine instead of words to a shop."""
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
    TYRES = "tyres"
    AVAILABILITY = "availability"
    ORDER_STATUS = "order_status"
    DRAFT = "draft"
    CHANGE = "change"
    """Of an order that exists."""
    APPOINTMENT = "appointment"
    PRICE = "price"
    KNOWLEDGE = "knowledge"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Clues:
    """What besides the words speaks for an intent."""

    has_size: bool = False
    size_like: bool = False
    """Numbers in the shape of a size that cannot exist."""
    has_code: bool = False
    has_brand: bool = False
    has_season: bool = False
    has_quantity: bool = False
    has_phone: bool = False
    names_order: bool = False
    """A number of three digits or more stands right after the word "order"."""


def topics(text: str) -> list[str]:
    """The knowledge topics that ``text`` touches."""
    return [name for name, pattern in words.KNOWLEDGE_TOPICS.items() if pattern.search(text)]


def _knowledge(text: str, clues: Clues, *, question: bool) -> float:
    touched = topics(text)
    if not touched:
        return 0.0
    score = 1.2 + 0.6 * (len(touched) - 1)
    if question:
        score += 1.2
    if any(topic in words.STRONG_TOPICS for topic in touched):
        score += 0.6
    if any(topic in words.FIRM_TOPICS for topic in touched):
        score += 1.0  # also where it is said of an order: "return the goods I bought"
    if words.OWN_THINGS.search(text):
        score += 0.6  # what one has already is not what one wants to buy
    if clues.has_size and "storage" not in touched:
        score -= 2.0
    return score


def scores(text: str, clues: Clues) -> dict[Intent, float]:
    """Weight of each intent that any pattern speaks for."""
    found = {**_people(text), **_orders(text, clues)}
    tyres = _tyres(text, clues)
    if tyres:
        found[Intent.TYRES] = tyres
    if words.STOCK.search(text) and clues.has_code:
        found[Intent.AVAILABILITY] = 3.0
    if words.PRICE.search(text) or words.CHEAPER.search(text):
        found[Intent.PRICE] = 1.4
    knowledge = _knowledge(text, clues, question=bool(words.QUESTION.search(text)))
    if knowledge > 0:
        found[Intent.KNOWLEDGE] = max(knowledge, found.get(Intent.KNOWLEDGE, 0.0))
    return found


def _people(text: str) -> dict[Intent, float]:
    found: dict[Intent, float] = {}
    if words.OPERATOR.search(text) and not words.ABOUT_THINGS.search(text):
        found[Intent.OPERATOR] = 4.0
    if words.COMPLAINT.search(text):
        found[Intent.COMPLAINT] = 3.6
    return found


def _orders(text: str, clues: Clues) -> dict[Intent, float]:
    found: dict[Intent, float] = {}
    if words.STATUS.search(text):
        found[Intent.ORDER_STATUS] = 2.2 + (0.5 if words.MINE.search(text) else 0.0)
    if clues.names_order and not clues.has_code:
        found[Intent.ORDER_STATUS] = max(found.get(Intent.ORDER_STATUS, 0.0), 2.2) + 0.6
    if words.BUY.search(text) and not words.CHECKING.search(text):
        found[Intent.DRAFT] = 2.4 + (1.0 if clues.has_code else 0.0)
    elif clues.has_code and (clues.has_quantity or clues.has_phone):
        found[Intent.DRAFT] = 2.6
    if words.CHANGE.search(text):
        found[Intent.CHANGE] = 3.4
        if words.IN_GENERAL.search(text):
            found[Intent.KNOWLEDGE] = 3.6  # whether it can be done, not that it be done
    if words.APPOINTMENT.search(text):
        found[Intent.APPOINTMENT] = 3.0
    return found


def _tyres(text: str, clues: Clues) -> float:
    score = 2.4 if clues.has_size or clues.size_like else 0.0
    if words.WANTS_TYRES.search(text):
        score += 1.6
    if not score and (clues.has_brand or clues.has_season or words.CARS.search(text)):
        score = 1.0
    if words.STOCK.search(text) and not clues.has_code and score:
        score += 1.0
    return score


def small_talk(text: str) -> Intent | None:
    """Turns that are about the talk itself."""
    spoken = re.findall(r"[\w']+", text.lower())
    if words.WHO.search(text):
        return Intent.WHO
    if words.REPEAT.search(text) and len(spoken) <= 10:
        return Intent.REPEAT
    if words.GOODBYE.search(text) and len(spoken) <= 12:
        return Intent.GOODBYE
    if words.WAIT.search(text) and len(spoken) <= 9:
        return Intent.WAIT
    if words.THANKS.search(text) and len(spoken) <= 8:
        return Intent.NO if words.NO.search(text) else Intent.THANKS
    if words.GREETING.search(text) and all(word in words.GREETING_WORDS for word in spoken):
        return Intent.GREETING
    return None
