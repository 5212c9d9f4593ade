"""Runs written conversations through the configured model and says which tool it calls next, and whether it should."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from engine.agent.playbook import Playbook
from engine.agent.playbooks import Playbooks
from engine.agent.ports import ChatModel, ChatRequest, Message, Role, TextDelta, ToolCall, ToolCallDelta
from engine.agent.said import Said
from engine.agent.toolbox import open_tools
from engine.agent.tools import RefusedCallError, ToolBox
from engine.config import Settings
from engine.errors import ConfigurationError
from engine.speech.providers.factory import make_model

ANSWER_SECONDS: Final = 60.0
"""How long the model may take for one conversation."""


@dataclass(frozen=True, slots=True)
class Case:
    """One conversation and the tool call that should follow it."""

    id: str
    messages: tuple[Message, ...]
    tool: str | None
    arguments: dict[str, Any]
    adversarial: bool = False


@dataclass(slots=True)
class Tried:
    """What came of one conversation."""

    id: str
    tool: str | None
    """The call that the tool layer would run; None where there is none, or it was refused."""
    arguments: dict[str, Any] = field(default_factory=dict)
    matches: bool = False
    refused: str = ""
    """Why the tool layer refused the model's call."""
    said: str = ""
    wrong_values: list[str] = field(default_factory=list)
    """Arguments that would be used and are not what was expected."""
    adversarial: bool = False
    seconds: float = 0.0


def try_file(settings: Settings, path: Path, *, as_json: bool = False) -> None:
    """Prints one line a conversation, then a summary. Raises ConfigurationError where the file is wrong."""
    playbook = Playbooks(settings.dialogue.playbook).default
    cases = read_cases(path)
    tried = asyncio.run(_try_all(settings, playbook, cases))
    summary = summed_up(tried)
    if as_json:
        print(json.dumps({"cases": [asdict(each) for each in tried], "summary": summary}, ensure_ascii=False, indent=1))
        return
    for each in tried:
        call = f"{each.tool} {json.dumps(each.arguments, ensure_ascii=False)}" if each.tool else "none"
        why = f"  [refused: {each.refused}]" if each.refused else ""
        print(
            f"{'ok  ' if each.matches else 'MISS'} {each.id}: {call}{why}" + ("" if each.tool else f"  {each.said!r}")
        )
    print(
        f"exact {summary['exact']}/{summary['cases']}, "
        f"attacks refused {summary['attacks_refused']}/{summary['attacks']}, "
        f"wrong values {summary['wrong_values']}, median {summary['median_ms']} ms"
    )


def read_cases(path: Path) -> list[Case]:
    """Raises ConfigurationError that names what is wrong."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ConfigurationError(f"{path}: not JSON: {error}") from error
    if not isinstance(data, list):
        raise ConfigurationError(f"{path}: expected a list of conversations")
    return [_case(path, position, item) for position, item in enumerate(data)]


def _case(path: Path, position: int, item: Any) -> Case:
    where = f"{path}: [{position}]"
    if not isinstance(item, dict):
        raise ConfigurationError(f"{where}: expected an object")
    turns, expected = item.get("conversation"), item.get("expected")
    if not isinstance(turns, list) or not turns:
        raise ConfigurationError(f"{where}.conversation: expected a list of turns")
    if not isinstance(expected, dict) or not isinstance(expected.get("tool"), str | None):
        raise ConfigurationError(f"{where}.expected: expected an object with 'tool' (a name or null) and 'args'")
    arguments = expected.get("args", {})
    if not isinstance(arguments, dict):
        raise ConfigurationError(f"{where}.expected.args: expected an object")
    messages = tuple(_message(f"{where}.conversation[{number}]", turn) for number, turn in enumerate(turns))
    return Case(
        str(item.get("id", position)), messages, expected.get("tool"), arguments, bool(item.get("adversarial", False))
    )


def _message(where: str, turn: Any) -> Message:
    if not isinstance(turn, dict) or turn.get("role") not in {"user", "assistant", "tool"}:
        raise ConfigurationError(f"{where}: expected an object with role (user, assistant or tool) and content")
    content = turn.get("content") or ""
    if not isinstance(content, str):
        raise ConfigurationError(f"{where}.content: expected a text")
    calls = []
    for call in turn.get("tool_calls") or ():
        function = call.get("function", call) if isinstance(call, dict) else {}
        arguments = function.get("arguments", {})
        written = arguments if isinstance(arguments, str) else json.dumps(arguments)
        calls.append(ToolCall(str(call.get("id", "")), str(function.get("name", "")), written))
    return Message(cast("Role", turn["role"]), content, tuple(calls), str(turn.get("tool_call_id", "")))


async def _try_all(settings: Settings, playbook: Playbook, cases: Sequence[Case]) -> list[Tried]:
    opened = a_working_hour(playbook, time.time())
    model = make_model(settings, wall=lambda: opened)
    tools = open_tools(playbook)
    await model.start()
    try:
        return [await _try(model, tools, playbook, case, opened) for case in cases]
    finally:
        await model.close()


def a_working_hour(playbook: Playbook, wall: float) -> float:
    """``wall``, or the next hour at which the business is open: what is tried out at night is meant for the day."""
    moment = datetime.fromtimestamp(wall, UTC)
    for hours in range(24 * 8):
        later = (moment + timedelta(hours=hours)).timestamp()
        if playbook.hours.open_at(later):
            return later
    return wall


async def _try(model: ChatModel, tools: ToolBox, playbook: Playbook, case: Case, wall: float) -> Tried:
    tried = Tried(case.id, None, adversarial=case.adversarial)
    messages = (Message("system", playbook.prompt), *case.messages)
    request = ChatRequest(
        messages, tools.specs, call_id=f"try {case.id}", playbook=playbook.name, language=playbook.language
    )
    calls: list[ToolCall] = []
    started = time.monotonic()
    async with asyncio.timeout(ANSWER_SECONDS), aclosing(cast("Any", model.chat(request))) as deltas:
        async for delta in deltas:
            if isinstance(delta, ToolCallDelta):
                calls.append(delta.call)
            elif isinstance(delta, TextDelta):
                tried.said += delta.text
    tried.seconds = round(time.monotonic() - started, 4)
    if calls:
        said = Said.of(
            case.messages,
            playbook.language,
            playbook.product_prefix,
            goods=playbook.goods,
            today=playbook.hours.today(wall),
        )
        try:
            checked = tools.check(calls[0], said)
        except RefusedCallError as error:
            tried.refused = f"{calls[0].name}: {error}"
        else:
            tried.tool, tried.arguments = calls[0].name, dict(checked.arguments)
    tried.matches, tried.wrong_values = judged(case, tried.tool, tried.arguments)
    return tried


def judged(case: Case, tool: str | None, arguments: dict[str, Any]) -> tuple[bool, list[str]]:
    """Whether the call is the expected one, and which values of it are wrong."""
    if tool != case.tool:
        return False, []
    if tool is None:
        return True, []
    wanted, given = dict(case.arguments), dict(arguments)
    wrong = []
    if isinstance(wanted.get("query"), list):
        words = [str(word).lower() for word in wanted.pop("query")]
        query = str(given.pop("query", "")).lower()
        if not any(word in query for word in words):
            wrong.append("query")
    wrong += [name for name in sorted({*wanted, *given}) if wanted.get(name) != given.get(name)]
    return not wrong, wrong


def summed_up(tried: Sequence[Tried]) -> dict[str, Any]:
    """Counts over all conversations."""
    attacks = [each for each in tried if each.adversarial]
    seconds = sorted(each.seconds for each in tried)
    return {
        "cases": len(tried),
        "exact": sum(each.matches for each in tried),
        "attacks": len(attacks),
        "attacks_refused": sum(each.matches for each in attacks),
        "wrong_values": sum(bool(each.wrong_values) for each in tried),
        "median_ms": round(1000 * seconds[len(seconds) // 2], 1) if seconds else 0.0,
    }
