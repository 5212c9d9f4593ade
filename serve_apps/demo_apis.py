"""All demonstration APIs in one application: the store, and the clinic under ``/clinic``.

One process serves them: each of its own would cost a hundred megabytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import FastAPI

from serve_apps.demo_clinic.app import create_app as create_clinic
from serve_apps.demo_store.app import create_app as create_store


def create_app(*, token: str, admin_token: str = "", seed: int = 2026, now: Callable[[], float] = time.time) -> FastAPI:
    """Each API with its own fault switch. See the two for the arguments."""
    app = FastAPI(title="Demonstration APIs", docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/clinic", create_clinic(token=token, admin_token=admin_token, now=now))
    app.mount("/", create_store(token=token, admin_token=admin_token, seed=seed, now=now))
    return app
