"""``trunkline bench backup``: a backup of a large database, its verification and restore, beside pg_basebackup alone.

The server is a throw-away one on this machine, with the durability of a real one; both copies go to the same disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import shutil
import sys
import time
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Final

import asyncpg

from engine.config import Settings
from engine.errors import ConfigurationError
from ops.backup.carrier import Carrier
from ops.backup.checking import Checked, check
from ops.backup.database import connected, facts, for_programs
from ops.backup.making import Made, make
from ops.backup.programs import Programs, find_programs
from ops.backup.site import Site
from ops.backup.throwaway import fresh
from ops.backup.throwaway_account import account
from ops.bench.report import Report

ROUNDS: Final = 5
RATIO_AT_MOST: Final = 1.3
RTO_SECONDS: Final = 900.0
RPO_SECONDS: Final = 300.0
VERSION: Final = "18"
_SERVER: Final = {"max_wal_size": "4GB", "shared_buffers": "256MB", "summarize_wal": "on", "autovacuum": "off"}
_WORDS: Final = (
    "the winter tyres for your car are in stock and could be fitted on monday or tuesday morning would that suit you "
    "no i would rather come on friday after five because i work until four what does it cost with balancing and the "
    "storage of the old ones eighty nine euros for all four please tell me the size from the side of the tyre first"
)
_BATCH_ROWS: Final = 20_000


def run(megabytes: int = 1000, *, json_file: Path | None = None) -> None:
    """Measure and print the report; exits with 1 where a number was missed. Raises TrunklineError."""
    report = asyncio.run(measure(megabytes))
    print(report.as_text())
    if json_file is not None:
        json_file.write_text(report.as_json() + "\n", encoding="utf-8")
    if not report.reached:
        sys.exit(1)


async def measure(megabytes: int, *, rounds: int = ROUNDS) -> Report:
    """The report for a database of that size."""
    if not 1 <= megabytes <= 1_000_000:
        raise ConfigurationError(f"--megabytes: got {megabytes}, expected 1 to 1000000")
    report = Report("backup", f"trunkline bench backup --megabytes {megabytes}")
    settings = Settings()
    site = Site.of(settings_for(settings, Path("/nonexistent"), None), time.time)
    async with site.workshop("bench") as work:
        key = work / "key"
        key.write_text(os.urandom(32).hex())
        key.chmod(0o600)
        site = Site.of(settings_for(settings, work / "kept", key), time.time)
        programs = find_programs(settings.postgres_programs, VERSION)
        async with fresh(programs, account(settings), work, _SERVER) as url:
            _progress(f"filling a database of {megabytes} MB")
            size = await _fill(url, megabytes)
            plain = []
            made: list[Made] = []
            for number in range(rounds + 1):  # the first is not counted: memory that nobody has used yet is slow
                _progress(f"round {number} of {rounds}" if number else "one round to warm up")
                plain.append(await _plain(url, programs, work / "plain"))
                made.append(await make(site, url, full=True))
            del plain[0], made[0]
            changed = await _change(url)
            incremental = await make(site, url)
            age = await _age(site, url, programs)
            _progress("restoring")
            full = await check(site, made[-1].backup)
            combined = await check(site, incremental.backup)
    _fill_report(report, size, plain, made, settings.backup.level)
    _restores(report, median(plain), full, combined, incremental=incremental, changed=changed)
    report.add("newest log not kept, worst while it is written without a pause", age, "s", at_most=RPO_SECONDS)
    return report


def settings_for(settings: Settings, folder: Path, key: Path | None) -> Settings:
    """The site's settings, its backups in ``folder``."""
    changed = dataclasses.replace(settings.backup, to=str(folder), key_file=key, wal_every_s=5.0)
    return dataclasses.replace(settings, backup=changed)


def _fill_report(report: Report, size: int, plain: list[float], made: list[Made], level: int) -> None:
    base = [each.seconds["base"] for each in made]
    backup = made[-1].backup
    report.declared = {
        "server": f"PostgreSQL {backup.server_version}, its files and both copies on one disk",
        "backup": f"zstd level {level}, AES-256-GCM, SHA-256, one stream, no copy between",
        "rounds": f"{len(made)} after one to warm up, medians",
    }
    ideal = median(plain)
    report.ideal = f"pg_basebackup alone, not compressed, not encrypted: {ideal:.1f} s"
    report.add("database", size / 1e6, "MB")
    report.add("pg_basebackup alone", ideal, "s")
    report.add("backup, compressed and encrypted", median(base), "s")
    report.add("… of pg_basebackup alone", median(base) / ideal, "×", at_most=RATIO_AT_MOST)
    report.add("… its size", backup.parts["base"].bytes / 1e6, "MB")
    report.add("mark: contents of every table", median(each.seconds["mark"] for each in made), "s")
    report.add(
        "verification: read back, every file by pg_verifybackup", median(each.seconds["verify"] for each in made), "s"
    )
    report.details = {"plain_s": plain, "base_s": base, "seconds": [each.seconds for each in made]}


def _restores(
    report: Report, ideal: float, full: Checked, combined: Checked, *, incremental: Made, changed: int
) -> None:
    report.add("restore until data can be read (RTO)", full.restored.seconds, "s", at_most=RTO_SECONDS)
    report.add("… fetched and every file verified", full.restored.fetch_s, "s")
    report.add("… log replayed", full.restored.recovery_s, "s")
    report.add("… of pg_basebackup alone", full.restored.seconds / ideal, "×")
    report.add("compared: rows and content of every table", full.compare_s, "s")
    report.add("pg_amcheck", full.amcheck_s, "s")
    report.add(f"incremental backup, {changed} rows changed", incremental.seconds["base"], "s")
    report.add("… its size", incremental.backup.parts["base"].bytes / 1e6, "MB")
    report.add("… restored over the full one (RTO)", combined.restored.seconds, "s", at_most=RTO_SECONDS)
    report.notes.append("a restore that differs from what was recorded ends the benchmark with its message")


async def _fill(url: str, megabytes: int) -> int:
    """Turns of calls until the database is that large; its bytes."""
    async with connected(url) as connection:
        await connection.execute((files("engine.records") / "sql" / "0001_calls.sql").read_text("utf-8"))
        await connection.execute("SELECT set_config('bench.words', $1, false)", _WORDS)
        await connection.execute(
            "CREATE TEMP TABLE sentences AS SELECT n, string_agg(word, ' ') AS text FROM generate_series(0, 9999) n,"
            " LATERAL (SELECT word FROM regexp_split_to_table(current_setting('bench.words'), ' ') word WHERE n >= 0"
            " ORDER BY random() LIMIT 12) words GROUP BY n"
        )
        while (size := int(await connection.fetchval("SELECT pg_database_size(current_database())"))) < megabytes * 1e6:
            await connection.execute(
                "INSERT INTO call_turns (event_id, call_id, call_started_at, at, turn, speaker, text, stages)"
                " SELECT gen_random_uuid(), gen_random_uuid(), now(), now(), 1, 'caller', a.text || ' ' || b.text,"
                " jsonb_build_object('endpointing', random(), 'first_token', random())"
                " FROM generate_series(1, $1::int) g(n)"
                " JOIN sentences a ON a.n = (g.n * 7919) % 10000 JOIN sentences b ON b.n = (g.n * 104729) % 10000",
                _BATCH_ROWS,
            )
        await connection.execute("CHECKPOINT")
    return size


async def _change(url: str) -> int:
    """About a hundredth of the rows, side by side as a day's are."""
    async with connected(url) as connection:
        pages = await connection.fetchval("SELECT pg_relation_size('call_turns_default') / 8192 / 100")
        status = await connection.execute(
            "DELETE FROM call_turns WHERE ctid < ('(' || $1::bigint || ',0)')::tid", pages
        )
    return int(str(status).rpartition(" ")[2])


async def _plain(url: str, programs: Programs, folder: Path) -> float:
    """Seconds of pg_basebackup as anybody would run it."""
    bare, environment = for_programs(url)
    async with connected(url) as connection:
        await connection.execute("CHECKPOINT")
    began = time.monotonic()
    arguments = [f"--pgdata={folder}", "--checkpoint=fast", "--no-password", f"--dbname={bare}"]
    await programs.run("pg_basebackup", *arguments, seconds=3600, environment=environment)
    seconds = time.monotonic() - began
    await asyncio.to_thread(shutil.rmtree, folder)
    return seconds


async def _age(site: Site, url: str, programs: Programs) -> float:
    """Worst age of the newest log that is not kept, over 20 s of rows that are written without a pause."""
    async with connected(url) as connection:
        carrier = Carrier(site, url, programs, await facts(connection))
        carrying = asyncio.create_task(carrier.carry(seconds=20.0))
        while not carrying.done():
            with contextlib.suppress(asyncpg.PostgresError):
                await connection.execute(
                    "INSERT INTO recorder_cursors SELECT gen_random_uuid(), n FROM generate_series(1, 500) n"
                )
            await asyncio.sleep(0.05)
        progress = await carrying
    return progress.worst_age_s


def _progress(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)
