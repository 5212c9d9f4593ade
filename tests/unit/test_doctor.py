"""The doctor: what he finds, and the mend he names."""

from __future__ import annotations

import dataclasses
import json
import resource
import socket
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

import pytest

from engine.config import PoolSettings, Settings, load_settings
from engine.speech.providers import remote
from ops import doctor
from ops.doctor import Finding


def settings_with(state: Path, **variables: str) -> Settings:
    return load_settings({"TRUNKLINE_STATE_DIR": str(state), **{f"TRUNKLINE_{k}": v for k, v in variables.items()}})


def only(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_an_old_python_is_broken() -> None:
    assert only(doctor.check_python((3, 10))).state == "broken"
    assert only(doctor.check_python((3, 11))).state == "ok"


def test_packages_are_compared_with_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    ray = metadata.version("ray")
    lock.write_text(f"# made\nray=={ray} \\\n    --hash=sha256:00\nwindows-thing==1 ; sys_platform == 'win32' \\\n")
    assert only(doctor.check_packages(lock)) == Finding("packages", "ok", "1 as locked")
    lock.write_text("ray==0.1 \\\n    --hash=sha256:00\nno-such-package-of-ours==1 \\\n    --hash=sha256:00\n")
    missing, other = doctor.check_packages(lock)
    assert (missing.state, missing.detail) == ("broken", "not installed: no-such-package-of-ours")
    assert (other.state, other.detail) == ("warning", f"other versions than locked: ray {ray} instead of 0.1")
    assert "make setup" in missing.mend
    assert only(doctor.check_packages(tmp_path / "none.lock")).state == "warning"


def test_a_taken_port_is_broken_and_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = settings_with(tmp_path, AUDIOSOCKET_PORT="0", TELEPHONY_PORT=str(port), ADMIN_PORT="0")
        found = only(doctor.check_ports(settings))
    assert found.state == "broken"
    assert f"127.0.0.1:{port}" in found.detail
    assert "TRUNKLINE_TELEPHONY_PORT" in found.mend


def test_an_address_that_is_not_ours_is_broken(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, HOST="192.0.2.1")
    assert [finding.state for finding in doctor.check_ports(settings)] == ["broken"] * 3


def test_more_calls_than_memory_is_a_warning_with_a_number_that_fits() -> None:
    settings = dataclasses.replace(Settings(), pool=PoolSettings(capacity=10_000_000))
    cores, memory = doctor.check_machine(settings)
    assert cores.check == "cores"
    assert memory.state == "warning"
    fits = int(memory.mend.rpartition("=")[2])
    assert 1 <= fits < 10_000_000


def test_more_connections_than_descriptors_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    found = only(doctor.check_descriptors(Settings()))
    assert found.state == "broken"
    assert "ulimit -Hn 872" in found.mend
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, resource.RLIM_INFINITY))
    assert only(doctor.check_descriptors(Settings())).state == "ok"


def test_a_missing_shared_memory_is_a_warning(tmp_path: Path) -> None:
    assert only(doctor.check_shared_memory(Settings(), tmp_path / "none")).state == "warning"


def test_a_state_folder_that_cannot_be_made_is_broken(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = only(doctor.check_disk(settings_with(tmp_path / "file" / "var")))
    assert found.state == "broken"
    assert "TRUNKLINE_STATE_DIR" in found.mend
    assert next(doctor.check_disk(settings_with(tmp_path / "var"))).check == "state folder"


def test_a_playbook_that_is_not_there_is_broken(tmp_path: Path) -> None:
    assert only(doctor.check_playbook(settings_with(tmp_path, PLAYBOOK="no_such_shop"))).state == "broken"
    assert only(doctor.check_playbook(settings_with(tmp_path))).state == "ok"


def test_a_playbook_without_its_api_is_broken(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, PLAYBOOK="clinic", STORE_URL="https://shop.example")
    found = only(doctor.check_playbook(settings))
    assert found.state == "broken"
    assert "playbook clinic: base_url is embedded" in found.detail


def test_a_ray_that_does_not_come_is_broken(tmp_path: Path) -> None:
    found = only(doctor.check_ray(settings_with(tmp_path), seconds=0.01))
    assert found.state == "broken"
    assert found.mend


def _findings(*findings: Finding) -> dict[str, doctor.Check]:
    return {finding.check: lambda _, finding=finding: iter([finding]) for finding in findings}  # type: ignore[misc]


def test_the_exit_code_says_whether_something_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", _findings(Finding("one", "warning", "so so", "mind it")))
    assert doctor.run(environ={}) == 0
    assert "→ mind it" in capsys.readouterr().out
    monkeypatch.setattr(doctor, "CHECKS", _findings(Finding("two", "broken", "gone", "buy another")))
    assert doctor.run(environ={}) == 1
    assert "BROKEN   two" in capsys.readouterr().out


def test_json_holds_every_finding(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "CHECKS", _findings(Finding("two", "broken", "gone", "buy another")))
    assert doctor.run(as_json=True, environ={}) == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown[-1] == {"check": "two", "state": "broken", "detail": "gone", "mend": "buy another"}


@pytest.mark.parametrize("environ", [{"TRUNKLINE_CAPACITY": "x"}, {"TRUNKLINE_NOTHING": "x"}])
def test_wrong_settings_are_a_finding(monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> None:
    monkeypatch.setattr(doctor, "CHECKS", {})
    last = list(doctor.examine(environ))[-1]
    assert (last.check, last.state) == ("settings", "broken")
    assert next(iter(environ)) in last.detail


def test_a_check_that_fails_itself_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Settings) -> Iterator[Finding]:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(doctor, "CHECKS", {"odd": fail})
    assert list(doctor.examine({}))[-1] == Finding("odd", "broken", "RuntimeError: no such thing", "see the message")


def test_providers_that_work_and_one_that_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "REACH_SECONDS", 0.2)
    with socket.socket() as bound:  # bound and not listening
        bound.bind(("127.0.0.1", 0))
        address = f"grpc://127.0.0.1:{bound.getsockname()[1]}"
        settings = settings_with(tmp_path, STT="scripted", TTS=address, LLM="scripted")
        recogniser, voice, model = doctor.check_providers(settings)
    assert (recogniser.state, model.state) == ("ok", "ok")
    assert voice.state == "broken"
    assert voice.detail == f"{address}: no voice answers at {address.removeprefix('grpc://')}"
    assert "TRUNKLINE_TTS" in voice.mend


def test_a_language_nobody_speaks_is_broken(tmp_path: Path) -> None:
    recogniser, voice, _ = doctor.check_providers(settings_with(tmp_path, LANGUAGE="uk", LLM="scripted"))
    assert (recogniser.state, voice.state) == ("broken", "broken")
    assert "TRUNKLINE_LANGUAGE" in recogniser.detail


def test_a_hosted_model_is_looked_at_by_itself_though_another_would_answer(tmp_path: Path) -> None:
    with socket.socket() as bound:  # bound and not listening
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/v1"
        settings = settings_with(
            tmp_path,
            STT="scripted",
            TTS="scripted",
            LLM="openai,scripted",
            OPENAI_CHAT_MODEL="m",
            OPENAI_CHAT_URL=url,
            OPENAI_CHAT_KEY="secret-key",
        )
        _, _, hosted, scripted = doctor.check_providers(settings)
    assert (hosted.state, scripted.state) == ("broken", "ok")
    assert hosted.detail.startswith("openai: openai at 127.0.0.1:")
    assert "secret-key" not in hosted.detail
    assert "TRUNKLINE_LLM" in hosted.mend


def test_a_hosted_model_without_a_name_or_a_key_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CHECKS", {})
    found = list(doctor.examine({"TRUNKLINE_LLM": "openai"}))[-1]
    assert found.state == "broken"
    assert "TRUNKLINE_OPENAI_CHAT_MODEL: got nothing" in found.detail
    assert "TRUNKLINE_OPENAI_KEY: got nothing" in found.detail
