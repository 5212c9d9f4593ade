"""The job that counts each day: figures of every business, made again where calls of a day were recorded late."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from engine.agent.playbook import load_playbook
from engine.agent.playbooks import playbook_names
from engine.config import Settings
from engine.errors import ConfigurationError
from engine.records.figures import Figures, day_bounds, days_to_make, figures_of, fingerprint
from engine.records.report_sql import report_queries
from ops.jobs.connection import alone, connected, refuse_unknown_arguments
from ops.jobs.job import Job, JobContext, Report, Verdict

SETTLED: Final = timedelta(minutes=5)
"""After its end, for what is recorded last of a call."""
_PER_DAY: Final = ("day_names", "day_latency", "day_tools", "day_cost", "day_quality")


async def run(context: JobContext) -> Report:
    """Raises ConfigurationError for a day that is none, JobFailed where the database fails."""
    refuse_unknown_arguments(JOB, context)
    asked = _day(context)
    if not context.database:
        return Report(Verdict.SKIPPED, "there is no records' database (TRUNKLINE_DATABASE)")
    zones, default = timezones(context.settings)
    async with alone(context.database, JOB.name) as free:
        if not free:
            return Report(Verdict.SKIPPED, "another run is under way")
        async with connected(context.database) as connection:
            made, kept = 0, 0
            priced = 0 if context.dry_run else await _price(connection, context)
            now = datetime.fromtimestamp(context.wall(), UTC)
            for zone, playbooks in (await _playbooks_by_zone(connection, context, zones, default, asked)).items():
                today = now.astimezone(ZoneInfo(zone)).date()
                days = (asked, asked) if asked else (_first(context, today), today - timedelta(days=1))
                make, keep = await _changed(connection, zone, playbooks, days, every=asked is not None)
                kept += len(keep)
                for row in make:
                    figures = await day_figures(connection, row, zone)
                    made += 1 if context.dry_run else await _store(connection, row, figures)
    verb = "would be made" if context.dry_run else "made"
    summary = f"figures of {made} days and businesses {verb}"
    if kept:
        summary += f"; {kept} left as they are: their calls have gone"
    return Report(
        Verdict.OK, summary, {"kept": kept}, {"days": float(made), "kept": float(kept), "priced": float(priced)}
    )


async def _price(connection: Any, context: JobContext) -> int:
    """Calls whose cost was counted, a day after the other: no transaction is long."""
    prices, now = context.settings.prices, datetime.fromtimestamp(context.wall(), UTC)
    if not prices.any:
        return 0
    priced, day = 0, timedelta(days=1)
    for back in range(context.settings.reports.statistics_days + 1, -1, -1):
        begin = now - back * day
        done = await connection.execute(
            report_queries()["price_calls"], begin - day, begin, now - SETTLED, *prices.rates
        )
        priced += int(done.rpartition(" ")[2])
    return priced


def _day(context: JobContext) -> date | None:
    text = context.arguments.get("day", "")
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise ConfigurationError("--day: expected a date such as 2026-11-22") from error


def _first(context: JobContext, today: date) -> date:
    return today - timedelta(days=context.settings.reports.statistics_days)


def timezones(settings: Settings) -> tuple[Mapping[str, str], str]:
    """Time zone of each configured business, by the playbook's name; and that of all others: the first one's."""
    playbooks = [load_playbook(name) for name in playbook_names(settings.dialogue.playbook)]
    return {each.name: each.hours.timezone for each in playbooks}, playbooks[0].hours.timezone


async def _playbooks_by_zone(
    connection: Any, context: JobContext, zones: Mapping[str, str], default: str, asked: date | None
) -> Mapping[str, list[str]]:
    """Businesses with calls in the days in question, by their time zone."""
    now = datetime.fromtimestamp(context.wall(), UTC)
    day = timedelta(days=1)
    if asked:
        middle = datetime(asked.year, asked.month, asked.day, 12, tzinfo=UTC)
        begin, end = middle - 2 * day, middle + 2 * day
    else:
        begin, end = now - (context.settings.reports.statistics_days + 2) * day, now + 2 * day
    found: dict[str, list[str]] = {}
    for row in await connection.fetch(report_queries()["playbooks_between"], begin, end):
        found.setdefault(zones.get(row["playbook"], default), []).append(row["playbook"])
    return found


async def _changed(
    connection: Any, zone: str, playbooks: Sequence[str], days: tuple[date, date], *, every: bool
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """As ``days_to_make``, of the days from the first to the last one; a day that was asked for need not be over."""
    queries = report_queries()
    begin, end = day_bounds(days[0], zone)[0], day_bounds(days[1], zone)[1]
    recorded = await connection.fetch(queries["made_from"], begin, end, zone, playbooks)
    rows = await connection.fetch(queries["stored_figures"], *days)
    stored = [{**row, "figures": json.loads(row["figures"])} for row in rows]
    return days_to_make(recorded, stored, days[1] + timedelta(days=1), every=every)


async def day_figures(connection: Any, row: Mapping[str, Any], zone: str) -> Figures:
    """The figures of a day and a business, all of them of one moment. ``row``: of ``made_from``."""
    queries = report_queries()
    span = (*day_bounds(row["day"], zone), row["playbook"])
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return figures_of(
            calls=await connection.fetchrow(queries["day_calls"], *span),
            hours=await connection.fetch(queries["day_hours"], *span, zone),
            callbacks=await connection.fetchval(queries["day_callbacks"], *span),
            made_from=fingerprint(row),
            **{name.removeprefix("day_"): await connection.fetch(queries[name], *span) for name in _PER_DAY},
        )


async def _store(connection: Any, row: Mapping[str, Any], figures: Figures) -> int:
    """1 where it is other than what stood there."""
    text = json.dumps(figures)
    stored = await connection.fetchval(report_queries()["store_figures"], row["day"], row["playbook"], text)
    return int(stored is not None)


JOB: Final = Job(
    name="statistics",
    help="Count each day: calls, outcomes, latencies, tools, costs, quality.",
    run=run,
    schedule="20 0 * * *",
    arguments={"day": "make the figures of this day (2026-11-22), whatever stands there"},
)
