"""Why a server ended while it recovered, by words that servers of 15 to 18 really say."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.backup.errors import BackupError, Damaged, RecoveryEndedEarly, ToolFailed
from ops.backup.throwaway import why_it_ended

BEFORE = "2026-11-30 08:17:29.101 UTC [71] LOG:  starting archive recovery\n"
AFTER = "2026-11-30 08:17:30.001 UTC [70] LOG:  startup process (PID 71) exited with exit code 1\n"
TO_US = "2026-11-30 08:17:30.002 UTC [90] FATAL:  the database system is shutting down\n"


@pytest.mark.parametrize(
    ("level", "words", "kind"),
    [
        ("PANIC", "WAL contains references to invalid pages", Damaged),
        ("PANIC", "could not locate a valid checkpoint record", Damaged),
        ("FATAL", "could not locate a valid checkpoint record at 0/2000080", Damaged),
        ("FATAL", "could not locate required checkpoint record", Damaged),
        ("FATAL", "could not locate required checkpoint record at 0/2000080", Damaged),
        ("FATAL", "could not find redo location 0/2000028 referenced by checkpoint record at 0/2000080", Damaged),
        ("FATAL", 'invalid page in block 3 of relation "base/5/1259"', Damaged),
        ("FATAL", "incorrect checksum in control file", Damaged),
        ("FATAL", "recovery ended before configured recovery target was reached", RecoveryEndedEarly),
        ("FATAL", 'could not write to file "pg_wal/xlogtemp.71": No space left on device', ToolFailed),
        ("FATAL", "could not map anonymous shared memory: Cannot allocate memory", ToolFailed),
        ("LOG", "invalid checkpoint record", ToolFailed),  # it went on with another
    ],
)
def test_it_is_told_by_its_last_words(tmp_path: Path, level: str, words: str, kind: type[BackupError]) -> None:
    log = tmp_path / "log"
    log.write_text(f"{BEFORE}2026-11-30 08:17:29.900 UTC [71] {level}:  {words}\n{AFTER}{TO_US}")
    found = why_it_ended(log)
    assert type(found) is kind
    if level != "LOG" and kind is not RecoveryEndedEarly:
        assert words in str(found)
