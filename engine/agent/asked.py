"""What the agent asked last, told from its own words, whoever chose them."""

from __future__ import annotations

import re
from enum import Enum


class Asked(Enum):
    """What the agent asked for last."""

    NOTHING = "nothing"
    SIZE = "size"
    DIAMETER = "diameter"
    ORDER_NUMBER = "order_number"
    PRODUCT = "product"
    QUANTITY = "quantity"
    PHONE = "phone"
    CONNECT = "connect"
    """Shall I connect you?"""
    BUY = "buy"
    """Shall I order it?"""
    ELSE = "else"
    """Anything else?"""
    OTHER = "other"


def _p(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


# The last question of an answer decides; earlier patterns win.
_ASKED: tuple[tuple[Asked, re.Pattern[str]], ...] = (
    (Asked.CONNECT, _p(r"\b(?:connect|transfer|put)\b.*\b(?:you|colleague|operator|person|someone)\b")),
    (Asked.ELSE, _p(r"\b(?:anything|something) else\b|what else\b")),
    (Asked.DIAMETER, _p(r"\bdiameter\b|\bnumber after the r\b|\brim\b")),
    (Asked.ORDER_NUMBER, _p(r"\border(?:'s)? (?:number|no\b|id)|\bnumber of (?:your|the) order")),
    (
        Asked.PHONE,
        _p(
            r"\b(?:phone|telephone|mobile|contact|cell)\b|"
            r"\bnumber (?:to|can|should|may|shall) (?:we|i|reach|call)"
        ),
    ),
    (Asked.QUANTITY, _p(r"\bhow many\b|\bquantity\b|\bnumber of tyres\b")),
    (
        Asked.BUY,
        _p(
            r"\b(?:shall|should|can|may) i (?:order|reserve|put|note|place|add|book)\b|"
            r"\b(?:would you like|want|like)\b[^?]{0,20}\b(?:to order|to buy|me to order|it|them|one|these|those)\b|"
            r"\border (?:it|them|some|those)\b|\bplace (?:the|an) order\b"
        ),
    ),
    (Asked.SIZE, _p(r"\bsize\b|\bside of the tyre\b|\bwidth\b")),
    (
        Asked.PRODUCT,
        _p(
            r"\bwhich (?:one|tyre|tire|product|model|of)\b|\bproduct (?:code|number)\b|"
            r"\bwhich would you\b"
        ),
    ),
)
ABOUT_BUYING = _p(r"\b(?:on|for) the order\b|\bto (?:the|your) order\b|\border it\b|\bhow many would you\b")


def asked_by(answer: str) -> Asked:
    """What the last question of ``answer`` asks for."""
    if "?" not in answer and not re.search(r"\b(?:please|tell me|give me|need)\b", answer, re.IGNORECASE):
        return Asked.NOTHING
    sentences = re.split(r"(?<=[.?!])\s+", answer)
    questions = [sentence for sentence in sentences if sentence.endswith("?")] or sentences[-1:]
    for text in (questions[-1], answer):
        for asked, pattern in _ASKED:
            if pattern.search(text):
                return asked
    return Asked.OTHER
