"""Tyres, vehicles and the knowledge base."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from engine.agent.playbook import load_playbook
from engine.knowledge.words import KnowledgeIndex
from serve_apps.demo_store.catalogue import LOCATIONS
from serve_apps.demo_store.refusal import refuse
from serve_apps.demo_store.shop import TheShop
from serve_apps.demo_store.vehicles import VEHICLES

router = APIRouter()
Season = Literal["summer", "winter", "all_season"]
_SORTS = {"price": (lambda p: p.price, False), "-price": (lambda p: p.price, True), "brand": (lambda p: p.brand, False)}


@router.get("/tires/search")
async def search(  # noqa: PLR0917 - FastAPI passes them by name
    shop: TheShop,
    width: int | None = None,
    profile: int | None = None,
    diameter: int | None = None,
    season: Season | None = None,
    brand: str | None = None,
    model: str | None = None,
    min_price: float | None = None,
    max_price: float | None = None,
    in_stock: bool | None = None,
    sort: Literal["price", "-price", "brand"] = "price",
    page: Annotated[int, Query(ge=1)] = 1,
    per_page: Annotated[int, Query(ge=1, le=50)] = 20,
) -> dict[str, Any]:
    wanted = {"width": width, "profile": profile, "diameter": diameter, "season": season}
    found = [
        product
        for product in shop.products.values()
        if all(value is None or getattr(product, name) == value for name, value in wanted.items())
        and (brand is None or product.brand.lower() == brand.lower())
        and (model is None or model.lower() in product.model.lower())
        and (min_price is None or product.price >= min_price)
        and (max_price is None or product.price <= max_price)
        and (in_stock is None or (product.quantity > 0) == in_stock)
    ]
    key, reverse = _SORTS[sort]
    found.sort(key=key, reverse=reverse)
    start = (page - 1) * per_page
    return {
        "data": [product.as_json() for product in found[start : start + per_page]],
        "pagination": {
            "page": page,
            "per_page": per_page,
            "total": len(found),
            "total_pages": -(-len(found) // per_page),
        },
    }


@router.get("/tires/{product_id}")
async def details(shop: TheShop, product_id: str) -> dict[str, Any]:
    product = shop.products.get(product_id.upper())
    if product is None:
        refuse(404, "tire_not_found", f"there is no product {product_id[:40]}")
    return product.as_json()


@router.get("/tires/{product_id}/availability")
async def availability(shop: TheShop, product_id: str) -> dict[str, Any]:
    product = shop.products.get(product_id.upper())
    if product is None:
        refuse(404, "tire_not_found", f"there is no product {product_id[:40]}")
    return {
        "product_id": product.id,
        "total_quantity": product.quantity,
        "locations": [{"name": n, "quantity": q} for n, q in zip(LOCATIONS, product.stock, strict=True)],
    }


@router.get("/vehicles/tires")
async def vehicle(
    shop: TheShop,
    make: Annotated[str, Query(min_length=1, max_length=60)],
    model: Annotated[str, Query(min_length=1, max_length=60)],
    year: Annotated[int | None, Query(ge=1950, le=2100)] = None,
    season: Season | None = None,
) -> dict[str, Any]:
    sizes = VEHICLES.get((make.strip().lower(), model.strip().lower()))
    if sizes is None:
        refuse(404, "vehicle_not_found", f"no sizes are known for {make[:40]} {model[:40]}")
    fitting = [
        product
        for product in shop.products.values()
        if (product.width, product.profile, product.diameter) in sizes
        and product.quantity > 0
        and season in {None, product.season}
    ]
    fitting.sort(key=lambda product: product.price)
    return {
        "make": make,
        "model": model,
        "year": year,
        "oem_sizes": [f"{width}/{profile} R{diameter}" for width, profile, diameter in sizes],
        "data": [product.as_json() for product in fitting[:20]],
    }


@lru_cache(maxsize=1)
def _index() -> KnowledgeIndex:
    shop = load_playbook("tyre_shop")
    return KnowledgeIndex(shop.knowledge, shop.spellings)


@router.get("/knowledge/search")
async def knowledge(
    query: Annotated[str, Query(min_length=1, max_length=400)],
    category: str | None = None,
    limit: Annotated[int, Query(ge=1, le=20)] = 3,
) -> dict[str, Any]:
    hits = [hit for hit in _index().search(query, limit=20) if hit.score > 0]
    if category is not None:
        hits = [hit for hit in hits if hit.passage.id == category]
    best = max((hit.score for hit in hits), default=1.0)
    return {
        "data": [
            {
                "id": hit.passage.id,
                "category": hit.passage.id,
                "content": hit.passage.text,
                "relevance_score": round(hit.score / best, 3),
            }
            for hit in hits[:limit]
        ]
    }
