"""From rows of the records to a call that can be judged."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from engine.quality.criteria import JudgedCall, JudgedTool, JudgedTurn

Row = Mapping[str, Any]
"""A row of PostgreSQL by its columns' names; JSON as text or as what it stands for."""


def judged_call(call: Row, turns: Iterable[Row], tools: Iterable[Row]) -> JudgedCall:
    """Raises ValueError, TypeError or KeyError where a row is not as the tables draw it."""
    turns = sorted(turns, key=lambda row: (row["turn"], row["speaker"] != "caller", row["at"]))
    ends = sorted({(row["at"], row["turn"]) for row in turns})
    return JudgedCall(
        id=call["id"],
        started_at=call["started_at"],
        language=call["language"] or "en",
        scenario=call["scenario"],
        outcome=call["outcome"],
        ending_reason=call["ending_reason"],
        transfer_reason=call["transfer_reason"],
        failures=call["failures"],
        turns=tuple(_turn(row) for row in turns),
        tools=tuple(_tool(row, ends) for row in sorted(tools, key=lambda row: row["at"])),
    )


def _turn(row: Row) -> JudgedTurn:
    return JudgedTurn(row["turn"], row["speaker"], row["text"], row["interrupted"])


def _tool(row: Row, ends: Sequence[tuple[datetime, int]]) -> JudgedTool:
    turn = row["turn"]
    if turn is None:  # it ran in the first turn that was over after it
        index = bisect_left(ends, (row["at"], -1))
        turn = ends[index][1] if index < len(ends) else None
    return JudgedTool(
        turn, row["name"], row["success"], row["error"] or "", _mapping(row["arguments"]), _mapping(row["result"])
    )


def _mapping(value: Any) -> Mapping[str, Any] | None:
    value = json.loads(value) if isinstance(value, str) else value
    if value is None or isinstance(value, Mapping):
        return value
    raise ValueError("arguments and results of tools are JSON objects")
