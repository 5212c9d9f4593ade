"""The proof of a backup: restored into a throw-away server, replayed to its mark, compared, looked through."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from ops.backup.amcheck import CORRUPT, damage, faults, session
from ops.backup.catalogue import Backup, chain, note, read_catalogue
from ops.backup.contents import EDITION, differences, read
from ops.backup.database import connected, queries
from ops.backup.errors import BackupError, Damaged, NotTheSame, ToolFailed, WalMissing
from ops.backup.fetching import Log, look_through_log
from ops.backup.programs import Programs, find_programs
from ops.backup.restoring import Restored, Target, recovered
from ops.backup.site import Site
from ops.backup.soundness import acquit, withdraw
from ops.backup.verifying import read_beside

AMCHECK_SECONDS: Final = 6 * 3600.0
_SHOWN: Final = 10
NOTHING_TO_LOSE: Final = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_wal_size": "8GB"}


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check of a backup found: it is good."""

    restored: Restored
    tables: int
    rows: int
    compare_s: float
    amcheck_s: float
    log: Log
    """From the mark up to now: all of it is there and opens."""
    not_looked: str = ""
    """Why pg_amcheck did not look through it; empty: it did, and found nothing."""


async def check(site: Site, backup: Backup) -> Checked:
    """Raises NotTheSame, Damaged, WalMissing, KeyMismatch, WrongVersion, ToolFailed: each says what is wrong.

    What is damaged, or restores to something else, is marked and counts no more; what passes loses its marks.
    """
    links = chain(backup, (await read_catalogue(site.repository, site.keys)).backups)
    try:
        restored, compared, looked, not_looked = await _proved(site, backup)
        for link in links:  # all of them lose their marks below
            await read_beside(site, link)
    except (NotTheSame, Damaged, WalMissing) as error:
        raise type(error)(f"{error}. {await withdraw(site, links, error)}") from error
    await acquit(site, links)
    if backup.verified_at is None:  # its note was lost: it is more than verified
        await note(site.repository, backup, "verified", site.wall(), site.key)
    log = await look_through_log(site, backup)
    await note(site.repository, backup, "restored", site.wall(), site.key)
    return Checked(
        restored=restored,
        tables=len(backup.contents.tables),
        rows=backup.contents.rows,
        compare_s=compared,
        amcheck_s=looked,
        log=log,
        not_looked=not_looked,
    )


async def _proved(site: Site, backup: Backup) -> tuple[Restored, float, float, str]:
    """It is what it was; seconds that the comparison and pg_amcheck took; why the latter did not look."""
    programs = find_programs(site.settings.postgres_programs, backup.server_version)
    found: list[Restored] = []
    async with site.workshop("check") as work:
        data = work / "data"
        target = Target(lsn=backup.mark_lsn)
        options = dict(NOTHING_TO_LOSE)
        async with recovered(site, backup, programs, data, target=target, options=options, found=found) as url:
            began = time.monotonic()
            await _compare(site, backup, url)
            compared = time.monotonic()
            not_looked = await amcheck(programs, url)
            done = time.monotonic()
    return found[0], compared - began, done - compared, not_looked


async def _compare(site: Site, backup: Backup, url: str) -> None:
    if (edition := backup.contents.edition) > EDITION:
        raise BackupError(
            f"backup {backup.id} was recorded by a newer Trunkline (schema of edition {edition}): use that"
        )
    async with connected(url) as connection:
        percents = {name: table.percent for name, table in backup.contents.tables.items()}
        key = site.keys.made_with(backup.key_id, f"backup {backup.id}")  # its samples are digests by that one
        contents = await read(connection, key, percents, edition=edition)
    if found := differences(backup.contents, contents):
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise NotTheSame(f"backup {backup.id} restores to something else: {'; '.join(found[:_SHOWN])}{more}")


async def amcheck(programs: Programs, url: str) -> str:
    """Look through every heap and every index of every database, and for each row in each index; empty, or why that
    could not be done here. Raises Damaged, ToolFailed.
    """
    async with connected(url) as connection:
        if not await connection.fetchval(queries()["has_amcheck"]):
            return "the server has no extension amcheck (Debian: in postgresql, elsewhere postgresql-contrib)"
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    arguments = ["--all", "--heapallindexed", "--install-missing", "--no-strict-names", "--jobs=2", "--no-password"]
    arguments += ["--verbose"]  # only so does it tell the codes of errors
    arguments += [f"--host={query['host'][0]}", f"--port={query['port'][0]}", f"--username={parts.username}"]
    try:
        environment = session(programs.major)
        await programs.run("pg_amcheck", *arguments, seconds=AMCHECK_SECONDS, environment=environment)
    except ToolFailed as error:
        found = damage(error.said) if error.status == CORRUPT else ""
        if found:
            raise Damaged(f"pg_amcheck finds damage in what was restored: {found}") from error
        why = faults(error.said) or error
        raise ToolFailed(f"what was restored could not be looked through, which says nothing of it: {why}") from error
    return ""
