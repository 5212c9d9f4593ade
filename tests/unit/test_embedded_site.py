"""The data of the embedded server are put aside and others in their place; a cut between the two is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import load_settings
from ops.backup.embedded_site import _put_in_place
from ops.child import ServerFailed
from ops.embedded_postgres import RESTORED, EmbeddedPostgres, Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path, tmp_path, None)


def folder(place: Path, content: str) -> Path:
    place.mkdir()
    (place / "PG_VERSION").write_text(content)
    return place


def version(place: Path) -> str:
    return (place / "PG_VERSION").read_text()


def started(home: Home) -> None:
    """As far as its data, with programs that can only say their version."""
    programs = home.folder / "bin"
    programs.mkdir(exist_ok=True)
    (programs / "postgres").write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 18.6'\n")
    (programs / "postgres").chmod(0o755)
    (programs / "initdb").write_text("#!/bin/sh\necho an empty database is made >&2\nexit 1\n")
    (programs / "initdb").chmod(0o755)
    server = EmbeddedPostgres(load_settings({"TRUNKLINE_STATE_DIR": str(home.folder)}))
    server._home = home
    server._make_data(programs)


def test_what_was_there_is_put_aside(home: Home) -> None:
    folder(home.data, "old")
    kept = _put_in_place(home, folder(home.data_home / RESTORED, "new"))
    assert kept is not None
    assert (version(home.data), version(kept)) == ("new", "old")
    assert kept == home.before


def test_a_second_step_that_fails_puts_the_old_data_back(home: Home) -> None:
    folder(home.data, "old")
    with pytest.raises(FileNotFoundError):
        _put_in_place(home, home.data_home / RESTORED)
    assert version(home.data) == "old"
    assert home.before is None


def test_a_cut_between_the_steps_names_the_data_of_before(home: Home) -> None:
    before = folder(home.data_home / "data.before-2026-11-30T09-00-00Z", "old")
    folder(home.data_home / "data.before-2026-11-29T09-00-00Z", "older")
    restored = folder(home.data_home / RESTORED, "new")
    back, away = f"move {before} to {home.data}", f"move {restored} and {before} away"
    with pytest.raises(ServerFailed, match=f"cut short: .* again; or, .*, {back}; or, .* empty database, {away}"):
        started(home)
    assert _put_in_place(home, restored) == before, "the restore that is run again says where they are"


def test_a_restore_that_is_run_again_and_fails_leads_to_no_empty_database(home: Home) -> None:
    before = folder(home.data_home / "data.before-2026-11-30T09-00-00Z", "old")
    with pytest.raises(ServerFailed, match=f"move {before} to {home.data}; .* empty database, move {before} away"):
        started(home)
    before.rename(home.data_home / "elsewhere")
    with pytest.raises(ServerFailed, match="an empty database is made"):
        started(home)


def test_the_first_restore_of_all_that_is_cut_short_has_nothing_to_go_back_to(home: Home) -> None:
    restored = folder(home.data_home / RESTORED, "new")
    with pytest.raises(ServerFailed, match=f"again; or, to begin with an empty database, move {restored} away"):
        started(home)
