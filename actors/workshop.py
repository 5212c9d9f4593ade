"""Puts the parts of a call together: what a call's process loads once, and what each call gets of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from actors.messages import CallStart
from actors.phrases import PreparedAudio
from engine.agent.agent import ToolAgent
from engine.agent.numbers import spell_out
from engine.agent.playbook import load_playbook
from engine.agent.ports import CallFacts
from engine.agent.shop_tools import shop_tools
from engine.audio.blackbox import BlackBox
from engine.audio.playout import Playout
from engine.audio.silero import load_weights
from engine.audio.vad import VoiceActivity
from engine.clock import Clock
from engine.config import Settings
from engine.dialogue.call import Journal, Parts
from engine.dialogue.prepared import PreparedSynthesizer
from engine.dialogue.reply import Voice
from engine.errors import ProtocolError
from engine.speech.grpc_client import Channels, GrpcChatModel, GrpcRecognizer, GrpcSynthesizer
from engine.speech.leases import Leases
from engine.store.client import StoreClient

logger = logging.getLogger(__name__)


class CallWorkshop:
    """One process's workshop."""

    def __init__(self, settings: Settings, *, voice_weights: Path, store_url: str, clock: Clock) -> None:
        """``voice_weights``: voice activity's, prepared on this node. ``store_url``: base of the Store API."""
        self._settings = settings
        self._clock = clock
        self._playbook = load_playbook(settings.dialogue.playbook)
        self._weights = load_weights(voice_weights)
        self._channels = Channels()
        self._store = StoreClient(store_url, settings.store.token.reveal(), timeout=settings.store.timeout_s)
        self._tools = shop_tools(self._playbook, self._store)
        self._prepared: Mapping[str, bytes] = {}

    def prepared(self, path: Path) -> None:
        """The fixed sentences' audio lies at ``path``."""
        try:
            self._prepared = PreparedAudio(path)
        except (OSError, ProtocolError) as error:
            logger.warning("fixed sentences will be synthesised when they are needed: %s", error)

    def parts(self, start: CallStart, *, box: BlackBox, playout: Playout, leases: Leases, journal: Journal) -> Parts:
        """Everything one call needs."""
        settings, playbook = self._settings, self._playbook
        language = settings.dialogue.language
        facts = CallFacts(start.call_id, start.caller, start.dialled, language)
        return Parts(
            facts=facts,
            settings=settings.dialogue,
            phrases=playbook.phrases,
            box=box,
            playout=playout,
            activity=VoiceActivity(self._weights),
            recognizer=GrpcRecognizer(leases, self._channels),
            voice=Voice(
                PreparedSynthesizer(GrpcSynthesizer(leases, self._channels), self._prepared),
                name=settings.speech.voice or playbook.voice,
                language=language,
                speed=settings.speech.speed,
                timeout=settings.dialogue.tts_timeout_ms / 1000,
                spell=partial(spell_out, language=language),
            ),
            agent=ToolAgent(
                model=GrpcChatModel(leases, self._channels),
                playbook=playbook,
                tools=self._tools,
                facts=facts,
                clock=self._clock,
            ),
            journal=journal,
            clock=self._clock,
            hints=playbook.hints,
        )
