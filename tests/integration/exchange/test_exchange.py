"""The exchange with real processes and real connections: admission, hand-over, take-over, bad input."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from actors import tether
from actors.exchange import Exchange
from actors.journal import Journal
from actors.registry import Registry
from engine.audio.audiosocket import Kind, encode, encode_audio
from engine.clock import LoopClock
from engine.config import PoolSettings, Settings
from engine.errors import LeaseError
from engine.speech.leases import Lease, Service
from ops.caller import Caller
from tests.unit.dialogue.stage import SPEECH


class NoBroker:
    """The scripted processes need no replica."""

    async def acquire(self, service: Service, call_id: str, on_moved: Callable[[Lease], None]) -> Lease:
        raise LeaseError("there are no replicas here")

    def release(self, lease: Lease) -> None:
        """None was given."""


class Node:
    """An exchange with its listeners, and the processes it may use."""

    def __init__(self, folder: Path, capacity: int) -> None:
        self.folder = folder
        self.settings = replace(
            Settings(),
            pool=replace(PoolSettings(), capacity=capacity, uuid_timeout_ms=300, admission_wait_ms=300),
        )
        self.processes: list[asyncio.subprocess.Process] = []
        self.address = ("127.0.0.1", 0)
        self._tasks: list[asyncio.Task[None]] = []

    def open(self) -> None:
        """Begin to serve; again after ``crash``, as a new ingress would."""
        clock = LoopClock()
        self.registry = Registry(clock, ttl=30)
        self.journal = Journal()
        self.exchange = Exchange(
            self.settings,
            registry=self.registry,
            journal=self.journal,
            broker=NoBroker(),
            clock=clock,
            on_hosts_changed=lambda: None,
            on_arrived=lambda launch: None,
        )
        self._hosts = tether.listen(self.folder / "ingress.sock")
        self._door = socket.create_server(self.address, backlog=256)
        self._door.setblocking(False)
        self.address = self._door.getsockname()[:2]
        self._tasks = [
            asyncio.create_task(self.exchange.accept_hosts(self._hosts)),
            asyncio.create_task(self.exchange.accept(self._door)),
            asyncio.create_task(self.exchange.watch()),
        ]

    async def add_processes(self, count: int, calls: int = 1_000) -> None:
        """``calls`` after which each ends by itself."""
        for _ in range(count):
            self.processes.append(
                await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "tests.integration.exchange.call_process",
                    str(self.folder / "ingress.sock"),
                    str(calls),
                )
            )
        await self.until(lambda: self.exchange.warm >= count)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - another process changes it
                await asyncio.sleep(0.01)

    async def crash(self) -> None:
        """Go away without a word, as a killed ingress does."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._hosts.close()
        self._door.close()
        for host in list(self.exchange._hosts):
            host.tether.close()
        for call in self.exchange._calls.values():
            call.close()

    async def close(self) -> None:
        await self.exchange.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._hosts.close()
        self._door.close()
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    def caller(self) -> Caller:
        """A caller whose call is announced."""
        caller = Caller(self.address, answer_gap=0.4)
        self.registry.announce(str(caller.call_id), caller="5550001", channel="SIP/1")
        return caller

    def pid_of(self, caller: Caller) -> int:
        record = self.journal.get(str(caller.call_id))
        assert record is not None
        return next(int(event["pid"]) for event in reversed(record.events) if "pid" in event)

    def events(self, caller: Caller, kind: str) -> list[dict[str, Any]]:
        record = self.journal.get(str(caller.call_id))
        assert record is not None
        return [event for event in record.events if event["type"] == kind]


@contextlib.asynccontextmanager
async def node(*, capacity: int = 3, processes: int = 2) -> AsyncIterator[Node]:
    with tempfile.TemporaryDirectory() as folder:
        running = Node(Path(folder), capacity)
        running.open()
        try:
            await running.add_processes(processes)
            yield running
        finally:
            await running.close()


SAID = SPEECH * 40
"""0.8 s of speech."""


@contextlib.asynccontextmanager
async def connected(address: tuple[str, int]) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_call_is_led_by_a_process_and_ends_with_the_caller() -> None:
    async with node() as running:
        async with running.caller() as caller:
            await caller.wait_for_greeting(5)
            await caller.speak(SAID)
            answer = await caller.wait_for_answer(5)
            assert len(answer.pcm) > 16000
            assert running.exchange.active == 1
        await running.until(lambda: running.exchange.active == 0 and running.exchange.warm == 2)
        assert running.events(caller, "ended")[0]["reason"] == "caller_hung_up"


async def test_kill_9_in_mid_sentence_is_not_heard_and_the_conversation_goes_on() -> None:
    async with node() as running, running.caller() as caller:
        await caller.wait_for_greeting(5)
        await caller.speak(SAID)
        await caller.wait_for_voice(5, after=caller.spoken[-1].last_voiced)
        await asyncio.sleep(0.5)
        os.kill(running.pid_of(caller), signal.SIGKILL)
        await caller.wait_for_quiet(0.5)
        assert running.exchange.counts.takeovers == 1
        taken = running.events(caller, "takeover")
        assert taken[0]["history"] == 2
        turn = running.events(caller, "turn")[-1]
        assert turn["agent"].endswith("nine ten.")
        assert turn["interrupted"] is False
        await caller.speak(SAID)
        await caller.wait_for_answer(5)
        assert len(running.events(caller, "turn")) == 3
        assert caller.ending is None


async def test_a_process_that_stands_still_is_replaced() -> None:
    async with node() as running, running.caller() as caller:
        await caller.wait_for_greeting(5)
        os.kill(running.pid_of(caller), signal.SIGSTOP)
        await running.until(lambda: running.exchange.counts.takeovers == 1)
        await caller.speak(SAID)
        await caller.wait_for_answer(5)


async def test_with_no_other_process_the_caller_goes_to_the_operator() -> None:
    async with node(processes=1) as running, running.caller() as caller:
        await caller.wait_for_greeting(5)
        os.kill(running.pid_of(caller), signal.SIGKILL)
        assert await caller.wait_for_end(5) == "engine"
        record = running.journal.get(str(caller.call_id))
        assert record is not None
        assert record.next == "operator"
        await running.until(lambda: running.exchange.active == 0)


async def test_a_new_ingress_finds_the_running_calls() -> None:
    async with node() as running, running.caller() as caller:
        await caller.wait_for_greeting(5)
        pid = running.pid_of(caller)
        await running.crash()
        await asyncio.sleep(0.2)
        running.open()
        await running.until(lambda: running.exchange.active == 1 and running.exchange.warm == 1)
        assert running.exchange.calls()[0]["pid"] == pid
        await caller.speak(SAID)
        await caller.wait_for_answer(5)
        os.kill(pid, signal.SIGKILL)  # and it can take them over
        await running.until(lambda: running.exchange.counts.takeovers == 1)
        await caller.speak(SAID)
        await caller.wait_for_answer(5)
        assert caller.ending is None
        assert max(caller.heard.gaps()) < 0.5


async def test_what_happened_without_an_ingress_is_told_to_the_next_one_once() -> None:
    async with node(processes=1) as running, running.caller() as caller:
        await caller.wait_for_greeting(5)
        await caller.speak(SAID)
        await caller.wait_for_answer(5)
        await running.until(lambda: len(running.events(caller, "turn")) == 2)
        await asyncio.sleep(0.6)  # both are confirmed
        await running.crash()
        before = time.time()
        await caller.speak(SAID)
        await caller.wait_for_answer(5)
        await caller.wait_for_quiet(0.5)
        after = time.time()
        running.open()
        await running.until(lambda: running.exchange.active == 1)
        await running.until(lambda: bool(running.events(caller, "turn")))
        (turn,) = running.events(caller, "turn")
        assert before < turn["at"] < after, "as it was when it happened"
        await caller.speak(SAID)
        await caller.wait_for_answer(5)
        await running.until(lambda: len(running.events(caller, "turn")) == 2)
        await asyncio.sleep(0.6)
        await running.crash()
        running.open()
        await running.until(lambda: running.exchange.active == 1)
        await asyncio.sleep(0.2)
        assert not running.events(caller, "turn"), "what was confirmed is not told again"


async def test_what_is_not_kept_yet_is_not_confirmed() -> None:
    async with node(processes=1) as running, running.caller() as caller:
        running.exchange._kept = lambda: False
        await caller.wait_for_greeting(5)
        await running.until(lambda: bool(running.events(caller, "turn")))
        told = [event["id"] for event in running.events(caller, "turn")]
        await asyncio.sleep(0.6)
        await running.crash()
        running.open()
        await running.until(lambda: running.exchange.active == 1)
        await running.until(lambda: bool(running.events(caller, "turn")))
        assert [event["id"] for event in running.events(caller, "turn")] == told, "known by its id"


async def test_a_call_that_ends_without_an_ingress_has_an_end() -> None:
    async with node(processes=1) as running:
        async with running.caller() as caller:
            await caller.wait_for_greeting(5)
            await running.crash()
        await asyncio.sleep(0.8)  # its process is free again
        running.open()
        await running.until(lambda: running.exchange.warm == 1)
        record = running.journal.get(str(caller.call_id))
        assert record is not None
        assert record.ended
        assert [event["reason"] for event in running.events(caller, "ended")] == ["caller_hung_up"]
        assert running.events(caller, "call")[0]["caller_number"] == "5550001"
        assert running.exchange.active == 0


async def test_a_process_that_has_served_stays_until_it_has_told_all() -> None:
    async with node(processes=0) as running:
        await running.add_processes(1, calls=1)
        async with running.caller() as caller:
            await caller.wait_for_greeting(5)
            await running.crash()
        await asyncio.sleep(0.8)
        (process,) = running.processes
        assert process.returncode is None
        running.open()
        await running.until(lambda: process.returncode is not None)
        await running.until(lambda: running.exchange.hosts == 0)
        assert [event["reason"] for event in running.events(caller, "ended")] == ["caller_hung_up"]


async def test_beyond_capacity_a_call_is_refused_at_once_and_the_others_go_on() -> None:
    async with node(capacity=1) as running, running.caller() as first:
        await first.wait_for_greeting(5)
        async with running.caller() as second:
            assert await second.wait_for_end(2) == "engine"
            record = running.journal.get(str(second.call_id))
            assert record is not None
            assert record.next == "operator"
        assert running.exchange.counts.refused_capacity == 1
        await first.speak(SAID)
        await first.wait_for_answer(5)


async def test_admission_is_exact_when_all_come_at_once() -> None:
    async with node(capacity=2, processes=3) as running:
        callers = [running.caller() for _ in range(12)]
        async with contextlib.AsyncExitStack() as stack:
            await asyncio.gather(*(stack.enter_async_context(caller) for caller in callers))
            await running.until(lambda: running.exchange.counts.refused_capacity == 10)
            assert running.exchange.active == 2
            assert running.exchange.counts.admitted == 2


async def test_unknown_and_used_uuids_are_refused() -> None:
    async with node() as running:
        async with Caller(running.address) as stranger:
            assert await stranger.wait_for_end(2) == "engine"
        async with running.caller() as caller:
            await caller.wait_for_greeting(5)
            async with Caller(running.address, call_id=caller.call_id) as again:
                assert await again.wait_for_end(2) == "engine"
            assert running.registry.announce(str(caller.call_id), caller="", channel="") == "used"
        assert running.exchange.counts.refused_unknown == 2


async def test_what_shows_no_uuid_is_closed_in_time() -> None:
    strange = (
        b"",
        b"\x01",
        b"\x01\x00\x10" + bytes(7),
        b"GET / HTTP/1.1\r\nHost: engine\r\n\r\n",
        b"\x10\x01\x40" + bytes(320),
        b"\x01\xff\xff" + bytes(3000),
        bytes(64 * 1024),
    )
    async with node(processes=0) as running:
        for count, sent in enumerate(strange, 1):
            async with connected(running.address) as (reader, writer):
                with contextlib.suppress(ConnectionError):
                    writer.write(sent)
                    await writer.drain()
                    async with asyncio.timeout(2):
                        assert await reader.read() == b""
            await running.until(lambda count=count: running.exchange.counts.no_uuid == count)  # type: ignore[misc]


async def test_a_flood_of_silent_connections_does_not_keep_a_caller_out() -> None:
    async with node() as running:
        limit = running.settings.pool.max_connections
        flood = [socket.create_connection(running.address) for _ in range(limit + 50)]
        try:
            await running.until(lambda: running.exchange.counts.no_uuid >= limit)
            async with running.caller() as caller:
                await caller.wait_for_greeting(5)
        finally:
            for connection in flood:
                connection.close()


async def test_garbage_in_mid_call_ends_this_call_alone() -> None:
    garbage = (b"\x42\x00\x00", encode(Kind.ERROR, b"\x01"), encode(Kind.UUID, uuid.uuid4().bytes))
    async with node() as running, running.caller() as healthy:
        await healthy.wait_for_greeting(5)
        for sent in garbage:
            call_id = uuid.uuid4()
            running.registry.announce(str(call_id), caller="", channel="")
            async with connected(running.address) as (reader, writer):
                writer.write(encode(Kind.UUID, call_id.bytes) + encode_audio(bytes(320)))
                await reader.readexactly(323 * 3)
                writer.write(sent)
                with contextlib.suppress(ConnectionError):
                    async with asyncio.timeout(3):
                        while await reader.read(4096):
                            pass
            await running.until(lambda: running.exchange.active == 1 and running.exchange.warm == 1)
            record = running.journal.open(str(call_id))
            assert [event["reason"] for event in record.events if event["type"] == "ended"] == ["protocol_error"]
            assert record.next == "operator"
        await healthy.speak(SAID)
        await healthy.wait_for_answer(5)


async def test_frames_may_come_in_any_pieces() -> None:
    async with node(processes=1) as running:
        for size in (1, 7, 100, 323 * 3 + 5):
            call_id = uuid.uuid4()
            running.registry.announce(str(call_id), caller="", channel="")
            async with connected(running.address) as (reader, writer):
                data = encode(Kind.UUID, call_id.bytes) + b"".join(encode_audio(bytes(320)) for _ in range(20))
                for at in range(0, len(data), size):
                    writer.write(data[at : at + size])
                    await asyncio.sleep(0)
                assert (await reader.readexactly(323))[:3] == b"\x10\x01\x40"
                assert running.exchange.active == 1
            await running.until(lambda: running.exchange.active == 0 and running.exchange.warm == 1)


async def test_large_frames_are_audio_too() -> None:
    async with node(processes=1) as running:
        call_id = uuid.uuid4()
        running.registry.announce(str(call_id), caller="", channel="")
        async with connected(running.address) as (reader, writer):
            writer.write(encode(Kind.UUID, call_id.bytes))
            await reader.readexactly(323)
            writer.write(encode(Kind.AUDIO_8K, bytes(65534)))
            writer.write(encode(Kind.DTMF, b"0"))
            async with asyncio.timeout(15):
                while await reader.read(65536):
                    pass
        await running.until(lambda: running.journal.open(str(call_id)).ended)
        assert running.journal.open(str(call_id)).next == "operator"


async def test_many_calls_leave_no_descriptor_behind() -> None:
    async with node(processes=2) as running:

        async def one_call() -> None:
            async with running.caller() as caller:
                await caller.wait_for_frame(5)
            await running.until(lambda: running.exchange.active == 0 and running.exchange.warm == 2)

        def descriptors(pid: int) -> int:
            return len(list(Path(f"/proc/{pid}/fd").iterdir()))

        for _ in range(4):
            await one_call()
        watched = [os.getpid(), *(process.pid for process in running.processes)]
        before = [descriptors(pid) for pid in watched]
        for _ in range(20):
            await one_call()
        await asyncio.sleep(0.2)
        assert [descriptors(pid) for pid in watched] == before
