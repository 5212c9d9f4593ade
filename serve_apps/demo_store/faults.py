"""Faults on purpose, for tests of what depends on the store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

FaultMode = Literal["none", "slow", "429", "500", "503", "disconnect"]


class Fault(BaseModel):
    """What goes wrong from now on."""

    mode: FaultMode = "none"
    delay: float = Field(default=0.0, ge=0, le=60, description="seconds before each answer")
    remaining: int = Field(default=0, ge=0, description="how many requests it hits; 0: until it is changed")
    retry_after: int | None = Field(default=None, ge=0, le=3600, description="seconds, sent with 429 and 503")


@dataclass(slots=True)
class Hit:
    """What happens to one request."""

    status: int = 0
    """0: it is answered as usual."""
    retry_after: int | None = None
    disconnect: bool = False


class Faults:
    """The fault that is switched on."""

    def __init__(self) -> None:
        self._fault = Fault()
        self.seen = 0
        """Requests since the last change."""

    @property
    def current(self) -> Fault:
        return self._fault

    def set(self, fault: Fault) -> None:
        self._fault = fault
        self.seen = 0

    async def strike(self) -> Hit:
        """Waits and says what happens to this request."""
        fault = self._fault
        self.seen += 1
        if fault.mode == "none" or (fault.remaining and self.seen > fault.remaining):
            return Hit()
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.mode == "slow":
            return Hit()
        if fault.mode == "disconnect":
            return Hit(disconnect=True)
        return Hit(int(fault.mode), fault.retry_after)
