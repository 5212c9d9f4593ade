"""Opens the tools of a playbook: of its own code, over its business's API, and those that every business has."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from engine.agent.desk_tools import desk_tools
from engine.agent.forms import Run
from engine.agent.playbook import Playbook
from engine.agent.source import Source
from engine.agent.tools import Tool, ToolBox
from engine.errors import ConfigurationError
from engine.http.port import JsonService
from engine.knowledge.port import KnowledgeBase


def open_tools(
    playbook: Playbook,
    *,
    store: object = None,
    service: JsonService | None = None,
    knowledge: KnowledgeBase | None = None,
    is_open: Callable[[], bool] = lambda: True,
) -> ToolBox:
    """The tools that ``playbook`` switches on, in its order.

    ``store``: what the playbook's own code works with; ``service``: the API that its ``http`` file declares;
    ``knowledge``: where questions are looked up, None for the playbook's own passages by words; ``is_open``: whether
    somebody is there to be connected to. Raises ConfigurationError for a tool that does not exist.
    """
    found: list[Tool] = list(desk_tools(playbook, knowledge, is_open))
    if playbook.code:
        own = cast("Any", importlib.import_module(f"{playbook.code}.tools"))
        tools: Sequence[Tool] = own.tools_of(playbook, store)
        found += tools
    if playbook.http is not None:
        found += playbook.http.tools(service if service is not None else _NoService())
    known = {tool.name: tool for tool in found}
    for position, name in enumerate(playbook.tools):
        if name not in known:
            source = Source(playbook.folder / "playbook.yaml")
            raise source.wrong(f"tools.{position}", f"no tool is named {name} (there are: {', '.join(known)})")
    for name in playbook.phrases.tool_fillers:
        if name not in known:
            source = Source(playbook.folder / "playbook.yaml")
            raise source.wrong(f"phrases.tool_fillers.{name}", f"no tool is named {name}")
    _check_forms(playbook, known)
    return ToolBox(known[name] for name in playbook.tools)


def _check_forms(playbook: Playbook, tools: Mapping[str, Tool]) -> None:
    """That each form gives its tools what they take, and reads back what they want confirmed."""
    for form in playbook.forms.forms.values():
        for position, step in enumerate(form.steps):
            if isinstance(step, Run):
                mistake = _mistake(step, tools[step.tool])
                if mistake:
                    file = Source(playbook.folder / "playbook.yaml").data["forms"]
                    raise Source(playbook.folder / file).wrong(f"forms.{form.name}.steps.{position}", mistake)


def _mistake(step: Run, tool: Tool) -> str:
    known = {argument.name: argument for argument in tool.arguments}
    for name in step.arguments:
        if name not in known:
            return f"{tool.name} takes no {name!r} (it takes: {', '.join(known) or 'nothing'})"
    for name, argument in known.items():
        if argument.required and (name not in step.arguments or step.arguments[name].startswith("maybe ")):
            return f"{tool.name} needs {name!r}"
    if tool.confirm and not step.confirm:
        return f"{tool.name} runs after a yes only: 'confirm' must say what is read back"
    return ""


class _NoService:
    """For tools that are shown and checked, not run."""

    async def request(self, *_arguments: Any, **_named: Any) -> Any:
        raise ConfigurationError("no API is configured for this playbook")

    async def close(self) -> None:
        """Nothing to let go of."""
