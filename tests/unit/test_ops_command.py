"""The jobs' command line and catalogue."""

from __future__ import annotations

import json
import sys
from types import ModuleType

import pytest

from engine.errors import ConfigurationError
from ops.jobs import catalogue as catalogues
from ops.jobs.catalogue import MODULES, catalogue, find_job
from ops.jobs.command import Asked, main, parse
from ops.jobs.job import Job, JobContext, Report, Verdict


def test_a_command_line() -> None:
    words = ["statistics", "--day", "2026-11-22", "--dry-run", "--other=a=b", "--trigger", "job", "--nice", "10"]
    assert parse(words) == Asked(
        "statistics", {"day": "2026-11-22", "other": "a=b"}, dry_run=True, trigger="job", nice=10
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "name of a job is missing"),
        (["--dry-run"], "name of a job is missing"),
        (["erasure", "+380501112233"], "a word there is no option"),
        (["erasure", "--caller"], "--caller needs a value"),
        (["erasure", "--day", "1", "--day", "2"], "--day was given twice"),
        (["erasure", "--nice", "very"], "expected a whole number"),
    ],
)
def test_a_wrong_one(words: list[str], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as error:
        parse(words)
    assert "380501112233" not in str(error.value)


def test_help_names_the_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert ", ".join(MODULES) in capsys.readouterr().out


def test_a_job_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["partition"]) == 2
    assert "did you mean partitions?" in capsys.readouterr().err


def test_one_broken_module_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fine(_: JobContext) -> Report:
        return Report(Verdict.OK, "")

    named = ModuleType("ops.jobs.made_up")
    vars(named)["JOB"] = Job("other", "", fine)
    monkeypatch.setitem(sys.modules, "ops.jobs.made_up", named)
    empty = ModuleType("ops.jobs.made_up_too")
    monkeypatch.setitem(sys.modules, "ops.jobs.made_up_too", empty)
    modules = {
        "partitions": "ops.jobs.partitions",
        "one": "ops.jobs.no_such_module",
        "two": "ops.jobs.made_up",
        "three": "ops.jobs.made_up_too",
    }
    monkeypatch.setattr(catalogues, "MODULES", modules)
    found = catalogue()
    assert [job.name for job in found.jobs] == ["partitions"]
    assert found.faults == {
        "one": "the job one is not part of this installation",
        "two": "the job two cannot be loaded (ops.jobs.made_up holds another)",
        "three": "the job three cannot be loaded (AttributeError)",
    }


def test_every_job_that_is_there_is_what_the_catalogue_says() -> None:
    for job in catalogue().jobs:
        assert find_job(job.name) is job
        assert job.help.endswith(".")


def test_list_tells_of_every_job(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from typer.testing import CliRunner  # noqa: PLC0415

    from ops.cli import app  # noqa: PLC0415

    told = json.loads(CliRunner().invoke(app, ["ops", "list", "--json"]).stdout)
    assert {row["job"] for row in told["jobs"]} | set(told["faults"]) == set(MODULES)
    assert told["timezone"] == "UTC"
