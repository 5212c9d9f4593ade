"""A chain of models: who answers, who is passed over, what counts against whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from engine.agent.ports import (
    ChatDelta,
    ChatDone,
    ChatModel,
    ChatRequest,
    Message,
    TextDelta,
    TokensTold,
    ToolCall,
    ToolCallDelta,
)
from engine.agent.tokens import ModelUse
from engine.breaker import Breaker, BreakerReading, Breakers
from engine.errors import BreakerOpen, ConfigurationError, ModelDenied, ModelError, ModelRefused
from engine.speech.chain import Attempt, Member, breaker_name
from engine.speech.chain_models import ModelChain, counts_against_it
from tests.chat_servers.served import tokens_of
from tests.unit.agent_stage import ReplayModel, Step, broken, on_virtual_time

ASKED = ChatRequest((Message("user", "hello"),))
CALL = ToolCall("c", "look", "{}")


class Counting:
    """A breaker that writes down what it is told."""

    def __init__(self) -> None:
        self.open = False
        self.told: list[str] = []

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[Attempt]:
        if self.open:
            raise BreakerOpen("resting", retry_in=9)
        try:
            yield self
        except (asyncio.CancelledError, GeneratorExit):
            self.told.append("dropped")
            raise
        except Exception:
            self.told.append("failure")
            raise
        self.told.append("success")

    def worked(self) -> None:
        """The same word as at the end."""


class Link:
    """A member, with what a test sees of it."""

    def __init__(self, name: str, *rounds: list[Step], outside: bool = True) -> None:
        self.model = ReplayModel(*rounds)
        self.breaker = Counting()
        self.member: Member[ChatModel] = Member(name, self.model, self.breaker, outside)


async def ask(chain: ModelChain) -> list[ChatDelta]:
    """The answer, without what is told of tokens."""
    return [delta async for delta in chain.chat(ASKED) if not isinstance(delta, TokensTold)]


async def use_of(chain: ModelChain) -> ModelUse:
    """What a call counts of one answer."""
    return await tokens_of(chain, request=ASKED)


@on_virtual_time
async def test_the_first_that_works_answers_and_the_others_are_not_asked() -> None:
    first, second = Link("one", ["Hello."]), Link("two")
    assert await ask(ModelChain([first.member, second.member])) == [TextDelta("Hello."), ChatDone("stop")]
    assert (first.breaker.told, second.model.requests) == (["success"], [])


@on_virtual_time
async def test_a_failure_before_the_first_output_goes_to_the_next() -> None:
    first, second = Link("one", [ModelError("no")]), Link("two", ["Hello."])
    assert await ask(ModelChain([first.member, second.member])) == [TextDelta("Hello."), ChatDone("stop")]
    assert (first.breaker.told, second.breaker.told) == (["failure"], ["success"])


@on_virtual_time
async def test_a_failure_after_the_first_output_is_raised() -> None:
    first, second = Link("one", ["Hel", ModelError("cut")]), Link("two")
    async with aclosing(ModelChain([first.member, second.member]).chat(ASKED)) as deltas:
        assert await anext(deltas) == TextDelta("Hel")
        with pytest.raises(ModelError, match="cut"):
            await anext(deltas)
    assert (first.breaker.told, second.model.requests) == (["failure"], [])


@on_virtual_time
async def test_an_open_breaker_is_passed_over_without_asking() -> None:
    first, second = Link("one"), Link("two", ["Hello."])
    first.breaker.open = True
    assert (await ask(ModelChain([first.member, second.member])))[0] == TextDelta("Hello.")
    assert first.model.requests == []


@on_virtual_time
async def test_the_tokens_of_all_that_were_asked_are_told() -> None:
    done = ChatDone("stop", 10, 3)
    first = Link("one", [TokensTold(900), ModelError("no")])
    second, third = Link("two", [ModelError("no")]), Link("three", ["Hello.", done])
    chain = ModelChain([first.member, second.member, third.member])
    assert await use_of(chain) == ModelUse(asked=3, unknown=2, input_tokens=910, output_tokens=3)
    assert first.breaker.told == ["failure"], "what is told of tokens is no sign of health"


@on_virtual_time
async def test_what_nobody_took_up_counts_for_nothing() -> None:
    resting, refusing = Link("one"), Link("two", [TokensTold(0, 0), ModelRefused("no")], [TokensTold(0, 0), broken()])
    resting.breaker.open = True
    chain = ModelChain([resting.member, refusing.member])
    assert await use_of(chain) == ModelUse()
    assert await use_of(chain) == ModelUse()


@on_virtual_time
async def test_an_answer_that_broke_off_is_counted_once() -> None:
    first, second = Link("one", [TokensTold(900), "Hel", ModelError("cut")]), Link("two")
    assert await use_of(ModelChain([first.member, second.member])) == ModelUse(1, 1, 900, 0)


@on_virtual_time
async def test_an_answer_of_tool_calls_alone_is_a_success() -> None:
    first = Link("one", [CALL])
    assert await ask(ModelChain([first.member])) == [ToolCallDelta(CALL), ChatDone("stop")]
    assert first.breaker.told == ["success"]


@on_virtual_time
async def test_a_refused_request_goes_on_and_does_not_count() -> None:
    first, second = Link("one", [ModelRefused("too long")]), Link("two", ["Hello."])
    assert (await ask(ModelChain([first.member, second.member])))[0] == TextDelta("Hello.")
    assert first.breaker.told == ["failure"]  # which counts_against_it takes back
    assert not counts_against_it(ModelRefused("too long"))
    assert counts_against_it(ModelDenied("wrong key"))
    assert counts_against_it(ModelError("down"))


@on_virtual_time
async def test_a_dropped_answer_does_not_count() -> None:
    first, second = Link("one", ["a", "b"], [1000.0]), Link("two")
    chain = ModelChain([first.member, second.member])
    async with aclosing(chain.chat(ASKED)) as deltas:
        await anext(deltas)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await ask(chain)
    assert first.breaker.told == ["dropped", "dropped"]
    assert first.model.closed_early == 2
    assert second.model.requests == []


@on_virtual_time
async def test_what_is_torn_down_does_not_count() -> None:
    class Torn(ReplayModel):
        def __init__(self) -> None:
            super().__init__()
            self.closed = asyncio.Event()

        async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
            yield TextDelta("a")
            await self.closed.wait()
            raise ModelError("the connection is gone")

        async def close(self) -> None:
            self.closed.set()

    breaker = Counting()
    chain = ModelChain([Member("one", Torn(), breaker, outside=True)])
    async with aclosing(chain.chat(ASKED)) as deltas:
        await anext(deltas)
        await chain.close()
        with pytest.raises(ModelError):
            await anext(deltas)
    assert breaker.told == ["dropped"]


@on_virtual_time
async def test_when_nobody_answers_the_error_says_why_of_each() -> None:
    first, second = Link("one", [ModelDenied("wrong key")]), Link("two")
    second.breaker.open = True
    with pytest.raises(ModelError, match=r"one: wrong key; two: resting") as caught:
        await ask(ModelChain([first.member, second.member]))
    assert caught.value.retryable  # the breaker may close
    alone = ModelChain([Link("one", [ModelDenied("wrong key")]).member])
    with pytest.raises(ModelError) as caught:
        await ask(alone)
    assert not caught.value.retryable
    assert caught.value.outside
    with pytest.raises(ModelError) as caught:
        await ask(
            ModelChain([Link("one", [ModelError("down")]).member, Link("two", [ModelError("x")], outside=False).member])
        )
    assert not caught.value.outside  # another replica's own model may do it


class Ill(ReplayModel):
    """A model that fails when it is started or asked how it is."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error
        self.closed = 0

    async def start(self) -> None:
        raise self._error

    async def check_health(self) -> None:
        raise self._error

    async def close(self) -> None:
        self.closed += 1
        raise self._error


@pytest.mark.parametrize("outside", [True, False])
@on_virtual_time
async def test_a_service_outside_that_is_down_does_not_make_the_process_unwell(outside: bool) -> None:
    ill = Ill(ModelError("down"))
    alone = ModelChain([Member("one", ill, outside=outside)])
    if outside:
        await alone.start()
        await alone.check_health()
    else:
        with pytest.raises(ModelError):
            await alone.start()
        with pytest.raises(ModelError):
            await alone.check_health()
    await ModelChain([Member("one", ill, outside=outside), Member("two", ReplayModel())]).check_health()
    await alone.close()
    assert ill.closed == 1


@on_virtual_time
async def test_a_wrong_setting_is_refused_at_start_wherever_the_service_runs() -> None:
    ill = Ill(ConfigurationError("no such model"))
    with pytest.raises(ConfigurationError):
        await ModelChain([Member("one", ill, outside=True), Member("two", ReplayModel())]).start()


class Stumbling(ReplayModel):
    """A model that fails as long as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.error: ModelError | None = ModelError("down")
        self.asked = 0

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        yield TextDelta("Hello.")
        yield ChatDone("stop")


@on_virtual_time
async def test_with_a_real_breaker_a_member_that_is_down_is_left_alone_and_found_again() -> None:
    loop = asyncio.get_running_loop()
    stumbling, second = Stumbling(), Stumbling()
    second.error = None
    breaker = Breaker("llm.one", failures=3, half_open_after=30, counts=counts_against_it, now=loop.time)
    chain = ModelChain([Member("one", stumbling, breaker, outside=True), Member("two", second)])
    for _ in range(10):
        assert (await ask(chain))[0] == TextDelta("Hello.")
    assert (stumbling.asked, second.asked) == (3, 10)
    assert breaker.reading().state == "open"
    stumbling.error = None
    await asyncio.sleep(31)
    async with aclosing(chain.chat(ASKED)) as deltas:
        await anext(deltas)  # the probe has worked at its first word, though nobody hears the rest
    assert breaker.reading().state == "closed"
    stumbling.error = ModelRefused("too long")
    for _ in range(10):
        await ask(chain)
    assert (breaker.reading().state, stumbling.asked) == ("closed", 14)


@on_virtual_time
async def test_calls_that_are_torn_down_or_dropped_leave_a_real_breaker_closed() -> None:
    breaker = Breaker("llm.one", failures=1, counts=counts_against_it)
    for _ in range(3):
        slow = ReplayModel([1000.0])
        chain = ModelChain([Member("one", slow, breaker, outside=True)])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await ask(chain)
    assert breaker.reading() == BreakerReading("llm.one", "closed", 0)


def test_a_breaker_is_named_after_service_and_member() -> None:
    assert breaker_name("llm", "openai") == "llm.openai"
    assert breaker_name("stt", "grpc://[::1]:7000") == "stt.grpc-1-7000"
    Breakers().named(breaker_name("llm", "grpc://" + "a" * 90 + ":1"))
