"""The caller's side of a call: from audio to turns with their text.

Voice activity finds the turns, the recogniser reads them. At a pause the text is asked for at once, so that it is there
(and an answer may be under way) when the silence has lasted long enough to be the end.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Protocol

from engine.agent.numbers import number_runs
from engine.audio.blackbox import BlackBox
from engine.audio.format import SAMPLE_BYTES, SAMPLE_RATE
from engine.dialogue.endpointing import wait_factor
from engine.dialogue.hearing import Hearing
from engine.dialogue.turns import Turn, TurnDetector
from engine.errors import RecognitionError
from engine.speech.ports import Transcript

PRE_ROLL_SECONDS = 0.32
"""Audio before the detected beginning that belongs to the utterance: voice activity is late."""

LONGEST_TURN_BYTES = 45 * SAMPLE_RATE * SAMPLE_BYTES
"""A turn of 45 s is answered, though the line has not fallen silent: it may be music or a noisy street."""

AGAIN_SECONDS = 0.1
"""A pause that may be no end is read once more after so long: some silence after a word makes the word plainer (and
much of it no more so: with the embedded recogniser "Demarl," becomes "Tomorrow." after 0.2 s)."""

RESTORED_SECONDS = 2.0
"""Audio that is looked at again after a take-over, to know whether the caller is speaking."""


class VoiceActivityPort(Protocol):
    """Tells speech from the rest."""

    def windows(self, frame: bytes) -> list[tuple[float, float]]:
        """Engine audio of any length → probability of speech and level (dB) of each 32 ms window it completes."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One turn of the caller. Times are on the loop's clock."""

    text: str
    confidence: float | None
    speech_end: float
    """When the caller's voice ended."""
    text_at: float
    """When the text was known."""
    over_at: float
    """When the turn was held to be over."""
    seconds: float = 0.0
    """Length of the utterance, pauses and all."""


class ListeningListener(Protocol):
    """Who is told. Called from the tick or from a task of this room: must not wait."""

    def may_begin(self) -> bool:
        """Whether speech that begins now is the caller's turn (and not said over the agent)."""

    def asked(self) -> str:
        """What the agent said last."""

    def on_begin(self) -> None:
        """The caller's turn has begun."""

    def on_interrupt(self) -> bool:
        """The caller speaks over the agent, long enough to mean it; whether he may."""

    def on_partial(self, text: str) -> None:
        """Words of the turn so far."""

    def on_pause(self, text: str) -> None:
        """The caller pauses and this is what he said; the turn may be over."""

    def on_resume(self) -> None:
        """He goes on."""

    def on_turn(self, heard: Heard) -> None:
        """The turn is over; the text may be empty (a noise)."""

    def on_deaf(self, error: RecognitionError) -> None:
        """The turn is over and no recogniser gave its text."""


class Listening:
    """One call's listening."""

    def __init__(
        self,
        box: BlackBox,
        activity: VoiceActivityPort,
        detector: TurnDetector,
        hearing: Hearing,
        listener: ListeningListener,
        *,
        language: str = "en",
        adaptive: bool = True,
    ) -> None:
        """``adaptive``: whether the silence that ends a turn depends on what was said (in ``language``)."""
        self._adaptive = adaptive
        self._language = language
        self._box = box
        self._activity = activity
        self._detector = detector
        self._hearing = hearing
        self._listener = listener
        self._asking: asyncio.Task[None] | None = None
        self._latest: Transcript | None = None
        self._text_at = 0.0
        self._speech_end = 0.0
        self._over_at = 0.0
        self.utterance_start = -1
        """Position in the caller's audio at which the open utterance begins; -1 where none is open."""

    def on_audio(self, pcm: bytes) -> None:
        """More of the caller's audio."""
        self._box.hear(pcm)
        if self.utterance_start >= 0:
            self._hearing.hear(pcm)
        for probability, level in self._activity.windows(pcm):
            turn = self._detector.feed(probability, level)
            if turn is not None:
                self._on(turn)
        too_long = self._box.caller_position - self.utterance_start > LONGEST_TURN_BYTES
        if too_long and self.utterance_start >= 0 and not self._over_at:
            self._detector.cut()
            self._on(Turn.PAUSE)
            self._on(Turn.ENDPOINT)

    def restore(self, utterance_start: int) -> None:
        """Go on after a take-over: with the open utterance, or with none (-1)."""
        recent = int(RESTORED_SECONDS * SAMPLE_RATE) * SAMPLE_BYTES
        position = self._box.caller_position
        if utterance_start < 0:
            self._activity.windows(self._box.heard(position - recent // 4, position))
            return
        self.utterance_start = utterance_start
        self._hearing.begin(self._box.heard(utterance_start))
        self._detector.expect_speech()
        start = max(utterance_start, position - recent)
        last: Turn | None = None
        for probability, level in self._activity.windows(self._box.heard(start, position)):
            last = self._detector.feed(probability, level) or last
        if last in (Turn.PAUSE, Turn.ENDPOINT):
            self._on(Turn.PAUSE)
        if last is Turn.ENDPOINT:
            self._on(Turn.ENDPOINT)

    def give_up(self) -> None:
        """Forget the open utterance: it does not matter any more."""
        self._stop_asking()
        self.utterance_start = -1
        self._hearing.end()

    async def close(self) -> None:
        """Stop; idempotent."""
        self._stop_asking()
        await self._hearing.close()

    # -- turns --------------------------------------------------------------------------------------------------------

    def _on(self, turn: Turn) -> None:
        if self.utterance_start < 0:
            self._begin_on(turn)
            if self.utterance_start < 0:
                return
        if turn is Turn.PAUSE:
            self._speech_end = _now() - self._detector.quiet_seconds
            self._ask()
        elif turn is Turn.RESUME:
            self._stop_asking()
            self._latest = None
            self._listener.on_resume()
        elif turn is Turn.ENDPOINT:
            self._over_at = _now()
            if self._latest is not None:
                self._stop_asking()  # reading once more, perhaps
                self._finish(self._latest)
            elif self._asking is None or self._asking.done():
                self._ask()

    def _begin_on(self, turn: Turn) -> None:
        """Open an utterance where ``turn`` is a beginning that counts."""
        may_begin = turn in (Turn.ONSET, Turn.BARGE_IN, Turn.PAUSE) and self._listener.may_begin()
        if may_begin or (turn is Turn.BARGE_IN and self._listener.on_interrupt()):
            self._begin(self._detector.run_seconds + self._detector.quiet_seconds)

    def _begin(self, seconds: float) -> None:
        back = int((seconds + PRE_ROLL_SECONDS) * SAMPLE_RATE) * SAMPLE_BYTES
        self.utterance_start = max(0, self._box.caller_position - back)
        self._latest = None
        self._over_at = 0.0
        self._hearing.begin(self._box.heard(self.utterance_start))
        self._listener.on_begin()

    def _ask(self) -> None:
        self._stop_asking()
        self._latest = None
        self._asking = asyncio.create_task(self._read(), name="listening-text")

    def _stop_asking(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    async def _read(self) -> None:
        try:
            transcript = await self._hearing.text()
        except RecognitionError as error:
            self.utterance_start = -1
            self._hearing.end()
            self._listener.on_deaf(error)
            return
        self._text_at = _now()
        if self._over_at:
            self._finish(transcript)
            return
        self._latest = transcript
        factor = 1.0
        if self._adaptive:
            factor = wait_factor(
                transcript.text, self._listener.asked(), self._language, broke_off=self._detector.broke_off
            )
            self._detector.endpoint_seconds *= factor
        self._listener.on_pause(transcript.text.strip())
        if factor > 1.0 and transcript.text.strip():
            await self._read_again(transcript)

    async def _read_again(self, first: Transcript) -> None:
        """Read the pause once more; how long it may last stays as the first reading had it."""
        await asyncio.sleep(AGAIN_SECONDS)
        try:
            again = await self._hearing.text()
        except RecognitionError:
            return  # the first reading stands
        said = _bare(again.text, self._language)
        if not self._over_at and said not in ("", _bare(first.text, self._language)):
            self._latest, self._text_at = again, _now()
            self._listener.on_pause(again.text.strip())

    def _finish(self, transcript: Transcript) -> None:
        spoken = self._box.caller_position - self.utterance_start
        seconds = spoken / (SAMPLE_RATE * SAMPLE_BYTES) - (_now() - self._speech_end) - PRE_ROLL_SECONDS
        self.utterance_start = -1
        self._latest = None
        self._hearing.end()
        self._listener.on_turn(
            Heard(
                transcript.text.strip(),
                transcript.confidence,
                self._speech_end,
                self._text_at,
                self._over_at,
                max(0.0, seconds),
            )
        )


def _bare(text: str, language: str) -> str:
    """The words alone, and numbers in digits: "four, two, seven, one" says what "4271" says."""
    for run in reversed(number_runs(text, language)):
        text = f"{text[: run.start]}{run.digits}{text[run.end :]}"
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


def _now() -> float:
    return asyncio.get_running_loop().time()
