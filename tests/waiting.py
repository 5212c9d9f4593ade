"""A wait for what nothing tells of when it happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

_LOOK_SECONDS = 0.05


async def until(holds: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What ``holds`` (or what it awaits) says once it is true. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            found = holds()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(_LOOK_SECONDS)
