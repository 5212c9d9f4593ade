"""The tools of the tyre shop: goods, orders and fittings, besides those that every business has."""

from __future__ import annotations

from collections.abc import Sequence

from engine.agent.desk_tools import TRANSFER_REASONS
from engine.agent.playbook import Playbook
from engine.agent.toolbox import open_tools
from engine.agent.tools import Tool, ToolBox
from engine.knowledge.port import KnowledgeBase
from engine.playbooks.tyre_shop.fitting_tools import fitting_tools
from engine.playbooks.tyre_shop.order_tools import order_tools
from engine.playbooks.tyre_shop.tyre_tools import tyre_tools
from engine.store.port import Store

__all__ = ["TRANSFER_REASONS", "shop_tools", "tools_of"]


def tools_of(playbook: Playbook, store: Store) -> Sequence[Tool]:
    """All that the shop's code declares."""
    return (*tyre_tools(playbook, store), *order_tools(playbook, store), *fitting_tools(playbook, store))


def shop_tools(playbook: Playbook, store: Store, knowledge: KnowledgeBase | None = None) -> ToolBox:
    """The tools that ``playbook`` switches on, in its order; ``knowledge`` None: its own passages, by words.

    Raises ConfigurationError for one that does not exist."""
    return open_tools(playbook, store=store, knowledge=knowledge)
