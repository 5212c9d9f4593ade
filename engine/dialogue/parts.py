"""What a call is made of, and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.agent.ports import Agent, CallFacts, Phrases
from engine.agent.tokens import ModelTally
from engine.audio.blackbox import BlackBox
from engine.audio.playout import Playout
from engine.clock import Clock
from engine.config import DialogueSettings
from engine.dialogue.listening import VoiceActivityPort
from engine.dialogue.reply import Voice
from engine.speech.ports import SpeechRecognizer

Journal = Callable[[str, dict[str, Any]], None]
"""Takes the events of the call: their type and fields."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended, and what the dialplan shall do next."""

    next: Literal["operator", "hangup"]
    reason: str


@dataclass(frozen=True, slots=True)
class Parts:
    """What a call is made of; everything that another adapter, a test or a take-over puts in."""

    facts: CallFacts
    settings: DialogueSettings
    phrases: Phrases
    box: BlackBox
    playout: Playout
    activity: VoiceActivityPort
    recognizer: SpeechRecognizer
    voice: Voice
    agent: Agent
    journal: Journal
    clock: Clock
    hints: tuple[str, ...] = ()
    tally: ModelTally = field(default_factory=ModelTally)
    """Where the agent counts the tokens of its models."""
