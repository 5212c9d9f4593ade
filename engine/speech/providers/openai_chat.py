"""Chat by OpenAI's API ("chat completions"), which many servers speak: OpenAI, vLLM, Ollama, llama.cpp, gateways."""

from __future__ import annotations

import asyncio
import difflib
import json
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import httpx2
import openai

from engine.agent.ports import ChatDelta, ChatRequest, Message, ToolCall
from engine.config import OpenAiChatSettings, Secret
from engine.config.hosted import OPENAI_URL
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

_NO_LIST: Final = frozenset({404, 405, 501})
"""Statuses of servers that do not list their models."""
_MOST_CALLS: Final = 32
"""Tool calls in one answer; one with more is not the protocol's."""
_REASONS: Final[dict[str, Reason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}

logger = logging.getLogger(__name__)


class OpenAiChatModel:
    """Port ChatModel. Closing an answer closes its connection, on which the server stops.

    ``url`` and ``key``: the server; an empty key is not sent. What the SDK would try again by itself it does not: who
    asks decides that.
    """

    def __init__(self, settings: OpenAiChatSettings, *, url: str, key: Secret) -> None:
        own = bool(settings.url)
        self._settings = settings
        self._service = Service(
            "openai",
            url,
            "TRUNKLINE_OPENAI_CHAT_URL" if own else "TRUNKLINE_OPENAI_URL",
            "TRUNKLINE_OPENAI_CHAT_KEY" if own else "TRUNKLINE_OPENAI_KEY",
            "TRUNKLINE_OPENAI_CHAT_MODEL",
        )
        self._client = openai.AsyncOpenAI(
            api_key=key.reveal() or "none",
            base_url=url,
            max_retries=0,
            # A redirect would carry a conversation to an address that nobody chose.
            http_client=openai.DefaultAsyncHttpxClient(
                follow_redirects=False, limits=LIMITS, timeout=waiting(settings.connect_s)
            ),
        )
        self.url = url
        self.sends_key = bool(key)
        self._headers = {} if key else {"Authorization": openai.Omit()}
        # Its debug lines may hold what callers said.
        logging.getLogger("openai").setLevel(logging.WARNING)

    async def start(self) -> None:
        try:
            offered = await self._models()
        except ModelDenied as error:
            raise ConfigurationError(str(error)) from None
        wanted = self._settings.model
        if not offered or wanted in offered or f"{wanted}:latest" in offered:
            return
        near = difflib.get_close_matches(wanted, offered, n=3, cutoff=0.3) or sorted(offered)[:3]
        raise ConfigurationError(
            f"{self._service} has no model {wanted!r}: set {self._service.model_setting} to one that it has, "
            f"such as {', '.join(near)}"
        )

    async def check_health(self) -> None:
        await self._models()

    def chat(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        settings = self._settings
        reader = _Reader(settings.max_tokens, len(request.messages))
        patience = Patience(settings.first_s, settings.next_s)
        completions: Any = self._client.chat.completions
        opening = partial(completions.create, **self._body(request))
        return answer(self._service, opening, reader, patience, self._translated)

    async def close(self) -> None:
        await self._client.close()

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        settings = self._settings
        body: dict[str, Any] = {
            "model": settings.model,
            "messages": [
                {"role": "system", "content": chat_turns.prompt(request.messages)},
                *(_message(message) for message in chat_turns.turns(request.messages)),
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
            "extra_headers": self._headers,
        }
        if request.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": json.loads(tool.parameters),
                    },
                }
                for tool in request.tools
            ]
        if settings.temperature >= 0:
            body["temperature"] = settings.temperature
        # OpenAI's newer models take the new name alone, many other servers know the old one alone.
        if self._service.url.startswith(OPENAI_URL):
            body |= {"max_completion_tokens": settings.max_tokens, "store": False}
        else:
            body["max_tokens"] = settings.max_tokens
        return body

    async def _models(self) -> list[str]:
        """Names of the models there; empty where the server does not say. Raises ModelError."""
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                page = await self._client.models.list(extra_headers=self._headers)
        except TimeoutError:
            raise self._service.slow() from None
        except openai.APIStatusError as error:
            if error.status_code in _NO_LIST:
                return []
            raise self._service.failure(error.status_code, error.code) from None
        except (openai.OpenAIError, httpx2.HTTPError, ValueError) as error:
            raise self._translated(error) or self._service.garbled() from None
        models: Any = getattr(page, "data", None)
        if not isinstance(models, list):
            raise self._service.garbled()
        return [name for model in models if isinstance(name := getattr(model, "id", None), str)]

    def _translated(self, error: Exception) -> ModelError | None:
        match error:
            case openai.APIStatusError():
                return self._service.failure(error.status_code, error.code, error.param)
            case openai.APITimeoutError():
                return self._service.slow()
            case openai.APIConnectionError() | httpx2.HTTPError():
                return self._service.gone()
            case openai.APIResponseValidationError():
                return self._service.garbled()
            case openai.APIError():  # sent in the middle of a stream
                return self._service.broke(error.code or error.type)
        return None


def _message(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        return {
            "role": "tool",
            "tool_call_id": chat_turns.plain_id(message.tool_call_id),
            "content": message.content,
        }
    told: dict[str, Any] = {"role": message.role, "content": chat_turns.spoken(message)}
    if message.tool_calls:
        told["tool_calls"] = [
            {
                "id": chat_turns.plain_id(call.id),
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": json.dumps(chat_turns.arguments(call), ensure_ascii=False),
                },
            }
            for call in message.tool_calls
        ]
    return told


@dataclass(slots=True)
class _Call:
    """A tool call that comes in fragments."""

    id: str
    name: str = ""
    arguments: str = ""


class _Reader(Reader):
    """Chunks of a chat completion."""

    def __init__(self, max_tokens: int, number: int) -> None:
        super().__init__(max_tokens)
        self._number = number
        self._calls: list[_Call] = []
        self._current: dict[int, _Call] = {}

    def read(self, event: Any) -> str:
        usage = getattr(event, "usage", None)
        if usage is not None:
            self.input_tokens = as_count(getattr(usage, "prompt_tokens", None))
            self.output_tokens = as_count(getattr(usage, "completion_tokens", None))
        choices = event.choices or ()
        if not choices:
            return ""
        choice = choices[0]
        delta = choice.delta
        self.finish = as_text(getattr(choice, "finish_reason", None)) or self.finish
        if delta is None:
            return ""
        for fragment in getattr(delta, "tool_calls", None) or ():
            self._add(fragment)
        return self.said(as_text(getattr(delta, "content", None)))

    def _add(self, fragment: Any) -> None:
        index = getattr(fragment, "index", None) or 0  # some servers leave it out, and send calls whole
        call_id = as_text(getattr(fragment, "id", None))
        function = fragment.function
        name = as_text(getattr(function, "name", None))
        call = self._current.get(index)
        if call is None or (call_id and call_id != call.id and name):
            if len(self._calls) == _MOST_CALLS:
                raise ValueError("too many calls")
            if not call_id or any(other.id == call_id for other in self._calls):
                call_id = f"call_{self._number}_{len(self._calls)}"
            call = _Call(call_id)
            self._calls.append(call)
            self._current[index] = call
            call.name = name
        call.arguments += as_text(getattr(function, "arguments", None))
        self.took(name + as_text(getattr(function, "arguments", None)))

    def calls(self) -> list[ToolCall]:
        return [ToolCall(call.id, call.name, call.arguments) for call in self._calls if call.name]

    def reason(self) -> Reason | None:
        return None if self.finish == "content_filter" else _REASONS.get(self.finish, "stop")
