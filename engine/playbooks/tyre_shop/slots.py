"""What a caller said, piece by piece: size, season, brand, order number, product, how many, phone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.agent.fuzzy import find_names
from engine.agent.number_corrections import corrected
from engine.agent.numbers import number_runs, phone_numbers
from engine.agent.playbook import Playbook
from engine.agent.product_codes import product_codes
from engine.agent.talk import Talk
from engine.playbooks.tyre_shop import words
from engine.playbooks.tyre_shop.evidence import SEASON_WORDS, tyres_wanted
from engine.playbooks.tyre_shop.sizes import TyreSize, partial_size, plausible_diameter, tyre_sizes


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
    max_price: int | None = None
    product: str = ""
    quantity: int | None = None
    phone: str = ""
    phone_part: str = ""


def season_of(text: str) -> str:
    """The season wanted; the one said last where there are several, those after a "not" left out."""
    kept = re.sub(r"\bnot\s+(?:the\s+|for\s+)?(?:winter|summer|all[\s-]season)\w*", " ", text, flags=re.IGNORECASE)
    if SEASON_WORDS["all_season"].search(kept):
        return "all_season"
    last = [(match.start(), name) for name in ("winter", "summer") for match in SEASON_WORDS[name].finditer(kept)]
    return max(last)[1] if last else ""


_ORDINALS = (
    (0, re.compile(r"\b(?:first|former|1st|number one)\b", re.IGNORECASE)),
    (1, re.compile(r"\b(?:second|2nd|number two|latter|other)\b", re.IGNORECASE)),
    (2, re.compile(r"\b(?:third|3rd|number three)\b", re.IGNORECASE)),
    (-1, re.compile(r"\blast\b", re.IGNORECASE)),
)


_ALL_SAID = 3
"""Of more offers than these the first two are said."""


def choice(text: str, offers: Sequence[Offer]) -> str:
    """The id of the offered product that the caller means, empty where it is not clear."""
    if not offers:
        return ""
    told = offers if len(offers) <= _ALL_SAID else offers[:2]
    for index, pattern in _ORDINALS:
        if pattern.search(text) and -len(told) <= index < len(told):
            return told[index].id
    if re.search(r"\bcheapest\b|\bcheaper one\b|\bleast expensive\b|\blowest\b", text, re.IGNORECASE):
        return min(offers, key=lambda offer: float(offer.price or "inf")).id
    for attribute in ("model", "brand"):
        names = {getattr(offer, attribute) for offer in offers} - {""}
        said = find_names(text, names)
        meant = [offer for offer in offers if getattr(offer, attribute) in said]
        if len(meant) == 1:
            return meant[0].id
    return ""


_MOST = re.compile(
    r"\b(?:under|below|less than|up to|at most|no more than|not more than|cheaper than|maximum(?: of)?)\b"
    r"(?=[^.?!]{0,25}(?:euros?|eur|bucks|each|\bfor one|$|[.?!]))",
    re.IGNORECASE,
)


def filled(  # noqa: PLR0917 - one turn is one of each
    slots: Slots, offers: Sequence[Offer], text: str, asked: str, intent: str, playbook: Playbook
) -> Slots:
    """``slots`` and what one more turn adds to them."""
    if intent in {Talk.ATTACK, Talk.PRIVATE, Talk.KNOWLEDGE, Talk.COMPLAINT, Talk.OPERATOR}:
        return slots
    slots = _tyre_slots(slots, text, asked, playbook)
    if intent == "order_status":
        number = (corrected(slots.order_number, text) if slots.order_number else None) or _order_number(text)
        if number or not words.ABOUT_IT.search(text):  # "when will it arrive" is about the one before
            slots = replace(slots, order_number=number)
    if intent in {"draft", "availability", "tyres", "car", Talk.YES, Talk.UNCLEAR}:
        slots = _draft_slots(slots, offers, text, asked=asked, intent=intent, playbook=playbook)
    return slots


def _tyre_slots(slots: Slots, text: str, asked: str, playbook: Playbook) -> Slots:
    sizes = tyre_sizes(text)
    if sizes:
        slots = replace(slots, size=sizes[-1], partial=None)
    elif asked in {"size", "rim"} or slots.size is None:
        slots = _partly(slots, text, asked)
    season = season_of(text)
    if season:
        slots = replace(slots, season=season)
    elif re.search(r"\bany season\b|\bseason does(?:n't| not) matter\b", text, re.IGNORECASE):
        slots = replace(slots, season="")
    price = _MOST.search(text)
    if price is not None:
        runs = [run.digits for run in number_runs(text) if run.start >= price.end() and 2 <= len(run.digits) <= 5]
        slots = replace(slots, max_price=int(runs[0])) if runs else slots
    elif re.search(r"\bprice does(?:n't| not) matter\b|\bany price\b", text, re.IGNORECASE):
        slots = replace(slots, max_price=None)
    brands = find_names(text, playbook.brands)
    if len(brands) == 1:
        slots = replace(slots, brand=brands[0])
    elif len(brands) > 1 or re.search(
        r"\b(?:any|other|another|different) (?:brand|make|maker|one)s?\b", text, re.IGNORECASE
    ):
        slots = replace(slots, brand="")
    return slots


def _partly(slots: Slots, text: str, asked: str) -> Slots:
    """A size said in two parts."""
    partial = partial_size(text)
    if partial is not None:
        return replace(slots, partial=partial, size=None)
    runs = [run.digits for run in number_runs(text)]
    if slots.partial is not None and asked in {"size", "rim"} and runs:
        last = runs[-1]
        if len(last) == 2 and plausible_diameter(int(last)):
            return replace(slots, size=TyreSize(*slots.partial, int(last)), partial=None)
    return slots


def _order_number(text: str) -> str:
    """The digits that follow the word "order", else the first run that may be one; empty where there is none."""
    runs = [run for run in number_runs(text) if 3 <= len(run.digits) <= 12]
    word = re.search(r"\border\b", text, re.IGNORECASE) or re.search(r"\bnumber\b", text, re.IGNORECASE)
    after = [run for run in runs if word is not None and run.start >= word.end()]
    chosen = (after or runs)[:1]
    return chosen[0].digits if chosen else ""


def _draft_slots(
    slots: Slots, offers: Sequence[Offer], text: str, *, asked: str, intent: str, playbook: Playbook
) -> Slots:
    product = _product(offers, text, intent, playbook)
    if product:
        slots = replace(slots, product=product)
    if asked == "phone" or intent != "tyres":
        slots = _phone(slots, text, asked)
    counts = tyres_wanted(text, prefix=playbook.product_prefix)
    digits = "".join(run.digits for run in number_runs(text))
    if asked == "phone" and len(digits) > 2 and not words.COUNTED.search(text):
        counts = []
    if counts:
        slots = replace(slots, quantity=counts[-1] if asked == "quantity" else counts[0])
    return slots


def _product(offers: Sequence[Offer], text: str, intent: str, playbook: Playbook) -> str:
    prefix = playbook.product_prefix
    codes = product_codes(text, prefix=prefix)
    if codes:
        return codes[-1]
    bare = re.search(r"\b(?:product|item|article|code)\b", text, re.IGNORECASE)
    if prefix and bare is not None:
        runs = [run.digits for run in number_runs(text) if run.start >= bare.end() and 3 <= len(run.digits) <= 6]
        if runs:
            return f"{prefix}-{runs[0]}"
    if intent == "tyres":
        return ""
    chosen = choice(text, offers)
    if chosen:
        return chosen
    return offers[0].id if len(offers) == 1 else ""


def _phone(slots: Slots, text: str, asked: str) -> Slots:
    numbers = phone_numbers(text)
    if numbers and not (tyre_sizes(text) and len(numbers[-1]) == 7):
        whole = slots.phone_part + numbers[-1]
        joined = slots.phone_part and 9 <= len(whole) <= 13 and len(numbers[-1]) < 9
        return replace(slots, phone=whole if joined else numbers[-1], phone_part="")
    if asked != "phone":
        return slots
    runs = number_runs(text)
    digits = runs[0].digits if len(runs) == 1 else ""  # "fifty, order two" is no part of a telephone number
    whole = slots.phone_part + digits
    if 7 <= len(whole) <= 15 and slots.phone_part:
        return replace(slots, phone=whole, phone_part="")
    return replace(slots, phone_part=whole if len(whole) < 7 else "")
