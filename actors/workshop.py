"""Puts the parts of a call together: what a call's process loads once, and what each call gets of it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from actors.business_api import business_api
from actors.messages import CallStart
from actors.phrases import PreparedAudio
from engine.agent.agent import AgentLimits, ToolAgent
from engine.agent.playbook import Playbook
from engine.agent.playbooks import Playbooks, language_of, spelling_of
from engine.agent.ports import CallFacts
from engine.agent.tokens import ModelTally
from engine.agent.toolbox import open_tools
from engine.agent.tools import ToolBox
from engine.audio.blackbox import BlackBox
from engine.audio.playout import Playout
from engine.audio.silero import load_weights
from engine.audio.vad import VoiceActivity
from engine.breaker import Breakers
from engine.clock import Clock
from engine.config import DialogueSettings, Settings
from engine.dialogue.parts import Journal, Parts
from engine.dialogue.prepared import PreparedSynthesizer
from engine.dialogue.reply import Voice
from engine.errors import ProtocolError
from engine.http.client import JsonClient
from engine.http.retry import RetryPolicy
from engine.knowledge.fallback import FallbackKnowledge
from engine.knowledge.grpc_client import GrpcKnowledge
from engine.knowledge.port import KnowledgeBase
from engine.knowledge.words import WordsKnowledge
from engine.speech.grpc_client import Channels, GrpcChatModel, GrpcRecognizer, GrpcSynthesizer, lease_ahead
from engine.speech.leases import Leases
from engine.store.client import StoreClient

SEARCH_SPARE_SECONDS = 0.5
"""What a search may take beyond the database's own limit."""

logger = logging.getLogger(__name__)


class CallWorkshop:
    """One process's workshop."""

    def __init__(self, settings: Settings, *, voice_weights: Path, store_url: str, clock: Clock) -> None:
        """``voice_weights``: voice activity's, prepared on this node. ``store_url``: base of the Store API."""
        self._settings = settings
        self._clock = clock
        self._playbooks = Playbooks(settings.dialogue.playbook)
        self._weights = load_weights(voice_weights)
        self._channels = Channels()
        self._breakers = Breakers(
            settings.paths.breakers,
            failures=settings.store.breaker_failures,
            half_open_after=settings.store.breaker_open_s,
        )
        self._store = StoreClient(
            JsonClient(
                store_url,
                settings.store.token.reveal(),
                name="store",
                timeout=settings.store.timeout_s,
                retry=RetryPolicy(settings.store.retries),
                breaker=self._breakers.named("store"),
            )
        )
        self._words = {
            playbook.name: WordsKnowledge(playbook.knowledge, playbook.spellings) for playbook in self._playbooks
        }
        self._services = {
            playbook.name: business_api(
                playbook, settings.store, environ=os.environ, breakers=self._breakers, store_url=store_url
            )
            for playbook in self._playbooks
        }
        for playbook in self._playbooks:
            self._tools(playbook, self._words[playbook.name])  # what is wrong with them is told at start
        self._prepared: dict[str, Mapping[str, bytes]] = {}

    def _tools(self, playbook: Playbook, knowledge: KnowledgeBase) -> ToolBox:
        """The tools of ``playbook``, over the store or its business's own API."""

        def is_open() -> bool:
            always = self._settings.dialogue.opening_hours == "always"
            return always or playbook.hours.open_at(self._clock.wall())

        service = self._services[playbook.name]
        return open_tools(playbook, store=self._store, service=service, knowledge=knowledge, is_open=is_open)

    def prepared(self, path: Path, playbook: str = "") -> None:
        """The audio of the fixed sentences of ``playbook`` (empty: the first) lies at ``path``."""
        try:
            self._prepared[playbook or self._playbooks.default.name] = PreparedAudio(path)
        except (OSError, ProtocolError) as error:
            logger.warning("fixed sentences will be synthesised when they are needed: %s", error)

    async def lease_ahead(self, leases: Leases) -> None:
        """Lease and connect the voice and the chat model, which the first answer needs."""
        await lease_ahead(leases, self._channels, ("llm", "tts"))

    def parts(self, start: CallStart, *, box: BlackBox, playout: Playout, leases: Leases, journal: Journal) -> Parts:
        """Everything one call needs."""
        settings, playbook = self._settings, self._playbooks.dialled(start.dialled)
        language = language_of(playbook, settings.dialogue.language)
        facts, tally = CallFacts(start.call_id, start.caller, start.dialled, language), ModelTally()
        return Parts(
            facts=facts,
            settings=settings.dialogue,
            phrases=playbook.phrases,
            box=box,
            playout=playout,
            activity=VoiceActivity(self._weights),
            recognizer=GrpcRecognizer(leases, self._channels),
            voice=Voice(
                PreparedSynthesizer(GrpcSynthesizer(leases, self._channels), self._prepared.get(playbook.name, {})),
                name=settings.speech.voice or playbook.voice,
                language=language,
                speed=settings.speech.speed,
                timeout=settings.dialogue.tts_timeout_ms / 1000,
                spell=spelling_of(playbook, language),
            ),
            agent=ToolAgent(
                model=GrpcChatModel(leases, self._channels),
                playbook=playbook,
                tools=self._tools(playbook, self._knowledge(playbook, start, leases)),
                facts=facts,
                limits=_limits(settings.dialogue),
                clock=self._clock,
                tally=tally,
            ),
            journal=journal,
            clock=self._clock,
            hints=playbook.hints,
            tally=tally,
        )

    def _knowledge(self, playbook: Playbook, start: CallStart, leases: Leases) -> KnowledgeBase:
        """By meaning at the chat model's replica; by words here, where that gives no answer."""
        timeout = self._settings.knowledge.timeout_s + SEARCH_SPARE_SECONDS
        remote = GrpcKnowledge(leases, self._channels, playbook=playbook.name, call_id=start.call_id, timeout=timeout)
        names = ("the search by meaning", "the search by words")
        return FallbackKnowledge(remote, self._words[playbook.name], self._clock, names=names)


def _limits(dialogue: DialogueSettings) -> AgentLimits:
    """Two tries of the model within the wait that is set."""
    wait = dialogue.llm_timeout_ms / 1000
    return AgentLimits(first_delta=0.48 * wait, next_delta=0.9 * wait)
