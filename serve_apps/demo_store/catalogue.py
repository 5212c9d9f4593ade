"""The goods: a catalogue that is the same for the same seed."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

BRANDS: dict[str, tuple[float, tuple[str, str, str]]] = {
    # brand: price level, names of the summer, winter and all season model
    "Michelin": (1.35, ("Primacy 4", "Alpin 6", "CrossClimate 2")),
    "Continental": (1.30, ("PremiumContact 7", "WinterContact TS 870", "AllSeasonContact 2")),
    "Bridgestone": (1.25, ("Turanza 6", "Blizzak LM005", "Weather Control A005")),
    "Goodyear": (1.22, ("EfficientGrip 2", "UltraGrip 9", "Vector 4Seasons")),
    "Pirelli": (1.30, ("Cinturato P7", "Cinturato Winter 2", "Cinturato All Season")),
    "Nokian": (1.15, ("Wetproof 1", "Hakka Snowproof", "Seasonproof 1")),
    "Hankook": (1.00, ("Ventus Prime 4", "Winter Icept RS3", "Kinergy 4S2")),
    "Kumho": (0.85, ("Ecsta HS52", "WinterCraft WP52", "Solus 4S")),
    "Rosava": (0.60, ("Itegro", "Snowgard", "Quartum")),
}
SIZES: tuple[tuple[int, int, int], ...] = (
    (175, 70, 13),
    (185, 60, 14),
    (185, 65, 15),
    (195, 65, 15),
    (205, 55, 16),
    (205, 60, 16),
    (215, 60, 16),
    (215, 55, 17),
    (225, 45, 17),
    (225, 50, 17),
    (225, 65, 17),
    (225, 40, 18),
    (235, 45, 18),
    (235, 35, 19),
    (255, 35, 19),
)
SEASONS = ("summer", "winter", "all_season")
LOCATIONS = ("Kyiv warehouse", "Lviv warehouse", "Harbour Street shop")
VEHICLES: dict[tuple[str, str], tuple[tuple[int, int, int], ...]] = {
    ("toyota", "corolla"): ((195, 65, 15), (205, 55, 16), (225, 45, 17)),
    ("volkswagen", "golf"): ((195, 65, 15), (205, 55, 16), (225, 45, 17), (225, 40, 18)),
    ("skoda", "octavia"): ((195, 65, 15), (205, 55, 16), (225, 45, 17)),
    ("ford", "focus"): ((195, 65, 15), (205, 55, 16), (215, 55, 17)),
    ("renault", "clio"): ((185, 65, 15), (195, 65, 15)),
    ("bmw", "3 series"): ((225, 50, 17), (225, 45, 17), (225, 40, 18)),
    ("audi", "a4"): ((225, 50, 17), (235, 45, 18), (255, 35, 19)),
    ("nissan", "qashqai"): ((215, 60, 16), (215, 55, 17), (225, 65, 17)),
}


@dataclass(frozen=True, slots=True)
class Product:
    """A tyre for sale."""

    id: str
    brand: str
    model: str
    width: int
    profile: int
    diameter: int
    season: str
    price: Decimal
    stock: tuple[int, ...]
    """Pieces at each of ``LOCATIONS``."""

    @property
    def quantity(self) -> int:
        return sum(self.stock)

    def as_json(self) -> dict[str, Any]:
        data = asdict(self)
        del data["stock"]
        return {
            **data,
            "price": float(self.price),
            "size": f"{self.width}/{self.profile} R{self.diameter}",
            "currency": "EUR",
            "in_stock": self.quantity > 0,
            "stock_quantity": self.quantity,
        }


def make_catalogue(seed: int) -> dict[str, Product]:
    """Every brand in every size and season: 405 tyres, one in eight out of stock."""
    chance = random.Random(seed)
    products: dict[str, Product] = {}
    number = 1001
    for width, profile, diameter in SIZES:
        for brand, (level, models) in BRANDS.items():
            for season, model in zip(SEASONS, models, strict=True):
                base = 22 + 0.16 * width + 3.1 * (diameter - 12) ** 1.25 + (60 - profile) * 0.35
                price = Decimal(round(max(base, 30) * level * chance.uniform(0.94, 1.06)))
                empty = chance.random() < 0.125
                stock = tuple(0 if empty else chance.randrange(0, 25) for _ in LOCATIONS)
                product_id = f"T-{number}"
                products[product_id] = Product(product_id, brand, model, width, profile, diameter, season, price, stock)
                number += 1
    return products
