"""The two runs of all tests, and how they are told as one."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest

from tests import side_by_side
from tests.side_by_side import BESIDE, QUIET, ROOT, closing, counts, named

REPORT = """<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests">
<testsuite name="pytest" errors="1" failures="2" skipped="3" tests="16"/></testsuites>"""


@pytest.mark.parametrize("pattern", [*chain(*BESIDE), *QUIET])
def test_what_runs_beside_is_there(pattern: str) -> None:
    found = [ROOT / path for path in named([pattern])]
    assert any(path.is_file() or list(path.rglob("test_*.py")) for path in found)


def test_a_report_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "report.xml"
    assert not counts(file)
    file.write_text(REPORT)
    assert counts(file) == {"failed": 2, "errors": 1, "skipped": 3, "passed": 10}


def test_the_last_line_is_as_the_runner_has_it() -> None:
    assert closing({"passed": 4960, "failed": 0}, 1201.5).strip("= ") == "4960 passed in 1201.50s (0:20:01)"
    assert (
        closing({"passed": 1, "failed": 2, "skipped": 3}, 1.0).strip("= ")
        == "2 failed, 1 passed, 3 skipped in 1.00s (0:00:01)"
    )
    # what .ci/run looks for
    assert re.match(r"^=+ .*(passed|failed|error).* in [0-9.]+s.* =+$", closing({"failed": 1}, 1.0))


def test_whoever_is_done_takes_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The second run waits until the first has ended and has taken the group that is left."""
    done = tmp_path / "done"
    waits = f"""
import pathlib, time
def test_that_waits():
    deadline = time.monotonic() + 60
    while not pathlib.Path({str(done)!r}).exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
"""
    tests = tmp_path / "tests"
    for folder, text in {
        "first": "def test_one():\n    pass\n",
        "beside": waits,
        "left": f"import pathlib\ndef test_left():\n    pathlib.Path({str(done)!r}).touch()\n",
        "quiet": "def test_four():\n    pass\n",
    }.items():
        (tests / folder).mkdir(parents=True)
        (tests / folder / f"test_{folder}.py").write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
    monkeypatch.setattr(side_by_side, "ROOT", tmp_path)
    monkeypatch.setattr(side_by_side, "BESIDE", (("tests/beside",), ("tests/left",)))
    monkeypatch.setattr(side_by_side, "QUIET", ("tests/quiet",))
    assert side_by_side.main() == 0
    told = capfd.readouterr().out
    assert " 4 passed in " in told.splitlines()[-1]
    assert told.index("test_left.py") < told.index("both ended after") < told.index("test_beside.py")


def test_each_test_is_in_one_run_and_a_failure_in_any_fails_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    tests = tmp_path / "tests"
    for folder in ("beside", "quiet"):
        (tests / folder).mkdir(parents=True)
    (tests / "test_one.py").write_text("def test_one():\n    pass\n")
    (tests / "beside" / "test_two.py").write_text("def test_two():\n    pass\n\ndef test_three():\n    pass\n")
    (tests / "quiet" / "test_four.py").write_text("def test_four():\n    pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
    monkeypatch.setattr(side_by_side, "ROOT", tmp_path)
    monkeypatch.setattr(side_by_side, "BESIDE", (("tests/beside",),))
    monkeypatch.setattr(side_by_side, "QUIET", ("tests/quiet",))
    assert side_by_side.main() == 0
    told = capfd.readouterr().out
    assert told.count("collected 1 item\n") == 2
    assert "collected 2 items" in told
    assert " 4 passed in " in told.splitlines()[-1]
    for failing in ("test_one.py", "beside/test_two.py", "quiet/test_four.py"):
        kept = (tests / failing).read_text()
        (tests / failing).write_text(kept + "\ndef test_wrong():\n    assert False\n")
        assert side_by_side.main() == 1
        assert " 1 failed, 4 passed in " in capfd.readouterr().out.splitlines()[-1]
        (tests / failing).write_text(kept)
