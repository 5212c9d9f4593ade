"""The present key closes, the earlier ones open, and what is wrong with their files is said without showing a key."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from engine.config import Settings
from engine.config.backup_keys import BackupKeySettings
from engine.errors import ConfigurationError
from ops.backup.catalogue import from_json, to_json
from ops.backup.errors import KeyMismatch
from ops.backup.keys import Keyring, load_keys
from ops.backup.sealing import OPEN, Key, made_by, opened, sealed
from ops.backup.streams import gathered, of_bytes

FIRST, SECOND, THIRD = (Key(bytes([number]) * 32) for number in (1, 2, 3))


def ring(tmp_path: Path, *lines: str, current: Key = THIRD) -> Keyring:
    settings = Settings()
    backup = dataclasses.replace(settings.backup, key_file=written(tmp_path / "key", current._bytes.hex()))
    old = BackupKeySettings(written(tmp_path / "old", "\n".join(lines)))
    return load_keys(dataclasses.replace(settings, backup=backup, backup_keys=old))


def written(file: Path, text: str) -> Path:
    file.write_text(text)
    file.chmod(0o600)
    return file


async def test_all_of_them_open_and_the_present_one_closes(tmp_path: Path) -> None:
    keys = ring(tmp_path, "# 2025", FIRST._bytes.hex(), "", f"{SECOND._bytes.hex()}  # spring", THIRD._bytes.hex())
    assert keys == Keyring(THIRD, (FIRST, SECOND))
    for key in (FIRST, SECOND, THIRD):
        kept = await gathered(sealed("a", of_bytes(b"content"), key))
        assert made_by(kept) == key.id
        assert await gathered(opened("a", of_bytes(kept), keys)) == b"content"
        assert from_json(to_json({"at": 1}, key, "note"), keys, "note") == {"at": 1}


async def test_one_that_is_missing_is_named_by_its_id(tmp_path: Path) -> None:
    keys = ring(tmp_path, FIRST._bytes.hex())
    kept = await gathered(sealed("a", of_bytes(b"content"), SECOND))
    with pytest.raises(KeyMismatch) as told:
        await gathered(opened("a", of_bytes(kept), keys))
    said = str(told.value)
    assert f"a is encrypted with the key {SECOND.id}, and the keys given are {THIRD.id}, {FIRST.id}" in said
    assert "TRUNKLINE_BACKUP_OLD_KEYS" in said
    assert not any(key._bytes.hex() in said for key in (FIRST, SECOND, THIRD))
    with pytest.raises(KeyMismatch, match=SECOND.id):
        from_json(to_json({"at": 1}, SECOND, "note"), keys, "note")


async def test_what_is_not_encrypted_opens_where_that_was_said(tmp_path: Path) -> None:
    kept = await gathered(sealed("a", of_bytes(b"content"), OPEN))
    with pytest.raises(KeyMismatch, match="write the line `none`"):
        await gathered(opened("a", of_bytes(kept), ring(tmp_path, FIRST._bytes.hex())))
    assert await gathered(opened("a", of_bytes(kept), ring(tmp_path, "none"))) == b"content"


def test_a_folder_holds_a_key_a_file(tmp_path: Path) -> None:
    """As Kubernetes lays out a secret: links to what a hidden folder holds."""
    folder, hidden = tmp_path / "old", tmp_path / "old" / "..data"
    hidden.mkdir(parents=True)
    for name, key in (("one", FIRST), ("two", SECOND)):
        written(hidden / name, key._bytes.hex())
        (folder / name).symlink_to(hidden / name)
    assert load_keys(Settings(backup_keys=BackupKeySettings(folder))) == Keyring(OPEN, (FIRST, SECOND))


@pytest.mark.parametrize("line", ["abc", "00" * 32, FIRST._bytes.hex()[:-2], "ключ"])
def test_a_line_without_a_key_is_said(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigurationError, match=r"TRUNKLINE_BACKUP_OLD_KEYS: line 2 of .* holds no key") as told:
        ring(tmp_path, FIRST._bytes.hex(), line)
    assert line not in str(told.value)


def test_old_keys_are_closed_to_others_too(tmp_path: Path) -> None:
    keys = written(tmp_path / "keys", FIRST._bytes.hex())
    keys.chmod(0o644)
    with pytest.raises(ConfigurationError, match="TRUNKLINE_BACKUP_OLD_KEYS: others may read"):
        load_keys(Settings(backup_keys=BackupKeySettings(keys)))
    with pytest.raises(ConfigurationError, match=r"TRUNKLINE_BACKUP_OLD_KEYS: .* cannot be read"):
        load_keys(Settings(backup_keys=BackupKeySettings(tmp_path / "gone")))
