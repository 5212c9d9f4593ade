"""docs/runbooks/restore.md, followed from top to bottom."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import asyncpg
import pytest

import ops
from ops.backup.programs import find_programs
from ops.backup.throwaway import reachable
from ops.backup.throwaway_account import account
from tests.backup_site.records import add_calls, fresh_database
from tests.backup_site.stage import Stage, forget_slot, new_stage
from tests.ports import free_port

pytestmark = pytest.mark.timeout(300)

RUNBOOK = Path(ops.__file__).parents[1] / "docs" / "runbooks" / "restore.md"
TRUNKLINE = """\
import sys, typer
from ops.backup.commands import add_commands
from ops.jobs.job import EXIT_CODES
group = typer.Typer(pretty_exceptions_enable=False)
add_commands(group)
@group.command("run")
def run(name: str) -> None:
    import asyncio, importlib, os, time
    from engine.config import load_settings
    from ops.jobs.job import JobContext
    job = importlib.import_module(f"ops.jobs.{name.replace('-', '_')}").JOB
    report = asyncio.run(job.run(JobContext(load_settings(), os.environ["RECORDS"], time.time)))
    print(report.summary)
    raise typer.Exit(EXIT_CODES[report.verdict])
assert sys.argv.pop(1) == "ops"
group()
"""
"""Of the command line, what the page uses; the whole one has it too."""


def blocks() -> list[str]:
    """The commands of the page for a database of the site's own, in order."""
    text = RUNBOOK.read_text("utf-8").partition("## The embedded database")[0]
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


async def test_the_page_brings_the_site_back(server: str, ground: Path) -> None:
    stage = new_stage(await fresh_database(server), ground / "site")
    await stage.run("backup")
    connection = await asyncpg.connect(stage.url)
    await add_calls(connection, 11)
    await connection.close()
    await stage.run("wal", seconds="3")
    await forget_slot(server)

    environment = await surroundings(stage, ground)
    said = []
    listing, export, restoring, start, look, again = blocks()
    assert export.startswith("export DATA=")
    try:
        said += [await shell(block, environment) for block in (listing, restoring, start, look)]
        assert "full" in said[0]
        assert "restored" in said[1]
        assert "trunkline ops run backup" in said[1]
        assert "its superuser is postgres, the records' database records" in said[1]
        assert re.search(r"^PostgreSQL's programs are in /\S+bin;", said[1], re.MULTILINE)
        assert said[3].startswith("311|2026-")
        said.append(await shell(again, environment))
        assert re.match(r"full backup \d+T\d+Z-[0-9a-f]{4}, .* MB, verified, encrypted", said[4])
    finally:
        await shell("$AS pg_ctl -D $DATA -m fast -w stop || true", environment)


async def surroundings(stage: Stage, ground: Path) -> dict[str, str]:
    """What the page takes for given: the programs on PATH, the site's settings, a folder, a port, a user."""
    programs = find_programs(stage.settings.postgres_programs, await stage.sql("SHOW server_version"))
    who = account(stage.settings)
    usable = await reachable(programs, who, ground)
    script = ground / "trunkline"
    script.write_text(f"#!{sys.executable} -P\n{TRUNKLINE}")
    script.chmod(0o755)
    port = free_port()
    return {
        **os.environ,
        "PATH": f"{ground}:{usable.folder}:{os.environ['PATH']}",
        "TRUNKLINE_BACKUP_TO": stage.settings.backup.to,
        "TRUNKLINE_BACKUP_KEY_FILE": str(stage.settings.backup.key_file),
        "RECORDS": f"postgresql://postgres@127.0.0.1:{port}/records",
        "DATA": str(ground / "restored"),
        "PORT": str(port),
        "AS": "" if who.uid is None else f"setpriv --reuid={who.uid} --regid={who.gid} --clear-groups",
    }


async def shell(block: str, environment: dict[str, str]) -> str:
    """What it prints; it must end well."""
    process = await asyncio.create_subprocess_exec(
        "bash", "-euc", block, env=environment, cwd="/", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, f"{block}\n{output.decode()}\n{errors.decode()}"
    return output.decode()
