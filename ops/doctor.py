"""What is wrong with this machine or this configuration, and how to mend it."""
# ruff: noqa: PLC0415 - a check imports what it looks at: the others go on where that is broken

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Final, Literal, Protocol

from engine.config import Settings, load_settings
from engine.errors import ConfigurationError, TrunklineError

LOCK: Final = Path(__file__).resolve().parents[1] / "requirements.lock"
MEBIBYTE: Final = 1 << 20
CALL_MEMORY: Final = 100 * MEBIBYTE
"""What a call's process may use at the most; its own benchmark holds it to that."""
BASE_MEMORY: Final = 2048 * MEBIBYTE
"""For Ray itself and one replica each of recogniser and voice."""
CALL_DESCRIPTORS: Final = 8
RAY_SECONDS: Final = 90.0
MODEL_SECONDS: Final = 60.0

State = Literal["ok", "warning", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    state: State
    detail: str
    mend: str = ""
    """What to do; empty where nothing is to be done."""


Check = Callable[[Settings], Iterator[Finding]]


class _Provider(Protocol):
    async def start(self) -> None: ...
    async def check_health(self) -> None: ...
    async def close(self) -> None: ...


def run(*, as_json: bool = False, environ: Mapping[str, str] | None = None) -> int:
    """Print what was found, as it is found; 1 when something is broken, else 0."""
    findings = []
    for finding in examine(environ):
        findings.append(finding)
        if not as_json:
            _print(finding)
    broken = sum(finding.state == "broken" for finding in findings)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False))
    else:
        print(f"\n{broken} broken" if broken else "\nall is well: `trunkline up` can start")
    return 1 if broken else 0


def examine(environ: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """Everything, the cheap first. A check that fails in a way of its own is a finding too."""
    yield from check_python()
    yield from check_packages()
    try:
        settings = load_settings(environ)
    except ConfigurationError as error:
        yield Finding("settings", "broken", str(error), "correct them; docs/settings.md says what each one takes")
        settings = Settings()
    else:
        yield Finding("settings", "ok", "valid")
    for name, check in CHECKS.items():
        try:
            yield from check(settings)
        except Exception as error:  # the doctor survives every patient
            yield Finding(name, "broken", f"{type(error).__name__}: {error}", "see the message")


def check_python(version: tuple[int, int] = sys.version_info[:2]) -> Iterator[Finding]:
    text = ".".join(map(str, version))
    if version < (3, 11):
        yield Finding("python", "broken", f"{text} is too old", "install Python 3.11 or newer, then `make setup`")
    else:
        yield Finding("python", "ok", f"{text} ({sys.executable})")


def check_packages(lock: Path = LOCK) -> Iterator[Finding]:
    """Whether what is installed is what the lock file says."""
    if not lock.is_file():
        yield Finding("packages", "warning", f"no {lock.name} beside the code: versions not compared")
        return
    missing, other, count = [], [], 0
    for name, version in _locked(lock):
        count += 1
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
        else:
            if installed != version:
                other.append(f"{name} {installed} instead of {version}")
    if missing:
        yield Finding("packages", "broken", f"not installed: {', '.join(missing)}", "run `make setup`")
    if other:
        yield Finding("packages", "warning", f"other versions than locked: {', '.join(other)}", "run `make setup`")
    if not missing and not other:
        yield Finding("packages", "ok", f"{count} as locked")


def _locked(lock: Path) -> Iterator[tuple[str, str]]:
    """Name and version of each locked package that belongs on this machine."""
    from packaging.requirements import Requirement

    for line in lock.read_text().splitlines():
        if line and not line.startswith(("#", " ")):
            requirement = Requirement(line.removesuffix("\\"))
            if requirement.marker is None or requirement.marker.evaluate():
                yield requirement.name, str(requirement.specifier).removeprefix("==")


def check_ports(settings: Settings) -> Iterator[Finding]:
    network = settings.network
    taken = []
    for field in ("audiosocket_port", "telephony_port", "admin_port"):
        port = getattr(network, field)
        if problem := _why_not_bound(network.host, port):
            taken.append(field)
            yield Finding(
                "ports",
                "broken",
                f"{network.host}:{port} cannot be had: {problem}",
                f"stop what listens there (a running engine?), or set TRUNKLINE_{field.upper()} to another (0: any)",
            )
    if not taken:
        ports = f"{network.audiosocket_port}, {network.telephony_port}, {network.admin_port}"
        yield Finding("ports", "ok", f"free on {network.host}: {ports}")


def _why_not_bound(host: str, port: int) -> str:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def check_machine(settings: Settings) -> Iterator[Finding]:
    """Cores and memory, as far as this process may use them."""
    cores = len(os.sched_getaffinity(0))
    if cores < 2:
        yield Finding("cores", "warning", "1 core: answers will be late under load", "give it two cores or more")
    else:
        yield Finding("cores", "ok", str(cores))
    needed = BASE_MEMORY + (settings.pool.capacity + settings.pool.spare) * CALL_MEMORY
    free = _available_memory()
    text = f"{free // MEBIBYTE} MB free; {settings.pool.capacity} calls may need {needed // MEBIBYTE} MB"
    if free < needed:
        fits = max((free - BASE_MEMORY) // CALL_MEMORY - settings.pool.spare, 1)
        yield Finding("memory", "warning", text, f"free some, or set TRUNKLINE_CAPACITY={fits}")
    else:
        yield Finding("memory", "ok", text)


def _available_memory() -> int:
    """Bytes: of the machine, or of the container's limit where that is less."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and used.is_file() and (text := limit.read_text().strip()) != "max":
        free = min(free, int(text) - int(used.read_text()))
    return free


def check_descriptors(settings: Settings) -> Iterator[Finding]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 512 + settings.pool.max_connections + CALL_DESCRIPTORS * settings.pool.capacity
    if hard != resource.RLIM_INFINITY and hard < needed:
        yield Finding("descriptors", "broken", f"at most {hard} open files", f"run `ulimit -Hn {needed}` before")
    else:
        limit = "unlimited" if hard == resource.RLIM_INFINITY else str(hard)
        yield Finding("descriptors", "ok", f"limit {limit}, {needed} needed")


def check_shared_memory(_: Settings, path: Path = Path("/dev/shm")) -> Iterator[Finding]:  # noqa: S108 - Ray's own place
    if not path.is_dir():
        yield Finding("shared memory", "warning", f"no {path}: Ray puts its objects on disk", f"mount {path}")
        return
    size = shutil.disk_usage(path).total
    if size < 256 * MEBIBYTE:
        yield Finding(
            "shared memory",
            "warning",
            f"{path} has {size // MEBIBYTE} MB: Ray puts its objects on disk",
            "give it 256 MB or more (a container: --shm-size=1g)",
        )
    else:
        yield Finding("shared memory", "ok", f"{size // MEBIBYTE} MB")


def check_disk(settings: Settings) -> Iterator[Finding]:
    """Whether the state folder takes what is written, and the disks have room."""
    state = settings.paths.state_dir
    try:
        state.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=state):
            pass
    except OSError as error:
        yield Finding(
            "state folder", "broken", f"{state}: {error.strerror}", "set TRUNKLINE_STATE_DIR to a writable one"
        )
        return
    free = shutil.disk_usage(state).free // MEBIBYTE
    if free < settings.speech.cache_disk_mb + 256:
        yield Finding("state folder", "warning", f"{state}: {free} MB free", "free some, or lower the disk cache")
    else:
        yield Finding("state folder", "ok", f"{state}: {free} MB free")
    temporary = Path(tempfile.gettempdir())
    usage = shutil.disk_usage(temporary)
    if usage.free < 0.05 * usage.total:
        yield Finding("disk", "warning", f"{temporary} is over 95 % full: Ray refuses to spill there", "free some")


def check_playbook(settings: Settings) -> Iterator[Finding]:
    from actors.business_api import business_address
    from engine.agent.playbooks import Playbooks
    from engine.agent.toolbox import open_tools

    try:
        playbooks = Playbooks(settings.dialogue.playbook)
        for playbook in playbooks:
            open_tools(playbook)
            business_address(playbook, settings.store, environ=os.environ, store_url="http://embedded.invalid")
    except ConfigurationError as error:
        yield Finding("playbook", "broken", str(error), "correct it, or set TRUNKLINE_PLAYBOOK to another")
    else:
        for playbook in playbooks:
            leads = ", ".join(playbook.dialled) or "no number of its own"
            first = "all other numbers" if playbook is playbooks.default else ""
            told = f"{playbook.name} {playbook.version}: {leads}{' and ' if first else ''}{first}"
            yield Finding("playbook", "ok", told)


def check_providers(settings: Settings) -> Iterator[Finding]:
    """Whether recogniser, voice and model load and work."""
    from engine.speech.providers.factory import make_one_model, make_one_recognizer, make_one_synthesizer

    tried: list[tuple[str, str, str, Callable[[], _Provider]]] = [
        # Of a chain each by itself: together they would hide what one of them fails at.
        *(
            ("recogniser", "TRUNKLINE_STT", name, partial(make_one_recognizer, name, settings))
            for name in settings.speech.stt.split(",")
        ),
        *(
            ("voice", "TRUNKLINE_TTS", name, partial(make_one_synthesizer, name, settings))
            for name in settings.speech.tts.split(",")
        ),
        *(
            ("chat model", "TRUNKLINE_LLM", name, partial(make_one_model, name, settings))
            for name in settings.speech.llm.split(",")
        ),
    ]
    for check, variable, value, make in tried:
        started = time.monotonic()
        try:
            asyncio.run(_try_provider(make))
        except (TrunklineError, ImportError, OSError) as error:
            told = "no answer" if isinstance(error, TimeoutError) else str(error)
            yield Finding(check, "broken", f"{value}: {told}", f"{_provider_mend(error)}, or set {variable} to another")
        else:
            yield Finding(check, "ok", f"{value}: loads and works in {time.monotonic() - started:.1f} s")


def _provider_mend(error: Exception) -> str:
    match error:
        case ImportError():
            return "run `make setup`"
        case ConfigurationError():
            return "correct what the message names"
        case _:
            return "see that it runs and can be reached"


async def _try_provider(make: Callable[[], _Provider]) -> None:
    provider = make()
    try:
        async with asyncio.timeout(MODEL_SECONDS):
            await provider.start()
            await provider.check_health()
    finally:
        await provider.close()


_RAY_PROBE: Final = """
import sys, ray
address = sys.argv[1]
if address:
    ray.init(address=address, log_to_driver=False)
else:
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
assert ray.get(ray.remote(lambda: 42).options(num_cpus=0).remote()) == 42
ray.shutdown()
print(ray.__version__)
"""


def check_ray(settings: Settings, seconds: float = RAY_SECONDS) -> Iterator[Finding]:
    """Whether Ray starts (or can be reached) and runs a task; in a process of its own, so that it leaves nothing."""
    address = settings.ray.address
    started = time.monotonic()
    mend = "is the cluster up, and its version the same?" if address else "see the message; is there memory left?"
    with subprocess.Popen(
        [sys.executable, "-c", _RAY_PROBE, address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as probe:
        try:
            out, err = probe.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(probe.pid, signal.SIGKILL)
            yield Finding("ray", "broken", f"not there after {seconds:g} s", mend)
            return
    where = address or "a local one"
    if probe.returncode:
        last = next((line for line in reversed(err.splitlines()) if line.strip()), f"exit code {probe.returncode}")
        yield Finding("ray", "broken", f"{where}: {last}", mend)
    else:
        version = out.strip().splitlines()[-1]
        yield Finding("ray", "ok", f"{version}, {where} answers in {time.monotonic() - started:.1f} s")


def _check_records(settings: Settings) -> Iterator[Finding]:
    from ops.doctor_pgbackrest import check_pgbackrest
    from ops.doctor_records import check_records

    yield from check_records(settings)
    yield from check_pgbackrest(settings)


def _check_backups(settings: Settings) -> Iterator[Finding]:
    from ops.doctor_backups import check_backups

    yield from check_backups(settings)


CHECKS: Final[dict[str, Check]] = {
    "ports": check_ports,
    "machine": check_machine,
    "descriptors": check_descriptors,
    "shared memory": check_shared_memory,
    "disk": check_disk,
    "playbook": check_playbook,
    "records": _check_records,
    "backup keys": _check_backups,
    "providers": check_providers,
    "ray": check_ray,
}


def _print(finding: Finding) -> None:
    mark = {"ok": "ok", "warning": "warning", "broken": "BROKEN"}[finding.state]
    print(f"{mark:<8} {finding.check:<14} {finding.detail}", flush=True)
    if finding.mend and finding.state != "ok":
        print(f"{'':<8} {'':<14} → {finding.mend}", flush=True)
