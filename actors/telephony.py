"""What the dialplan asks over HTTP, beside the audio: announce a call, and what to do when it comes back."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from actors.journal import MOST_WATCHERS, Journal
from actors.registry import Registry
from engine.config import Secret
from engine.privacy import Role

LONGEST_BODY = 4_096
LONGEST_FIELD = 256
METRICS_SECONDS = 8.0


class TelephonyRoutes:
    """The routes of one ingress."""

    def __init__(
        self,
        *,
        registry: Registry,
        journal: Journal,
        token: Secret,
        status: Callable[[], dict[str, Any]],
        command: Callable[[str, dict[str, Any]], bool],
    ) -> None:
        """``token``: empty where the network alone protects the endpoint."""
        self._registry = registry
        self._journal = journal
        self._token = token
        self._status = status
        self._command = command
        self._collecting: asyncio.Task[bytes] | None = None

    def app(self) -> FastAPI:
        """The web application."""
        app = FastAPI(title="Trunkline telephony", openapi_url=None, docs_url=None, redoc_url=None)
        app.post("/telephony/calls", response_model=None)(self.announce)
        app.get("/telephony/calls/{call_id}/next", response_model=None)(self.after)
        app.get("/telephony/calls/{call_id}/events", response_model=None)(self.events)
        app.post("/telephony/calls/{call_id}/commands", response_model=None)(self.commands)
        app.get("/telephony/health", response_model=None)(self.health)
        app.get("/metrics", response_model=None)(self.metrics)
        return app

    async def announce(self, request: Request) -> Response:
        """Form fields (as CURL() of Asterisk posts them) or JSON: uuid, caller, channel, dialled."""
        fields = await _fields(request)
        if fields is None:
            return PlainTextResponse("form fields or a JSON object of short texts are expected\n", 400)
        if not self._allowed(request, fields):
            return _no_token()
        if any(len(value) > LONGEST_FIELD for value in fields.values()):
            return PlainTextResponse(f"no field may be longer than {LONGEST_FIELD} characters\n", 400)
        try:
            answer = self._registry.announce(
                fields.get("uuid", ""),
                caller=fields.get("caller", ""),
                channel=fields.get("channel", ""),
                dialled=fields.get("dialled", ""),
            )
        except ValueError:
            return PlainTextResponse("uuid: a UUID is expected, such as ${UUID()} gives\n", 400)
        if answer == "used":
            return PlainTextResponse("this uuid has had its call\n", 409)
        return PlainTextResponse("announced\n", 201)

    async def after(self, call_id: str) -> Response:
        """`hangup` or `operator`, as plain text without a line end; the operator where the call is not known."""
        record = self._journal.get(call_id.lower())
        return PlainTextResponse(record.next if record is not None else "operator")

    async def events(self, call_id: str, request: Request) -> Response:
        """The call's events, one JSON object a line, until it has ended; masked.

        ``?view=full`` gives them as they are; only where a token is set, and shown.
        """
        if not self._allowed(request, {}):
            return _no_token()
        view = request.query_params.get("view", "masked")
        if view not in {"masked", "full"}:
            return PlainTextResponse("view: masked or full is expected\n", 400)
        if view == "full" and not self._token:
            return PlainTextResponse("view=full needs TRUNKLINE_TELEPHONY_TOKEN to be set\n", 403)
        role = Role.SUPERVISOR if view == "full" else Role.VIEWER
        call_id = call_id.lower()
        record = self._journal.get(call_id)
        if record is None and self._registry.is_announced(call_id):
            record = self._journal.open(call_id)
        if record is None:
            return PlainTextResponse("no such call\n", 404)
        if record.watchers >= MOST_WATCHERS:
            return PlainTextResponse("too many watch this call\n", 503)

        async def lines() -> AsyncIterator[str]:
            async for event in self._journal.watch(record, role):
                yield json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    async def commands(self, call_id: str, request: Request) -> Response:
        """A supervisor's command: {"command": "transfer" | "say" | "hang_up", …}. Works only where a token is set."""
        fields = await _fields(request)
        if fields is None or fields.get("command") not in {"transfer", "say", "hang_up"}:
            return PlainTextResponse("command: transfer, say or hang_up is expected\n", 400)
        if not self._token or not self._allowed(request, fields):
            return _no_token()
        if fields["command"] == "say" and not fields.get("text", "").strip():
            return PlainTextResponse("text: what shall be said is expected\n", 400)
        command: dict[str, Any] = {key: fields[key] for key in ("command", "text", "reason") if key in fields}
        if not self._command(call_id.lower(), command):
            return PlainTextResponse("no such call now\n", 404)
        return Response(status_code=202)

    async def health(self) -> Response:
        """How the node is: 200 while it takes calls, 503 while it does not."""
        now = self._status()
        return JSONResponse(now, 200 if now["status"] == "ok" else 503)

    async def metrics(self) -> Response:
        """For Prometheus. In a thread, since some of it is read from files: calls wait for no disk."""
        if self._collecting is None or self._collecting.done():
            self._collecting = asyncio.create_task(asyncio.to_thread(generate_latest), name="metrics")
        try:
            async with asyncio.timeout(METRICS_SECONDS):
                text = await asyncio.shield(self._collecting)
        except TimeoutError:
            return PlainTextResponse("the disk does not answer\n", 503)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    def _allowed(self, request: Request, fields: dict[str, str]) -> bool:
        if not self._token:
            return True
        header = request.headers.get("authorization", "")
        given = header.removeprefix("Bearer ") if header else fields.get("token", request.query_params.get("token", ""))
        return hmac.compare_digest(given.encode(), self._token.reveal().encode())


def _no_token() -> Response:
    return PlainTextResponse("a valid token is needed\n", 401)


async def _fields(request: Request) -> dict[str, str] | None:
    """The texts of a form or of a JSON object; None where the body is neither."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_BODY:
            return None
    try:
        text = body.decode()
        if request.headers.get("content-type", "").startswith("application/json"):
            data = json.loads(text)
            if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
                return None
            return data
        return {key: values[0] for key, values in parse_qs(text, keep_blank_values=True, max_num_fields=32).items()}
    except ValueError:
        return None
