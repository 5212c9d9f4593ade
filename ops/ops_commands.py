"""``trunkline ops``: the jobs that keep a site in order, by hand."""
# ruff: noqa: PLC0415 - the imports inside the commands are so that help comes at once

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from ops.backup.commands import add_commands

ops: Final = typer.Typer(
    name="ops",
    help="Jobs that keep a site in order: when they run, how they ended, and running one now.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
add_commands(ops)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@ops.command("list")
def list_jobs(*, as_json: Json = False) -> None:
    """Show the jobs: their times, when they are due next, and how they ended last."""
    from engine.config import load_settings

    rows, zone, faults = _jobs(load_settings())
    if as_json:
        print(json.dumps({"timezone": zone, "jobs": rows, "faults": faults}, ensure_ascii=False))
        return
    for row in rows:
        last = "never ran here" if row["last"] is None else f"{row['verdict'] or 'no end yet'} {_moment(row['last'])}"
        due = "by hand" if row["next"] is None else f"next {_moment(row['next'])}"
        due = due if row["set_up"] else "not set up"
        print(f"{row['job']:<14} {row['cron'] or '–':<14} {due:<28} {last}")
        print(f"{'':<14} {row['help']}")
    for name, fault in faults.items():
        print(f"{name:<14} {fault}")
    print(f"Cron expressions are in {zone}, times shown in UTC.")


@ops.command(
    "run",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def run_job(context: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME", help="The job.")]) -> None:
    """Run a job now, in the foreground: NAME [--dry-run] [--scheduled] [--ARGUMENT VALUE …]."""
    from ops.jobs.command import main

    raise typer.Exit(main([name, *context.args]))


@ops.command()
def history(
    job: Annotated[str | None, typer.Argument(metavar="JOB", help="Of one job alone.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many runs.")] = 20,
    *,
    as_json: Json = False,
) -> None:
    """Show the last runs, the newest first, as the database has them."""
    import asyncio
    from dataclasses import asdict

    from engine.config import load_settings
    from engine.errors import ConfigurationError
    from ops.jobs.catalogue import MODULES
    from ops.jobs.database import records_database
    from ops.jobs.runs import Runs

    if job is not None and job not in MODULES:
        raise ConfigurationError(f"there is no job {job!r}: there are {', '.join(MODULES)}")
    database = records_database(load_settings())
    if not database:
        raise ConfigurationError("there is no records' database (TRUNKLINE_DATABASE): runs are not recorded")
    for row in asyncio.run(Runs(database).history(job, limit)):
        if as_json:
            print(json.dumps(asdict(row), ensure_ascii=False))
            continue
        took = "–" if row.finished_at is None else f"{row.finished_at - row.started_at:.1f} s"
        print(f"{_moment(row.started_at)}  {row.job:<14} {row.shown:<8} {took:>9}  {row.trigger:<9} {row.summary}")


@ops.command()
def rehearse() -> None:
    """Try a night in fast motion, in a site that is made for it; exit code 1 where a verdict is not one to sign."""
    import asyncio
    import os

    from ops.rehearsal import rehearse as try_night

    if not asyncio.run(try_night(os.environ, print)):
        raise typer.Exit(1)


def _jobs(settings: Any) -> tuple[list[dict[str, Any]], str, dict[str, str]]:
    import time

    from engine.records.ops_measures import measures_file, read_measures
    from ops.jobs.catalogue import catalogue
    from ops.jobs.schedule import next_due, timetable

    found = catalogue()
    table = timetable(settings, found.jobs)
    now = datetime.fromtimestamp(time.time(), UTC)
    try:
        measures = read_measures(measures_file(settings.paths.state_dir))
    except (OSError, ValueError):
        measures = {}
    rows = []
    for job in found.jobs:
        set_up = job.set_up(settings)
        cron = table.crons.get(job.name, "") if set_up else ""
        due = next_due(cron, table.zone, now) if cron else None
        entry = measures.get(job.name, {})
        rows.append(
            {
                "job": job.name,
                "help": job.help,
                "set_up": set_up,
                "cron": cron,
                "next": None if due is None else due.timestamp(),
                "last": entry.get("last_started"),
                # Of a run that has begun and not ended there is none, whatever the one before came to.
                "verdict": None if _begun(entry) else entry.get("last_verdict"),
                "last_success": entry.get("last_success"),
                "arguments": dict(job.arguments),
            }
        )
    return rows, settings.operations.timezone, dict(found.faults)


def _begun(entry: dict[str, Any]) -> bool:
    return (entry.get("last_started") or 0) > (entry.get("last_finished") or 0)


def _moment(wall: float) -> str:
    return f"{datetime.fromtimestamp(wall, UTC):%Y-%m-%d %H:%MZ}"
