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
"""Processes started side by side."""
RETRY_SECONDS = 1.0
"""Wait after a process that could not start."""

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
        warm: Callable[[], int],
        busy: Callable[[], int],
    ) -> None:
        """``hosts``: processes that have come to the tether; ``warm``: those of them that are free; ``busy``: calls."""
        self._settings = settings
        self._arguments = (str(tether), settings, str(voice_weights), store_url)
        self._hosts = hosts
        self._warm = warm
        self._busy = busy
        self._changed = asyncio.Event()
        self._starting: dict[str, float] = {}
        """Processes that have not come to the tether yet, and when they are given up."""
        self._runs: dict[asyncio.Task[None], Any] = {}
        self.started = 0
        """Processes started so far."""
        self.target = settings.pool.capacity + settings.pool.spare

    def changed(self) -> None:
        """A process came, went or became free."""
        self._changed.set()

    def arrived(self, launch: str) -> None:
        """The process of this launch has come to the tether."""
        self._starting.pop(launch, None)
        self._changed.set()

    async def run(self) -> None:
        """Keep the pool filled; until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            now = loop.time()
            for launch in [launch for launch, end in self._starting.items() if end < now]:
                logger.error("a call's process did not come within %g s", START_SECONDS)
                del self._starting[launch]
            missing = self.target - self._hosts() - len(self._starting)
            # One after the other while calls go on (a start takes a second of a core), unless hardly any is left.
            at_once = AT_ONCE if not self._busy() or self._warm() < self._settings.pool.spare else 1
            for _ in range(min(missing, at_once - len(self._starting))):
                self._launch()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._changed.wait()

    def _launch(self) -> None:
        launch = f"call-{uuid.uuid4().hex[:12]}"
        actor = CallActor.options(  # type: ignore[attr-defined]
            name=launch,
            namespace=NAMESPACE,
            lifetime="detached",
            scheduling_strategy=NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False),
        ).remote(launch, *self._arguments)
        self.started += 1
        self._starting[launch] = asyncio.get_running_loop().time() + START_SECONDS
        task = asyncio.create_task(self._attend(launch, actor), name="call-process")
        self._runs[task] = actor
        task.add_done_callback(lambda done: self._runs.pop(done, None))

    async def _attend(self, launch: str, actor: Any) -> None:
        """Wait for the end of a process, so that its reason is known."""
        try:
            await actor.run.remote()
        except ray.exceptions.RayActorError as error:
            logger.warning("a call's process ended: %s", str(error).splitlines()[0])
        except Exception:
            logger.exception("a call's process failed")
        with contextlib.suppress(Exception):
            ray.kill(actor)
        if launch in self._starting:
            await asyncio.sleep(RETRY_SECONDS)  # do not spin where processes cannot start
            self._starting.pop(launch, None)
        self.changed()

    async def close(self) -> None:
        """End the processes that this ingress started."""
        for task, actor in list(self._runs.items()):
            task.cancel()
            with contextlib.suppress(Exception):
                ray.kill(actor)
        await asyncio.gather(*list(self._runs), return_exceptions=True)
