"""A Ray of its own with nothing but the scheduler in it: ``python -m … {cluster|plain}``; ends with its stdin.

``cluster``: started by ``ray start`` on ports of its own, with the dashboard; ``plain``: as ``trunkline up`` starts it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ray

from engine.config import load_settings
from ops.jobs.schedule import run_id
from ops.scheduler import NAME, start_scheduler, stop_scheduler
from ops.up import ENVIRONMENT
from tests.ports import free_port

START_SECONDS = 90.0
MINUTES = 8


@contextlib.contextmanager
def _cluster(dashboard: int) -> Iterator[str]:
    """Its address."""
    ports = {"port": free_port(), "dashboard-port": dashboard, "dashboard-agent-listen-port": free_port()}
    ports["dashboard-agent-grpc-port"] = free_port()
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--include-dashboard=true"]
    command += [f"--{name}={port}" for name, port in ports.items()]
    command += [
        "--num-cpus=1",
        f"--object-store-memory={80 << 20}",
        "--node-ip-address=127.0.0.1",
        "--disable-usage-stats",
    ]
    head = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield f"127.0.0.1:{ports['port']}"
    finally:
        head.send_signal(signal.SIGTERM)
        head.wait(40)


def main(kind: str) -> None:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    port = free_port()
    with _cluster(port) if kind == "cluster" else contextlib.nullcontext("local") as address:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                _connect(address)
            except (ConnectionError, RuntimeError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)
            else:
                break
        _schedule(f"http://127.0.0.1:{port}" if kind == "cluster" else "")
        ray.shutdown()
    print("ended", flush=True)


def _connect(address: str) -> None:
    if address != "local":
        ray.init(address=address, namespace="trunkline", configure_logging=False)
        return
    ray.init(
        address="local",
        namespace="trunkline",
        num_cpus=1,
        include_dashboard=False,
        object_store_memory=80 << 20,
        configure_logging=False,
    )


def _die_unrecorded(dashboard: str) -> None:
    """Runs of the next minutes whose Ray jobs have died before they recorded anything."""
    from ray.job_submission import JobSubmissionClient  # noqa: PLC0415

    client, now = JobSubmissionClient(dashboard), datetime.now(UTC)
    runs = [run_id("partitions", now + timedelta(minutes=number)) for number in range(MINUTES)]
    for run in runs:
        client.submit_job(entrypoint="exit 1", submission_id=run)
    deadline = time.monotonic() + START_SECONDS
    while any(client.get_job_status(run) != "FAILED" for run in runs) and time.monotonic() < deadline:
        time.sleep(0.5)


def _schedule(dashboard: str) -> None:
    if dashboard:
        _die_unrecorded(dashboard)
    settings, folder = load_settings(), str(Path.cwd())
    other = replace(settings, operations=replace(settings.operations, timezone="Europe/Kyiv"))
    old = start_scheduler(other, dashboard=dashboard, folder=folder)
    assert start_scheduler(other, dashboard=dashboard, folder=folder) == old == ray.get_actor(NAME)
    handle = start_scheduler(settings, dashboard=dashboard, folder=folder)
    status = ray.get(handle.status.remote(), timeout=60)
    assert handle == ray.get_actor(NAME) != old
    try:
        ray.get(old.status.remote(), timeout=20)
    except ray.exceptions.RayActorError:
        print("replaced", flush=True)
    print(f"ready {sorted(status['next'])}", flush=True)
    sys.stdin.read()
    if dashboard:
        from ray.job_submission import JobSubmissionClient  # noqa: PLC0415

        jobs = JobSubmissionClient(dashboard).list_jobs()
        print("submitted", *sorted(str(job.submission_id) for job in jobs), flush=True)
    stop_scheduler(handle)
    try:
        ray.get_actor(NAME)
    except ValueError:
        print("free", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
