"""A night in fast motion, as the operator tries it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest


@pytest.mark.timeout(300)
def test_a_night_that_an_operator_would_sign() -> None:
    command = [sys.executable, "-m", "ops.cli", "ops", "rehearse"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, env=dict(os.environ))
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    steps = {line.split("|")[2].strip(): line.split("|")[3].strip() for line in lines if line.startswith("| ")}
    refused = {"partitions, triggered again", "retention", "restore-check of a spoilt copy"}
    assert {step for step, verdict in steps.items() if verdict == "refused, as it must be"} == refused
    others = {step for step in steps if step not in refused | {"step"} and not step.startswith("--")}
    assert {steps[step] for step in others} == {"ok"}
    jobs = {
        "partitions",
        "backup",
        "wal",
        "restore-check",
        "dump",
        "quality",
        "statistics",
        "embeddings",
        "report",
        "endings",
    }
    by_hand = {"erasure, by hand", "retention, by hand", "restore as late as can be"}
    assert jobs | by_hand | {"callbacks", "PostgreSQL away", "calls over midnight and after it"} <= steps.keys()
    assert re.fullmatch(r"to be signed: \d+ steps, all as promised", lines[-1])
    evening = datetime.strptime(lines[0], "%A %d %B %Y, 20:00 UTC").replace(tzinfo=UTC)
    assert (evening + timedelta(days=1)).day == 1, "the last evening of a month"
    retention = next(line for line in lines if "retention, by hand" in line)
    assert re.search(r"[1-9]\d* months removed, 1 kept on legal hold", retention)
    assert re.search(r"[1-9]\d* texts are blank; the call on hold has its words", retention)
    assert not re.search(r"\+99\d{6}", done.stdout + done.stderr), "nobody's number"
