"""What a chat model must do, and what the agent says to the dialogue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the model wants to run."""

    id: str
    name: str
    arguments: str
    """A JSON object, as the model wrote it: not validated."""


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of the conversation, in the shape that chat models share."""

    role: Role
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    """For ``assistant``."""
    tool_call_id: str = ""
    """For ``tool``: which call this answers."""
    interrupted: bool = False
    """For ``assistant``: the caller spoke over it; ``content`` is what was heard."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model sees it."""

    name: str
    description: str
    parameters: str
    """JSON Schema of the arguments, as JSON text."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One question to the model. A model keeps nothing between requests: all it knows stands here."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    call_id: str = ""
    playbook: str = ""
    """Name of the playbook, for models that are rules (the policy)."""
    language: str = "en"


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A complete tool call."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class ChatDone:
    """The answer is complete."""

    reason: Literal["stop", "tool_calls", "length"]
    input_tokens: int | None = None
    """What it took, as the provider counts; None: it does not say. A model that has no tokens says 0."""
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class TokensTold:
    """What an answer has taken so far, in place of what was told of it before; no part of the answer itself.

    It comes early where a provider tells early, so that it is known of an answer that is dropped or fails.
    """

    input_tokens: int | None = None
    """None: the provider has not said."""
    output_tokens: int | None = None
    in_vain: bool = False
    """This try has failed and another model is asked: that is all of it, and what follows is of the next try.

    0 and 0: no provider took the request up.
    """


ChatDelta = TextDelta | ToolCallDelta | TokensTold | ChatDone


class ChatModel(Protocol):
    """A chat model."""

    async def start(self) -> None:
        """Load what is needed. Raises ConfigurationError, or ModelError where the provider cannot be reached."""

    async def check_health(self) -> None:
        """Raises ModelError."""

    def chat(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        """The answer in pieces, ending with ChatDone. Raises ModelError. Closing the iterator stops the work.

        TokensTold may come at any time, before ChatDone and before an error.
        """

    async def close(self) -> None:
        """Let go of everything; idempotent."""


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known of the call from the telephone network, never from the model or the caller's words."""

    call_id: str
    caller: str
    """Caller's number as the PBX gave it; may be empty (withheld)."""
    dialled: str = ""
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Say:
    """More text to speak (a fragment of a stream, not a whole sentence)."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A tool runs now. ``filler`` is what may be said if it takes long."""

    name: str
    filler: str = ""


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool answered."""

    name: str
    arguments: dict[str, Any]
    ok: bool
    seconds: float
    error: str = ""
    result: Mapping[str, str] = field(default_factory=dict)
    """The ids that it answered with (``order_number``, ``booking_id``), and nothing else of its answer."""


@dataclass(frozen=True, slots=True)
class Remember:
    """Messages that belong into the history before the spoken answer (tool calls and their results)."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Transfer:
    """When all is said: to a person."""

    target: str
    reason: str


@dataclass(frozen=True, slots=True)
class Hangup:
    """When all is said: end the call."""

    reason: str = "goodbye"


AgentOutput = Say | ToolStarted | ToolFinished | Remember | Transfer | Hangup

Committed = Callable[[], Awaitable[None]]
"""Returns when the caller's turn is known to be over. An answer may be prepared before that, and dropped; what changes
the world (a mutating tool) waits for it."""


class Agent(Protocol):
    """One call's agent."""

    def respond(self, history: Sequence[Message], committed: Committed) -> AsyncIterator[AgentOutput]:
        """The answer to the last user message of ``history`` (no system message in it: the agent adds its own).

        Raises ModelError when the model failed after its one retry. Tool failures are told to the model, not raised.
        Closing the iterator cancels the model and any tool that only reads.
        """

    async def close(self) -> None:
        """The call is over; returns when what it still changes is done. Idempotent."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """The fixed sentences of a playbook, spoken without asking a model."""

    greeting: str
    still_there: str
    goodbye_silence: str
    goodbye: str
    apology_transfer: str
    """Something failed; the caller is being connected to a person."""
    transfer: str
    too_long: str
    """The longest duration was reached."""
    fillers: tuple[str, ...] = field(default=())
    """While a tool works that has none of its own: the first for one that changes something, the second for one that
    looks something up."""
    tool_fillers: Mapping[str, str] = field(default_factory=dict)
    """Tool → what is said while it works."""
    not_heard: str = ""
    """The caller spoke and no word of it was understood; empty: nothing is said then."""
    still_working: str = ""
    """A tool takes longer than its filler; empty: nothing is said then."""

    def filler(self, tool: str, *, mutates: bool) -> str:
        """What to say while ``tool`` works; empty where nothing is written down."""
        own = self.tool_fillers.get(tool)
        if own is not None or not self.fillers:
            return own or ""
        return self.fillers[(0 if mutates else 1) % len(self.fillers)]
