"""What a caller of the tyre shop wants, by the words used: patterns with weights, the highest sum wins.

The words themselves stand in ``words``.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.agent import talk_words as talk
from engine.agent.talk import Talk
from engine.playbooks.tyre_shop import words

PRICE = "price"
"""What the tyres named before cost."""
CHANGE = "change_order"
"""Of an order that exists."""


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


def scores(text: str, clues: Clues) -> dict[str, float]:
    """Weight of each intent that any pattern speaks for."""
    found = _orders(text, clues)
    tyres = _tyres(text, clues)
    if tyres:
        found["tyres"] = tyres
    if words.STOCK.search(text) and clues.has_code:
        found["availability"] = 3.0
    if words.PRICE.search(text) or words.CHEAPER.search(text):
        found[PRICE] = 1.4
    knowledge = _knowledge(text, clues, question=bool(talk.QUESTION.search(text)))
    if knowledge > 0:
        found[Talk.KNOWLEDGE] = max(knowledge, found.get(Talk.KNOWLEDGE, 0.0))
    return found


def _orders(text: str, clues: Clues) -> dict[str, float]:
    found: dict[str, float] = {}
    if words.STATUS.search(text):
        found["order_status"] = 2.2 + (0.5 if words.MINE.search(text) else 0.0)
    if clues.names_order and not clues.has_code:
        found["order_status"] = max(found.get("order_status", 0.0), 2.2) + 0.6
    if words.BUY.search(text) and not words.CHECKING.search(text):
        found["draft"] = 2.4 + (1.0 if clues.has_code else 0.0)
    elif clues.has_code and (clues.has_quantity or clues.has_phone):
        found["draft"] = 2.6
    if words.CHANGE.search(text):
        found[CHANGE] = 3.4
        if talk.IN_GENERAL.search(text):
            found[Talk.KNOWLEDGE] = 3.6  # whether it can be done, not that it be done
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
