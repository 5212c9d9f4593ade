"""What the agent's tests play with: a model that says what it is told, and a toolbox with one tool of each sort."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, ParamSpec

from engine.agent.grounding import Evidence
from engine.agent.ports import (
    AgentOutput,
    CallFacts,
    ChatDelta,
    ChatDone,
    ChatRequest,
    Hangup,
    Message,
    TextDelta,
    TokensTold,
    ToolCall,
    ToolCallDelta,
    Transfer,
)
from engine.agent.tools import Argument, Tool, ToolBox, ToolContext, ToolOutcome
from engine.clock import VirtualTimeLoop
from engine.errors import ModelError

_Arguments = ParamSpec("_Arguments")


def on_virtual_time(test: Callable[_Arguments, Coroutine[Any, Any, None]]) -> Callable[_Arguments, None]:
    """Runs a test on a loop whose time jumps."""

    @functools.wraps(test)
    def run(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


FACTS = CallFacts("call-1", "+380501112233")
Step = str | ToolCall | Exception | float | TokensTold | ChatDone


class ReplayModel:
    """A ``ChatModel`` that plays one list of steps a request: text, tool call, failure, a pause in seconds, tokens."""

    def __init__(self, *rounds: Sequence[Step]) -> None:
        self._rounds = list(rounds)
        self.requests: list[ChatRequest] = []
        self.closed_early = 0

    async def start(self) -> None:
        """Nothing to load."""

    async def check_health(self) -> None:
        """Always well."""

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        self.requests.append(request)
        steps = self._rounds.pop(0)
        try:
            for step in steps:
                if isinstance(step, float):
                    await asyncio.sleep(step)
                elif isinstance(step, Exception):
                    raise step
                elif isinstance(step, ToolCall):
                    yield ToolCallDelta(step)
                elif isinstance(step, str):
                    yield TextDelta(step)
                else:
                    yield step
            if not steps or not isinstance(steps[-1], ChatDone):
                yield ChatDone("stop")
        except (GeneratorExit, asyncio.CancelledError):
            self.closed_early += 1
            raise

    async def close(self) -> None:
        """Nothing to let go of."""


def call(name: str, call_id: str = "c1", **arguments: Any) -> ToolCall:
    return ToolCall(call_id, name, json.dumps(arguments))


class Counter:
    """What the tools below did."""

    def __init__(self, *, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.begun: list[tuple[str, Mapping[str, Any]]] = []
        self.ended: list[str] = []
        self.contexts: list[ToolContext] = []

    def tool(self, name: str) -> Any:
        async def run(context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
            self.begun.append((name, arguments))
            self.contexts.append(context)
            await asyncio.sleep(self.seconds)
            self.ended.append(name)
            if name == "leave":
                return ToolOutcome({}, Transfer("operator", "caller_request"), say="One moment.")
            if name == "hang_up":
                return ToolOutcome({}, Hangup(), say="Goodbye.")
            return ToolOutcome({"did": name})

        return run

    def box(self) -> ToolBox:
        number = Argument("number", "string", "a number", Evidence.DIGITS)
        count = Argument("count", "integer", "how many", Evidence.QUANTITY, minimum=1, maximum=99)
        colour = Argument("colour", "string", "colour", Evidence.WORDS, required=False, choices=("red", "blue"))
        return ToolBox(
            (
                Tool("look", "Looks.", self.tool("look"), (number, colour), filler="One moment."),
                Tool("change", "Changes.", self.tool("change"), (count,), mutates=True),
                Tool(
                    "erase",
                    "Erases.",
                    self.tool("erase"),
                    (replace(number, read_back=True),),
                    mutates=True,
                    confirm=True,
                ),
                Tool("leave", "Leaves.", self.tool("leave"), terminal=True),
                Tool("hang_up", "Hangs up.", self.tool("hang_up"), terminal=True),
            )
        )


def said(*texts: str) -> tuple[Message, ...]:
    """A conversation, the caller first, then in turn."""
    return tuple(Message("user" if index % 2 == 0 else "assistant", text) for index, text in enumerate(texts))


async def at_once() -> None:
    """The turn is over already."""


def kinds(outputs: Sequence[AgentOutput]) -> list[str]:
    return [type(output).__name__ for output in outputs]


def broken() -> ModelError:
    return ModelError("no")
