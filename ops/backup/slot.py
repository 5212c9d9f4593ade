"""The slot by which the server holds its log until it is kept."""

from __future__ import annotations

from typing import Any

import asyncpg

from ops.backup.database import queries
from ops.backup.wal import position


async def hold(connection: Any, slot: str) -> tuple[int, bool]:
    """Position from which the server holds the log, and whether the slot had to be made: then nothing held it before.

    A slot whose log the server gave up (``max_slot_wal_keep_size``) is made anew. Raises DatabaseGone.
    """
    sql = queries("server.sql")
    row = await connection.fetchrow(sql["slot"], slot)
    if row is not None and (row["wal_status"] == "lost" or row["restart"] is None):
        await connection.fetchval(sql["drop_slot"], slot)
        row = None
    if row is not None:
        return position(row["restart"]), False
    try:
        return position(await connection.fetchval(sql["make_slot"], slot)), True
    except asyncpg.DuplicateObjectError:  # another was first
        row = await connection.fetchrow(sql["slot"], slot)
        return position(row["restart"]), False
