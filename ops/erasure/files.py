"""Erasure from the files of this machine: recordings, call-back lists, events that were set aside."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from ops.erasure.places import PlaceUnreached, Wanted
from ops.jobs.callbacks import lines_in, lists_in, table
from ops.jobs.dead_letters import PLACE
from ops.jobs.private_files import write_private


def erase_recordings(folder: Path, wanted: Wanted, *, dry_run: bool = False) -> dict[str, int]:
    """Remove the files and folders that are named by a call of his. Raises PlaceUnreached."""
    removed = 0
    failed: list[OSError] = []
    for parent, folders, files in os.walk(folder, onerror=failed.append):
        for name in [*folders, *files]:
            if not any(call in name for call in wanted.calls):
                continue
            path = Path(parent) / name
            removed += sum(1 for each in path.rglob("*") if each.is_file()) if path.is_dir() else 1
            if not dry_run:
                _remove(path, failed)
            if name in folders:
                folders.remove(name)  # it is gone
    if any(not isinstance(error, FileNotFoundError) for error in failed):
        raise PlaceUnreached(f"recordings ({failed[0].strerror})")
    return {"files": removed}


def _remove(path: Path, failed: list[OSError]) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as error:
        failed.append(error)


def erase_lists(folder: Path, wanted: Wanted, *, dry_run: bool = False) -> dict[str, int]:
    """Take him out of the call-back lists that are kept. Raises PlaceUnreached."""
    removed = 0
    try:
        for path in lists_in(folder).values():
            lines = lines_in(path.read_bytes())
            kept = [line for line in lines if not wanted.in_line(line.get("call_id") or "", line.get("phone") or "")]
            removed += len(lines) - len(kept)
            if len(kept) < len(lines) and not dry_run:
                write_private(path, table(kept))
    except (OSError, ValueError) as error:
        raise PlaceUnreached(f"call-back lists ({type(error).__name__})") from error
    return {"lines": removed}


def erase_dead_letters(path: Path, wanted: Wanted, *, dry_run: bool = False) -> dict[str, int]:
    """Take his events out of those that were set aside. Raises PlaceUnreached."""
    try:
        before = path.read_bytes()
    except FileNotFoundError:
        return {"lines": 0}
    except OSError as error:
        raise PlaceUnreached(f"dead letters ({error.strerror})") from error
    lines = [line.decode("utf-8", "replace") for line in before.splitlines(keepends=True)]
    kept = [line for line in lines if not wanted.in_text(_plain(line))]
    if len(kept) < len(lines) and not dry_run:
        try:
            if path.stat().st_size != len(before):
                raise PlaceUnreached("dead letters (being written to)")
            write_private(path, "".join(kept).encode())
        except OSError as error:
            raise PlaceUnreached(f"dead letters ({error.strerror})") from error
    return {"lines": len(lines) - len(kept)}


def _plain(line: str) -> str:
    """With its escapes resolved."""
    try:
        return json.dumps(json.loads(line), ensure_ascii=False)
    except ValueError:
        return line


FilePlace = tuple[str, Callable[[], dict[str, int]]]
"""Name of a place and what erases it."""


def file_places(state_dir: Path, recordings: Path, wanted: Wanted, *, dry_run: bool) -> list[FilePlace]:
    """The places on this machine's disk."""
    return [
        ("recordings", lambda: erase_recordings(recordings, wanted, dry_run=dry_run)),
        ("call-back lists", lambda: erase_lists(state_dir / "callbacks", wanted, dry_run=dry_run)),
        ("dead letters", lambda: erase_dead_letters(state_dir / PLACE, wanted, dry_run=dry_run)),
    ]
