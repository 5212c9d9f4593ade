"""What the routes share: the data behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, NoReturn

from fastapi import Depends, HTTPException, Request

from serve_apps.demo_store.catalogue import Product
from serve_apps.demo_store.faults import Faults
from serve_apps.demo_store.ledger import Ledger
from serve_apps.demo_store.workshop import Workshop


@dataclass(slots=True)
class Shop:
    """One shop's data."""

    products: dict[str, Product]
    ledger: Ledger
    workshop: Workshop
    faults: Faults
    now: Callable[[], float]
    """Seconds since 1970-01-01 UTC."""


def _shop(request: Request) -> Shop:
    shop: Shop = request.app.state.shop
    return shop


TheShop = Annotated[Shop, Depends(_shop)]


def refuse(status: int, code: str, message: str) -> NoReturn:
    """Answers with an error in the documented shape."""
    raise HTTPException(status, {"code": code, "message": message})
