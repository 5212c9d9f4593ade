"""Tools about goods: which tyres there are, which fit a car, how many lie where."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from engine.agent.grounding import Evidence
from engine.agent.playbook import Playbook
from engine.agent.tools import Argument, RefusedCallError, Tool, ToolContext, ToolOutcome
from engine.playbooks.tyre_shop.evidence import DIAMETER, PROFILE, SEASON, WIDTH
from engine.playbooks.tyre_shop.results import tyre_told
from engine.playbooks.tyre_shop.sizes import plausible_diameter, plausible_profile, plausible_width
from engine.store.port import Store, TyreQuery, VehicleQuery

SEASONS = ("summer", "winter", "all_season")
_SHOWN = 5
"""Tyres told to the model: more than a caller can keep in mind."""

_MAKES: Mapping[str, str] = {
    "Volkswagen": r"\bv\W?w\b|\b(?:folks?|volks)\s*wag[eo]n|\bvolks|\bveedub",
    "Mercedes-Benz": r"\bmerc(?:edes|s)?\b|\bbenz\b",
    "Mercedes": r"\bmerc(?:s)?\b|\bbenz\b",
    "BMW": r"\bb\W?m\W?w\b|\bbe+mers?\b|\bbimmers?\b",
    "Chevrolet": r"\bchev(?:y|ie|vy)\b",
    "Skoda": r"\bsk[ou]da\b|\bschkoda\b",
    "Citroen": r"\bcitro[eë]n\b|\bsitro\w*n\b",
    "Vauxhall": r"\bvox\s*hall\b",
    "Hyundai": r"\bhyun\w*\b|\bhundai\b|\bhi\s?undai\b",
    "Kia": r"\bkia\b|\bkeya\b",
    "SEAT": r"\bseat\b|\bsay\W?at\b",
}
"""Makes as callers and recognisers put them, where sound alone does not tell."""


def code_form(text: str) -> bool:
    """Whether this may be a product code."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{1,31}", text) is not None


def product_argument() -> Argument:
    return Argument("product_id", "string", "product code, such as T-1042", Evidence.PRODUCT, pattern=code_form)


def _refuse_size(part: str) -> RefusedCallError:
    return RefusedCallError("impossible_size", f"no tyre has this {part}: ask the caller to read the size again", part)


class _Goods:
    """What these tools work with."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def search(self, _context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        for part, plausible in (
            ("width", plausible_width),
            ("profile", plausible_profile),
            ("diameter", plausible_diameter),
        ):
            if not plausible(arguments[part]):
                raise _refuse_size(part)
        wanted = dict(arguments)
        if "max_price" in wanted:
            wanted["max_price"] = Decimal(wanted["max_price"])
        page = await self.store.search_tires(TyreQuery(**wanted, in_stock=True))
        return ToolOutcome({"count": page.total, "tires": [tyre_told(tyre) for tyre in page.tyres[:_SHOWN]]})

    async def for_vehicle(self, _context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        found = await self.store.vehicle_tires(VehicleQuery(**arguments))
        result: dict[str, Any] = {
            "make": found.make,
            "model": found.model,
            "year": found.year,
            "sizes": list(found.oem_sizes),
            "tires": [tyre_told(tyre) for tyre in found.tyres[:_SHOWN]],
        }
        return ToolOutcome({name: value for name, value in result.items() if value is not None})

    async def availability(self, _context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        tyre = await self.store.tire(arguments["product_id"])
        stock = await self.store.tire_availability(arguments["product_id"])
        locations = [{"name": place.name, "quantity": place.quantity} for place in stock.locations if place.quantity]
        return ToolOutcome(
            {"tire": tyre_told(tyre), "total_quantity": stock.total_quantity, "locations": locations[:_SHOWN]}
        )


def _season() -> Argument:
    return Argument("season", "string", "season", SEASON, required=False, choices=SEASONS)


def tyre_tools(playbook: Playbook, store: Store) -> Sequence[Tool]:
    """``search_tires``, ``get_vehicle_tire_sizes`` and ``check_availability``."""
    goods = _Goods(store)
    filler = playbook.phrases.filler
    return (
        Tool(
            "search_tires",
            "Tyres in stock by size, and by season, brand or price where the caller wants that. The size must be "
            "complete.",
            goods.search,
            (
                Argument("width", "integer", "width in millimetres, 205 in 205/55 R16", WIDTH),
                Argument("profile", "integer", "profile in per cent, 55 in 205/55 R16", PROFILE),
                Argument("diameter", "integer", "rim diameter in inches, 16 in 205/55 R16", DIAMETER),
                _season(),
                Argument("brand", "string", "maker of the tyre", Evidence.WORDS, required=False),
                Argument(
                    "max_price",
                    "integer",
                    "highest price of one tyre",
                    Evidence.NUMBER,
                    required=False,
                    minimum=1,
                    maximum=1_000_000,
                ),
            ),
            filler=filler("search_tires", mutates=False),
        ),
        Tool(
            "get_vehicle_tire_sizes",
            "Tyre sizes that the maker of a car allows, and tyres in stock that fit it.",
            goods.for_vehicle,
            (
                Argument("make", "string", "maker of the car, such as Volkswagen", Evidence.NAME, words=_MAKES),
                Argument("model", "string", "model of the car, such as Golf", Evidence.NAME),
                Argument(
                    "year",
                    "integer",
                    "year it was built",
                    Evidence.NUMBER,
                    required=False,
                    minimum=1950,
                    maximum=2100,
                ),
                _season(),
            ),
            filler=filler("get_vehicle_tire_sizes", mutates=False),
        ),
        Tool(
            "check_availability",
            "How many of one product are in stock, and where.",
            goods.availability,
            (product_argument(),),
            filler=filler("check_availability", mutates=False),
        ),
    )
