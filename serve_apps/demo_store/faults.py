"""Faults on purpose, for tests of what depends on the store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

FaultMode = Literal["none", "slow", "429", "500", "503", "disconnect", "lost_answer", "bad_json", "wrong_shape"]
"""``lost_answer``: what was asked for is done, and the connection breaks before the answer."""


class Fault(BaseModel):
    """What goes wrong from now on."""

    mode: FaultMode = "none"
    delay: float = Field(default=0.0, ge=0, le=60, description="seconds before each answer")
    remaining: int = Field(default=0, ge=0, description="how many requests it hits; 0: until it is changed")
    path: str = Field(default="", max_length=100, description="hits only paths that begin like this")
    retry_after: int | None = Field(default=None, ge=0, le=3600, description="seconds, sent with 429 and 503")


@dataclass(slots=True)
class Hit:
    """What happens to one request."""

    status: int = 0
    """0: it is answered as usual."""
    retry_after: int | None = None
    disconnect: bool = False
    lost: bool = False
    body: bytes = b""
    """Sent with 200 instead of the answer."""


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

    async def strike(self, path: str) -> Hit:
        """Waits and says what happens to this request."""
        fault = self._fault
        if not path.startswith(fault.path):
            return Hit()
        self.seen += 1
        if fault.mode == "none" or (fault.remaining and self.seen > fault.remaining):
            return Hit()
        if fault.delay:
            await asyncio.sleep(fault.delay)
        match fault.mode:
            case "slow":
                return Hit()
            case "disconnect":
                return Hit(disconnect=True)
            case "lost_answer":
                return Hit(lost=True)
            case "bad_json":
                return Hit(body=b'{"data": [{"id": "T-1')
            case "wrong_shape":
                return Hit(body=b'{"data": {"id": 7, "price": "soon", "items": null}, "pagination": []}')
            case status:
                return Hit(int(status), retry_after=fault.retry_after)
