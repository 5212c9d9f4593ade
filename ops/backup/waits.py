"""A bounded wait that loses no cancellation, as ``asyncio.wait_for`` of Python 3.11 may when both come at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Awaitable[T]) -> T:
    """Its result. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        return await work
