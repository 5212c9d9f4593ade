"""From the Store API's JSON to the port's dataclasses.

Raises StoreUnavailable where an answer has another shape: a price that is no number must never reach a caller.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from engine.errors import StoreUnavailable
from engine.store.port import (
    Availability,
    Booking,
    DeliveryQuote,
    DeliveryTerms,
    FittingPrices,
    FittingSlot,
    FittingStation,
    KnowledgePassage,
    Order,
    PickupPoint,
    StockLocation,
    Tyre,
    TyrePage,
    VehicleTyres,
)

_Parsed = TypeVar("_Parsed")


def parsed(make: Callable[[Any], _Parsed], payload: Any) -> _Parsed:
    """``make(payload)``; StoreUnavailable where the payload has not the shape that ``make`` expects."""
    try:
        return make(payload)
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise StoreUnavailable(f"the store's answer has an unknown shape ({type(error).__name__})") from error


def many(make: Callable[[Any], _Parsed]) -> Callable[[Any], tuple[_Parsed, ...]]:
    """A parser of ``{"data": [one, …]}``."""

    def make_many(payload: Any) -> tuple[_Parsed, ...]:
        items = payload["data"]
        if not isinstance(items, list):
            raise TypeError
        return tuple(make(item) for item in items)

    return make_many


def _inner(payload: Any) -> Any:
    """One object, bare or as ``{"data": …}``."""
    return payload["data"] if isinstance(payload, dict) and set(payload) == {"data"} else payload


def _text(value: Any) -> str:
    """A text or a number as text; neither null nor a structure nor a truth."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError
    return str(value)


def _maybe(value: Any) -> str:
    return "" if value is None else _text(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return value


def _count(value: Any) -> int:
    if _whole(value) < 0:
        raise ValueError
    return int(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _amount(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError
    amount = Decimal(str(value))
    if not amount.is_finite() or amount < 0:
        raise ValueError
    return amount


def _day(value: Any) -> str:
    return date.fromisoformat(_text(value)).isoformat()


def _time(value: Any) -> str:
    return f"{time.fromisoformat(_text(value)):%H:%M}"


def tyre(payload: Any) -> Tyre:
    data = _inner(payload)
    return Tyre(
        id=_text(data["id"]),
        brand=_text(data["brand"]),
        model=_text(data["model"]),
        size=_text(data["size"]),
        season=_text(data["season"]),
        price=_amount(data["price"]),
        currency=_text(data["currency"]),
        in_stock=_flag(data["in_stock"]),
        stock_quantity=_count(data["stock_quantity"]),
    )


def tyre_page(payload: Any) -> TyrePage:
    tyres = many(tyre)(payload)
    return TyrePage(tyres, _count((payload.get("pagination") or {}).get("total", len(tyres))))


def availability(product_id: str) -> Callable[[Any], Availability]:
    """A parser of the stock of ``product_id``."""

    def make(payload: Any) -> Availability:
        data = _inner(payload)
        locations = tuple(
            StockLocation(_maybe(item.get("name") or item.get("location")), _count(item["quantity"]))
            for item in data.get("locations") or ()
        )
        return Availability(product_id, _count(data["total_quantity"]), locations)

    return make


def vehicle_tyres(payload: Any) -> VehicleTyres:
    year = payload.get("year")
    return VehicleTyres(
        make=_text(payload["make"]),
        model=_text(payload["model"]),
        oem_sizes=tuple(_text(size) for size in payload["oem_sizes"]),
        tyres=many(tyre)(payload),
        year=None if year is None else _whole(year),
    )


def order(payload: Any) -> Order:
    data = _inner(payload)
    total, arrives = data.get("total"), data.get("estimated_delivery")
    return Order(
        id=_text(data["id"]),
        number=_text(data.get("order_number") or data["id"]),
        status=_text(data["status"]),
        status_label=_text(data.get("status_label") or data["status"]),
        items_summary=_maybe(data.get("items_summary")),
        total=None if total is None else _amount(total),
        currency=_maybe(data.get("currency")),
        estimated_delivery=_day(arrives) if arrives else "",
        tracking_number=_maybe(data.get("tracking_number")),
        customer_phone=_maybe(data.get("customer_phone")),
    )


def delivery_terms(payload: Any) -> DeliveryTerms:
    data = _inner(payload)
    return DeliveryTerms(
        order=order(data),
        cost=_amount(data["cost"]),
        total=_amount(data["total"]),
        currency=_text(data["currency"]),
        estimated_days=_count(data["estimated_days"]),
    )


def delivery_quote(payload: Any) -> DeliveryQuote:
    data = _inner(payload)
    return DeliveryQuote(
        city=_text(data["city"]),
        cost=_amount(data["cost"]),
        currency=_text(data["currency"]),
        estimated_days=_count(data["estimated_days"]),
    )


def pickup_point(data: Any) -> PickupPoint:
    return PickupPoint(_text(data["id"]), _text(data["city"]), _text(data["address"]), _maybe(data.get("hours")))


def fitting_station(data: Any) -> FittingStation:
    return FittingStation(_text(data["id"]), _text(data["name"]), _text(data["city"]), _text(data["address"]))


def fitting_slot(data: Any) -> FittingSlot:
    return FittingSlot(_day(data["date"]), _time(data["time"]))


def fitting_prices(payload: Any) -> FittingPrices:
    data = _inner(payload)
    return FittingPrices(
        station_id=_text(data["station_id"]),
        tire_diameter=_whole(data["tire_diameter"]),
        currency=_text(data["currency"]),
        prices={_text(service): _amount(price) for service, price in data["prices"].items()},
    )


def booking(payload: Any) -> Booking:
    data = _inner(payload)
    diameter = data.get("tire_diameter")
    return Booking(
        id=_text(data["id"]),
        station_id=_text(data["station_id"]),
        date=_day(data["date"]),
        time=_time(data["time"]),
        service_type=_text(data["service_type"]),
        status=_text(data["status"]),
        customer_phone=_maybe(data.get("customer_phone")),
        customer_name=_maybe(data.get("customer_name")),
        vehicle_info=_maybe(data.get("vehicle_info")),
        tire_diameter=None if diameter is None else _whole(diameter),
    )


def knowledge_passage(data: Any) -> KnowledgePassage:
    score = data["relevance_score"]
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise ValueError
    return KnowledgePassage(_text(data["id"]), _maybe(data.get("category")), _text(data["content"]), float(score))
