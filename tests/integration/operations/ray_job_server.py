"""A server of the shape of Ray's job API on loopback: it runs nothing, and its jobs end when a test says so."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from tests.ports import free_port


class RayJobServer:
    """Takes each submission id once, as Ray does. ``silent``: it takes a request and never answers; ``broken``: all
    answers are errors."""

    def __init__(self) -> None:
        self.port = free_port()
        self.jobs: dict[str, str] = {}
        """Status by submission id."""
        self.entrypoints: dict[str, str] = {}
        self.asked = 0
        self.silent = False
        self.broken = False
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        application = web.Application(middlewares=[self._trouble])
        application.router.add_get("/api/version", self._version)
        application.router.add_post("/api/jobs/", self._submit)
        application.router.add_get("/api/jobs/{id}", self._info)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _trouble(self, request: web.Request, handler: Any) -> Any:
        self.asked += 1
        if self.silent:
            await asyncio.sleep(60)
        if self.broken:
            return web.Response(status=500, text="Traceback: no agent")
        return await handler(request)

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": "4", "ray_version": "2.60.0", "ray_commit": "", "session_name": ""})

    async def _submit(self, request: web.Request) -> web.Response:
        asked = await request.json()
        submission = asked["submission_id"]
        if submission in self.jobs:
            text = f"Job with submission_id {submission} already exists. Please use a different submission_id."
            return web.Response(status=400, text=f"ValueError: {text}")
        self.jobs[submission] = "PENDING"
        self.entrypoints[submission] = asked["entrypoint"]
        return web.json_response({"job_id": submission, "submission_id": submission})

    async def _info(self, request: web.Request) -> web.Response:
        submission = request.match_info["id"]
        if submission not in self.jobs:
            return web.Response(status=404, text=f"Job {submission} does not exist")
        entrypoint, status = self.entrypoints[submission], self.jobs[submission]
        about = {"type": "SUBMISSION", "submission_id": submission, "entrypoint": entrypoint, "status": status}
        return web.json_response(about)
