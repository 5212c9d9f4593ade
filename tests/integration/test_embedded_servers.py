"""The servers beside the engine: made once, there again when they die, gone with whoever started them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis

from engine.config import Settings
from engine.records.places import database_url, postgres_folder, redis_url, valkey_folder
from ops.child import Keeper, ServerFailed
from ops.embedded_postgres import ELSEWHERE, EmbeddedPostgres, find_home
from ops.embedded_valkey import EmbeddedValkey
from tests.embedded import open_folder, settings_in

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as path:
        yield path


def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ask(url: str, query: str) -> Any:
    async def asked() -> Any:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(asked())


@contextlib.contextmanager
def kept(keeper: Keeper) -> Iterator[None]:
    keeper.start()
    try:
        yield
    finally:
        keeper.stop()


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def postmaster(folder: Path) -> int:
    home = find_home(settings_in(folder))
    return int((home.data / "postmaster.pid").read_text().split("\n")[0])


def test_postgres_is_made_once_started_again_when_it_dies_and_private(folder: Path) -> None:
    settings = settings_in(folder)
    said: list[str] = []
    with kept(Keeper(EmbeddedPostgres(settings), said.append)):
        until(lambda: database_url(settings))
        url = database_url(settings)
        assert ask(url, "SELECT count(*) FROM calls") == 0
        assert ask(url, "SHOW wal_level") == "replica"
        assert ask(url, "SHOW summarize_wal") == "on"
        assert ask(url, "SHOW max_slot_wal_keep_size") == "1GB"
        ask(url, "INSERT INTO calls (id, started_at) VALUES (gen_random_uuid(), now())")
        with pytest.raises(asyncpg.InvalidPasswordError):
            ask(url.replace(url.split(":")[2].partition("@")[0], "guessed"), "SELECT 1")
        os.kill(postmaster(folder), signal.SIGKILL)
        until(lambda: any("started again" in text for text in said))
        until(lambda: database_url(settings))
        assert ask(database_url(settings), "SELECT count(*) FROM calls") == 1
        pid = postmaster(folder)
        home = find_home(settings)
        for path in (home.folder / "url", home.folder / "password"):
            assert path.stat().st_mode & 0o777 == 0o600
        assert home.data.stat().st_mode & 0o777 == 0o700
        assert database_url(settings) == url, "an address that somebody noted stays right"
    assert gone(pid)
    assert database_url(settings) == ""
    password = url.split(":")[2].partition("@")[0]
    assert not [text for text in said if password in text]
    assert password not in home.log.read_text()


PARENT = """
import sys, time
from pathlib import Path
from ops.child import Keeper
from ops.embedded_postgres import EmbeddedPostgres
from ops.embedded_valkey import EmbeddedValkey
from tests.embedded import settings_in
from engine.records.places import database_url, redis_url
settings = settings_in(Path(sys.argv[1]))
for server in (EmbeddedPostgres(settings), EmbeddedValkey(settings)):
    Keeper(server, print).start()
while not (database_url(settings) and redis_url(settings)):
    time.sleep(0.05)
print("ready", flush=True)
time.sleep(600)
"""


def test_they_die_with_an_engine_that_is_killed(folder: Path) -> None:
    settings = settings_in(folder)
    with subprocess.Popen([sys.executable, "-c", PARENT, str(folder)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        try:
            assert parent.stdout.readline().strip() == "ready"
        except BaseException:
            parent.kill()
            raise
        pid, address = postmaster(folder), redis_url(settings)
        assert redis.Redis.from_url(address).ping()
        said: list[str] = []
        with kept(Keeper(EmbeddedPostgres(settings), said.append)):
            until(lambda: said)
            assert "another engine" in said[0]
            assert ask(database_url(settings), "SELECT 1") == 1, "another engine of the same folder uses it too"
        assert not gone(pid)
        parent.kill()
    until(lambda: gone(pid))
    with pytest.raises(redis.ConnectionError), redis.Redis.from_url(address) as client:
        client.ping()
    # The next engine begins where the last one was.
    with kept(Keeper(EmbeddedPostgres(settings), print)):
        until(lambda: _answers(settings))  # the killed one's address stands there until this one has begun
        assert ask(database_url(settings), "SELECT count(*) FROM calls") == 0


def _answers(settings: Settings) -> bool:
    try:
        return bool(ask(database_url(settings), "SELECT 1"))
    except (OSError, asyncpg.PostgresError):
        return False


def test_an_orphan_is_ended_before_another_is_started(folder: Path) -> None:
    settings = settings_in(folder)
    server = EmbeddedPostgres(settings)
    orphan = server.start()
    server.release()  # as if its engine had died, and the kernel had not told it
    server._owner = -1
    with kept(Keeper(EmbeddedPostgres(settings), print)):
        until(lambda: orphan.poll() is not None)
        until(lambda: database_url(settings))
        assert ask(database_url(settings), "SELECT 1") == 1


def test_what_stands_in_the_way_is_told_and_the_keeper_goes_on(folder: Path) -> None:
    settings = settings_in(folder)
    server = EmbeddedPostgres(settings)
    process = server.start()
    server.withdraw()
    server.stop(process)
    data = find_home(settings).data
    (data / "PG_VERSION").write_text("12\n")
    with pytest.raises(ServerFailed, match=r"is of version 12.*logical dump"):
        server.start()
    said: list[str] = []
    server.release()
    keeper = Keeper(EmbeddedPostgres(settings), said.append)
    with kept(keeper):
        until(lambda: said)
        (data / "PG_VERSION").write_text("18\n")
        until(lambda: database_url(settings))
    assert "goes on without it" in said[0]
    assert said[-1] == "PostgreSQL runs"


def test_a_folder_that_is_closed_to_its_user_is_told(tmp_path: Path) -> None:
    """As root: pytest's own folders are closed to everybody else."""
    home = find_home(settings_in(tmp_path))
    if os.geteuid() == 0:
        assert home.data_home.parent == ELSEWHERE
        assert home.folder == postgres_folder(settings_in(tmp_path))
    else:
        assert home.data_home == home.folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server is another user's")
def test_data_stay_where_they_were_made(folder: Path) -> None:
    """A mode that somebody changes must not lead to an empty database."""
    settings = settings_in(folder)
    made = find_home(settings).data
    made.mkdir(parents=True)
    (made / "PG_VERSION").write_text("18\n")
    assert find_home(settings).data == made
    folder.chmod(0o700)
    with pytest.raises(ServerFailed, match="chmod"):
        find_home(settings)
    folder.chmod(0o711)
    assert find_home(settings).data == made


def test_servers_get_none_of_our_secrets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_TELEPHONY_TOKEN", "a secret of ours")
    settings = settings_in(folder)
    with kept(Keeper(EmbeddedPostgres(settings), print)):
        until(lambda: database_url(settings))
        environment = Path(f"/proc/{postmaster(folder)}/environ").read_bytes()
    assert environment
    assert b"a secret of ours" not in environment


def test_valkey_asks_for_a_password_and_keeps_nothing(folder: Path) -> None:
    settings = settings_in(folder)
    with kept(Keeper(EmbeddedValkey(settings), print)):
        until(lambda: redis_url(settings))
        url = redis_url(settings)
        with redis.Redis.from_url(url) as client:
            client.set("a", "b")
            assert client.config_get("save") == {"save": ""}
        with pytest.raises(redis.AuthenticationError), redis.Redis.from_url(url.replace("//:", "//:x")) as client:
            client.ping()
        password = url.split(":")[2].partition("@")[0]
        lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if _readable(path)]
        assert not [line for line in lines if password.encode() in line], "in no command line"
    assert redis_url(settings) == ""
    assert not list(valkey_folder(settings).glob("*.rdb"))


def _readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True
