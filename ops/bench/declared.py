"""The settings a benchmark runs with, and the shortest answer that they allow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.config import Settings
from engine.dialogue.endpointing import wait_factor
from engine.speech.providers.scripted import DEFAULT_TEXTS

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
        "endpointing": f"{silence_seconds(settings) * 1000:.0f} ms of silence",
        "pause": f"{dialogue.pause_ms} ms of silence, then the work begins",
        "first clause": f"{dialogue.first_clause_words} words",
        "barge-in": f"{dialogue.barge_in_ms} ms of speech",
    }


def silence_seconds(settings: Settings) -> float:
    """Silence that ends a turn of the scripted recogniser's, in seconds; the longest where its texts differ in that."""
    dialogue = settings.dialogue
    texts = settings.scripted.texts or DEFAULT_TEXTS
    factor = max(wait_factor(text) for text in texts) if dialogue.endpointing_adaptive else 1.0
    return dialogue.endpointing_ms / 1000 * factor


def clause_seconds(settings: Settings) -> float:
    """Seconds from the first token until the first clause is there.

    A token begins with the blank before its word, so the last word of a clause is known to be whole with the token
    after it, or with the end of the answer.
    """
    script, words = settings.scripted, settings.dialogue.first_clause_words
    tokens = words if words < script.reply_words else script.reply_words - 1
    return tokens / script.tokens_per_second


def ideal_seconds(settings: Settings) -> float:
    """Seconds from the end of speech to the first sound if the engine itself took no time.

    The silence that ends a turn and the work on what was said so far (which begins with the pause that is set) run side
    by side where the engine may start ahead, one after the other where it may not; then the first clause becomes audio.
    """
    script, dialogue = settings.scripted, settings.dialogue
    model = (script.stt_ms + script.first_token_ms) / 1000 + clause_seconds(settings)
    silence = silence_seconds(settings)
    ahead = max(silence, dialogue.pause_ms / 1000 + model)
    return (ahead if dialogue.speculate else silence + model) + script.first_audio_ms / 1000


def ideal_path(settings: Settings) -> str:
    """The same in words."""
    script, dialogue = settings.scripted, settings.dialogue
    clause = clause_seconds(settings) * 1000
    model = f"recogniser {script.stt_ms} + first token {script.first_token_ms} + first clause {clause:.0f}"
    silence = f"endpointing {silence_seconds(settings) * 1000:.0f}"
    both = f"max({silence}, pause {dialogue.pause_ms} + {model})" if dialogue.speculate else f"{silence} + {model}"
    return f"{both} + first audio {script.first_audio_ms} = {ideal_seconds(settings) * 1000:.0f} ms"


def merged(environ: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """The user's environment, with what the benchmark needs over it."""
    return {**environ, **wanted}
