"""What is told of a turn, and of a tool, when it is over."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from engine.agent.ports import ToolFinished
from engine.agent.tokens import ModelUse
from engine.dialogue.listening import Heard
from engine.dialogue.reply import Milestones


def turn_report(
    turn: int,
    heard: Heard | None,
    milestones: Milestones,
    caller: str,
    agent: str,
    *,
    used: ModelUse,
    interrupted_at: float | None = None,
) -> dict[str, Any]:
    """Fields of the event "turn". Its stages are seconds from the end of the caller's speech.

    ``caller`` and ``agent``: what each said; ``heard`` is None where the caller did not speak. ``used``: by models
    since the turn before. ``interrupted_at``: seconds of the agent's speech that had been heard when the caller cut in;
    None: he did not.
    """
    stages: dict[str, float] = {}
    if heard is not None:
        reached = {
            "endpointing": heard.over_at,
            "final_text": heard.text_at,
            "first_token": milestones.first_token,
            "first_audio": milestones.first_audio,
            "on_the_wire": milestones.on_the_wire,
        }
        stages = {name: round(at - heard.speech_end, 4) for name, at in reached.items() if at}
    interrupted = interrupted_at is not None
    told = {"turn": turn, "caller": caller, "agent": agent, "interrupted": interrupted, "stages": stages}
    if interrupted_at is not None:
        told["interrupted_at_ms"] = round(interrupted_at * 1000)
    if heard is not None and heard.confidence is not None:
        told["confidence"] = round(heard.confidence, 3)
    return told | use_report(used)


def use_report(used: ModelUse) -> dict[str, Any]:
    """What models have used, as a field of the event "turn", or as the event "model_use" after the last turn."""
    return {"model_use": asdict(used)}


def tool_report(turn: int, tool: ToolFinished) -> dict[str, Any]:
    """Fields of the event "tool"; ``turn``: in which it was called."""
    return {
        "turn": turn,
        "name": tool.name,
        "ok": tool.ok,
        "seconds": round(tool.seconds, 3),
        "error": tool.error,
        "arguments": tool.arguments,
        "result": tool.result,
    }
