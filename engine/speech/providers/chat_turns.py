"""The conversation as hosted chat models take it: whole, in pairs, and with what was not heard left out."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from engine.agent.ports import Message, ToolCall

CUT_OFF: Final = " —"
"""Ends a turn of the agent that the caller spoke over; the part before it is what was heard."""
CUT_OFF_NOTE: Final = "Where a sentence of yours ends in a dash, the caller interrupted you there and heard no more."

_NO_RESULT: Final = json.dumps({"ok": False, "error": {"code": "not_run", "message": "this call was not run"}})
_FOREIGN_IN_ID: Final = re.compile(r"[^A-Za-z0-9_-]")


def prompt(messages: Sequence[Message]) -> str:
    """The system prompt, with a word on interruptions where there was one."""
    texts = [message.content for message in messages if message.role == "system" and message.content]
    if any(message.interrupted for message in messages):
        texts.append(CUT_OFF_NOTE)
    return "\n\n".join(texts)


def turns(messages: Sequence[Message]) -> list[Message]:
    """The messages without system prompts and empty ones; after each tool call its result, and no result alone.

    A provider refuses a whole conversation for one call without a result. Results stand in the order of the calls; a
    call that has none was not run, and its result says so.
    """
    whole: list[Message] = []
    for place, message in enumerate(messages):
        if message.role in {"system", "tool"} or not (message.content.strip() or message.tool_calls):
            continue
        whole.append(message)
        if message.tool_calls:
            results = _results_after(messages, place)
            whole += [
                Message("tool", results.get(call.id, _NO_RESULT), tool_call_id=call.id) for call in message.tool_calls
            ]
    return whole


def _results_after(messages: Sequence[Message], place: int) -> dict[str, str]:
    results: dict[str, str] = {}
    for message in messages[place + 1 :]:
        if message.role != "tool":
            break
        results[message.tool_call_id] = message.content
    return results


def spoken(message: Message) -> str:
    """The text of a turn as it was heard."""
    text = message.content.strip()
    return text + CUT_OFF if message.interrupted and text else text


def arguments(call: ToolCall) -> dict[str, Any]:
    """The arguments of a call that was made; where a model wrote no JSON object, what it wrote under ``unreadable``.

    Servers read them again when they build the prompt, and refuse the conversation where they cannot.
    """
    try:
        value = json.loads(call.arguments or "{}")
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # as it will be sent
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"unreadable": call.arguments[:400]}


def plain_id(call_id: str) -> str:
    """The id of a call in letters that every provider takes: a chain's members see each other's ids."""
    return _FOREIGN_IN_ID.sub("_", call_id) or "_"
