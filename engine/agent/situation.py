"""Where a conversation stands, told from its messages alone: what was wanted, what was said, what was asked last."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.agent import intent_words as words
from engine.agent import intents
from engine.agent.asked import ABOUT_BUYING, Asked, asked_by
from engine.agent.fuzzy import find_names
from engine.agent.grounding import is_assent, is_dissent
from engine.agent.intents import Clues, Intent
from engine.agent.numbers import (
    has_impossible_size,
    number_runs,
    partial_size,
    phone_numbers,
    product_codes,
    tyre_sizes,
)
from engine.agent.playbook import Playbook
from engine.agent.ports import Message
from engine.agent.quantities import quantities
from engine.agent.slots import Offer, Slots, choice, filled, season_of


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


_LONGEST_TURN = 600
"""Characters of one turn that are looked at, its end: patterns take their time on more."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """How far a conversation was read."""

    situation: Situation
    calls: Mapping[str, tuple[str, str]]
    spoken: str
    """What the agent said since the caller's last turn."""


class SituationReader:
    """Follows conversations of one playbook turn by turn.

    Everything is told from the messages; what was read before is only kept (for the last conversations) so that a long
    one is not read from its start at each turn.
    """

    def __init__(self, playbook: Playbook, *, kept: int = 256) -> None:
        self._playbook = playbook
        self._kept = kept
        self._readings: OrderedDict[tuple[Message, ...], _Reading] = OrderedDict()

    def read(self, messages: Sequence[Message]) -> Situation:
        """Where the conversation stands after ``messages``."""
        messages = tuple(messages)
        turns = [index + 1 for index, message in enumerate(messages) if message.role == "user"]
        start, reading = 0, _Reading(Situation(), {}, "")
        for length in reversed(turns):
            known = self._readings.get(messages[:length])
            if known is not None:
                start, reading = length, known
                break
        for index in range(start, len(messages)):
            reading = self._next(reading, messages[index])
            if messages[index].role == "user":
                self._keep(messages[: index + 1], reading)
        return replace(reading.situation, answer=reading.spoken or reading.situation.answer)

    def _keep(self, messages: tuple[Message, ...], reading: _Reading) -> None:
        self._readings[messages] = reading
        while len(self._readings) > self._kept:
            self._readings.popitem(last=False)

    def _next(self, reading: _Reading, message: Message) -> _Reading:
        situation, calls, spoken = reading.situation, reading.calls, reading.spoken
        if message.role == "user":
            before = replace(situation, answer=spoken or situation.answer)
            return _Reading(_heard(before, message.content[-_LONGEST_TURN:], spoken, self._playbook), calls, "")
        if message.role == "assistant":
            made = {call.id: (call.name, call.arguments) for call in message.tool_calls}
            spoken = f"{spoken} {message.content}".strip() if message.content else spoken
            return _Reading(situation, {**calls, **made}, spoken)
        if message.role == "tool":
            return _Reading(_answered(situation, message, calls), calls, spoken)
        return reading


def _answered(situation: Situation, message: Message, calls: Mapping[str, tuple[str, str]]) -> Situation:
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


def _heard(before: Situation, text: str, spoken: str, playbook: Playbook) -> Situation:
    """One more turn of the caller."""
    asked = asked_by(spoken) if spoken else Asked.NOTHING
    topic = before.topic
    if asked in {Asked.QUANTITY, Asked.BUY, Asked.PHONE} and (ABOUT_BUYING.search(spoken) or asked is not Asked.PHONE):
        topic = Intent.DRAFT
    before = replace(before, offers=_named(before.offers, spoken, playbook), topic=topic)
    clues = _clues(text, playbook, asked)
    intent = _intent(before, text, asked, clues)
    slots = filled(before.slots, before.offers, text, asked, intent, playbook)
    if intent in _TOPICS:
        topic = intent
    question = before.question
    if intent is Intent.KNOWLEDGE:
        follows = bool(words.FOLLOW_UP.search(text)) and len(text.split()) <= 6 and before.topic is Intent.KNOWLEDGE
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


def _clues(text: str, playbook: Playbook, asked: Asked) -> Clues:
    return Clues(
        has_size=bool(tyre_sizes(text)),
        size_like=has_impossible_size(text, expected=asked in {Asked.SIZE, Asked.DIAMETER}),
        has_code=bool(product_codes(text)),
        has_brand=bool(find_names(text, playbook.brands)),
        has_season=bool(season_of(text)),
        has_quantity=bool(quantities(text)),
        has_phone=bool(phone_numbers(text)),
        names_order=bool(words.ORDER_DIGITS.search(text))
        or any(
            len(run.digits) >= 3
            and words.ORDER_BEFORE.search(text[: run.start])
            and not words.COUNTED_AFTER.search(text[run.end :])
            for run in number_runs(text)
        ),
    )


def _intent(before: Situation, text: str, asked: Asked, clues: Clues) -> Intent:
    if words.ATTACK.search(text):
        return Intent.ATTACK
    if words.PRIVATE.search(text):
        return Intent.PRIVATE
    found = intents.scores(text, clues)
    strong = max(found.values(), default=0.0)
    talk = intents.small_talk(text)
    if talk is not None and strong < 2.0:
        return talk
    if talk is Intent.REPEAT and not clues.has_code and not clues.has_size and strong < 3.0:
        return talk
    if (strong < 2.0 or (words.YES.search(text) and strong < 2.4)) and _answers(text, asked, clues, before):
        return _topic_of(asked, before)
    for intent, weight in _context(before, text, asked, clues).items():
        found[intent] = found.get(intent, 0.0) + weight
    if talk is Intent.GOODBYE and strong < 3.0 and not clues.has_code:
        return talk
    if not found or max(found.values()) < 1.0:
        return _yes_or_no(text)
    return max(found.items(), key=lambda entry: entry[1])[0]


def _yes_or_no(text: str) -> Intent:
    if words.NO.search(text) or (is_dissent(text) and len(text.split()) <= 6):
        return Intent.NO
    if words.YES.search(text) or (is_assent(text) and len(text.split()) <= 6):
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
            return bool(digits) or bool(words.SAME_PHONE.search(text))
        case Asked.QUANTITY:
            return clues.has_quantity or bool(digits)
        case Asked.PRODUCT:
            return clues.has_code or choice(text, before.offers) != ""
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
        clues.has_season
        or clues.has_brand
        or words.SAME.search(text)
        or clues.has_size
        or clues.size_like
        or partial_size(text)
    ):
        added[Intent.TYRES] = 1.4
    if (
        before.topic in {Intent.DRAFT, Intent.TYRES}
        and before.offers
        and (clues.has_code or choice(text, before.offers))
    ):
        added[Intent.DRAFT] = 1.4
    if before.topic is not Intent.DRAFT and before.offers and (clues.has_quantity or clues.has_phone):
        added[Intent.DRAFT] = added.get(Intent.DRAFT, 0.0) + 1.2
    if before.topic is Intent.DRAFT and (clues.has_quantity or clues.has_phone or clues.has_code):
        added[Intent.DRAFT] = added.get(Intent.DRAFT, 0.0) + 1.4
    if before.topic is Intent.ORDER_STATUS and words.ABOUT_IT.search(text):
        added[Intent.ORDER_STATUS] = 3.0
    elif before.topic is Intent.ORDER_STATUS and len("".join(run.digits for run in number_runs(text))) >= 3:
        added[Intent.ORDER_STATUS] = 1.4
    if before.topic is Intent.KNOWLEDGE and words.FOLLOW_UP.search(text) and len(text.split()) <= 6:
        added[Intent.KNOWLEDGE] = 1.6
    if clues.has_code and not intents.scores(text, clues):
        added[Intent.DRAFT] = added.get(Intent.DRAFT, 0.0) + 1.2
    return added
