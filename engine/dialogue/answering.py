"""The agent's side of a call: at most one answer, prepared, committed, held, cut or finished."""

from __future__ import annotations

import asyncio
from typing import Protocol

from engine.agent.ports import Agent, Hangup, Message, ToolFinished, Transfer
from engine.audio.playout import Playout
from engine.config import DialogueSettings
from engine.dialogue.history import Segment
from engine.dialogue.reply import Fixed, Reply, Voice
from engine.errors import LeaseError, ModelError, SynthesisError, TrunklineError


class AnsweringListener(Protocol):
    """Who is told. Called from the tick or from a task: must not wait."""

    def on_speaking(self, reply: Reply) -> None:
        """Its first frame leaves."""

    def on_answered(self, reply: Reply, *, interrupted: bool) -> None:
        """It is over: all was heard, or the caller cut it short."""

    def on_failed(self, reply: Reply, error: TrunklineError) -> None:
        """The model or the voice failed; what of it was queued has been heard."""

    def on_tool(self, tool: ToolFinished) -> None:
        """A tool answered."""

    def save(self) -> None:
        """Something changed that a successor must know."""


class Answering:
    """Holds the answer that is being prepared or given."""

    def __init__(
        self,
        agent: Agent,
        voice: Voice,
        playout: Playout,
        *,
        settings: DialogueSettings,
        call_id: str,
        listener: AnsweringListener,
        still_working: str = "",
    ) -> None:
        """``still_working``: said where a tool takes longer than its filler."""
        self._still_working = still_working
        self._agent = agent
        self._voice = voice
        self._playout = playout
        self._settings = settings
        self._call_id = call_id
        self._listener = listener
        self._task: asyncio.Task[None] | None = None
        self._ended: set[asyncio.Task[None]] = set()
        self.reply: Reply | None = None
        self.caller_text = ""
        """What the caller said that it answers."""
        self.fixed = ""
        """The sentence, where it is a fixed one."""
        self.held = False
        """The caller seems to interrupt: nothing leaves until that is certain."""

    @property
    def committed(self) -> bool:
        return self.reply is not None and self.reply.committed

    def prepare(self, conversation: tuple[Message, ...], caller_text: str) -> Reply:
        """Begin the agent's answer to ``caller_text``, ahead of the end of the caller's turn."""
        self.drop()
        self._playout.shut()
        return self._start(self._new(self._agent, conversation), caller_text=caller_text)

    def answer(self, conversation: tuple[Message, ...], caller_text: str) -> Reply:
        """Give the agent's answer; one prepared for the same words is used."""
        reply = self.reply
        if reply is None or reply.committed or self.caller_text != caller_text:
            self.drop()
            reply = self._start(self._new(self._agent, conversation), caller_text=caller_text)
        self._commit(reply)
        return reply

    def say(self, text: str, ending: Transfer | Hangup | None) -> Reply:
        """Say a fixed sentence."""
        self.drop()
        reply = self._start(self._new(Fixed(text, ending), ()), fixed=text)
        self._commit(reply)
        return reply

    def resume(
        self,
        conversation: tuple[Message, ...],
        *,
        fixed: str,
        segments: list[Segment],
        memory: tuple[Message, ...],
        complete: bool,
        ending: Transfer | Hangup | None,
    ) -> Reply:
        """Go on with an answer that another process was giving."""
        reply = self._new(Fixed(fixed, ending) if fixed else self._agent, conversation)
        reply.segments, reply.ending, reply.complete = segments, ending, complete
        reply.memory = list(memory)
        self._start(reply, fixed=fixed)
        self._commit(reply)
        return reply

    def hold(self) -> None:
        """Stop speaking at once, for now."""
        self.held = True
        self._playout.shut()

    def release(self) -> None:
        """It was no interruption: speak on."""
        self.held = False
        self._playout.open()

    def cut(self) -> None:
        """It was an interruption (or something else is to be said now): the answer ends with what was heard."""
        self.held = False
        reply = self.reply
        if reply is None:
            return
        if not reply.committed:
            self.drop()
            return
        self._playout.clear()
        self._forget()
        self._listener.on_answered(reply, interrupted=True)

    def drop(self) -> None:
        """Nobody will hear it: as if it had never been begun."""
        if self.reply is not None:
            self._playout.clear()
            self._forget()
        self._playout.open()

    async def close(self) -> None:
        """Stop all work; idempotent."""
        self._forget()
        await asyncio.gather(*self._ended, return_exceptions=True)

    def _new(self, agent: Agent, conversation: tuple[Message, ...]) -> Reply:
        return Reply(
            agent=agent,
            conversation=conversation,
            voice=self._voice,
            playout=self._playout,
            call_id=self._call_id,
            first_words=self._settings.first_clause_words,
            model_timeout=self._settings.llm_timeout_ms / 1000,
            filler_after=self._settings.filler_after_ms / 1000,
            still_working=self._still_working,
            on_segment=self._listener.save,
            on_tool=self._listener.on_tool,
        )

    def _start(self, reply: Reply, *, caller_text: str = "", fixed: str = "") -> Reply:
        self.reply, self.caller_text, self.fixed = reply, caller_text, fixed
        self._playout.on_first_frame = lambda: self._on_first_frame(reply)
        self._task = asyncio.create_task(self._give(reply), name="answer")
        return reply

    def _commit(self, reply: Reply) -> None:
        self.held = False
        self._playout.open()
        reply.commit()

    def _on_first_frame(self, reply: Reply) -> None:
        reply.milestones.on_the_wire = asyncio.get_running_loop().time()
        self._listener.on_speaking(reply)

    def _forget(self) -> None:
        self.reply = None
        self._playout.on_first_frame = None
        if self._task is not None:
            self._ended.add(self._task)
            self._task.add_done_callback(self._ended.discard)
            if self._task is not asyncio.current_task():
                self._task.cancel()
            self._task = None

    async def _give(self, reply: Reply) -> None:
        failure: TrunklineError | None = None
        try:
            if not reply.complete:
                await reply.run()
        except (ModelError, SynthesisError, LeaseError) as error:
            failure = error
        await reply.until_committed()
        await self._playout.drained()
        self._forget()
        if failure is not None:
            self._listener.on_failed(reply, failure)
        else:
            self._listener.on_answered(reply, interrupted=False)
