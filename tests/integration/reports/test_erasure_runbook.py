"""Walks through docs/runbooks/erasure.md: each of its commands, in its order, as somebody who follows it would."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from engine.config import Settings
from ops.jobs import erasure
from ops.jobs.job import JobContext, JobFailed, Verdict
from tests.records_rows import at, call, insert

RUNBOOK: Final = Path(__file__).parents[3] / "docs" / "runbooks" / "erasure.md"
NOW = at("2026-11-24T10:00:00")
NUMBER = "+990000000001"

Context = Callable[..., JobContext]


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", RUNBOOK.read_text("utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.strip().splitlines()]


class Walk:
    """Runs the commands of the page, one after the other."""

    def __init__(self, connection: Any, context: Context, folder: Path) -> None:
        self._connection, self._context, self._folder = connection, context, folder
        self._left = commands()
        self._hours = 0
        self.held = ""
        """The call that the reader puts in the place of CALL: the one that the refusal names."""

    async def step(self, begins: str) -> Any:
        """The next command, which begins with this; what it gave."""
        command = self._left.pop(0)
        assert command.startswith(begins), command
        words = shlex.split(command, comments=True)
        if words[0] == "psql":
            return await self._connection.fetch(words[3].replace("'CALL'", f"'{self.held}'"))
        if words[0] == "shred":
            return (self._folder / words[2]).unlink()
        if words[0] == "umask":
            return (self._folder / words[-1]).write_text(f"{NUMBER}\n")
        assert words[:4] == ["trunkline", "ops", "run", "erasure"], command
        return await self._run(words[4:])

    async def _run(self, words: list[str]) -> Any:
        self._hours += 1
        dry_run = "--dry-run" in words
        words = [word for word in words if word != "--dry-run"]
        arguments = {
            name.lstrip("-").replace("-", "_"): value for name, value in zip(words[::2], words[1::2], strict=True)
        }
        if "caller_file" in arguments:
            arguments["caller_file"] = str(self._folder / arguments["caller_file"])
        assert set(arguments) <= {name.replace("-", "_") for name in erasure.JOB.arguments}
        return await erasure.JOB.run(self._context(NOW + timedelta(hours=self._hours), dry_run=dry_run, **arguments))

    def again(self, begins: str) -> None:
        """The command that begins with this is repeated, as the page says."""
        self._left.insert(0, next(command for command in commands() if command.startswith(begins)))

    @property
    def done(self) -> bool:
        return not self._left


async def test_the_page_leads_from_the_request_to_the_restore(
    connection: Any, context: Context, settings: Settings, tmp_path: Path
) -> None:
    his = [
        call("his", NOW - timedelta(days=1), NUMBER).says("I am Zebulon Quux.", "Hello."),
        call("other", NOW, "+990000000002"),
    ]
    await insert(connection, his)
    for one, reason in zip(his, ("a court asks", "of somebody else"), strict=True):
        await connection.execute(
            "INSERT INTO legal_holds (call_id, call_started_at, reason) VALUES ($1, $2, $3)",
            one.id,
            one.call["started_at"],
            reason,
        )
    walk = Walk(connection, context, tmp_path)
    await walk.step("umask 077")
    with pytest.raises(JobFailed, match="are on legal hold: nothing was erased") as refused:
        await walk.step("trunkline ops run erasure --caller-file number.txt --dry-run")
    (walk.held,) = re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", str(refused.value))
    (hold,) = await walk.step("psql")
    assert hold["reason"] == "a court asks"
    await walk.step("psql")
    left = await connection.fetch("SELECT reason FROM legal_holds WHERE released_at IS NULL")
    assert [row["reason"] for row in left] == ["of somebody else"]
    walk.again("trunkline ops run erasure --caller-file number.txt --dry-run")
    tried = await walk.step("trunkline")
    assert "would be erased" in tried.summary
    erased = await walk.step("trunkline ops run erasure --caller-file number.txt")
    assert erased.verdict is Verdict.OK
    (looked,) = await walk.step("psql")
    assert looked["done_at"] is not None
    await walk.step("shred")
    await insert(connection, [call("from a backup", NOW - timedelta(days=1), NUMBER)])
    restored = await walk.step("trunkline ops run erasure --reapply yes")
    assert restored.figures["callers"] == 1
    assert walk.done
    assert await connection.fetchval("SELECT count(*) FROM calls WHERE caller = $1", NUMBER) == 0
    assert await connection.fetchval("SELECT count(*) FROM calls WHERE caller IS NOT NULL") == 1
    assert receipts_in(settings) == 1


def receipts_in(settings: Settings) -> int:
    return len(list((settings.paths.state_dir / "erasures").glob("*.json")))


def test_what_the_page_says_is_not_reached_is_what_the_job_says() -> None:
    page = RUNBOOK.read_text("utf-8")
    assert "are on legal hold: nothing was erased" in page
    for place in ("redis (", "recordings (", "call-back lists (", "dead letters (", "recordings and outbox of machine"):
        assert f"`{place}" in page
    assert "`tables, second time (" in page
