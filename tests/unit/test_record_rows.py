"""From events to rows: what the tables hold of a call."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.agent.result_ids import MOST_NUMBERS, result_facts, result_ids
from engine.records.rows import PoisonEventError, Rows, add
from tests.records_stage import CALLER, RecordedCall


def rows_of(*records: dict[str, Any]) -> Rows:
    rows = Rows()
    for record in records:
        add(rows, record)
    return rows


def test_a_whole_call() -> None:
    rows = rows_of(*RecordedCall().all())
    (facts,) = rows.facts
    assert (facts.caller, facts.playbook, facts.version, facts.language) == (CALLER, "tyre_shop", "abc", "en")
    assert [(row.turn, row.speaker, row.text) for row in rows.turns][:3] == [
        (0, "agent", "Good day."),
        (1, "caller", "where is my order four two seven one"),
        (1, "agent", "One moment."),
    ]
    assert [row.interrupted for row in rows.turns] == [False, False, True, False, False, False, False]
    assert [row.interrupted_at_ms for row in rows.turns] == [None, None, 640, None, None, None, None]
    assert rows.turns[1].confidence == 0.9
    assert rows.turns[1].stages == "{}"
    assert json.loads(rows.turns[2].stages)["first_audio"] == 0.6
    (done,) = rows.done
    assert (done.scenario, done.order_id, done.booking_id) == ("get_order_status", "4271", None)
    assert [mark.kind for mark in rows.marks] == ["failure", "takeover"]
    (ending,) = rows.endings
    assert (ending.next, ending.reason, ending.outcome) == ("hangup", "goodbye", None)
    assert len(rows.keys) == 1


@pytest.mark.parametrize(
    ("onward", "reason", "outcome", "transfer"),
    [
        ("operator", "caller_request", "transferred", "caller_request"),
        ("operator", "model_failed", "failed", "model_failed"),
        ("operator", "no_process", "failed", "no_process"),
        ("operator", "shutdown", "transferred", "shutdown"),
        ("hangup", "silence", None, None),
        ("hangup", "hangup", None, None),
    ],
)
def test_how_a_call_ended(onward: str, reason: str, outcome: str | None, transfer: str | None) -> None:
    (ending,) = rows_of(RecordedCall().ended(onward, reason)).endings
    assert (ending.outcome, ending.transfer_reason) == (outcome, transfer)


def test_a_refused_call_is_a_call() -> None:
    (ending,) = rows_of(RecordedCall().event("refused", reason="capacity")).endings
    assert (ending.outcome, ending.next, ending.reason) == ("refused", "operator", "capacity")


def test_a_tool_that_failed_does_nothing_for_the_call() -> None:
    rows = rows_of(RecordedCall().tool("confirm_order", ok=False, error="store_unavailable", turn=None))
    assert not rows.done
    assert not rows.callbacks
    (tool,) = rows.tools
    assert (tool.success, tool.error, tool.turn, tool.result) == (False, "store_unavailable", None, None)


def test_a_promised_call_back_is_one() -> None:
    call = RecordedCall()
    rows = rows_of(call.tool("end_call", arguments={"reason": "callback"}), call.tool("end_call", arguments={}))
    assert len(rows.callbacks) == 1
    assert [done.scenario for done in rows.done] == [None, None]


def test_who_the_customer_is() -> None:
    call = RecordedCall()
    rows = rows_of(
        call.tool("confirm_order", arguments={"customer_name": "Olena Koval"}),
        call.tool("book_appointment", arguments={"name": "Ivan"}),
        call.tool("get_order_status", arguments={"doctor_name": "House"}),
    )
    assert [done.name for done in rows.done] == ["Olena Koval", "Ivan", None]


def test_no_text_that_the_database_refuses() -> None:
    rows = rows_of(RecordedCall().turn(1, "a\x00b", "half \ud800"), RecordedCall().tool("x", arguments={"a": ["\x00"]}))
    assert [row.text for row in rows.turns] == ["a\ufffdb", "half ?"]
    assert "\\u0000" not in rows.tools[0].arguments


@pytest.mark.parametrize(
    "change",
    [
        {"call": "no uuid"},
        {"began": "yesterday"},
        {"began": 1e300},
        {"began": -1.0},  # the tables take no time before 1970, or after 9998
        {"began": 253_370_764_800.0},
        {"event": "nothing"},
        {"event": {"type": "turn", "id": "x", "at": 1}},
        {"event": {"type": "turn", "id": "00000000-0000-0000-0000-000000000000", "at": 1.0}},
    ],
)
def test_what_cannot_be_a_row_is_told(change: dict[str, Any]) -> None:
    with pytest.raises(PoisonEventError) as told:
        rows_of(RecordedCall().turn(1, "my name is Olena", "") | change)
    assert "Olena" not in str(told.value)


def test_events_without_a_table_are_passed_over() -> None:
    rows = rows_of(RecordedCall().event("partial", caller="x"), RecordedCall().event("something new"))
    assert not rows.keys


@pytest.mark.parametrize(
    ("answer", "ids"),
    [
        ({"order": {"number": "4271", "status": "sent", "items": "4 tyres"}, "found": True}, {"order_number": "4271"}),
        ({"draft": {"number": "77", "order_id": "o-1"}}, {"draft_number": "77", "order_id": "o-1"}),
        ({"booking": {"booking_id": 7, "customer_name": "Olena"}}, {"booking_id": "7"}),
        ({"appointment": {"id": "a-3", "doctor": "House"}}, {"appointment_id": "a-3"}),
        ({"found": False, "order_number": "4271"}, {}),
        ({"phone_number": "0501234567", "card_number": "4111", "name": "Olena"}, {}),
        ({"slots": [{"slot_id": "1"}], "station_id": None}, {}),
    ],
)
def test_of_a_tools_answer_the_ids_alone(answer: dict[str, Any], ids: dict[str, str]) -> None:
    assert result_ids(json.dumps(answer)) == ids


def test_of_a_tools_answer_the_numbers_too_but_nobodys() -> None:
    answer = {
        "data": [{"size": "205/55 R16", "price": 104.5, "in_stock": True}, {"price": 1999}],
        "slots": ["2026-11-23T10:30"],
        "order": {"number": "4271", "phone": "+99 000 000-00-01", "customer_name": "Olena 7"},
        "note": "call 050 123-45-67 or 0501234567, card 4111 1111 1111 1111",
    }
    facts = result_facts(json.dumps(answer))
    assert facts["order_number"] == "4271"
    assert facts["numbers"] == "205 55 16 104 5 1999 2026 11 23 10 30 4271"
    assert len(result_facts(json.dumps({"data": list(range(1000))}))["numbers"].split()) == MOST_NUMBERS


def test_an_answer_that_is_none() -> None:
    assert result_facts('{"found": false}') == {"numbers": ""}
    assert result_facts("no json") == {}
    assert result_ids("no json") == result_ids("[1]") == result_ids('"text"') == {}


@pytest.mark.parametrize(
    ("told", "columns"),
    [
        ({"asked": 2, "unknown": 0, "input_tokens": 900, "output_tokens": 40}, (2, 0, 900, 40)),
        ({"asked": 2, "unknown": 1, "input_tokens": 900, "output_tokens": 0}, (2, 1, 900, 0)),
        ({"asked": 1, "unknown": 1, "input_tokens": 900, "output_tokens": 0}, (1, 1, 900, None)),
        ({"asked": 1, "unknown": 1, "input_tokens": 0, "output_tokens": 0}, (1, 1, None, None)),
        ({"asked": 0, "unknown": 0, "input_tokens": 0, "output_tokens": 0}, (0, 0, 0, 0)),
        (None, (None, None, None, None)),
        ("much", (None, None, None, None)),
        ({"asked": -1, "unknown": "x", "input_tokens": 2**40, "output_tokens": None}, (None, None, None, None)),
    ],
)
def test_tokens_that_nobody_told_are_none_and_not_0(told: Any, columns: tuple[int | None, ...]) -> None:
    call = RecordedCall()
    fields = {} if told is None else {"model_use": told}
    turn, alone = rows_of(call.turn(1, "hello", "Hello.", **fields)).turns, rows_of(call.event("model_use", **fields))
    agent = turn[1]
    assert (agent.model_asked, agent.model_unknown, agent.input_tokens, agent.output_tokens) == columns
    assert turn[0].model_asked is None, "of the two rows of a turn one has them"
    (use,) = alone.model_uses
    assert (use.model_asked, use.model_unknown, use.input_tokens, use.output_tokens) == columns
