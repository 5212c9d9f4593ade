"""The words that ingress and call exchange over the tether: each message's ``type``, in one place."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

# From the call's process to the ingress.
HELLO: Final = "hello"
"""pid; with ``call`` and two descriptors where it is leading a call (the ingress was replaced)."""
WARM: Final = "warm"
"""It can take a call now."""
EVENT: Final = "event"
"""Something happened in the call (for journals and pages); it has its id and its time."""
LATE: Final = "late"
"""To an ingress that was replaced: call and event, where the one before may not have kept it."""
LEASE: Final = "lease"
"""Asked: service. Answered: service, address, number, or error."""
LEASE_LOST: Final = "lease_lost"
OUTCOME: Final = "outcome"
"""The event that says how the call ends; answered by the same type before the PBX is told."""
DONE: Final = "done"
"""The call is over and its line closed."""

# From the ingress to the call's process.
NOTED: Final = "noted"
"""call, id: its events up to this one are kept."""
PREPARE: Final = "prepare"
"""Path of the fixed sentences' audio."""
CALL: Final = "call"
"""A call, with two descriptors: its connection and its black box. ``takeover`` where another process led it."""
LEASE_MOVED: Final = "lease_moved"
"""Use another replica when it suits: this one is leaving."""
COMMAND: Final = "command"
"""hang_up, transfer or say."""
EXIT: Final = "exit"
"""No more calls."""


@dataclass(frozen=True, slots=True)
class CallStart:
    """What a call's process is told of its call."""

    call_id: str
    caller: str
    channel: str
    dialled: str
    started_at: float = 0.0
    """When it connected, seconds since 1970; 0: not known."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> CallStart:
        return cls(**data)
