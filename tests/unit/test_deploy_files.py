"""Files for other triggers: they parse, say what the catalogue says, and systemd takes them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kubernetes_validate.utils
import pytest
import yaml

from engine.config.loading import all_declared
from engine.errors import ConfigurationError
from ops.deploy_files import FOLDER, PROGRAM, calendar, cron_job, deploy_files
from ops.jobs.catalogue import MODULES, catalogue
from ops.jobs.job import Job, JobContext, Report, Verdict
from ops.jobs.schedule import next_due

ROOT = Path(__file__).parents[2]
JOBS = catalogue().jobs
TIMED = [job for job in JOBS if job.schedule and job.time_limit]

systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")

# The fields of the API that these documents may use (batch/v1 CronJob of Kubernetes 1.27, ray.io/v1 RayCronJob of
# KubeRay 1.6); the API server refuses others in strict mode.
ALLOWED: dict[str, Any] = {
    "CronJob": {
        "schedule": str,
        "timeZone": str,
        "concurrencyPolicy": ("Allow", "Forbid", "Replace"),
        "successfulJobsHistoryLimit": int,
        "failedJobsHistoryLimit": int,
        "suspend": bool,
        "jobTemplate": {
            "spec": {"backoffLimit": int, "podFailurePolicy": dict, "activeDeadlineSeconds": int, "template": dict}
        },
    },
    "Deployment": {
        "replicas": int,
        "strategy": {"type": ("Recreate", "RollingUpdate")},
        "selector": {"matchLabels": dict},
        "template": {"metadata": dict, "spec": dict},
    },
    "RayCronJob": {
        "schedule": str,
        "suspend": bool,
        "jobTemplate": {
            "entrypoint": str,
            "clusterSelector": dict,
            "submissionMode": ("K8sJobMode", "HTTPMode"),
            "activeDeadlineSeconds": int,
        },
    },
}


def _faults(given: Any, allowed: Any, where: str) -> list[str]:
    if isinstance(allowed, dict):
        unknown = [f"{where}.{name}" for name in given if name not in allowed]
        return unknown + [
            fault
            for name, value in given.items()
            if name in allowed
            for fault in _faults(value, allowed[name], f"{where}.{name}")
        ]
    if isinstance(allowed, tuple):
        return [] if given in allowed else [where]
    return [] if isinstance(given, allowed) else [where]


def _documents() -> list[tuple[Path, dict[str, Any]]]:
    files = deploy_files(JOBS)
    return [(path, yaml.safe_load(text)) for path, text in files.items() if path.suffix == ".yaml"]


@pytest.mark.parametrize(("path", "document"), _documents(), ids=lambda part: getattr(part, "name", ""))
def test_a_document_for_kubernetes(path: Path, document: dict[str, Any]) -> None:
    kind = document["kind"]
    assert document["apiVersion"] == {"CronJob": "batch/v1", "RayCronJob": "ray.io/v1", "Deployment": "apps/v1"}[kind]
    assert set(document) == {"apiVersion", "kind", "metadata", "spec"}
    assert _faults(document["spec"], ALLOWED[kind], "spec") == []
    name = document["metadata"]["name"]
    assert path.name == f"{kind.lower()}-{name.removeprefix('trunkline-')}.yaml"
    assert len(name) <= 52, "Kubernetes adds eleven characters to it"
    job = next(job for job in JOBS if f"trunkline-{job.name}" == name)
    if kind == "Deployment":
        assert f"'ops.jobs', '{job.name}', '--trigger', 'job'" in str(document)
        assert document["spec"]["selector"]["matchLabels"] == document["spec"]["template"]["metadata"]["labels"]
        assert document["spec"]["strategy"] == {"type": "Recreate"}  # two carriers would be in each other's way
        return
    assert document["spec"]["schedule"] == job.schedule
    assert f"ops.jobs {job.name} --scheduled" in str(document)


@pytest.mark.parametrize("version", ["1.27", "1.31", "1.37"])
def test_kubernetes_itself_takes_them_pods_and_all(version: str) -> None:
    """By its published schemas, in which a field that it does not know is a fault."""
    documents = [document for _, document in _documents() if document["kind"] != "RayCronJob"]
    assert {document["kind"] for document in documents} == {"CronJob", "Deployment"}
    for document in documents:
        kubernetes_validate.validate(document, version, strict=True)
    pod = documents[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    pod["containers"][0]["volumeMount"] = []
    with pytest.raises(kubernetes_validate.utils.ValidationError, match="volumeMount"):
        kubernetes_validate.validate(documents[0], version, strict=True)


def test_what_a_restore_check_writes_goes_to_a_volume() -> None:
    for job in TIMED:
        pod = cron_job(job)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        (work,) = [one["value"] for one in container["env"] if one["name"] == "TRUNKLINE_BACKUP_WORK_DIR"]
        (mounted,) = [one["name"] for one in container["volumeMounts"] if one["mountPath"] == work]
        assert {"name": mounted, "emptyDir": {}} in pod["volumes"]


def test_what_was_missed_or_killed_is_made_again() -> None:
    for job in TIMED:
        spec = cron_job(job)["spec"]
        assert "startingDeadlineSeconds" not in spec, "a time missed by longer would never be caught up"
        assert spec["jobTemplate"]["spec"]["backoffLimit"] == 1
        ignored, ends = spec["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
        assert (ignored["action"], ends["action"], ends["onExitCodes"]["values"]) == ("Ignore", "FailJob", [1, 2])
        timer = deploy_files(JOBS)[FOLDER / "systemd" / f"trunkline-{job.name}.timer"]
        assert "OnBootSec=5min" in timer


def test_the_settings_in_the_documents_are_settings() -> None:
    known = {one.variable for one in all_declared()}
    for job in TIMED:
        (container,) = cron_job(job)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        assert {one["name"] for one in container["env"]} <= known


def test_a_skipped_run_is_no_failed_pod(tmp_path: Path) -> None:
    (container,) = cron_job(TIMED[0])["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    for code, expected in ((0, 0), (1, 1), (2, 2), (3, 0)):
        fake = tmp_path / "python"
        fake.write_text(f"#!/bin/sh\nexit {code}\n")
        fake.chmod(0o755)
        ran = subprocess.run(container["command"], env={"PATH": str(tmp_path)}, check=False)
        assert ran.returncode == expected


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("10 3 * * *", "*-*-* 03:10:00"),
        ("*/30 * * * *", "*-*-* *:00/30:00"),
        ("5 */2 * * *", "*-*-* 00/2:05:00"),
        ("30 5 * * 1", "Mon *-*-* 05:30:00"),
        ("0,30 9-17 * * 1-5", "Mon..Fri *-*-* 09..17:00,30:00"),
        ("0 4 1 */3 *", "*-01/3-01 04:00:00"),
        ("0 4 * * 0,7", "Sun,Sun *-*-* 04:00:00"),
    ],
)
def test_a_cron_expression_as_systemd_writes_it(cron: str, expected: str) -> None:
    assert calendar(cron) == expected


@pytest.mark.parametrize("cron", ["0 4 1 * 1", "0 4 * * MON", "0 4 L * *", "0 4 * * 8"])
def test_what_systemd_cannot_say_is_refused(cron: str) -> None:
    with pytest.raises(ConfigurationError):
        calendar(cron)


@systemd
@pytest.mark.parametrize("cron", ["10 3 * * *", "*/30 * * * *", "30 5 * * 1", "0,30 9-17 * * 1-5", "0 4 1 */3 *"])
def test_systemd_means_the_same(cron: str) -> None:
    ours, now = [], datetime(2026, 11, 22, tzinfo=UTC)
    for _ in range(5):
        due = next_due(cron, UTC, now)
        assert due is not None
        ours.append(due)
        now = due
    command = ["systemd-analyze", "calendar", "--iterations=5", "--base-time=2026-11-22 00:00:00 UTC"]
    told = subprocess.run(
        [*command, f"{calendar(cron)} UTC"],
        check=True,
        capture_output=True,
        text=True,
        env={"TZ": "UTC", "LC_ALL": "C"},
    ).stdout
    lines = [line.partition(": ")[2] for line in told.splitlines() if "Next elapse" in line or "Iter." in line]
    theirs = [datetime.strptime(line, "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC) for line in lines]
    assert theirs == ours


@systemd
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for path, text in deploy_files(JOBS).items():
        if path.parent.name == "systemd":
            (tmp_path / path.name).write_text(text.replace(PROGRAM, sys.executable))
    units = sorted(file.name for file in tmp_path.glob("*.timer"))
    assert len(units) == len(TIMED)
    units += ["trunkline-job@partitions.service", "trunkline-endless@wal.service"]
    command = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / unit) for unit in units)]
    told = subprocess.run(command, check=False, capture_output=True, text=True)
    ours = [line for line in told.stderr.splitlines() if "trunkline" in line]
    assert (told.returncode, ours) == (0, [])


def test_jobs_that_never_end_have_no_timer() -> None:
    async def nothing(_: JobContext) -> Report:
        return Report(Verdict.OK, "")

    files = deploy_files([Job("wal", "", nothing, "* * * * *", time_limit=0), Job("erasure", "", nothing)])
    assert [path.name for path in files] == [
        "trunkline-job@.service",
        "trunkline-endless@.service",
        "deployment-wal.yaml",
    ]


def test_backups_in_a_folder_may_be_written_and_the_key_comes_from_a_secret() -> None:
    files = {path.name: text for path, text in deploy_files(JOBS).items()}
    for unit in ("trunkline-job@.service", "trunkline-endless@.service"):
        assert "ReadWritePaths=-/var/backups/trunkline" in files[unit]
    for name in ("cronjob-backup.yaml", "deployment-wal.yaml"):
        spec = yaml.safe_load(files[name])["spec"]
        pod = (spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec)["template"]["spec"]
        (secret,) = [each["secret"] for each in pod["volumes"] if "secret" in each]
        assert not secret["defaultMode"] & 0o027  # as load_key wants it


def test_no_file_is_left_of_a_job_that_went() -> None:
    there = {path.relative_to(ROOT) for kind in ("systemd", "kubernetes") for path in (ROOT / FOLDER / kind).iterdir()}
    assert there == set(deploy_files(JOBS))
    assert {job.name for job in JOBS} <= set(MODULES)
