"""The scheduler as a Ray actor: runs at their times, once, over its own death; with Ray's job server, and without."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from ops.bench.processes import descendants, still_running
from ops.jobs.catalogue import MODULES
from tests.integration.operations.site import Site, new_site

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.timeout(600)
OFF = "|".join(f"{name}=off" for name in MODULES if name != "partitions")
EVERY_MINUTE = {"TRUNKLINE_OPS_CRONS": f"partitions=* * * * *|{OFF}"}


async def _rows(connection: Any, least: int, seconds: float) -> list[Any]:
    """The runs, once there are ``least`` that have ended."""
    async with asyncio.timeout(seconds):
        while True:
            rows = await connection.fetch("SELECT * FROM ops_runs WHERE finished_at IS NOT NULL ORDER BY started_at")
            if len(rows) >= least:
                return list(rows)
            await asyncio.sleep(0.5)


async def test_runs_are_made_once(server: str, tmp_path: Path) -> None:
    """Of a Ray as the engine starts it and of a cluster, both at once: most of it is waiting for the next minute."""
    async with asyncio.TaskGroup() as both:
        for kind in ("plain", "cluster"):
            site = await new_site(server, kind, tmp_path / kind)
            both.create_task(_runs_are_made_once(site, kind), name=kind)


async def _runs_are_made_once(site: Site, kind: str) -> None:
    connection = await site.connect()
    # A cluster has a token of its own: not what this account may have for others, and not none. Ray reads it at import.
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)} if kind == "cluster" else {}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.operations.scheduler_process",
        kind,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **site.environment(EVERY_MINUTE), **token},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        async with asyncio.timeout(200):
            assert await process.stdout.readline() == b"replaced\n"  # one that another engine's settings made
            assert (await process.stdout.readline()).decode() == "ready ['partitions']\n"
        tree = descendants(process.pid)
        await _rows(connection, 1, 200)
        (actor,) = [one.pid for one in descendants(process.pid) if one.title.startswith("ray::SchedulerActor")]
        os.kill(actor, signal.SIGKILL)
        rows = await _rows(connection, 2, 200)
        tree += descendants(process.pid)
        process.stdin.close()
        async with asyncio.timeout(150):
            *told, free, ended = [line.decode().split() async for line in process.stdout]
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await connection.close()
    assert (free, ended) == (["free"], ["ended"])
    assert {row["verdict"] for row in rows} == {"ok"}
    assert len({row["id"] for row in rows}) == len(rows)
    assert {row["trigger"] for row in rows} <= {"schedule", "catch-up"}
    if kind == "cluster":
        submitted = set(told[-1][1:])
        # Each run's first job has died before it was recorded: the run was made all the same, by a second one, once.
        again = {row["id"] for row in rows if f"{row['id']}-again" in submitted}
        assert again == {row["id"] for row in rows} & submitted != set()
    async with asyncio.timeout(20):
        while still_running(tree):  # noqa: ASYNC110 - nobody tells when a process of Ray is gone
            await asyncio.sleep(0.2)
