"""Keeps as many call processes alive as the node may need, and starts none while a caller waits for it.

The processes are detached actors: they outlive an ingress that is replaced, with their calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.call import CallActor
from engine.config import Settings

NAMESPACE = "trunkline"
START_SECONDS = 60.0
"""Longest start of a process; after it another is tried."""
AT_ONCE = 2
"""Processes started side by side while nobody is on the line."""

logger = logging.getLogger(__name__)


class Pool:
    """The call processes of this node."""

    def __init__(
        self,
        settings: Settings,
        *,
        tether: Path,
        voice_weights: Path,
        store_url: str,
        hosts: Callable[[], int],
        busy: Callable[[], int],
    ) -> None:
        """``hosts``: processes that have come to the tether; ``busy``: calls now."""
        self._settings = settings
        self._arguments = (str(tether), settings, str(voice_weights), store_url)
        self._hosts = hosts
        self._busy = busy
        self._changed = asyncio.Event()
        self._runs: dict[asyncio.Task[None], Any] = {}
        self.started = 0
        """Processes started so far."""
        self.target = settings.pool.capacity + settings.pool.spare

    def changed(self) -> None:
        """A process came, went or became free."""
        self._changed.set()

    async def run(self) -> None:
        """Keep the pool filled; until cancelled."""
        while True:
            self._changed.clear()
            missing = self.target - self._hosts()
            if missing > 0:
                # One after the other while calls go on: a start takes a second of a core.
                at_once = 1 if self._busy() else min(AT_ONCE, missing)
                await self._start(at_once)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), 1.0)

    async def _start(self, count: int) -> None:
        """Start ``count`` processes and wait until they have come to the tether (or failed)."""
        wanted = self._hosts() + count
        tasks = [self._launch() for _ in range(count)]
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS
        while self._hosts() < wanted and loop.time() < deadline and not any(task.done() for task in tasks):
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), 0.25)
        if self._hosts() < wanted:
            await asyncio.sleep(0.5)  # do not spin where processes cannot start

    def _launch(self) -> asyncio.Task[None]:
        actor = CallActor.options(  # type: ignore[attr-defined]
            name=f"call-{uuid.uuid4().hex[:12]}",
            namespace=NAMESPACE,
            lifetime="detached",
            scheduling_strategy=NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False),
        ).remote(*self._arguments)
        self.started += 1
        task = asyncio.create_task(self._attend(actor), name="call-process")
        self._runs[task] = actor
        task.add_done_callback(lambda done: self._runs.pop(done, None))
        return task

    async def _attend(self, actor: Any) -> None:
        """Wait for the end of a process, so that its reason is known."""
        try:
            await actor.run.remote()
        except ray.exceptions.RayActorError as error:
            logger.warning("a call's process ended: %s", str(error).splitlines()[0])
        except Exception:
            logger.exception("a call's process failed")
        with contextlib.suppress(Exception):
            ray.kill(actor)
        self.changed()

    async def close(self) -> None:
        """End the processes that this ingress started."""
        for task, actor in list(self._runs.items()):
            task.cancel()
            with contextlib.suppress(Exception):
                ray.kill(actor)
        await asyncio.gather(*list(self._runs), return_exceptions=True)
