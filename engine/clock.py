"""Time as the engine sees it.

Durations and deadlines are seconds as float on one monotonic clock, the running loop's own, so that
``asyncio.sleep``, ``asyncio.timeout`` and ``loop.call_at`` agree with it; a test swaps the loop (``VirtualTimeLoop``)
and thirty seconds of conversation pass in a moment.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Monotonic seconds; differences alone have a meaning."""

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC."""


class LoopClock:
    """The running loop's monotonic time and the machine's wall time."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return time.time()


class _JumpingSelector(selectors.BaseSelector):
    """Never waits: where nothing is ready it moves its loop's time on by the time it should have waited."""

    def __init__(self) -> None:
        self._inner = selectors.DefaultSelector()
        self.elapsed = 0.0

    def register(self, fileobj: FileDescriptorLike, events: int, data: object = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._inner.select(0)
        if ready:
            return ready
        if timeout is None:  # nothing scheduled: only the outside can wake this loop
            return self._inner.select(None)
        self.elapsed += max(timeout, 0.0)
        return ready

    def close(self) -> None:
        self._inner.close()

    def get_map(self) -> object:  # type: ignore[override]
        return self._inner.get_map()


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer, for tests: same order, no waiting, the same each run.

    Starts at 1000.0 s so that a forgotten zero shows.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return 1000.0 + self._jumping.elapsed
