"""The slot by which the server holds its log until it is kept."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

import asyncpg

from ops.backup.database import queries
from ops.backup.errors import DatabaseGone
from ops.backup.wal import position

LOOKS: Final = 50
LOOK_SECONDS: Final = 0.1


async def hold(connection: Any, slot: str) -> tuple[int, bool]:
    """Position from which the server holds the log, and whether the slot had to be made: then nothing held it before.

    A slot whose log the server gave up (``max_slot_wal_keep_size``) is made anew. Raises DatabaseGone.
    """
    sql = queries("server.sql")
    for _ in range(LOOKS):
        row = await connection.fetchrow(sql["slot"], slot)
        if row is None:
            try:
                return position(await connection.fetchval(sql["make_slot"], slot)), True
            except asyncpg.DuplicateObjectError:  # another was first
                continue
        if row["wal_status"] == "lost":
            with contextlib.suppress(asyncpg.UndefinedObjectError):  # another was first
                await connection.fetchval(sql["drop_slot"], slot)
        elif row["restart"] is not None:
            return position(row["restart"]), False
        else:  # another is making it
            await asyncio.sleep(LOOK_SECONDS)
    raise DatabaseGone(f"the replication slot {slot} holds no log: drop it with pg_drop_replication_slot")
