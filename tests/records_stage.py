"""What tests of the records share: settings of an engine that keeps none, and calls as the outbox has them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, Final

WITHOUT_RECORDS: Final = {"TRUNKLINE_DATABASE": "none", "TRUNKLINE_REDIS": "none"}
"""For engines whose records are not what a test is about."""

BEGAN: Final = 1_780_000_000.25
CALLER: Final = "+380501234567"


class RecordedCall:
    """One call; each method is an event of it, as a record of the outbox."""

    def __init__(self, number: int = 0, *, caller: str = CALLER, began: float = BEGAN) -> None:
        self.id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"call {number}"))
        self.began = began + number
        self.caller = caller
        self._count = 0

    def event(self, kind: str, **fields: Any) -> dict[str, Any]:
        self._count += 1
        name = f"{self.id} {self._count}"
        event = {"type": kind, "t": 1.0, **fields, "id": str(uuid.uuid5(uuid.NAMESPACE_OID, name))}
        return {"call": self.id, "began": self.began, "event": event | {"at": self.began + self._count}}

    def call(self) -> dict[str, Any]:
        return self.event(
            "call",
            caller_number=self.caller,
            dialled="0445550100",
            channel=f"PJSIP/{self.caller}-01",
            node="here",
            playbook="tyre_shop",
            version="abc",
            language="en",
        )

    def turn(self, turn: int, caller: str, agent: str, *, interrupted: bool = False, **more: Any) -> dict[str, Any]:
        stages = {"endpointing": 0.4, "first_audio": 0.6} if caller else {}
        return self.event("turn", turn=turn, caller=caller, agent=agent, interrupted=interrupted, stages=stages, **more)

    def model_use(self, asked: int, unknown: int, tokens: tuple[int, int]) -> dict[str, Any]:
        """What models used, as the field of a turn."""
        return {"asked": asked, "unknown": unknown, "input_tokens": tokens[0], "output_tokens": tokens[1]}

    def tool(self, name: str, *, ok: bool = True, **more: Any) -> dict[str, Any]:
        return self.event("tool", **({"turn": 1, "name": name, "ok": ok, "seconds": 0.12, "arguments": {}} | more))

    def ended(self, onward: str = "hangup", reason: str = "goodbye") -> dict[str, Any]:
        return self.event("ended", next=onward, reason=reason)

    def all(self) -> Iterator[dict[str, Any]]:
        """A whole call: 13 events, of which 8 are in the tables as rows (4 turns in 7, a tool) or figures."""
        yield self.call()
        yield self.event("admitted", playbook="tyre_shop")
        yield self.event("state", state="greeting")
        yield self.turn(0, "", "Good day.")
        yield self.event("partial", caller="where is my")
        cut: dict[str, Any] = {"interrupted": True, "interrupted_at_ms": 640}
        yield self.turn(1, "where is my order four two seven one", "One moment.", confidence=0.9, **cut)
        yield self.tool("get_order_status", arguments={"order_number": "4271"}, result={"order_number": "4271"})
        yield self.turn(2, "well", "It is on its way.")
        yield self.event("failure", what="recognition")
        yield self.event("takeover", history=4, state="listening", turn=2)
        yield self.turn(3, "thank you goodbye", "Goodbye.")
        yield self.event("state", state="ended")
        yield self.ended()
