"""Tools that a playbook declares in YAML, over its business's own API.

    base_url: https://api.clinic.example/v1
    token_variable: CLINIC_TOKEN
    tools:
      - name: cancel_appointment
        description: Cancels one of the caller's appointments.
        arguments:
          - {name: appointment_id, kind: string, description: its id, evidence: offered,
             offered: [list_appointments.id]}
        request: DELETE /appointments/{appointment_id}
        query: {phone: "{call.caller}"}
        mutates: true
        confirm: true
        result:
          appointment: {from: ".", fields: [date, time, status]}

In path, query and body ``{name}`` is an argument; ``{call.caller}``, ``{call.id}`` and ``{call.language}`` come from
the call: who the caller is, is never an argument. What no optional argument fills is left out. Of an answer the model
is told what ``result`` names, nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast, get_args

from engine.agent.argument_yaml import YamlSource, flag_of, mapping_of, name_of, read_argument
from engine.agent.arguments import Argument, RefusedCallError
from engine.agent.tools import Tool, ToolContext, ToolOutcome
from engine.errors import ConfigurationError
from engine.http.port import JsonService, Method

EMBEDDED: Final = "embedded"
"""As ``base_url``: a demonstration API that runs beside the engine."""

_CALL: Final = frozenset({"call.caller", "call.id", "call.language"})
_PLACE: Final = re.compile(r"\{([a-z][a-z0-9_.]*)\}")
_REQUEST: Final = re.compile(r"([A-Z]+) (/[A-Za-z0-9_./{}~-]*)")
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_DOTTED: Final = re.compile(r"\.|[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*")
_LONGEST_TEXT: Final = 600
"""Characters of one text of an answer that the model is told."""
_MOST_RECORDS: Final = 10
_DEEPEST: Final = 4

_API_KEYS: Final = frozenset({"base_url", "base_url_variable", "token_variable", "timeout_s", "tools"})
_TOOL_KEYS: Final = frozenset(
    {
        "name", "description", "arguments", "request", "query", "body", "mutates", "confirm", "agreed", "undone_by",
        "filler", "timeout_s", "result",
    }
)  # fmt: skip
_RESULT_KEYS: Final = frozenset({"from", "fields", "limit"})


@dataclass(frozen=True, slots=True)
class Address:
    """Where an API is, and what it is shown."""

    base_url: str
    token: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of an answer that the model is told."""

    path: tuple[str, ...]
    fields: tuple[str, ...]
    """Of an object, or of each object of a list; empty: all."""
    limit: int


@dataclass(frozen=True, slots=True)
class HttpTool:
    """One declaration, checked."""

    name: str
    description: str
    arguments: tuple[Argument, ...]
    method: Method
    path: str
    query: Mapping[str, Any]
    body: Mapping[str, Any] | None
    result: Mapping[str, _Part]
    mutates: bool
    confirm: bool
    agreed: str
    undone_by: tuple[str, ...]
    filler: str
    timeout: float

    def over(self, service: JsonService) -> Tool:
        """As a tool of the agent."""

        async def run(context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
            values = _values(context, arguments)
            places = _PLACE.findall(self.path)
            answer = await service.request(
                self.method,
                _PLACE.sub(lambda place: f"{{{_segment(place[1])}}}", self.path),
                segments={_segment(name): str(_filled(f"{{{name}}}", values)) for name in places},
                params=_all_filled(self.query, values),
                body=None if self.body is None else _all_filled(self.body, values),
                idempotency_key=context.idempotency_key if self.mutates else "",
            )
            told = {name: _told(answer, part) for name, part in self.result.items()}
            return ToolOutcome({name: value for name, value in told.items() if value is not None})

        return Tool(
            self.name,
            self.description,
            run,
            self.arguments,
            mutates=self.mutates,
            confirm=self.confirm,
            agreed=self.agreed,
            undone_by=self.undone_by,
            filler=self.filler,
            timeout=self.timeout,
        )


@dataclass(frozen=True, slots=True)
class HttpToolset:
    """An API and the tools over it."""

    base_url: str
    base_url_variable: str
    token_variable: str
    timeout: float
    """Seconds for one try of a request."""
    declarations: tuple[HttpTool, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the tools, as they stand in the file."""
        return tuple(declaration.name for declaration in self.declarations)

    def address(self, environ: Mapping[str, str], *, embedded: str = "") -> Address:
        """Where to find the API. ``embedded``: address of the demonstration API, where one runs.

        Raises ConfigurationError that names the variable that is missing.
        """
        base = (environ.get(self.base_url_variable, "") if self.base_url_variable else "") or self.base_url
        if not base:
            raise ConfigurationError(f"{self.base_url_variable}: not set, expected the address of the API")
        if base == EMBEDDED:
            if not embedded:
                raise ConfigurationError("base_url is embedded, and no demonstration API runs here: give its address")
            base = embedded
        token = environ.get(self.token_variable, "") if self.token_variable else ""
        if self.token_variable and not token and base != embedded:
            raise ConfigurationError(f"{self.token_variable}: not set, expected the token of {base}")
        return Address(base, token)

    def tools(self, service: JsonService) -> tuple[Tool, ...]:
        """The tools over ``service``."""
        return tuple(declaration.over(service) for declaration in self.declarations)


def read_http_tools(source: YamlSource, value: Any, key: str) -> HttpToolset:
    """An API and its tools. Raises ConfigurationError that names file, line and key of a mistake.

    ``key`` is where ``value`` stands in the file, such as ``http``.
    """
    data = mapping_of(source, value, key, _API_KEYS, ("tools",))
    base = source.text_of(data.get("base_url", ""), f"{key}.base_url", empty=True)
    if base and base != EMBEDDED and not re.fullmatch(r"https?://[^\s?#@]+", base):
        raise source.wrong(f"{key}.base_url", "expected an address such as https://api.example.com/v1, or embedded")
    variables = {name: _variable(source, data.get(name), f"{key}.{name}") for name in _API_KEYS if "variable" in name}
    if not base and not variables["base_url_variable"]:
        raise source.wrong(key, "base_url or base_url_variable is missing")
    if not isinstance(data["tools"], list) or not data["tools"]:
        raise source.wrong(f"{key}.tools", "expected a list of tools")
    tools: list[HttpTool] = []
    for position, item in enumerate(data["tools"]):
        tool = _tool(source, item, f"{key}.tools.{position}")
        if any(tool.name == other.name for other in tools):
            raise source.wrong(f"{key}.tools.{position}.name", f"two tools are named {tool.name}")
        tools.append(tool)
    timeout = _seconds(source, data.get("timeout_s", 5.0), f"{key}.timeout_s")
    return HttpToolset(base, variables["base_url_variable"], variables["token_variable"], timeout, tuple(tools))


def _variable(source: YamlSource, value: Any, key: str) -> str:
    if value is None:
        return ""
    name = source.text_of(value, key)
    if not _VARIABLE.fullmatch(name):
        raise source.wrong(key, "expected the name of an environment variable; a token itself never stands in a file")
    return name


def _seconds(source: YamlSource, value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.1 <= value <= 60:
        raise source.wrong(key, "expected seconds from 0.1 to 60")
    return float(value)


def _tool(source: YamlSource, value: Any, key: str) -> HttpTool:
    data = mapping_of(source, value, key, _TOOL_KEYS, ("name", "description", "request"))
    arguments = _arguments(source, data.get("arguments", []), f"{key}.arguments")
    request = _REQUEST.fullmatch(source.text_of(data["request"], f"{key}.request"))
    if request is None or request[1] not in get_args(Method):
        raise source.wrong(f"{key}.request", "expected a method and a path: GET /slots/{doctor_id}")
    method, path = cast("Method", request[1]), request[2]
    query = _template(source, data.get("query", {}), f"{key}.query")
    body = _template(source, data["body"], f"{key}.body") if "body" in data else None
    if body is not None and method == "GET":
        raise source.wrong(f"{key}.body", "a GET has none: use query")
    mutates = flag_of(source, data, "mutates", key)
    confirm = flag_of(source, data, "confirm", key)
    if method != "GET" and "mutates" not in data:
        raise source.wrong(f"{key}.request", f"{method} may change something: say mutates: true or false")
    if confirm and not mutates:
        raise source.wrong(f"{key}.confirm", "only what changes something (mutates: true) is confirmed")
    _check_places(source, key, arguments, {"request": path, "query": query, "body": body or {}})
    return HttpTool(
        name=name_of(source, data["name"], f"{key}.name"),
        description=source.text_of(data["description"], f"{key}.description"),
        arguments=arguments,
        method=method,
        path=path,
        query=query,
        body=body,
        result=_result(source, data.get("result", {}), f"{key}.result"),
        mutates=mutates,
        confirm=confirm,
        agreed=_expression(source, data.get("agreed", ""), f"{key}.agreed"),
        undone_by=source.texts(data.get("undone_by", []), f"{key}.undone_by"),
        filler=source.text_of(data.get("filler", ""), f"{key}.filler", empty=True),
        timeout=_seconds(source, data.get("timeout_s", 8.0), f"{key}.timeout_s"),
    )


def _expression(source: YamlSource, value: Any, key: str) -> str:
    text = source.text_of(value, key, empty=True)
    try:
        re.compile(text)
    except re.error as error:
        raise source.wrong(key, f"not a regular expression: {error}") from error
    return text


def _arguments(source: YamlSource, value: Any, key: str) -> tuple[Argument, ...]:
    if not isinstance(value, list):
        raise source.wrong(key, "expected a list of arguments")
    arguments: list[Argument] = []
    for position, item in enumerate(value):
        argument = read_argument(source, item, f"{key}.{position}")
        if any(argument.name == other.name for other in arguments):
            raise source.wrong(f"{key}.{position}.name", f"two arguments are named {argument.name}")
        arguments.append(argument)
    return tuple(arguments)


def _template(source: YamlSource, value: Any, key: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise source.wrong(key, "expected a mapping")
    for name, inner in value.items():
        if isinstance(inner, dict):
            _template(source, inner, f"{key}.{name}")
        elif not isinstance(inner, str | int | float | bool):
            raise source.wrong(f"{key}.{name}", 'expected a text, a number, or a place such as "{date}" in quotes')
    return value


def _places(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Places in a template, each with the key it stands under."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _places(inner, f"{key}.{name}")
    elif isinstance(value, str):
        for name in _PLACE.findall(value):
            yield name, key
        if re.search(r"[{}]", _PLACE.sub("", value)):
            yield "", key


def _check_places(source: YamlSource, key: str, arguments: tuple[Argument, ...], templates: Mapping[str, Any]) -> None:
    known = {argument.name: argument for argument in arguments}
    used = set()
    for part, template in templates.items():
        for name, where in _places(template, f"{key}.{part}"):
            if name not in known and name not in _CALL:
                named = ", ".join([*known, *sorted(_CALL)])
                raise source.wrong(where, f"no argument is named {name or 'like this'} (known: {named})")
            if part == "request" and name in known and not known[name].required:
                raise source.wrong(where, f"{name} stands in the path and must be required")
            used.add(name)
    for position, argument in enumerate(arguments):
        if argument.name not in used:
            raise source.wrong(f"{key}.arguments.{position}.name", f"{argument.name} is used nowhere in the request")


def _result(source: YamlSource, value: Any, key: str) -> Mapping[str, _Part]:
    if not isinstance(value, dict):
        raise source.wrong(key, "expected a mapping from a name to a part of the answer")
    return {
        name_of(source, name, f"{key}.{name}"): _part(source, part, f"{key}.{name}") for name, part in value.items()
    }


def _part(source: YamlSource, value: Any, key: str) -> _Part:
    data = mapping_of(source, {"from": value} if isinstance(value, str) else value, key, _RESULT_KEYS, ("from",))
    path = source.text_of(data["from"], f"{key}.from")
    if not _DOTTED.fullmatch(path):
        raise source.wrong(f"{key}.from", 'expected a way into the answer such as data.slots, or "." for all of it')
    limit = data.get("limit", _MOST_RECORDS)
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= 100:
        raise source.wrong(f"{key}.limit", "expected a whole number from 1 to 100")
    steps = () if path == "." else tuple(path.split("."))
    return _Part(steps, source.texts(data.get("fields", []), f"{key}.fields"), limit)


def _segment(place: str) -> str:
    """A place's name as a path has it: ``call_caller``."""
    return place.replace(".", "_")


def _values(context: ToolContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    facts = context.facts
    return {**arguments, "call.caller": facts.caller, "call.id": facts.call_id, "call.language": facts.language}


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    """The value; None where an optional argument is missing. Raises RefusedCallError for a caller without a number."""
    if not isinstance(template, str):
        return template
    names = _PLACE.findall(template)
    if "call.caller" in names and not values["call.caller"]:
        raise RefusedCallError("caller_unknown", "the caller's number is withheld: offer a colleague")
    if any(values.get(name) is None for name in names):
        return None
    if len(names) == 1 and template == f"{{{names[0]}}}":
        return values[names[0]]
    return _PLACE.sub(lambda place: str(values[place[1]]), template)


def _all_filled(template: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    for name, inner in template.items():
        value = _all_filled(inner, values) if isinstance(inner, dict) else _filled(inner, values)
        if value is not None:
            filled[name] = value
    return filled


def _told(answer: Any, part: _Part) -> Any:
    """A part of an answer, cut to what was declared; None where the answer has it not."""
    for step in part.path:
        answer = answer.get(step) if isinstance(answer, dict) else None
    if isinstance(answer, list):
        return [_cut(item, part.fields) for item in answer[: part.limit]]
    return _cut(answer, part.fields)


def _cut(value: Any, fields: tuple[str, ...], depth: int = 0) -> Any:
    if isinstance(value, str):
        return value[:_LONGEST_TEXT]
    if isinstance(value, dict):
        names = [name for name in fields if name in value] if fields else list(value)[:_MOST_RECORDS]
        return {name: _cut(value[name], (), depth + 1) for name in names} if depth < _DEEPEST else None
    if isinstance(value, list):
        return [_cut(item, (), depth + 1) for item in value[:_MOST_RECORDS]] if depth < _DEEPEST else None
    return value
