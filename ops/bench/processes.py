"""What processes cost, from /proc: processor time, private memory, age. No other package is asked."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CALL_PROCESS: Final = "ray::CallActor"
"""How the title of a call's process begins."""

_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """A process that runs, as it was when it was looked at."""

    pid: int
    parent: int
    title: str
    cpu: float
    """Processor seconds so far, user and system."""
    started: float
    """Seconds after the machine's start; comparable to ``time.clock_gettime(time.CLOCK_BOOTTIME)``."""

    @property
    def kind(self) -> str:
        """What sort of process it is: the first word of its title, without what follows in brackets or after a dot."""
        word = self.title.split(" ", 1)[0]
        return word if word.startswith("ray::") else Path(word).name


def look(pid: int) -> Process | None:
    """The process of that number, None where there is none (a zombie is none)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    name, _, rest = stat.partition("(")[2].rpartition(")")
    fields = rest.split()
    if fields[0] in {"Z", "X"}:
        return None
    title = command.replace(b"\0", b" ").decode("utf-8", errors="replace").strip() or name
    cpu = (int(fields[11]) + int(fields[12])) / _TICKS
    return Process(pid, int(fields[1]), title, cpu, int(fields[19]) / _TICKS)


def running() -> Iterator[Process]:
    """All processes of the machine that may be seen."""
    for entry in os.listdir("/proc"):  # noqa: PTH208 - names alone are wanted, some thousand of them
        if entry.isdigit() and (process := look(int(entry))) is not None:
            yield process


def descendants(root: int) -> list[Process]:
    """A process and all that it and its children started and that are still in its tree."""
    everything = list(running())
    tree = {root}
    grown = True
    while grown:
        found = {process.pid for process in everything if process.parent in tree} - tree
        tree |= found
        grown = bool(found)
    return [process for process in everything if process.pid in tree]


def still_running(before: Iterable[Process]) -> list[Process]:
    """Those that still run: the same number and the same start."""
    return [process for process in before if (now := look(process.pid)) is not None and now.started == process.started]


def private_bytes(pid: int) -> int:
    """Memory that the process shares with no other, in bytes; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used between two looks."""

    seconds: float
    calls: dict[int, float]
    """Cores used by each call's process, by pid."""
    kinds: dict[str, float]
    """Cores used by each kind of process."""

    @property
    def total(self) -> float:
        """Cores used in all."""
        return sum(self.kinds.values())


class Meter:
    """Looks at a tree of processes twice. Each look takes some ten ms of reading: keep it out of what is timed."""

    def __init__(self, root: int | None) -> None:
        """``root``: the engine's process, None for every process of Ray on this machine (the engine runs already)."""
        self._root = root
        self._before = self._look()
        self._at = time.monotonic()

    def _look(self) -> dict[tuple[int, float], Process]:
        found = descendants(self._root) if self._root is not None else [one for one in running() if _is_ray(one)]
        return {(process.pid, process.started): process for process in found}

    def usage(self) -> Usage:
        """Since the meter was made; who ended meanwhile is left out, who began counts from his start."""
        seconds = time.monotonic() - self._at
        calls: dict[int, float] = {}
        kinds: dict[str, float] = {}
        for key, process in self._look().items():
            earlier = self._before.get(key)
            used = (process.cpu - (earlier.cpu if earlier else 0.0)) / seconds
            kinds[process.kind] = kinds.get(process.kind, 0.0) + used
            if process.title.startswith(CALL_PROCESS):
                calls[process.pid] = used
        return Usage(seconds, calls, dict(sorted(kinds.items(), key=lambda item: -item[1])))


def _is_ray(process: Process) -> bool:
    return process.title.startswith("ray::") or process.kind in {"raylet", "gcs_server"}
