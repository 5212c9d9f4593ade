"""Tables that were months of the records, and wait to be exported and dropped: for days, where that fails.

No query over ``calls`` and its like finds their rows. What is to be erased is erased in them, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from engine.errors import ConfigurationError
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
    """Those that retention detached and did not drop yet, or began to detach, of whatever name.

    Raises ConfigurationError where a name does not tell of which table: whoever asks must not go on as though there
    were none; asyncpg.PostgresError.
    """
    found: dict[str, str] = {}
    for parent in PARENTS:  # before the marked ones: a detach that is ended between the two is seen in the second
        attached = await connection.fetch(queries()["partitions_of"], parent.table)
        found |= {row["name"]: parent.table for row in attached if row["detaching"]}
    for row in await connection.fetch(queries()["marked"], PARENTS[0].table, MARK):
        found[row["name"]] = _parent_of(row["name"])
    return [Waiting(parent, name) for name, parent in found.items()]


def _parent_of(name: str) -> str:
    for parent in PARENTS:
        if name.startswith(f"{parent.table}_"):
            return parent.table
    raise ConfigurationError(
        f"{name} was detached to be dropped, and its name does not tell of which table: docs/runbooks/partitions.md "
        "tells how to rename it"
    )


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
