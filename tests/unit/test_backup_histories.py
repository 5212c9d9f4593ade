"""Histories of timelines that do not open: a restore is refused where they may matter, and nowhere else."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ops.backup.errors import Damaged, KeyMismatch
from ops.backup.fetching import look_through_log
from ops.backup.sealing import Key
from ops.backup.site import Site, wal_prefix
from ops.backup.streams import of_bytes
from ops.backup.wal import Segment
from tests.backup_site.stage import Stage, new_stage
from tests.unit.test_backup_retention import SIZE, backup

HISTORIES = {
    2: "1\t0/5000000\tno recovery target specified\n",
    3: "1\t0/5000000\tx\n2\t0/9000100\tx\n",
    4: "1\t0/3000000\tx\n",
}
PREFIX = wal_prefix("7")


def history(timeline: int) -> str:
    return f"{PREFIX}{timeline:08X}.history"


@pytest.fixture
async def stage(tmp_path: Path) -> Stage:
    """With three histories, and the log of each timeline begun."""
    stage = new_stage("postgresql://x/y", tmp_path / "site")
    for timeline, text in HISTORIES.items():
        await stage.site.keep(history(timeline), of_bytes(text.encode()))
    for timeline in (1, *HISTORIES):
        name = f"{PREFIX}{Segment(timeline, 9).name(SIZE)}.partial"
        await stage.site.keep(name, of_bytes(b"log"))
    return stage


def damage(stage: Stage, timeline: int) -> None:
    file = stage.folder / history(timeline)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


async def along(site: Site, timeline: int) -> int:
    """The timeline along which a backup on ``timeline`` would be restored."""
    one = backup(1, day=1, first_segment=9)
    return (await look_through_log(site, dataclasses.replace(one, timeline=timeline))).timeline


async def test_a_damaged_history_of_a_timeline_that_was_left_forbids_nothing(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    damage(stage, 2)
    assert await along(stage.site, 1) == 4
    assert await along(stage.site, 2) == 3
    assert f"{history(2)} is" in caplog.text
    assert "it is not needed for a restore along timeline 4" in caplog.text


async def test_a_damaged_history_that_may_lead_on_is_told(stage: Stage) -> None:
    damage(stage, 4)
    with pytest.raises(Damaged, match=rf"{history(4)} .* once that object is moved away, .* along timeline 3"):
        await along(stage.site, 1)
    with pytest.raises(Damaged, match=history(4)):  # nobody knows from where it leads
        await along(stage.site, 3)
    assert await along(stage.site, 4) == 4, "the log on it is there, and older ones lead nowhere else"
    (stage.folder / history(4)).unlink()
    assert await along(stage.site, 1) == 3


async def test_a_readable_newer_one_that_leads_from_elsewhere_stands_in_for_none(stage: Stage) -> None:
    damage(stage, 3)  # the one that leads on from the second timeline; the fourth does not
    with pytest.raises(Damaged, match=rf"{history(3)} .* along timeline 2"):
        await along(stage.site, 2)
    assert await along(stage.site, 1) == 4


async def test_so_it_is_with_a_key_that_is_not_here(stage: Stage) -> None:
    newer = Key(bytes(range(32)))
    theirs = dataclasses.replace(stage.site, keys=dataclasses.replace(stage.site.keys, current=newer))
    await theirs.keep(history(2), of_bytes(HISTORIES[2].encode()))
    assert await along(stage.site, 1) == 4
    await theirs.keep(history(4), of_bytes(HISTORIES[4].encode()))
    with pytest.raises(KeyMismatch, match=rf"{history(4)} is encrypted with the key {newer.id}"):
        await along(stage.site, 1)
    assert await along(stage.site, 4) == 4
