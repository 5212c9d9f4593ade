"""The tools of a tyre shop, one declaration each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from engine.agent.grounding import Evidence
from engine.agent.knowledge import KnowledgeIndex
from engine.agent.numbers import plausible_diameter, plausible_profile, plausible_width
from engine.agent.playbook import Playbook
from engine.agent.ports import Hangup, Transfer
from engine.agent.tools import Argument, RefusedCallError, Tool, ToolBox, ToolContext, ToolOutcome
from engine.errors import ConfigurationError
from engine.store.port import NewOrder, Order, OrderItem, Store, Tyre, TyreQuery

TRANSFER_REASONS = ("caller_request", "complaint", "cannot_help", "order_change", "quantity", "tool_failure")
_SEASONS = ("summer", "winter", "all_season")
_WITHHELD = "anonymous"
"""Sent as the phone of a caller without a number: the store then finds nobody's orders."""


def _order_number(text: str) -> bool:
    return re.fullmatch(r"\d{3,12}", text) is not None


def _phone(text: str) -> bool:
    return re.fullmatch(r"\+?\d{7,15}", text) is not None


def _code(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{1,31}", text) is not None


def _refuse_size(part: str) -> RefusedCallError:
    return RefusedCallError("impossible_size", f"no tyre has this {part}: ask the caller to read the size again", part)


def _tyre(tyre: Tyre) -> dict[str, Any]:
    return {
        "id": tyre.id,
        "brand": tyre.brand,
        "model": tyre.model,
        "size": tyre.size,
        "season": tyre.season,
        "price": str(tyre.price),
        "currency": tyre.currency,
        "in_stock": tyre.in_stock,
        "stock_quantity": tyre.stock_quantity,
    }


def _order(order: Order) -> dict[str, Any]:
    known = {
        "number": order.number,
        "status": order.status,
        "status_label": order.status_label,
        "items": order.items_summary,
        "total": None if order.total is None else str(order.total),
        "currency": order.currency,
        "estimated_delivery": order.estimated_delivery,
    }
    return {name: value for name, value in known.items() if value}


class _Shop:
    """What the shop's tools work with."""

    def __init__(self, playbook: Playbook, store: Store) -> None:
        self.playbook = playbook
        self.store = store
        self.knowledge = KnowledgeIndex(playbook.knowledge)

    async def search_tires(self, _context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        for part, plausible in (
            ("width", plausible_width),
            ("profile", plausible_profile),
            ("diameter", plausible_diameter),
        ):
            if not plausible(arguments[part]):
                raise _refuse_size(part)
        page = await self.store.search_tires(TyreQuery(**arguments, in_stock=True))
        return ToolOutcome({"count": page.total, "tires": [_tyre(tyre) for tyre in page.tyres[:5]]})

    async def check_availability(self, _context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        tyre = await self.store.tire(arguments["product_id"])
        stock = await self.store.tire_availability(arguments["product_id"])
        return ToolOutcome({"tire": _tyre(tyre), "total_quantity": stock.total_quantity})

    async def get_order_status(self, context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        # The number of the telephone network, never one that was said: the store answers for this number's orders only.
        phone = context.facts.caller or _WITHHELD
        orders = await self.store.search_orders(phone=phone, order_number=arguments["order_number"])
        for order in orders:
            if order.number == arguments["order_number"]:
                return ToolOutcome({"found": True, "order": _order(order)})
        return ToolOutcome({"found": False, "order_number": arguments["order_number"]})

    async def create_order_draft(self, context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        tyre = await self.store.tire(arguments["product_id"])
        if tyre.price <= 0:
            raise RefusedCallError("no_price", "this product has no price: offer a colleague")
        order = await self.store.create_order(
            NewOrder(
                customer_phone=arguments["customer_phone"],
                items=(OrderItem(tyre.id, arguments["quantity"]),),
                call_id=context.facts.call_id,
            ),
            idempotency_key=context.idempotency_key,
        )
        return ToolOutcome({"draft": _order(order), "product": _tyre(tyre), "quantity": arguments["quantity"]})

    async def search_knowledge_base(self, _context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        hits = self.knowledge.search(arguments["query"], limit=8)
        return ToolOutcome(
            {
                "passages": [
                    {"id": hit.passage.id, "text": hit.passage.text, "score": round(hit.score, 3)} for hit in hits
                ]
            }
        )

    async def transfer_to_operator(self, _context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        target = self.playbook.transfer_targets[0]
        return ToolOutcome(
            {"transferring": True}, Transfer(target, arguments["reason"]), say=self.playbook.phrases.transfer
        )

    async def end_call(self, _context: ToolContext, _arguments: Mapping[str, Any]) -> ToolOutcome:
        return ToolOutcome({"ending": True}, Hangup("goodbye"), say=self.playbook.phrases.goodbye)


def _filler(playbook: Playbook, position: int) -> str:
    fillers = playbook.phrases.fillers
    return fillers[position % len(fillers)] if fillers else ""


def _size_argument(name: str, description: str, evidence: Evidence) -> Argument:
    return Argument(name, "integer", description, evidence)


def _declare_search(shop: _Shop) -> Tool:
    return Tool(
        "search_tires",
        "Tyres in stock by size, and by season or brand where the caller wants one. The size must be complete.",
        shop.search_tires,
        (
            _size_argument("width", "width in millimetres, 205 in 205/55 R16", Evidence.WIDTH),
            _size_argument("profile", "profile in per cent, 55 in 205/55 R16", Evidence.PROFILE),
            _size_argument("diameter", "rim diameter in inches, 16 in 205/55 R16", Evidence.DIAMETER),
            Argument("season", "string", "season", Evidence.SEASON, required=False, choices=_SEASONS),
            Argument("brand", "string", "maker of the tyre", Evidence.WORDS, required=False),
        ),
        filler=_filler(shop.playbook, 1),
    )


def _declare_availability(shop: _Shop) -> Tool:
    return Tool(
        "check_availability",
        "How many of one product are in stock.",
        shop.check_availability,
        (Argument("product_id", "string", "product code, such as T-1042", Evidence.PRODUCT, pattern=_code),),
        filler=_filler(shop.playbook, 1),
    )


def _declare_order_status(shop: _Shop) -> Tool:
    return Tool(
        "get_order_status",
        "Status of one of the caller's own orders.",
        shop.get_order_status,
        (
            Argument(
                "order_number", "string", "the number, digits only, as said", Evidence.DIGITS, pattern=_order_number
            ),
        ),
        filler=_filler(shop.playbook, 1),
    )


def _declare_draft(shop: _Shop) -> Tool:
    return Tool(
        "create_order_draft",
        "Notes down an order as a draft. Needs the product, how many, and a phone number said by the caller.",
        shop.create_order_draft,
        (
            Argument("product_id", "string", "product code, such as T-1042", Evidence.PRODUCT, pattern=_code),
            Argument(
                "quantity",
                "integer",
                "how many tyres",
                Evidence.QUANTITY,
                minimum=1,
                maximum=shop.playbook.max_quantity,
            ),
            Argument("customer_phone", "string", "phone number, digits only, as said", Evidence.DIGITS, pattern=_phone),
        ),
        mutates=True,
        filler=_filler(shop.playbook, 0),
    )


def _declare_knowledge(shop: _Shop) -> Tool:
    return Tool(
        "search_knowledge_base",
        "What the shop says about opening hours, delivery, payment, returns, fitting, storage and tyres in general.",
        shop.search_knowledge_base,
        (Argument("query", "string", "the caller's question in full words"),),
    )


def _declare_transfer(shop: _Shop) -> Tool:
    return Tool(
        "transfer_to_operator",
        "Connects the caller to a colleague and ends your part of the call.",
        shop.transfer_to_operator,
        (Argument("reason", "string", "why", choices=TRANSFER_REASONS),),
        terminal=True,
    )


def _declare_end(shop: _Shop) -> Tool:
    return Tool("end_call", "Says goodbye and hangs up, when the caller is done.", shop.end_call, terminal=True)


_DECLARATIONS: Mapping[str, Callable[[_Shop], Tool]] = {
    "search_tires": _declare_search,
    "check_availability": _declare_availability,
    "get_order_status": _declare_order_status,
    "create_order_draft": _declare_draft,
    "search_knowledge_base": _declare_knowledge,
    "transfer_to_operator": _declare_transfer,
    "end_call": _declare_end,
}


def shop_tools(playbook: Playbook, store: Store) -> ToolBox:
    """The tools that ``playbook`` switches on. Raises ConfigurationError for one that does not exist."""
    shop = _Shop(playbook, store)
    for name in playbook.tools:
        if name not in _DECLARATIONS:
            raise ConfigurationError(f"playbook {playbook.name}: no tool is named {name}")
    return ToolBox(_DECLARATIONS[name](shop) for name in playbook.tools)
