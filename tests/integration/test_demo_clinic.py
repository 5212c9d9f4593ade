"""The demo clinic over its own API, through tools that a YAML file declares."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from actors.business_api import business_api
from engine.agent.playbook import load_playbook
from engine.agent.ports import CallFacts, Message, ToolCall
from engine.agent.said import Said
from engine.agent.tools import RefusedCallError, ToolBox
from engine.breaker import Breakers
from engine.config import Secret, StoreSettings
from engine.http.client import JsonClient
from engine.http.retry import RetryPolicy
from serve_apps.demo_apis import create_app as create_all
from serve_apps.demo_clinic.app import create_app
from tests.store_server import ADMIN_TOKEN, MONDAY, TOKEN, served


@pytest.fixture
def url() -> Iterator[str]:
    with served(create_app(token=TOKEN, admin_token=ADMIN_TOKEN, now=lambda: MONDAY)) as base:
        yield base


@dataclass
class Patient:
    """A call to the clinic."""

    box: ToolBox
    caller: str = "380501112233"
    history: list[Message] = field(default_factory=list)

    def hears(self, text: str) -> None:
        self.history.append(Message("assistant", text))

    def says(self, text: str) -> None:
        self.history.append(Message("user", text))

    async def use(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Raises RefusedCallError."""
        call = ToolCall(f"c{len(self.history)}", tool, json.dumps(arguments))
        said = Said.of(self.history, today=date(2026, 11, 23))
        finished = await self.box.run(self.box.check(call, said), CallFacts("call-1", self.caller), said)
        self.history.append(Message("assistant", "", tool_calls=(call,)))
        self.history.append(Message("tool", finished.content, tool_call_id=call.id))
        answer: dict[str, Any] = json.loads(finished.content)
        return answer


@pytest_asyncio.fixture
async def box(url: str) -> AsyncIterator[ToolBox]:
    toolset = load_playbook("clinic").http
    assert toolset is not None
    address = toolset.address({"CLINIC_TOKEN": TOKEN}, embedded=url)
    service = JsonClient(address.base_url, address.token, name="clinic", retry=RetryPolicy(first_wait=0.01))
    yield ToolBox(toolset.tools(service))
    await service.close()


async def test_from_a_free_time_to_a_cancellation(box: ToolBox) -> None:
    patient = Patient(box)
    patient.says("Hello, I have a toothache, I need a dentist tomorrow please, my name is Olga.")
    found = await patient.use("find_slots", specialty="dentist", date_from="2026-11-24")
    slot = found["slots"][0]
    assert (slot["date"], len(found["slots"])) == ("2026-11-24", 10)
    wanted = {**{name: slot[name] for name in ("doctor_id", "date", "time")}, "name": "Olga"}
    with pytest.raises(RefusedCallError, match="confirm"):
        await patient.use("book_appointment", **wanted)
    patient.hears(f"{slot['doctor']} on Tuesday the 24th of November at {slot['time']}, shall I book that?")
    patient.says("Yes please.")
    booked = await patient.use("book_appointment", **wanted)
    assert booked["appointment"]["status"] == "booked"
    assert "phone" not in booked["appointment"]
    mine = (await patient.use("list_appointments"))["appointments"]
    assert [each["id"] for each in mine] == [booked["appointment"]["id"]]
    stranger = Patient(box, caller="380639998877")
    stranger.says("hello")
    assert (await stranger.use("list_appointments"))["appointments"] == []
    patient.hears(f"Shall I cancel your appointment on the 24th of November at {slot['time']}?")
    patient.says("Yes, cancel it.")
    gone = await patient.use("cancel_appointment", appointment_id=mine[0]["id"])
    assert gone["appointment"]["status"] == "cancelled"
    assert (await patient.use("list_appointments"))["appointments"] == []


async def ask(url: str, method: str, path: str, **options: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {options.pop('token', TOKEN)}", **options.pop("headers", {})}
    async with (
        aiohttp.ClientSession(url, headers=headers) as session,
        session.request(method, path, **options) as response,
    ):
        return response.status, await response.json()


async def test_an_appointment_of_another_number_does_not_exist(url: str) -> None:
    body = {"doctor_id": "D-1", "date": "2026-11-24", "time": "09:00", "phone": "+380 50 111 22 33", "name": "Olga"}
    free = (await ask(url, "GET", "/slots?doctor_id=D-1&date_from=2026-11-24"))[1]["data"]
    body["time"] = free[0]["time"]
    key = {"Idempotency-Key": "clinic-key-1"}
    status, made = await ask(url, "POST", "/appointments", json=body, headers=key)
    assert status == 201
    assert await ask(url, "POST", "/appointments", json=body, headers=key) == (201, made)
    assert (await ask(url, "POST", "/appointments", json=body))[0] == 409
    path = f"/appointments/{made['id']}"
    for phone in ("380639998877", "", "0"):
        assert (await ask(url, "DELETE", path, params={"phone": phone}))[1]["error"]["code"] == "appointment_not_found"
    assert (await ask(url, "DELETE", path, params={"phone": "0501112233"}))[1]["status"] == "cancelled"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/doctors?specialty=eye", 200),
        ("/slots?doctor_id=D-9", 404),
        ("/slots?date_from=2026-12-02&date_to=2026-12-01", 422),
        ("/slots?date_from=soon", 422),
        ("/slots?date_from=9999-12-31", 422),
        ("/slots?date_from=2026-12-01&date_to=9999-12-31", 200),
        ("/slots?date_from=2027-11-24", 200),
        ("/slots?date_from=2027-11-25", 422),
        ("/appointments", 422),
        ("/nowhere", 404),
    ],
)
async def test_answers(url: str, path: str, status: int) -> None:
    assert (await ask(url, "GET", path))[0] == status
    assert (await ask(url, "GET", path, token="wrong"))[0] == 401


async def test_a_day_that_lies_too_far_ahead_is_refused_as_such(url: str) -> None:
    body = {"doctor_id": "D-1", "date": "9999-12-31", "time": "09:00", "phone": "0501112233", "name": "Olga"}
    status, answer = await ask(url, "POST", "/appointments", json=body)
    assert (status, answer["error"]["code"]) == (422, "validation_error")
    assert "9999-12-31 lies more than a year ahead" in answer["error"]["message"]


async def test_it_can_be_told_to_fail(url: str, box: ToolBox) -> None:
    await ask(url, "PUT", "/__faults", token=ADMIN_TOKEN, json={"mode": "500"})
    patient = Patient(box)
    patient.says("hello")
    assert (await patient.use("list_appointments"))["error"]["code"] == "store_unavailable"


async def test_the_weekend_and_the_past_are_not_free(url: str) -> None:
    _, body = await ask(url, "GET", "/slots?date_from=2026-11-20&date_to=2026-11-30&limit=100&doctor_id=D-1")
    days = {slot["date"] for slot in body["data"]}
    assert days == {"2026-11-23", "2026-11-24", "2026-11-25", "2026-11-26", "2026-11-27", "2026-11-30"}
    assert min(slot["time"] for slot in body["data"] if slot["date"] == "2026-11-23") > "10:00"


async def test_beside_the_store_as_the_engine_finds_it(tmp_path: Path) -> None:
    playbook = load_playbook("clinic")
    breakers = Breakers(tmp_path)
    with served(create_all(token=TOKEN, admin_token=ADMIN_TOKEN, now=lambda: MONDAY)) as url:
        store = StoreSettings(token=Secret(TOKEN), retries=0)
        service = business_api(playbook, store, environ={}, breakers=breakers, store_url=url)
        assert playbook.http is not None
        assert service is not None
        patient = Patient(ToolBox(playbook.http.tools(service)))
        patient.says("hello")
        assert (await patient.use("list_appointments"))["appointments"] == []
        assert (await ask(url, "PUT", "/clinic/__faults", token=ADMIN_TOKEN, json={"mode": "500"}))[0] == 200
        for _ in range(6):
            assert (await patient.use("list_appointments"))["error"]["code"] == "store_unavailable"
        assert (await ask(url, "GET", "/clinic/__faults", token=ADMIN_TOKEN))[1]["seen"] == 5
        assert (await ask(url, "GET", "/orders/4271"))[0] == 200  # the store is another
        assert (await ask(url, "GET", "/orders/4271", token="wrong"))[0] == 401
        await service.close()
    assert [(reading.name, reading.state) for reading in Breakers(tmp_path).readings()] == [("api.clinic", "open")]
