"""The command line: what it offers, how fast it says so, and how it ends when something is wrong."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest
from typer.testing import CliRunner

from engine.errors import ConfigurationError
from ops import cli, settings_text

runner = CliRunner()


def test_help_names_every_command() -> None:
    shown = runner.invoke(cli.app, ["--help"])
    assert shown.exit_code == 0
    for command in ("up", "call", "transcribe", "say", "bench", "doctor", "settings", "version"):
        assert f"\n  {command} " in shown.stdout


def test_every_benchmark_takes_the_same_options() -> None:
    for name in ("overhead", "density", "barge-in", "turns", "accept", "takeover"):
        shown = runner.invoke(cli.app, ["bench", name, "--help"])
        assert shown.exit_code == 0, name
        for option in ("--calls", "--seconds", "--against", "--json"):
            assert option in shown.stdout, name


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, ops.cli; heavy = {'ray', 'pydantic', 'numpy', 'onnxruntime', 'grpc', 'aiohttp', 'fastapi'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_version_names_the_three_that_matter() -> None:
    shown = runner.invoke(cli.app, ["version"]).stdout
    assert metadata.version("trunkline") in shown
    assert metadata.version("ray") in shown
    assert sys.version.split()[0] in shown


def test_settings_marks_what_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_CAPACITY", "7")
    shown = runner.invoke(cli.app, ["settings"]).stdout.splitlines()
    assert "* TRUNKLINE_CAPACITY=7" in shown
    assert "  TRUNKLINE_HOST=127.0.0.1" in shown


def test_settings_prints_the_documents() -> None:
    assert runner.invoke(cli.app, ["settings", "--markdown"]).stdout == settings_text.markdown()
    assert runner.invoke(cli.app, ["settings", "--env"]).stdout == settings_text.environment_file()


def test_an_error_of_ours_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRUNKLINE_CAPACITY", "many")
    monkeypatch.setattr(sys, "argv", ["trunkline", "settings"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert told.startswith("trunkline: 1 setting is wrong:\n  TRUNKLINE_CAPACITY: got 'many'")
    assert "Traceback" not in told


def test_a_mistake_on_the_command_line_ends_with_2() -> None:
    assert runner.invoke(cli.app, ["say", "hello"]).exit_code == 2
    assert runner.invoke(cli.app, ["nonsense"]).exit_code == 2


def test_an_error_of_another_kind_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(settings_text, "markdown", fail)
    monkeypatch.setattr(sys, "argv", ["trunkline", "settings", "--markdown"])
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_the_errors_we_catch_include_wrong_settings() -> None:
    shown = runner.invoke(cli.app, ["settings"], env={"TRUNKLINE_NO_SUCH": "1"})
    assert isinstance(shown.exception, ConfigurationError)
