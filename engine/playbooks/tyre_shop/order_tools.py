"""Tools about orders: their status, a draft, its delivery, its confirmation, pick-up points."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from engine.agent.grounding import Evidence
from engine.agent.playbook import Playbook
from engine.agent.said import Offered
from engine.agent.tools import Argument, RefusedCallError, Tool, ToolContext, ToolOutcome
from engine.playbooks.tyre_shop.cities import called, in_city
from engine.playbooks.tyre_shop.evidence import COUNT
from engine.playbooks.tyre_shop.results import order_told, pickup_point_told, tyre_told
from engine.playbooks.tyre_shop.tyre_tools import product_argument
from engine.store.port import (
    Confirmation,
    HomeDelivery,
    NewOrder,
    Order,
    OrderItem,
    Pickup,
    Store,
)

WITHHELD = "anonymous"
"""Sent as the phone of a caller without a number: the store then finds nobody's orders."""

_DELIVERY: Mapping[str, str] = {
    "delivery": r"\bdeliver|\bcourier|\b(?:send|bring|ship|post)\b|\bto my\b|\b(?:home|house|door|flat|address)\b"
    r"|достав|курьер|кур.єр",
    "pickup": r"\bpick\W?(?:ing )?(?:it |them )?up|\bcollect|\b(?:fetch|come by|come and get)\b|\bmyself\b"
    r"|самовыво|самовив|забер",
}
_PAYMENT: Mapping[str, str] = {
    "card": r"\bcards?\b|\bvisa\b|\bmaster\s?card|\bcredit\b|\bdebit\b|карт",
    "cash": r"\bcash\b|наличн|готівк",
    "bank_transfer": r"\b(?:bank|wire)?\s*transfer|\binvoice|\bbank\b|перевод|переказ|сч[её]т|рахун",
    "instalments": r"\binstal|\bin (?:three |four |several )?parts\b|\bmonthly\b|рассроч|розстроч|частин|частями",
}


def _order_form(text: str) -> bool:
    return re.fullmatch(r"[0-9]{3,12}", text) is not None


def _phone_form(text: str) -> bool:
    return re.fullmatch(r"\+?[0-9]{7,15}", text) is not None


_OFFERED_ORDERS = (
    Offered("update_order_delivery", "order_number"),
    Offered("create_order_draft", "number"),
    Offered("get_order_status", "number"),
)


class _Orders:
    """What these tools work with."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def status(self, context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        # The number of the telephone network, never one that was said: the store answers for this number's orders only.
        found = await self._of_caller(context, arguments["order_number"])
        if found is None:
            return ToolOutcome({"found": False, "order_number": arguments["order_number"]})
        return ToolOutcome({"found": True, "order": order_told(found)})

    async def draft(self, context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
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
        return ToolOutcome(
            {
                "draft": {**order_told(order), "order_id": order.id},
                "product": tyre_told(tyre),
                "quantity": arguments["quantity"],
            }
        )

    async def delivery(self, context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        order = await self._changeable(context, arguments["order_number"])
        wanted = _delivery_wanted(arguments)
        terms = await self.store.set_delivery(order.id, wanted, idempotency_key=context.idempotency_key)
        result: dict[str, Any] = {
            "order_number": order.number,
            "items": terms.order.items_summary or order.items_summary,
            "delivery_type": arguments["delivery_type"],
            "delivery_cost": str(terms.cost),
            "total": str(terms.total),
            "currency": terms.currency,
            "estimated_days": terms.estimated_days,
        }
        where = ("pickup_point_id",) if isinstance(wanted, Pickup) else ("city", "address")
        result.update({name: arguments[name] for name in where})
        for point in context.said.offers(_OFFERED_POINTS, arguments.get("pickup_point_id", "")):
            result.update({name: point[name] for name in ("city", "address") if name in point})
            break
        return ToolOutcome(result)

    async def confirm(self, context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        order = await self._changeable(context, arguments["order_number"])
        if order.total is None or order.total <= 0:
            raise RefusedCallError("no_price", "this order has no price: offer a colleague")
        done = await self.store.confirm_order(
            order.id,
            Confirmation(arguments["payment_method"], arguments.get("customer_name", "")),
            idempotency_key=context.idempotency_key,
        )
        return ToolOutcome(
            {"confirmed": True, "order": order_told(done), "payment_method": arguments["payment_method"]}
        )

    async def pickup_points(self, _context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        city, points, others = await in_city(arguments["city"], self.store.pickup_points)
        result: dict[str, Any] = {
            "city": city,
            "count": len(points),
            "pickup_points": [pickup_point_told(point) for point in points[:8]],
        }
        return ToolOutcome(result if points else {**result, "other_cities": others})

    async def _of_caller(self, context: ToolContext, number: str) -> Order | None:
        orders = await self.store.search_orders(phone=context.facts.caller or WITHHELD, order_number=number)
        return next((order for order in orders if order.number == number), None)

    async def _changeable(self, context: ToolContext, number: str) -> Order:
        """An order that was drafted in this call, or one of the caller's number. Raises RefusedCallError."""
        for drafted in context.said.offers((Offered("create_order_draft", "number"),), number):
            if "order_id" in drafted:
                return await self.store.order(str(drafted["order_id"]))
        order = await self._of_caller(context, number)
        # What was ordered at the counter has no phone: anybody who knows its number hears of it, nobody changes it.
        if order is None or not context.facts.caller or not order.customer_phone:
            raise RefusedCallError(
                "order_not_found", "no order of this caller has this number: ask again or offer a colleague"
            )
        return order


_OFFERED_POINTS = (Offered("get_pickup_points", "pickup_point_id"),)


def _delivery_wanted(arguments: Mapping[str, Any]) -> HomeDelivery | Pickup:
    """Raises RefusedCallError where something is missing."""
    if arguments["delivery_type"] == "pickup":
        if "pickup_point_id" not in arguments:
            raise RefusedCallError(
                "missing", "which pick-up point? look them up, name them and ask the caller", "pickup_point_id"
            )
        return Pickup(arguments["pickup_point_id"])
    for name in ("city", "address"):
        if name not in arguments:
            raise RefusedCallError("missing", f"the caller has not said the {name} yet: ask for it", name)
    return HomeDelivery(arguments["city"], arguments["address"])


def _order_number(*, read_back: bool = False) -> Argument:
    return Argument(
        "order_number",
        "string",
        "the number, digits only, as said",
        Evidence.DIGITS,
        pattern=_order_form,
        offered=_OFFERED_ORDERS,
        read_back=read_back,
        spoken_as=(("number", "order_number", "total"),),
    )


def order_tools(playbook: Playbook, store: Store) -> Sequence[Tool]:
    """``get_order_status``, ``create_order_draft``, ``update_order_delivery``, ``confirm_order``,
    ``get_pickup_points``."""
    orders = _Orders(store)
    filler = playbook.phrases.filler
    return (
        Tool(
            "get_order_status",
            "Status of one of the caller's own orders.",
            orders.status,
            (_order_number(),),
            filler=filler("get_order_status", mutates=False),
        ),
        Tool(
            "create_order_draft",
            "Notes down an order as a draft. Needs the product, how many, and a phone number said by the caller.",
            orders.draft,
            (
                product_argument(),
                Argument(
                    "quantity",
                    "integer",
                    "how many tyres",
                    COUNT,
                    minimum=1,
                    maximum=playbook.max_quantity,
                ),
                Argument(
                    "customer_phone",
                    "string",
                    "phone number, digits only, as said",
                    Evidence.DIGITS,
                    pattern=_phone_form,
                ),
            ),
            mutates=True,
            filler=filler("create_order_draft", mutates=True),
        ),
        Tool(
            "update_order_delivery",
            "Settles how a draft reaches the caller: delivery needs city and address, pickup a pick-up point from "
            "get_pickup_points. Returns cost, total and days. May be changed until the order is confirmed.",
            orders.delivery,
            (
                _order_number(),
                Argument(
                    "delivery_type",
                    "string",
                    "brought to an address, or fetched",
                    Evidence.CHOICE,
                    choices=tuple(_DELIVERY),
                    words=_DELIVERY,
                ),
                Argument("city", "string", "city, for delivery", Evidence.NAME, required=False, words=called(playbook)),
                Argument("address", "string", "street and house, for delivery", Evidence.PLACE, required=False),
                Argument(
                    "pickup_point_id",
                    "string",
                    "for pickup, from get_pickup_points",
                    Evidence.OFFERED,
                    required=False,
                    offered=_OFFERED_POINTS,
                    strict=True,
                ),
            ),
            mutates=True,
            undone_by=("update_order_delivery",),
            filler=filler("update_order_delivery", mutates=True),
        ),
        Tool(
            "confirm_order",
            "Makes a draft a binding order; cannot be undone. First read back the order number, the total and how it "
            "will be paid, in one question, and wait for a yes.",
            orders.confirm,
            (
                _order_number(read_back=True),
                Argument(
                    "payment_method",
                    "string",
                    "how the caller pays",
                    Evidence.CHOICE,
                    choices=tuple(_PAYMENT),
                    words=_PAYMENT,
                    read_back=True,
                ),
                Argument("customer_name", "string", "the caller's name", Evidence.NAME, required=False),
            ),
            mutates=True,
            confirm=True,
            agreed=r"\b(?:place|confirm|order) (?:it|that|the order)\b",
            filler=filler("confirm_order", mutates=True),
        ),
        Tool(
            "get_pickup_points",
            "Where orders can be fetched in a city.",
            orders.pickup_points,
            (Argument("city", "string", "city", Evidence.NAME, words=called(playbook)),),
            filler=filler("get_pickup_points", mutates=False),
        ),
    )
