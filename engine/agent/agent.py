"""The agent of one call: a chat model, its tools, and the loop between them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from engine.agent.playbook import Playbook
from engine.agent.ports import (
    AgentOutput,
    CallFacts,
    ChatDelta,
    ChatDone,
    ChatModel,
    ChatRequest,
    Committed,
    Message,
    Remember,
    Say,
    TextDelta,
    TokensTold,
    ToolCall,
    ToolCallDelta,
    ToolFinished,
    ToolStarted,
)
from engine.agent.result_ids import result_facts
from engine.agent.said import Said
from engine.agent.tokens import ModelTally
from engine.agent.tools import CheckedCall, Finished, RefusedCallError, ToolBox, refused
from engine.clock import Clock, LoopClock
from engine.errors import ModelError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AgentLimits:
    """What one answer may take."""

    rounds: int = 4
    """Times the model is asked within one answer; in the last it is given no tools."""
    calls: int = 4
    """Tool calls in one round; more are refused."""
    first_delta: float = 6.0
    """Seconds until the model's first output, each try."""
    next_delta: float = 6.0
    """Seconds between two outputs of the model."""
    change: float = 10.0
    """Seconds to wait, when the call ends, for a change that is under way."""


@dataclass(slots=True)
class _Round:
    """What the model said in one round."""

    text: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)


def _reported(finished: Finished, seconds: float) -> ToolFinished:
    result = result_facts(finished.content) if finished.ok else {}
    return ToolFinished(finished.call.name, finished.arguments, finished.ok, seconds, finished.error, result)


class ToolAgent:
    """An ``Agent`` made of any chat model and a toolbox; it lives as long as its call.

    Only one ``respond`` may run at a time. A change that was under way when an answer was dropped (the caller spoke
    over it) is not broken off: it ends, and its result enters the history with the next answer.
    """

    def __init__(
        self,
        *,
        model: ChatModel,
        playbook: Playbook,
        tools: ToolBox,
        facts: CallFacts,
        limits: AgentLimits | None = None,
        clock: Clock | None = None,
        tally: ModelTally | None = None,
    ) -> None:
        """``tally``: where the model's tokens are counted."""
        self._model = model
        self._tally = tally or ModelTally()
        self._playbook = playbook
        self._tools = tools
        self._facts = facts
        self._limits = limits or AgentLimits()
        self._clock = clock or LoopClock()
        self._changes: dict[str, tuple[Message, asyncio.Task[Finished]]] = {}

    async def respond(self, history: Sequence[Message], committed: Committed) -> AsyncGenerator[AgentOutput, None]:
        """See ``Agent.respond``."""
        conversation = list(history)
        late = await self._late_results()
        if late:
            yield Remember(late)
            conversation[-1:-1] = late  # before what the caller said just now
        for number in range(self._limits.rounds):
            last = number + 1 == self._limits.rounds
            heard = _Round()
            async with aclosing(self._ask(conversation, tools=not last)) as deltas:
                async for delta in deltas:
                    if isinstance(delta, TextDelta):
                        heard.text.append(delta.text)
                        yield Say(delta.text)
                    elif isinstance(delta, ToolCallDelta):
                        heard.calls.append(delta.call)
            if not heard.calls or last:
                return
            asked = Message("assistant", "".join(heard.text), tool_calls=tuple(heard.calls))
            said = Said.of(
                conversation,
                self._facts.language,
                self._playbook.product_prefix,
                goods=self._playbook.goods,
                today=self._playbook_day(),
            )
            results: list[Finished] = []
            async with aclosing(self._run_all(asked, said, committed, results)) as outputs:
                async for output in outputs:
                    yield output
            answers = tuple(Message("tool", each.content, tool_call_id=each.call.id) for each in results)
            yield Remember((asked, *answers))
            conversation += [asked, *answers]
            ending = next((each for each in results if each.ending is not None), None)
            if ending is not None and ending.ending is not None:
                if ending.say and not any(heard.text):
                    yield Say(ending.say)
                yield ending.ending
                return

    async def close(self) -> None:
        """Waits for changes under way, at most ``limits.change`` seconds; idempotent."""
        tasks = [task for _, task in self._changes.values()]
        self._changes.clear()
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=self._limits.change)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def _ask(self, conversation: Sequence[Message], *, tools: bool) -> AsyncGenerator[ChatDelta, None]:
        """One answer of the model; a failure before its first output is tried once more.

        Raises ModelError.
        """
        prompt = self._playbook.prompt.replace("{today}", f"{self._playbook_day():%A, %Y-%m-%d}")
        request = ChatRequest(
            (Message("system", prompt), *conversation),
            self._tools.specs if tools else (),
            call_id=self._facts.call_id,
            playbook=self._playbook.name,
            language=self._facts.language,
        )
        for final in (False, True):
            started = False
            try:
                async with aclosing(self._stream(request)) as deltas:
                    async for delta in deltas:
                        started = True
                        yield delta
            except ModelError as error:
                if started or final or not error.retryable:
                    raise
                _log.warning("model failed before its first output, trying once more: %s", type(error).__name__)
            else:
                return

    async def _stream(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """The model's output with a limit on each wait; its tokens are counted here."""
        stream, asked = self._model.chat(request), self._tally.asked()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.first_delta
        try:
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        delta = await anext(stream)
                except StopAsyncIteration:
                    return
                except TimeoutError as error:
                    raise ModelError("the model gave no output in time") from error
                if isinstance(delta, TokensTold):
                    asked.told(delta)
                    continue
                if isinstance(delta, ChatDone):
                    asked.done(delta)
                yield delta
                deadline = loop.time() + self._limits.next_delta
        finally:
            asked.over()
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()

    async def _run_all(
        self, asked: Message, said: Said, committed: Committed, results: list[Finished]
    ) -> AsyncGenerator[AgentOutput, None]:
        """Runs the calls of one round and adds what came of them to ``results``, in the order they were asked for.

        Neighbours that only read run side by side; a change waits for what stands before it and for the end of the
        caller's turn.
        """
        waiting: list[CheckedCall | Finished] = []
        for position, call in enumerate(asked.tool_calls):
            try:
                checked = self._checked(call, said, position, results)
            except RefusedCallError as error:
                waiting.append(refused(call, error))
                continue
            if not checked.tool.waits_for_commit:
                waiting.append(checked)
                continue
            async with aclosing(self._side_by_side(waiting, said, results)) as outputs:
                async for output in outputs:
                    yield output
            waiting = []
            started = self._clock.now()
            await committed()
            yield ToolStarted(call.name, checked.tool.filler)
            results.append(await self._run(checked, said))
            yield _reported(results[-1], self._clock.now() - started)
        async with aclosing(self._side_by_side(waiting, said, results)) as outputs:
            async for output in outputs:
                yield output

    async def _side_by_side(
        self, calls: Sequence[CheckedCall | Finished], said: Said, results: list[Finished]
    ) -> AsyncGenerator[AgentOutput, None]:
        """Tools that only read, run at once and cancelled together; calls that were refused keep their places."""

        async def one(each: CheckedCall | Finished) -> tuple[Finished, float]:
            if isinstance(each, Finished):
                return each, 0.0
            started = self._clock.now()
            return await self._tools.run(each, self._facts, said), self._clock.now() - started

        for each in calls:
            if isinstance(each, CheckedCall):
                yield ToolStarted(each.call.name, each.tool.filler)
        for finished, seconds in await asyncio.gather(*map(one, calls)):
            results.append(finished)
            yield _reported(finished, seconds)

    def _checked(self, call: ToolCall, said: Said, position: int, results: Sequence[Finished]) -> CheckedCall:
        """Raises RefusedCallError."""
        if position >= self._limits.calls or any(each.ending is not None for each in results):
            raise RefusedCallError("too_many", "not run: too many calls at once")
        return self._tools.check(call, said)

    async def _run(self, checked: CheckedCall, said: Said) -> Finished:
        """A tool that waited for the end of the caller's turn."""
        if not checked.tool.mutates:
            return await self._tools.run(checked, self._facts, said)
        task = asyncio.create_task(self._tools.run(checked, self._facts, said), name=f"change-{checked.tool.name}")
        alone = Message("assistant", "", tool_calls=(checked.call,))
        self._changes[checked.call.id] = (alone, task)
        finished = await asyncio.shield(task)  # cancelled here: the task stays in _changes and reports later
        self._changes.pop(checked.call.id, None)
        return finished

    def _playbook_day(self) -> date:
        """Today where the business is."""
        return datetime.fromtimestamp(self._clock.wall(), ZoneInfo(self._playbook.hours.timezone)).date()

    async def _late_results(self) -> tuple[Message, ...]:
        """What came of changes whose answer was dropped."""
        messages: list[Message] = []
        for call_id, (asked, task) in list(self._changes.items()):
            try:
                finished = await asyncio.shield(task)
            finally:
                if task.done():
                    self._changes.pop(call_id, None)
            messages += [asked, Message("tool", finished.content, tool_call_id=call_id)]
        return tuple(messages)
