"""A night in fast motion, as the operator tries it."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest


@pytest.mark.timeout(300)
def test_a_night_that_an_operator_would_sign() -> None:
    command = [sys.executable, "-m", "ops.cli", "ops", "rehearse"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, env=dict(os.environ))
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    steps = {line.split("|")[2].strip(): line.split("|")[3].strip() for line in lines if line.startswith("| ")}
    jobs = ("partitions", "backup", "wal", "restore-check", "dump", "retention", "erasure", "quality", "statistics")
    assert {steps[job] for job in (*jobs, "report", "embeddings", "callbacks", "endings", "PostgreSQL away")} == {"ok"}
    assert re.fullmatch(r"to be signed: \d+ steps, all ok", lines[-1])
    assert not re.search(r"\+99\d{6}", done.stdout + done.stderr), "nobody's number"
