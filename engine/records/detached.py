"""Tables that were months of the records, and wait to be exported and dropped: for days, where that fails.

No query over ``calls`` and its like finds their rows. What is to be erased is erased in them, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from engine.records.months import month_of_table
from engine.records.partition_facts import queries
from engine.records.partitions import PARENTS, quoted
from engine.records.retention import MARK


@dataclass(frozen=True, slots=True)
class Waiting:
    """One of them, and the table that it was a partition of."""

    parent: str
    name: str

    def instead(self, query: str) -> str:
        """``query`` over this table in the place of its parent."""
        return re.sub(rf"\b{self.parent}\b", lambda _: quoted(self.name), query)


async def waiting(connection: Any) -> list[Waiting]:
    """Those that retention detached and did not drop yet, or began to detach. Raises asyncpg.PostgresError."""
    found = []
    for parent in PARENTS:
        loose = await connection.fetch(queries()["loose_beside"], parent.table)
        names = [row["name"] for row in loose if row["comment"] == MARK]
        attached = await connection.fetch(queries()["partitions_of"], parent.table)
        names += [row["name"] for row in attached if row["detaching"]]
        found += [Waiting(parent.table, name) for name in names if month_of_table(name, parent.table) is not None]
    return found


async def fetch_everywhere(connection: Any, parent: str, query: str, *arguments: Any) -> Sequence[Any]:
    """The rows that ``query`` finds in ``parent`` and in what waits beside it. Raises asyncpg.PostgresError."""
    rows = list(await connection.fetch(query, *arguments))
    for each in await waiting(connection):
        if each.parent == parent:
            try:
                rows += await connection.fetch(each.instead(query), *arguments)
            except asyncpg.UndefinedTableError:
                continue  # it was dropped just now
    return rows
