"""Real servers for tests: the very ones that run beside the engine."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from engine.config import Secret, Settings
from engine.records.places import database_url, redis_url
from ops.child import Keeper
from ops.embedded_postgres import OPTIONS, EmbeddedPostgres
from ops.embedded_valkey import EmbeddedValkey
from tests.postgres_server import under_test


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that other users may pass through: as root, PostgreSQL is another user's."""
    with tempfile.TemporaryDirectory(prefix="trunkline-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


def settings_in(folder: Path) -> Settings:
    """Those of an engine whose state is there."""
    settings = Settings()
    return replace(settings, paths=replace(settings.paths, state_dir=folder / "state"))


class PostgresUnderTest(EmbeddedPostgres):
    """With the programs of the version that the tests are run with."""

    def _programs(self) -> Path:
        programs = under_test()
        if programs is None:
            return super()._programs()
        if not (programs / "pg_combinebackup").exists():  # 15 and 16, which take no incremental backups
            self.options = {name: value for name, value in OPTIONS.items() if name != "summarize_wal"}
        return programs


class Databases:
    """PostgreSQL and Valkey of a state folder; each can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.settings = settings_in(folder)
        self.postgres = PostgresUnderTest(self.settings)
        self.valkey = EmbeddedValkey(self.settings)

    @contextlib.contextmanager
    def postgres_runs(self) -> Iterator[str]:
        """Its URL."""
        process = self.postgres.start()
        try:
            yield database_url(self.settings)
        finally:
            self.postgres.withdraw()
            self.postgres.stop(process)
            self.postgres.release()

    @contextlib.contextmanager
    def valkey_runs(self) -> Iterator[str]:
        """Its URL."""
        process = self.valkey.start()
        try:
            yield redis_url(self.settings)
        finally:
            self.valkey.withdraw()
            self.valkey.stop(process)
            self.valkey.release()


def with_redis(settings: Settings, url: str) -> Settings:
    """The same settings with a Redis elsewhere."""
    return replace(settings, records=replace(settings.records, redis=Secret(url)))


__all__ = ["Databases", "Keeper", "open_folder", "settings_in", "with_redis"]
