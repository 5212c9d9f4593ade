"""Tools that every business has: its knowledge, a colleague, and the end of the call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.agent.grounding import Evidence
from engine.agent.playbook import Playbook
from engine.agent.ports import Hangup, Transfer
from engine.agent.tools import Argument, RefusedCallError, Tool, ToolContext, ToolOutcome
from engine.knowledge.port import KnowledgeBase, told
from engine.knowledge.words import WordsKnowledge

TRANSFER_REASONS = ("caller_request", "complaint", "cannot_help", "order_change", "quantity", "tool_failure")
END_REASONS = ("goodbye", "callback")


class _Desk:
    def __init__(self, playbook: Playbook, knowledge: KnowledgeBase, is_open: Callable[[], bool]) -> None:
        self.playbook = playbook
        self.knowledge = knowledge
        self.is_open = is_open

    async def search(self, _context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        hits = await self.knowledge.search(arguments["query"], limit=8)
        return ToolOutcome({"passages": [told(hit) for hit in hits]})

    async def transfer(self, _context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        if not self.is_open():
            hours = self.playbook.hours.describe()
            raise RefusedCallError(
                "closed", f"nobody is there now (open: {hours}): say so and offer a call back (end_call, callback)"
            )
        reason = arguments["reason"]
        target = self.playbook.transfer_by_reason.get(reason, self.playbook.transfer_targets[0])
        return ToolOutcome({"transferring": True}, Transfer(target, reason), say=self.playbook.phrases.transfer)

    async def end(self, _context: ToolContext, arguments: Mapping[str, Any]) -> ToolOutcome:
        reason = arguments.get("reason", "goodbye")
        return ToolOutcome({"ending": True}, Hangup(reason), say=self.playbook.phrases.goodbye)


def desk_tools(
    playbook: Playbook, knowledge: KnowledgeBase | None = None, is_open: Callable[[], bool] = lambda: True
) -> Sequence[Tool]:
    """``search_knowledge_base``, ``transfer_to_operator`` and ``end_call``; ``is_open``: whether people are there."""
    desk = _Desk(playbook, knowledge or WordsKnowledge(playbook.knowledge, playbook.spellings), is_open)
    return (
        Tool(
            "search_knowledge_base",
            playbook.knowledge_about or "What the business tells its callers in general.",
            desk.search,
            (Argument("query", "string", "the caller's question in full words", Evidence.NONE),),
            filler=playbook.phrases.filler("search_knowledge_base", mutates=False),
        ),
        Tool(
            "transfer_to_operator",
            "Connects the caller to a colleague and ends your part of the call.",
            desk.transfer,
            (Argument("reason", "string", "why", choices=TRANSFER_REASONS),),
            terminal=True,
        ),
        Tool(
            "end_call",
            "Says goodbye and hangs up, when the caller is done; callback where the caller agreed to be called back.",
            desk.end,
            (Argument("reason", "string", "why", choices=END_REASONS, required=False),),
            terminal=True,
        ),
    )
