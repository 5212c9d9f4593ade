"""``trunkline up``: the whole engine on this machine, in the foreground."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import FrameType
from typing import Any, Final
from urllib.parse import urlsplit

from engine.config import Secret, Settings, in_url
from engine.errors import ConfigurationError, TrunklineError
from engine.logs import configure_logging
from ops.databases import embedded_databases
from ops.jobs.schedule import replacements
from ops.ports import bind_free, bind_port

INGRESS_NAME: Final = "ingress"
RECORDER_NAME: Final = "recorder"
START_SECONDS: Final = 180.0
RECORD_SECONDS: Final = 10.0
"""At the end, for the databases to take what has happened."""
DEMO_STORE_TOKEN: Final = "demonstration-only"  # noqa: S105 - of a store that holds nothing real, on loopback

ENVIRONMENT: Final = {
    # One thread for each of many processes: threads that spin for work stop a machine with few cores.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    # Python processes that nobody asked for cost a second of a core each at the start.
    # Ray runs its workers at niceness 15, below everything else of the machine; these have a frame to send every 20 ms.
    "RAY_worker_niceness": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_enable_worker_prestart": "0",
    # Our processes take no CPU resource, so Ray would call two dozen of them an alarming number.
    "RAY_worker_maximum_startup_concurrency": "64",
    # How often Ray's agents look at every process of the node: they share its cores with the calls.
    "REPORTER_UPDATE_INTERVAL_MS": "15000",
    "EVENT_AGENT_REPORT_INTERVAL_SECONDS": "1",
    "RAY_DASHBOARD_AGENT_CHECK_PARENT_INTERVAL_S": "2",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_LOG_TO_DRIVER_EVENT_LEVEL": "FATAL",
}


class _Interrupted(Exception):
    """Ctrl-C, or a polite kill."""


def run(settings: Settings, *, demo: bool) -> None:
    """Start everything, say so, and stay until Ctrl-C; then drain and leave no process behind.

    Raises ConfigurationError where a port is taken, TrunklineError where the engine does not start.
    """
    ports = choose_ports(settings)
    replacements(settings)  # wrong times of jobs are refused now, and not at night
    if settings.store.url == "embedded" and not settings.store.token:
        settings = replace(settings, store=replace(settings.store, token=Secret(DEMO_STORE_TOKEN)))
    configure_logging(settings.logging)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    run_dir = Path(tempfile.mkdtemp(prefix="trunkline-"))
    engine = _Engine(settings, ports, run_dir)
    databases = embedded_databases(settings, _say)
    _catch_signals()
    try:
        for database in databases:
            database.start()
        engine.start()
        _catch_signals()  # Ray has put its own in place
        host = in_url(settings.network.listen)
        _say(
            f"ready audiosocket={host}:{ports.audiosocket} telephony=http://{host}:{ports.telephony} "
            f"admin=http://{host}:{ports.admin}",
            to=sys.stdout,
        )
        if demo:
            _demonstrate(settings, ports)
        while True:
            signal.pause()
    except _Interrupted:
        _say("draining: calls in progress may end, new ones go to the operator (Ctrl-C again to end them now)")
        with contextlib.suppress(_Interrupted):
            engine.drain()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        engine.stop()
        for database in databases:
            database.stop()
        shutil.rmtree(run_dir, ignore_errors=True)
        _say("ended")


class Ports:
    """The ports of one engine."""

    def __init__(self, audiosocket: int, telephony: int, admin: int) -> None:
        self.audiosocket = audiosocket
        self.telephony = telephony
        self.admin = admin


def choose_ports(settings: Settings) -> Ports:
    """The configured ports, free ones where 0 is configured. Raises ConfigurationError where one is taken."""
    network = settings.network
    found: list[int] = []
    with contextlib.ExitStack() as probes:
        for name, wanted in (
            ("TRUNKLINE_AUDIOSOCKET_PORT", network.audiosocket_port),
            ("TRUNKLINE_TELEPHONY_PORT", network.telephony_port),
            ("TRUNKLINE_ADMIN_PORT", network.admin_port),
        ):
            try:
                probe = probes.enter_context(bind_port(network.listen, wanted) if wanted else bind_free(network.listen))
            except OSError as error:
                raise ConfigurationError(
                    f"{name}: {network.host}:{wanted} cannot be used ({error.strerror}): "
                    "set another port, or 0 for any free one"
                ) from error
            found.append(probe.getsockname()[1])
    return Ports(*found)


class _Engine:
    """Ray, the Serve applications and the ingress of this machine."""

    def __init__(self, settings: Settings, ports: Ports, run_dir: Path) -> None:
        self._settings = settings
        self._ports = ports
        self._run_dir = run_dir
        self._ingress: Any = None
        self._run: Any = None
        self._recorder: Any = None
        self._recording: Any = None
        self._scheduler: Any = None

    def start(self) -> None:
        import ray  # noqa: PLC0415 - half a second that `--help` does without
        from ray import serve  # noqa: PLC0415

        from actors.ingress import IngressActor  # noqa: PLC0415
        from actors.pool import NAMESPACE  # noqa: PLC0415

        settings = self._settings
        _say("starting Ray")
        started: Any = ray.init(
            address=settings.ray.address or "local",
            namespace=NAMESPACE,
            num_cpus=(settings.ray.cpus or None) if not settings.ray.address else None,
            include_dashboard=settings.ray.dashboard if not settings.ray.address else None,
            object_store_memory=100 << 20 if not settings.ray.address else None,
            configure_logging=False,
            log_to_driver=True,
        )
        _refuse_a_second_engine()
        _say("starting the recogniser, the voice, the model and the shop")
        serve.start(
            proxy_location="HeadOnly",
            http_options={"host": settings.network.listen, "port": self._ports.admin, "access_log": False},
        )
        store_url = self._deploy()
        _say("starting the ingress and its call processes")
        ingress = IngressActor.options(name=INGRESS_NAME, lifetime="detached")  # type: ignore[attr-defined]
        self._ingress = ingress.remote(
            settings,
            run_dir=str(self._run_dir),
            store_url=store_url,
            ports=(self._ports.audiosocket, self._ports.telephony),
        )
        self._run = self._ingress.run.remote()
        if settings.records.wanted:
            from actors.recorder import RecorderActor  # noqa: PLC0415

            recorder = RecorderActor.options(name=RECORDER_NAME, lifetime="detached")  # type: ignore[attr-defined]
            self._recorder = recorder.remote(settings)
            self._recording = self._recorder.run.remote()  # held: what nobody waits for is not run again
        ready = self._ingress.wait_ready.remote()
        done, _ = ray.wait([ready, self._run], num_returns=1, timeout=START_SECONDS)
        if self._run in done:
            ray.get(self._run)
        if ready not in done:
            raise TrunklineError(f"the ingress was not ready within {START_SECONDS:g} s")
        if settings.operations.schedule == "on":
            self._schedule(started.address_info.get("webui_url") or "")

    def _schedule(self, dashboard: str) -> None:
        """Have the jobs run at their times."""
        from ops.scheduler import start_scheduler  # noqa: PLC0415

        self._scheduler = start_scheduler(
            self._settings,
            dashboard=f"http://{dashboard}" if dashboard else "",
            folder="" if self._settings.ray.address else str(Path.cwd()),
        )

    def _deploy(self) -> str:
        """Deploy the Serve applications; the base URL of the store."""
        from ray import serve  # noqa: PLC0415

        from engine.config import remote_target  # noqa: PLC0415
        from engine.speech.leases import Service  # noqa: PLC0415
        from serve_apps import replica  # noqa: PLC0415
        from serve_apps.admin import deployment as admin  # noqa: PLC0415

        settings = self._settings
        wanted: dict[str, tuple[Any, str | None]] = {}
        services: tuple[tuple[Service, str], ...] = (
            ("stt", settings.speech.stt),
            ("tts", settings.speech.tts),
            ("llm", settings.speech.llm),
        )
        for service, target in services:
            if not remote_target(target):
                wanted[service] = (replica.build(service, settings), None)
        store_url = settings.store.url
        if store_url == "embedded":
            from serve_apps.demo_store import deployment as demo_store  # noqa: PLC0415

            token, switch = settings.store.token.reveal(), settings.store.demo_admin_token.reveal()
            wanted["store"] = (demo_store.build(token, admin_token=switch), "/store")
            store_url = f"http://{in_url(settings.network.near)}:{self._ports.admin}/store"
        wanted["admin"] = (admin.build(), "/")
        for name, (application, prefix) in wanted.items():
            serve._run(application, name=name, route_prefix=prefix, _blocking=False)
        deadline = time.monotonic() + START_SECONDS
        while True:
            states = {name: status.status for name, status in serve.status().applications.items()}
            failed = [name for name, state in states.items() if state in {"DEPLOY_FAILED", "UNHEALTHY"}]
            if failed:
                raise TrunklineError(f"{failed[0]} could not be started: {self._why(failed[0])}")
            if all(states.get(name) == "RUNNING" for name in wanted):
                if "store" in wanted:
                    _ask_once(f"{store_url}/healthz", deadline)
                return store_url
            if time.monotonic() > deadline:
                raise TrunklineError(f"not running after {START_SECONDS:g} s: {states}")
            time.sleep(0.05)

    @staticmethod
    def _why(name: str) -> str:
        from ray import serve  # noqa: PLC0415

        status = serve.status().applications[name]
        messages = [status.message, *(deployment.message for deployment in status.deployments.values())]
        return " ".join(" ".join(message.split()) for message in messages if message)[-600:]

    def drain(self) -> None:
        import ray  # noqa: PLC0415

        if self._ingress is not None:
            seconds = self._settings.pool.drain_seconds
            with contextlib.suppress(ray.exceptions.RayError):
                left = ray.get(self._ingress.drain.remote(seconds), timeout=seconds + 15)
                if left:
                    _say(f"{left} calls did not end in time; their callers go to the operator")

    def stop(self) -> None:
        """End all processes."""
        import ray  # noqa: PLC0415

        if not ray.is_initialized():
            return
        if self._scheduler is not None:
            from ops.scheduler import stop_scheduler  # noqa: PLC0415

            stop_scheduler(self._scheduler)
        if self._ingress is not None:
            with contextlib.suppress(ray.exceptions.RayError, ray.exceptions.GetTimeoutError):
                ray.get(self._ingress.stop.remote(), timeout=5)
                ray.get(self._run, timeout=10)
            _kill(self._ingress)
        if self._recorder is not None:
            with contextlib.suppress(ray.exceptions.RayError, ray.exceptions.GetTimeoutError):
                if not ray.get(self._recorder.stop.remote(RECORD_SECONDS), timeout=RECORD_SECONDS + 5):
                    _say("not all events are in the databases: they are kept on disk, and written at the next start")
            _kill(self._recorder)
        ray.shutdown()


def _refuse_a_second_engine() -> None:
    """Raises TrunklineError where another engine's ingress is in this cluster: it may hold calls, and is left alone."""
    if _there(INGRESS_NAME) is not None:
        raise TrunklineError(
            f"an engine runs in this cluster: its actor `{INGRESS_NAME}` may lead calls. End it first; where it was "
            "killed and left that actor behind, see docs/operations.md"
        )
    if (left := _there(RECORDER_NAME)) is not None:  # without an ingress nobody writes what it carries
        _kill(left)
        deadline = time.monotonic() + RECORD_SECONDS
        while _there(RECORDER_NAME) is not None and time.monotonic() < deadline:
            time.sleep(0.1)


def _there(name: str) -> Any:
    """The actor of that name, None where there is none."""
    import ray  # noqa: PLC0415

    try:
        return ray.get_actor(name)
    except ValueError:
        return None


def _kill(actor: Any) -> None:
    """End the process of an actor that has done its work: in a cluster it would live on, and keep its name."""
    import ray  # noqa: PLC0415

    with contextlib.suppress(ray.exceptions.RayError):
        ray.kill(actor)


def _ask_once(url: str, deadline: float) -> None:
    """Have an answer from ``url``: the first one by way of Serve's proxy takes seconds that no caller shall wait."""
    where = urlsplit(url)
    while True:
        connection = HTTPConnection(where.netloc, timeout=max(0.1, deadline - time.monotonic()))
        try:
            connection.request("GET", where.path)
            connection.getresponse().read()
        except (OSError, HTTPException) as error:
            if time.monotonic() > deadline:
                raise TrunklineError(f"no answer from {url}: {error}") from error
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()


def _demonstrate(settings: Settings, ports: Ports) -> None:
    from ops.demonstration import demonstrate  # noqa: PLC0415

    try:
        asyncio.run(demonstrate(settings, ports.audiosocket, ports.telephony))
    except TrunklineError as error:
        _say(f"the demonstration call failed: {error}")


def _catch_signals() -> None:
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise _Interrupted


def _say(text: str, to: Any = None) -> None:
    print(text, file=to or sys.stderr, flush=True)
