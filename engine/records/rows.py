"""From the events of calls to what the tables hold of them. Pure: records in, rows out."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from engine.privacy.finding import Kind
from engine.privacy.masking import SLOTS

CALL: Final = "call"
"""Type of a call's first event: who calls whom, and which playbook answers."""

FAILED_REASONS: Final = frozenset({"no_process", "protocol_error", "stalled"})
"""Reasons of an ending, beside ``…_failed``, that are a failure of ours, though a person takes the call."""
CALLBACK: Final = ("end_call", "callback")
"""Tool and reason by which a caller is promised a call back."""
_ENDS: Final = frozenset({"end_call"})
_ORDER: Final = ("order_number", "draft_number", "order_id")
_BOOKING: Final = ("booking_id", "appointment_id")
_LONGEST_TEXT: Final = 100_000
_LARGEST_COUNT: Final = 2**31 - 1
YEARS: Final = range(1970, 9999)
"""In which a call may begin."""


class PoisonEventError(ValueError):
    """No row can be made of this record: it lacks what it must have."""


@dataclass(frozen=True, slots=True)
class CallKey:
    """Which call: its id and when it began, which is the month it belongs to."""

    id: uuid.UUID
    started_at: datetime


@dataclass(frozen=True, slots=True)
class CallFacts:
    """Row of ``calls``, as far as it is known at the beginning."""

    key: CallKey
    caller: str | None
    dialled: str
    channel: str
    node: str
    playbook: str
    version: str
    language: str


@dataclass(frozen=True, slots=True)
class TurnRow:
    key: CallKey
    event_id: uuid.UUID
    at: datetime
    turn: int
    speaker: str
    text: str
    confidence: float | None
    stages: str
    interrupted: bool
    interrupted_at_ms: int | None = None
    model_asked: int | None = None
    model_unknown: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ModelUseRow:
    """What models used after the last turn. Each is None where it is not known."""

    key: CallKey
    event_id: uuid.UUID
    model_asked: int | None
    model_unknown: int | None
    input_tokens: int | None
    output_tokens: int | None


@dataclass(frozen=True, slots=True)
class ToolRow:
    key: CallKey
    event_id: uuid.UUID
    at: datetime
    turn: int | None
    name: str
    arguments: str
    result: str | None
    duration_s: float
    success: bool
    error: str | None


@dataclass(frozen=True, slots=True)
class Done:
    """What a tool did that a call is known by."""

    key: CallKey
    scenario: str | None
    order_id: str | None
    booking_id: str | None
    name: str | None
    """The customer's, where he gave it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that is counted once."""

    key: CallKey
    event_id: uuid.UUID
    kind: str
    """``failure`` or ``takeover``."""


@dataclass(frozen=True, slots=True)
class Ending:
    key: CallKey
    at: datetime
    next: str | None
    reason: str
    transfer_reason: str | None
    outcome: str | None
    """None: resolved where the call has a scenario, else abandoned."""


@dataclass(frozen=True, slots=True)
class CallbackRow:
    key: CallKey
    event_id: uuid.UUID
    at: datetime


@dataclass(slots=True)
class Rows:
    """What a batch of events comes to, each kind in the events' order."""

    keys: dict[CallKey, None] = field(default_factory=dict)
    facts: list[CallFacts] = field(default_factory=list)
    turns: list[TurnRow] = field(default_factory=list)
    tools: list[ToolRow] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    model_uses: list[ModelUseRow] = field(default_factory=list)
    callbacks: list[CallbackRow] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)


def add(rows: Rows, record: Mapping[str, Any]) -> None:
    """Put what a record of the outbox says into ``rows``. Events that no table has are passed over.

    A record is ``{"call": UUID, "began": seconds, "event": {"type", "id": UUID, "at": seconds, …}}``.
    Raises PoisonEventError.
    """
    event = record.get("event")
    if not isinstance(event, Mapping):
        raise PoisonEventError("a record without an event")
    kind = event.get("type")
    maker = _MAKERS.get(str(kind))
    if maker is None:
        return
    try:
        key = CallKey(uuid.UUID(str(record["call"])), _start(record["began"]))
        event_id, at = uuid.UUID(str(event["id"])), _instant(event["at"])
        made = maker(key, event_id, at, event)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise PoisonEventError(f"no row can be made of an event {kind!r}: {type(error).__name__}") from error
    rows.keys[key] = None
    for part in ("facts", "turns", "tools", "done", "marks", "model_uses", "callbacks", "endings"):
        getattr(rows, part).extend(getattr(made, part))


def _call(key: CallKey, _event_id: uuid.UUID, _at: datetime, event: Mapping[str, Any]) -> Rows:
    told = {name: _text(event.get(name, "")) for name in ("dialled", "channel", "node", "playbook", "version")}
    caller = _text(event.get("caller_number", "")).strip() or None
    return Rows(facts=[CallFacts(key, caller, language=_text(event.get("language", "")), **told)])


def _turn(key: CallKey, event_id: uuid.UUID, at: datetime, event: Mapping[str, Any]) -> Rows:
    turn, interrupted = int(event["turn"]), bool(event.get("interrupted"))
    caller, agent = _text(event.get("caller", "")), _text(event.get("agent", ""))
    confidence = event.get("confidence")
    stages = _json(event.get("stages") or {})
    rows = []
    if agent or interrupted or not caller:
        rows.append(TurnRow(key, event_id, at, turn, "agent", agent, None, stages, interrupted, _cut_at(event)))
    if caller:
        heard = None if confidence is None else float(confidence)
        rows.insert(0, TurnRow(key, event_id, at, turn, "caller", caller, heard, "{}" if rows else stages, False))
    rows[-1] = replace(rows[-1], **_use(event))
    return Rows(turns=rows)


def _cut_at(event: Mapping[str, Any]) -> int | None:
    """Milliseconds of the agent's speech that were heard before the caller cut in; earlier releases did not tell."""
    told = event.get("interrupted_at_ms")
    return None if told is None else int(told)


def _use(event: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of what models used; all None where an earlier release wrote the event."""
    told = _mapping(event.get("model_use"))
    asked, unknown = _count(told.get("asked")), _count(told.get("unknown"))
    counts = {name: _count(told.get(name)) for name in ("input_tokens", "output_tokens")}
    if asked and asked == unknown:  # no provider has told all; what none has told anything of is not 0
        counts = {name: value or None for name, value in counts.items()}
    return {"model_asked": asked, "model_unknown": unknown, **counts}


def _model_use(key: CallKey, event_id: uuid.UUID, _at: datetime, event: Mapping[str, Any]) -> Rows:
    return Rows(model_uses=[ModelUseRow(key, event_id, **_use(event))])


def _tool(key: CallKey, event_id: uuid.UUID, at: datetime, event: Mapping[str, Any]) -> Rows:
    name, ok = _text(event["name"]), bool(event.get("ok"))
    arguments, result = _mapping(event.get("arguments")), _mapping(event.get("result"))
    turn = event.get("turn")
    rows = Rows()
    rows.tools.append(
        ToolRow(
            key,
            event_id,
            at,
            None if turn is None else int(turn),
            name,
            _json(arguments),
            _json(result) if result else None,
            float(event.get("seconds", 0.0)),
            ok,
            _text(event.get("error", "")) or None,
        )
    )
    if ok:
        scenario = None if name in _ENDS else name
        given = next((str(value) for slot, value in arguments.items() if _is_customer(slot) and value), None)
        rows.done.append(Done(key, scenario, _first(result, _ORDER), _first(result, _BOOKING), given))
    if ok and (name, arguments.get("reason")) == CALLBACK:
        rows.callbacks.append(CallbackRow(key, event_id, at))
    return rows


def _mark(key: CallKey, event_id: uuid.UUID, _at: datetime, event: Mapping[str, Any]) -> Rows:
    return Rows(marks=[Mark(key, event_id, str(event["type"]))])


def _ended(key: CallKey, _event_id: uuid.UUID, at: datetime, event: Mapping[str, Any]) -> Rows:
    reason = _text(event.get("reason", ""))
    onward = "hangup" if event.get("next") == "hangup" else "operator"
    failed = reason in FAILED_REASONS or reason.endswith("_failed")
    transferred = onward == "operator"
    outcome = "failed" if failed else "transferred" if transferred else None
    return Rows(endings=[Ending(key, at, onward, reason, reason if transferred else None, outcome)])


def _refused(key: CallKey, _event_id: uuid.UUID, at: datetime, event: Mapping[str, Any]) -> Rows:
    reason = _text(event.get("reason", ""))
    return Rows(endings=[Ending(key, at, "operator", reason, reason, "refused")])


_MAKERS: Final = {
    CALL: _call,
    "turn": _turn,
    "tool": _tool,
    "failure": _mark,
    "takeover": _mark,
    "model_use": _model_use,
    "ended": _ended,
    "refused": _refused,
}


def _is_customer(slot: str) -> bool:
    """Whether an argument of this name is the name of whoever calls."""
    return slot in {"name", "patient_name"} or (slot.startswith("customer") and SLOTS.get(slot) is Kind.NAME)


def _first(result: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    found = next((result[name] for name in names if result.get(name)), None)
    return None if found is None else _text(found)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value <= _LARGEST_COUNT else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _instant(seconds: Any) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)


def _start(seconds: Any) -> datetime:
    """What the tables take as the start of a call: see ``0003_times.sql``."""
    moment = _instant(seconds)
    if moment.year not in YEARS:
        raise ValueError("no clock says this year")
    return moment


def _text(value: object) -> str:
    """As PostgreSQL takes it: no NUL, no half of a character, and of a length that somebody may have said."""
    text = str(value)[:_LONGEST_TEXT].replace("\x00", "\ufffd")
    return text.encode("utf-8", "replace").decode()


def _json(value: object) -> str:
    return json.dumps(_clean(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _clean(value: object) -> object:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return {_text(name): _clean(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return value
