"""Whole conversations in words: a caller, the agent with the rule-based model, and tools that work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import HTTPException

from engine.agent.agent import ToolAgent
from engine.agent.playbook import Playbook, load_playbook
from engine.agent.policy import PolicyModel
from engine.agent.ports import AgentOutput, CallFacts, Hangup, Message, Remember, Say, ToolFinished, Transfer
from engine.agent.toolbox import open_tools
from engine.errors import ServiceRefused, ServiceUnavailable
from engine.http.port import JsonService, Method
from engine.store.memory import MemoryStore
from engine.store.samples import KNOWN_CALLER, sample_store
from serve_apps.demo_clinic.app import Desk, NewAppointment
from tests.unit.agent_stage import at_once

OPENED = datetime(2026, 11, 23, 10, 0, tzinfo=UTC).timestamp()
"""A Monday at noon in Kyiv: the store's sample day."""
CLOSED = datetime(2026, 11, 23, 19, 0, tzinfo=UTC).timestamp()
DRAFT = "I'll take four of T-1002, my phone is 5551234567."
"""Makes a draft of an order."""
FITTING = ("I want to book a fitting", "In Kyiv", "the Left Bank one", "Saturday", "at ten", "Olga Petrenko")
"""Leads to the read-back of a fitting."""


class StoppedClock:
    """A ``Clock`` that stands still."""

    def __init__(self, wall: float) -> None:
        self._wall = wall

    def now(self) -> float:
        return 0.0

    def wall(self) -> float:
        return self._wall


class ClinicApi:
    """The demonstration clinic's API without a network."""

    def __init__(self) -> None:
        self.desk = Desk(lambda: OPENED)
        self.down = False
        self.asked: list[str] = []

    async def request(
        self,
        method: Method,
        path: str,
        *,
        segments: Mapping[str, str] | None = None,
        params: Mapping[str, object] | None = None,
        body: object = None,
        idempotency_key: str = "",
    ) -> Any:
        self.asked.append(f"{method} {path}")
        if self.down:
            raise ServiceUnavailable("the clinic is switched off")
        given = {name: str(value) for name, value in (params or {}).items()}
        try:
            return self._answer(method, path, segments or {}, given, body)
        except HTTPException as error:
            detail = json.loads(json.dumps(error.detail))
            raise ServiceRefused(detail["message"], code=detail["code"], status=error.status_code) from error

    async def close(self) -> None:
        """Nothing to let go of."""

    def _answer(
        self, method: str, path: str, segments: Mapping[str, str], given: Mapping[str, str], body: object
    ) -> Any:
        if path == "/slots":
            first = datetime.fromisoformat(given["date_from"]).date()
            doctors = {"general": "D-1", "dentist": "D-2", "eye": "D-3", "children": "D-4"}
            return {"data": self.desk.free(doctors[given["specialty"]], first, first), "total": 1}
        if path == "/appointments" and method == "GET":
            return {"data": [_plain(each) for each in self.desk.of(given["phone"])]}
        if path == "/appointments":
            return _plain(self.desk.book(NewAppointment.model_validate(body)))
        return _plain(self.desk.cancel(segments["appointment_id"], given["phone"]))


def _plain(appointment: Any) -> dict[str, Any]:
    names = ("id", "doctor", "date", "time", "status", "name")
    return {name: getattr(appointment, name) for name in names}


class Telephone:
    """One call, word for word."""

    def __init__(
        self,
        playbook: str | Playbook = "tyre_shop",
        *,
        store: MemoryStore | None = None,
        service: JsonService | None = None,
        caller: str = KNOWN_CALLER,
        wall: float = OPENED,
        always_open: bool = False,
    ) -> None:
        self.playbook = load_playbook(playbook) if isinstance(playbook, str) else playbook
        self.store = store or sample_store()
        self.model = PolicyModel(
            (str(self.playbook.folder),), embeddings=False, wall=lambda: wall, always_open=always_open
        )
        self.agent = ToolAgent(
            model=self.model,
            playbook=self.playbook,
            tools=open_tools(self.playbook, store=self.store, service=service),
            facts=CallFacts("call-1", caller),
            clock=StoppedClock(wall),
        )
        self.history: list[Message] = [Message("assistant", self.playbook.phrases.greeting)]
        self.tools: list[str] = []
        """Tools that ran, by name; those refused with an exclamation mark."""
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.ending: Transfer | Hangup | None = None
        self._started = False

    async def say(self, text: str, *, heard: int | None = None) -> str:
        """Says ``text`` and returns the answer; ``heard``: the caller spoke over it after so many characters."""
        if not self._started:
            await self.model.start()
            self._started = True
        self.history.append(Message("user", text))
        outputs: list[AgentOutput] = [output async for output in self.agent.respond(tuple(self.history), at_once)]
        for output in outputs:
            if isinstance(output, Remember):
                self.history += output.messages
            elif isinstance(output, ToolFinished):
                self.tools.append(output.name if output.ok else f"{output.name}!")
                self.calls.append((output.name, dict(output.arguments)))
            elif isinstance(output, Transfer | Hangup):
                self.ending = output
        answer = "".join(output.text for output in outputs if isinstance(output, Say))
        shown = answer if heard is None else answer[:heard]
        self.history.append(Message("assistant", shown, interrupted=heard is not None))
        return answer

    async def all(self, *texts: str) -> str:
        """Says one after the other; the last answer."""
        answer = ""
        for text in texts:
            answer = await self.say(text)
        return answer
