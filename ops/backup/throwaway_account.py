"""Who throw-away servers run as: PostgreSQL refuses to run as root."""

from __future__ import annotations

import contextlib
import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config import Settings
from engine.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Account:
    """Who a server runs as; empty: as we do."""

    uid: int | None = None
    gid: int | None = None

    @property
    def of_process(self) -> dict[str, Any]:
        """For the start of a process."""
        return {} if self.uid is None else {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, folder: Path) -> None:
        """Give it the folder and all that is in it."""
        if self.uid is None or self.gid is None:
            return
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def account(settings: Settings) -> Account:
    """PostgreSQL refuses to run as root: then as the user of the settings. Raises ConfigurationError."""
    if os.geteuid() != 0:
        return Account()
    named = settings.postgres_programs.user
    for name in (named,) if named else ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise ConfigurationError(f"TRUNKLINE_POSTGRES_USER: there is no user {named or 'postgres'!r} on this machine")
