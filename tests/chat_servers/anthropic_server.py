"""Anthropic's messages, as a stream of server-sent events; it checks the rules of a conversation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from tests.chat_servers.script import KEY, MODEL, Answer, ChatServer, texts


class AnthropicServer(ChatServer):
    """``/v1/messages`` and ``/v1/models/{id}``."""

    def routes(self, app: web.Application) -> None:
        app.router.add_post("/v1/messages", self.answer)
        app.router.add_get("/v1/models/{name}", self._model)

    def authorized(self, request: web.Request) -> bool:
        headers = request.headers
        return headers.get("Authorization") == f"Bearer {KEY}" or headers.get("X-Api-Key") == KEY

    async def _model(self, request: web.Request) -> web.Response:
        self.checks += 1
        name = request.match_info["name"]
        if not self.authorized(request):
            return _error(401, "authentication_error")
        if self.check_status != 200:
            return _error(self.check_status, "api_error")
        if name != MODEL:
            return _error(404, "not_found_error")
        return web.json_response({"type": "model", "id": MODEL, "display_name": MODEL, "created_at": "2026-01-01"})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if wrong := broken_rule(await request.json()):
            return _error(400, "invalid_request_error", wrong)
        return await super().answer(request)

    def error_frame(self, error: Any) -> str:
        return _event("error", error=error)

    async def frames(self, answer: Answer, body: dict[str, Any]) -> AsyncIterator[str]:
        words = len(json.dumps(body["messages"]).split())
        usage = {"input_tokens": words, "output_tokens": 1}
        message = {"id": "m-1", "type": "message", "role": "assistant", "content": [], "model": MODEL, "usage": usage}
        yield _event("message_start", message=message)
        index = 0
        said = texts(answer)
        if said:
            yield _event("content_block_start", index=index, content_block={"type": "text", "text": ""})
            yield _event("ping")
            while answer.endless:
                for text in said:
                    yield _event("content_block_delta", index=index, delta={"type": "text_delta", "text": text})
                    await asyncio.sleep(0)
            for text in said:
                yield _event("content_block_delta", index=index, delta={"type": "text_delta", "text": text})
            yield _event("content_block_stop", index=index)
            index += 1
        for call in answer.calls:
            block = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
            yield _event("content_block_start", index=index, content_block=block)
            for fragment in call.fragments:
                delta = {"type": "input_json_delta", "partial_json": fragment}
                yield _event("content_block_delta", index=index, delta=delta)
            yield _event("content_block_stop", index=index)
            index += 1
        finish = answer.finish or ("tool_use" if answer.calls else "end_turn")
        yield _event("message_delta", delta={"stop_reason": finish, "stop_sequence": None}, usage={"output_tokens": 7})
        yield _event("message_stop")


def broken_rule(body: dict[str, Any]) -> str:  # noqa: PLR0911 - one for each rule
    """What is wrong with a request, by the rules of the real API; empty where nothing is."""
    messages = body["messages"]
    if unknown := {"temperature", "top_p", "top_k"} & set(body):
        return f"{', '.join(unknown)}: extra inputs are not permitted"
    if "max_tokens" not in body or not messages:
        return "max_tokens and messages are required"
    if messages[0]["role"] != "user":
        return "the first message is the user's"
    open_calls: list[str] = []
    for before, message in zip([None, *messages], messages, strict=False):
        if before and before["role"] == message["role"]:
            return "roles alternate"
        blocks = message["content"]
        if not blocks or any(block["type"] == "text" and not block["text"].strip() for block in blocks):
            return "no content is empty"
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if sorted(results) != sorted(open_calls):
            return "each call is followed by its result, and by no other"
        if results and [block["type"] for block in blocks[: len(results)]] != ["tool_result"] * len(results):
            return "results stand before text"
        open_calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
    called = any(block["type"].startswith("tool") for message in messages for block in message["content"])
    if called and not body.get("tools"):
        return "tools are declared where they were called"
    return "the last message is the user's" if open_calls or messages[-1]["role"] != "user" else ""


def _event(kind: str, **data: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n"


def _error(status: int, kind: str, text: str = "no") -> web.Response:
    return web.json_response({"type": "error", "error": {"type": kind, "message": text}}, status=status)
