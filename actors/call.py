"""The Ray actor that leads calls, one at a time: a shell round ``CallHost``."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import ray

from engine.config import Settings
from engine.errors import TrunklineError

START_NICENESS = 10


@ray.remote(num_cpus=0, max_restarts=0)
class CallActor:
    """One process, warm before its first call."""

    def __init__(self, launch: str, tether: str, settings: Settings, voice_weights: str, store_url: str) -> None:
        """``launch``: the name by which the pool knows this process."""
        self._launch = launch
        self._tether = Path(tether)
        self._settings = settings
        self._voice_weights = Path(voice_weights)
        self._store_url = store_url

    def run(self) -> None:
        """Serve calls until told to end.

        Not an async method: it holds the actor's main thread for good, on a loop of its own. Ray's loop for the next
        task, which would wake a hundred times a second beside the call, then never runs.
        """
        _behind_the_calls(_load)
        import uvloop  # noqa: PLC0415 - loaded where it runs, not where the actor is named

        from actors.host import CallHost  # noqa: PLC0415
        from actors.workshop import CallWorkshop  # noqa: PLC0415
        from engine.clock import LoopClock  # noqa: PLC0415
        from engine.logs import configure_logging  # noqa: PLC0415

        configure_logging(self._settings.logging)

        async def serve() -> None:
            clock = LoopClock()
            workshop = CallWorkshop(
                self._settings, voice_weights=self._voice_weights, store_url=self._store_url, clock=clock
            )
            await CallHost(self._tether, self._settings, workshop, clock, launch=self._launch).run()

        try:
            uvloop.run(serve())
        except Exception:
            # Told here, masked: what this raises is written by Ray as it is, in logs of its own.
            logging.getLogger(__name__).exception("a call's process failed")
            raise TrunklineError("a call's process failed; its own log says why") from None


def _load() -> None:
    """All that a call's process imports."""
    import uvloop  # noqa: F401, PLC0415

    import actors.host  # noqa: PLC0415
    import actors.workshop  # noqa: F401, PLC0415


def _behind_the_calls(work: Callable[[], None]) -> None:
    """Do ``work`` where it gets only the time that calls leave: half a second of imports is 25 frames of every call.

    In a thread of its own, because a thread may lower its own priority, but not everybody may raise it again.
    """

    def run() -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), START_NICENESS)
        work()

    thread = threading.Thread(target=run, name="load")
    thread.start()
    thread.join()
