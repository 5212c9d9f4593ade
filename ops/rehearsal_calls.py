"""Calls of people who do not exist, as events: a rehearsal's evening."""

from __future__ import annotations

import platform
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

PLAYBOOK: Final = "tyre_shop"
TALKS: Final = (
    (("where is my order four two seven one", "Order 4271 is on its way to you.", "get_order_status"),),
    (
        ("do you have winter tyres two oh five fifty five sixteen", "We have 19, from 62 euros.", "search_tires"),
        ("four of the michelin please", "Four Michelin Alpin 6. What number shall I note?", None),
    ),
    (("when are you open on saturday", "On Saturday from nine to four.", "search_knowledge_base"),),
    (("can i speak to somebody", "I will connect you to a colleague.", "transfer_to_operator"),),
)


@dataclass(frozen=True, slots=True)
class Made:
    """A call that was made."""

    id: uuid.UUID
    began: datetime
    caller: str


@dataclass(slots=True)
class Evening:
    """Events of calls, and what of them must be in the tables."""

    rows: dict[str, int] = field(default_factory=lambda: {"calls": 0, "call_turns": 0, "call_tool_calls": 0})
    calls: list[Made] = field(default_factory=list)
    """In the order in which they were made."""
    chance: random.Random = field(default_factory=lambda: random.Random(4271))

    def call(self, began: datetime, *, lost: bool = False) -> Iterator[dict[str, Any]]:
        """The records of one call that began then, for an outbox; without its end where it was ``lost``."""
        made = Made(uuid.uuid4(), began, f"+99000{self.chance.randrange(40):07d}")
        call, caller = str(made.id), made.caller
        self.calls.append(made)
        self.rows["calls"] += 1
        at = began

        def record(kind: str, **fields: Any) -> dict[str, Any]:
            event = {"type": kind, "t": at.timestamp(), "id": str(uuid.uuid4()), "at": at.timestamp(), **fields}
            return {"call": call, "began": began.timestamp(), "event": event}

        yield record(
            "call",
            caller_number=caller,
            dialled="2100",
            channel="rehearsal",
            node=platform.node(),
            playbook=PLAYBOOK,
            version="0123456789ab",
            language="en",
        )
        talk = self.chance.choice(TALKS)
        for turn, (said, answered, tool) in enumerate(talk, start=1):
            at += timedelta(seconds=8)
            if tool is not None:
                self.rows["call_tool_calls"] += 1
                yield record("tool", turn=turn, name=tool, ok=True, seconds=0.1, arguments={}, result={})
            self.rows["call_turns"] += 2
            yield record("turn", turn=turn, caller=said, agent=answered, interrupted=False, stages=self._stages())
        if lost:
            return
        at += timedelta(seconds=5)
        operator = talk[-1][2] == "transfer_to_operator"
        yield record("ended", next="operator" if operator else "hangup", reason="asked" if operator else "goodbye")

    def _stages(self) -> dict[str, float]:
        first = round(self.chance.uniform(0.35, 0.9), 3)
        return {"endpointing": 0.4, "final_text": 0.2, "first_token": first - 0.1, "first_audio": first}
