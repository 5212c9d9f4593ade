"""A database with the records' tables, months and calls in it; the callers are made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncpg

import engine.records

MONTHS = ("2026-09", "2026-10", "2026-11")
_TABLES = Path(engine.records.__file__).with_name("sql") / "0001_calls.sql"


async def fresh_database(server: str, name: str = "records") -> str:
    """URL of an emptied database with the records' tables and three months of partitions."""
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    url = f"{server.rpartition('/')[0]}/{name}"
    await fill(url)
    return url


async def fill(url: str) -> None:
    """The records' tables, three months of partitions and 300 calls, into an empty database."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_TABLES.read_text("utf-8"))
        for first, after in zip(MONTHS, (*MONTHS[1:], "2026-12"), strict=True):
            for table in ("calls", "call_turns", "call_tool_calls"):
                await connection.execute(
                    f"CREATE TABLE {table}_{first.replace('-', '_')} PARTITION OF {table}"
                    f" FOR VALUES FROM ('{first}-01 00:00+00') TO ('{after}-01 00:00+00')"
                )
        await add_calls(connection, 300)
    finally:
        await connection.close()


async def add_calls(connection: Any, number: int) -> None:
    """Calls of all three months, four turns each."""
    await connection.execute(
        """
        WITH made AS (
            INSERT INTO calls (id, started_at, caller, playbook, turns)
            SELECT gen_random_uuid(), timestamptz '2026-09-01 00:00+00' + random() * interval '90 days',
                   '+49000' || n, 'tyres', 4
            FROM generate_series(1, $1::int) n
            RETURNING id, started_at
        )
        INSERT INTO call_turns (event_id, call_id, call_started_at, at, turn, speaker, text)
        SELECT gen_random_uuid(), id, started_at, started_at + n * interval '5 seconds', n,
               CASE WHEN n % 2 = 0 THEN 'agent' ELSE 'caller' END, repeat(md5(random()::text), 4)
        FROM made, generate_series(1, 4) n
        """,
        number,
    )


async def count(url: str, table: str = "calls") -> int:
    """Rows of a table."""
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))
    finally:
        await connection.close()
