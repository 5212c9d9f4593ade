"""The job that ends the record of calls that ended with their machine, where nobody was left to tell it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

import engine.records
from engine.sql import named_queries
from ops.jobs.connection import alone, connected, refuse_unknown_arguments
from ops.jobs.job import Job, JobContext, Report, Verdict

SPARE: Final = timedelta(minutes=10)
"""Beyond the longest call: for its last sentence, and for the events that a recorder has not written yet."""
PAST: Final = timedelta(days=40)
"""How far back is looked."""


@lru_cache(maxsize=1)
def _queries() -> dict[str, str]:
    return named_queries(Path(str(engine.records.__file__)).with_name("sql") / "endings.sql")


async def run(context: JobContext) -> Report:
    """Raises JobFailed where the database fails.

    Which nodes live it does not ask: no call outlasts TRUNKLINE_MAX_CALL_S, so one that began longer ago is over.
    """
    refuse_unknown_arguments(JOB, context)
    if not context.database:
        return Report(Verdict.SKIPPED, "there is no records' database (TRUNKLINE_DATABASE)")
    now = datetime.fromtimestamp(context.wall(), UTC)
    longest = timedelta(seconds=context.settings.dialogue.max_call_s) + SPARE
    span = (now - PAST - longest, now - longest)
    async with alone(context.database, JOB.name) as free:
        if not free:
            return Report(Verdict.SKIPPED, "another run is under way")
        async with connected(context.database) as connection:
            if context.dry_run:
                count = await connection.fetchval(_queries()["lost_calls"], *span)
            else:
                count = len(await connection.fetch(_queries()["close_lost_calls"], *span))
    verb = "would be ended" if context.dry_run else "ended"
    return Report(Verdict.OK, f"{count} calls that were lost with their machine {verb}", {}, {"ended": float(count)})


JOB: Final = Job(
    name="endings",
    help="End the record of calls whose machine was lost before their end was told.",
    run=run,
    schedule="*/15 * * * *",
)
