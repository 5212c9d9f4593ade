"""A call's process whose caller says canaries and whose store answers with them: ``python -m … SOCKET STORE_URL``."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from actors.host import CallHost
from actors.messages import CallStart
from engine.agent.ports import AgentOutput, CallFacts, Committed, Message, Say, ToolFinished, ToolStarted
from engine.audio.blackbox import BlackBox
from engine.audio.playout import Playout
from engine.clock import LoopClock
from engine.config import LoggingSettings, Settings
from engine.dialogue.parts import Journal, Parts
from engine.dialogue.reply import Voice
from engine.errors import ModelError, StoreError
from engine.http.client import JsonClient
from engine.http.retry import RetryPolicy
from engine.logs import configure_logging
from engine.speech.leases import Leases
from engine.speech.providers.scripted import ScriptedRecognizer, ScriptedSynthesizer
from engine.store.client import StoreClient
from tests.integration.canaries import SAID
from tests.unit.dialogue.stage import PHRASES, LevelActivity

logger = logging.getLogger("engine.agent.canary")


class CarelessAgent:
    """Repeats what it was told, asks the store with it, and writes all of it into the log."""

    def __init__(self, store: StoreClient, facts: CallFacts) -> None:
        self._store = store
        self._facts = facts

    async def respond(self, history: Sequence[Message], committed: Committed) -> AsyncIterator[AgentOutput]:
        await committed()
        said = [message.content for message in history if message.role == "user"]
        logger.info("the caller %s said: %s", self._facts.caller, said[-1], extra={"caller": self._facts.caller})
        yield ToolStarted("get_order_status")
        arguments = {"customer_name": "Marlowe Quistgaard", "customer_phone": "0504468215", "note": said[-1]}
        try:
            await self._store.search_orders(phone=self._facts.caller, order_number="4271")
        except StoreError:
            logger.exception("the store refused %s", arguments)
        yield ToolFinished("get_order_status", dict(arguments), False, 0.1, "refused")
        if len(said) >= len(SAID):
            print_like_a_library(said[-1])
            raise ModelError(f"no answer for Marlowe Quistgaard, {said[-1]}")
        yield Say(f"Thank you, Marlowe Quistgaard. You said {said[-1]}.")

    async def close(self) -> None:
        """Nothing is open."""


def print_like_a_library(text: str) -> None:
    """Through a logger of its own, outside of the call's tasks."""
    asyncio.get_running_loop().call_soon(logging.getLogger("a.library").warning, "saw %r", text)


class CanaryWorkshop:
    """Parts that need no other process but the store."""

    def __init__(self, store_url: str) -> None:
        self._store_url = store_url

    def prepared(self, path: Path, playbook: str = "") -> None:
        """Fixed sentences are synthesised here."""

    async def lease_ahead(self, leases: Leases) -> None:
        """Nothing here is leased."""

    def parts(self, start: CallStart, *, box: BlackBox, playout: Playout, leases: Leases, journal: Journal) -> Parts:
        facts = CallFacts(start.call_id, start.caller)
        store = StoreClient(JsonClient(self._store_url, "token", name="store", timeout=2.0, retry=RetryPolicy(0)))
        return Parts(
            facts=facts,
            settings=Settings().dialogue,
            phrases=PHRASES,
            box=box,
            playout=playout,
            activity=LevelActivity(),
            recognizer=ScriptedRecognizer(flush_seconds=0.05, texts=SAID, partial_every=0.2),
            voice=Voice(ScriptedSynthesizer(first_audio_seconds=0.02, words_per_second=20)),
            agent=CarelessAgent(store, facts),
            journal=journal,
            clock=LoopClock(),
        )


if __name__ == "__main__":
    configure_logging(LoggingSettings(level="debug", format="json"))
    if len(sys.argv) > 3:  # the leak that the search must find
        logging.getLogger().handlers[0].setFormatter(logging.Formatter())
    asyncio.run(CallHost(Path(sys.argv[1]), Settings(), CanaryWorkshop(sys.argv[2]), LoopClock()).run())
