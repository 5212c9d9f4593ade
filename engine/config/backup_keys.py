"""Setting of the keys that backups were encrypted with before the present one."""

# ruff: noqa: RUF009 - ``setting`` makes a dataclass field, it is no shared default
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.config.setting import setting


@dataclass(frozen=True, slots=True)
class BackupKeySettings:
    """Keys of the backups that were replaced by TRUNKLINE_BACKUP_KEY_FILE; they only read."""

    old: Path | None = setting(
        None,
        "File with the earlier keys, one a line, or folder of such files. With them older backups can still be read; "
        "`trunkline doctor` says which are needed. A line `none` stands for backups of a time without a key.",
        expected="a path",
        variable="BACKUP_OLD_KEYS",
    )
