"""A small shop in memory, the same each time: for trying out conversations, and for tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from engine.store.memory import MemoryStore, OwnedOrder
from engine.store.memory_rules import CURRENCY
from engine.store.port import FittingStation, KnowledgePassage, Order, PickupPoint, Tyre

SAMPLE_DAY: Final = date(2026, 11, 23)
"""A Monday."""
KNOWN_CALLER: Final = "380501112233"
"""Has orders 5501 (shipped) and 5502 (being packed)."""
OTHER_CALLER: Final = "380672223344"
"""Has order 5503 (delivered)."""

_SIZES = ("195/65 R15", "205/55 R16", "215/55 R17", "225/45 R17")
_MODELS = (
    # brand, season, model, price in the smallest size, pieces in stock
    ("Michelin", "summer", "Primacy 4", 98, 12),
    ("Michelin", "winter", "Alpin 6", 109, 8),
    ("Michelin", "all_season", "CrossClimate 2", 115, 6),
    ("Continental", "summer", "PremiumContact 7", 96, 20),
    ("Continental", "winter", "WinterContact TS 870", 104, 4),
    ("Nokian", "winter", "Hakka Snowproof", 92, 16),
    ("Kumho", "summer", "Ecsta HS52", 61, 24),
    ("Kumho", "winter", "WinterCraft WP52", 66, 0),
    ("Rosava", "summer", "Itegro", 44, 40),
)
_VEHICLES = {
    ("toyota", "corolla"): ("195/65 R15", "205/55 R16", "225/45 R17"),
    ("volkswagen", "golf"): ("195/65 R15", "205/55 R16", "225/45 R17"),
    ("volkswagen", "passat"): ("215/55 R17", "225/45 R17"),
    ("skoda", "octavia"): ("195/65 R15", "205/55 R16", "225/45 R17"),
    ("ford", "focus"): ("195/65 R15", "205/55 R16", "215/55 R17"),
}
_STATIONS = (
    FittingStation("S-1", "Harbour Street workshop", "Kyiv", "12 Harbour Street"),
    FittingStation("S-2", "Left Bank workshop", "Kyiv", "40 River Avenue"),
    FittingStation("S-3", "Lviv workshop", "Lviv", "3 Station Square"),
)
_POINTS = (
    PickupPoint("P-1", "Kyiv", "12 Harbour Street", "08:00-19:00"),
    PickupPoint("P-2", "Kyiv", "7 Garden Street", "09:00-20:00"),
    PickupPoint("P-3", "Lviv", "3 Station Square", "09:00-19:00"),
)
_PASSAGES = (
    KnowledgePassage("hours", "hours", "The shop is open from Monday to Friday from eight to seven.", 0.0),
    KnowledgePassage("delivery", "delivery", "Delivery takes three days; from 300 euros on it costs nothing.", 0.0),
    KnowledgePassage("returns", "returns", "Unused tyres can be returned within fourteen days.", 0.0),
)


def sample_tyres() -> tuple[Tyre, ...]:
    """Nine models in four sizes, ids from T-1001 on; Kumho's winter tyre is out of stock."""
    tyres = []
    for row, size in enumerate(_SIZES):
        for column, (brand, season, model, price, stock) in enumerate(_MODELS):
            tyres.append(
                Tyre(
                    id=f"T-{1001 + row * len(_MODELS) + column}",
                    brand=brand,
                    model=model,
                    size=size,
                    season=season,
                    price=Decimal(price + 14 * row),
                    currency=CURRENCY,
                    in_stock=stock > 0,
                    stock_quantity=stock,
                )
            )
    return tuple(tyres)


def sample_orders(day: date = SAMPLE_DAY) -> tuple[OwnedOrder, ...]:
    """Orders as they stand on ``day``; 4271 was made at the counter, whoever knows its number may ask about it."""

    def made(number: str, status: str, label: str, days: int, phone: str = "") -> OwnedOrder:
        arrives = (day + timedelta(days=days)).isoformat()
        tracking = f"TR{number}" if status in {"shipped", "delivered"} else ""
        items = "4 Michelin Primacy 4"
        return OwnedOrder(phone, Order(number, number, status, label, items, Decimal(448), CURRENCY, arrives, tracking))

    return (
        made("4271", "shipped", "on its way to you", 2),
        made("3102", "processing", "being packed", 4),
        made("5501", "shipped", "on its way to you", 1, KNOWN_CALLER),
        made("5502", "processing", "being packed", 3, KNOWN_CALLER),
        made("5503", "delivered", "delivered", -9, OTHER_CALLER),
    )


def sample_store(today: Callable[[], date] = lambda: SAMPLE_DAY) -> MemoryStore:
    """A shop with a little of everything, on the day that ``today`` tells."""
    return MemoryStore(
        sample_tyres(),
        sample_orders(today()),
        vehicles=_VEHICLES,
        stations=_STATIONS,
        points=_POINTS,
        passages=_PASSAGES,
        today=today,
    )
