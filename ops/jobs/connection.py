"""A job's connection to the records' database: bounded waits, and no two runs of one job at once."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import AsyncGenerator
from typing import Any, Final

from engine.errors import ConfigurationError
from engine.sql import FAULTS
from ops.jobs.database import connected as opened
from ops.jobs.database import try_lock
from ops.jobs.job import Job, JobContext, JobFailed

LOCK_SECONDS: Final = 5
STATEMENT_SECONDS: Final = 120
ERASURE: Final = "erasure"
"""The job that changes what is old: nobody copies rows for good beside it."""


@contextlib.asynccontextmanager
async def connected(database: str, *, statement_seconds: int = STATEMENT_SECONDS) -> AsyncGenerator[Any, None]:
    """A connection. Every fault of the database inside is raised as JobFailed that names its kind alone."""
    try:
        async with opened(database, lock_ms=LOCK_SECONDS * 1000, statement_ms=statement_seconds * 1000) as connection:
            yield connection
    except FAULTS as error:
        raise JobFailed(f"the records' database failed ({type(error).__name__})") from error


@contextlib.asynccontextmanager
async def alone(database: str, job: str) -> AsyncGenerator[bool, None]:
    """Whether no other run of ``job`` is under way; none begins inside the block.

    The lock belongs to a transaction on a connection of its own, so that it goes with the process that holds it and
    cannot outlive a failed run on a connection that is used again.
    """
    async with connected(database) as connection, connection.transaction(isolation="read_committed"):
        key = zlib.crc32(f"trunkline job {job}".encode())
        yield await try_lock(connection, "SELECT pg_try_advisory_xact_lock($1)", key)


def refuse_unknown_arguments(job: Job, context: JobContext) -> None:
    """Raises ConfigurationError for an argument that ``job`` does not know. Shows no value: it may be a number."""
    for name in context.arguments:
        if name not in job.arguments:
            known = ", ".join(f"--{each}" for each in job.arguments) or "none"
            raise ConfigurationError(f"{job.name} knows no argument of that name (it knows: {known})")


def switch(context: JobContext, name: str) -> bool:
    """An argument that is ``yes`` or ``no`` (also ``true`` and ``false``). Raises ConfigurationError for others."""
    given = context.arguments.get(name, "no").lower()
    if given not in {"yes", "no", "true", "false", ""}:
        raise ConfigurationError(f"--{name}: expected yes or no")
    return given in {"yes", "true", ""} and name in context.arguments
