"""What may be removed, under every history of backups."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ops.backup.catalogue import Backup, Catalogue
from ops.backup.contents import Contents
from ops.backup.repository import Kept
from ops.backup.retention import DAY, log_to_remove, plan, plan_backups, unfinished
from ops.backup.streams import of_bytes
from ops.backup.wal import Segment
from tests.backup_site.stage import new_stage

SIZE = 16 << 20


def backup(number: int, *, day: float, parent: str = "", verified: bool = True, first_segment: int = 0) -> Backup:
    return Backup(
        id=f"{number:04}",
        kind="incremental" if parent else "full",
        parent=parent,
        started_at=day * DAY,
        finished_at=day * DAY,
        server_version="18.1",
        tool_version="18.1",
        system_id="7",
        database="records",
        superuser="postgres",
        segment_bytes=SIZE,
        timeline=1,
        start_lsn=first_segment * SIZE + 40,
        stop_lsn=first_segment * SIZE + 400,
        mark_lsn=first_segment * SIZE + 800,
        mark_at=day * DAY,
        contents=Contents(""),
        key_id="",
        encrypted=True,
        verified_at=day * DAY if verified else None,
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Backup]:
    """Full and incremental ones, verified and not, over days that go on."""
    made: list[Backup] = []
    day = 0.0
    for number in range(draw(st.integers(0, 25))):
        day += draw(st.floats(0, 10))
        over = draw(st.booleans()) and made
        parent = draw(st.sampled_from([each.id for each in made])) if over else ""
        made.append(backup(number, day=day, parent=parent, verified=draw(st.booleans()), first_segment=number * 3))
    return made


@given(histories(), st.floats(0, 400), st.floats(0, 60), st.integers(1, 6))
def test_no_plan_removes_what_is_needed(made: list[Backup], now_day: float, keep_days: float, keep_least: int) -> None:
    now = now_day * DAY
    plan = plan_backups(made, now=now, keep_days=keep_days, keep_least=keep_least)
    staying = [each for each in made if each.id not in plan.backups]
    verified = [each for each in made if each.verified_at is not None]
    left = [each for each in staying if each.verified_at is not None]
    assert len(left) >= min(keep_least, len(verified))
    assert left[-keep_least:] == verified[-keep_least:]  # the newest ones
    if len(verified) < keep_least:
        assert not plan.backups
    assert {each.parent for each in staying if each.parent} <= {each.id for each in staying}
    assert all(now - each.finished_at >= keep_days * DAY for each in made if each.id in plan.backups)
    assert {each.id for each in staying} == set(plan.kept)


@given(histories(), st.lists(st.integers(0, 90), unique=True))
def test_no_log_goes_that_a_kept_backup_needs(made: list[Backup], numbers: list[int]) -> None:
    objects = [Kept(f"wal/7/{Segment(1, number).name(SIZE)}", SIZE, 0) for number in numbers]
    gone = log_to_remove(made, objects)
    if not made:
        assert not gone
        return
    first = min(each.start_lsn // SIZE for each in made)
    assert gone == [each.name for each, number in zip(objects, numbers, strict=True) if number < first]


def test_histories_and_the_log_of_other_clusters_stay() -> None:
    names = ["wal/7/00000002.history", f"wal/8/{Segment(1, 1).name(SIZE)}", "status/7"]
    assert log_to_remove([backup(1, day=1, first_segment=50)], [Kept(name, 1, 0) for name in names]) == []


def test_a_partial_one_goes_with_its_like() -> None:
    old = Kept(f"wal/7/{Segment(1, 3).name(SIZE)}.partial", 1, 0)
    assert log_to_remove([backup(1, day=1, first_segment=50)], [old]) == [old.name]


def test_the_rest_of_a_run_that_died_goes_after_two_days() -> None:
    whole = backup(1, day=1)
    objects = [
        Kept(f"backups/{whole.id}/base", 1, 0),
        Kept(f"backups/{whole.id}/record", 1, 0),
        Kept("backups/0002/base", 1, 0),
        Kept("backups/0003/base", 1, 9.5 * DAY),  # it may run
    ]
    assert unfinished(objects, Catalogue({whole.id: whole}), 10 * DAY) == ["backups/0002/base"]


def test_what_has_a_damaged_record_is_no_rest() -> None:
    objects = [Kept("backups/0001/base", 1, 0), Kept("backups/0001/record", 1, 0)]
    assert unfinished(objects, Catalogue({}, ("damaged",)), 10 * DAY) == []


def test_reasons_are_told() -> None:
    made = [backup(1, day=1), backup(2, day=2, parent="0001"), backup(3, day=30), backup(4, day=40)]
    plan = plan_backups(made, now=41 * DAY, keep_days=5, keep_least=3)
    assert plan.kept["0004"] == "younger than 5 days"
    assert plan.kept["0002"] == "one of the 3 newest that were verified"
    assert plan.kept["0001"] == "0002 lies over it"
    assert plan.backups == ()


async def test_a_dump_without_a_record_is_a_rest_too(tmp_path: Path) -> None:
    site = new_stage("postgresql://x/y", tmp_path / "site").site
    await site.repository.put("dumps/20260101T000000Z-0001/dump", of_bytes(b"x"))
    await site.repository.put("dumps/20260101T000000Z-0002/dump", of_bytes(b"x"))
    await site.repository.put("dumps/20260101T000000Z-0002/record", of_bytes(b"damaged"))
    later = replace(site, wall=lambda: time.time() + 3 * DAY)
    assert (await plan(later, Catalogue({}))).objects == ("dumps/20260101T000000Z-0001/dump",)
    assert (await plan(site, Catalogue({}))).objects == ()
