"""The deterministic policy: a chat model made of rules, for when there is no other.

It keeps nothing between requests. From the messages it works out where the conversation stands (``reading``), decides
on one tool call or one short answer (``deciding``), and puts a tool's answer into words. Where words do not tell,
sentence embeddings help (``meaning``); without them it still works, on words alone.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from engine.agent.deciding import Desk
from engine.agent.knowing import KnowledgeDesk
from engine.agent.playbook import Playbook, load_playbook, rules_of
from engine.agent.ports import ChatDelta, ChatDone, ChatRequest, TextDelta, TokensTold, ToolCall, ToolCallDelta
from engine.agent.reading import SituationReader
from engine.agent.replies import Sentences
from engine.agent.rules import Decision
from engine.agent.situation import Situation
from engine.agent.talk import Talk
from engine.errors import ConfigurationError, ModelError
from engine.knowledge.meaning import Meaning

_log = logging.getLogger(__name__)

_CLAUSE = re.compile(r"(?<=[.?!;:,])(?=\s)")


class _Business:
    """What the policy knows of one playbook."""

    def __init__(self, playbook: Playbook, wall: Callable[[], float], *, always_open: bool) -> None:
        hours = playbook.hours
        rules = rules_of(playbook.code)(playbook)
        self.playbook = playbook
        self.reader = SituationReader(playbook, rules, lambda: hours.today(wall()))
        self.desk = Desk(
            playbook,
            rules,
            Sentences(playbook),
            self.reader.values,
            lambda: always_open or hours.open_at(wall()),
        )
        self.knowledge = KnowledgeDesk(playbook)


class PolicyModel:
    """A ``ChatModel`` of rules over one or more playbooks."""

    def __init__(
        self,
        playbooks: Sequence[str] = ("tyre_shop",),
        *,
        embeddings: bool = True,
        wall: Callable[[], float] = time.time,
        always_open: bool = False,
    ) -> None:
        """Names or folders of playbooks; a request for none of them gets the first. Loads nothing before ``start``.

        ``wall``: seconds since 1970-01-01 UTC, for dates and opening hours; ``always_open``: whatever the hours say.
        """
        self._names = tuple(playbooks)
        self._meaning: Meaning | None = Meaning() if embeddings else None
        self._wall = wall
        self._always_open = always_open
        self._businesses: dict[str, _Business] = {}

    async def start(self) -> None:
        """See ``ChatModel.start``. Embeddings that are not installed are done without."""
        if not self._names:
            raise ConfigurationError("the policy needs at least one playbook")
        if self._meaning is not None:
            try:
                await self._meaning.start()
            except ConfigurationError as error:
                _log.warning("the policy goes on without embeddings: %s", error)
                self._meaning = None
        for name in self._names:
            business = _Business(load_playbook(name), self._wall, always_open=self._always_open)
            await business.knowledge.start(self._meaning)
            self._businesses[business.playbook.name] = business

    async def check_health(self) -> None:
        """See ``ChatModel.check_health``."""
        if not self._businesses:
            raise ModelError("the policy was not started")

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """See ``ChatModel.chat``."""
        if not self._businesses:
            raise ModelError("the policy was not started")
        yield TokensTold(0, 0)  # rules have none, however far they come
        business = self._businesses.get(request.playbook) or next(iter(self._businesses.values()))
        situation = business.reader.read(request.messages)
        decision = await self._decide(business, situation, {spec.name: spec.parameters for spec in request.tools})
        for clause in _CLAUSE.split(decision.text) if decision.text else ():
            yield TextDelta(clause)
        if decision.tool:
            arguments = json.dumps(decision.arguments or {}, ensure_ascii=False, default=str)
            yield ToolCallDelta(ToolCall(f"p{len(request.messages)}", decision.tool, arguments))
        yield ChatDone("tool_calls" if decision.tool else "stop", 0, 0)

    async def close(self) -> None:
        """See ``ChatModel.close``."""
        if self._meaning is not None:
            await self._meaning.close()

    async def _decide(self, business: _Business, situation: Situation, tools: dict[str, str]) -> Decision:
        desk = business.desk
        if situation.results:
            result = situation.results[-1]
            answer = ""
            if result.name == "search_knowledge_base" and result.ok:
                passages = [item for item in result.content.get("passages", ()) if isinstance(item, dict)]
                answer = await business.knowledge.answer(str(result.arguments.get("query", "")), passages)
            decision = desk.after(situation, result, answer)
        elif situation.intent == Talk.UNCLEAR and await business.knowledge.may_answer(situation.text):
            decision = Decision(tool="search_knowledge_base", arguments={"query": situation.text})
        else:
            decision = desk.decide(situation)
        return _possible(decision, tools, desk)


def _possible(decision: Decision, tools: dict[str, str], desk: Desk) -> Decision:
    """The decision without what the request's tools do not take."""
    if not decision.tool:
        return decision
    parameters = tools.get(decision.tool)
    if parameters is None:
        return Decision(desk.say("not_from_here"))
    given: dict[str, Any] = dict(decision.arguments or {})
    try:
        known = json.loads(parameters).get("properties")
    except (ValueError, AttributeError):
        known = None
    if isinstance(known, dict):
        given = {name: value for name, value in given.items() if name in known}
    return Decision(decision.text, decision.tool, given)
