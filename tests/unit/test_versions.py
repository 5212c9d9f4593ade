"""How the versions of PostgreSQL are fetched and told of; the tests over them are run by ``make versions``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.versions import programs
from tests.versions.__main__ import BEGIN, END, PAGE, VERSIONS, Tried, main, rows, written
from tests.versions.programs import NotFetched, fetched, folder, found


def test_every_promised_version_has_its_programs() -> None:
    assert VERSIONS == ("15", "16", "17", "18")
    assert (fetched("18") / "pg_basebackup").exists()


def test_the_table_has_the_newest_run_of_each_version() -> None:
    suites = ("migrations, recorder, jobs, erasure, reports", "backups, restore check, restore")

    def tried(version: str, how: str) -> Tried:
        return Tried(version, dict.fromkeys(suites, how), well=True)

    page = f"# Page\n{BEGIN}{END}after\n"
    page = written(page, rows([tried("17.9", "50 passed (9 s)"), tried("15.18", "1 failed (3 s)")], "2026-11-29"))
    page = written(page, rows([tried("17.10", "51 passed (8 s)")], "2026-11-30"))
    assert page.splitlines() == [
        "# Page",
        BEGIN.strip(),
        f"| PostgreSQL | {' | '.join(suites)} | day |",
        "|---|---|---|---|",
        "| 15.18 | 1 failed (3 s) | 1 failed (3 s) | 2026-11-29 |",
        "| 17.10 | 51 passed (8 s) | 51 passed (8 s) | 2026-11-30 |",
        END.strip(),
        "after",
    ]
    assert written(PAGE.read_text("utf-8"), {}).count(BEGIN) == 1
    with pytest.raises(SystemExit, match="no place for the table"):
        written("# Another page\n", {})


def test_a_file_that_is_not_the_pinned_one_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = tmp_path / "programs"
    fake.mkdir()
    (fake / "apt-get").write_text(
        '#!/bin/sh\nfor p in postgresql-15 postgresql-client-15; do echo x > "${p}_1.deb"; done\n'
    )
    (fake / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(fake), prepend=":")
    monkeypatch.setenv("POSTGRES_VERSIONS", str(tmp_path / "cache"))
    with pytest.raises(NotFetched, match=r"postgresql-15_1\.deb is not the file that was pinned in programs\.py"):
        fetched("15")
    assert list(folder().iterdir()) == []
    assert found() == {}
    monkeypatch.setattr(sys, "argv", ["versions", "15"])
    assert main() == 2
    assert "is not the file that was pinned" in capsys.readouterr().err


def test_a_program_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("POSTGRES_VERSIONS", str(tmp_path / "cache"))
    with pytest.raises(NotFetched, match="apt-get could not be run"):
        programs.fetched("15")


def test_programs_of_another_version_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(to: Path) -> None:
        (to / "bin").mkdir()
        program = to / "bin" / "postgres"
        program.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.1'\n")

    monkeypatch.setenv("POSTGRES_VERSIONS", str(tmp_path))
    monkeypatch.setattr(programs, "SETS", {"15": (other, "bin")})
    with pytest.raises(NotFetched, match=r"for PostgreSQL 15 calls itself postgres \(PostgreSQL\) 14\.1"):
        fetched("15")
    assert found() == {}
