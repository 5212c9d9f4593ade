"""Generated files: up to date, complete, and free of what must not stand in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import Secret, load_settings
from engine.config.loading import all_declared
from ops import settings_text
from ops.generated import contents, lines_with_hosts, stale


def test_generated_files_are_up_to_date() -> None:
    assert list(stale(contents())) == []


def test_the_locks_name_no_registry() -> None:
    assert list(lines_with_hosts()) == []


def test_a_registry_in_a_lock_is_found(tmp_path: Path) -> None:
    clean = "uv==1.0 \\\n    --hash=sha256:00\n# made with --no-emit-index-url\n"
    (tmp_path / "requirements.lock").write_text(f"--index-url internal\n{clean}")
    (tmp_path / "requirements-setup.lock").write_text(f"{clean}thing @ https://host.invalid/thing.whl\n")
    assert [line.split(": ")[0] for line in lines_with_hosts(tmp_path)] == [
        "requirements.lock:1",
        "requirements-setup.lock:4",
    ]


def test_a_changed_and_a_missing_file_are_stale(tmp_path: Path) -> None:
    (tmp_path / "same").write_text("text")
    (tmp_path / "changed").write_text("other")
    made = {Path("same"): "text", Path("changed"): "text", Path("missing"): "text"}
    assert list(stale(made, tmp_path)) == [Path("changed"), Path("missing")]


def test_every_setting_stands_in_both_documents() -> None:
    page, file = settings_text.markdown(), settings_text.environment_file()
    for one in all_declared():
        assert page.count(f"| `{one.variable}` |") == 1
        assert f"#{one.variable}={settings_text.default_text(one.default)}\n" in file


def test_the_environment_file_taken_as_it_stands_is_the_default() -> None:
    lines = settings_text.environment_file().splitlines()
    environ = dict(line[1:].split("=", 1) for line in lines if line.startswith("#TRUNKLINE_"))
    assert len(environ) == len(list(all_declared()))
    assert load_settings(environ) == load_settings({})


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (None, ""), (10.0, "10"), (0.5, "0.5"), (("a", "b"), "a|b"), (Path("var"), "var"), (8080, "8080")],
)
def test_values_are_written_as_the_environment_takes_them(value: object, text: str) -> None:
    assert settings_text.default_text(value) == text


def test_what_is_in_force_marks_changes_and_hides_secrets() -> None:
    settings = load_settings({"TRUNKLINE_CAPACITY": "7", "TRUNKLINE_STORE_TOKEN": "hush"})
    rows = {variable: (value, changed) for variable, value, changed in settings_text.in_force(settings)}
    assert rows["TRUNKLINE_CAPACITY"] == ("7", True)
    assert rows["TRUNKLINE_HOST"] == ("127.0.0.1", False)
    assert rows["TRUNKLINE_STATE_DIR"][1] is False
    assert rows["TRUNKLINE_STORE_TOKEN"] == ("********", True)
    assert settings_text.default_text(Secret("")) == ""
