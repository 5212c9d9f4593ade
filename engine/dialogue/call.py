"""One call's life: greeting, listening, thinking, speaking, interrupted, transferring, ended.

The call reacts to what its line, its listening and its answering report. Every step is written to the black box, so
that another process can go on from it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from engine.agent.ports import Hangup, ToolFinished, Transfer
from engine.audio.line import Ending, Line
from engine.dialogue.answering import Answering
from engine.dialogue.checkpoint import Checkpoint, State
from engine.dialogue.endpointing import is_murmur
from engine.dialogue.hearing import Hearing
from engine.dialogue.history import History
from engine.dialogue.keys import Keypad
from engine.dialogue.listening import Heard, Listening
from engine.dialogue.parts import Outcome, Parts
from engine.dialogue.reply import Reply
from engine.dialogue.report import tool_report, turn_report, use_report
from engine.dialogue.timers import Timers
from engine.dialogue.turns import TurnDetector
from engine.errors import RecognitionError, SynthesisError, TrunklineError
from engine.speech.ports import RecognitionOptions

HEARING_DELAY_SECONDS = 0.25
"""The first moments of a call are for the greeting; the recogniser is leased when they are over."""

SPOKEN_SECONDS = 0.7
"""Sound of this length in which no word was recognised was speech, perhaps; shorter, a noise."""

NOT_HEARD_TIMES = 3
"""Turns in a row without a word after which a person is better."""

logger = logging.getLogger(__name__)


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
        self._listening = Listening(
            parts.box,
            parts.activity,
            detector,
            self._hearing,
            self,
            language=facts.language,
            adaptive=settings.endpointing_adaptive,
        )
        self._answering = Answering(
            parts.agent,
            parts.voice,
            parts.playout,
            settings=settings,
            call_id=facts.call_id,
            listener=self,
            still_working=parts.phrases.still_working,
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
        self._not_heard = 0
        self._over_agent = False
        self._timers = Timers(settings, on_silence=self._on_silence, on_too_long=self._on_too_long)
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
            self._timers.call_began(self._parts.clock.wall() - self._started)
            outcome = await self._outcome
            self._set_state("transferring" if outcome.next == "operator" else "ended")
            self._timers.wait_no_longer()
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
        self._timers.wait_no_longer()
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
        self._timers.wait_no_longer()
        self._keypad.press(digit)

    def on_closed(self, ending: Ending) -> None:
        self.end(Outcome("operator" if ending in {"protocol_error", "stalled"} else "hangup", ending))

    # -- from listening -----------------------------------------------------------------------------------------------

    def may_begin(self) -> bool:
        return self._answering.reply is None and not self._outcome.done()

    def asked(self) -> str:
        said = self._answering.reply.heard() if self._answering.reply is not None else ""
        return said or self._history.last_said()

    def on_begin(self) -> None:
        self._timers.wait_no_longer()
        self.save()

    def on_interrupt(self) -> bool:
        reply = self._answering.reply
        if reply is None or not reply.committed or self._outcome.done():
            return False
        if self._state == "transferring" or isinstance(reply.ending, Transfer):
            return False
        self._over_agent = True
        self._answering.hold()
        self._set_state("interrupted")
        return True

    def on_partial(self, text: str) -> None:
        if not text.strip():
            return
        if self._answering.held and not self._murmured(text):
            self._cut_in()
        self._journal("partial", {"caller": text})

    def on_pause(self, text: str) -> None:
        if not text or self._state == "transferring":
            return
        if self._murmured(text):
            self._speak_on()
            return
        if self._answering.held:
            self._cut_in()
        if self._settings.speculate and not (self._answering.reply and self._answering.caller_text == text):
            self._answering.prepare(self._history.with_caller(text), text)

    def _cut_in(self) -> None:
        """It is an interruption: whatever this turn turns out to say, it is one."""
        self._over_agent = False
        self._answering.cut()

    def on_resume(self) -> None:
        if not self._answering.committed:
            self._answering.drop()
        elif self._over_agent and self._answering.reply is not None:  # more than a murmur, perhaps
            self._answering.hold()

    def on_turn(self, heard: Heard) -> None:
        murmured, self._over_agent = self._murmured(heard.text), False
        if murmured or (self._answering.held and not heard.text):
            # It seemed an interruption and was a noise, or a sign that the caller listens: speak on.
            self._journal("murmur", {})
            self._speak_on()
        elif heard.text:
            self._not_heard = 0
            self._take_turn(heard.text, heard)
        else:
            self._answering.drop()
            self._on_nothing_heard(heard.seconds)

    def _murmured(self, text: str) -> bool:
        """Whether this, said over the agent, takes no turn."""
        return self._over_agent and is_murmur(text, self.asked(), self.facts.language)

    def _speak_on(self) -> None:
        if self._answering.held:
            self._answering.release()
            self._set_state("speaking")
        elif self._answering.reply is None and not self._outcome.done():
            self._listen()

    def _on_nothing_heard(self, seconds: float) -> None:
        """The turn is over and no word was recognised in it."""
        if seconds < SPOKEN_SECONDS or not self._phrases.not_heard:
            self._listen()
            return
        self._not_heard += 1
        if self._not_heard < NOT_HEARD_TIMES:
            self.say(self._phrases.not_heard)
        else:
            self.transfer("not_understood")

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
        told = turn_report(
            self._turn,
            self._heard,
            reply.milestones,
            self._caller_text,
            text,
            interrupted_at=reply.heard_seconds() if interrupted else None,
            used=self._parts.tally.take(),
        )
        self._journal("turn", told)
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
        turn = self._turn if self._answering.committed else self._turn + 1  # an answer ahead of the turn's end
        self._journal("tool", tool_report(turn, tool))

    def save(self) -> None:
        """Write the checkpoint."""
        checkpoint = Checkpoint(
            state=self._state,
            turn=self._turn,
            started=self._started,
            messages=self._history.messages,
            utterance_start=self._listening.utterance_start,
            prompts=self._prompts,
            caller_text=self._caller_text,
        )
        reply = self._answering.reply
        if reply is not None and self._answering.committed:
            checkpoint.answering, checkpoint.fixed = True, self._answering.fixed
            checkpoint.segments, checkpoint.memory = reply.segments, tuple(reply.memory)
            checkpoint.complete, checkpoint.ending = reply.complete, reply.ending
        self._parts.box.save(checkpoint.to_bytes())

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
        self._timers.wait_for_caller(asked=self._prompts > 0)
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

    # -- from the timers ----------------------------------------------------------------------------------------------

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

    # -- take-over and end --------------------------------------------------------------------------------------------

    def _restore(self, checkpoint: Checkpoint) -> None:
        """Another process led this call until a moment ago."""
        self._history = History(checkpoint.messages)
        self._turn, self._started, self._prompts = checkpoint.turn, checkpoint.started, checkpoint.prompts
        self._state, self._caller_text = checkpoint.state, checkpoint.caller_text
        playout = self._parts.playout
        if checkpoint.answering and not checkpoint.fixed:
            self._parts.tally.add(None, None)  # what its model had used was known to that process alone
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
        self._timers.close()
        self._keypad.clear()
        await self._answering.close()
        await self._listening.close()
        await self._parts.agent.close()
        if used := self._parts.tally.take():  # by an answer that nobody waited for
            self._journal("model_use", use_report(used))
        if self._line is not None:
            self._line.close()
