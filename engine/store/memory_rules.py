"""How the shop in memory reckons: what a delivery costs, which tyre fits a query, what a date is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Final

from engine.errors import StoreRefused
from engine.store.port import Tyre, TyreQuery

CURRENCY: Final = "EUR"
DELIVERY_COST: Final = Decimal(12)
FREE_FROM: Final = Decimal(300)
"""Goods of this price are delivered for nothing."""
DELIVERY_DAYS: Final = 3
PICKUP_DAYS: Final = 1
SERVICES: Final[Mapping[str, Decimal]] = {
    "fitting": Decimal("1.0"),
    "balancing": Decimal("0.4"),
    "seasonal_change": Decimal("0.9"),
    "storage": Decimal("0.75"),
}
"""Service → share of the price of a fitting."""
HOURS = tuple(f"{hour:02d}:00" for hour in range(9, 18))
SUNDAY = 6
LONGEST_VIEW = 31  # days


def invalid(message: str) -> StoreRefused:
    """The error of a request that makes no sense."""
    return StoreRefused(message, code="validation_error", status=422)


def day_of(text: str) -> date:
    """Raises StoreRefused for what is no ISO date."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise invalid("a date is written 2026-12-07") from error


def delivery_cost(goods: Decimal) -> Decimal:
    """Of goods of this price."""
    return Decimal(0) if goods >= FREE_FROM else DELIVERY_COST


def words_of(text: str) -> list[str]:
    """Words of three letters or more, small."""
    return re.findall(r"\w{3,}", text.lower())


def fits(tyre: Tyre, query: TyreQuery) -> bool:
    """Whether a search finds it."""
    width, _, rest = tyre.size.partition("/")
    profile, _, diameter = rest.partition(" R")
    measured: Mapping[str, int] = {"width": int(width), "profile": int(profile), "diameter": int(diameter)}
    return (
        all(getattr(query, name) in {None, value} for name, value in measured.items())
        and query.season in {None, tyre.season}
        and (query.brand is None or query.brand.lower() == tyre.brand.lower())
        and (query.model is None or query.model.lower() in tyre.model.lower())
        and (query.min_price is None or tyre.price >= query.min_price)
        and (query.max_price is None or tyre.price <= query.max_price)
        and query.in_stock in {None, tyre.in_stock}
    )
