"""From the Store API's JSON to the port's dataclasses. Raises StoreUnavailable where an answer has another shape."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from engine.errors import StoreUnavailable
from engine.store.port import Availability, Order, StockLocation, Tyre, TyrePage

_Parsed = TypeVar("_Parsed")


def _parsed(make: Callable[[], _Parsed]) -> _Parsed:
    try:
        return make()
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise StoreUnavailable(f"the store's answer has an unknown shape ({type(error).__name__})") from error


def _inner(payload: Any) -> Any:
    """One object, bare or as ``{"data": …}``."""
    return payload["data"] if isinstance(payload, dict) and set(payload) == {"data"} else payload


def _tyre(data: Any) -> Tyre:
    return Tyre(
        id=str(data["id"]),
        brand=str(data["brand"]),
        model=str(data["model"]),
        size=str(data["size"]),
        season=str(data["season"]),
        price=Decimal(str(data["price"])),
        currency=str(data["currency"]),
        in_stock=bool(data["in_stock"]),
        stock_quantity=int(data["stock_quantity"]),
    )


def _order(data: Any) -> Order:
    total = data.get("total")
    return Order(
        id=str(data["id"]),
        number=str(data.get("order_number") or data["id"]),
        status=str(data["status"]),
        status_label=str(data.get("status_label") or data["status"]),
        items_summary=str(data.get("items_summary") or ""),
        total=None if total is None else Decimal(str(total)),
        currency=str(data.get("currency") or ""),
        estimated_delivery=str(data.get("estimated_delivery") or ""),
        tracking_number=str(data.get("tracking_number") or ""),
    )


def tyre_of(payload: Any) -> Tyre:
    return _parsed(lambda: _tyre(_inner(payload)))


def tyre_page_of(payload: Any) -> TyrePage:
    def make() -> TyrePage:
        tyres = tuple(_tyre(item) for item in payload["data"])
        return TyrePage(tyres, int((payload.get("pagination") or {}).get("total", len(tyres))))

    return _parsed(make)


def availability_of(product_id: str, payload: Any) -> Availability:
    def make() -> Availability:
        data = _inner(payload)
        locations = tuple(
            StockLocation(str(item.get("name") or item.get("location") or ""), int(item["quantity"]))
            for item in data.get("locations") or ()
        )
        return Availability(product_id, int(data["total_quantity"]), locations)

    return _parsed(make)


def order_of(payload: Any) -> Order:
    return _parsed(lambda: _order(_inner(payload)))


def orders_of(payload: Any) -> tuple[Order, ...]:
    return _parsed(lambda: tuple(_order(item) for item in payload["data"]))
