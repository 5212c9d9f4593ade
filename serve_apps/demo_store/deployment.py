"""The demonstration APIs as a Serve application: the store, and beside it the clinic."""

from __future__ import annotations

from typing import cast

from fastapi import FastAPI
from ray import serve

from serve_apps.demo_apis import create_app


@serve.deployment(name="demo_store", num_replicas=1, max_ongoing_requests=64, ray_actor_options={"num_cpus": 0})
@serve.ingress()
class DemoStore:
    """One replica, and only one: orders live in its memory."""

    def __init__(self, token: str, admin_token: str, seed: int) -> None:
        self._token, self._admin_token, self._seed = token, admin_token, seed

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_app(token=self._token, admin_token=self._admin_token, seed=self._seed)


def build(token: str, *, admin_token: str = "", seed: int = 2026) -> serve.Application:
    """The application. See ``create_app`` for the arguments."""
    return cast("serve.Application", DemoStore.bind(token, admin_token, seed))  # type: ignore[attr-defined]  # decorator is untyped
