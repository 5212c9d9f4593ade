"""Demonstration servers on loopback, for tests that want a real one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from engine.breaker import Breaker
from engine.http.client import JsonClient
from engine.http.retry import RetryPolicy
from engine.store.client import StoreClient

TOKEN = "shop-token"
ADMIN_TOKEN = "admin-token"
MONDAY = 1_795_420_800.0
"""2026-11-23 08:00 UTC."""


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serves ``app`` from a thread on a free port; gives its base URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", ws="none", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), name="demo-server")
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()
        assert not thread.is_alive()


def store_at(
    url: str,
    token: str = TOKEN,
    *,
    timeout: float = 5.0,
    retry: RetryPolicy | None = None,
    breaker: Breaker | None = None,
) -> StoreClient:
    """A client of the store at ``url``, as a call's process makes one."""
    return StoreClient(JsonClient(url, token, name="store", timeout=timeout, retry=retry, breaker=breaker))
