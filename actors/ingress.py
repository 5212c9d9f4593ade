"""The Ray actor at the door of a node: telephone connections, the dialplan's questions, tethers, the pool."""
# ruff: noqa: PLC0415 - whoever names this actor does not pay for what it imports where it runs

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import socket
from functools import partial
from pathlib import Path
from typing import Any

import ray

from engine.agent.playbook import Playbook
from engine.config import Settings

logger = logging.getLogger(__name__)

BACKLOG = 1024


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class IngressActor:
    """One a node. Restarted by Ray where it dies; running calls come back to it by themselves."""

    def __init__(self, settings: Settings, *, run_dir: str, store_url: str, ports: tuple[int, int]) -> None:
        """``ports``: for AudioSocket and HTTP, chosen before, so that a restarted ingress has the same."""
        self._settings = settings
        self._run_dir = Path(run_dir)
        self._store_url = store_url
        self._ports = ports
        self._node: Any = None
        self._ready = asyncio.Event()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Serve until ``stop``. Raises where a port is taken."""
        from engine.logs import configure_logging

        configure_logging(self._settings.logging)
        self._ready.clear()
        self._ended.clear()
        self._node = _Node(self._settings, self._run_dir, self._store_url, self._ports)
        try:
            await self._node.start()
            self._ready.set()
            await self._ended.wait()
        finally:
            await self._node.close()

    async def wait_ready(self) -> None:
        """Returns when calls can come."""
        await self._ready.wait()

    async def status(self) -> dict[str, Any]:
        """What ``/telephony/health`` says."""
        return self._node.status() if self._node is not None else {"status": "starting"}

    async def drain(self, seconds: float) -> int:
        """Take no more calls, wait for those that run; how many were left."""
        return await self._node.exchange.drain(seconds) if self._node is not None else 0

    async def stop(self) -> None:
        """End ``run``, and the calls' processes."""
        self._ended.set()

    async def pid(self) -> int:
        return os.getpid()


class _Node:
    """The parts of a running ingress."""

    def __init__(self, settings: Settings, run_dir: Path, store_url: str, ports: tuple[int, int]) -> None:
        from actors.business_api import business_address
        from actors.exchange import Exchange
        from actors.journal import Journal
        from actors.leases import ServeBroker
        from actors.measures import BreakerCollector, ExchangeCollector
        from actors.pool import Pool
        from actors.record_measures import RecordCollector
        from actors.registry import Registry
        from engine.agent.business import business_texts
        from engine.agent.playbooks import Playbooks
        from engine.audio.silero import prepare_weights
        from engine.breaker import Breakers
        from engine.clock import LoopClock
        from engine.privacy import Masker
        from engine.records.ops_measures import OpsCollector, measures_file

        clock = LoopClock()
        self._settings = settings
        self._playbooks = Playbooks(settings.dialogue.playbook)
        for playbook in self._playbooks:  # what is missing is told now, not by every process of a call
            business_address(playbook, settings.store, environ=os.environ, store_url=store_url)
        self._ports = ports
        self._tether = run_dir / "ingress.sock"
        self.registry = Registry(clock, settings.pool.announce_ttl_s)
        own = [text for playbook in self._playbooks for text in business_texts(playbook)]
        self.outbox = _open_outbox(settings)
        self.journal = Journal(
            partial(Masker, own), keep=self.outbox.append if self.outbox else lambda _record: None, wall=clock.wall
        )
        self.broker = ServeBroker(settings)
        self.exchange = Exchange(
            settings,
            registry=self.registry,
            journal=self.journal,
            broker=self.broker,
            clock=clock,
            on_hosts_changed=self._hosts_changed,
            on_arrived=self._process_arrived,
            about=self._about,
            kept=lambda: self.outbox is None or self.outbox.settled,
        )
        self.pool = Pool(
            settings,
            tether=self._tether,
            voice_weights=prepare_weights(settings.paths.state_dir / "models"),
            store_url=store_url,
            hosts=lambda: self.exchange.hosts,
            warm=lambda: self.exchange.warm,
            busy=lambda: self.exchange.active,
        )
        ExchangeCollector(self.exchange)
        BreakerCollector(Breakers(settings.paths.breakers).readings)
        if self.outbox is not None:
            RecordCollector(self.outbox)
        OpsCollector(measures_file(settings.paths.state_dir))
        self._tasks: list[asyncio.Task[None]] = []
        self._server: Any = None

    def _hosts_changed(self) -> None:
        self.pool.changed()

    def _process_arrived(self, launch: str) -> None:
        self.pool.arrived(launch)

    async def start(self) -> None:
        from actors import tether

        host = self._settings.network.listen
        hosts = tether.listen(self._tether)
        self._tasks.append(asyncio.create_task(self.exchange.accept_hosts(hosts), name="tethers"))
        self._tasks.append(asyncio.create_task(self.pool.run(), name="pool"))
        self._tasks.append(asyncio.create_task(self.exchange.watch(), name="watch"))
        await self._prepare_phrases()
        await self._until_warm()
        await self._serve_http(host, self._ports[1])
        gc.collect()
        gc.freeze()  # what was loaded so far is never garbage: collections while calls run stay short
        listener = _listen(host, self._ports[0])
        self._tasks.append(asyncio.create_task(self.exchange.accept(listener), name="accept"))

    def status(self) -> dict[str, Any]:
        exchange = self.exchange
        return {
            "status": "draining" if exchange.draining else "ok",
            "calls": exchange.active,
            "warm": exchange.warm,
            "processes": exchange.hosts,
            "capacity": self._settings.pool.capacity,
            "started": self.pool.started,
            "leases": self.broker.held,
            "active": exchange.calls(),
        }

    async def close(self) -> None:
        await self.exchange.close()
        if self._server is not None:
            self._server.should_exit = True
        for task in self._tasks:
            if task.get_name() != "http":
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.pool.close()
        await self.broker.close()
        if self.outbox is not None:
            await asyncio.to_thread(self.outbox.close)

    def _about(self, dialled: str) -> dict[str, str]:
        from engine.agent.playbooks import language_of

        playbook = self._playbooks.dialled(dialled)
        language = language_of(playbook, self._settings.dialogue.language)
        return {"playbook": playbook.name, "version": playbook.version, "language": language}

    async def _prepare_phrases(self) -> None:
        for playbook in self._playbooks:
            await self._prepare_phrases_of(playbook)

    async def _prepare_phrases_of(self, playbook: Playbook) -> None:
        """The fixed sentences' audio; without it calls work, but greet a little later."""
        from actors.phrases import prepare
        from engine.agent.playbooks import language_of, spelling_of
        from engine.dialogue.prepared import pieces_to_prepare
        from engine.errors import TrunklineError
        from engine.speech.grpc_client import Channels, GrpcSynthesizer
        from engine.speech.ports import SynthesisRequest
        from engine.speech.providers.factory import voice_identity

        settings = self._settings
        language = language_of(playbook, settings.dialogue.language)
        channels = Channels()
        try:
            path = await prepare(
                pieces_to_prepare(playbook.phrases, settings.dialogue.first_clause_words),
                spell=spelling_of(playbook, language),
                request=SynthesisRequest("", settings.speech.voice or playbook.voice, language, settings.speech.speed),
                identity=voice_identity(settings),
                synthesizer=GrpcSynthesizer(_OwnLeases(self.broker), channels),
                folder=settings.paths.state_dir / "phrases",
            )
            self.exchange.prepared(str(path), playbook.name)
        except (TrunklineError, OSError) as error:
            logger.error("the fixed sentences could not be prepared: %s", error)
        finally:
            await channels.close()

    async def _until_warm(self) -> None:
        wanted = min(self._settings.pool.ready, self.pool.target)
        while self.exchange.warm < wanted:  # noqa: ASYNC110 - a start, once
            await asyncio.sleep(0.02)

    async def _serve_http(self, host: str, port: int) -> None:
        import uvicorn

        from actors.telephony import TelephonyRoutes

        app = TelephonyRoutes(
            registry=self.registry,
            journal=self.journal,
            token=self._settings.network.telephony_token,
            status=self.status,
            command=self.exchange.command,
        ).app()
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1, ws="none"
        )
        server = uvicorn.Server(config)
        listener = _listen(host, port)
        self._server = server
        self._tasks.append(asyncio.create_task(server.serve([listener]), name="http"))


def _open_outbox(settings: Settings) -> Any:
    """Where events are kept for the records; None where there are to be none."""
    from engine.records.outbox import Outbox

    if not settings.records.wanted:
        return None
    records = settings.records
    outbox = Outbox(
        settings.paths.outbox,
        segment_bytes=records.outbox_segment_mb << 20,
        reserve_bytes=records.outbox_reserve_mb << 20,
    )
    outbox.open()
    return outbox


class _OwnLeases:
    """The ingress's own leases, for what it synthesises itself. Meets the port Leases."""

    def __init__(self, broker: Any) -> None:
        self._broker = broker
        self._held: dict[str, Any] = {}

    async def get(self, service: Any) -> Any:
        if service not in self._held:
            self._held[service] = await self._broker.acquire(service, "ingress", lambda lease: None)
        return self._held[service]

    def lost(self, lease: Any) -> None:
        if self._held.pop(lease.service, None) is not None:
            self._broker.release(lease)


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    with contextlib.ExitStack() as undo:
        undo.callback(listener.close)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
        undo.pop_all()
    return listener
