"""The conversation so far, small enough to be written after every step, enough to go on from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from engine.agent.ports import Hangup, Message, Transfer
from engine.audio.blackbox import CHECKPOINT_BYTES
from engine.dialogue.history import Segment, message_from_dict, message_to_dict
from engine.errors import ProtocolError

State = Literal["greeting", "listening", "thinking", "speaking", "interrupted", "transferring", "ended"]

VERSION = 1


@dataclass(slots=True)
class Checkpoint:
    """What a successor needs beside the audio in the black box."""

    state: State = "greeting"
    turn: int = 0
    started: float = 0.0
    """Wall time (seconds since 1970) at which the call began."""
    messages: tuple[Message, ...] = ()
    answering: bool = False
    """An answer is being given (``segments``, ``memory``, ``complete``, ``ending`` are of it)."""
    fixed: str = ""
    """The answer is this fixed sentence, not the agent's."""
    segments: list[Segment] = field(default_factory=list)
    memory: tuple[Message, ...] = ()
    complete: bool = False
    ending: Transfer | Hangup | None = None
    utterance_start: int = -1
    """Position in the caller's audio at which the open utterance begins; -1 where none is open."""
    prompts: int = 0
    """How often the silent caller was asked."""
    caller_text: str = ""

    def to_bytes(self) -> bytes:
        """JSON; old messages are left out where it would be too large."""
        messages = [message_to_dict(message) for message in self.messages]
        while True:
            data = json.dumps(self._as_dict(messages), separators=(",", ":"), ensure_ascii=False).encode()
            if len(data) <= CHECKPOINT_BYTES or not messages:
                return data
            del messages[: max(1, len(messages) // 4)]

    def _as_dict(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        ending = self.ending
        return {
            "version": VERSION,
            "state": self.state,
            "turn": self.turn,
            "started": self.started,
            "messages": messages,
            "answering": self.answering,
            "fixed": self.fixed,
            "segments": [[s.text, s.start, s.end] for s in self.segments],
            "memory": [message_to_dict(message) for message in self.memory],
            "complete": self.complete,
            "ending": None if ending is None else {"kind": type(ending).__name__, **asdict(ending)},
            "utterance_start": self.utterance_start,
            "prompts": self.prompts,
            "caller_text": self.caller_text,
        }

    @classmethod
    def from_bytes(cls, data: bytes) -> Checkpoint:
        """Raises ProtocolError on what another version wrote."""
        raw = json.loads(data)
        if raw.pop("version", None) != VERSION:
            raise ProtocolError("the checkpoint was written by another version")
        ending = raw["ending"]
        if ending is not None:
            kind = {"Transfer": Transfer, "Hangup": Hangup}[ending.pop("kind")]
            raw["ending"] = kind(**ending)
        raw["segments"] = [Segment(*segment) for segment in raw["segments"]]
        raw["memory"] = tuple(message_from_dict(message) for message in raw["memory"])
        raw["messages"] = tuple(message_from_dict(message) for message in raw["messages"])
        return cls(**raw)
