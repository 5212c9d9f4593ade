"""The metrics of the records: what the ingress makes of its outbox and of what the recorder tells."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from actors.journal import Journal
from actors.record_measures import RecordCollector
from engine.records.dead_letters import FILE
from engine.records.outbox import Outbox
from engine.records.recorder import STATUS

NOW = 1_780_000_100.0


def collected(tmp_path: Path, status: dict[str, Any] | None) -> dict[str, float]:
    outbox = Outbox(tmp_path / "outbox", segment_bytes=4096, reserve_bytes=4096)
    outbox.open()
    for number in range(10):
        outbox.append({"n": number})
    outbox.close()
    if status is not None:
        for one in status["outboxes"]:
            one.setdefault("outbox", outbox.folder.name)
        (outbox.folder / STATUS).write_text(json.dumps(status))
    registry = CollectorRegistry()
    RecordCollector(outbox, wall=lambda: NOW, registry=registry)
    return {
        f"{sample.name}{sample.labels.get('sink', '')}": sample.value
        for metric in registry.collect()
        for sample in metric.samples
    }


def test_what_is_set_aside_on_this_machine_is_told_by_its_size(tmp_path: Path) -> None:
    assert collected(tmp_path, None)["trunkline_dead_letters_bytes"] == 0
    (tmp_path / "outbox" / FILE).write_bytes(b"x" * 70)
    assert collected(tmp_path, None)["trunkline_dead_letters_bytes"] == 70


def place(sink: str, position: int, **more: Any) -> dict[str, Any]:
    given = {"sink": sink, "position": position, "base": 0, "offset": 0, "oldest_at": 0.0, "wrote_at": NOW - 3}
    return given | {"away": "", "passed_over": 0} | more


def counts(**more: int) -> dict[str, int]:
    return {"written": 0, "duplicates": 0, "dead": 0} | more


def test_what_waits_and_for_whom(tmp_path: Path) -> None:
    found = collected(
        tmp_path,
        {
            "at": NOW - 1,
            "sinks": {"postgresql": counts(written=4, dead=1), "redis": counts(written=10)},
            "outboxes": [
                place("postgresql", 4, oldest_at=NOW - 40, away="PostgreSQL takes no records now"),
                place("redis", 10, offset=150),
            ],
        },
    )
    assert found["trunkline_recorder_lag_secondspostgresql"] == 40
    assert found["trunkline_recorder_depth_eventspostgresql"] == 6
    assert found["trunkline_recorder_depth_bytespostgresql"] == 150
    assert found["trunkline_recorder_sink_uppostgresql"] == 0
    assert found["trunkline_recorder_dead_totalpostgresql"] == 1
    assert found["trunkline_recorder_last_write_timestamp_secondspostgresql"] == NOW - 3
    assert found["trunkline_recorder_lag_secondsredis"] == found["trunkline_recorder_depth_eventsredis"] == 0
    assert found["trunkline_recorder_sink_upredis"] == 1
    assert found["trunkline_recorder_depth_bytesredis"] == 0
    assert found["trunkline_outbox_appended_total"] == found["trunkline_outbox_written_total"] == 10


def test_a_recorder_that_is_gone_shows(tmp_path: Path) -> None:
    """It told that it had everything, and has told nothing since."""
    status = {"at": NOW - 300, "sinks": {"postgresql": counts()}, "outboxes": [place("postgresql", 7)]}
    found = collected(tmp_path, status)
    assert found["trunkline_recorder_lag_secondspostgresql"] == 300
    assert found["trunkline_recorder_depth_eventspostgresql"] == 3
    assert found["trunkline_recorder_sink_uppostgresql"] == 0


def test_without_a_recorder_the_outbox_is_told(tmp_path: Path) -> None:
    assert collected(tmp_path, None)["trunkline_outbox_written_total"] == 10


def test_each_event_is_given_its_id_and_its_time_and_is_kept() -> None:
    kept: list[Any] = []
    journal = Journal(keep=kept.append, wall=lambda: NOW)
    journal.open("a", began=NOW - 5)
    journal.add("a", {"type": "state", "t": 1.0, "state": "listening"})
    journal.add("a", {"type": "state", "t": 2.0, "state": "thinking"})
    record = journal.get("a")
    assert record is not None
    assert [one["event"] for one in kept] == list(record.events)
    assert kept[0]["event"]["id"] != kept[1]["event"]["id"]
    assert {(one["call"], one["began"], one["event"]["at"]) for one in kept} == {("a", NOW - 5, NOW)}
    assert next(iter(record.events[0])) == "type"


def test_a_record_begins_when_its_call_does() -> None:
    journal = Journal()
    before = time.time()
    assert before <= journal.open("a").began <= time.time()
    assert journal.open("a", began=7.0).began == 7.0, "an older call, adopted"
    assert journal.open("a").began == 7.0
