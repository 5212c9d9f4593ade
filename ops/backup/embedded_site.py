"""Bringing back the database that runs beside the engine: restored beside its data, and put in their place."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg

from engine.config import Settings
from engine.config.records import EMBEDDED
from engine.errors import ConfigurationError
from ops.backup.errors import BackupError
from ops.backup.restoring import Restored, Target, restore
from ops.backup.site import Site
from ops.child import ServerElsewhere, ServerFailed, write_private
from ops.embedded_postgres import BEFORE, NAME, RESTORED, EmbeddedPostgres, Home


@dataclass(frozen=True, slots=True)
class BroughtBack:
    """What was done."""

    restored: Restored
    folder: Path
    """Of the engine: the address and the password of its database."""
    data: Path
    kept: Path | None
    """Where the data are that were there before; None: there were none."""


def bring_back(
    settings: Settings, *, identity: str = "", cluster: str = "", target: Target, without_erasures: bool = False
) -> BroughtBack:
    """Restore the embedded database of these settings, and have the engine's next start run it. What was there before
    is kept beside it. Raises ConfigurationError, BackupError and its kinds; then the data are as they were.
    """
    if settings.records.database.reveal() != EMBEDDED:
        raise ConfigurationError("--embedded: TRUNKLINE_DATABASE names a database of your own: give --data-dir")
    try:
        with _taken(settings) as home:
            unfinished = home.data_home / RESTORED
            shutil.rmtree(unfinished, ignore_errors=True)  # of a restore that was killed: nobody else makes it
            password = _password(home) or secrets.token_urlsafe(24)

            async def let_in(url: str) -> str:
                return await _let_in(url, password)

            restored = asyncio.run(
                restore(
                    Site.of(_as_its_user(settings, home), time.time),
                    unfinished,
                    identity=identity,
                    cluster=cluster,
                    target=target,
                    without_erasures=without_erasures,
                    also=(let_in,),
                )
            )
            write_private(home.folder / "password", password)
            return BroughtBack(restored, home.folder, home.data, _put_in_place(home, unfinished))
    except ServerElsewhere:
        raise ConfigurationError("the engine runs, and with it this database: end `trunkline up` first") from None
    except (ServerFailed, OSError) as error:
        told = str(error) if isinstance(error, ServerFailed) else f"{error.strerror}"
        raise BackupError(f"the embedded database cannot be replaced: {told}") from error


@contextlib.contextmanager
def _taken(settings: Settings) -> Iterator[Home]:
    """The embedded server's folders, while nobody runs it. Raises ServerElsewhere, ServerFailed, OSError."""
    server = EmbeddedPostgres(settings, print)
    try:
        yield server.take()
    finally:
        server.release()


def _as_its_user(settings: Settings, home: Home) -> Settings:
    """So that what is restored is owned by whom the embedded server runs as."""
    if home.user is None:
        return settings
    return replace(settings, postgres_programs=replace(settings.postgres_programs, user="nobody"))


def _password(home: Home) -> str:
    try:
        return (home.folder / "password").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


async def _let_in(url: str, password: str) -> str:
    """The engine's role gets the password that its folder has. Raises BackupError where it is no such database."""
    connection = await asyncpg.connect(url, timeout=30)
    try:
        found = await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1 AND rolsuper)"
            " AND EXISTS (SELECT FROM pg_database WHERE datname = $1)",
            NAME,
        )
        if not found:
            raise BackupError(
                f"the backup is of a server without the role and the database {NAME}, and no embedded one: restore it "
                "with --data-dir"
            )
        quoted = "SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text)"
        await connection.execute(await connection.fetchval(quoted, NAME, password))
    finally:
        await connection.close()
    return ""


def _put_in_place(home: Home, unfinished: Path) -> Path | None:
    """Where the data are that were there, put aside now or by a restore that was cut short; None: there were none.

    Between its two steps there are none, and the engine does not start. Raises OSError; then they are where they were.
    """
    if not home.data.exists():
        unfinished.rename(home.data)
        return home.before
    now = datetime.datetime.now(datetime.UTC)
    kept = home.data_home / f"{BEFORE}-{now:%Y-%m-%dT%H-%M-%SZ}"
    home.data.rename(kept)
    try:
        unfinished.rename(home.data)
    except BaseException:
        kept.rename(home.data)
        raise
    return kept
