"""One call's life: greeting, listening, thinking, speaking, interrupted, transferring, ended.

The call reacts to what its line, its listening and its answering report. Every step is written to the black box, so
that another process can go on from it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from engine.agent.ports import Agent, CallFacts, Hangup, Phrases, ToolFinished, Transfer
from engine.audio.blackbox import BlackBox
from engine.audio.line import Ending, Line
from engine.audio.playout import Playout
from engine.clock import Clock
from engine.config import DialogueSettings
from engine.dialogue.answering import Answering
from engine.dialogue.checkpoint import Checkpoint, State
from engine.dialogue.hearing import Hearing
from engine.dialogue.history import History
from engine.dialogue.keys import Keypad
from engine.dialogue.listening import Heard, Listening, VoiceActivityPort
from engine.dialogue.reply import Reply, Voice
from engine.dialogue.turns import TurnDetector
from engine.errors import RecognitionError, SynthesisError, TrunklineError
from engine.speech.ports import RecognitionOptions, SpeechRecognizer

Journal = Callable[[str, dict[str, Any]], None]
"""Takes the events of the call: their type and fields."""

HEARING_DELAY_SECONDS = 0.25
"""The first moments of a call are for the greeting; the recogniser is leased when they are over."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended, and what the dialplan shall do next."""

    next: Literal["operator", "hangup"]
    reason: str


@dataclass(frozen=True, slots=True)
class Parts:
    """What a call is made of; everything that another adapter, a test or a take-over puts in."""

    facts: CallFacts
    settings: DialogueSettings
    phrases: Phrases
    box: BlackBox
    playout: Playout
    activity: VoiceActivityPort
    recognizer: SpeechRecognizer
    voice: Voice
    agent: Agent
    journal: Journal
    clock: Clock
    hints: tuple[str, ...] = ()


class Call:
    """One call. Build it, ``attach`` its line, then ``run`` it once."""

    def __init__(self, parts: Parts) -> None:
        settings, facts = parts.settings, parts.facts
        self.facts = facts
        self._parts = parts
        self._settings = settings
        self._phrases = parts.phrases
        self._hearing = Hearing(
            parts.recognizer,
            RecognitionOptions(facts.call_id, facts.language, parts.hints),
            timeout=settings.stt_timeout_ms / 1000,
            on_partial=lambda transcript: self.on_partial(transcript.text),
        )
        detector = TurnDetector(
            threshold=settings.vad_threshold,
            pause_seconds=settings.pause_ms / 1000,
            endpoint_seconds=settings.endpointing_ms / 1000,
            barge_in_seconds=settings.barge_in_ms / 1000,
        )
        self._listening = Listening(parts.box, parts.activity, detector, self._hearing, self)
        self._answering = Answering(
            parts.agent, parts.voice, parts.playout, settings=settings, call_id=facts.call_id, listener=self
        )
        self._keypad = Keypad(self._on_number)
        self._history = History()
        self._state: State = "greeting"
        self._turn = 0
        self._started = parts.clock.wall()
        self._heard: Heard | None = None
        self._caller_text = ""
        self._prompts = 0
        self._failures = 0
        self._silence_timer: asyncio.TimerHandle | None = None
        self._longest_timer: asyncio.TimerHandle | None = None
        self._outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._line: Line | None = None

    @property
    def state(self) -> State:
        return self._state

    @property
    def history(self) -> History:
        return self._history

    def attach(self, line: Line) -> None:
        """The line that ``run`` starts."""
        self._line = line

    async def run(
        self, before_hangup: Callable[[Outcome], Awaitable[None]], checkpoint: Checkpoint | None = None
    ) -> Outcome:
        """Lead the call to its end. ``checkpoint``: go on from there.

        ``before_hangup`` is awaited before the PBX is told, so that the answer to "what next?" is known by then.
        """
        assert self._line is not None, "attach a line first"
        self._line.start()  # the caller hears us from the first millisecond on
        self._hearing.start(0.0 if checkpoint is not None else HEARING_DELAY_SECONDS)
        try:
            if checkpoint is None:
                self._answering.say(self._phrases.greeting, None)
                self.save()
            else:
                self._restore(checkpoint)
            left = self._settings.max_call_s - (self._parts.clock.wall() - self._started)
            self._longest_timer = asyncio.get_running_loop().call_later(max(left, 0), self._on_too_long)
            outcome = await self._outcome
            self._set_state("transferring" if outcome.next == "operator" else "ended")
            self._disarm_silence()
            await before_hangup(outcome)
            await self._line.hang_up()
            self._set_state("ended")
            return outcome
        finally:
            await self._close()

    # -- from the outside ---------------------------------------------------------------------------------------------

    def end(self, outcome: Outcome) -> None:
        """End it now, whatever is being said."""
        if not self._outcome.done():
            self._outcome.set_result(outcome)

    def transfer(self, reason: str) -> None:
        """Tell the caller so and connect him to a person."""
        self.say(self._phrases.transfer, Transfer("operator", reason))

    def say(self, text: str, ending: Transfer | Hangup | None = None) -> None:
        """Say this now, in place of whatever was being said or heard."""
        if self._outcome.done():
            return
        self._listening.give_up()
        self._disarm_silence()
        self._answering.cut()
        if isinstance(ending, Transfer):
            self._set_state("transferring")
        self._answering.say(text, ending)
        self.save()

    # -- from the line ------------------------------------------------------------------------------------------------

    def on_audio(self, pcm: bytes) -> None:
        self._listening.on_audio(pcm)

    def on_dtmf(self, digit: str) -> None:
        self._journal("dtmf", {})  # the digit may be part of a card or telephone number: it is in no event
        if self._state == "transferring":
            return
        if digit == "0" and self._keypad.empty:
            self.transfer("keypad")
            return
        self._disarm_silence()
        self._keypad.press(digit)

    def on_closed(self, ending: Ending) -> None:
        self.end(Outcome("operator" if ending in {"protocol_error", "stalled"} else "hangup", ending))

    # -- from listening -----------------------------------------------------------------------------------------------

    def may_begin(self) -> bool:
        return self._answering.reply is None and not self._outcome.done()

    def on_begin(self) -> None:
        self._disarm_silence()
        self.save()

    def on_interrupt(self) -> bool:
        reply = self._answering.reply
        if reply is None or not reply.committed or self._outcome.done():
            return False
        if self._state == "transferring" or isinstance(reply.ending, Transfer):
            return False
        self._answering.hold()
        self._set_state("interrupted")
        return True

    def on_partial(self, text: str) -> None:
        if not text.strip():
            return
        if self._answering.held:
            self._answering.cut()
        self._journal("partial", {"caller": text})

    def on_pause(self, text: str) -> None:
        if not text or self._state == "transferring":
            return
        if self._answering.held:
            self._answering.cut()
        if self._settings.speculate and not (self._answering.reply and self._answering.caller_text == text):
            self._answering.prepare(self._history.with_caller(text), text)

    def on_resume(self) -> None:
        if not self._answering.committed:
            self._answering.drop()

    def on_turn(self, heard: Heard) -> None:
        if heard.text:
            self._take_turn(heard.text, heard)
        elif self._answering.held:  # what seemed an interruption was a noise: speak on
            self._answering.release()
            self._set_state("speaking")
        else:
            self._answering.drop()
            self._listen()

    def on_deaf(self, error: RecognitionError) -> None:
        self._fail("recognition", error)

    # -- from answering -----------------------------------------------------------------------------------------------

    def on_speaking(self, reply: Reply) -> None:
        if self._state not in ("transferring", "ended"):
            self._set_state("greeting" if not self._history and self._answering.fixed else "speaking")
        self.save()

    def on_answered(self, reply: Reply, *, interrupted: bool) -> None:
        text = reply.heard()
        self._history.agent_said(text, interrupted=interrupted, before=reply.memory)
        self._report_turn(reply, text, interrupted=interrupted)
        self._heard, self._caller_text = None, ""
        if interrupted:
            self.save()
            return
        self._failures = 0
        if reply.ending is not None:
            self._follow(reply)
        elif not reply.segments:
            self._fail("model", TrunklineError("the answer was empty"))
        else:
            self._listen()

    def on_failed(self, reply: Reply, error: TrunklineError) -> None:
        self._history.agent_said(reply.heard(), interrupted=True, before=reply.memory)
        self._fail("synthesis" if isinstance(error, SynthesisError) else "model", error)

    def on_tool(self, tool: ToolFinished) -> None:
        self._journal(
            "tool", {"name": tool.name, "ok": tool.ok, "seconds": round(tool.seconds, 3), "error": tool.error}
        )

    def save(self) -> None:
        """Write the checkpoint."""
        answering = self._answering
        reply = answering.reply if answering.committed else None
        self._parts.box.save(
            Checkpoint(
                state=self._state,
                turn=self._turn,
                started=self._started,
                messages=self._history.messages,
                answering=reply is not None,
                fixed=answering.fixed if reply is not None else "",
                segments=reply.segments if reply is not None else [],
                memory=tuple(reply.memory) if reply is not None else (),
                complete=reply.complete if reply is not None else False,
                ending=reply.ending if reply is not None else None,
                utterance_start=self._listening.utterance_start,
                prompts=self._prompts,
                caller_text=self._caller_text,
            ).to_bytes()
        )

    # -- turns --------------------------------------------------------------------------------------------------------

    def _take_turn(self, text: str, heard: Heard | None) -> None:
        """The caller has said ``text``: answer."""
        if self._answering.held:
            self._answering.cut()
        self._turn += 1
        self._prompts = 0
        self._heard, self._caller_text = heard, text
        self._history.caller_said(text)
        self._set_state("thinking")
        self._answering.answer(self._history.messages, text)
        self.save()

    def _on_number(self, digits: str) -> None:
        """The caller has keyed a number in: that is what he says."""
        if self._outcome.done() or self._state == "transferring":
            return
        self._listening.give_up()
        self._answering.cut()
        self._take_turn(digits, None)

    def _follow(self, reply: Reply) -> None:
        """All is said: do what the answer announced."""
        ending = reply.ending
        if isinstance(ending, Transfer):
            if not reply.segments:
                self.transfer(ending.reason)
                return
            self.end(Outcome("operator", ending.reason))
        elif isinstance(ending, Hangup):
            if not reply.segments:
                self.say(self._phrases.goodbye, ending)
                return
            self.end(Outcome("hangup", ending.reason))

    def _listen(self) -> None:
        """It is the caller's turn."""
        self._set_state("listening")
        self._arm_silence()
        self.save()

    def _fail(self, what: str, error: TrunklineError) -> None:
        """Something the call needs is gone: say so and connect the caller to a person."""
        logger.error("call goes to an operator, %s failed: %s", what, error)
        self._journal("failure", {"what": what})
        self._failures += 1
        if self._failures > 1:  # not even the apology can be said
            self.end(Outcome("operator", f"{what}_failed"))
        else:
            self.say(self._phrases.apology_transfer, Transfer("operator", f"{what}_failed"))

    # -- timers -------------------------------------------------------------------------------------------------------

    def _arm_silence(self) -> None:
        self._disarm_silence()
        seconds = self._settings.silence_hangup_s if self._prompts else self._settings.silence_prompt_s
        self._silence_timer = asyncio.get_running_loop().call_later(seconds, self._on_silence)

    def _disarm_silence(self) -> None:
        if self._silence_timer is not None:
            self._silence_timer.cancel()
            self._silence_timer = None

    def _on_silence(self) -> None:
        if self._listening.utterance_start >= 0 or self._answering.reply is not None:
            return
        self._prompts += 1
        if self._prompts == 1:
            self.say(self._phrases.still_there)
        else:
            self.say(self._phrases.goodbye_silence, Hangup("silence"))

    def _on_too_long(self) -> None:
        if self._state != "transferring":
            self.say(self._phrases.too_long, Transfer("operator", "too_long"))

    # -- reports ------------------------------------------------------------------------------------------------------

    def _set_state(self, state: State) -> None:
        if state != self._state:
            self._state = state
            self._journal("state", {"state": state})

    def _journal(self, kind: str, fields: dict[str, Any]) -> None:
        self._parts.journal(kind, fields)

    def _report_turn(self, reply: Reply, agent_text: str, *, interrupted: bool) -> None:
        stages: dict[str, float] = {}
        heard = self._heard
        if heard is not None:
            reached = {
                "endpointing": heard.over_at,
                "final_text": heard.text_at,
                "first_token": reply.milestones.first_token,
                "first_audio": reply.milestones.first_audio,
                "on_the_wire": reply.milestones.on_the_wire,
            }
            stages = {name: round(at - heard.speech_end, 4) for name, at in reached.items() if at}
        self._journal(
            "turn",
            {
                "turn": self._turn,
                "caller": self._caller_text,
                "agent": agent_text,
                "interrupted": interrupted,
                "stages": stages,
            },
        )

    # -- take-over and end --------------------------------------------------------------------------------------------

    def _restore(self, checkpoint: Checkpoint) -> None:
        """Another process led this call until a moment ago."""
        self._history = History(checkpoint.messages)
        self._turn, self._started, self._prompts = checkpoint.turn, checkpoint.started, checkpoint.prompts
        self._state, self._caller_text = checkpoint.state, checkpoint.caller_text
        playout = self._parts.playout
        if checkpoint.answering:
            last = checkpoint.segments[-1].end if checkpoint.segments else playout.position
            if last >= 0:  # nothing half synthesised: what lies behind the last piece belongs to no answer
                self._parts.box.truncate(last)
            self._answering.resume(
                self._history.messages,
                fixed=checkpoint.fixed,
                segments=checkpoint.segments,
                memory=checkpoint.memory,
                complete=checkpoint.complete,
                ending=checkpoint.ending,
            )
        else:
            playout.clear()
        self._listening.restore(checkpoint.utterance_start)
        if not checkpoint.answering and checkpoint.utterance_start < 0:
            self._listen()
        self._journal("takeover", {"history": len(self._history), "state": self._state, "turn": self._turn})

    async def _close(self) -> None:
        self._disarm_silence()
        if self._longest_timer is not None:
            self._longest_timer.cancel()
        self._keypad.clear()
        await self._answering.close()
        await self._listening.close()
        await self._parts.agent.close()
        if self._line is not None:
            self._line.close()
