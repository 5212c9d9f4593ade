"""Orders and their delivery."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field, field_validator

from engine.store.phone import digits_of
from serve_apps.demo_store.catalogue import Product
from serve_apps.demo_store.keys import Key, MaybeKey
from serve_apps.demo_store.ledger import Order
from serve_apps.demo_store.refusal import refuse
from serve_apps.demo_store.shop import Shop, TheShop
from serve_apps.demo_store.workshop import PICKUP_POINTS

router = APIRouter()
_FREE_FROM = Decimal(300)
_DELIVERY = Decimal(12)
_DAYS = 3


def phone_digits(value: str) -> str:
    """Raises ValueError for what is no phone number."""
    digits = digits_of(value)
    if not re.fullmatch(r"\+?[\d\s()./-]+", value) or not 7 <= len(digits) <= 15:
        raise ValueError("not a phone number")
    return digits


class Item(BaseModel):
    """One line of an order."""

    product_id: str = Field(max_length=40)
    quantity: int = Field(ge=1, le=99)


class NewOrder(BaseModel):
    """Body of ``POST /orders``."""

    customer_phone: str = Field(max_length=30)
    customer_name: str = Field(default="", max_length=200)
    items: list[Item] = Field(min_length=1, max_length=20)
    source: str = Field(default="phone", max_length=40)
    call_id: str = Field(default="", max_length=64)

    _phone = field_validator("customer_phone")(phone_digits)


class Delivery(BaseModel):
    """Body of ``PATCH /orders/{id}/delivery``."""

    delivery_type: Literal["delivery", "pickup"]
    city: str = Field(default="", max_length=100)
    address: str = Field(default="", max_length=300)
    pickup_point_id: str = Field(default="", max_length=20)


class Confirmation(BaseModel):
    """Body of ``POST /orders/{id}/confirm``."""

    payment_method: Literal["card", "cash", "bank_transfer", "instalments"]
    customer_name: str = Field(default="", max_length=200)
    send_sms_confirmation: bool = False


def _order(shop: Shop, number: str) -> Order:
    order = shop.ledger.get(number)
    if order is None:
        refuse(404, "order_not_found", f"there is no order {number[:40]}")
    return order


@router.get("/orders/search")
async def search(
    shop: TheShop, phone: str | None = None, order_number: str | None = None, status: str | None = None
) -> dict[str, Any]:
    if phone is None and order_number is None:
        refuse(422, "validation_error", "phone or order_number is needed")
    found = shop.ledger.search(phone=phone, number=order_number, status=status)
    return {"data": [order.as_json() for order in found[-50:]]}


@router.get("/orders/{number}")
async def details(shop: TheShop, number: str) -> dict[str, Any]:
    return _order(shop, number).as_json()


def _create(shop: Shop, body: NewOrder) -> dict[str, Any]:
    items: list[tuple[Product, int]] = []
    for item in body.items:
        product = shop.products.get(item.product_id.upper())
        if product is None:
            refuse(404, "tire_not_found", f"there is no product {item.product_id}")
        if product.quantity < item.quantity:
            refuse(409, "out_of_stock", f"only {product.quantity} of {product.id} are in stock")
        items.append((product, item.quantity))
    return shop.ledger.create(items, body.customer_phone, body.customer_name).as_json()


@router.post("/orders", status_code=201)
async def create(shop: TheShop, body: NewOrder, key: Key) -> dict[str, Any]:
    return shop.keys.once(key, f"create {body.model_dump_json()}", lambda: _create(shop, body))


def _cost(goods: Decimal, kind: str) -> Decimal:
    return Decimal(0) if kind == "pickup" or goods >= _FREE_FROM else _DELIVERY


def _deliver(shop: Shop, number: str, body: Delivery) -> dict[str, Any]:
    order = _order(shop, number)
    if order.status != "draft":
        refuse(409, "order_not_draft", "only a draft can be changed")
    if body.delivery_type == "delivery" and not (body.city and body.address):
        refuse(422, "validation_error", "city and address are needed for a delivery")
    if body.delivery_type == "pickup" and all(point["id"] != body.pickup_point_id for point in PICKUP_POINTS):
        refuse(404, "pickup_point_not_found", "there is no such pick-up point")
    days = 1 if body.delivery_type == "pickup" else _DAYS
    order.delivery = body.model_dump()
    order.delivery_cost = _cost(order.goods, body.delivery_type)
    order.estimated_delivery = shop.local().date() + timedelta(days=days)
    return {**order.as_json(), "cost": float(order.delivery_cost), "estimated_days": days}


@router.patch("/orders/{number}/delivery")
async def deliver(shop: TheShop, number: str, body: Delivery, key: MaybeKey = None) -> dict[str, Any]:
    request = f"deliver {number} {body.model_dump_json()}"
    return shop.keys.once(key, request, lambda: _deliver(shop, number, body))


def _confirm(shop: Shop, number: str, body: Confirmation) -> dict[str, Any]:
    order = _order(shop, number)
    if order.status != "draft":
        refuse(409, "order_not_draft", "this order is confirmed already")
    if not order.delivery:
        refuse(409, "delivery_missing", "the delivery is not settled yet")
    order.status = "confirmed"
    order.customer_name = body.customer_name
    return order.as_json()


@router.post("/orders/{number}/confirm")
async def confirm(shop: TheShop, number: str, body: Confirmation, key: Key) -> dict[str, Any]:
    request = f"confirm {number} {body.model_dump_json()}"
    return shop.keys.once(key, request, lambda: _confirm(shop, number, body))


@router.get("/delivery/calculate")
async def calculate(city: str, order_id: str | None = None, *, shop: TheShop) -> dict[str, Any]:
    goods = _order(shop, order_id).goods if order_id is not None else Decimal(0)
    return {"city": city, "cost": float(_cost(goods, "delivery")), "currency": "EUR", "estimated_days": _DAYS}


@router.get("/pickup-points")
async def pickup_points(city: str | None = None) -> dict[str, Any]:
    return {"data": [point for point in PICKUP_POINTS if city is None or point["city"].lower() == city.lower()]}
