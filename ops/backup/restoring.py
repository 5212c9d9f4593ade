"""Bringing a site back: a data folder, recovered to the point that is asked for, before anybody can connect to it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import shutil
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from engine.errors import ConfigurationError
from ops.backup.catalogue import Backup, read_catalogue
from ops.backup.erasures import bring_here, erase_again, kept_lists, known_for
from ops.backup.errors import BackupError, RecoveryEndedEarly, WalMissing
from ops.backup.fetching import Log, choose, fetch_data, fetch_log
from ops.backup.leftovers import abandoned, marked_as_ours, sweep
from ops.backup.programs import Programs, find_programs
from ops.backup.site import Site
from ops.backup.throwaway import reachable, serving
from ops.backup.throwaway_account import Account, account
from ops.backup.wal import shown

RECOVERY_SECONDS: Final = 6 * 3600.0

AfterRestore = Callable[[str], Awaitable[str]]
"""Called with the URL of the restored database (a superuser's, by a socket of ours) before anybody else can reach it;
what it returns is told to the operator. Whatever it raises fails the restore: the site must not go up without it. It
may be called again on the same database."""

after_restore: Final[list[AfterRestore]] = []
"""What is done to every restored site, in order, after those who were erased have been erased again."""


@dataclass(frozen=True, slots=True)
class Target:
    """Up to where the log is replayed; nothing given: as far as it goes."""

    time: float | None = None
    """Seconds since 1970-01-01 UTC."""
    lsn: int | None = None

    @property
    def options(self) -> dict[str, str]:
        """Of the server."""
        if self.lsn is not None:
            return {"recovery_target_lsn": shown(self.lsn), "recovery_target_inclusive": "off"}
        if self.time is not None:
            moment = datetime.datetime.fromtimestamp(self.time, datetime.UTC)
            return {"recovery_target_time": moment.strftime("%Y-%m-%d %H:%M:%S.%f+00")}
        return {}


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done, and how long it took."""

    backup: str
    log_bytes: int
    timeline: int
    """Of the server's history: the one that it was recovered along."""
    log_end: int
    """Position at which the log that was brought ends."""
    fetch_s: float
    recovery_s: float
    role: str
    """A superuser of the server, by which the backup was made."""
    database: str
    programs: Path
    """Folder of the programs of its version."""
    told: tuple[str, ...] = field(default=())

    @property
    def seconds(self) -> float:
        """From the beginning until the data could be read."""
        return self.fetch_s + self.recovery_s


@contextlib.asynccontextmanager
async def recovered(
    site: Site,
    backup: Backup,
    programs: Programs,
    data: Path,
    *,
    target: Target,
    options: dict[str, str] | None = None,
    found: list[Restored],
) -> AsyncIterator[str]:
    """The URL of the backup's database, recovered at ``data``; the times go into ``found``. Where anything fails, in
    the block too, ``data`` is removed.
    """
    began = time.monotonic()
    who = account(site.settings)
    catalogue = await read_catalogue(site.repository, site.keys)
    await asyncio.to_thread(_parents, data, who)
    log = data.with_name(f"{data.name}.trunkline-log")
    brought: Log | None = None
    marking = contextlib.ExitStack()
    await asyncio.to_thread(_claim, log, marking)  # from here on what is at ``data`` is ours
    done = False
    try:
        # A time may lie before a gap; without a target all of it is wanted, and a gap is told.
        try:
            brought = await fetch_log(site, backup, target.lsn, log, to_gap=target.time is not None)
        except BackupError as error:
            error.backup = backup.id
            raise
        await fetch_data(site, backup, catalogue, programs, data)
        await asyncio.to_thread(_prepare, data, log, who)
        fetched = time.monotonic()
        recovery = {
            "restore_command": f'cp "{log}/%f" "%p"',
            "recovery_target_action": "promote",
            "recovery_target_timeline": "current" if brought.timeline == backup.timeline else str(brought.timeline),
            **target.options,
        }
        async with (
            site.workshop("programs") as work,
            serving(
                await reachable(programs, who, work),
                data,
                who,
                {**recovery, **(options or {})},
                seconds=RECOVERY_SECONDS,
                role=backup.superuser,
                database=backup.database,
            ) as url,
        ):
            recovery_s = time.monotonic() - fetched
            found.append(
                Restored(
                    backup.id,
                    brought.bytes,
                    brought.timeline,
                    brought.end_lsn,
                    fetched - began,
                    recovery_s,
                    backup.superuser,
                    backup.database,
                    programs.folder,
                )
            )
            yield url
        done = True
    except RecoveryEndedEarly as error:
        if brought is None or brought.gap is None:
            raise
        raise WalMissing(f"the time asked for lies after a gap, or nothing is known of it: {brought.gap}") from error
    finally:
        if not done:
            await asyncio.to_thread(shutil.rmtree, data, ignore_errors=True)
        await asyncio.to_thread(shutil.rmtree, log, ignore_errors=True)
        marking.close()


def _claim(log: Path, marking: contextlib.ExitStack) -> None:
    """Make the folder of the log; one that a killed restore left there goes, with the layers beside it. Raises
    ConfigurationError where a restore is at work there.
    """
    if log.exists():
        if not abandoned(log):
            raise ConfigurationError(f"another restore is at work at {log}, or it is not ours: choose another folder")
        shutil.rmtree(log, ignore_errors=True)
        shutil.rmtree(log.with_name(f"{log.name.removesuffix('-log')}-layers"), ignore_errors=True)
    log.mkdir(mode=0o700)
    marking.enter_context(marked_as_ours(log))


async def restore(
    site: Site,
    data: Path,
    *,
    identity: str = "",
    cluster: str = "",
    target: Target,
    without_erasures: bool = False,
    also: Sequence[AfterRestore] = (),
) -> Restored:
    """Make ``data`` the data folder of the site as it was at ``target``, with those erased again who had been erased
    and the hooks of ``after_restore`` and ``also`` done, ready to be started. Raises BackupError and its
    kinds, ConfigurationError; then ``data`` is left empty.
    """
    if await asyncio.to_thread(_occupied, data):
        raise ConfigurationError(f"{data} is not empty: move what is there out of the way, or name another folder")
    await asyncio.to_thread(sweep, site.settings)
    catalogue = await read_catalogue(site.repository, site.keys)
    backup = choose(catalogue, identity=identity, before=target.time, before_lsn=target.lsn, cluster=cluster)
    if target.lsn is not None and target.lsn < backup.stop_lsn:
        raise BackupError(f"backup {backup.id} is whole from {shown(backup.stop_lsn)} on: take an older one")
    programs = find_programs(site.settings.postgres_programs, backup.server_version)
    lists, told = ([], []) if without_erasures else await kept_lists(site, backup, catalogue)
    known = await asyncio.to_thread(
        lambda: known_for(site.settings, lists, without=without_erasures, faults=tuple(told))
    )
    found: list[Restored] = []
    async with recovered(site, backup, programs, data, target=target, found=found) as url:
        told.append(await erase_again(url, known))
        told += [await hook(url) for hook in (*after_restore, *also)]
    if brought := await asyncio.to_thread(bring_here, site.settings, known):
        told.append(brought)
    return replace(found[0], told=tuple(told))


def _prepare(data: Path, log: Path, who: Account) -> None:
    """A folder as the server wants it: it recovers from the log beside it, as its own owner."""
    (data / "recovery.signal").touch()
    (data / "standby.signal").unlink(missing_ok=True)
    (data / "postmaster.pid").unlink(missing_ok=True)
    data.chmod(0o700)
    who.own(data)
    who.own(log)


def _occupied(data: Path) -> bool:
    return data.exists() and (not data.is_dir() or any(data.iterdir()))


def _parents(data: Path, who: Account) -> None:
    """The way to ``data`` must be open for the server's user."""
    data.parent.mkdir(parents=True, exist_ok=True)
    if who.uid is None:
        return
    for parent in data.parents:
        facts = parent.stat()
        mine = facts.st_uid == who.uid and facts.st_mode & stat.S_IXUSR
        if not mine and not facts.st_mode & stat.S_IXOTH:
            raise ConfigurationError(
                f"the server's user (number {who.uid}; PostgreSQL does not run as root) may not enter {parent}: "
                "`chmod o+x` it, or name another folder"
            )


def parse_time(text: str) -> float:
    """An ISO time with its offset from UTC. Raises ConfigurationError."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigurationError(
            f"--to-time: got {text!r}, expected a time with its zone, such as 2026-11-22T02:15:00Z"
        )
    return moment.timestamp()
