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
COMMON = 405
"""How many of the goods are common ones."""
LOCATIONS = ("Kyiv warehouse", "Lviv warehouse", "Harbour Street shop")
MORE_BRANDS: dict[str, tuple[float, tuple[str, str, str]]] = {
    "Dunlop": (1.12, ("Sport BluResponse", "Winter Sport 5", "Sport All Season")),
    "Yokohama": (1.10, ("BluEarth GT", "BluEarth Winter V906", "BluEarth 4S")),
    "Toyo": (1.02, ("Proxes Comfort", "Observe S944", "Celsius AS2")),
    "Falken": (0.98, ("Ziex ZE310", "Eurowinter HS02", "EuroAll Season AS220")),
    "Nexen": (0.88, ("N Blue HD Plus", "Winguard Sport 2", "N Blue 4 Season 2")),
    "Firestone": (0.95, ("Roadhawk 2", "Winterhawk 4", "Multiseason 2")),
    "Vredestein": (1.08, ("Ultrac", "Wintrac", "Quatrac")),
    "Barum": (0.80, ("Bravuris 6", "Polaris 6", "Quartaris 5")),
    "Matador": (0.78, ("Hectorra 5", "Nordicca", "AllWeather Evo")),
    "Kleber": (0.86, ("Dynaxer HP5", "Krisalp HP3", "Quadraxer 3")),
    "Debica": (0.70, ("Presto HP2", "Frigo HP2", "Navigator 3")),
    "Sailun": (0.66, ("Atrezzo ZSR", "Ice Blazer Alpine", "Atrezzo 4Seasons")),
}
MORE_SIZES: tuple[tuple[int, int, int], ...] = (
    (165, 70, 14),
    (175, 65, 14),
    (185, 60, 15),
    (195, 55, 16),
    (195, 70, 15),
    (205, 65, 16),
    (215, 65, 16),
    (205, 45, 17),
    (225, 55, 17),
    (235, 65, 17),
    (265, 65, 17),
    (225, 60, 18),
    (235, 60, 18),
    (245, 45, 18),
    (265, 60, 18),
    (285, 60, 18),
    (235, 55, 19),
    (245, 40, 19),
    (255, 50, 19),
    (255, 45, 20),
    (275, 35, 20),
)


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
    """Every brand in every size and season: 2,268 tyres, one in eight out of stock.

    The common ones (``BRANDS`` in ``SIZES``) come first and are numbered from T-1001 to T-1405.
    """
    chance = random.Random(seed)
    products: dict[str, Product] = {}
    shelves = (
        *((size, BRANDS) for size in SIZES),
        *((size, MORE_BRANDS) for size in SIZES),
        *((size, {**BRANDS, **MORE_BRANDS}) for size in MORE_SIZES),
    )
    number = 1001
    for (width, profile, diameter), brands in shelves:
        for brand, (level, models) in brands.items():
            for season, model in zip(SEASONS, models, strict=True):
                base = 22 + 0.16 * width + 3.1 * (diameter - 12) ** 1.25 + (60 - profile) * 0.35
                price = Decimal(round(max(base, 30) * level * chance.uniform(0.94, 1.06)))
                empty = chance.random() < 0.125
                stock = tuple(0 if empty else chance.randrange(0, 25) for _ in LOCATIONS)
                product_id = f"T-{number}"
                products[product_id] = Product(product_id, brand, model, width, profile, diameter, season, price, stock)
                number += 1
    return products
