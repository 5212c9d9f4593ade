"""The demonstration call: recorded speech calls the engine that has just started, and the dialogue scrolls by."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from engine.audio.wav import read_wav
from engine.config import Settings, in_url
from ops.call import call_engine

FOLDER: Final = Path(__file__).parent / "demo"
SAID: Final = (
    "order_status.wav",
    "winter_tyres.wav",
    "first_one.wav",
    "four_tyres.wav",
    "phone_number.wav",
    "goodbye.wav",
)
CALLER: Final = "+15550100"
"""A number that belongs to nobody (reserved for fiction)."""

FINISHED: Final = "demonstration call finished"


def spoken() -> dict[str, str]:
    """File name → what is said in it, of the speech that comes with the engine."""
    entries = json.loads((FOLDER / "refs.json").read_text("utf-8"))
    return {entry["file"]: entry["text"] for entry in entries}


async def demonstrate(settings: Settings, audiosocket: int, telephony: int) -> bool:
    """Place the call and say how to call from a PBX; whether every turn was answered."""
    host = settings.network.near
    recording = settings.paths.recordings / "demonstration.wav"
    recording.parent.mkdir(parents=True, exist_ok=True)
    _say("")
    _say("— demonstration call: recorded speech over AudioSocket, answered by the models on this machine —")
    result = await call_engine(
        (host, audiosocket),
        f"http://{in_url(host)}:{telephony}",
        [(name, read_wav(FOLDER / name)) for name in SAID],
        caller=CALLER,
        token=settings.network.telephony_token.reveal(),
        record=recording,
        tell=_say,
    )
    _say(f"{FINISHED}: {'every turn was answered' if result.answered else 'NOT every turn was answered'}")
    _say("")
    _say(f"The engine stays up. Listen to the call: {recording}")
    _say(f"Call it again:            trunkline call {FOLDER / SAID[0]} --caller {CALLER}")
    shown = in_url(settings.network.listen)
    _say(f"Connect your Asterisk:    docs/asterisk.md (AudioSocket {shown}:{audiosocket}, HTTP {shown}:{telephony})")
    _say("End it:                   Ctrl-C")
    return result.answered


def _say(line: str) -> None:
    print(line, file=sys.stdout, flush=True)
