"""The shell round a demonstration API: Bearer token, request id, errors in one shape, a switch for faults."""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException as StarletteHTTPException

from serve_apps.demo_store.faults import Fault, Faults, Hit

_CODES = {
    400: "bad_request",
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    422: "validation_error",
    429: "rate_limited",
    500: "internal_error",
    503: "unavailable",
}
_MESSAGES = {429: "too many requests", 500: "something broke", 503: "not available at the moment"}


def dress(app: FastAPI, *, token: str, admin_token: str = "") -> None:
    """Puts the shell round the routes of ``app``.

    ``token`` is asked for as Bearer token by every route; ``admin_token`` by ``/__faults``, which does not exist where
    it is empty.
    """
    app.state.faults = Faults()
    _add_health(app)
    _add_faults(app, admin_token)
    _add_errors(app)
    _add_gate(app, token)


def _bearer(request: Request) -> str:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value if scheme.lower() == "bearer" else ""


def _error(
    request: Request, status: int, message: str, code: str = "", headers: dict[str, str] | None = None
) -> Response:
    request_id = request.state.request_id
    body = {"error": {"code": code or _CODES.get(status, "error"), "message": message, "request_id": request_id}}
    return JSONResponse(body, status_code=status, headers={"X-Request-Id": request_id, **(headers or {})})


def _add_gate(app: FastAPI, token: str) -> None:
    @app.middleware("http")
    async def gate(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        """Gives the request its id, asks for the token, lets faults strike."""
        request.state.request_id = request.headers.get("x-request-id", "")[:64] or uuid.uuid4().hex
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        hit = Hit()
        if path != "/healthz" and not path.startswith("/__"):
            if not hmac.compare_digest(_bearer(request).encode(), token.encode()):
                return _error(request, 401, "a valid Bearer token is needed", headers={"WWW-Authenticate": "Bearer"})
            hit = await request.app.state.faults.strike(path)
            if hit.disconnect:
                return _Disconnect()
            if hit.body:
                return Response(hit.body, media_type="application/json")
            if hit.status:
                after = {"Retry-After": str(hit.retry_after)} if hit.retry_after is not None else {}
                return _error(request, hit.status, _MESSAGES[hit.status], headers=after)
        try:
            response = await call_next(request)
        except Exception:
            return _error(request, 500, _MESSAGES[500])
        if hit.lost:
            async for _ in response.body_iterator:  # type: ignore[attr-defined]  # it is a streaming one
                pass
            return _Disconnect()
        response.headers["X-Request-Id"] = request.state.request_id
        return response


class _Disconnect(Response):
    """Promises a body and does not send it, so that the server breaks the connection."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"64")]})


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(StarletteHTTPException)
    async def refused(request: Request, error: StarletteHTTPException) -> Response:
        code = ""
        message: Any = error.detail
        if isinstance(message, dict):
            code, message = message.get("code", ""), message.get("message", "")
        return _error(request, error.status_code, str(message), code)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return _error(request, 422, f"{where}: {first['msg']}")


def _add_health(app: FastAPI) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}


def _add_faults(app: FastAPI, admin_token: str) -> None:
    def allowed(request: Request) -> Faults:
        if not admin_token or not hmac.compare_digest(_bearer(request).encode(), admin_token.encode()):
            raise HTTPException(404, "Not Found")
        faults: Faults = request.app.state.faults
        return faults

    @app.get("/__faults")
    async def show(request: Request) -> dict[str, Any]:
        faults = allowed(request)
        return {**faults.current.model_dump(), "seen": faults.seen}

    @app.put("/__faults")
    async def change(request: Request, fault: Fault) -> dict[str, Any]:
        faults = allowed(request)
        faults.set(fault)
        return faults.current.model_dump()
