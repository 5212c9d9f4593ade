"""Settings of services that others run: where they are, by which key, and how long they may take."""

# ruff: noqa: RUF009 - ``setting`` makes a dataclass field, it is no shared default
from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.config.setting import Secret, setting

OPENAI_URL: Final = "https://api.openai.com/v1"
ANTHROPIC_URL: Final = "https://api.anthropic.com"

URL: Final = r"https?://[^\s/@?#]+(?:/[^\s@?#]*)?"
EXPECTED_URL: Final = "a URL (`http://…`, `https://…`) without user, password or query"
LONGEST_WAIT: Final = 5.5
"""Seconds: the agent gives a model up after 6, and by then the next of a chain must have begun."""


@dataclass(frozen=True, slots=True)
class ChainSettings:
    """When a provider outside that fails is passed over, by all calls of a machine together."""

    breaker_failures: int = setting(
        5,
        "Failures in a row after which it is left alone.",
        unit="failures",
        at_least=1,
        at_most=1000,
        variable="PROVIDER_BREAKER_FAILURES",
    )
    breaker_open_s: float = setting(
        30.0,
        "How long it is left alone before one request tries it again.",
        unit="s",
        at_least=1,
        at_most=3600,
        variable="PROVIDER_BREAKER_OPEN_S",
    )


@dataclass(frozen=True, slots=True)
class OpenAiSettings:
    """Account at OpenAI, or at another server of its API; in use where a provider is `openai`."""

    url: str = setting(OPENAI_URL, "Base URL of the API.", pattern=URL, expected=EXPECTED_URL, variable="OPENAI_URL")
    key: Secret = setting(
        Secret(""), "API key; required by OpenAI itself, other servers may do without.", variable="OPENAI_KEY"
    )


@dataclass(frozen=True, slots=True)
class OpenAiChatSettings:
    """Chat by OpenAI's API (OpenAI, vLLM, Ollama and many more); in use where TRUNKLINE_LLM names `openai`."""

    model: str = setting("", "Name of the model, as the server knows it; required.", variable="OPENAI_CHAT_MODEL")
    url: str = setting(
        "",
        "Base URL where chat has a server of its own (a vLLM, an Ollama); empty: TRUNKLINE_OPENAI_URL and its key.",
        pattern=URL,
        expected=EXPECTED_URL,
        variable="OPENAI_CHAT_URL",
    )
    key: Secret = setting(
        Secret(""), "API key for TRUNKLINE_OPENAI_CHAT_URL; empty: none is sent.", variable="OPENAI_CHAT_KEY"
    )
    temperature: float = setting(
        -1.0,
        "How freely it words; negative: not sent, since newer models take none. Others do well with 0.2.",
        at_least=-1,
        at_most=2,
        variable="OPENAI_CHAT_TEMPERATURE",
    )
    max_tokens: int = setting(
        400, "Longest answer.", unit="tokens", at_least=16, at_most=8192, variable="OPENAI_CHAT_MAX_TOKENS"
    )
    connect_s: float = setting(
        2.0, "Longest wait for a connection.", unit="s", at_least=0.1, at_most=5, variable="OPENAI_CHAT_CONNECT_S"
    )
    first_s: float = setting(
        2.5,
        "Longest wait for the first word, connection included; then the next of the chain is asked.",
        unit="s",
        at_least=0.1,
        at_most=LONGEST_WAIT,
        variable="OPENAI_CHAT_FIRST_S",
    )
    next_s: float = setting(
        3.0,
        "Longest wait between two pieces of an answer.",
        unit="s",
        at_least=0.1,
        at_most=LONGEST_WAIT,
        variable="OPENAI_CHAT_NEXT_S",
    )


@dataclass(frozen=True, slots=True)
class AnthropicSettings:
    """Chat by Anthropic's API; in use where TRUNKLINE_LLM names `anthropic`."""

    model: str = setting("", "Name of the model; required.", variable="ANTHROPIC_MODEL")
    url: str = setting(
        ANTHROPIC_URL, "Base URL of the API.", pattern=URL, expected=EXPECTED_URL, variable="ANTHROPIC_URL"
    )
    key: Secret = setting(Secret(""), "API key; required.", variable="ANTHROPIC_KEY")
    max_tokens: int = setting(
        400, "Longest answer.", unit="tokens", at_least=16, at_most=8192, variable="ANTHROPIC_MAX_TOKENS"
    )
    connect_s: float = setting(
        2.0, "Longest wait for a connection.", unit="s", at_least=0.1, at_most=5, variable="ANTHROPIC_CONNECT_S"
    )
    first_s: float = setting(
        2.5,
        "Longest wait for the first word, connection included; then the next of the chain is asked.",
        unit="s",
        at_least=0.1,
        at_most=LONGEST_WAIT,
        variable="ANTHROPIC_FIRST_S",
    )
    next_s: float = setting(
        3.0,
        "Longest wait between two pieces of an answer.",
        unit="s",
        at_least=0.1,
        at_most=LONGEST_WAIT,
        variable="ANTHROPIC_NEXT_S",
    )
