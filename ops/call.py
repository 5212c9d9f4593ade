"""``trunkline call``: calls a running engine and says each file as one turn."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from engine.audio.wav import read_wav
from engine.config import Settings, in_url
from engine.errors import ConfigurationError
from ops.caller import Answer, Caller, NoAnswerError
from ops.exchange import EngineEvent, Exchange

GREETING_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 15.0
ACCOUNT_SECONDS: Final = 2.0
"""How long the engine's own account of a turn is waited for."""
STAGES: Final = ("endpointing", "final_text", "first_token", "first_audio", "on_the_wire")


@dataclass(slots=True)
class TurnResult:
    """One turn as the caller had it."""

    file: str
    caller: str = ""
    """What the engine understood."""
    agent: str = ""
    """What it said."""
    seconds: float | None = None
    """From the caller's last voiced sample to the first sound of the answer; None: there was no answer."""
    stages: dict[str, float] = field(default_factory=dict)
    """When each stage was reached, in seconds after the end of speech, by the engine's account."""
    failure: str = ""


@dataclass(slots=True)
class CallResult:
    """A whole call."""

    call_id: str
    greeting_seconds: float | None = None
    """From the connect to the greeting's first sound."""
    turns: list[TurnResult] = field(default_factory=list)
    ended_by: str = ""
    """``caller``, ``engine``, or how the connection broke."""
    next: str = ""
    """What the engine has the dialplan do after a call that it ended: ``operator`` or ``hangup``."""
    worst_gap: float = 0.0
    """Longest distance between two frames, in seconds."""
    violations: list[str] = field(default_factory=list)
    """What the engine sent that would have failed the call in Asterisk."""
    failure: str = ""

    @property
    def answered(self) -> bool:
        """Whether the greeting and every turn was answered and the call was not dropped."""
        return not self.failure and all(turn.seconds is not None for turn in self.turns)


def place_call(
    settings: Settings,
    wavs: Sequence[Path],
    *,
    caller: str = "",
    dialled: str = "",
    record: Path | None = None,
    as_json: bool = False,
) -> None:
    """Call the engine of these settings and print what was said; exits with 1 when something got no answer.

    Raises ConfigurationError (a file that cannot be read), ExchangeError and NotConnectedError (no engine listens).
    """
    network = settings.network
    host = network.near
    result = asyncio.run(
        call_engine(
            (host, network.audiosocket_port),
            f"http://{in_url(host)}:{network.telephony_port}",
            [(path.name, read_wav(path)) for path in wavs],
            caller=caller,
            dialled=dialled,
            token=network.telephony_token.reveal(),
            record=record,
            tell=(lambda _line: None) if as_json else print,
        )
    )
    if as_json:
        print(json.dumps(asdict(result) | {"answered": result.answered}, indent=2, ensure_ascii=False))
    if not result.answered:
        sys.exit(1)


async def call_engine(
    address: tuple[str, int],
    telephony: str,
    said: Sequence[tuple[str, bytes]],
    *,
    caller: str = "",
    dialled: str = "",
    token: str = "",
    record: Path | None = None,
    tell: Callable[[str], object] = print,
) -> CallResult:
    """One call to the engine at ``address`` (AudioSocket) and ``telephony`` (URL).

    ``said``: names and engine audio, one turn each, said when the answer before has ended. ``record``: a stereo wav,
    left the caller, right the engine. ``tell``: is told each line of the dialogue as it happens.
    Raises ExchangeError, NotConnectedError; ConfigurationError when the recording cannot be written.
    """
    async with Exchange(telephony, token=token) as exchange:
        leg = Caller(address, exchange, caller=caller, dialled=dialled, follow=True)
        result = CallResult(str(leg.call_id))
        async with leg:
            await _converse(leg, result, said, tell)
        result.ended_by = leg.ending or ""
        result.worst_gap = max(leg.heard.gaps(), default=0.0)
        result.violations = leg.violations
        if leg.dropped:
            result.failure = result.failure or f"the call was dropped ({leg.ending})"
        if leg.ending == "engine":
            result.next = await exchange.next_step(result.call_id)
        if record is not None:
            try:
                leg.write_stereo_wav(record)
            except OSError as error:
                raise ConfigurationError(f"{record}: {error.strerror}") from error
            tell(f"recorded in {record}")
    if result.failure:
        tell(f"! {result.failure}")
    return result


async def _converse(
    leg: Caller, result: CallResult, said: Sequence[tuple[str, bytes]], tell: Callable[[str], object]
) -> None:
    try:
        greeting = await leg.wait_for_greeting(GREETING_SECONDS)
    except NoAnswerError as error:
        result.failure = f"no greeting: {error}"
        return
    result.greeting_seconds = greeting.latency
    tell(f"agent   (greeting, {greeting.latency * 1000:.0f} ms after the connect)")
    for name, pcm in said:
        if leg.ending is not None:
            result.failure = f"the call ended before {name} was said"
            return
        turn = TurnResult(name)
        result.turns.append(turn)
        await _take_turn(leg, turn, pcm)
        for line in turn_lines(turn):
            tell(line)


async def _take_turn(leg: Caller, turn: TurnResult, pcm: bytes) -> None:
    seen = len(leg.engine_events)
    try:
        await leg.speak(pcm)
        answer = await leg.wait_for_answer(ANSWER_SECONDS)
    except NoAnswerError as error:
        turn.failure = str(error)
        return
    turn.seconds = answer.latency
    account = await _account(leg, seen, answer)
    if account is not None:
        turn.caller, turn.agent = str(account.data.get("caller", "")), str(account.data.get("agent", ""))
        turn.stages = {name: float(at) for name, at in dict(account.data.get("stages", {})).items()}


async def _account(leg: Caller, seen: int, answer: Answer) -> EngineEvent | None:
    """The engine's account of the turn that was just answered; None where it gives none."""
    if answer.hung_up:  # what was told before the end is all there will be
        await asyncio.sleep(0.2)
        return next((event for event in leg.engine_events[seen:] if event.type == "turn" and _is_answer(event)), None)
    try:
        return await leg.wait_for_event("turn", ACCOUNT_SECONDS, since=seen, accept=_is_answer)
    except NoAnswerError:
        return None


def _is_answer(event: EngineEvent) -> bool:
    """Whether it tells of an answer to something said; the greeting has no stages."""
    return bool(event.data.get("stages"))


def turn_lines(turn: TurnResult) -> list[str]:
    """A turn, for people."""
    lines = [f"caller  {turn.caller or '(' + turn.file + ')'}"]
    if turn.seconds is None:
        return [*lines, f"agent   (no answer: {turn.failure})"]
    lines.append(f"agent   {turn.agent or '(speaks)'}")
    steps = [f"{name.replace('_', ' ')} {turn.stages[name] * 1000:.0f}" for name in STAGES if name in turn.stages]
    detail = f" ({' → '.join(steps)})" if steps else ""
    return [*lines, f"        first sound after {turn.seconds * 1000:.0f} ms{detail}"]
