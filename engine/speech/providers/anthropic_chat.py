"""Chat by Anthropic's API ("messages")."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Any, Final

import anthropic
import httpx2

from engine.agent.ports import ChatDelta, ChatRequest, Message, ToolCall
from engine.config import AnthropicSettings
from engine.errors import ConfigurationError, ModelDenied, ModelError
from engine.speech.providers import chat_turns
from engine.speech.providers.hosted_chat import (
    CHECK_SECONDS,
    LIMITS,
    Patience,
    Reader,
    Reason,
    Service,
    answer,
    as_count,
    as_text,
    waiting,
)

_MOST_BLOCKS: Final = 64
"""Blocks of one answer; one with more is not the protocol's."""
_OPENING: Final = "(The call is connected.)"
"""A conversation begins with the user here; ours begins with the agent's greeting."""
_REASONS: Final[dict[str, Reason]] = {
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}
_STATUSES: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
}
"""Of errors that are told in the middle of a stream; any other is the provider's own."""


class AnthropicChatModel:
    """Port ChatModel. Closing an answer closes its connection, on which the provider stops.

    What the SDK would try again by itself it does not: who asks decides that.
    """

    def __init__(self, settings: AnthropicSettings) -> None:
        self._settings = settings
        self._service = Service(
            "anthropic",
            settings.url,
            "TRUNKLINE_ANTHROPIC_URL",
            "TRUNKLINE_ANTHROPIC_KEY",
            "TRUNKLINE_ANTHROPIC_MODEL",
        )
        self._client = anthropic.AsyncAnthropic(
            api_key=settings.key.reveal(),
            base_url=settings.url,
            max_retries=0,
            open_telemetry=False,  # its spans could be told to hold what callers said
            # A redirect would carry a conversation to an address that nobody chose.
            http_client=anthropic.DefaultAsyncHttpxClient(
                follow_redirects=False, limits=LIMITS, timeout=waiting(settings.connect_s)
            ),
        )
        # Its debug lines hold whole requests.
        logging.getLogger("anthropic").setLevel(logging.WARNING)

    async def start(self) -> None:
        try:
            await self.check_health()
        except ModelDenied as error:
            raise ConfigurationError(str(error)) from None

    async def check_health(self) -> None:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._client.models.retrieve(self._settings.model)
        except TimeoutError:
            raise self._service.slow() from None
        except (anthropic.AnthropicError, httpx2.HTTPError, ValueError) as error:
            raise self._translated(error) or self._service.garbled() from None

    def chat(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        settings = self._settings
        messages: Any = self._client.messages
        opening = partial(messages.create, **self._body(request))
        patience = Patience(settings.first_s, settings.next_s)
        return answer(self._service, opening, _Reader(settings.max_tokens), patience, self._translated)

    async def close(self) -> None:
        await self._client.close()

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        settings = self._settings
        body: dict[str, Any] = {
            "model": settings.model,
            "max_tokens": settings.max_tokens,
            "messages": _alternating(request.messages),
            "stream": True,
        }
        if text := chat_turns.prompt(request.messages):
            body["system"] = text
        if request.tools:
            body["tools"] = [
                {"name": tool.name, "description": tool.description, "input_schema": json.loads(tool.parameters)}
                for tool in request.tools
            ]
        elif any(message.tool_calls for message in request.messages):
            body["tools"] = _tools_of(request.messages)
            body["tool_choice"] = {"type": "none"}
        return body

    def _translated(self, error: Exception) -> ModelError | None:
        match error:
            case anthropic.APIStatusError():
                kind = _kind(error.body)
                if error.status_code >= 300:
                    return self._service.failure(error.status_code, kind)
                # Told in the middle of a stream that began with 200.
                return self._service.failure(_STATUSES[kind], kind) if kind in _STATUSES else self._service.broke(kind)
            case anthropic.APITimeoutError():
                return self._service.slow()
            case anthropic.APIConnectionError() | httpx2.HTTPError():
                return self._service.gone()
            case anthropic.APIError():
                return self._service.garbled()
        return None


def _kind(body: object) -> str:
    """The provider's name for an error, from its body."""
    inner = body.get("error") if isinstance(body, Mapping) else None
    kind = inner.get("type") if isinstance(inner, Mapping) else None
    return kind if isinstance(kind, str) else ""


def _alternating(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """The turns as blocks, roles alternating, the user first; results of tools are the user's."""
    turns: list[dict[str, Any]] = []
    for message in chat_turns.turns(messages):
        role = "assistant" if message.role == "assistant" else "user"
        if not turns and role == "assistant":
            turns.append({"role": "user", "content": [{"type": "text", "text": _OPENING}]})
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "content": []})
        turns[-1]["content"] += _blocks(message)
    return turns


def _blocks(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [
            {
                "type": "tool_result",
                "tool_use_id": chat_turns.plain_id(message.tool_call_id),
                "content": message.content or "{}",
            }
        ]
    text = chat_turns.spoken(message)
    blocks: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    return blocks + [
        {
            "type": "tool_use",
            "id": chat_turns.plain_id(call.id),
            "name": call.name,
            "input": chat_turns.arguments(call),
        }
        for call in message.tool_calls
    ]


def _tools_of(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Bare declarations of the tools that were called: a conversation with calls must declare them, though none may be
    called now."""
    names = dict.fromkeys(call.name for message in messages for call in message.tool_calls)
    return [{"name": name, "description": "Not now.", "input_schema": {"type": "object"}} for name in names]


class _Reader(Reader):
    """Events of a message."""

    def __init__(self, max_tokens: int) -> None:
        super().__init__(max_tokens)
        self._calls: dict[int, ToolCall] = {}
        self._arguments: dict[int, list[str]] = {}
        self._blocks = 0

    def read(self, event: Any) -> str:
        match event.type:
            case "message_start":
                usage = event.message.usage
                cached = as_count(getattr(usage, "cache_read_input_tokens", None)) or 0
                written = as_count(getattr(usage, "cache_creation_input_tokens", None)) or 0
                told = as_count(getattr(usage, "input_tokens", None))
                self.input_tokens = None if told is None else told + cached + written
            case "content_block_start":
                return self._begin(int(event.index), event.content_block)
            case "content_block_delta":
                return self._more(int(event.index), event.delta)
            case "message_delta":
                self.finish = as_text(event.delta.stop_reason) or self.finish
                self.output_tokens = as_count(getattr(event.usage, "output_tokens", None))
        return ""

    def _begin(self, index: int, block: Any) -> str:
        self._blocks += 1
        if self._blocks > _MOST_BLOCKS:
            raise ValueError("too many blocks")
        if block.type == "tool_use":
            self._calls[index] = ToolCall(as_text(block.id), as_text(block.name), "")
            self._arguments[index] = []
            self.took(block.name)
        return self.said(as_text(block.text)) if block.type == "text" else ""

    def _more(self, index: int, delta: Any) -> str:
        if delta.type == "text_delta":
            return self.said(as_text(delta.text))
        if delta.type == "input_json_delta":
            text = as_text(delta.partial_json)
            self._arguments[index].append(text)
            self.took(text)
        return ""

    def calls(self) -> list[ToolCall]:
        return [
            ToolCall(call.id, call.name, "".join(self._arguments[index]) or "{}")
            for index, call in sorted(self._calls.items())
            if call.name
        ]

    def reason(self) -> Reason | None:
        return None if self.finish == "refusal" else _REASONS.get(self.finish, "stop")
