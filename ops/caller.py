"""An outside caller: plays the part of Asterisk for one call, and measures at its side of the socket.

All times are seconds of ``time.monotonic()``, one clock for both directions, and for the engine's own events where the
engine runs on the same machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, TypeVar

from engine.audio.format import FRAME_BYTES
from engine.errors import TrunklineError
from ops.exchange import EngineEvent, Exchange, ExchangeError
from ops.heard import Run
from ops.leg import Ending, Leg, NotConnectedError, Spoken
from ops.metronome import Metronome

__all__ = ["ANSWER_GAP", "Answer", "Caller", "Ending", "NoAnswerError", "NotConnectedError", "Spoken", "VoiceEvent"]

ANSWER_GAP: Final = 0.7
"""Silence in seconds after which an answer counts as over."""
LONGEST_ANSWER: Final = 120.0
MOST_EVENTS: Final = 10_000

_Found = TypeVar("_Found")


class NoAnswerError(TrunklineError):
    """Nothing voiced came in time, or the call ended before."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine said, from its first voiced sample until it was silent."""

    asked: float
    """The instant it is measured from: the caller's last voiced sample."""
    started: float
    """Time of the first voiced sample."""
    ended: float
    """Time of the last voiced sample."""
    pcm: bytes
    """The audio between, in whole frames; empty where the caller keeps none."""
    hung_up: bool
    """Whether the call ended with it."""

    @property
    def latency(self) -> float:
        """Seconds from the end of the caller's speech to the first sound."""
        return self.started - self.asked


@dataclass(frozen=True, slots=True)
class VoiceEvent:
    """A voice begins or ends on one side."""

    t: float
    side: Literal["caller", "engine"]
    what: Literal["onset", "offset"]


class Caller(Leg):
    """One call. ``async with Caller(address, exchange) as call`` registers, connects, and hangs up at the end."""

    def __init__(
        self,
        address: tuple[str, int],
        exchange: Exchange | None = None,
        *,
        metronome: Metronome | None = None,
        caller: str = "",
        dialled: str = "",
        channel: str = "",
        call_id: uuid.UUID | None = None,
        answer_gap: float = ANSWER_GAP,
        keep_audio: bool = True,
        follow: bool = False,
    ) -> None:
        """``address``: host and port of the AudioSocket. ``exchange``: where the call is registered; None: not at all.

        ``metronome``: the beat that this caller shares with others; None: one of its own. ``keep_audio``: whether
        audio is kept. ``follow``: whether the engine's events of this call are read.
        """
        super().__init__(call_id or uuid.uuid4(), keep_audio=keep_audio)
        self.caller = caller
        self._dialled = dialled
        self.engine_events: list[EngineEvent] = []
        """What the engine told of this call, with ``follow``."""
        self._address = address
        self._exchange = exchange
        self._channel = channel or f"AudioSocket/{self.call_id}"
        self._beats = metronome
        self._own_beats: Metronome | None = None
        self._answer_gap = answer_gap
        self._follow = follow
        self._follower: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Caller:
        try:
            await self.dial()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def dial(self) -> None:
        """Register, connect and begin to stream. Raises ExchangeError, NotConnectedError."""
        if self._exchange is not None:
            await self._exchange.announce(
                str(self.call_id), caller=self.caller, channel=self._channel, dialled=self._dialled
            )
        if self._beats is None:
            self._beats = self._own_beats = Metronome(slots=1)
        await self.connect(self._address, self._beats)
        if self._follow and self._exchange is not None:
            self._follower = asyncio.create_task(self._read_events(self._exchange), name="caller-events")

    async def close(self) -> None:
        """Hang up and let go of everything. Idempotent."""
        self.hang_up()
        if self._follower is not None:
            self._follower.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._follower
            self._follower = None
        if self._own_beats is not None:
            self._own_beats.close()

    async def speak(self, pcm: bytes) -> Spoken:
        """Say engine audio to its end. Raises NoAnswerError when the call ends before."""
        done = self.begin_speaking(pcm)
        await asyncio.wait([done])
        if done.cancelled():
            raise NoAnswerError(f"the call ended while the caller spoke ({self.ending})")
        return done.result()

    async def _wait(self, find: Callable[[], _Found | None], timeout: float, what: str) -> _Found:
        deadline = time.monotonic() + timeout
        while True:
            found = find()
            if found is not None:
                return found
            if self.ending is not None:
                raise NoAnswerError(f"the call ended before {what} ({self.ending})")
            if time.monotonic() >= deadline:
                raise NoAnswerError(f"no {what} within {timeout:g} s")
            await self._change(deadline)

    async def wait_for_frame(self, timeout: float) -> float:
        """Time at which the engine's first frame arrived. Raises NoAnswerError."""
        return await self._wait(lambda: self.heard.times[0] if self.heard.times else None, timeout, "frame")

    async def wait_for_voice(self, timeout: float, *, after: float) -> Run:
        """The first run of voice that starts after that time; it may still go on. Raises NoAnswerError."""

        def find() -> Run | None:
            return next((run for run in reversed(self._runs_after(after))), None)

        return await self._wait(find, timeout, "voice")

    def _runs_after(self, after: float) -> list[Run]:
        """Runs that started after that time, the latest first."""
        found = []
        for run in reversed(self.heard.runs):
            if run.started <= after:
                break
            found.append(run)
        return found

    async def wait_for_quiet(self, gap: float, *, longest: float = LONGEST_ANSWER) -> float:
        """Until the engine has been unvoiced for ``gap`` seconds, or the call is over. Returns when its voice ended.

        Raises NoAnswerError when it speaks for longer than ``longest`` seconds.
        """
        limit = time.monotonic() + longest
        while True:
            ended = self.heard.runs[-1].ended if self.heard.runs else self.dialled_at
            now = time.monotonic()
            if self.ending is not None or now - ended >= gap:
                return ended
            if now >= limit:
                raise NoAnswerError(f"the engine spoke for longer than {longest:g} s")
            await self._change(min(ended + gap, limit))

    async def wait_for_answer(
        self, timeout: float, *, after: float | None = None, longest: float = LONGEST_ANSWER
    ) -> Answer:
        """The answer: the first run of voice after the caller's last voiced sample, until the engine falls silent.

        ``after``: measure from this time instead. ``timeout``: seconds to wait for its first sound, from now.
        Raises NoAnswerError.
        """
        asked = after if after is not None else (self.spoken[-1].last_voiced if self.spoken else self.dialled_at)
        first = await self.wait_for_voice(timeout, after=asked)
        ended = await self.wait_for_quiet(self._answer_gap, longest=longest)
        pcm = self.heard.audio(first.first_frame, self.heard.runs[-1].last_frame) if self._keep else b""
        return Answer(asked, first.started, ended, pcm, self.ending is not None)

    async def wait_for_greeting(self, timeout: float) -> Answer:
        """What the engine says first, measured from the connect. Raises NoAnswerError."""
        return await self.wait_for_answer(timeout, after=self.dialled_at)

    async def wait_for_end(self, timeout: float) -> Ending:
        """Who ended the call. Raises NoAnswerError when it is not over in time."""
        deadline = time.monotonic() + timeout
        while self.ending is None:
            if time.monotonic() >= deadline:
                raise NoAnswerError(f"the call was not over within {timeout:g} s")
            await self._change(deadline)
        return self.ending

    # ---- the engine's own account

    async def _read_events(self, exchange: Exchange) -> None:
        try:
            async for event in exchange.events(str(self.call_id)):
                if len(self.engine_events) < MOST_EVENTS:
                    self.engine_events.append(event)
                self._notify()
        except ExchangeError as error:
            self.engine_events.append(EngineEvent("unavailable", time.monotonic(), {"reason": str(error)}))
            self._notify()

    async def wait_for_event(
        self, kind: str, timeout: float, *, accept: Callable[[EngineEvent], bool] = lambda _event: True, since: int = 0
    ) -> EngineEvent:
        """The first event of that type that is accepted, from number ``since`` on. Raises NoAnswerError."""

        def find() -> EngineEvent | None:
            return next((one for one in self.engine_events[since:] if one.type == kind and accept(one)), None)

        return await self._wait(find, timeout, f"event {kind!r}")

    # ---- the record

    @property
    def events(self) -> list[VoiceEvent]:
        """Onsets and offsets of both voices, in order."""
        found = [
            event
            for spoken in self.spoken
            for event in (
                VoiceEvent(spoken.first_voiced, "caller", "onset"),
                VoiceEvent(spoken.last_voiced, "caller", "offset"),
            )
        ]
        for run in self.heard.runs:
            found += [VoiceEvent(run.started, "engine", "onset"), VoiceEvent(run.ended, "engine", "offset")]
        return sorted(found, key=lambda event: event.t)

    def write_stereo_wav(self, path: Path) -> None:
        """The call as the caller's telephone had it: left what he said, right what he heard. Raises OSError."""
        from engine.audio.wav import write_wav  # noqa: PLC0415 - numpy and soxr, for those alone who record

        origin = self.sent_times[0] if self.sent_times else self.dialled_at
        said = b"".join(frame[-FRAME_BYTES:] for frame in self.sent)
        write_wav(path, said, self.heard.timeline(origin))
