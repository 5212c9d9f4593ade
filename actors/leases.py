"""Leases of replicas by way of Ray Serve: one long streaming request for each, so that Serve sees the true load.

The request yields the replica's address first, says ``renew`` when it is time to ask again (a replica that is leaving
is no longer chosen then), and ends with the call.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from ray import serve
from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

from engine.config import Settings, remote_target
from engine.errors import LeaseError
from engine.speech.leases import RENEW, Lease, Service

ACQUIRE_SECONDS = 2.5
RETRY_SECONDS = 0.05

logger = logging.getLogger(__name__)

OnMoved = Callable[[Lease], None]


@dataclass(slots=True)
class _Held:
    lease: Lease
    stream: DeploymentResponseGenerator[Any]
    task: asyncio.Task[None] | None = None


class ServeBroker:
    """Acquires leases from the Serve applications ``stt``, ``tts`` and ``llm``. Meets the port Broker.

    A service whose setting names a server elsewhere (``grpc://…``) needs no lease: its address is given at once.
    """

    def __init__(self, settings: Settings) -> None:
        speech = settings.speech
        self._fixed: dict[Service, str] = {}
        for service, target in (("stt", speech.stt), ("tts", speech.tts), ("llm", speech.llm)):
            address = remote_target(target)
            if address:
                self._fixed[service] = address  # type: ignore[index]
        self._handles: dict[Service, DeploymentHandle[Any]] = {}
        self._held: dict[int, _Held] = {}
        self._numbers = itertools.count(1)

    async def acquire(self, service: Service, call_id: str, on_moved: OnMoved) -> Lease:
        number = next(self._numbers)
        if service in self._fixed:
            return Lease(service, self._fixed[service], number)
        held = await self._open_one(service, call_id, number)
        self._held[number] = held
        held.task = asyncio.create_task(self._hold(held, call_id, on_moved), name=f"lease-{service}")
        return held.lease

    def release(self, lease: Lease) -> None:
        held = self._held.pop(lease.number, None)
        if held is not None:
            _cancel(held)

    @property
    def held(self) -> int:
        """Leases now."""
        return len(self._held)

    async def close(self) -> None:
        """Release all."""
        for held in list(self._held.values()):
            self.release(held.lease)

    async def _open_one(self, service: Service, call_id: str, number: int) -> _Held:
        """A lease of any replica: Serve may still offer one that has just died."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ACQUIRE_SECONDS
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._open(service, call_id, number)
            except Exception as error:  # whatever Serve raises
                if loop.time() + RETRY_SECONDS > deadline:
                    raise LeaseError(f"no replica of {service}: {error or type(error).__name__}") from error
                await asyncio.sleep(RETRY_SECONDS)

    async def _open(self, service: Service, call_id: str, number: int) -> _Held:
        handle = self._handles.get(service)
        if handle is None:
            handle = self._handles[service] = serve.get_app_handle(service).options(stream=True, method_name="lease")
        stream = cast("DeploymentResponseGenerator[Any]", handle.remote(call_id))
        try:
            address = await anext(aiter(stream), "")
        except BaseException:
            with contextlib.suppress(Exception):
                stream.cancel()  # type: ignore[no-untyped-call]
            raise
        if not address:
            raise LeaseError("the replica is leaving")
        return _Held(Lease(service, address, number), stream)

    async def _hold(self, held: _Held, call_id: str, on_moved: OnMoved) -> None:
        """Keep a lease until it is released, and move it when its replica asks for that."""
        lease = held.lease
        try:
            async for item in held.stream:
                if item == RENEW:
                    await self._move(held, call_id, on_moved)
                    return
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # The replica is gone; the call notices by its stream and asks for another.
            what = type(error).__name__
            logger.info("a lease of %s ended: %s", lease.service, what, extra={"call_id": call_id})

    async def _move(self, held: _Held, call_id: str, on_moved: OnMoved) -> None:
        old = held.lease
        try:
            lease = await self.acquire(old.service, call_id, on_moved)
        except LeaseError as error:
            logger.warning("a lease could not be renewed: %s", error, extra={"call_id": call_id})
            return
        if old.number not in self._held:  # released meanwhile
            self.release(lease)
            return
        on_moved(lease)
        self.release(old)


def _cancel(held: _Held) -> None:
    with contextlib.suppress(Exception):
        held.stream.cancel()  # type: ignore[no-untyped-call]
    if held.task is not None and held.task is not asyncio.current_task():
        held.task.cancel()
