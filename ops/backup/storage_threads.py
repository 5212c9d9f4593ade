"""Threads for a disk that may hang for ever, such as one that another machine lends.

No thread that waits in the system for such a disk can be ended. So these are few, nobody else's work waits behind them,
and they are daemons: a process that is done ends without them, where Python's own pool would wait for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar, TypeVarTuple

MOST: Final = 16
"""Threads: where all of them hang, what comes after waits as long as its caller lets it."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class StorageThreads:
    """A few, begun when they are needed."""

    def __init__(self, most: int = MOST) -> None:
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._most = most
        self._begun = 0

    async def run(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """``function`` on one of them. Where the caller gives up, one that has not begun is not begun any more."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            if result.cancelled():
                return
            try:
                done = function(*arguments)
            except BaseException as error:  # it is the caller's, whatever it is
                _tell(loop, result, result.set_exception, error)
            else:
                _tell(loop, result, result.set_result, done)

        self._work.put(work)
        if not self._idle.acquire(blocking=False) and self._begun < self._most:
            self._begun += 1
            threading.Thread(target=self._serve, name=f"storage-{self._begun}", daemon=True).start()
        return await result

    def _serve(self) -> None:
        while True:
            self._work.get()()
            self._idle.release()


def _tell(loop: asyncio.AbstractEventLoop, result: asyncio.Future[Any], how: Callable[[Any], None], what: Any) -> None:
    def tell() -> None:
        if not result.done():
            how(what)

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(tell)
