"""What the tests of backups share: a server, a site with a fresh database, a folder that other users can enter."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.backup_site.records import fresh_database
from tests.backup_site.stage import Stage, forget_slot, new_stage
from tests.postgres_server import running_postgres


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_postgres() as url:
        yield url


@pytest.fixture
async def stage(server: str, tmp_path: Path) -> AsyncIterator[Stage]:
    yield new_stage(await fresh_database(server), tmp_path / "site")
    await forget_slot(server)


@pytest.fixture
def ground() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="trunkline-backup-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
