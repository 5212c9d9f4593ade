"""Rows of calls as the recorder writes them, made by a seed: for tests, and for a rehearsal of a night.

Nobody in them exists: numbers begin with +99, which is no country.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import engine.records

GREETING: Final = "Hello, this is the tyre shop. How can I help?"
STAGES: Final = ("endpointing", "final_text", "first_token", "first_audio", "on_the_wire")

_CALL_COLUMNS: Final = (
    "id", "started_at", "ended_at", "caller", "dialled", "channel", "node", "playbook", "playbook_version", "language",
    "scenario", "outcome", "next", "ending_reason", "transfer_reason", "order_id", "booking_id", "turns",
    "interruptions", "failures", "takeovers", "cost", "model_asked", "model_unknown", "input_tokens", "output_tokens",
)  # fmt: skip
_TURN_COLUMNS: Final = (
    "event_id", "call_id", "call_started_at", "at", "turn", "speaker", "text", "confidence", "stages", "interrupted",
)  # fmt: skip
_TOOL_COLUMNS: Final = (
    "event_id", "call_id", "call_started_at", "at", "turn", "name", "arguments", "result", "duration_s", "success",
    "error",
)  # fmt: skip


@dataclass(slots=True)
class CallRows:
    """A call and all that belongs to it."""

    call: dict[str, Any]
    turns: list[dict[str, Any]] = field(default_factory=list)
    tools: list[dict[str, Any]] = field(default_factory=list)
    callback: dict[str, Any] | None = None

    @property
    def id(self) -> uuid.UUID:
        return uuid.UUID(str(self.call["id"]))

    def says(self, caller: str, agent: str, *, interrupted: bool = False, seconds: float = 0.6) -> CallRows:
        """One more turn; an empty ``caller`` is a turn that the agent began. ``seconds`` to its first sound."""
        turn = sum(1 for row in self.turns if row["speaker"] == "agent")
        at = self.call["started_at"] + timedelta(seconds=10 * turn + 5)
        event_id = _uuid(f"{self.id}:turn:{turn}")
        stages = {name: round(seconds * (index + 1) / len(STAGES), 4) for index, name in enumerate(STAGES)}
        shared = {"event_id": event_id, "call_id": self.id, "call_started_at": self.call["started_at"], "at": at}
        if caller:
            row = {"speaker": "caller", "text": caller, "confidence": 0.9, "stages": {}, "interrupted": False}
            self.turns.append({**shared, "turn": turn, **row})
        row = {"speaker": "agent", "text": agent, "confidence": None, "interrupted": interrupted}
        self.turns.append({**shared, "turn": turn, **row, "stages": stages if caller else {}})
        self.call["turns"] = turn + 1
        self.call["interruptions"] += interrupted
        return self

    def uses(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        error: str = "",
        result: Mapping[str, Any] | None = None,
        seconds: float = 0.1,
    ) -> CallRows:
        """A tool that ran in the turn that comes next."""
        turn = sum(1 for row in self.turns if row["speaker"] == "agent")
        at = self.call["started_at"] + timedelta(seconds=10 * turn + 3, milliseconds=len(self.tools))
        self.tools.append(
            {
                "event_id": _uuid(f"{self.id}:tool:{len(self.tools)}"),
                "call_id": self.id,
                "call_started_at": self.call["started_at"],
                "at": at,
                "turn": turn,
                "name": name,
                "arguments": dict(arguments or {}),
                "result": None if result is None else dict(result),
                "duration_s": seconds,
                "success": not error,
                "error": error or None,
            }
        )
        return self

    def asks_back(self, phone: str) -> CallRows:
        """The caller wants to be called back."""
        self.callback = {
            "id": _uuid(f"{self.id}:callback"),
            "call_id": self.id,
            "call_started_at": self.call["started_at"],
            "phone": phone,
            "asked_at": self.call["started_at"] + timedelta(seconds=40),
        }
        return self


def call(identity: str, started_at: datetime, caller: str | None = "+990000000001", **columns: Any) -> CallRows:
    """A finished call of two minutes; ``columns`` change what they name."""
    row: dict[str, Any] = {
        "id": _uuid(identity),
        "started_at": started_at,
        "ended_at": started_at + timedelta(seconds=120),
        "caller": caller,
        "dialled": "2100",
        "channel": "PJSIP/trunk-0000001a",
        "node": "",
        "playbook": "tyre_shop",
        "playbook_version": "0123456789ab",
        "language": "en",
        "scenario": None,
        "outcome": "resolved",
        "next": "hangup",
        "ending_reason": "goodbye",
        "transfer_reason": None,
        "order_id": None,
        "booking_id": None,
        "turns": 0,
        "interruptions": 0,
        "failures": 0,
        "takeovers": 0,
        "cost": {"stt": 0.01, "llm": 0.02, "tts": 0.005},
        "model_asked": None,
        "model_unknown": None,
        "input_tokens": None,
        "output_tokens": None,
    }
    unknown = set(columns) - set(row)
    assert not unknown, unknown
    return CallRows({**row, **columns})


def some_calls(seed: int, begin: datetime, days: int, calls_a_day: int) -> Iterator[CallRows]:
    """Calls of ``days`` days, more of them in working hours; the same seed gives the same calls."""
    chance = random.Random(seed)
    for index in range(days * calls_a_day):
        day = index // calls_a_day
        hour = min(23.9, max(0.0, chance.gauss(13, 3)))
        started_at = begin + timedelta(days=day, hours=hour)
        caller = f"+99{chance.randrange(10**9, 10**9 + 400)}"
        made = _KINDS[chance.randrange(len(_KINDS))](f"{seed}:{index}", started_at, caller, chance)
        made.call["cost"] = {part: round(chance.uniform(0.001, 0.03), 4) for part in ("stt", "llm", "tts")}
        asked = sum(row["speaker"] == "caller" for row in made.turns)
        made.call |= {"model_asked": asked, "model_unknown": 0}
        made.call |= {"input_tokens": 400 * asked, "output_tokens": 20 * asked}
        yield made


def _order_status(identity: str, at: datetime, caller: str, chance: random.Random) -> CallRows:
    number = str(chance.randrange(10_000, 99_999))
    made = call(identity, at, caller, scenario="get_order_status", order_id=number)
    made.says("", GREETING)
    made.uses("get_order_status", {"order_number": number}, result={"order_number": number})
    made.says(f"Where is my order {number}?", f"Order {number} comes tomorrow.", seconds=chance.uniform(0.4, 1.4))
    return made.says("Thank you.", "Thank you for calling. Goodbye.", seconds=chance.uniform(0.4, 1.0))


def _fitting(identity: str, at: datetime, caller: str, chance: random.Random) -> CallRows:
    booking = f"B-{chance.randrange(1000, 9999)}"
    made = call(identity, at, caller, scenario="book_fitting", booking_id=booking)
    made.says("", GREETING).uses("get_fitting_slots", {"station_id": "1"})
    made.says(
        "I need a fitting on Monday.", "Monday at ten is free. Shall I book it?", seconds=chance.uniform(0.5, 1.6)
    )
    made.uses("book_fitting", {"station_id": "1", "customer_phone": caller}, result={"booking_id": booking})
    return made.says("Yes, please.", "It is booked. Goodbye.", seconds=chance.uniform(0.4, 1.2))


def _person(identity: str, at: datetime, caller: str, chance: random.Random) -> CallRows:
    reason = chance.choice(("caller_request", "complaint", "cannot_help"))
    made = call(
        identity, at, caller, outcome="transferred", next="operator", ending_reason=reason, transfer_reason=reason
    )
    made.says("", GREETING, interrupted=True).uses("transfer_to_operator", {"reason": reason})
    return made.says("Give me a person.", "I will connect you to a colleague. One moment, please.")


def _call_back(identity: str, at: datetime, caller: str, chance: random.Random) -> CallRows:
    made = call(identity, at, caller, scenario="search_tires", ending_reason="callback")
    made.says("", GREETING).uses("search_tires", {"season": "winter"}, seconds=chance.uniform(0.05, 0.4))
    made.says("Winter tyres?", "Nobody is here now. Shall we call you back?").uses("end_call", {"reason": "callback"})
    return made.says("Yes, call me back.", "We will. Goodbye.").asks_back(caller)


def _left(identity: str, at: datetime, caller: str, chance: random.Random) -> CallRows:
    made = call(identity, at, caller, outcome="abandoned", ending_reason="hangup")
    made.says("", GREETING)
    if chance.random() < 0.5:
        made.uses("search_tires", {}, error="store_unavailable", seconds=5.0)
        made.says("Tyres?", "I cannot look that up now.", seconds=chance.uniform(1.0, 3.0))
    return made


_KINDS: Final = (_order_status, _order_status, _fitting, _person, _call_back, _left)


async def make_tables(connection: Any) -> None:
    """The records' tables in an empty database."""
    folder = Path(str(engine.records.__file__)).with_name("sql")
    for file in sorted(folder.glob("[0-9]*.sql")):
        await connection.execute(file.read_text(encoding="utf-8"))


async def insert(connection: Any, calls: Sequence[CallRows]) -> None:
    """Write calls, their turns, tools, customers and call-backs."""
    await _insert(connection, "calls", _CALL_COLUMNS, [one.call for one in calls])
    await _insert(connection, "call_turns", _TURN_COLUMNS, [row for one in calls for row in one.turns])
    await _insert(connection, "call_tool_calls", _TOOL_COLUMNS, [row for one in calls for row in one.tools])
    backs = [one.callback for one in calls if one.callback is not None]
    await _insert(connection, "callbacks", ("id", "call_id", "call_started_at", "phone", "asked_at"), backs)
    await connection.executemany(
        "INSERT INTO customers AS old (phone, name, first_call_at, last_call_at) VALUES ($1, 'Ada Example', $2, $2)"
        " ON CONFLICT (phone) DO UPDATE SET calls = old.calls + 1, last_call_at = greatest(old.last_call_at, $2),"
        " first_call_at = least(old.first_call_at, $2)",
        [(one.call["caller"], one.call["started_at"]) for one in calls if one.call["caller"]],
    )


async def _insert(connection: Any, table: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    values = [tuple(_value(row[name]) for name in columns) for row in rows]
    await connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", values)


def _value(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, Mapping) else value


def _uuid(name: str) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_URL, f"trunkline-rows:{name}")


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
