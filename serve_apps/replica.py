"""A replica of a speech or chat model service: a shell round a provider, which knows nothing of Ray.

Calls talk to it over plain gRPC; Serve sees their leases.
"""
# ruff: noqa: PLC0415 - whoever deploys it does not pay for what it imports where it runs

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import random
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import ray
from ray import serve

from engine.config import Settings, in_url
from engine.speech.leases import RENEW, Service

if TYPE_CHECKING:
    from engine.knowledge.assembly import Library

HEALTH_PERIOD_SECONDS = 10.0
HEALTH_TIMEOUT_SECONDS = 30.0
OUTSIDE_PERIOD_SECONDS = 60.0
"""A service of others is asked more seldom: nobody is restarted for it, the log alone learns of it."""
LEAVE_WAIT_SECONDS = 1.0
MODEL_NICENESS = 4

logger = logging.getLogger(__name__)


class Replica:
    """One process that serves one provider."""

    async def __init__(self, service: Service, settings: Settings) -> None:  # type: ignore[misc]  # Serve awaits it
        from engine.logs import configure_logging
        from engine.speech.grpc_server import SpeechServer
        from engine.speech.providers import factory

        configure_logging(settings.logging)
        named = {"stt": settings.speech.stt, "tts": settings.speech.tts, "llm": settings.speech.llm}[service].split(",")
        if service != "llm" and "embedded" in named:
            _yield_to_calls()  # before it has threads: they take its priority over
        self._service = service
        self._renew = settings.speech.lease_renew_s
        self._provider: Any
        self._library: Library | None = None
        if service == "stt":
            self._provider = factory.make_recognizer(settings)
            self._server = SpeechServer(recognizer=self._provider)
        elif service == "tts":
            self._provider = factory.make_synthesizer(settings)
            self._server = SpeechServer(synthesizer=self._provider)
        else:
            self._provider = factory.make_model(settings)
            self._library = factory.make_library(settings)
            self._server = SpeechServer(model=self._provider, knowledge=self._library)
            if self._library is not None:
                await self._library.start()
        await self._provider.start()
        local = settings.ray.address == ""
        host = settings.network.near if local else str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]
        host = in_url(host)
        port = await self._server.start(host)
        self._address = f"{host}:{port}"
        self._leases = 0
        self._checked_at = 0.0
        outside = any(map(factory.is_outside, named))
        self._health_period = OUTSIDE_PERIOD_SECONDS if outside else HEALTH_PERIOD_SECONDS
        gc.collect()
        gc.freeze()  # what was loaded so far is never garbage: collections while it serves stay short
        logger.info("%s serves at %s", service, self._address)

    async def lease(self, call_id: str) -> AsyncIterator[str]:
        """The address of this replica's gRPC server; ``renew`` when it is time to ask again; ends with the caller."""
        self._leases += 1
        try:
            yield self._address
            await asyncio.sleep(self._renew * random.uniform(0.8, 1.2))
            yield RENEW
            await asyncio.sleep(self._renew)
        finally:
            self._leases -= 1

    async def check_health(self) -> None:
        """The provider does its work for real. Raises what it raises."""
        # A busy provider shows every moment that it works; an idle one is asked.
        now = time.monotonic()
        if now - self._checked_at < self._health_period:
            return
        await self._provider.check_health()
        self._checked_at = now

    async def __del__(self) -> None:
        await self._server.stop(grace=0.5)
        await self._provider.close()
        if self._library is not None:
            await self._library.close()


def _yield_to_calls() -> None:
    """A model computes for a quarter of a second; a call's frame is due every 20 ms: frames first."""
    with contextlib.suppress(OSError):
        os.nice(MODEL_NICENESS)


def build(service: Service, settings: Settings) -> serve.Application:
    """The Serve application of one service."""
    speech = settings.speech
    replicas = {"stt": speech.stt_replicas, "tts": speech.tts_replicas, "llm": speech.llm_replicas}[service]
    deployment = serve.deployment(
        name=service,
        num_replicas=replicas,
        max_ongoing_requests=speech.leases_per_replica,
        # Calls move to another replica at their next renewal; after that nobody is left.
        graceful_shutdown_timeout_s=2.5 * speech.lease_renew_s,
        graceful_shutdown_wait_loop_s=LEAVE_WAIT_SECONDS,
        health_check_period_s=HEALTH_PERIOD_SECONDS,
        health_check_timeout_s=HEALTH_TIMEOUT_SECONDS,
        ray_actor_options={"num_cpus": 0},
    )(Replica)
    application: serve.Application = deployment.bind(service, settings)
    return application
