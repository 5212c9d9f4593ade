"""Where a conversation stands, told from its messages alone: what was wanted, what was said, what was asked last."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from engine.agent import intents
from engine.agent.fuzzy import find_names
from engine.agent.grounding import SEASON_WORDS, is_assent, is_dissent
from engine.agent.intents import Clues, Intent
from engine.agent.numbers import (
    TyreSize,
    has_impossible_size,
    number_runs,
    partial_size,
    phone_numbers,
    plausible_diameter,
    product_codes,
    tyre_sizes,
)
from engine.agent.playbook import Playbook
from engine.agent.ports import Message
from engine.agent.quantities import quantities


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
    (Asked.PHONE, _p(r"\b(?:phone|telephone|mobile|contact|cell)\b|\bnumber (?:to|can|should|may|shall) (?:we|i|reach|call)")),
    (Asked.QUANTITY, _p(r"\bhow many\b|\bquantity\b|\bnumber of tyres\b")),
    (Asked.BUY, _p(r"\b(?:shall|should|can|may) i (?:order|reserve|put|note|place|add|book)\b|\b(?:would you like|want|like)\b"
                   r"[^?]{0,20}\b(?:to order|to buy|me to order|it|them|one|these|those)\b|\border (?:it|them|some|those)\b|"
                   r"\bplace (?:the|an) order\b")),
    (Asked.SIZE, _p(r"\bsize\b|\bside of the tyre\b|\bwidth\b")),
    (Asked.PRODUCT, _p(r"\bwhich (?:one|tyre|tire|product|model|of)\b|\bproduct (?:code|number)\b|\bwhich would you\b")),
)  # fmt: skip
_ABOUT_BUYING = _p(r"\b(?:on|for) the order\b|\bto (?:the|your) order\b|\border it\b|\bhow many would you\b")


@dataclass(frozen=True, slots=True)
class Offer:
    """A product that the agent named."""

    id: str
    brand: str = ""
    model: str = ""
    price: str = ""
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Slots:
    """What the caller said so far."""

    size: TyreSize | None = None
    partial: tuple[int, int] | None = None
    season: str = ""
    brand: str = ""
    order_number: str = ""
    product: str = ""
    quantity: int | None = None
    phone: str = ""
    phone_part: str = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """A tool's answer that was not spoken of yet."""

    name: str
    arguments: dict[str, Any]
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a decision needs."""

    text: str = ""
    """The caller's last turn."""
    intent: Intent = Intent.UNCLEAR
    topic: Intent = Intent.UNCLEAR
    """What the conversation is about; small talk does not change it."""
    asked: Asked = Asked.NOTHING
    """What was asked before the last turn."""
    slots: Slots = field(default_factory=Slots)
    offers: tuple[Offer, ...] = ()
    question: str = ""
    """The last question for the knowledge base, in full."""
    answer: str = ""
    """What the agent said last."""
    new_size_failed: bool = False
    """The last turn held a size that cannot exist."""
    results: tuple[ToolResult, ...] = ()
    unclear_turns: int = 0
    """How many turns in a row were not understood, this one included."""


def read(messages: Sequence[Message], playbook: Playbook) -> Situation:
    """Follows the conversation turn by turn."""
    situation = Situation()
    calls: dict[str, tuple[str, str]] = {}
    spoken = ""
    for message in messages:
        if message.role == "user":
            situation = _heard(replace(situation, answer=spoken or situation.answer), message.content, spoken, playbook)
            spoken = ""
        elif message.role == "assistant":
            spoken = f"{spoken} {message.content}".strip() if message.content else spoken
            calls.update({call.id: (call.name, call.arguments) for call in message.tool_calls})
        elif message.role == "tool":
            situation = _answered(situation, message, calls)
    return replace(situation, answer=spoken or situation.answer)


def _answered(situation: Situation, message: Message, calls: dict[str, tuple[str, str]]) -> Situation:
    name, arguments = calls.get(message.tool_call_id, ("", "{}"))
    result = ToolResult(name, _object(arguments), _object(message.content))
    offers = situation.offers
    if result.content.get("ok") and name == "search_tires":
        offers = tuple(_offer(item) for item in result.content.get("tires", ()) if isinstance(item, dict))
    return replace(situation, results=(*situation.results, result), offers=offers)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _offer(item: dict[str, Any]) -> Offer:
    names = ("id", "brand", "model", "price", "currency")
    return Offer(*(str(item.get(name, "")) for name in names))


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


def _heard(before: Situation, text: str, spoken: str, playbook: Playbook) -> Situation:
    """One more turn of the caller."""
    asked = asked_by(spoken) if spoken else Asked.NOTHING
    topic = before.topic
    if asked in {Asked.QUANTITY, Asked.BUY, Asked.PHONE} and (_ABOUT_BUYING.search(spoken) or asked is not Asked.PHONE):
        topic = Intent.DRAFT
    before = replace(before, offers=_named(before.offers, spoken, playbook), topic=topic)
    clues = _clues(text, playbook, asked)
    intent = _intent(before, text, asked, clues)
    slots = _filled(before, text, asked, intent, playbook)
    if intent in _TOPICS:
        topic = intent
    question = before.question
    if intent is Intent.KNOWLEDGE:
        follows = bool(intents.FOLLOW_UP.search(text)) and len(text.split()) <= 6 and before.topic is Intent.KNOWLEDGE
        question = f"{before.question} {text}" if follows else text
    return replace(
        before,
        text=text,
        intent=intent,
        topic=topic,
        asked=asked,
        slots=slots,
        question=question,
        new_size_failed=clues.size_like and not clues.has_size,
        results=(),
        unclear_turns=before.unclear_turns + 1 if intent is Intent.UNCLEAR else 0,
    )


_TOPICS = frozenset({Intent.TYRES, Intent.ORDER_STATUS, Intent.DRAFT, Intent.KNOWLEDGE, Intent.AVAILABILITY})


def _named(offers: tuple[Offer, ...], spoken: str, playbook: Playbook) -> tuple[Offer, ...]:
    """Offers known from tools, or from what the agent said where no tool result is at hand."""
    codes = product_codes(spoken)
    if not codes or {offer.id for offer in offers} & set(codes):
        return offers
    brands = find_names(spoken, playbook.brands)
    return tuple(
        Offer(code, brands[index] if len(brands) == len(codes) else "")
        for index, code in enumerate(dict.fromkeys(codes))
    )


def _season(text: str) -> str:
    """The season wanted; the one said last where there are several, those after a "not" left out."""
    kept = re.sub(r"\bnot\s+(?:the\s+|for\s+)?(?:winter|summer|all[\s-]season)\w*", " ", text, flags=re.IGNORECASE)
    if SEASON_WORDS["all_season"].search(kept):
        return "all_season"
    last = [(match.start(), name) for name in ("winter", "summer") for match in SEASON_WORDS[name].finditer(kept)]
    return max(last)[1] if last else ""


def _clues(text: str, playbook: Playbook, asked: Asked) -> Clues:
    return Clues(
        has_size=bool(tyre_sizes(text)),
        size_like=has_impossible_size(text, expected=asked in {Asked.SIZE, Asked.DIAMETER}),
        has_code=bool(product_codes(text)),
        has_brand=bool(find_names(text, playbook.brands)),
        has_season=bool(_season(text)),
        has_quantity=bool(quantities(text)),
        has_phone=bool(phone_numbers(text)),
    )


def _intent(before: Situation, text: str, asked: Asked, clues: Clues) -> Intent:
    if intents.ATTACK.search(text):
        return Intent.ATTACK
    if intents.PRIVATE.search(text):
        return Intent.PRIVATE
    found = intents.scores(text, clues)
    strong = max(found.values(), default=0.0)
    talk = intents.small_talk(text)
    if talk is not None and strong < 2.0:
        return talk
    if talk is Intent.REPEAT and not clues.has_code and not clues.has_size and strong < 3.0:
        return talk
    if (strong < 2.0 or (intents.YES.search(text) and strong < 2.4)) and _answers(text, asked, clues, before):
        return _topic_of(asked, before)
    for intent, weight in _context(before, text, asked, clues).items():
        found[intent] = found.get(intent, 0.0) + weight
    if talk is Intent.GOODBYE and strong < 3.0 and not clues.has_code:
        return talk
    if not found or max(found.values()) < 1.0:
        return _yes_or_no(text)
    return max(found.items(), key=lambda entry: entry[1])[0]


def _yes_or_no(text: str) -> Intent:
    if intents.NO.search(text) or (is_dissent(text) and len(text.split()) <= 6):
        return Intent.NO
    if intents.YES.search(text) or (is_assent(text) and len(text.split()) <= 6):
        return Intent.YES
    return Intent.UNCLEAR


def _answers(text: str, asked: Asked, clues: Clues, before: Situation) -> bool:
    """Whether a turn answers what was asked, without words of its own that mean something else."""
    digits = "".join(run.digits for run in number_runs(text))
    match asked:
        case Asked.SIZE:
            return clues.has_size or clues.size_like or partial_size(text) is not None or len(digits) >= 2
        case Asked.DIAMETER:
            return bool(digits)
        case Asked.ORDER_NUMBER:
            return bool(digits)
        case Asked.PHONE:
            return len(digits) >= 3
        case Asked.QUANTITY:
            return clues.has_quantity or bool(digits)
        case Asked.PRODUCT:
            return clues.has_code or _choice(text, before.offers) != ""
        case Asked.BUY:
            return clues.has_quantity or clues.has_code or (is_assent(text) and bool(before.offers))
        case _:
            return False


def _topic_of(asked: Asked, before: Situation) -> Intent:
    if asked is Asked.ORDER_NUMBER:
        return Intent.ORDER_STATUS
    if asked in {Asked.SIZE, Asked.DIAMETER}:
        return Intent.TYRES
    return Intent.DRAFT


def _context(before: Situation, text: str, asked: Asked, clues: Clues) -> dict[Intent, float]:
    """What the conversation so far adds to the words."""
    added: dict[Intent, float] = {}
    if before.topic is Intent.TYRES and (
        clues.has_season or clues.has_brand or intents.SAME.search(text) or clues.has_size or clues.size_like
    ):
        added[Intent.TYRES] = 1.4
    if (
        before.topic in {Intent.DRAFT, Intent.TYRES}
        and before.offers
        and (clues.has_code or _choice(text, before.offers))
    ):
        added[Intent.DRAFT] = 1.4
    if before.topic is Intent.DRAFT and (clues.has_quantity or clues.has_phone or clues.has_code):
        added[Intent.DRAFT] = added.get(Intent.DRAFT, 0.0) + 1.4
    if before.topic is Intent.ORDER_STATUS and len("".join(run.digits for run in number_runs(text))) >= 3:
        added[Intent.ORDER_STATUS] = 1.4
    if before.topic is Intent.KNOWLEDGE and intents.FOLLOW_UP.search(text) and len(text.split()) <= 6:
        added[Intent.KNOWLEDGE] = 1.6
    if clues.has_code and not intents.scores(text, clues):
        added[Intent.DRAFT] = added.get(Intent.DRAFT, 0.0) + 1.2
    return added


_ORDINALS = (
    (0, _p(r"\b(?:first|former|1st|number one)\b")),
    (1, _p(r"\b(?:second|2nd|number two|latter|other)\b")),
    (2, _p(r"\b(?:third|3rd|number three)\b")),
    (-1, _p(r"\blast\b")),
)


def _choice(text: str, offers: Sequence[Offer]) -> str:
    """The id of the offered product that the caller means, empty where it is not clear."""
    if not offers:
        return ""
    for index, pattern in _ORDINALS:
        if pattern.search(text) and -len(offers) <= index < len(offers):
            return offers[index].id
    if re.search(r"\bcheap\w*|\bleast expensive\b|\blowest\b", text, re.IGNORECASE):
        return min(offers, key=lambda offer: float(offer.price or "inf")).id
    for attribute in ("model", "brand"):
        names = {getattr(offer, attribute) for offer in offers} - {""}
        said = find_names(text, names)
        meant = [offer for offer in offers if getattr(offer, attribute) in said]
        if len(meant) == 1:
            return meant[0].id
    return ""


def _filled(before: Situation, text: str, asked: Asked, intent: Intent, playbook: Playbook) -> Slots:
    slots = before.slots
    if intent in {Intent.ATTACK, Intent.PRIVATE, Intent.KNOWLEDGE, Intent.COMPLAINT, Intent.OPERATOR}:
        return slots
    slots = _tyre_slots(slots, text, asked, playbook)
    if intent is Intent.ORDER_STATUS:
        slots = replace(slots, order_number=_order_number(text))
    if intent in {Intent.DRAFT, Intent.AVAILABILITY, Intent.TYRES, Intent.YES, Intent.UNCLEAR}:
        slots = _draft_slots(before, slots, text, asked, intent, playbook)
    return slots


def _tyre_slots(slots: Slots, text: str, asked: Asked, playbook: Playbook) -> Slots:
    sizes = tyre_sizes(text)
    if sizes:
        slots = replace(slots, size=sizes[-1], partial=None)
    elif asked in {Asked.SIZE, Asked.DIAMETER} or slots.size is None:
        slots = _partly(slots, text, asked)
    season = _season(text)
    if season:
        slots = replace(slots, season=season)
    elif re.search(r"\bany season\b|\bseason does(?:n't| not) matter\b", text, re.IGNORECASE):
        slots = replace(slots, season="")
    brands = find_names(text, playbook.brands)
    if len(brands) == 1:
        slots = replace(slots, brand=brands[0])
    elif len(brands) > 1 or re.search(r"\b(?:any|other|another|different) (?:brand|make|maker|one)s?\b", text, re.I):
        slots = replace(slots, brand="")
    return slots


def _partly(slots: Slots, text: str, asked: Asked) -> Slots:
    """A size said in two parts."""
    partial = partial_size(text)
    if partial is not None:
        return replace(slots, partial=partial, size=None)
    runs = [run.digits for run in number_runs(text)]
    if slots.partial is not None and asked in {Asked.SIZE, Asked.DIAMETER} and runs:
        last = runs[-1]
        if len(last) == 2 and plausible_diameter(int(last)):
            return replace(slots, size=TyreSize(*slots.partial, int(last)), partial=None)
    return slots


def _order_number(text: str) -> str:
    """The digits that follow the word "order", else the first run that may be one; empty where there is none."""
    runs = [run for run in number_runs(text) if 3 <= len(run.digits) <= 12]
    word = re.search(r"\b(?:order|number)\b", text, re.IGNORECASE)
    after = [run for run in runs if word is not None and run.start >= word.end()]
    chosen = (after or runs)[:1]
    if chosen:
        return chosen[0].digits
    codes = [re.sub(r"\D", "", code) for code in product_codes(text)]
    return codes[0] if codes else ""


def _draft_slots(before: Situation, slots: Slots, text: str, asked: Asked, intent: Intent, playbook: Playbook) -> Slots:
    product = _product(before, text, intent, playbook)
    if product:
        slots = replace(slots, product=product)
    if asked is Asked.PHONE or intent is not Intent.TYRES:
        slots = _phone(slots, text, asked)
    counts = quantities(text)
    if counts and asked is not Asked.PHONE:
        slots = replace(slots, quantity=counts[-1] if asked is Asked.QUANTITY else counts[0])
    elif asked is Asked.QUANTITY:
        runs = [run.digits for run in number_runs(text) if len(run.digits) <= 4]
        if len(runs) == 1:
            slots = replace(slots, quantity=int(runs[0]))
    return slots


def _product(before: Situation, text: str, intent: Intent, playbook: Playbook) -> str:
    codes = product_codes(text)
    if codes:
        return codes[-1]
    prefix = playbook.product_prefix
    bare = re.search(r"\b(?:product|item|article|code)\b", text, re.IGNORECASE)
    if prefix and bare is not None:
        runs = [run.digits for run in number_runs(text) if run.start >= bare.end() and 3 <= len(run.digits) <= 6]
        if runs:
            return f"{prefix}-{runs[0]}"
    if intent is Intent.TYRES:
        return ""
    chosen = _choice(text, before.offers)
    if chosen:
        return chosen
    return before.offers[0].id if len(before.offers) == 1 else ""


def _phone(slots: Slots, text: str, asked: Asked) -> Slots:
    numbers = phone_numbers(text)
    if numbers and not (tyre_sizes(text) and len(numbers[-1]) == 7):
        whole = slots.phone_part + numbers[-1]
        joined = slots.phone_part and 9 <= len(whole) <= 13 and len(numbers[-1]) < 9
        return replace(slots, phone=whole if joined else numbers[-1], phone_part="")
    if asked is not Asked.PHONE:
        return slots
    digits = "".join(run.digits for run in number_runs(text))
    whole = slots.phone_part + digits
    if 7 <= len(whole) <= 15 and slots.phone_part:
        return replace(slots, phone=whole, phone_part="")
    return replace(slots, phone_part=whole if len(whole) < 7 else "")
