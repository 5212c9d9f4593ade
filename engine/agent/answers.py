"""What the rule-based model says about a tool's answer. Numbers stay digits; the dialogue puts them in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.agent.playbook import Playbook
from engine.agent.situation import Situation, ToolResult
from engine.agent.slots import Slots
from engine.errors import ConfigurationError

SENTENCES = frozenset(
    (
        *("hello", "repair", "repair_again", "capabilities", "refuse", "refuse_quantity", "refuse_private", "welcome"),
        *("anything_else", "go_on", "nothing_to_repeat", "ask_size", "ask_size_again", "ask_diameter", "who"),
        *("ask_order_number", "ask_order_number_again", "ask_product", "ask_quantity", "ask_phone", "ask_phone_again"),
        *(
            "not_changeable",
            "no_appointment",
            "not_from_here",
            "not_known",
            "cannot_without",
            "price_of_what",
            "cancelled",
        ),
        *("order_none", "order_status", "order_delivery", "cannot_without", "tires_none", "tires_one", "tires_some"),
        *("tire_offer", "availability_some", "availability_none", "draft_done", "draft_failed", "store_down"),
        *("tool_refused", "goodbye_hint", "seasons.summer", "seasons.winter", "seasons.all_season"),
        *("seasons.any",),
    )
)


class Sentences:
    """A playbook's sentences with their words filled in."""

    def __init__(self, playbook: Playbook) -> None:
        """Raises ConfigurationError where a sentence is missing."""
        missing = sorted(SENTENCES - set(playbook.sentences))
        if missing:
            raise ConfigurationError(f"playbook {playbook.name}: sentences: missing {', '.join(missing)}")
        self._texts = playbook.sentences
        self._maximum = playbook.max_quantity

    def __call__(self, key: str, **values: object) -> str:
        return self._texts[key].format(maximum=self._maximum, **values)

    def wanted(self, slots: Slots) -> str:
        """ "205/55 R16 Michelin winter tyres"."""
        season = self._texts[f"seasons.{slots.season or 'any'}"]
        return " ".join(part for part in (str(slots.size or ""), slots.brand, season) if part)


_ASKS = {
    "order_number": "ask_order_number_again",
    "customer_phone": "ask_phone_again",
    "quantity": "ask_quantity",
    "product_id": "ask_product",
    "width": "ask_size_again",
    "profile": "ask_size_again",
    "diameter": "ask_size_again",
}


def answer(say: Sentences, situation: Situation, result: ToolResult) -> str:
    """The spoken answer to one tool result, knowledge aside."""
    if not result.content.get("ok"):
        return _failure(say, result)
    match result.name:
        case "search_tires":
            return _tires(say, situation, result.content)
        case "get_order_status":
            return _order(say, result)
        case "check_availability":
            return _availability(say, result.content)
        case "create_order_draft":
            return _draft(say, situation, result)
        case _:
            return say("anything_else")


def _failure(say: Sentences, result: ToolResult) -> str:
    error = result.content.get("error")
    error = error if isinstance(error, dict) else {}
    code, argument = str(error.get("code", "")), str(error.get("argument", ""))
    if code == "store_unavailable":
        return say("store_down")
    if code == "out_of_range":
        return say("refuse_quantity")
    if code == "impossible_size":
        return say("ask_size_again")
    if argument in _ASKS:
        return say(_ASKS[argument])
    if result.name == "create_order_draft":
        return say("draft_failed", message=_sentence(str(error.get("message", ""))))
    if result.name == "get_order_status" and code.endswith("not_found"):
        return say("order_none", number=result.arguments.get("order_number", ""))
    return say("tool_refused")


def _sentence(text: str) -> str:
    text = text.strip()
    return "" if not text else text[0].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _tires(say: Sentences, situation: Situation, content: Mapping[str, Any]) -> str:
    found = [item for item in content.get("tires", ()) if isinstance(item, dict)]
    what = say.wanted(situation.slots)
    if not found:
        return say("tires_none", what=what)
    first = say("tire_offer", **found[0])
    if len(found) == 1:
        return say("tires_one", what=what, first=first)
    other = next((item for item in found[1:] if item.get("brand") != found[0].get("brand")), found[1])
    return say(
        "tires_some", count=content.get("count", len(found)), what=what, first=first, second=say("tire_offer", **other)
    )


def _order(say: Sentences, result: ToolResult) -> str:
    order = result.content.get("order")
    if not result.content.get("found") or not isinstance(order, dict):
        return say("order_none", number=result.arguments.get("order_number", ""))
    parts = [
        say("order_status", number=order["number"], items=order.get("items", ""), status=order.get("status_label", ""))
    ]
    if order.get("estimated_delivery") and order.get("status") not in {"delivered", "cancelled"}:
        parts.append(say("order_delivery", date=order["estimated_delivery"]))
    parts.append(say("goodbye_hint"))
    return " ".join(parts)


def _availability(say: Sentences, content: Mapping[str, Any]) -> str:
    tire = content.get("tire")
    tire = tire if isinstance(tire, dict) else {}
    quantity = int(content.get("total_quantity", 0))
    names = {"brand": tire.get("brand", ""), "model": tire.get("model", "")}
    return say("availability_some", quantity=quantity, **names) if quantity > 0 else say("availability_none", **names)


def _draft(say: Sentences, situation: Situation, result: ToolResult) -> str:
    draft = result.content.get("draft")
    draft = draft if isinstance(draft, dict) else {}
    return say(
        "draft_done",
        number=draft.get("number", ""),
        quantity=result.content.get("quantity", situation.slots.quantity),
        product=result.arguments.get("product_id", ""),
        total=draft.get("total", ""),
        currency=draft.get("currency", ""),
        phone=result.arguments.get("customer_phone", ""),
    )
