"""The node's state as a page and as JSON. Says how many calls there are, nothing of what is said in them."""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, Response

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="2"><title>Trunkline</title>
<style>body{{font:16px system-ui;margin:2rem auto;max-width:40rem;padding:0 1rem}}
td{{padding:.2rem 1rem .2rem 0}}</style>
</head><body><h1>Trunkline</h1><table>{rows}</table></body></html>"""


def create_app(status: Callable[[], Awaitable[dict[str, Any]]]) -> FastAPI:
    """``status``: the ingress's own word on how it is."""
    app = FastAPI(title="Trunkline", version="1")

    @app.get("/", response_class=HTMLResponse)
    async def page() -> str:
        rows = "".join(
            f"<tr><th align=left>{html.escape(str(name))}</th><td>{html.escape(str(value))}</td></tr>"
            for name, value in (await status()).items()
            if not isinstance(value, list)
        )
        return _PAGE.format(rows=rows)

    @app.get("/api/v1/health")
    async def health() -> Response:
        now = await status()
        return JSONResponse(now, 200 if now.get("status") == "ok" else 503)

    return app
