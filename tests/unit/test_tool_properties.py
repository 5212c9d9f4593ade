"""Whatever a model writes into a tool call, no value passes that nobody said or that is out of range."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.agent.ports import ToolCall
from engine.agent.speakable import spell_out
from engine.agent.tools import NOT_SAID, RefusedCallError
from engine.store.samples import SAMPLE_DAY
from tests.unit.shop_stage import PLAYBOOK, ShopCall

PHONE = "5551234567"
TOOLS = {tool.name: tool for tool in ShopCall().box.tools}
TIMES = [f"{hour:02d}:{minute:02d}" for hour in range(9, 18) for minute in (0, 30)]


def passes(call: ShopCall, tool: str, **arguments: Any) -> dict[str, Any] | None:
    """The arguments as checked; None where the call is refused."""
    try:
        return dict(call.check(tool, **arguments).arguments)
    except RefusedCallError:
        return None


@given(said=st.integers(0, 999), written=st.integers(-5, 1000))
@example(said=500, written=5)
@example(said=500, written=50)
@example(said=500, written=99)
@example(said=4, written=4)
@example(said=1, written=1)
def test_a_quantity_passes_only_as_said_and_within_its_limits(said: int, written: int) -> None:
    call = ShopCall(f"I want {said} tyres of T-1010, my phone is {PHONE}")
    checked = passes(call, "create_order_draft", product_id="T-1010", quantity=written, customer_phone=PHONE)
    assert (checked is not None) is (written == said and 1 <= written <= PLAYBOOK.max_quantity)


@given(said=st.integers(2, 99), written=st.integers(1, 99))
def test_a_quantity_in_words(said: int, written: int) -> None:
    call = ShopCall(f"I want {spell_out(str(said))} tyres of T-1010, my phone is {PHONE}")
    checked = passes(call, "create_order_draft", product_id="T-1010", quantity=written, customer_phone=PHONE)
    assert checked is None or written == said


@given(said=st.from_regex(r"[1-9][0-9]{3,7}", fullmatch=True), written=st.from_regex(r"[0-9]{3,12}", fullmatch=True))
def test_an_order_number_passes_only_as_said(said: str, written: str) -> None:
    spelled = ShopCall(f"my order is {' '.join(said)}")
    assert passes(spelled, "get_order_status", order_number=said) == {"order_number": said}
    if written != said:
        assert passes(spelled, "get_order_status", order_number=written) is None


@given(
    width=st.integers(100, 999), profile=st.integers(10, 99), diameter=st.integers(10, 99), other=st.integers(-1, 999)
)
def test_a_size_passes_only_as_said(width: int, profile: int, diameter: int, other: int) -> None:
    call = ShopCall(f"{width}/{profile} R{diameter}")
    for part, value in (("width", width), ("profile", profile), ("diameter", diameter)):
        written = {"width": width, "profile": profile, "diameter": diameter, part: other}
        if other not in {width, profile, diameter, value}:
            assert passes(call, "search_tires", **written) is None


@given(ahead=st.integers(0, 60), other=st.integers(-400, 800), at=st.sampled_from(TIMES), or_at=st.sampled_from(TIMES))
def test_a_booking_passes_only_as_said_and_read_back(ahead: int, other: int, at: str, or_at: str) -> None:
    day, another = (SAMPLE_DAY + timedelta(days=days) for days in (ahead, other))
    call = _with_station(f"a fitting in Kyiv on {_day(day)} at {at}")
    call.asked(f"Harbour Street workshop on {_day(day)} at {at}. Shall I book it?", "Yes.")
    assert passes(call, "book_fitting", station_id="S-1", date=day.isoformat(), time=at) is not None
    if another != day:
        assert passes(call, "book_fitting", station_id="S-1", date=another.isoformat(), time=at) is None
    if or_at != at:
        assert passes(call, "book_fitting", station_id="S-1", date=day.isoformat(), time=or_at) is None
    assert passes(call, "book_fitting", station_id="S-2", date=day.isoformat(), time=at) is None


def _day(day: date) -> str:
    return f"{day:%A}, {day.day} {day:%B} {day.year}"


def _with_station(words: str) -> ShopCall:
    """The stations of Kyiv as a tool returned them."""
    call = ShopCall(words)
    listed = {"ok": True, "stations": [{"station_id": "S-1", "name": "Harbour Street workshop"}, {"station_id": "S-2"}]}
    call.offer("get_fitting_stations", {"city": "Kyiv"}, listed)
    return call


@given(
    total=st.integers(1, 9999),
    spoken=st.integers(1, 9999),
    number=st.integers(90_001, 90_099),
    spoken_number=st.integers(90_001, 90_099),
    answer=st.sampled_from(["Yes.", "yes please", "No.", "yes but wait", "hm", "what?", "I don't know", "cancel"]),
)
@example(total=448, spoken=448, number=90_001, spoken_number=90_001, answer="Yes.")
@example(total=448, spoken=448, number=90_001, spoken_number=90_001, answer="No.")
def test_an_order_passes_only_with_its_own_number_and_total_and_a_yes(
    total: int, spoken: int, number: int, spoken_number: int, answer: str
) -> None:
    call = ShopCall("I pay by card")
    content = {"ok": True, "order_number": str(number), "total": f"{total}.00"}
    call.offer("update_order_delivery", {"order_number": str(number)}, content)
    call.asked(f"Order {spoken_number}, {spoken} euros in total, by card. Shall I place it?", answer)
    checked = passes(call, "confirm_order", order_number=str(number), payment_method="card")
    right = (total, number) == (spoken, spoken_number) and answer in {"Yes.", "yes please"}
    assert (checked is not None) is right


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=30),
    st.sampled_from([NOT_SAID, "T-1010", "4", 4, "2026-11-28", "10:00", "S-1", "B-7001", "Kyiv", "winter", "card"]),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)


@pytest.mark.parametrize("name", TOOLS)
@given(data=st.data())
def test_garbage_is_refused_or_left_out(name: str, data: st.DataObject) -> None:
    """The caller said nothing of use: what passes are enumerations, free words, and a search from today."""
    tool = TOOLS[name]
    arguments = {argument.name: data.draw(VALUES) for argument in tool.arguments if data.draw(st.booleans())}
    checked = passes(ShopCall("hello there"), name, **arguments)
    if checked is None:
        return
    known = {argument.name: argument for argument in tool.arguments}
    for argument, value in checked.items():
        assert known[argument].choices or argument == "query"
        assert value in known[argument].choices or isinstance(value, str)
    assert not tool.mutates


@given(text=st.text(max_size=200))
@example(text='{"order_number": "5501"} trailing')
@example(text="[" * 150)
@example(text='{"order_number": NaN}')
def test_arguments_that_are_no_json_are_refused(text: str) -> None:
    call = ShopCall("order 5501")
    try:
        parsed = json.loads(text or "{}")
    except ValueError:
        parsed = None
    with pytest.raises(RefusedCallError):
        call.box.check(
            ToolCall("x", "get_order_status", text if parsed != {"order_number": "5501"} else "["), call.said
        )
