"""The admin as a Ray Serve deployment."""

from __future__ import annotations

import asyncio
from typing import Any

import ray
from ray import serve

INGRESS_NAME = "ingress"
NAMESPACE = "trunkline"
STATUS_SECONDS = 1.0


async def ingress_status() -> dict[str, Any]:
    """What the ingress says of itself, or that it does not answer."""
    try:
        ingress = ray.get_actor(INGRESS_NAME, namespace=NAMESPACE)
        async with asyncio.timeout(STATUS_SECONDS):
            return dict(await ingress.status.remote())
    except (ValueError, TimeoutError, ray.exceptions.RayError):
        return {"status": "the ingress does not answer"}


def build() -> serve.Application:
    """The Serve application."""

    def app() -> Any:
        from serve_apps.admin.app import create_app  # noqa: PLC0415 - made where it runs

        return create_app(ingress_status)

    @serve.ingress(app)
    class Admin:
        """Shell round the web application."""

    deployment = serve.deployment(name="admin", ray_actor_options={"num_cpus": 0}, max_ongoing_requests=100)(Admin)
    application: serve.Application = deployment.bind()
    return application
