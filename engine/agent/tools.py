"""Tools: how one is declared, how a call of one is checked, how it is run.

A declaration says all there is to know about a tool: its arguments and the evidence each needs, whether it changes the
world, whether the caller must have confirmed it, how long it may take and what may be said meanwhile. Schemas given to
models are loose on purpose: limits are checked here, after decoding, where a wrong value is refused instead of bent.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.agent.arguments import NOT_SAID, Argument, RefusedCallError
from engine.agent.ports import CallFacts, Hangup, ToolCall, ToolSpec, Transfer
from engine.agent.readback import confirm
from engine.agent.said import Said
from engine.errors import ConfigurationError, ServiceRefused, ServiceUnavailable, ToolError
from engine.http.patience import patience

__all__ = [
    "NOT_SAID",
    "Argument",
    "CheckedCall",
    "Finished",
    "RefusedCallError",
    "Tool",
    "ToolBox",
    "ToolContext",
    "ToolOutcome",
    "idempotency_key",
    "refused",
]

REQUESTS_SHARE: Final = 0.95
"""Of a tool's time, what its requests have together: they end by themselves, and there is time to say so."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool may know besides its arguments."""

    facts: CallFacts
    said: Said
    idempotency_key: str
    """Stays the same when the same call makes the same change again."""


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What a tool gives back."""

    result: Mapping[str, Any]
    """Told to the model as JSON."""
    ending: Transfer | Hangup | None = None
    """For a tool that ends the agent's part of the call."""
    say: str = ""
    """Spoken before the ending where the model said nothing."""


Run = Callable[[ToolContext, Mapping[str, Any]], Awaitable[ToolOutcome]]


@dataclass(frozen=True, slots=True)
class Tool:
    """One declaration a tool."""

    name: str
    description: str
    run: Run
    arguments: tuple[Argument, ...] = ()
    mutates: bool = False
    """Changes the world: waits until the caller's turn is over and is not cancelled half-way."""
    confirm: bool = False
    """Cannot be undone: runs only after the agent read it back (``Argument.read_back``), asked, and the caller said
    yes."""
    agreed: str = ""
    """With ``confirm``: regular expression of words that are a yes to just this ("cancel it")."""
    undone_by: tuple[str, ...] = ()
    """Tools that change the same thing: once one of them was done with other values in between, the same change is a
    new one (booked, cancelled, booked again)."""
    terminal: bool = False
    """Ends the agent's part of the call."""
    filler: str = ""
    """May be said when it takes long."""
    timeout: float = 8.0
    """Seconds, all requests and retries included."""

    def spec(self) -> ToolSpec:
        """As a model sees it."""
        schema = {
            "type": "object",
            "properties": {argument.name: argument.schema() for argument in self.arguments},
            "required": [argument.name for argument in self.arguments],
            "additionalProperties": False,
        }
        return ToolSpec(self.name, self.description, json.dumps(schema, ensure_ascii=False))

    @property
    def waits_for_commit(self) -> bool:
        """Whether the caller's turn must be over first."""
        return self.mutates or self.terminal


@dataclass(frozen=True, slots=True)
class CheckedCall:
    """A tool call that may run."""

    call: ToolCall
    tool: Tool
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finished:
    """A tool call that ran, or was refused."""

    call: ToolCall
    ok: bool
    content: str
    """JSON for the model."""
    arguments: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    ending: Transfer | Hangup | None = None
    say: str = ""


class ToolBox:
    """The tools of one call."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            if tool.name in self._tools:
                raise ConfigurationError(f"two tools are named {tool.name}")
            self._tools[tool.name] = tool
        self.tools = tuple(self._tools.values())
        self.specs = tuple(tool.spec() for tool in self._tools.values())

    def check(self, call: ToolCall, said: Said) -> CheckedCall:
        """Raises RefusedCallError, whose message tells the model what to do instead."""
        tool = self._tools.get(call.name)
        if tool is None:
            raise RefusedCallError("unknown_tool", f"there is no tool {call.name[:40]!r}")
        try:
            given = json.loads(call.arguments or "{}")
            json.dumps(given, ensure_ascii=False, allow_nan=False).encode()  # no half characters, no NaN: it goes on
        except (ValueError, RecursionError) as error:
            raise RefusedCallError("bad_arguments", "the arguments are not JSON") from error
        if not isinstance(given, dict):
            raise RefusedCallError("bad_arguments", "the arguments are no JSON object")
        unknown = set(given) - {argument.name for argument in tool.arguments}
        if unknown:
            raise RefusedCallError("bad_arguments", f"unknown arguments: {', '.join(sorted(unknown))[:100]}")
        arguments: dict[str, Any] = {}
        for argument in tool.arguments:
            value = argument.checked(given.get(argument.name), said)
            if value is not None:
                arguments[argument.name] = value
        if tool.confirm:
            confirm(tool.arguments, arguments, said, tool.agreed)
        return CheckedCall(call, tool, arguments)

    async def run(self, checked: CheckedCall, facts: CallFacts, said: Said) -> Finished:
        """Runs a checked call. Failures come back as ``Finished(ok=False)``; only cancellation is raised."""
        context = ToolContext(facts, said, idempotency_key(facts.call_id, checked, _changed_since(checked, said)))
        try:
            limit = checked.tool.timeout
            async with asyncio.timeout(limit):
                with patience(limit * REQUESTS_SHARE):
                    outcome = await checked.tool.run(context, checked.arguments)
        except ServiceRefused as error:
            return _failed(checked, error.code, str(error))
        except (ServiceUnavailable, TimeoutError) as error:
            return _failed(checked, "store_unavailable", str(error) or "no answer in time")
        except RefusedCallError as error:
            return _failed(checked, error.code, str(error))
        except ToolError as error:
            return _failed(checked, "failed", str(error))
        except Exception as error:  # a fault in one tool ends no call
            _log.error("tool %s failed: %s", checked.tool.name, type(error).__name__)
            return _failed(checked, "failed", "this does not work at the moment: offer a colleague")
        content = json.dumps({"ok": True, **outcome.result}, ensure_ascii=False, default=str)
        return Finished(checked.call, True, content, dict(checked.arguments), ending=outcome.ending, say=outcome.say)


def refused(call: ToolCall, error: RefusedCallError) -> Finished:
    """The answer to a call that was not run."""
    detail = {"code": error.code, "message": str(error)}
    if error.argument:
        detail["argument"] = error.argument
    content = json.dumps({"ok": False, "error": detail}, ensure_ascii=False)
    return Finished(call, False, content, error=error.code)


def _failed(checked: CheckedCall, code: str, message: str) -> Finished:
    content = json.dumps({"ok": False, "error": {"code": code, "message": message}}, ensure_ascii=False)
    return Finished(checked.call, False, content, dict(checked.arguments), error=code)


def _changed_since(checked: CheckedCall, said: Said) -> int:
    """How many other changes of the same thing were made in this call."""
    return sum(
        answer.ok
        and answer.tool in checked.tool.undone_by
        and not (
            answer.tool == checked.tool.name
            and all(str(answer.arguments.get(name)) == str(value) for name, value in checked.arguments.items())
        )
        for answer in said.answers
    )


def idempotency_key(call_id: str, checked: CheckedCall, undone: int = 0) -> str:
    """The same change within one call has the same key, however often it is tried; ``undone``: changes in between."""
    canonical = json.dumps(checked.arguments, sort_keys=True, ensure_ascii=False)
    again = f":{undone}" if undone else ""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"trunkline:{call_id}:{checked.tool.name}:{canonical}{again}"))
