"""The tyre shop's own rules: sizes, products and order numbers as callers say them, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from engine.agent import talk_words as talk
from engine.agent.fuzzy import find_names
from engine.agent.grounding import is_assent
from engine.agent.number_corrections import corrected
from engine.agent.numbers import number_runs, phone_numbers
from engine.agent.playbook import Playbook
from engine.agent.product_codes import product_codes
from engine.agent.replies import Sentences
from engine.agent.rules import Decision, Rules
from engine.agent.situation import OTHER, Situation, ToolResult
from engine.agent.talk import Talk
from engine.playbooks.tyre_shop import answers, intents, words
from engine.playbooks.tyre_shop.evidence import tyres_wanted
from engine.playbooks.tyre_shop.intents import CHANGE, PRICE, Clues
from engine.playbooks.tyre_shop.sizes import has_impossible_size, partial_size, tyre_sizes
from engine.playbooks.tyre_shop.slots import Offer, Slots, choice, filled, season_of

_SIZE_ASKED = frozenset({"size", "rim"})
_OWN_FORMS = frozenset({"", "tyres", "car", "draft", "availability", "order_status"})
_ORDER_ASKED = frozenset({"buy", "quantity", "phone"})


class ShopRules(Rules):
    """What the forms cannot say."""

    KINDS = frozenset({"size", "tyre_word", "order", "product", "count", "contact", "nod"})
    SENTENCES = answers.SENTENCES

    def before(self, before: Situation, spoken: str) -> Situation:
        """Products may be known from what the agent said, where another model led the call."""
        offers = _as_spoken(_named(_offers(before), spoken, self.playbook), spoken)
        topic = before.topic
        if before.asked in _ORDER_ASKED and (before.asked != "phone" or words.ABOUT_BUYING.search(spoken)):
            topic = "draft"
        listed = tuple({name: getattr(offer, name) for name in _OFFER_FIELDS} for offer in offers)
        return replace(before, topic=topic, offers={**before.offers, "tires": listed})

    def weights(self, before: Situation, text: str) -> dict[str, float]:
        clues = _clues(text, self.playbook, before.asked)
        found = intents.scores(text, clues)
        if before.topic == "order_status" and words.CANCEL_IT.search(text):
            found[CHANGE] = 3.4
        if before.active == "delivery" and clues.has_quantity and words.COUNTED.search(text):
            found["draft"] = 3.4  # another number of tyres is another draft
        if before.offers.get("tires") and words.UNDER.search(text):
            found["tyres"] = max(found.get("tyres", 0.0), 2.4)
        meant = choice(text, _offers(before)) or before.slots.get("product")
        if words.STOCK.search(text) and meant and not clues.has_size:
            found["availability"] = 3.6  # one of those just named, not others of its brand
        return found

    def context(self, before: Situation, text: str) -> dict[str, float]:
        return _context(before, text, _clues(text, self.playbook, before.asked))

    def answered(self, before: Situation, text: str) -> str:
        asked, offers = before.asked, _offers(before)
        clues = _clues(text, self.playbook, asked)
        digits = "".join(run.digits for run in number_runs(text))
        if asked in _SIZE_ASKED:
            size = clues.has_size or clues.size_like or partial_size(text) is not None
            return "tyres" if size or len(digits) >= (2 if asked == "size" else 1) else ""
        if asked == "order_number":
            return "order_status" if digits else ""
        number = before.slots.get("order_number")
        if number and before.topic == "order_status" and corrected(number, text) is not None:
            return "order_status"
        meant = {
            "phone": bool(digits) or bool(words.SAME_PHONE.search(text)),
            "quantity": clues.has_quantity or bool(digits),
            "product": (clues.has_code or choice(text, offers) != "") and not words.PRICE.search(text),
            "buy": clues.has_quantity or clues.has_code or (is_assent(text) and bool(offers)),
        }
        if meant.get(asked):
            return "draft"
        again = before.topic == "draft" and before.slots.get("product") and asked in {"", OTHER, "buy"}
        return "draft" if again and talk.YES.search(text) and len(text.split()) <= 6 else ""

    def fill(self, before: Situation, text: str, intent: str) -> Mapping[str, Any]:
        names = [entry.name for entry in fields(Slots)]
        if before.active not in _OWN_FORMS:  # numbers there are times, addresses and cities
            sizes = tyre_sizes(text)
            return {"size": sizes[-1]} if sizes else {}
        known = Slots(**{name: before.slots[name] for name in names if before.slots.get(name) is not None})
        after = filled(known, _offers(before), text, before.asked, intent, self.playbook)
        return {name: getattr(after, name) or (0 if getattr(after, name) == 0 else None) for name in names}

    def noted(self, before: Situation, text: str) -> Mapping[str, Any]:
        clues = _clues(text, self.playbook, before.asked)
        facts = {
            "size_failed": clues.size_like and not clues.has_size,
            "repeat_blocked": clues.has_code or clues.has_size,
            "goodbye_blocked": clues.has_code,
        }
        return {name: True for name, holds in facts.items() if holds}

    def question(self, say: Sentences, slot: str, situation: Situation) -> str:
        slots = situation.slots
        if slot in {"size", "product"} and situation.facts.get("size_failed"):
            return say("ask_size_again")
        if slot == "size" or (slot == "product" and not situation.offers.get("tires")):
            partial = slots.get("partial")
            if partial is not None:
                return say("ask_diameter", width=partial[0], profile=partial[1])
            return say("ask_size_again" if situation.asked == "size" and not situation.new else "ask_size")
        if slot == "phone":
            tried = situation.asked == "phone" and (slots.get("phone_part") or not tyres_wanted(situation.text))
            return say("ask_phone_again" if tried else "ask_phone")
        return ""

    def spoken(self, say: Sentences, result: ToolResult, situation: Situation) -> str:
        return answers.spoken(say, result, situation)

    def failed(self, say: Sentences, result: ToolResult, situation: Situation) -> str:
        return answers.failed(say, result)

    def decide(self, say: Sentences, situation: Situation) -> Decision | None:
        slots = situation.slots
        if situation.intent == CHANGE:
            return Decision(say("not_changeable"))
        if situation.intent == PRICE:
            return _price(say, situation)
        if situation.intent == "tyres" and situation.facts.get("size_failed"):
            return Decision(say("ask_size_again"))
        if situation.active == "draft" and situation.intent in {"draft", Talk.YES, Talk.UNCLEAR}:
            quantity = slots.get("quantity")
            if quantity is not None and not 1 <= quantity <= self.playbook.max_quantity:
                return Decision(say("refuse_quantity"))
            if not slots.get("product") and not situation.offers.get("tires") and slots.get("size"):
                return Decision(tool="search_tires", arguments=_search(slots))
        return None


_OFFER_FIELDS = tuple(entry.name for entry in fields(Offer))


def _search(slots: Mapping[str, Any]) -> dict[str, Any]:
    size = slots["size"]
    found: dict[str, Any] = {"width": size.width, "profile": size.profile, "diameter": size.diameter}
    return {**found, **{name: slots[name] for name in ("season", "brand", "max_price") if slots.get(name)}}


def _offers(situation: Situation) -> tuple[Offer, ...]:
    return tuple(
        Offer(*(str(item.get(name, "")) for name in _OFFER_FIELDS)) for item in situation.offers.get("tires", ())
    )


def _as_spoken(offers: tuple[Offer, ...], spoken: str) -> tuple[Offer, ...]:
    """Those that were named in front, in the order they were named: "the second" is the second that was heard."""
    names = {offer.id: f"{offer.brand} {offer.model}".strip() for offer in offers}
    heard = sorted((offer for offer in offers if names[offer.id] in spoken), key=lambda o: spoken.index(names[o.id]))
    return (*heard, *(offer for offer in offers if offer not in heard)) if spoken and len(heard) > 1 else offers


def _named(offers: tuple[Offer, ...], spoken: str, playbook: Playbook) -> tuple[Offer, ...]:
    """Offers known from tools, or from what the agent said where no tool result is at hand."""
    codes = product_codes(spoken, prefix=playbook.product_prefix)
    if not codes or {offer.id for offer in offers} & set(codes):
        return offers
    found = find_names(spoken, playbook.brands)
    return tuple(
        Offer(code, found[index] if len(found) == len(codes) else "") for index, code in enumerate(dict.fromkeys(codes))
    )


def _clues(text: str, playbook: Playbook, asked: str) -> Clues:
    prefix = playbook.product_prefix
    return Clues(
        has_size=bool(tyre_sizes(text)),
        size_like=has_impossible_size(text, expected=asked in _SIZE_ASKED),
        has_code=bool(product_codes(text, prefix=prefix)),
        has_brand=bool(find_names(text, playbook.brands)),
        has_season=bool(season_of(text)),
        has_quantity=bool(tyres_wanted(text, prefix=prefix)),
        has_phone=bool(phone_numbers(text)),
        names_order=bool(words.ORDER_DIGITS.search(text))
        or any(
            len(run.digits) >= 3
            and words.ORDER_BEFORE.search(text[: run.start])
            and not words.COUNTED_AFTER.search(text[run.end :])
            for run in number_runs(text)
        ),
    )


def _context(before: Situation, text: str, clues: Clues) -> dict[str, float]:
    """What the conversation so far adds to the words."""
    added: dict[str, float] = {}
    offers = _offers(before)
    size = clues.has_size or clues.size_like or partial_size(text)
    if before.topic in {"tyres", "car"} and (clues.has_season or clues.has_brand or words.OTHERS.search(text) or size):
        added["tyres"] = 1.4
    priced = words.PRICE.search(text)
    if before.topic in {"draft", "tyres", "car"} and offers and not priced and (clues.has_code or choice(text, offers)):
        added["draft"] = 1.4
    elsewhere = before.active not in {"", "tyres", "draft", "car", "availability"}
    if before.topic != "draft" and offers and not elsewhere and (clues.has_quantity or clues.has_phone):
        added["draft"] = added.get("draft", 0.0) + 1.2
    if before.topic == "draft" and (clues.has_quantity or clues.has_phone or clues.has_code):
        added["draft"] = added.get("draft", 0.0) + 1.4
    if before.topic == "order_status" and words.ABOUT_IT.search(text):
        added["order_status"] = 3.0
    elif before.topic == "order_status" and len("".join(run.digits for run in number_runs(text))) >= 3:
        added["order_status"] = 1.4
    if before.topic == Talk.KNOWLEDGE and not offers and words.PRICE.search(text):
        added[Talk.KNOWLEDGE] = 1.6
    if before.topic == Talk.KNOWLEDGE and talk.FOLLOW_UP.search(text) and len(text.split()) <= 6:
        added[Talk.KNOWLEDGE] = 1.6
    if clues.has_code and not intents.scores(text, clues):
        added["draft"] = added.get("draft", 0.0) + 1.2
    return added


def _price(say: Sentences, situation: Situation) -> Decision:
    meant = choice(situation.text, _offers(situation))
    offers = [offer for offer in _offers(situation) if offer.id == meant] or _offers(situation)[:2]
    known = [offer for offer in offers if offer.price]
    if not known:
        return Decision(say("price_of_what"))
    told = [say("tire_offer", **{name: getattr(offer, name) for name in _OFFER_FIELDS}) for offer in known]
    return Decision(". ".join(told) + ". " + say("ask_product"))
