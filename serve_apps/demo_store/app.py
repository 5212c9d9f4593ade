"""The Store API over the demo shop's data."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import FastAPI

from serve_apps.demo_shell import dress
from serve_apps.demo_store import routes_fitting, routes_orders, routes_tires
from serve_apps.demo_store.catalogue import make_catalogue
from serve_apps.demo_store.keys import Keys
from serve_apps.demo_store.ledger import Ledger
from serve_apps.demo_store.shop import Shop, local_time
from serve_apps.demo_store.workshop import Workshop


def create_app(*, token: str, admin_token: str = "", seed: int = 2026, now: Callable[[], float] = time.time) -> FastAPI:
    """The demo store. See ``dress`` for the tokens.

    The same ``seed`` gives the same goods and orders. ``now``: seconds since 1970-01-01 UTC.
    """
    app = FastAPI(title="Demo store", docs_url=None, redoc_url=None, openapi_url=None)
    products = make_catalogue(seed)
    ledger = Ledger(products, seed=seed, today=local_time(now()).date())
    app.state.shop = Shop(products, ledger, Workshop(), Keys(now), now)
    for router in (routes_tires.router, routes_orders.router, routes_fitting.router):
        app.include_router(router)
    dress(app, token=token, admin_token=admin_token)
    return app
