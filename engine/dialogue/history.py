"""What was said: the conversation as both sides heard it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from engine.agent.ports import Message, ToolCall

KEPT_MESSAGES = 80
"""Messages that stay; older ones leave with their tool results."""


@dataclass(slots=True)
class Segment:
    """A piece of the agent's speech in the playout."""

    text: str
    """As the agent wrote it."""
    start: int
    """Playout position (bytes) of its first sample."""
    end: int = -1
    """Playout position after its last sample; -1 while it is being synthesised."""

    def heard(self, position: int) -> str:
        """The words of it that were heard when ``position`` had been played."""
        if 0 <= self.end <= position:
            return self.text
        if position <= self.start or self.end < 0:
            return ""
        words = self.text.split()
        # Time goes by letters better than by words: "a" is shorter than "appointment".
        letters = [len(word) + 1 for word in words]
        spoken = (position - self.start) / (self.end - self.start) * sum(letters)
        count = 0
        for letter_count in letters:
            if spoken < letter_count:
                break
            spoken -= letter_count
            count += 1
        return " ".join(words[:count])


def heard_text(segments: Iterable[Segment], position: int) -> str:
    """What of ``segments`` was heard when ``position`` had been played."""
    return " ".join(text for segment in segments if (text := segment.heard(position)))


def heard_bytes(segments: Iterable[Segment], position: int) -> int:
    """How much of ``segments`` was heard when ``position`` had been played, in bytes of speech."""
    return sum(max(0, min(position, position if each.end < 0 else each.end) - each.start) for each in segments)


class History:
    """The messages of one call, oldest first."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._messages = list(messages)

    @property
    def messages(self) -> tuple[Message, ...]:
        return tuple(self._messages)

    def __len__(self) -> int:
        return len(self._messages)

    def last_said(self) -> str:
        """What the agent said last; empty where it has said nothing."""
        return next((message.content for message in reversed(self._messages) if message.role == "assistant"), "")

    def with_caller(self, text: str) -> tuple[Message, ...]:
        """The conversation as it would be if the caller had said ``text``."""
        *before, last = self._messages or [Message("assistant")]
        if last.role == "user":  # nothing of an answer was heard: it is still the same turn
            return (*before, Message("user", f"{last.content} {text}"))
        return (*self._messages, Message("user", text))

    def caller_said(self, text: str) -> None:
        self._messages = list(self.with_caller(text))
        self._trim()

    def agent_said(self, text: str, *, interrupted: bool = False, before: Iterable[Message] = ()) -> None:
        """``before``: tool calls and results that led to the answer."""
        self._messages.extend(before)
        if text:
            self._messages.append(Message("assistant", text, interrupted=interrupted))
        self._trim()

    def _trim(self) -> None:
        if len(self._messages) > KEPT_MESSAGES:
            del self._messages[: len(self._messages) - KEPT_MESSAGES]
            # A tool's result without its call confuses every model.
            while self._messages and self._messages[0].role != "user":
                del self._messages[0]


def message_to_dict(message: Message) -> dict[str, Any]:
    return {key: value for key, value in asdict(message).items() if value}


def message_from_dict(data: dict[str, Any]) -> Message:
    calls = tuple(ToolCall(**call) for call in data.get("tool_calls", ()))
    return Message(**{**data, "tool_calls": calls})
