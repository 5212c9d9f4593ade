"""What is said of pgBackRest, by the doctor and by the commands that cannot do its work."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import Settings, load_settings
from engine.errors import ConfigurationError
from ops import doctor_pgbackrest
from ops.backup.command import list_backups, run_fetch, run_restore
from ops.backup.errors import BackupError
from ops.backup.pgbackrest import PgBackRest
from ops.doctor import Finding
from ops.doctor_pgbackrest import check_pgbackrest


def found(monkeypatch: pytest.MonkeyPatch, here: str | None, **variables: str) -> list[Finding]:
    monkeypatch.setattr("shutil.which", lambda _: here)
    monkeypatch.setattr(doctor_pgbackrest, "CONFIGURATIONS", ())
    return list(check_pgbackrest(load_settings({f"TRUNKLINE_BACKUP_{name}": each for name, each in variables.items()})))


def test_the_doctor_tells_of_one_that_is_here_and_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = found(monkeypatch, "/usr/bin/pgbackrest")
    assert one.state == "warning"
    assert "not used, and no backups are set up" in one.detail
    assert "TRUNKLINE_BACKUP_TOOL=pgbackrest" in one.mend
    (one,) = found(monkeypatch, "/usr/bin/pgbackrest", TO="/kept")
    assert (one.state, "not used" in one.detail) == ("ok", True)
    assert found(monkeypatch, None) == []


def test_its_configuration_alone_is_told_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pgbackrest.conf").touch()
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr(doctor_pgbackrest, "CONFIGURATIONS", (tmp_path / "pgbackrest.conf",))
    (one,) = check_pgbackrest(Settings())
    assert str(tmp_path / "pgbackrest.conf") in one.detail


def test_one_that_is_wanted_must_be_here(monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = found(monkeypatch, None, TOOL="pgbackrest")
    assert one.state == "broken"
    (one,) = found(monkeypatch, "/usr/bin/pgbackrest", TOOL="pgbackrest", STANZA="main")
    assert (one.state, one.detail) == ("ok", "/usr/bin/pgbackrest takes the backups, stanza main")


def test_a_restore_of_its_backups_is_named_as_its_own(tmp_path: Path) -> None:
    settings = load_settings({"TRUNKLINE_BACKUP_TOOL": "pgbackrest", "TRUNKLINE_BACKUP_STANZA": "main"})
    named = r"pgbackrest --stanza=main restore.*trunkline ops run erasure --reapply yes"
    with pytest.raises(ConfigurationError, match=named):
        run_restore(settings, tmp_path / "data")
    with pytest.raises(ConfigurationError, match="pgbackrest --stanza=main info"):
        list_backups(settings)
    with pytest.raises(ConfigurationError, match="pgbackrest --stanza=main info"):
        run_fetch(settings, "globals", tmp_path / "file")


def test_own_backups_of_an_earlier_time_are_restored_by_name_alone(tmp_path: Path) -> None:
    given = {"TRUNKLINE_BACKUP_TOOL": "pgbackrest", "TRUNKLINE_BACKUP_TO": str(tmp_path / "kept")}
    settings = load_settings(given)
    list_backups(settings)
    with pytest.raises(ConfigurationError, match="--backup ID restores one of Trunkline's own"):
        run_restore(settings, tmp_path / "data")
    with pytest.raises(BackupError, match="there is no backup 2026"):
        run_restore(settings, tmp_path / "data", backup="2026")


async def test_a_stanza_without_a_backup_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async def said(_: PgBackRest, *_arguments: str) -> str:
        return '[{"name": "main", "status": {"code": 2, "message": "no valid backups"}, "backup": []}]'

    monkeypatch.setattr(PgBackRest, "_run", said)
    with pytest.raises(BackupError, match="pgbackrest has no backup of stanza main yet"):
        await PgBackRest(Path("/usr/bin/pgbackrest"), "main", "2.50").newest()
