"""The Ray actor that carries a node's outbox into PostgreSQL and Redis. A shell: ``engine.records.recorder`` works."""
# ruff: noqa: PLC0415 - whoever names this actor does not pay for what it imports where it runs

from __future__ import annotations

import asyncio
import contextlib
import os
from functools import partial
from typing import Any, Final

import ray

from engine.config import Settings

NICENESS: Final = 5
"""Calls, which owe a frame every 20 ms, come first on a busy machine; records can wait on the disk."""


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class RecorderActor:
    """One a node. Restarted by Ray where it dies; it goes on where the databases say it was."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._recorder: Any = None
        self._task: asyncio.Task[None] | None = None
        self._telling: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Carry until ``stop``."""
        from engine.logs import configure_logging

        configure_logging(self._settings.logging)
        os.nice(NICENESS)
        self._recorder = make_recorder(self._settings)
        self._task = asyncio.create_task(self._recorder.run(), name="recorder")
        self._telling = asyncio.create_task(make_teller(self._settings).run(), name="runs of jobs")
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def stop(self, seconds: float) -> bool:
        """Carry what is on the disk, at most so long, and end ``run``; whether all of it is written."""
        if self._recorder is None or self._task is None:
            return False
        done = await self._recorder.drain(seconds)
        self._task.cancel()
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        return bool(done)

    async def pid(self) -> int:
        return os.getpid()


def make_teller(settings: Settings) -> Any:
    """What keeps the metrics of this node's ingress up to date with the runs of jobs that others made."""
    from engine.records.ops_measures import measures_file
    from engine.records.ops_telling import RunsTeller
    from engine.records.places import database_url

    return RunsTeller(partial(database_url, settings), measures_file(settings.paths.state_dir))


def make_recorder(settings: Settings) -> Any:
    """The recorder that the settings describe."""
    from engine.agent.business import business_texts
    from engine.agent.playbooks import Playbooks
    from engine.config.records import NONE
    from engine.privacy import Masker
    from engine.records.dead_letters import FILE, DeadLetters
    from engine.records.places import database_url, redis_url
    from engine.records.recorder import Recorder
    from engine.records.sink import Sink
    from engine.records.stream import StreamSink
    from engine.records.tombstones import ErasedCallers
    from engine.records.writer import DatabaseSink

    records, root = settings.records, settings.paths.outbox
    erased = ErasedCallers(settings.paths.state_dir, settings.reports.erasure_key_file).covers
    sinks: list[Sink] = []
    if records.database.reveal() != NONE:
        sinks.append(
            DatabaseSink(
                partial(database_url, settings),
                DeadLetters(root / FILE),
                connections=records.database_pool,
                erased=erased,
            )
        )
    if records.redis.reveal() != NONE:
        own = [text for playbook in Playbooks(settings.dialogue.playbook) for text in business_texts(playbook)]
        sinks.append(
            StreamSink(
                partial(redis_url, settings),
                most_events=records.stream_events,
                masker=partial(Masker, own),
                erased=erased,
            )
        )
    return Recorder(root, sinks, batch=records.batch_events, wait_seconds=records.batch_wait_ms / 1000)
