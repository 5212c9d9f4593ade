"""A call to the tyre shop, tool by tool: what was said before stands in a history, as it does in a real call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from engine.agent.playbook import load_playbook
from engine.agent.ports import CallFacts, Message, ToolCall
from engine.agent.said import Said
from engine.agent.tools import CheckedCall, Finished, RefusedCallError, refused
from engine.playbooks.tyre_shop.tools import shop_tools
from engine.store.memory import MemoryStore
from engine.store.samples import KNOWN_CALLER, SAMPLE_DAY, sample_store

PLAYBOOK = load_playbook("tyre_shop")
SATURDAY = "2026-11-28"
"""Of the sample shop's week."""


class ShopCall:
    """One call; ``store`` and ``history`` are there to be looked at."""

    def __init__(
        self, *words: str, caller: str = KNOWN_CALLER, store: MemoryStore | None = None, today: date = SAMPLE_DAY
    ) -> None:
        """``words``: the caller first, then agent and caller in turn."""
        self.store = store or sample_store(lambda: today)
        self.facts = CallFacts("call-1", caller)
        self.today = today
        self.history: list[Message] = []
        self.box = shop_tools(PLAYBOOK, self.store)
        self.finished: list[Finished] = []
        for index, text in enumerate(words):
            self.history.append(Message("user" if index % 2 == 0 else "assistant", text))

    def heard(self, text: str) -> None:
        """The caller says something."""
        self.history.append(Message("user", text))

    def spoke(self, text: str) -> None:
        """The agent says something."""
        self.history.append(Message("assistant", text))

    def asked(self, question: str, answer: str) -> None:
        self.spoke(question)
        self.heard(answer)

    def offer(self, tool: str, arguments: dict[str, Any], content: dict[str, Any]) -> None:
        """A tool returned this earlier in the call."""
        call = ToolCall(f"c{len(self.history)}", tool, json.dumps(arguments))
        self.history += (
            Message("assistant", "", tool_calls=(call,)),
            Message("tool", json.dumps(content), tool_call_id=call.id),
        )

    @property
    def said(self) -> Said:
        return Said.of(self.history, product_prefix=PLAYBOOK.product_prefix, goods=PLAYBOOK.goods, today=self.today)

    def check(self, tool: str, **arguments: Any) -> CheckedCall:
        """Raises RefusedCallError."""
        return self.box.check(ToolCall("x", tool, json.dumps(arguments)), self.said)

    async def use(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The tool's answer as the model is told it; it enters the history."""
        call = ToolCall(f"c{len(self.history)}", tool, json.dumps(arguments))
        try:
            finished = await self.box.run(self.box.check(call, self.said), self.facts, self.said)
        except RefusedCallError as error:
            finished = refused(call, error)
        self.finished.append(finished)
        self.history += (
            Message("assistant", "", tool_calls=(call,)),
            Message("tool", finished.content, tool_call_id=call.id),
        )
        told = json.loads(finished.content)
        assert isinstance(told, dict)
        return told

    async def refusal(self, tool: str, **arguments: Any) -> str:
        """The code of the error; an answer without one is a mistake."""
        told = await self.use(tool, **arguments)
        assert told["ok"] is False, told
        return str(told["error"]["code"])


def ids(records: Sequence[dict[str, Any]], name: str) -> list[str]:
    return [str(record[name]) for record in records]


async def at_station(*, caller: str = "380501112233") -> ShopCall:
    """A call that has looked for times on Saturday at a station of Kyiv."""
    call = ShopCall(f"I want to book a fitting in Kyiv on Saturday, {SATURDAY}, for 16 inch wheels", caller=caller)
    stations = await call.use("get_fitting_stations", city="Kyiv")
    assert ids(stations["stations"], "station_id") == ["S-1", "S-2"]
    slots = await call.use("get_fitting_slots", station_id="S-1", date_from=SATURDAY, date_to=SATURDAY)
    assert {"date": SATURDAY, "time": "10:00"} in slots["slots"]
    return call


async def booked(*, caller: str = "380501112233") -> tuple[ShopCall, str]:
    call = await at_station(caller=caller)
    call.asked(f"Harbour Street workshop on {SATURDAY} at 10:00. Shall I book it?", "Yes.")
    told = await call.use("book_fitting", station_id="S-1", date=SATURDAY, time="10:00", tire_diameter=16)
    assert (told["moved"], told["booking"]["station"]) == (False, "Harbour Street workshop")
    return call, told["booking"]["booking_id"]
