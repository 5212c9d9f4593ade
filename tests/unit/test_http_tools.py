"""Tools declared in YAML: what is said about mistakes, what is sent, what of an answer the model is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from engine.agent.argument_yaml import read_argument
from engine.agent.arguments import Argument
from engine.agent.grounding import Evidence
from engine.agent.http_tools import HttpToolset, read_http_tools
from engine.agent.playbook import load_playbook
from engine.agent.ports import CallFacts, Message, ToolCall
from engine.agent.said import Offered, Said
from engine.agent.source import Source
from engine.agent.tools import Finished, RefusedCallError, ToolBox
from engine.errors import ConfigurationError, ServiceError, ServiceRefused, ServiceUnavailable
from engine.http.port import Method

CALLER = "380501112233"


def loaded(tmp_path: Path, text: str) -> HttpToolset:
    path = tmp_path / "api.yaml"
    path.write_text(f"http:\n{text}", encoding="utf-8")
    source = Source(path)
    return read_http_tools(source, source.data["http"], "http")


def clinic() -> HttpToolset:
    toolset = load_playbook("clinic").http
    assert toolset is not None
    return toolset


class Service:
    """Answers what it is given, and keeps what it was asked."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []

    async def request(  # noqa: PLR0917 - as the port has it
        self,
        method: Method,
        path: str,
        segments: Mapping[str, str] | None = None,
        params: Mapping[str, object] | None = None,
        body: object = None,
        idempotency_key: str = "",
    ) -> Any:
        self.asked.append(
            {"to": f"{method} {path}", "segments": segments, "params": params, "body": body, "key": idempotency_key}
        )
        if isinstance(self.answer, ServiceError):
            raise self.answer
        return self.answer

    async def close(self) -> None:
        """Nothing to let go of."""


async def used(
    service: Service, tool: str, arguments: dict[str, Any], *history: Message, caller: str = CALLER
) -> Finished:
    box = ToolBox(clinic().tools(service))
    said = Said.of(history, today=date(2026, 11, 30))
    return await box.run(
        box.check(ToolCall("c1", tool, json.dumps(arguments)), said), CallFacts("call-1", caller), said
    )


def test_the_clinic() -> None:
    toolset = clinic()
    assert toolset.names == ("find_slots", "list_appointments", "book_appointment", "cancel_appointment")
    assert [(tool.mutates, tool.confirm) for tool in toolset.declarations] == [(False, False)] * 2 + [(True, True)] * 2
    specialty = toolset.declarations[0].arguments[0]
    assert (specialty.evidence, specialty.words["dentist"]) == (Evidence.CHOICE, "dentist|tooth|teeth|dental")
    assert toolset.declarations[3].arguments[0].offered == (Offered("list_appointments", "id"),)


def test_an_argument_with_everything(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "name: car\nkind: string\ndescription: d\nevidence: words\nrequired: false\nchoices: [a, b]\npattern: '[ab]'\n"
        "words: {a: 'alpha'}\noffered: [find_cars.car]\nstrict: true\nread_back: true\nspoken_as: [[x, y], [z]]\n"
    )
    source = Source(path)
    argument = read_argument(source, source.data, "a")
    assert argument.pattern is not None
    assert argument.pattern("A")
    assert not argument.pattern("ab")
    assert argument == Argument(
        "car",
        "string",
        "d",
        Evidence.WORDS,
        required=False,
        choices=("a", "b"),
        pattern=argument.pattern,
        words={"a": "alpha"},
        offered=(Offered("find_cars", "car"),),
        strict=True,
        read_back=True,
        spoken_as=(("x", "y"), ("z",)),
    )


ARGUMENT = "{name: day, kind: date, description: d}"
TOOL = f"""\
  base_url: https://api.example.com
  tools:
    - name: look
      description: looks
      arguments:
        - {ARGUMENT}
      request: GET /things
      query: {{day: "{{day}}"}}
      result: {{things: data}}
"""


def test_a_small_one(tmp_path: Path) -> None:
    toolset = loaded(tmp_path, TOOL)
    assert toolset.address({}).base_url == "https://api.example.com"
    assert toolset.timeout == 5


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("base_url: https", "base_url: ftp", r"api\.yaml:2: http\.base_url: expected an address"),
        ("base_url: https://api.example.com", "timeout_s: 5", "base_url or base_url_variable is missing"),
        ("  base_url:", "  token: secret\n  base_url:", r"api\.yaml:2: http\.token: unknown key"),
        ("  base_url:", "  token_variable: my-token\n  base_url:", r":2: http\.token_variable: expected the name"),
        ("  base_url:", "  timeout_s: soon\n  base_url:", r":2: http\.timeout_s: expected seconds"),
        ("name: look", "name: Look up", r"api\.yaml:4: http\.tools\.0\.name: expected a name of small letters"),
        ("      description: looks\n", "", r":4: http\.tools\.0: description is missing"),
        ("description: looks", "descripton: looks", r":5: http\.tools\.0\.descripton: unknown key"),
        ("GET /things", "FETCH /things", r":8: http\.tools\.0\.request: expected a method and a path"),
        ("GET /things", "GET things", r"expected a method and a path"),
        ("GET /things", "GET /things/{thing}", r":8: http\.tools\.0\.request: no argument is named thing"),
        ("GET /things", "DELETE /things", r":8: http\.tools\.0\.request: DELETE may change something"),
        ('day: "{day}"', 'day: "{dya}"', r":9: http\.tools\.0\.query\.day: no argument is named dya"),
        ('day: "{day}"', 'day: "{day"', r":9: http\.tools\.0\.query\.day: no argument is named like this"),
        ('day: "{day}"', 'day: "{call.phone}"', r"no argument is named call\.phone"),
        ('day: "{day}"', "day: [1]", r":9: http\.tools\.0\.query\.day: expected a text"),
        ('day: "{day}"', "day: 1", r":7: http\.tools\.0\.arguments\.0\.name: day is used nowhere"),
        ("GET /things", "GET /things\n      body: {a: b}", r":9: http\.tools\.0\.body: a GET has none"),
        ("GET /things", "GET /things\n      confirm: true", r":9: http\.tools\.0\.confirm: only what changes"),
        ("GET /things", "GET /things\n      mutates: perhaps", r":9: http\.tools\.0\.mutates: expected true or false"),
        ("things: data", "things: data..x", r":10: http\.tools\.0\.result\.things\.from: expected a way"),
        ("things: data", "things: {from: data, limit: 0}", r":10: http\.tools\.0\.result\.things\.limit: expected"),
        ("kind: date", "kind: day", r":7: http\.tools\.0\.arguments\.0\.kind: expected one of string, integer"),
        ("kind: date, ", "", r":7: http\.tools\.0\.arguments\.0: kind is missing"),
        ("description: d}", "description: d, evidence: faith}", r"arguments\.0\.evidence: expected one of none"),
        ("description: d}", "description: d, minimum: 1}", r"arguments\.0\.minimum: only an integer"),
        ("description: d}", "description: d, choices: [a]}", r"arguments\.0\.choices: only a string"),
        ("description: d}", "description: d, required: 1}", r"arguments\.0\.required: expected true or false"),
        ("description: d}", "description: d, offered: [x]}", r"arguments\.0\.offered\.0: expected the tool"),
        ("kind: date, description: d", "kind: string, description: d, pattern: '('", r"0\.pattern: not a regular"),
        ("kind: date, description: d", "kind: string, description: d, choices: [a], words: {b: c}", r"not among"),
        (f"- {ARGUMENT}", f"- {ARGUMENT}\n        - {ARGUMENT}", r":8: .*arguments\.1\.name: two arguments"),
    ],
)
def test_mistakes_name_file_line_and_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TOOL
    with pytest.raises(ConfigurationError, match=message):
        loaded(tmp_path, TOOL.replace(old, new, 1))


def test_an_optional_argument_is_no_part_of_a_path(tmp_path: Path) -> None:
    text = TOOL.replace("description: d}", "description: d, required: false}").replace(
        "GET /things", "GET /things/{day}"
    )
    with pytest.raises(ConfigurationError, match="must be required"):
        loaded(tmp_path, text)


def test_where_the_api_is() -> None:
    toolset = clinic()
    with pytest.raises(ConfigurationError, match="no demonstration API"):
        toolset.address({})
    assert toolset.address({}, embedded="http://127.0.0.1:1/clinic").base_url == "http://127.0.0.1:1/clinic"
    own = {"CLINIC_URL": "https://api.example.com", "CLINIC_TOKEN": "secret"}
    address = toolset.address(own, embedded="http://127.0.0.1:1/clinic")
    assert (address.base_url, address.token) == ("https://api.example.com", "secret")
    assert "secret" not in repr(address)
    with pytest.raises(ConfigurationError, match="CLINIC_TOKEN: not set"):
        toolset.address({"CLINIC_URL": "https://api.example.com"})


async def test_what_is_asked_and_what_is_told() -> None:
    slot = {"doctor_id": "D-2", "doctor": "the dentist", "date": "2026-12-01", "time": "09:00", "note": "x" * 9000}
    service = Service({"data": [slot] * 50, "total": 50, "secret": "s"})
    said = Message("user", "I need a dentist tomorrow")
    done = await used(service, "find_slots", {"specialty": "dentist", "date_from": "2026-12-01"}, said)
    assert done.ok
    assert service.asked == [
        {
            "to": "GET /slots",
            "segments": {},
            "params": {"specialty": "dentist", "date_from": "2026-12-01"},  # no limit: it is optional
            "body": None,
            "key": "",
        }
    ]
    told = json.loads(done.content)
    assert told["total"] == 50
    assert told["slots"] == [{name: slot[name] for name in ("doctor_id", "doctor", "date", "time")}] * 10
    assert "secret" not in done.content


async def test_who_the_caller_is_comes_from_the_call() -> None:
    service = Service({"data": []})
    await used(service, "list_appointments", {}, Message("user", "my number is 0671234567"))
    assert service.asked[0]["params"] == {"phone": CALLER}
    with pytest.raises(RefusedCallError):
        await used(service, "list_appointments", {"phone": "0671234567"}, Message("user", "0671234567"))


async def test_a_withheld_number_is_nobodys() -> None:
    service = Service({"data": []})
    done = await used(service, "list_appointments", {}, Message("user", "hello"), caller="")
    assert (done.ok, done.error) == (False, "caller_unknown")
    assert service.asked == []


@pytest.mark.parametrize("answer", [None, [], "text", 7, {"data": None}, {"data": {"x": [[[[[[1]]]]]]}}])
async def test_answers_of_another_shape_are_told_as_far_as_they_go(answer: object) -> None:
    done = await used(Service(answer), "list_appointments", {}, Message("user", "hello"))
    assert done.ok
    assert len(done.content) < 200


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (ServiceRefused("taken", code="slot_taken", status=409), "slot_taken"),
        (ServiceUnavailable("gone"), "store_unavailable"),
    ],
)
async def test_failures_are_told(failure: ServiceError, code: str) -> None:
    done = await used(Service(failure), "list_appointments", {}, Message("user", "hello"))
    assert (done.ok, done.error) == (False, code)
