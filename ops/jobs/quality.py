"""The job that scores finished calls against eight criteria; see ``engine.quality``."""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from engine.agent.playbook import load_playbook
from engine.agent.playbooks import playbook_names
from engine.agent.ports import ChatModel
from engine.config import Settings
from engine.errors import ModelError
from engine.quality.business import business_of
from engine.quality.criteria import Business, Criterion, JudgedCall, Score, as_json, overall
from engine.quality.model import AnswerRefused, ask
from engine.quality.rows import judged_call
from engine.quality.rules import judge, with_model
from engine.records.report_sql import report_queries
from ops.jobs.connection import alone, connected, refuse_unknown_arguments
from ops.jobs.job import Job, JobContext, Report, Verdict

BATCH: Final = 200
SETTLED: Final = timedelta(minutes=5)
"""After its end a call's last events may still be on their way to the database."""
LOOKED_BACK: Final = timedelta(days=40)
MODEL_FAILURES: Final = 3
"""In a row, after which a run asks a model no more."""
_TOLD: Final = 20
"""Ids of calls that could not be scored, in the report."""
_NO_MODELS: Final = frozenset({"policy", "scripted"})

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Judge:
    """A chat model with what one run may spend on it."""

    models: Sequence[ChatModel]
    calls: int
    tokens: int
    asked: int = 0
    spent: int = 0
    failures: int = 0
    refused: int = 0
    in_a_row: Counter[int] = field(default_factory=Counter)
    """Failures of each model since its last judgement, by its place."""

    async def scores(self, call: JudgedCall) -> Mapping[Criterion, Score]:
        """What words decide; nothing where the model is not asked or gives no judgement."""
        usable = [place for place in range(len(self.models)) if self.in_a_row[place] < MODEL_FAILURES]
        if not usable or self.asked >= self.calls or self.spent >= self.tokens or not call.said_by("caller"):
            return {}
        self.asked += 1
        for place in usable:
            try:
                judgement = await ask(self.models[place], call)
            except AnswerRefused as error:
                self.refused += 1
                self.spent += error.tokens
                self.in_a_row[place] += 1
                logger.warning("a judgement was not used: %s", error)
                return {}
            except ModelError as error:
                self.failures += 1
                self.in_a_row[place] += 1
                logger.warning("a model gave no judgement (%s)", type(error).__name__)
                continue
            self.in_a_row[place] = 0
            self.spent += judgement.input_tokens + judgement.output_tokens
            return judgement.scores
        return {}


@dataclass(slots=True)
class Done:
    """What a run did."""

    scored: int = 0
    by_model: int = 0
    total: float = 0.0
    whys: Counter[str] = field(default_factory=Counter)
    not_scored: list[str] = field(default_factory=list)


async def run(context: JobContext) -> Report:
    """Raises JobFailed where the database fails: batches before that are written."""
    refuse_unknown_arguments(JOB, context)
    if not context.database:
        return Report(Verdict.SKIPPED, "there is no records' database (TRUNKLINE_DATABASE)")
    models = models_of(context.settings)
    started: list[ChatModel] = []
    try:
        for model in models:
            try:
                await model.start()
                started.append(model)
            except ModelError as error:
                logger.warning("a model is away (%s): it judges nothing this time", type(error).__name__)
        async with alone(context.database, JOB.name) as free:
            if not free:
                return Report(Verdict.SKIPPED, "another run is under way")
            reports = context.settings.reports
            judge_model = Judge(started, reports.quality_model_calls, reports.quality_model_tokens)
            return await _score_all(context, judge_model)
    finally:
        for model in models:
            await model.close()


def models_of(settings: Settings) -> list[ChatModel]:
    """The models that may judge, the first to be asked first; none where settings say so. Not started.

    Each by itself, without the breakers that running calls share: no score may cost a caller his model.
    """
    if settings.reports.quality_model == "off":
        return []
    from engine.speech.providers.factory import make_one_model  # noqa: PLC0415 - imports what it makes

    names = [name for name in settings.speech.llm.split(",") if name not in _NO_MODELS]
    return [make_one_model(name, settings) for name in names]


async def _score_all(context: JobContext, model: Judge) -> Report:
    now = datetime.fromtimestamp(context.wall(), UTC)
    businesses = _businesses(context.settings)
    done = Done()
    async with connected(context.database) as connection:
        async for calls in _batches(connection, now):
            scores = [row for call in calls if (row := await _scored(call, businesses, model, done)) is not None]
            if not context.dry_run:
                async with connection.transaction():
                    await connection.executemany(report_queries()["score_call"], scores)
    return _report(done, model, dry_run=context.dry_run)


def _businesses(settings: Settings) -> Mapping[str, Business]:
    found: dict[str, Business] = {}
    for name in playbook_names(settings.dialogue.playbook):
        playbook = load_playbook(name)
        found[playbook.name] = business_of(playbook)
    return found


_Rows = tuple[Mapping[str, Any], list[Mapping[str, Any]], list[Mapping[str, Any]]]
"""A call, its turns, its tools."""


async def _batches(connection: Any, now: datetime) -> AsyncIterator[list[_Rows]]:
    """Calls to be scored, each seen once, so that one which cannot be scored keeps no other waiting."""
    queries = report_queries()
    last_end, last_id = now - LOOKED_BACK - timedelta(days=1), UUID(int=0)
    while True:
        calls = await connection.fetch(
            queries["calls_to_score"], now - SETTLED, now - LOOKED_BACK, last_end, last_id, BATCH
        )
        if not calls:
            return
        last_end, last_id = calls[-1]["ended_at"], calls[-1]["id"]
        span = min(call["started_at"] for call in calls), max(call["started_at"] for call in calls)
        ids = [call["id"] for call in calls]
        turns = _by_call(await connection.fetch(queries["turns_of"], *span, ids))
        tools = _by_call(await connection.fetch(queries["tools_of"], *span, ids))
        yield [(call, turns[call["id"]], tools[call["id"]]) for call in calls]


def _by_call(rows: Sequence[Mapping[str, Any]]) -> Mapping[UUID, list[Mapping[str, Any]]]:
    found: defaultdict[UUID, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["call_id"]].append(row)
    return found


async def _scored(
    rows: _Rows, businesses: Mapping[str, Business], model: Judge, done: Done
) -> tuple[datetime, UUID, str, float | None] | None:
    """Arguments of ``score_call``; None where the call is not as it should be: the others go on."""
    row = rows[0]
    try:
        call = judged_call(*rows)
        scores = judge(call, businesses.get(row["playbook"], Business()))
        judged = await model.scores(call)
    except Exception as error:  # one strange call stops no other
        logger.warning("a call was not scored (%s)", type(error).__name__, extra={"call_id": str(row["id"])})
        done.not_scored.append(str(row["id"]))
        return None
    scores = with_model(scores, judged)
    mean = overall(scores)
    done.scored += 1
    done.by_model += bool(judged)
    done.total += mean or 0.0
    done.whys.update(f"{criterion.value}:{score.why}" for criterion, score in scores.items())
    return row["started_at"], row["id"], json.dumps(as_json(scores)), mean


def _report(done: Done, model: Judge, *, dry_run: bool) -> Report:
    left = len(done.not_scored)
    mean = done.total / done.scored if done.scored else 0.0
    verb = "would be scored" if dry_run else "scored"
    summary = f"{done.scored} calls {verb}, mean {mean:.2f}, {done.by_model} with the model's help"
    if left:
        summary += f"; {left} could not be"
    told = {name: getattr(model, name) for name in ("asked", "refused", "failures", "spent")}
    details = {"model": told, "not_scored": done.not_scored[:_TOLD], "whys": dict(sorted(done.whys.items()))}
    figures = {
        "calls": float(done.scored),
        "not_scored": float(left),
        "mean": round(mean, 4),
        "model_calls": float(model.asked),
        "model_tokens": float(model.spent),
    }
    return Report(Verdict.FAILED if left and not done.scored else Verdict.OK, summary, details, figures)


JOB: Final = Job(
    name="quality",
    help="Score finished calls against eight criteria.",
    run=run,
    schedule="*/30 * * * *",
)
