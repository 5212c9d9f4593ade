"""The owner's keys from their files: the present one closes and opens, those before it only open."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.config import Settings
from engine.errors import ConfigurationError
from ops.backup.sealing import KEY_BYTES, OPEN, Key, mismatch

KEY_FILE: Final = "TRUNKLINE_BACKUP_KEY_FILE"
OLD_KEYS: Final = "TRUNKLINE_BACKUP_OLD_KEYS"
NONE: Final = "none"
"""A line among the earlier keys: what was closed without a key is opened too. It must be said, since whoever may write
to the storage can make such an object."""
_TOO_OPEN: Final = stat.S_IRWXO | stat.S_IWGRP
"""A group may read: that is how Kubernetes gives a secret to a pod."""
_A_KEY: Final = "64 hexadecimal digits, as `openssl rand -hex 32` prints them"


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys of one site."""

    current: Key
    """Closes all that is new."""
    old: tuple[Key, ...] = ()

    def made_with(self, identity: str, name: str) -> Key:
        """As the port says."""
        every = (self.current, *self.old)
        for key in every:
            if key.id == identity:
                return key
        raise mismatch(identity, name, every)


def load_keys(settings: Settings) -> Keyring:
    """As the settings name them. Raises ConfigurationError."""
    current = load_key(settings.backup.key_file)
    old = dict.fromkeys(_old_keys(settings.backup_keys.old) if settings.backup_keys.old else ())
    return Keyring(current, tuple(key for key in old if key != current))


def load_key(file: Path | None) -> Key:
    """The key of a file; OPEN where there is none set. Raises ConfigurationError."""
    if file is None:
        return OPEN
    key = _parsed(_text(file, KEY_FILE))
    if key is None:
        raise ConfigurationError(f"{KEY_FILE}: {file} holds no key: expected {_A_KEY}")
    _closed_to_others(file, KEY_FILE)
    return key


def _old_keys(place: Path) -> Iterator[Key]:
    """Of a file, or of the files of a folder; hidden ones are Kubernetes' own."""
    try:
        files = [each for each in sorted(place.iterdir()) if not each.name.startswith(".")] if place.is_dir() else None
    except OSError as error:
        raise ConfigurationError(f"{OLD_KEYS}: {place} cannot be read ({error.strerror})") from error
    for file in [place] if files is None else files:
        text = _text(file, OLD_KEYS)
        _closed_to_others(file, OLD_KEYS)
        for number, line in enumerate(text.splitlines(), 1):
            words = line.partition("#")[0].strip()
            key = OPEN if words == NONE else _parsed(words)
            if key is not None:
                yield key
            elif words:
                raise ConfigurationError(
                    f"{OLD_KEYS}: line {number} of {file} holds no key: expected {_A_KEY}, or `{NONE}`"
                )


def _text(file: Path, setting: str) -> str:
    try:
        return file.read_text("utf-8", errors="replace").strip()
    except OSError as error:
        raise ConfigurationError(
            f"{setting}: {file} cannot be read ({error.strerror}); `openssl rand -hex 32` makes a key"
        ) from error


def _parsed(text: str) -> Key | None:
    try:
        content = bytes.fromhex(text)
    except ValueError:
        return None
    return Key(content) if len(content) == KEY_BYTES and any(content) else None


def _closed_to_others(file: Path, setting: str) -> None:
    mode = file.stat().st_mode
    if mode & _TOO_OPEN:
        raise ConfigurationError(
            f"{setting}: others may read or change {file} (mode {stat.S_IMODE(mode):o}): "
            f"`chmod 600 {file}`; its group may read it (640) where it must"
        )
