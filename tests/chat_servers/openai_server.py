"""OpenAI's chat completions, as a stream of server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from tests.chat_servers.script import KEY, MODEL, Answer, ChatServer, texts


class OpenAiServer(ChatServer):
    """``/v1/chat/completions`` and ``/v1/models``."""

    base = "/v1"

    def routes(self, app: web.Application) -> None:
        app.router.add_post("/v1/chat/completions", self.answer)
        app.router.add_get("/v1/models", self._models)

    def authorized(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {KEY}"

    async def _models(self, request: web.Request) -> web.Response:
        self.checks += 1
        status = self.check_status if self.authorized(request) else 401
        body = self.check_body or {"object": "list", "data": [{"id": MODEL, "object": "model"}]}
        return web.json_response(body, status=status)

    def error_frame(self, error: Any) -> str:
        return _frame({"error": error})

    async def frames(self, answer: Answer, body: dict[str, Any]) -> AsyncIterator[str]:
        yield _chunk({"role": "assistant", "content": ""})
        while answer.endless:
            for text in answer.texts:
                yield _chunk({"content": text})
                await asyncio.sleep(0)
        for text in texts(answer):
            yield _chunk({"content": text})
        for index, call in enumerate(answer.calls):
            first, *more = call.fragments or ("",)
            start = {"index": index, "id": call.id, "type": "function"}
            yield _chunk({"tool_calls": [{**start, "function": {"name": call.name, "arguments": first}}]})
            for fragment in more:
                yield _chunk({"tool_calls": [{"index": index, "function": {"arguments": fragment}}]})
        finish = answer.finish or ("tool_calls" if answer.calls else "stop")
        yield _chunk({}, finish)
        if body.get("stream_options", {}).get("include_usage"):
            words = sum(len(str(message.get("content")).split()) for message in body["messages"])
            usage = {"prompt_tokens": words, "completion_tokens": 7, "total_tokens": words + 7}
            yield _frame(
                {"id": "c-1", "object": "chat.completion.chunk", "model": MODEL, "choices": [], "usage": usage}
            )
        yield "data: [DONE]\n\n"


def _chunk(delta: dict[str, Any], finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _frame({"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [choice]})


def _frame(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"
