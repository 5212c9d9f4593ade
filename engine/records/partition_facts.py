"""Reads from PostgreSQL's catalogue what the planner of the partitions asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from engine.errors import ConfigurationError
from engine.records.months import Month
from engine.records.partitions import Bounds, Parent, Partition, TableFacts, quoted
from engine.sql import named_queries

_FILE: Final = Path(__file__).parent / "sql" / "partitions.sql"
_BOUND: Final = re.compile(r"FOR VALUES FROM \((.+?)\) TO \((.+?)\)")
_DEFAULT: Final = "DEFAULT"

SESSION: Final[Mapping[str, str]] = {"timezone": "UTC", "datestyle": "ISO, YMD", "application_name": "trunkline ops"}
"""Server settings of a connection that reads facts: the bounds come as text."""


@lru_cache(maxsize=1)
def queries() -> dict[str, str]:
    """The named queries of ``sql/partitions.sql``."""
    return named_queries(_FILE)


async def read_facts(connection: Any, parent: Parent, *, count_default: bool = True) -> TableFacts:
    """The facts of one table, over an asyncpg connection opened with ``SESSION``.

    Raises ConfigurationError where the table is not there, asyncpg.PostgresError for any other fault.
    """
    asked = queries()
    columns = [row["name"] for row in await connection.fetch(asked["columns_of"], parent.table)]
    if not columns:
        raise ConfigurationError(f"the table {parent.table} is not there: run `trunkline db migrate`")
    partitions, default = [], None
    for row in await connection.fetch(asked["partitions_of"], parent.table):
        if row["bound"] == _DEFAULT:
            default = row["name"]
        else:
            partitions.append(Partition(row["name"], bounds_of(row["bound"]), detaching=row["detaching"]))
    loose = await connection.fetch(asked["loose_beside"], parent.table)
    by_month: dict[Month, int] = {}
    strange = 0
    if default is not None and count_default:
        by_month, strange = await _count_default(connection, parent, default)
    return TableFacts(
        parent, tuple(partitions), default, tuple(columns), by_month, strange, frozenset(row["name"] for row in loose)
    )


def bounds_of(text: str) -> Bounds:
    """From PostgreSQL's own words, such as ``FOR VALUES FROM ('2026-11-01 00:00:00+00') TO (MAXVALUE)``."""
    found = _BOUND.fullmatch(text)
    if found is None:
        return Bounds(None, None)  # a list or a hash: of no month, and taken as one that covers everything
    return Bounds(_moment(found[1]), _moment(found[2]))


def _moment(text: str) -> datetime | None:
    """None: without end."""
    try:
        return datetime.fromisoformat(text.strip("'")).astimezone(UTC)
    except (ValueError, OverflowError):  # MINVALUE, MAXVALUE, infinity, and what lies outside this calendar
        return None


async def _count_default(connection: Any, parent: Parent, default: str) -> tuple[dict[Month, int], int]:
    column = f"{quoted(parent.column)} AT TIME ZONE 'UTC'"
    rows = await connection.fetch(
        f"SELECT CASE WHEN isfinite({column}) THEN extract(year FROM {column})::int END AS year,"  # noqa: S608 - fixed
        f" CASE WHEN isfinite({column}) THEN extract(month FROM {column})::int END AS month, count(*) AS rows"
        f" FROM {quoted(default)} GROUP BY 1, 2"
    )
    by_month: dict[Month, int] = {}
    strange = 0
    for row in rows:
        try:
            by_month[Month(row["year"], row["month"])] = row["rows"]
        except (TypeError, ValueError):
            strange += row["rows"]
    return by_month, strange
