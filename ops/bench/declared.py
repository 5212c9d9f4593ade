"""The settings a benchmark runs with, and the shortest answer that they allow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.config import Settings

SCRIPTED: Final = {
    "TRUNKLINE_STT": "scripted",
    "TRUNKLINE_TTS": "scripted",
    "TRUNKLINE_LLM": "scripted",
    "TRUNKLINE_SCRIPTED_STT_MS": "100",
    "TRUNKLINE_SCRIPTED_FIRST_TOKEN_MS": "200",
    "TRUNKLINE_SCRIPTED_TOKENS_PER_SECOND": "50",
    "TRUNKLINE_SCRIPTED_FIRST_AUDIO_MS": "100",
    "TRUNKLINE_SCRIPTED_REPLY_WORDS": "10",
}
"""Providers that answer on time and always the same."""


def scripted(capacity: int, **more: str) -> dict[str, str]:
    """Environment of an engine with scripted providers, all its processes warm before it says it is ready."""
    spare = int(more.get("POOL_SPARE", Settings().pool.spare))
    pool = {"TRUNKLINE_CAPACITY": str(capacity), "TRUNKLINE_POOL_READY": str(capacity + spare)}
    return SCRIPTED | pool | {f"TRUNKLINE_{name}": value for name, value in more.items()}


def declared(settings: Settings) -> dict[str, str]:
    """What the providers were told to take, and what else decides about the time to an answer."""
    script, dialogue = settings.scripted, settings.dialogue
    return {
        "recogniser": f"{script.stt_ms} ms",
        "first token": f"{script.first_token_ms} ms",
        "tokens": f"{script.tokens_per_second:g}/s",
        "first audio": f"{script.first_audio_ms} ms",
        "reply": f"{script.reply_words} words",
        "endpointing": f"{dialogue.endpointing_ms} ms of silence",
        "first clause": f"{dialogue.first_clause_words} words",
        "barge-in": f"{dialogue.barge_in_ms} ms of speech",
    }


def ideal_seconds(settings: Settings) -> float:
    """Seconds from the end of speech to the first sound if the engine itself took no time.

    The silence that ends a turn and the work on what was said so far run side by side where the engine may start ahead,
    one after the other where it may not; then the first clause becomes audio.
    """
    script, dialogue = settings.scripted, settings.dialogue
    words = min(script.reply_words, dialogue.first_clause_words)
    model = (script.stt_ms + script.first_token_ms) / 1000 + (words - 1) / script.tokens_per_second
    silence = dialogue.endpointing_ms / 1000
    return (max(silence, model) if dialogue.speculate else silence + model) + script.first_audio_ms / 1000


def ideal_path(settings: Settings) -> str:
    """The same in words."""
    script, dialogue = settings.scripted, settings.dialogue
    words = min(script.reply_words, dialogue.first_clause_words)
    clause = (words - 1) / script.tokens_per_second * 1000
    model = f"recogniser {script.stt_ms} + first token {script.first_token_ms} + first clause {clause:.0f}"
    silence = f"endpointing {dialogue.endpointing_ms}"
    both = f"max({silence}, {model})" if dialogue.speculate else f"{silence} + {model}"
    return f"{both} + first audio {script.first_audio_ms} = {ideal_seconds(settings) * 1000:.0f} ms"


def merged(environ: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """The user's environment, with what the benchmark needs over it."""
    return {**environ, **wanted}
