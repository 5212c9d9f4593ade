"""The same jobs by other triggers: systemd timers, Kubernetes CronJobs, KubeRay's RayCronJobs, made from the catalogue.

Every trigger runs a job with ``--scheduled``: the run that was due last, under the same name whoever starts it, and so
once however many of them fire. ``python -m ops.generated --write`` writes the files to ``ops/deploy``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml

from engine.errors import ConfigurationError
from ops.jobs.job import Job

FOLDER: Final = Path("ops/deploy")
PROGRAM: Final = "/opt/trunkline/.venv/bin/python"
IMAGE: Final = "trunkline:0.1.0"
"""Of your own registry, made with this package and its dependencies in it."""
CLUSTER: Final = "trunkline"
"""Name of the RayCluster that runs the jobs."""
ZONE: Final = "UTC"
_MADE: Final = "# Made by `python -m ops.generated --write` from the jobs' own times; do not edit.\n"
_DAYS: Final = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ITEM: Final = re.compile(r"(\*|[0-9]+(?:-[0-9]+)?)(?:/([0-9]+))?")
_GRACE_SECONDS: Final = 60

_WRITABLE: Final = """\
# Where backups go to a folder (TRUNKLINE_BACKUP_TO): another one needs a line of its own, by `systemctl edit`.
ReadWritePaths=-/var/backups/trunkline"""
_SERVICE: Final = """\
[Unit]
Description=Trunkline job %i
Documentation=man:systemd.timer(5)
After=network-online.target
Wants=network-online.target

[Service]
Type=oneshot
User=trunkline
EnvironmentFile=/etc/trunkline/environment
WorkingDirectory=/var/lib/trunkline
ExecStart={program} -m ops.jobs %i --scheduled
# 3: skipped. Another trigger had the run, or the job is not set up.
SuccessExitStatus=3
# The job has a time limit of its own; this one is for what hangs in spite of it.
TimeoutStartSec=12h
Nice=10
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
StateDirectory=trunkline
{writable}
UMask=0077
"""
_ENDLESS: Final = """\
[Unit]
Description=Trunkline job %i, which goes on until it is stopped
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
User=trunkline
EnvironmentFile=/etc/trunkline/environment
WorkingDirectory=/var/lib/trunkline
ExecStart={program} -m ops.jobs %i --trigger job
Restart=always
RestartSec=10
Nice=10
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
StateDirectory=trunkline
{writable}
# It ends PostgreSQL's programs that it started, and says how far it came.
TimeoutStopSec=60
UMask=0077

[Install]
WantedBy=multi-user.target
"""
_TIMER: Final = """\
[Unit]
Description=Trunkline job {job}: {help}

[Timer]
OnCalendar={calendar} {zone}
# What was missed while the machine was off is caught up once.
Persistent=true
# A run that the end of the machine cut short is begun again; one that was made is skipped.
# A timer that is enabled later than that after boot begins the run that was due last, at once.
OnBootSec=5min
AccuracySec=1s
Unit=trunkline-job@{job}.service

[Install]
WantedBy=timers.target
"""


def deploy_files(jobs: Iterable[Job]) -> dict[Path, str]:
    """What each file should hold, by its path from the root."""
    all_jobs = sorted(jobs, key=lambda job: job.name)
    timed = [job for job in all_jobs if job.schedule and job.time_limit]
    endless = [job for job in all_jobs if job.schedule and not job.time_limit]
    systemd = FOLDER / "systemd"
    return {
        systemd / "trunkline-job@.service": _MADE + _SERVICE.format(program=PROGRAM, writable=_WRITABLE),
        systemd / "trunkline-endless@.service": _MADE + _ENDLESS.format(program=PROGRAM, writable=_WRITABLE),
        **{
            systemd / f"trunkline-{job.name}.timer": _MADE
            + _TIMER.format(job=job.name, help=job.help, calendar=calendar(job.schedule), zone=ZONE)
            for job in timed
        },
        **{FOLDER / "kubernetes" / f"cronjob-{job.name}.yaml": _MADE + _yaml(cron_job(job)) for job in timed},
        **{FOLDER / "kubernetes" / f"deployment-{job.name}.yaml": _MADE + _yaml(deployment(job)) for job in endless},
        **{FOLDER / "kubernetes" / f"raycronjob-{job.name}.yaml": _MADE + _yaml(ray_cron_job(job)) for job in timed},
    }


def calendar(cron: str) -> str:
    """A cron expression of five fields as systemd writes it. Raises ConfigurationError for one that it cannot say."""
    minute, hour, day, month, weekday = cron.split()
    if day != "*" and weekday != "*":
        raise ConfigurationError(f"{cron!r}: a day of the month or a day of the week, systemd knows no `or`")
    days = "" if weekday == "*" else f"{_weekdays(weekday)} "
    return f"{days}*-{_part(month, 1)}-{_part(day, 1)} {_part(hour, 0)}:{_part(minute, 0)}:00"


def cron_job(job: Job) -> dict[str, Any]:
    """A CronJob of Kubernetes (1.27 or newer: it has a time zone). It has no deadline for its start: a time that was
    missed, for a night say, is caught up once."""
    line = f"python -m ops.jobs {job.name} --scheduled; code=$?; if [ $code -eq 3 ]; then exit 0; fi; exit $code"
    pod = {"restartPolicy": "Never", **_pod(["/bin/sh", "-c", line])}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": _metadata(job),
        "spec": {
            "schedule": job.schedule,
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 7,
            "jobTemplate": {
                "spec": {
                    # A pod that was killed or driven off its node is replaced, once by the job's own record; a run with
                    # a verdict, or a wrong setting, is not tried again.
                    "backoffLimit": 1,
                    "podFailurePolicy": {
                        "rules": [
                            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                            {
                                "action": "FailJob",
                                "onExitCodes": {"containerName": "job", "operator": "In", "values": [1, 2]},
                                "onPodConditions": [],  # the schema of 1.27 wants it
                            },
                        ]
                    },
                    "activeDeadlineSeconds": int(job.time_limit) + _GRACE_SECONDS,
                    "template": {"metadata": {"labels": _labels(job)}, "spec": pod},
                }
            },
        },
    }


def deployment(job: Job) -> dict[str, Any]:
    """A Deployment of Kubernetes for a job that goes on: one pod, the old one gone before the new one begins."""
    command = ["python", "-m", "ops.jobs", job.name, "--trigger", "job"]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(job),
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": _labels(job)},
            "template": {
                "metadata": {"labels": _labels(job)},
                "spec": {"terminationGracePeriodSeconds": _GRACE_SECONDS, **_pod(command)},
            },
        },
    }


def _pod(command: list[str]) -> dict[str, Any]:
    container = {
        "name": "job",
        "image": IMAGE,
        "command": command,
        "envFrom": [{"secretRef": {"name": "trunkline-settings"}}],
        "env": [
            {"name": "TRUNKLINE_STATE_DIR", "value": "/var/lib/trunkline"},
            # A restore-check writes twice the database: into a volume of the node's, not into the container's layer.
            {"name": "TRUNKLINE_BACKUP_WORK_DIR", "value": "/var/tmp/trunkline"},  # noqa: S108 - a mount of its own
        ],
        "volumeMounts": [
            {"name": "state", "mountPath": "/var/lib/trunkline"},
            {"name": "work", "mountPath": "/var/tmp/trunkline"},  # noqa: S108
            {"name": "backup-key", "mountPath": "/etc/trunkline/backup", "readOnly": True},
        ],
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "fsGroup": 10001},
        "containers": [container],
        "volumes": [
            {"name": "state", "persistentVolumeClaim": {"claimName": "trunkline-state"}},
            {"name": "work", "emptyDir": {}},
            {
                "name": "backup-key",
                "secret": {"secretName": "trunkline-backup-key", "optional": True, "defaultMode": 0o440},
            },
        ],
    }


def ray_cron_job(job: Job) -> dict[str, Any]:
    """A RayCronJob of KubeRay (1.6 or newer, where it is an alpha feature): its times are the operator's own zone's."""
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayCronJob",
        "metadata": _metadata(job),
        "spec": {
            "schedule": job.schedule,
            "jobTemplate": {
                "entrypoint": f"python -m ops.jobs {job.name} --scheduled",
                "clusterSelector": {"ray.io/cluster": CLUSTER},
                "submissionMode": "HTTPMode",
                "activeDeadlineSeconds": int(job.time_limit) + _GRACE_SECONDS,
            },
        },
    }


def _metadata(job: Job) -> dict[str, Any]:
    return {"name": f"trunkline-{job.name}", "labels": _labels(job)}


def _labels(job: Job) -> dict[str, str]:
    return {"app.kubernetes.io/name": "trunkline", "app.kubernetes.io/component": job.name}


def _yaml(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, width=1000)


def _part(text: str, first: int) -> str:
    return ",".join(_item(item, first) for item in text.split(","))


def _item(text: str, first: int) -> str:
    found = _ITEM.fullmatch(text)
    if found is None:
        raise ConfigurationError(f"{text!r} of a cron expression has no likeness in systemd")
    base, step = found.groups()
    if base == "*":
        return f"{first:02}/{step}" if step else "*"
    low, _, high = base.partition("-")
    span = f"{int(low):02}..{int(high):02}" if high else f"{int(low):02}"
    return f"{span}/{step}" if step else span


def _weekdays(text: str) -> str:
    names = []
    for item in text.split(","):
        low, _, high = item.partition("-")
        if not low.isdecimal() or (high and not high.isdecimal()) or int(high or low) > 7:
            raise ConfigurationError(f"{text!r}: days of the week are written as numbers here")
        names.append(f"{_DAYS[int(low)]}..{_DAYS[int(high)]}" if high else _DAYS[int(low)])
    return ",".join(names)
