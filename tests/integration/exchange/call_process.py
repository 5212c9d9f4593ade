"""A call's process as the exchange knows it, without Ray and with scripted parts.

``python -m … SOCKET CALLS [SECONDS]``: after so many calls it ends, or after so many seconds without an exchange.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from actors.host import ORPHAN_SECONDS, CallHost
from actors.messages import CallStart
from engine.agent.ports import CallFacts
from engine.audio.blackbox import BlackBox
from engine.audio.playout import Playout
from engine.clock import LoopClock
from engine.config import PoolSettings, Settings
from engine.config.sections import PathSettings
from engine.dialogue.parts import Journal, Parts
from engine.dialogue.reply import Voice
from engine.speech.leases import Leases
from engine.speech.providers.scripted import ScriptedRecognizer, ScriptedSynthesizer
from tests.unit.dialogue.stage import PHRASES, LevelActivity, StoryAgent, says


class ScriptedWorkshop:
    """Parts that need no other process."""

    def prepared(self, path: Path, playbook: str = "") -> None:
        """Fixed sentences are synthesised here."""

    async def lease_ahead(self, leases: Leases) -> None:
        """Nothing here is leased."""

    def parts(self, start: CallStart, *, box: BlackBox, playout: Playout, leases: Leases, journal: Journal) -> Parts:
        return Parts(
            facts=CallFacts(start.call_id, start.caller),
            settings=Settings().dialogue,
            phrases=PHRASES,
            box=box,
            playout=playout,
            activity=LevelActivity(),
            recognizer=ScriptedRecognizer(flush_seconds=0.05),
            voice=Voice(ScriptedSynthesizer(first_audio_seconds=0.05, words_per_second=6)),
            agent=StoryAgent(says("one two three four five six seven eight nine ten.")),
            journal=journal,
            clock=LoopClock(),
        )


if __name__ == "__main__":
    path, calls, *patience = sys.argv[1:]
    settings = replace(
        Settings(), pool=replace(PoolSettings(), calls_per_actor=int(calls)), paths=PathSettings(Path(path).parent)
    )
    waits = float(patience[0]) if patience else ORPHAN_SECONDS
    asyncio.run(CallHost(Path(path), settings, ScriptedWorkshop(), LoopClock(), orphan_seconds=waits).run())
