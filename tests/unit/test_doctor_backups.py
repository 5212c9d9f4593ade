"""What the doctor says of the backups' keys."""

from __future__ import annotations

import json
import time
from pathlib import Path

from engine.config import load_settings
from ops.backup.catalogue import to_json
from ops.backup.sealing import OPEN, Key, sealed
from ops.backup.site import Site
from ops.backup.streams import of_bytes
from ops.doctor import Finding
from ops.doctor_backups import check_backups

OLD, NEW = (Key(bytes([number]) * 32) for number in (1, 2))


def site(tmp_path: Path, *old: str) -> Site:
    files = {"KEY_FILE": NEW._bytes.hex(), "OLD_KEYS": "\n".join(old)}
    given = {"TRUNKLINE_BACKUP_TO": str(tmp_path / "kept")}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
        given[f"TRUNKLINE_BACKUP_{name}"] = str(tmp_path / name)
    return Site.of(load_settings(given), time.time)


async def put(to: Site, name: str, key: Key) -> None:
    content = of_bytes(to_json({"at": time.time()}, key, name))
    if name.startswith(("wal/", "erasures/")):
        content = sealed(name, of_bytes(b"content"), key)
    await to.repository.put(name, content)


def told(of: Site) -> list[Finding]:
    return list(check_backups(of.settings))


async def fill(of: Site, key: Key, *names: str) -> None:
    for name in names:
        await put(of, name, key)


def filled(of: Site, key: Key, *names: str) -> None:
    import asyncio  # noqa: PLC0415 - the doctor has a loop of its own

    asyncio.run(fill(of, key, *names))


def test_keys_that_are_needed_and_here(tmp_path: Path) -> None:
    here = site(tmp_path, OLD._bytes.hex())
    filled(here, OLD, "backups/1/record", "wal/7/1", "wal/7/2", "dumps/1/record", "erasures/7/x")
    filled(here, NEW, "backups/2/record", "backups/2/verified", "backups/1/restored", "status/7")
    present, earlier = told(here)
    assert present.state == earlier.state == "ok"
    assert present.detail == f"the present key {NEW.id}: 1 backups, 2 notes, 1 notes of the log"
    assert earlier.detail == f"the earlier key {OLD.id}: 1 backups, 1 dumps, 1 lists of erasures, 2 pieces of log"


def test_one_that_is_missing_is_broken_and_named_by_its_id(tmp_path: Path) -> None:
    here = site(tmp_path)
    filled(here, OLD, "backups/1/record", "wal/7/1")
    filled(here, OPEN, "backups/0/record")
    present, *missing = told(here)
    assert present.detail.endswith("nothing is closed with it yet")
    assert [one.state for one in missing] == ["broken", "broken"]
    by_name = {OLD.id in one.detail: one for one in missing}
    assert "1 backups, 1 pieces of log" in by_name[True].detail
    assert OLD.id in by_name[True].mend
    assert "`none`" in by_name[False].mend
    assert OLD._bytes.hex() not in json.dumps([one.detail + one.mend for one in missing])


def test_one_that_nothing_needs_may_go(tmp_path: Path) -> None:
    here = site(tmp_path, OLD._bytes.hex(), "none")
    filled(here, NEW, "backups/1/record")
    assert [one.detail for one in told(here)[1:]] == [
        f"{name}: nothing needs it any more, it may go from TRUNKLINE_BACKUP_OLD_KEYS"
        for name in (f"the earlier key {OLD.id}", "no key")
    ]


def test_a_carrier_that_still_has_the_earlier_key_is_told(tmp_path: Path) -> None:
    here = site(tmp_path, OLD._bytes.hex())
    filled(here, OLD, "status/7")
    last = told(here)[-1]
    assert last.state == "warning"
    assert OLD.id in last.detail
    filled(here, NEW, "status/7")
    assert all(one.state == "ok" for one in told(here))


def test_keys_that_cannot_be_read_are_broken(tmp_path: Path) -> None:
    here = site(tmp_path)
    (tmp_path / "OLD_KEYS").write_text("no key")
    (found,) = told(here)
    assert found.state == "broken"
    assert "line 1" in found.detail


def test_without_backups_there_is_nothing_to_look_at() -> None:
    assert [one.state for one in check_backups(load_settings({}))] == ["ok"]
