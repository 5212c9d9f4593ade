"""Events that were set aside go when their time is over, and none that was written meanwhile."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from ops.jobs import dead_letters
from ops.jobs.dead_letters import remove_old

LIMIT = 1000.0


def _line(name: str, *, at: object = None, began: object = None) -> str:
    return json.dumps({"why": "x", "record": {"call": name, "began": began, "event": {"at": at}}}, ensure_ascii=False)


def _calls(file: Path) -> list[str]:
    return [json.loads(line)["record"]["call"] for line in file.read_text().splitlines()]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(dead_letters, "_SETTLE", 0.0)
    return tmp_path / "dead-letters.jsonl"


def test_old_ones_go_and_held_ones_stay(file: Path) -> None:
    lines = [
        _line("old", at=999.0),
        _line("no time, and the next is old"),
        _line("began long ago", began=5),
        _line("held", at=1),
        _line("no time, and the next is new", at="soon"),
        _line("new", at=1000.0),
    ]
    file.write_text("\n".join(lines) + "\n")
    assert remove_old(file, LIMIT, {"held"}, dry_run=True) == 3
    assert len(_calls(file)) == 6
    assert remove_old(file, LIMIT, {"held"}) == 3
    assert _calls(file) == ["held", "no time, and the next is new", "new"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert remove_old(file, LIMIT, {"held"}) == 0
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_a_line_that_comes_meanwhile_is_kept(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(_line("old", at=1) + "\n" + _line("new", at=2000) + "\n")

    def settle(_: float) -> None:
        with file.open("a") as again:  # as a recorder does: by its name, for each line
            again.write(_line("meanwhile", at=3000) + "\n")

    monkeypatch.setattr("ops.jobs.dead_letters.time.sleep", settle)
    assert remove_old(file, LIMIT, ()) == 1
    assert sorted(_calls(file)) == ["meanwhile", "new"]


def test_a_run_cut_short_loses_none(file: Path) -> None:
    aside = file.with_name(f".{file.name}.sorted")
    aside.write_text(_line("old", at=1) + "\n" + _line("new", at=2000))  # its last line torn off before its end
    file.write_text(_line("newer", at=3000) + "\n")
    assert remove_old(file, LIMIT, ()) == 1
    assert sorted(_calls(file)) == ["new", "newer"]
    assert not aside.exists()


def test_none_is_none(file: Path) -> None:
    assert remove_old(file, LIMIT, ()) == 0
    assert not file.exists()
