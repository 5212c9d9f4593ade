"""What the shop's tools tell the model: the store's records as plain JSON, without what no caller should hear."""

from __future__ import annotations

from typing import Any

from engine.store.port import Booking, FittingStation, Order, PickupPoint, Tyre


def tyre_told(tyre: Tyre) -> dict[str, Any]:
    return {
        "id": tyre.id,
        "brand": tyre.brand,
        "model": tyre.model,
        "size": tyre.size,
        "season": tyre.season,
        "price": str(tyre.price),
        "currency": tyre.currency,
        "in_stock": tyre.in_stock,
        "stock_quantity": tyre.stock_quantity,
    }


def order_told(order: Order) -> dict[str, Any]:
    """Without the phone number, which tells whose order it is."""
    known = {
        "number": order.number,
        "status": order.status,
        "status_label": order.status_label,
        "items": order.items_summary,
        "total": None if order.total is None else str(order.total),
        "currency": order.currency,
        "estimated_delivery": order.estimated_delivery,
        "tracking_number": order.tracking_number,
    }
    return {name: value for name, value in known.items() if value}


def pickup_point_told(point: PickupPoint) -> dict[str, Any]:
    return {"pickup_point_id": point.id, "city": point.city, "address": point.address, "hours": point.hours}


def station_told(station: FittingStation) -> dict[str, Any]:
    return {"station_id": station.id, "name": station.name, "city": station.city, "address": station.address}


def booking_told(booking: Booking, station: FittingStation | None = None) -> dict[str, Any]:
    """Without phone number and name; ``station`` and ``address`` where the station is known."""
    known = {
        "booking_id": booking.id,
        "station_id": booking.station_id,
        "station": station.name if station is not None else "",
        "address": station.address if station is not None else "",
        "date": booking.date,
        "time": booking.time,
        "service_type": booking.service_type,
        "status": booking.status,
        "vehicle_info": booking.vehicle_info,
    }
    return {name: value for name, value in known.items() if value}
