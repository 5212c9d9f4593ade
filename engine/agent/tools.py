"""Tools: how one is declared, how a call of one is checked, how it is run.

A declaration says all there is to know about a tool: its arguments and the evidence each needs, whether it changes the
world, whether the caller must have confirmed it, how long it may take and what may be said meanwhile. Schemas given to
models are loose on purpose: limits are checked here, after decoding, where a wrong value is refused instead of bent.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.agent.grounding import Evidence, Said, grounded, is_assent
from engine.agent.ports import CallFacts, Hangup, ToolCall, ToolSpec, Transfer
from engine.errors import ConfigurationError, StoreRefused, StoreUnavailable, ToolError

NOT_SAID = "not_said"
"""What a model writes for an optional argument that the caller did not mention."""

_EMPTY: frozenset[object] = frozenset({NOT_SAID, "", None, "null", "none", "None"})


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a tool."""

    name: str
    kind: Literal["string", "integer"]
    description: str
    evidence: Evidence = Evidence.NONE
    required: bool = True
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    pattern: Callable[[str], bool] | None = None
    """For ``string``: whether its form is right."""

    def schema(self) -> dict[str, Any]:
        kinds: Any = self.kind if self.required else [self.kind, "null"] if self.kind == "integer" else self.kind
        schema: dict[str, Any] = {"type": kinds, "description": self.description}
        if not self.required:
            if self.kind == "integer":
                schema["description"] += "; null if the caller did not say it"
            else:
                schema["description"] += f'; "{NOT_SAID}" if the caller did not say it'
        if self.choices:
            schema["enum"] = [*self.choices, *(() if self.required else (NOT_SAID,))]
        return schema


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
    """Cannot be undone: runs only after the agent asked and the caller said yes."""
    terminal: bool = False
    """Ends the agent's part of the call."""
    filler: str = ""
    """May be said when it takes long."""
    timeout: float = 8.0
    """Seconds, all retries included."""

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


class RefusedCallError(ToolError):
    """A tool call that is not run; ``code`` is for the model."""

    def __init__(self, code: str, message: str, argument: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.argument = argument


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
        self.specs = tuple(tool.spec() for tool in self._tools.values())

    def check(self, call: ToolCall, said: Said) -> CheckedCall:
        """Raises RefusedCallError, whose message tells the model what to do instead."""
        tool = self._tools.get(call.name)
        if tool is None:
            raise RefusedCallError("unknown_tool", f"there is no tool {call.name[:40]!r}")
        try:
            given = json.loads(call.arguments or "{}")
        except ValueError as error:
            raise RefusedCallError("bad_arguments", "the arguments are not JSON") from error
        if not isinstance(given, dict):
            raise RefusedCallError("bad_arguments", "the arguments are no JSON object")
        unknown = set(given) - {argument.name for argument in tool.arguments}
        if unknown:
            raise RefusedCallError("bad_arguments", f"unknown arguments: {', '.join(sorted(unknown))[:100]}")
        arguments: dict[str, Any] = {}
        for argument in tool.arguments:
            value = _checked(argument, given.get(argument.name), said)
            if value is not None:
                arguments[argument.name] = value
        if tool.confirm and not (is_assent(said.last) and "?" in said.last_offer):
            raise RefusedCallError("not_confirmed", "read the details back and ask the caller to confirm first")
        return CheckedCall(call, tool, arguments)

    async def run(self, checked: CheckedCall, facts: CallFacts, said: Said) -> Finished:
        """Runs a checked call. Failures come back as ``Finished(ok=False)``; only cancellation is raised."""
        context = ToolContext(facts, said, idempotency_key(facts.call_id, checked))
        try:
            async with asyncio.timeout(checked.tool.timeout):
                outcome = await checked.tool.run(context, checked.arguments)
        except StoreRefused as error:
            return _failed(checked, error.code, str(error))
        except (StoreUnavailable, TimeoutError) as error:
            return _failed(checked, "store_unavailable", str(error) or "no answer in time")
        except RefusedCallError as error:
            return _failed(checked, error.code, str(error))
        except ToolError as error:
            return _failed(checked, "failed", str(error))
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


def idempotency_key(call_id: str, checked: CheckedCall) -> str:
    """The same change within one call has the same key, however often it is tried."""
    canonical = json.dumps(checked.arguments, sort_keys=True, ensure_ascii=False)
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"trunkline:{call_id}:{checked.tool.name}:{canonical}"))


def _checked(argument: Argument, value: Any, said: Said) -> Any:
    """The value as it may be used; None for an optional one that was not said. Raises RefusedCallError."""
    name = argument.name
    if isinstance(value, str):
        value = value.strip()
    if value is None or (isinstance(value, str) and value in _EMPTY):
        if argument.required:
            raise RefusedCallError("missing", f"the caller has not said the {name} yet: ask for it", name)
        return None
    value = _typed(argument, value)
    _limited(argument, value)
    if not grounded(value, argument.evidence, said):
        if not argument.required:
            return None  # invented by the model: the caller never asked for it
        raise RefusedCallError("not_said", f"the caller did not say this {name}: ask for it", name)
    return value


def _typed(argument: Argument, value: Any) -> Any:
    name = argument.name
    if argument.kind == "integer":
        if isinstance(value, str) and value.lstrip("-").isdecimal() and len(value) <= 9:
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise RefusedCallError("bad_arguments", f"{name} must be a whole number", name)
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > 400:
        raise RefusedCallError("bad_arguments", f"{name} must be a short text", name)
    return value


def _limited(argument: Argument, value: Any) -> None:
    name = argument.name
    if argument.choices and value not in argument.choices:
        raise RefusedCallError("bad_arguments", f"{name} must be one of {', '.join(argument.choices)}", name)
    if argument.pattern is not None and not argument.pattern(value):
        raise RefusedCallError("bad_arguments", f"this {name} has a wrong form: ask the caller again", name)
    if isinstance(value, int):
        low, high = argument.minimum, argument.maximum
        if (low is not None and value < low) or (high is not None and value > high):
            raise RefusedCallError("out_of_range", f"{name} must be from {low} to {high}; offer a colleague", name)
