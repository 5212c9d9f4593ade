"""pgBackRest, where a site has it: detected, driven, asked. It has its own configuration, storage and key."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.config import Settings
from engine.errors import ConfigurationError
from ops.backup.errors import BackupError, Damaged, ToolFailed
from ops.backup.programs import ended, failure
from ops.backup.throwaway_account import account
from ops.backup.waits import within

SECONDS: Final = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class Info:
    """A backup of its."""

    label: str
    kind: str
    """``full``, ``diff`` or ``incr``."""
    bytes: int
    plain_bytes: int
    stopped_at: float
    """Seconds since 1970-01-01 UTC."""


@dataclass(frozen=True, slots=True)
class PgBackRest:
    """One stanza."""

    program: Path
    stanza: str
    version: str
    options: Sequence[str] = ()
    as_user: Mapping[str, Any] | None = None

    @classmethod
    def found(cls, settings: Settings) -> PgBackRest:
        """The one on PATH. Raises ConfigurationError."""
        path = shutil.which("pgbackrest")
        if path is None:
            raise ConfigurationError(
                "TRUNKLINE_BACKUP_TOOL is `pgbackrest` and there is none on PATH: install it, or unset the setting"
            )
        who = account(settings).of_process  # it is the server's user who may read its files
        said = subprocess.run([path, "version"], capture_output=True, text=True, timeout=10, check=False).stdout
        return cls(Path(path), settings.backup.stanza, said.strip().rpartition(" ")[2], (), who)

    async def backup(self, *, full: bool) -> Info:
        """Take one (incremental where it can) and tell of it. Raises ToolFailed."""
        await self._run("backup", f"--type={'full' if full else 'incr'}")
        return await self.newest()

    async def info(self) -> list[Info]:
        """Its backups, the oldest first. Raises ToolFailed."""
        said = json.loads(await self._run("info", "--output=json"))
        stanza = next((each for each in said if each.get("name") == self.stanza), None)
        if stanza is None or stanza["status"]["code"] not in (0, 2):
            message = stanza["status"]["message"] if stanza else "it knows no such stanza"
            raise ToolFailed(f"pgbackrest has no stanza {self.stanza} in order: {message}")
        return [
            Info(
                each["label"],
                each["type"],
                int(each["info"]["repository"]["delta"]),
                int(each["info"]["size"]),
                float(each["timestamp"]["stop"]),
            )
            for each in stanza["backup"]
        ]

    async def newest(self) -> Info:
        """Raises ToolFailed, BackupError where there is none."""
        found = await self.info()
        if not found:
            raise BackupError(
                f"pgbackrest has no backup of stanza {self.stanza} yet: `trunkline ops run backup` has it take one"
            )
        return found[-1]

    async def verify(self) -> None:
        """Every file of its repository. Raises Damaged, ToolFailed."""
        said = await self._run("verify", "--output=text", "--verbose")
        if "status: error" in said:
            raise Damaged("pgbackrest finds its repository damaged: `pgbackrest verify --output=text` says where")

    async def restore(self, data: Path) -> None:
        """Into ``data``. Raises ToolFailed."""
        await self._run("restore", f"--pg1-path={data}")

    async def _run(self, command: str, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            self.program,
            f"--stanza={self.stanza}",
            *self.options,
            command,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd="/",
            **(self.as_user or {}),
        )
        try:
            output, errors = await within(SECONDS, process.communicate())
        except TimeoutError as error:
            raise ToolFailed(f"pgbackrest {command} took longer than {SECONDS / 3600:.0f} h and was ended") from error
        finally:
            await ended(process)
        if process.returncode:
            raise ToolFailed(failure(f"pgbackrest {command}", process.returncode, output + errors))
        return output.decode(errors="replace")
