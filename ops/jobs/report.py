"""The job that writes the weekly report: a PDF to look at, tables (CSV) to count with, nobody's data in either."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from engine.errors import ConfigurationError
from engine.records.report_sql import report_queries
from engine.records.week import Week, WeekFigures, weeks_of
from ops.jobs.connection import connected, refuse_unknown_arguments
from ops.jobs.job import Job, JobContext, JobFailed, Report, Verdict
from ops.jobs.private_files import write_private
from ops.jobs.statistics import timezones
from ops.weekly.tables import details_table, week_table


async def run(context: JobContext) -> Report:
    """Raises ConfigurationError for a week that is none or a package that is missing, JobFailed where the database or
    the disk fails."""
    refuse_unknown_arguments(JOB, context)
    week = _week(context)
    folder = context.settings.paths.state_dir / "reports"
    if not context.arguments.get("week") and not context.dry_run and (folder / f"{week}-details.csv").exists():
        return Report(Verdict.OK, f"{week} was written before: `--week {week}` writes it again", {"week": str(week)})
    if not context.database:
        return Report(Verdict.SKIPPED, "there is no records' database (TRUNKLINE_DATABASE)")
    async with connected(context.database) as connection:
        rows = await connection.fetch(report_queries()["stored_figures"], week.days[0], week.days[-1])
    weeks = weeks_of(week, [{**row, "figures": json.loads(row["figures"])} for row in rows])
    if not weeks:
        return Report(Verdict.SKIPPED, f"there are no figures of {week}: `trunkline ops run statistics` makes them")
    files = {
        f"{week}.pdf": _pdf(weeks, week),
        f"{week}.csv": week_table(weeks),
        f"{week}-details.csv": details_table(weeks),
    }
    if not context.dry_run:
        try:
            for name, content in files.items():
                write_private(folder / name, content)
        except OSError as error:
            raise JobFailed(f"the report could not be written to {folder} ({error.strerror})") from error
    calls = sum(each.total("total") for each in weeks)
    verb = "would be written" if context.dry_run else "written"
    summary = f"{week}: {calls} calls of {len(weeks)} businesses, {verb} to {folder}"
    sizes = {name: len(content) for name, content in files.items()}
    return Report(
        Verdict.OK, summary, {"week": str(week), "files": sizes}, {"calls": calls, "bytes": sum(sizes.values())}
    )


def _week(context: JobContext) -> Week:
    text = context.arguments.get("week", "")
    if not text:
        return Week.before(_today(context))
    try:
        return Week.parse(text)
    except ValueError as error:
        raise ConfigurationError("--week: expected a week such as 2026-W48") from error


def _today(context: JobContext) -> date:
    _, zone = timezones(context.settings)
    return datetime.fromtimestamp(context.wall(), UTC).astimezone(ZoneInfo(zone)).date()


def _pdf(weeks: list[WeekFigures], week: Week) -> bytes:
    try:
        from ops.weekly.pages import week_pdf  # noqa: PLC0415 - an extra that only this needs

        return week_pdf(weeks, week)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the report needs a package that is not installed ({error.name}): "
            "run `make setup`, or install `trunkline[reports]`"
        ) from error


JOB: Final = Job(
    name="report",
    help="Write the report of a week once it is over: PDF with charts, and tables.",
    run=run,
    # Every day, for the week of a business west of the jobs' time zone is over on a Tuesday by that; it is made once.
    schedule="30 5 * * *",
    arguments={"week": "of this week (2026-W48)"},
)
