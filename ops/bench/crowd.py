"""Many callers in one process: they arrive when it was decided, converse, and leave records behind."""

from __future__ import annotations

import asyncio
import gc
import json
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from engine.audio.wav import read_wav
from engine.errors import TrunklineError
from ops.bench.engine_process import Engine
from ops.bench.statistics import percentile
from ops.caller import Caller, NoAnswerError
from ops.exchange import Exchange
from ops.metronome import Metronome

DEMO: Final = Path(__file__).resolve().parents[1] / "demo"
GREETING_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 10.0
"""A turn without a sound after this long got no answer."""
NUMBER: Final = "+15550{:05d}"


@dataclass(frozen=True, slots=True)
class Clip:
    """Something a caller says."""

    name: str
    pcm: bytes
    text: str


def clips(*names: str) -> list[Clip]:
    """Sample speech that comes with the engine, by name; all of it in order where no name is given."""
    references = json.loads((DEMO / "refs.json").read_text(encoding="utf-8"))
    texts = {Path(one["file"]).stem: one["text"] for one in references}
    return [Clip(name, read_wav(DEMO / f"{name}.wav"), texts[name]) for name in names or texts]


@dataclass(slots=True)
class TurnRecord:
    """One question of a caller."""

    clip: Clip
    asked: float
    """Time of its last voiced sample."""
    latency: float
    """Seconds to the first sound of the answer; infinite where none came."""


@dataclass(slots=True)
class CallRecord:
    """One call, from the outside."""

    number: int
    leg: Caller
    turns: list[TurnRecord] = field(default_factory=list)
    greeting: float = math.inf
    """Seconds from the connect to the greeting's first sound."""
    failure: str = ""
    """Why the call did not go as the scenario has it."""

    @property
    def first_frame(self) -> float:
        """Seconds from the connect to the engine's first frame; infinite where none came."""
        return self.leg.heard.times[0] - self.leg.dialled_at if self.leg.heard.times else math.inf

    @property
    def lost(self) -> bool:
        """Whether the call was dropped, or never came about."""
        return self.leg.dropped or not self.leg.heard.times


Scenario = Callable[[CallRecord], Awaitable[None]]
"""What one caller does once he is connected; NoAnswerError ends his call."""


class Crowd:
    """Calls to one engine that share one beat."""

    def __init__(self, engine: Engine, exchange: Exchange, *, follow: bool, keep_audio: bool) -> None:
        self._engine = engine
        self._exchange = exchange
        self._follow = follow
        self._keep_audio = keep_audio
        self.metronome = Metronome()
        self.records: list[CallRecord] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._came = asyncio.Event()

    def send(self, scenario: Scenario, arrivals: Sequence[float]) -> None:
        """Let a caller come at each of these times (seconds from now)."""
        now = time.monotonic()
        for after in arrivals:
            number = len(self._tasks)
            leg = Caller(
                self._engine.address,
                self._exchange,
                metronome=self.metronome,
                caller=NUMBER.format(number),
                keep_audio=self._keep_audio,
                follow=self._follow,
            )
            self._tasks.append(
                asyncio.create_task(self._call(number, leg, scenario, now + after), name=f"call-{number}")
            )

    async def _call(self, number: int, leg: Caller, scenario: Scenario, at: float) -> None:
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        record = CallRecord(number, leg)
        self.records.append(record)
        self._came.set()
        try:
            async with leg:
                await scenario(record)
        except TrunklineError as error:
            record.failure = str(error)

    async def finish(self, timeout: float) -> None:
        """Until all calls are over; those that are not in time are cut off. Raises what a scenario raised."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout)
            for task in late:
                task.cancel()
            results = await asyncio.gather(*self._tasks, return_exceptions=True)
            for result in results:
                if isinstance(result, Exception):
                    raise result

    async def close(self) -> None:
        """Cut off what still goes on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.metronome.close()

    # ---- what all of them saw

    def latencies(self, since: float = 0.0, until: float = math.inf) -> list[float]:
        """Of all turns asked in that time."""
        return [turn.latency for record in self.records for turn in record.turns if since <= turn.asked < until]

    def gaps(self, since: float = 0.0, until: float = math.inf) -> list[float]:
        """Distances of neighbouring frames, of all calls, in that time."""
        return [gap for record in self.records for gap in record.leg.heard.gaps(since, until)]

    @property
    def lost(self) -> int:
        """Calls dropped, or that never came about."""
        return sum(record.lost for record in self.records)

    def faults(self) -> list[str]:
        """Notes on what went wrong, one a kind, with how often."""
        found: dict[str, int] = {}
        for record in self.records:
            for text in [*record.leg.violations, *([record.failure] if record.failure else [])]:
                found[text] = found.get(text, 0) + 1
        return [f"{text} ({times} times)" if times > 1 else text for text, times in found.items()]

    def own_lateness(self) -> str:
        """How late the callers themselves sent, for the notes."""
        late = self.metronome.lateness
        p99, worst = percentile(late, 0.99) * 1000, max(late, default=math.nan) * 1000
        blurred = sum(record.leg.blurred for record in self.records)
        frames = sum(len(record.leg.heard.times) for record in self.records)
        return (
            f"the callers' own frames left at most {worst:.1f} ms late, p99 {p99:.1f} ms; "
            f"of {frames} frames they came too late to tell {blurred} from the next"
        )


@asynccontextmanager
async def crowd(engine: Engine, token: str, *, follow: bool = False, keep_audio: bool = False) -> AsyncIterator[Crowd]:
    """Callers for ``engine``. The collector of garbage rests meanwhile: its pauses would be measured too."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        async with Exchange(engine.telephony, token=token) as exchange:
            callers = Crowd(engine, exchange, follow=follow, keep_audio=keep_audio)
            try:
                yield callers
            finally:
                await callers.close()
    finally:
        gc.enable()
        gc.unfreeze()


async def greet(record: CallRecord) -> None:
    """Hear the greeting to its end."""
    greeting = await record.leg.wait_for_greeting(GREETING_SECONDS)
    record.greeting = greeting.latency


async def ask(record: CallRecord, clip: Clip) -> None:
    """One turn: say the clip and hear the answer to its end. Raises NoAnswerError; the turn is on record even so."""
    spoken = await record.leg.speak(clip.pcm)
    turn = TurnRecord(clip, spoken.last_voiced, math.inf)
    record.turns.append(turn)
    run = await record.leg.wait_for_voice(ANSWER_SECONDS, after=turn.asked)
    turn.latency = run.started - turn.asked
    await record.leg.wait_for_answer(0.0)


def converse(
    said: Sequence[Clip], *, until: Callable[[], float] = lambda: math.inf, turns: int = 1_000_000, seed: int = 1
) -> Scenario:
    """Greeting, then turn after turn with a short breath between, until the time has come or all turns were taken.

    Each caller starts with another clip. A turn without an answer does not end the call: the next one is tried.
    """

    async def scenario(record: CallRecord) -> None:
        breath = random.Random(seed * 1000 + record.number)
        await greet(record)
        for turn in range(turns):
            if time.monotonic() >= until():
                break
            await asyncio.sleep(breath.uniform(0.1, 0.9))
            try:
                await ask(record, said[(record.number + turn) % len(said)])
            except NoAnswerError:
                if record.leg.ending is not None:
                    raise
        await asyncio.sleep(0.3)  # the engine's account of the last turn is on its way

    return scenario


def stage_table(records: Sequence[CallRecord]) -> list[dict[str, Any]]:
    """Where the time went, by the engine's own account: for each stage the median and the 95th percentile in ms."""
    found: dict[str, list[float]] = {}
    for record in records:
        for event in record.leg.engine_events:
            if event.type == "turn":
                for name, seconds in event.data.get("stages", {}).items():
                    found.setdefault(name, []).append(float(seconds))
    return [
        {
            "reached, ms after the end of speech": name,
            "p50": round(percentile(values, 0.5) * 1000, 1),
            "p95": round(percentile(values, 0.95) * 1000, 1),
            "turns": len(values),
        }
        for name, values in found.items()
    ]
