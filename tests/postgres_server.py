"""A real PostgreSQL on loopback, for the time of a test session: of the package, which has pgvector, or of a folder.

``POSTGRES_UNDER_TEST`` names a folder of another version's programs, as ``python -m tests.versions`` does.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.ports import free_port
from tests.versions.programs import embedded

START_SECONDS: Final = 60.0
_OPTIONS: Final = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "16MB"}
"""Nothing here outlives the session, and the machine is shared."""


def under_test() -> Path | None:
    """The folder of programs that the tests are to be run with; None: those of the package."""
    named = os.environ.get("POSTGRES_UNDER_TEST")
    return Path(named) if named else None


async def needs_pgvector(connection: Any) -> None:
    """Skips the test where the server has none: the package brings it, Debian 12's PostgreSQL has it not."""
    if not await connection.fetchval("SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'"):
        pytest.skip("this PostgreSQL has no pgvector, which the package brings and Debian 12 has not")


@contextlib.contextmanager
def running_postgres(programs: Path | None = None) -> Iterator[str]:
    """The URL of its empty database ``postgres``. Everything is gone when the block is left."""
    programs = programs or under_test() or embedded()
    folder = Path(tempfile.mkdtemp(prefix="trunkline-postgres-"))
    try:
        as_user = _unprivileged(folder)
        if as_user and not open_to_all(programs):
            programs = _copied(programs, folder)
        data, log = folder / "data", folder / "log"
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"],
            check=True,
            capture_output=True,
            cwd=folder,
            **as_user,
        )
        port = free_port()
        options = [part for name, value in _OPTIONS.items() for part in ("-c", f"{name}={value}")]
        command: list[str] = [
            str(programs / "postgres"),
            "-D",
            str(data),
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
            "-k",
            "",
            *options,
        ]
        with log.open("wb") as out:
            server: subprocess.Popen[bytes] = subprocess.Popen(command, stdout=out, stderr=out, cwd=folder, **as_user)
        try:
            _wait_ready([str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-q"], server, log)
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # a fast shutdown
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: Path) -> dict[str, Any]:
    """The server refuses to run as root: then it runs as ``nobody``, who owns the folder."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def open_to_all(folder: Path) -> bool:
    """Whether everybody may pass through it."""
    real = folder.resolve()
    return all(part.stat().st_mode & 0o001 for part in (real, *real.parents))


def _copied(programs: Path, to: Path) -> Path:
    """A copy of the package with its programs and libraries (50 MB): root's own folders may be closed to others."""
    package = programs.parents[1]
    for part in package.parent.glob(f"{package.name}*"):
        if part.is_dir():
            shutil.copytree(part, to / part.name, symlinks=True)
    return to / programs.relative_to(package.parent)


def _wait_ready(probe: list[str], server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while subprocess.run(probe, check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)
