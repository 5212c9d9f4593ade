"""A Ray of its own with nothing but the scheduler in it: ``python -m … {dashboard|plain}``; ends with its stdin."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import ray

from engine.config import load_settings
from ops.scheduler import NAME, start_scheduler, stop_scheduler
from ops.up import ENVIRONMENT
from tests.ports import free_port


def main(kind: str) -> None:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    dashboard = kind == "dashboard"
    started: Any = ray.init(
        address="local",
        namespace="trunkline",
        num_cpus=1,
        include_dashboard=dashboard,
        dashboard_port=free_port() if dashboard else None,
        object_store_memory=80 << 20,
        configure_logging=False,
    )
    url = started.address_info.get("webui_url") or ""
    assert bool(url) == dashboard
    handle = start_scheduler(load_settings(), dashboard=f"http://{url}" if url else "", folder=str(Path.cwd()))
    same = start_scheduler(load_settings(), dashboard="", folder="")
    status = ray.get(handle.status.remote(), timeout=60)
    assert same == ray.get_actor(NAME)
    print(f"ready {sorted(status['next'])}", flush=True)
    sys.stdin.read()
    if dashboard:
        from ray.job_submission import JobSubmissionClient  # noqa: PLC0415

        jobs = JobSubmissionClient(f"http://{url}").list_jobs()
        print("submitted", *sorted(str(job.submission_id) for job in jobs), flush=True)
    stop_scheduler(handle)
    ray.shutdown()
    print("ended", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
