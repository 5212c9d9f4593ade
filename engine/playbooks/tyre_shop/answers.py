"""What the tyre shop's policy says about a tool's answer. Numbers stay digits; the dialogue puts them in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.agent.replies import Sentences
from engine.agent.situation import Situation, ToolResult

_ASKS = {
    "order_number": "ask_order_number_again",
    "customer_phone": "ask_phone_again",
    "quantity": "ask_quantity",
    "product_id": "ask_product",
    "width": "ask_size_again",
    "profile": "ask_size_again",
    "diameter": "ask_size_again",
}
_OFFER = frozenset({"brand", "model", "id", "price", "currency"})
_SEARCHED = frozenset({"what", "first", "second", "count"})

SENTENCES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        (
            *("ask_size", "ask_size_again", "ask_order_number_again", "ask_product", "ask_quantity", "ask_phone"),
            *("ask_phone_again", "refuse_quantity", "not_changeable", "price_of_what", "seasons.summer"),
            *("seasons.winter", "seasons.all_season", "seasons.any"),
        ),
        frozenset[str](),
    ),
    "ask_diameter": frozenset({"width", "profile"}),
    "order_none": frozenset({"number"}),
    "order_status": frozenset({"number", "items", "status"}),
    "order_delivery": frozenset({"date"}),
    **dict.fromkeys(("tires_none", "tires_one", "tires_some"), _SEARCHED),
    "tire_offer": _OFFER,
    **dict.fromkeys(("car_some", "car_none"), frozenset({"make", "model", "sizes", "first", "second"})),
    **dict.fromkeys(("availability_some", "availability_none"), frozenset({"brand", "model", "quantity"})),
    "draft_done": frozenset({"number", "quantity", "product", "total", "currency", "phone"}),
    "draft_failed": frozenset({"message"}),
}


def wanted(say: Sentences, slots: Mapping[str, Any]) -> str:
    """ "205/55 R16 Michelin winter tyres"."""
    season = say(f"seasons.{slots.get('season') or 'any'}")
    return " ".join(part for part in (str(slots.get("size") or ""), slots.get("brand", ""), season) if part)


def spoken(say: Sentences, result: ToolResult, situation: Situation) -> str:
    """The spoken answer to a tool's good result; empty where the forms say it."""
    match result.name:
        case "search_tires":
            return _tires(say, situation, result.content)
        case "get_vehicle_tire_sizes":
            return _car(say, result.content)
        case "get_order_status":
            return _order(say, result)
        case "check_availability":
            return _availability(say, result.content)
        case "create_order_draft":
            return _draft(say, situation, result)
        case _:
            return ""


def failed(say: Sentences, result: ToolResult) -> str:
    """… and to a refusal."""
    error = result.content.get("error")
    error = error if isinstance(error, Mapping) else {}
    code, argument = str(error.get("code", "")), str(error.get("argument", ""))
    if code == "store_unavailable":
        return say("store_down")
    if code == "out_of_range" and argument in {"quantity", ""}:
        return say("refuse_quantity")
    if code == "impossible_size":
        return say("ask_size_again")
    drafts = {"create_order_draft", "search_tires", "get_order_status", "check_availability"}
    if argument in _ASKS and result.name in drafts:
        return say(_ASKS[argument])
    if result.name == "create_order_draft":
        return say("draft_failed", message=_sentence(str(error.get("message", ""))))
    if result.name == "get_order_status" and code.endswith("not_found"):
        return say("order_none", number=result.arguments.get("order_number", ""))
    return ""


def _sentence(text: str) -> str:
    text = text.strip()
    return "" if not text else text[0].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _found(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [item for item in content.get("tires") or () if isinstance(item, dict)]


def _second(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Another maker's where there is one."""
    return next((item for item in found[1:] if item.get("brand") != found[0].get("brand")), found[1])


def _tires(say: Sentences, situation: Situation, content: Mapping[str, Any]) -> str:
    found = _found(content)
    what = wanted(say, situation.slots)
    if not found:
        return say("tires_none", what=what)
    first = say("tire_offer", **found[0])
    if len(found) == 1:
        return say("tires_one", what=what, first=first)
    count = content.get("count", len(found))
    return say("tires_some", count=count, what=what, first=first, second=say("tire_offer", **_second(found)))


def _car(say: Sentences, content: Mapping[str, Any]) -> str:
    found = _found(content)
    names = {"make": content.get("make", ""), "model": content.get("model", "")}
    sizes = " or ".join(str(size) for size in list(content.get("sizes") or ())[:3])
    if not found or not sizes:
        return say("car_none", sizes=sizes, **names)
    first = say("tire_offer", **found[0])
    second = say("tire_offer", **_second(found)) if len(found) > 1 else first
    return say("car_some", sizes=sizes, first=first, second=second, **names)


def _order(say: Sentences, result: ToolResult) -> str:
    order = result.content.get("order")
    if not result.content.get("found") or not isinstance(order, dict):
        return say("order_none", number=result.arguments.get("order_number", ""))
    parts = [
        say("order_status", number=order["number"], items=order.get("items", ""), status=order.get("status_label", ""))
    ]
    if order.get("estimated_delivery") and order.get("status") not in {"delivered", "cancelled"}:
        parts.append(say("order_delivery", date=order["estimated_delivery"]))
    return " ".join(parts)


def _availability(say: Sentences, content: Mapping[str, Any]) -> str:
    tire = content.get("tire")
    tire = tire if isinstance(tire, dict) else {}
    quantity = int(content.get("total_quantity", 0))
    names = {"brand": tire.get("brand", ""), "model": tire.get("model", "")}
    return say("availability_some", quantity=quantity, **names) if quantity > 0 else say("availability_none", **names)


def _named(situation: Situation, product: str) -> str:
    """Brand and model where they are known, else the code."""
    tire = next((item for item in situation.offers.get("tires", ()) if item.get("id") == product), {})
    return " ".join(str(tire.get(name) or "") for name in ("brand", "model")).strip() or f"of product {product}"


def _draft(say: Sentences, situation: Situation, result: ToolResult) -> str:
    draft = result.content.get("draft")
    draft = draft if isinstance(draft, dict) else {}
    return say(
        "draft_done",
        number=draft.get("number", ""),
        quantity=result.content.get("quantity", situation.slots.get("quantity")),
        product=_named(situation, str(result.arguments.get("product_id", ""))),
        total=draft.get("total", ""),
        currency=draft.get("currency", ""),
        phone=result.arguments.get("customer_phone", ""),
    )
