"""The jobs there are, by name. Their modules are imported when they are asked for, so that one that is broken, or whose
libraries are not installed, is told of and stops none of the others."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.errors import ConfigurationError
from ops.jobs.job import Job

MODULES: Final[Mapping[str, str]] = {
    "partitions": "ops.jobs.partitions",
    "retention": "ops.jobs.retention",
    "backup": "ops.jobs.backup",
    "wal": "ops.jobs.wal",
    "restore-check": "ops.jobs.restore_check",
    "dump": "ops.jobs.dump",
    "quality": "ops.jobs.quality",
    "statistics": "ops.jobs.statistics",
    "report": "ops.jobs.report",
    "callbacks": "ops.jobs.callbacks",
    "endings": "ops.jobs.endings",
    "erasure": "ops.jobs.erasure",
    "embeddings": "ops.jobs.embeddings",
}
"""Module of each job; it has the job as its ``JOB``."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What could be loaded, and why the rest could not."""

    jobs: tuple[Job, ...]
    faults: Mapping[str, str]


def find_job(name: str) -> Job:
    """The job of that name. Raises ConfigurationError where there is none, or it cannot be loaded."""
    if name not in MODULES:
        near = difflib.get_close_matches(name, MODULES, n=1)
        hint = f"; did you mean {near[0]}?" if near else f": there are {', '.join(MODULES)}"
        raise ConfigurationError(f"there is no job {name!r}{hint}")
    return _load(name, MODULES[name])


def catalogue() -> Catalogue:
    """All jobs that can be loaded."""
    jobs, faults = [], {}
    for name, module in MODULES.items():
        try:
            jobs.append(_load(name, module))
        except ConfigurationError as error:
            faults[name] = str(error)
    return Catalogue(tuple(jobs), faults)


def _load(name: str, module: str) -> Job:
    try:
        job: object = importlib.import_module(module).JOB
    except ModuleNotFoundError as error:
        if error.name == module:
            raise ConfigurationError(f"the job {name} is not part of this installation") from error
        raise ConfigurationError(f"the job {name} needs the package {error.name}: install it") from error
    except Exception as error:
        raise ConfigurationError(f"the job {name} cannot be loaded ({type(error).__name__})") from error
    if not isinstance(job, Job) or job.name != name:
        raise ConfigurationError(f"the job {name} cannot be loaded ({module} holds another)")
    return job
