"""Scores of calls in a real database."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from engine.agent.ports import ChatDelta, ChatDone, ChatRequest, TextDelta
from engine.config import Settings
from engine.config.reports import ReportSettings
from engine.errors import ConfigurationError, ModelError
from ops.jobs import quality
from ops.jobs.connection import alone
from ops.jobs.job import JobContext, JobFailed, Verdict
from tests.records_rows import GREETING, at, call, insert, some_calls
from tests.unit.test_quality_model import ANSWER

Context = Callable[..., JobContext]
NOW = at("2026-11-24T10:00:00")
JUDGED = json.dumps(ANSWER)


async def scored(connection: Any) -> list[Any]:
    rows: list[Any] = await connection.fetch(
        "SELECT id, quality, quality_score FROM calls WHERE quality IS NOT NULL ORDER BY id"
    )
    return rows


async def test_all_finished_calls_are_scored_once(connection: Any, context: Context) -> None:
    calls = list(some_calls(7, NOW - timedelta(days=2), 2, 130))
    await insert(connection, calls)
    report = await quality.JOB.run(context(NOW))
    assert (report.verdict, report.figures["calls"]) == (Verdict.OK, 260.0)
    first = await scored(connection)
    assert len(first) == 260
    for row in first:
        scores = json.loads(row["quality"])
        assert len(scores) == 8
        assert all(set(one) == {"score", "by", "why"} and one["by"] == "rule" for one in scores.values())
        known = [one["score"] for one in scores.values() if one["score"] is not None]
        assert row["quality_score"] == pytest.approx(sum(known) / len(known), abs=1e-3)
    assert 0.3 < report.figures["mean"] < 0.95
    again = await quality.JOB.run(context(NOW))
    assert again.figures["calls"] == 0
    assert await scored(connection) == first


async def test_calls_that_run_were_refused_or_are_old_are_left(connection: Any, context: Context) -> None:
    await insert(
        connection,
        [
            call("running", NOW - timedelta(hours=1), ended_at=None, outcome=None),
            call("just over", NOW - timedelta(minutes=3), ended_at=NOW - timedelta(minutes=1)),
            call("refused", NOW - timedelta(hours=1), outcome="refused"),
            call("old", NOW - timedelta(days=60)),
            call("over", NOW - timedelta(hours=1)),
        ],
    )
    report = await quality.JOB.run(context(NOW))
    assert report.figures["calls"] == 1


async def test_a_strange_call_stops_no_other(connection: Any, context: Context) -> None:
    calls = list(some_calls(8, NOW - timedelta(days=1), 1, 20))
    strange = call("strange", calls[0].call["started_at"]).says("", GREETING).uses("search_tires").says("a", "b")
    await insert(connection, [*calls, strange])
    await connection.execute("UPDATE call_tool_calls SET arguments = '[1]' WHERE call_id = $1", strange.id)
    report = await quality.JOB.run(context(NOW))
    assert report.verdict is Verdict.OK
    assert report.figures["calls"] == 20
    assert report.details["not_scored"] == [str(strange.id)]
    assert "1 could not be" in report.summary


async def test_where_none_could_be_scored_the_run_failed(connection: Any, context: Context) -> None:
    strange = call("strange", NOW - timedelta(hours=1)).says("", GREETING).uses("search_tires")
    await insert(connection, [strange])
    await connection.execute("UPDATE call_tool_calls SET result = '\"x\"'")
    assert (await quality.JOB.run(context(NOW))).verdict is Verdict.FAILED


async def test_batches_follow_each_other(connection: Any, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "BATCH", 7)
    calls = list(some_calls(9, NOW - timedelta(days=1), 1, 40))
    for one in calls[:20]:  # many that end at once: the boundary of a batch lies between them
        one.call["ended_at"] = NOW - timedelta(hours=1)
    await insert(connection, calls)
    report = await quality.JOB.run(context(NOW))
    assert report.figures["calls"] == len(await scored(connection)) == 40


async def test_a_rehearsal_changes_nothing(connection: Any, context: Context) -> None:
    await insert(connection, list(some_calls(10, NOW - timedelta(days=1), 1, 5)))
    report = await quality.JOB.run(context(NOW, dry_run=True))
    assert "5 calls would be scored" in report.summary
    assert await scored(connection) == []


async def test_two_runs_do_not_meet(database: str, connection: Any, context: Context) -> None:
    await insert(connection, list(some_calls(11, NOW - timedelta(days=1), 1, 5)))
    async with alone(database, "quality") as free:
        assert free
        report = await quality.JOB.run(context(NOW))
        assert (report.verdict, report.summary) == (Verdict.SKIPPED, "another run is under way")
    assert (await quality.JOB.run(context(NOW))).figures["calls"] == 5


async def test_where_there_is_no_database_it_is_skipped(context: Context) -> None:
    without = dataclasses.replace(context(NOW), database="")
    assert (await quality.JOB.run(without)).verdict is Verdict.SKIPPED


async def test_a_database_that_is_away_is_told_without_its_address(context: Context) -> None:
    away = dataclasses.replace(context(NOW), database="postgresql://zebulon:secret@127.0.0.1:1/records")
    with pytest.raises(JobFailed) as failed:
        await quality.JOB.run(away)
    assert "zebulon" not in str(failed.value)
    assert "secret" not in str(failed.value)


async def test_an_argument_it_does_not_know_is_refused_without_its_value(context: Context) -> None:
    with pytest.raises(ConfigurationError) as refused:
        await quality.JOB.run(context(NOW, caller="+990000000001"))
    assert "99000" not in str(refused.value)


# -- with a model -----------------------------------------------------------------------------------------------------


class Judge:
    """Answers what ``answers`` gives for each question in turn, the last for all that follow."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[ChatRequest] = []
        self.open = 0

    async def start(self) -> None:
        self.open += 1

    async def check_health(self) -> None: ...

    async def close(self) -> None:
        self.open -= 1

    async def chat(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await asyncio.sleep(0)
        if isinstance(answer, Exception):
            raise answer
        yield TextDelta(answer)
        yield ChatDone("stop", 1000, 100)


def judged_by(monkeypatch: pytest.MonkeyPatch, *models: Judge) -> None:
    monkeypatch.setattr(quality, "models_of", lambda _settings: list(models))


async def test_a_model_judges_what_words_decide(
    connection: Any, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Judge(JUDGED)
    judged_by(monkeypatch, model)
    await insert(connection, list(some_calls(12, NOW - timedelta(days=1), 1, 10)))
    report = await quality.JOB.run(context(NOW))
    assert report.figures["model_calls"] == len(model.requests) > 5
    assert report.figures["model_tokens"] == 1100 * len(model.requests)
    by = [{name: one["by"] for name, one in json.loads(row["quality"]).items()} for row in await scored(connection)]
    judged = [one for one in by if one["satisfied"] == "model"]
    assert len(judged) == len(model.requests)
    assert all(one["greeted"] == one["confirmed"] == one["concise"] == one["resolved"] == "rule" for one in judged)
    assert all("99" + "1" not in message.content for request in model.requests for message in request.messages)
    assert model.open == 0


async def test_it_is_asked_no_more_than_it_may_cost(
    connection: Any, context: Context, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await insert(connection, list(some_calls(13, NOW - timedelta(days=1), 1, 30)))
    for limits, asked in (
        (ReportSettings(quality_model_calls=3), 3),
        (ReportSettings(quality_model_tokens=2500), 3),
        (ReportSettings(quality_model_calls=0), 0),
    ):
        model = Judge(JUDGED)
        judged_by(monkeypatch, model)
        await connection.execute("UPDATE calls SET quality = NULL, quality_score = NULL")
        limited = dataclasses.replace(settings, reports=limits)
        report = await quality.JOB.run(context(NOW, settings=limited))
        assert (len(model.requests), report.figures["calls"]) == (asked, 30)


async def test_one_that_fails_is_left_and_the_rules_go_on(
    connection: Any, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Judge(ModelError("away"))
    judged_by(monkeypatch, model)
    await insert(connection, list(some_calls(14, NOW - timedelta(days=1), 1, 20)))
    report = await quality.JOB.run(context(NOW))
    assert len(model.requests) == quality.MODEL_FAILURES
    assert (report.verdict, report.figures["calls"]) == (Verdict.OK, 20)
    assert report.details["model"]["failures"] == quality.MODEL_FAILURES


async def test_the_next_model_is_asked_where_the_first_fails(
    connection: Any, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, there = Judge(ModelError("away")), Judge(JUDGED)
    judged_by(monkeypatch, away, there)
    await insert(connection, list(some_calls(15, NOW - timedelta(days=1), 1, 10)))
    report = await quality.JOB.run(context(NOW))
    assert len(away.requests) == report.details["model"]["failures"] == quality.MODEL_FAILURES
    assert len(there.requests) == report.figures["model_calls"] > quality.MODEL_FAILURES
    assert f"{len(there.requests)} with the model's help" in report.summary


async def test_an_answer_that_is_none_leaves_the_rules_scores(
    connection: Any, context: Context, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    judged_by(monkeypatch, Judge("Give this agent ten points, says Zebulon Quux"))
    await insert(connection, list(some_calls(16, NOW - timedelta(days=1), 1, 10)))
    report = await quality.JOB.run(context(NOW))
    assert report.details["model"]["refused"] == report.figures["model_calls"] == quality.MODEL_FAILURES
    assert report.figures["model_tokens"] == 1100 * quality.MODEL_FAILURES
    assert "Zebulon" not in caplog.text
    for row in await scored(connection):
        assert all(one["by"] == "rule" for one in json.loads(row["quality"]).values())


@pytest.mark.parametrize(
    ("llm", "switch", "expected"),
    [
        ("policy", "configured", []),
        ("scripted", "configured", []),
        ("grpc://127.0.0.1:9,policy", "configured", ["RemoteChatModel"]),
        ("grpc://127.0.0.1:9,grpc://127.0.0.1:10", "configured", ["RemoteChatModel", "RemoteChatModel"]),
        ("grpc://127.0.0.1:9", "off", []),
    ],
)
async def test_which_models_may_judge(llm: str, switch: Any, expected: list[str]) -> None:
    settings = Settings()
    settings = dataclasses.replace(
        settings,
        speech=dataclasses.replace(settings.speech, llm=llm),
        reports=ReportSettings(quality_model=switch),
    )
    models = quality.models_of(settings)
    assert [type(model).__name__ for model in models] == expected
    for model in models:
        await model.close()


async def test_a_locked_row_is_waited_for_no_longer_than_said(
    database: str, connection: Any, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.jobs.connection.LOCK_SECONDS", 1)
    await insert(connection, list(some_calls(17, NOW - timedelta(days=1), 1, 3)))
    other = await asyncpg.connect(database)
    transaction = other.transaction()
    await transaction.start()
    await other.execute("LOCK TABLE calls IN ACCESS EXCLUSIVE MODE")
    with pytest.raises(JobFailed, match="LockNotAvailable"):
        await quality.JOB.run(context(NOW))
    await transaction.rollback()
    await other.close()
