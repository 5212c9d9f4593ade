"""The folder of the backups hangs for ever: the job ends as failed, is recorded, and its process ends."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest

from tests.backup_site.stage import Stage
from tests.postgres_server import under_test

pytestmark = pytest.mark.timeout(180)

RUN = """\
import sys
from ops.backup import folder
from ops.jobs.command import main
folder.SECONDS = 1.0
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(("job", "place"), [("backup", "backups/1/record"), ("restore-check", "backups/1/record")])
async def test_a_run_ends_as_failed(stage: Stage, job: str, place: str) -> None:
    pipe = stage.folder / place
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)  # to open it waits for ever, as on the disk of a machine that is gone
    environment = {
        **os.environ,
        "TRUNKLINE_DATABASE": stage.url,
        "TRUNKLINE_BACKUP_TO": stage.settings.backup.to,
        "TRUNKLINE_BACKUP_KEY_FILE": str(stage.settings.backup.key_file),
        "TRUNKLINE_STATE_DIR": str(stage.settings.paths.state_dir),
        "TRUNKLINE_POSTGRES_PROGRAMS": str(under_test() or ""),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, job, env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    told = json.loads(output.splitlines()[-1])
    assert process.returncode == 1
    assert told["verdict"] == "failed"
    assert told["recorded"] is True
    assert "does not answer within 1 s: does the disk hang" in told["summary"]
    summary = await stage.sql("SELECT summary FROM ops_runs WHERE job = $1 AND verdict = 'failed'", job)
    assert summary == told["summary"]
