"""What the operator types about backups, right and wrong."""

from __future__ import annotations

import datetime
import json
import time
from pathlib import Path
from typing import Any

import pytest

from engine.config import Settings, load_settings
from engine.errors import ConfigurationError
from ops.backup.command import list_backups, run_restore
from ops.backup.database import for_programs
from ops.backup.errors import WrongVersion
from ops.backup.programs import failure, find_programs
from ops.backup.restoring import Target, parse_time
from ops.jobs import backup, restore_check, wal
from ops.jobs.job import JobContext


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"TRUNKLINE_BACKUP_TO": str(tmp_path / "kept")})


def test_a_time_has_its_zone() -> None:
    assert parse_time("2026-11-22T02:15:00Z") == datetime.datetime(2026, 11, 22, 2, 15, tzinfo=datetime.UTC).timestamp()
    assert parse_time("2026-11-22T03:15:00+01:00") == parse_time("2026-11-22T02:15:00Z")
    for wrong in ("2026-11-22T02:15:00", "yesterday", ""):
        with pytest.raises(ConfigurationError, match="expected a time with its zone"):
            parse_time(wrong)


def test_the_target_is_what_the_server_is_told() -> None:
    assert Target().options == {}
    assert Target(time=0.25).options == {"recovery_target_time": "1970-01-01 00:00:00.250000+00"}
    assert Target(lsn=(0x16 << 32) + 0xB3).options["recovery_target_lsn"] == "16/B3"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"to_time": "2026-11-22T02:15:00Z", "to_lsn": "0/1"}, "give one of them"),
        ({"to_lsn": "x"}, "expected a position such as 16/B374D848"),
        ({"to_time": "noon"}, "expected a time with its zone"),
    ],
)
def test_a_wrong_target_is_said(settings: Settings, tmp_path: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        run_restore(settings, tmp_path / "data", **given)


def test_nothing_is_restored_over_what_is_there(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("18")
    with pytest.raises(ConfigurationError, match="is not empty"):
        run_restore(settings, tmp_path / "data")
    assert (tmp_path / "data" / "PG_VERSION").read_text() == "18"


def test_an_empty_storage_is_listed(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    list_backups(settings)
    assert "no backup in" in capsys.readouterr().out
    list_backups(settings, as_json=True)
    assert json.loads(capsys.readouterr().out)["backups"] == []


def test_without_a_place_the_setting_is_named() -> None:
    with pytest.raises(ConfigurationError, match="TRUNKLINE_BACKUP_TO"):
        list_backups(Settings())


@pytest.mark.parametrize("to", ["backups", "s3://", "s3://B", "gs://bucket", "s3://ab"])
def test_a_wrong_place_is_refused_at_start(to: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"TRUNKLINE_BACKUP_TO: got .* expected an absolute path, `s3://BUCKET`"
    ):
        load_settings({"TRUNKLINE_BACKUP_TO": to})


async def test_jobs_refuse_arguments_that_they_do_not_know(settings: Settings) -> None:
    def context(**arguments: str) -> JobContext:
        return JobContext(settings, "postgresql://x/y", time.time, arguments)

    with pytest.raises(ConfigurationError, match="no argument --fully: it knows --full"):
        await backup.JOB.run(context(fully="yes"))
    with pytest.raises(ConfigurationError, match="it knows --backup, --cluster"):
        await restore_check.JOB.run(context(full="yes"))
    with pytest.raises(ConfigurationError, match="--seconds: got 'soon'"):
        await wal.JOB.run(context(seconds="soon"))


def test_the_password_is_on_no_command_line() -> None:
    bare, environment = for_programs("postgresql://me:s%40cret@db.example:5433/records?sslmode=require")
    assert bare == "postgresql://me@db.example:5433/records?sslmode=require"
    assert environment == {"PGPASSWORD": "s@cret"}
    assert for_programs("postgresql:///records?host=/tmp/x") == ("postgresql:///records?host=/tmp/x", {})


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("postgresql://me@db/records?password=s%40cret&sslmode=require", "postgresql://me@db/records?sslmode=require"),
        ("postgresql://me:other@db/records?password=s%40cret", "postgresql://me@db/records"),
        ("postgresql:///records?host=/tmp/x&pass%77ord=s%40cret", "postgresql:///records?host=/tmp/x"),
    ],
)
def test_a_password_in_the_query_is_on_no_command_line_either(url: str, bare: str) -> None:
    assert for_programs(url) == (bare, {"PGPASSWORD": "s@cret"})


def test_a_secret_that_only_a_command_line_takes_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="sslpassword") as told:
        for_programs("postgresql://me@db/records?sslkey=/k&sslpassword=s3cret")
    assert "s3cret" not in str(told.value)


def test_programs_of_another_version_are_refused() -> None:
    with pytest.raises(WrongVersion, match=r"the server is PostgreSQL 99\.1 .* found .* install those of version 99"):
        find_programs(Settings().postgres_programs, "99.1")


def test_a_failure_tells_the_last_lines_alone() -> None:
    said = b"pg_x: one\n\npg_x: two\npg_x: error: three\npg_x: hint: four\n"
    assert failure("pg_x", 3, said) == "pg_x failed (exit code 3): two; error: three; hint: four"
    assert failure("pg_x", 3, b"") == "pg_x failed (exit code 3)"
