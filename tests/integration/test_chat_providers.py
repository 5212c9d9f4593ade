"""Hosted chat models against local servers of their protocols: what is sent, what is read, and each way to fail."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from engine.agent.ports import (
    ChatDone,
    ChatModel,
    ChatRequest,
    Message,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolSpec,
)
from engine.agent.tokens import ModelUse
from engine.errors import ConfigurationError, ModelDenied, ModelError, ModelRefused
from tests.chat_servers.anthropic_server import broken_rule
from tests.chat_servers.script import KEY, Answer, Call
from tests.chat_servers.served import (
    ASKED,
    PROTOCOLS,
    SAID,
    anthropic_model,
    ask,
    connected,
    openai_model,
    stream,
    tokens_of,
)


@pytest.fixture(params=list(PROTOCOLS))
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_text_comes_as_it_is_made_with_its_tokens(protocol: str) -> None:
    async with connected(protocol) as (server, model):
        *texts, done = await ask(model)
        assert texts == [TextDelta("Hello"), TextDelta(" there.")]
        assert isinstance(done, ChatDone)
        assert (done.reason, done.output_tokens) == ("stop", 7)
        assert done.input_tokens
        assert len(server.seen) == 1


async def test_tool_calls_are_put_together_from_fragments(protocol: str) -> None:
    calls = (
        Call("look", ('{"si', 'ze": 2', "05}"), id="one"),
        Call("look", ("{not JSON",), id="two"),
    )
    async with connected(protocol, Answer(texts=("One moment.",), calls=calls)) as (_, model):
        assert (await ask(model))[:-1] == [
            TextDelta("One moment."),
            ToolCallDelta(ToolCall("one", "look", '{"size": 205}')),
            ToolCallDelta(ToolCall("two", "look", "{not JSON")),  # the tool layer refuses it
        ]


async def test_an_answer_of_calls_alone(protocol: str) -> None:
    async with connected(protocol, Answer(calls=(Call("look"),))) as (_, model):
        call, done = await ask(model)
        assert call == ToolCallDelta(ToolCall("call_1", "look", "{}"))
        assert isinstance(done, ChatDone)
        assert done.reason == "tool_calls"


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "length"), ("stop", "stop"), ("max_tokens", "length"), ("end_turn", "stop")]
)
async def test_why_it_ended(protocol: str, finish: str, reason: str) -> None:
    if (protocol == "openai") != (finish in {"length", "stop"}):
        return
    async with connected(protocol, Answer(finish=finish)) as (_, model):
        done = (await ask(model))[-1]
        assert isinstance(done, ChatDone)
        assert done.reason == reason


STATUSES = [
    (400, ModelRefused),
    (401, ModelDenied),
    (403, ModelDenied),
    (404, ModelDenied),
    (307, ModelDenied),
    (413, ModelRefused),
    (429, ModelError),
    (500, ModelError),
    (503, ModelError),
    (529, ModelError),
]


@pytest.mark.parametrize(("status", "error"), STATUSES)
async def test_a_status_says_whether_to_ask_again_and_nothing_of_what_was_said(
    protocol: str, status: int, error: type[ModelError]
) -> None:
    told = f"{SAID} {KEY}"
    body = {"error": {"message": told, "type": "some_error", "code": "some_code", "param": told}}
    refusal = Answer(status=status, body=body, headers=(("Location", "http://127.0.0.1:9/"),))
    async with connected(protocol, refusal) as (server, model):
        with pytest.raises(ModelError) as caught:
            await ask(model)
    assert type(caught.value) is error
    assert caught.value.retryable is (error is ModelError)
    assert f"HTTP {status}" in str(caught.value)
    assert "canary" not in str(caught.value)
    assert KEY not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert len(server.seen) == 1  # nobody tries again behind our back


WRONG_TYPES = (
    'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0, '
    '"delta": {"type": "text_delta", "text": 7}, "choices": [{"index": 0, "delta": {"content": 7}}]}\n\n'
)
FAULTS = {
    "slow headers": Answer(before=5),
    "slow first word": Answer(silent=5),
    "cut before the first word": Answer(events=1),
    "empty": Answer(texts=(" ",)),
    "garbage": Answer(garbage="data: {not JSON\n\nevent: message_delta\ndata: {not JSON\n\n"),
    "numbers for texts": Answer(garbage=WRONG_TYPES),
    "error in the stream": Answer(error={"type": "overloaded_error", "code": "overloaded_error", "message": SAID}),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_a_failure_before_the_first_word(protocol: str, fault: Answer) -> None:
    async with connected(protocol, fault, first_s=0.3) as (_, model):
        with pytest.raises(ModelError) as caught:
            await ask(model)
        assert caught.value.retryable
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "fault", [Answer(events=4, texts=("Hello", " again", ".")), Answer(pause=0.6)], ids=["cut", "stalls"]
)
async def test_a_failure_after_the_first_word(protocol: str, fault: Answer) -> None:
    async with connected(protocol, fault, first_s=5, next_s=0.3) as (_, model):
        async with aclosing(stream(model)) as deltas:
            assert await anext(deltas) == TextDelta("Hello")
            with pytest.raises(ModelError) as caught:
                async for _ in deltas:
                    pass
        assert caught.value.retryable


async def test_an_answer_without_end_is_ended(protocol: str) -> None:
    async with connected(protocol, Answer(texts=("word ",), endless=True), max_tokens=16) as (server, model):
        *texts, done = await ask(model)
        assert isinstance(done, ChatDone)
        assert done.reason == "length"
        assert sum(len(delta.text) for delta in texts if isinstance(delta, TextDelta)) < 300
        async with asyncio.timeout(5):
            await server.seen[0].left.wait()


async def test_a_declined_answer_is_not_asked_for_again(protocol: str) -> None:
    declined = Answer(texts=(), finish="content_filter" if protocol == "openai" else "refusal")
    async with connected(protocol, declined) as (_, model):
        with pytest.raises(ModelRefused):
            await ask(model)


async def test_cancelling_a_question_closes_the_connection(protocol: str) -> None:
    for answer in (Answer(before=60), Answer(silent=60), Answer(pause=60)):
        async with connected(protocol, answer, first_s=5, next_s=5) as (server, model):
            asking = asyncio.create_task(ask(model))
            async with asyncio.timeout(5):
                await server.asked.wait()
                asking.cancel()
                await asyncio.wait([asking])
                await server.seen[0].left.wait()
            assert asking.cancelled()


async def test_leaving_in_the_middle_stops_the_server(protocol: str) -> None:
    async with connected(protocol, Answer(texts=("Hello", " again"), endless=True)) as (server, model):
        deltas = stream(model)
        await anext(deltas)
        await deltas.aclose()
        async with asyncio.timeout(5):
            await server.seen[0].left.wait()
        # … and the next question is answered as if nothing had been.
        server._answers = [Answer()]
        assert isinstance((await ask(model))[-1], ChatDone)


async def test_a_server_that_is_not_there(protocol: str) -> None:
    model = PROTOCOLS[protocol][1]("http://127.0.0.1:9")
    for attempt in (ask(model), model.start(), model.check_health()):
        with pytest.raises(ModelError, match=r"127\.0\.0\.1:9 cannot be reached") as caught:
            await attempt
        assert caught.value.retryable
    await model.close()


async def test_a_wrong_key_is_refused_at_start_by_the_settings_name(protocol: str) -> None:
    async with connected(protocol, key="wrong-key") as (server, model):
        with pytest.raises(ConfigurationError, match=r"refuses the key .*check TRUNKLINE_\w+_KEY") as caught:
            await model.start()
        assert "wrong-key" not in str(caught.value)
        assert (server.checks, server.seen) == (1, [])  # nothing was paid for it


async def test_an_unknown_model_is_refused_at_start(protocol: str) -> None:
    async with connected(protocol, model="test-modal") as (_, model):
        with pytest.raises(ConfigurationError, match=r"TRUNKLINE_\w+_MODEL"):
            await model.start()


async def test_a_check_asks_for_no_answer(protocol: str) -> None:
    async with connected(protocol) as (server, model):
        await model.start()
        await model.check_health()
        server.check_status = 503
        with pytest.raises(ModelError, match="HTTP 503"):
            await model.check_health()
        assert server.seen == []


CONVERSATION = (
    Message("system", "You sell tyres."),
    Message("assistant", "Good day, tyres here."),
    Message("user", "Do you have"),
    Message("user", "winter tyres?"),
    Message("assistant", "We have many, and", interrupted=True),
    Message("user", "205 55 16"),
    Message("assistant", "", tool_calls=(ToolCall("a.1", "look", '{"size": 205}'), ToolCall("b", "look", "{oops"))),
    Message("tool", '{"ok": true}', tool_call_id="a.1"),
    Message("tool", '{"ok": false}', tool_call_id="nobody"),
    Message("assistant", "  "),
    Message("user", "And?"),
)


async def test_the_conversation_as_openai_takes_it() -> None:
    async with connected("openai", max_tokens=99, temperature=0.5) as (server, model):
        await ask(model, ChatRequest(CONVERSATION, ASKED.tools))
        sent = server.seen[0].body
    system, *messages = sent.pop("messages")
    assert system["content"].startswith("You sell tyres.")
    assert "interrupted" in system["content"]
    assert messages[3] == {"role": "assistant", "content": "We have many, and —"}
    assert [call["id"] for call in messages[5]["tool_calls"]] == ["a_1", "b"]
    assert json.loads(messages[5]["tool_calls"][1]["function"]["arguments"]) == {"unreadable": "{oops"}
    assert [(m["role"], m.get("tool_call_id")) for m in messages[6:]] == [
        ("tool", "a_1"),
        ("tool", "b"),
        ("user", None),
    ]
    assert "not_run" in messages[7]["content"]
    assert sent == {
        "model": "test-model",
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "max_tokens": 99,
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "look",
                    "description": "Looks.",
                    "parameters": json.loads(ASKED.tools[0].parameters),
                },
            }
        ],
    }


@pytest.mark.parametrize("tools", [ASKED.tools, ()], ids=["tools", "the last round has none"])
async def test_the_conversation_as_anthropic_takes_it(tools: tuple[ToolSpec, ...]) -> None:
    async with connected("anthropic") as (server, model):
        await ask(model, ChatRequest(CONVERSATION, tools))
        sent = server.seen[0].body
    assert broken_rule(sent) == ""
    assert sent["system"].startswith("You sell tyres.")
    assert sent.get("tool_choice") == (None if tools else {"type": "none"})
    roles = [message["role"] for message in sent["messages"]]
    assert roles == ["user", "assistant", "user", "assistant", "user", "assistant", "user"]
    *_, asked, last = sent["messages"]
    assert [block["type"] for block in last["content"]] == ["tool_result", "tool_result", "text"]
    assert asked["content"][1] == {"type": "tool_use", "id": "b", "name": "look", "input": {"unreadable": "{oops"}}


async def test_a_server_without_keys_is_sent_none() -> None:
    class Open(PROTOCOLS["openai"][0]):  # type: ignore[misc]
        def authorized(self, request: Any) -> bool:
            return "Authorization" not in request.headers

    async with Open() as server:
        model = openai_model(server.url, key="")
        assert isinstance((await ask(model))[-1], ChatDone)
        await model.close()


async def test_a_server_that_does_not_list_its_models_is_taken_at_its_word() -> None:
    async with connected("openai", model="anything") as (server, model):
        server.check_status = 404
        await model.start()
    async with connected("openai", model="test") as (server, model):
        server.check_body = {"data": [{"id": "test:latest"}]}
        await model.start()


async def test_calls_that_come_whole_and_without_index_or_id() -> None:
    whole = "".join(
        f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'tool_calls': [call]}}]})}\n\n"
        for call in (
            {"function": {"name": "look", "arguments": "{}"}},
            {"id": "x", "function": {"name": "look", "arguments": '{"size": 1}'}},
        )
    )
    async with connected("openai", Answer(texts=(), garbage=whole)) as (_, model):
        calls = [delta.call for delta in await ask(model) if isinstance(delta, ToolCallDelta)]
        assert [call.arguments for call in calls] == ["{}", '{"size": 1}']
        assert all(call.id for call in calls)


@pytest.mark.parametrize("make", [openai_model, anthropic_model])
async def test_the_sdks_tell_nothing_even_where_everything_is_logged(
    make: Callable[..., ChatModel], caplog: pytest.LogCaptureFixture
) -> None:
    server_class = PROTOCOLS["openai" if make is openai_model else "anthropic"][0]
    with caplog.at_level(logging.DEBUG):
        async with server_class() as server:
            model = make(server.url)
            await ask(model)
            await model.close()
    told = "".join(record.getMessage() for record in caplog.records)
    assert "canary" not in told
    assert KEY not in told


async def test_a_connection_serves_turn_after_turn(protocol: str) -> None:
    async with connected(protocol) as (server, model):
        for _ in range(3):
            await ask(model)
        assert len({seen.peer for seen in server.seen}) == 1


async def test_tokens_that_a_provider_told_before_it_broke_off_are_counted(protocol: str) -> None:
    async with connected(protocol, Answer(events=4, texts=("Hello", " again", ".")), next_s=0.3) as (_, model):
        used = await tokens_of(model)
        assert (used.asked, used.unknown, used.output_tokens) == (1, 1, 0)
        assert (used.input_tokens > 0) == (protocol == "anthropic"), "the other tells at the end alone"


@pytest.mark.parametrize("status", [400, 401, 429, 500, 529])
async def test_an_error_in_place_of_an_answer_used_nothing(protocol: str, status: int) -> None:
    async with connected(protocol, Answer(status=status)) as (_, model):
        assert await tokens_of(model) == ModelUse()


async def test_a_server_that_is_not_there_used_nothing(protocol: str) -> None:
    async with connected(protocol) as (server, model):
        await server.__aexit__()
        assert await tokens_of(model) == ModelUse()
        await server.__aenter__()
