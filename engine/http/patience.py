"""How long whoever asks will wait, known to all requests that are made for him.

A tool has one limit, however many requests and tries it needs. The tries look here how much of it is left, so that the
last one ends by itself: its failure is then told and counted like any other.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_until: ContextVar[float] = ContextVar("patience_until", default=math.inf)


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Within it, requests of this task and of those that it starts have ``seconds`` together.

    Inside another one the shorter counts. Needs a running loop.
    """
    token = _until.set(min(_until.get(), asyncio.get_running_loop().time() + seconds))
    try:
        yield
    finally:
        _until.reset(token)


def patience_left() -> float:
    """Seconds; infinite where nobody set a limit, never below 0."""
    return max(_until.get() - asyncio.get_running_loop().time(), 0.0)
