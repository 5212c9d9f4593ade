"""What the routes share: the data behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends, Request

from serve_apps.demo_store.catalogue import Product
from serve_apps.demo_store.keys import Keys
from serve_apps.demo_store.ledger import Ledger
from serve_apps.demo_store.workshop import Workshop

_ZONE = ZoneInfo("Europe/Kyiv")


def local_time(wall: float) -> datetime:
    """Seconds since 1970-01-01 UTC as the shop's own time."""
    return datetime.fromtimestamp(wall, _ZONE)


@dataclass(slots=True)
class Shop:
    """One shop's data."""

    products: dict[str, Product]
    ledger: Ledger
    workshop: Workshop
    keys: Keys
    now: Callable[[], float]
    """Seconds since 1970-01-01 UTC."""

    def local(self) -> datetime:
        """The shop's own time."""
        return local_time(self.now())


def _shop(request: Request) -> Shop:
    shop: Shop = request.app.state.shop
    return shop


TheShop = Annotated[Shop, Depends(_shop)]
