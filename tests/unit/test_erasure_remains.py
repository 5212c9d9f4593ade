"""What a receipt says of the places that an erasure does not reach into."""

from __future__ import annotations

from datetime import UTC, datetime

from engine.config import load_settings
from ops.erasure.remains import remains

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_backups_hold_it_until_the_last_chain_with_it_may_go() -> None:
    settings = load_settings(
        {
            "TRUNKLINE_BACKUP_TO": "/backups",
            "TRUNKLINE_BACKUP_KEEP_DAYS": "14",
            "TRUNKLINE_BACKUP_FULL_EVERY_DAYS": "7",
            "TRUNKLINE_RETENTION_EXPORT_DIR": "/exports",
        }
    )
    found = {each.place.split(" ")[0]: each for each in remains(settings, AT)}
    assert found["backups,"].until == datetime(2026, 12, 13, 12, tzinfo=UTC)
    assert "3 newer ones were verified" in found["backups,"].then
    assert found["files"].as_json()["until"] == "2026-11-22T13:00:00+00:00"
    assert found["exports"].until is None


def test_of_others_backups_nothing_is_promised() -> None:
    (backups,) = [each for each in remains(load_settings({}), AT) if each.place.startswith("backups")]
    assert backups.until is None
    assert "--reapply yes" in backups.then
    pgbackrest = load_settings({"TRUNKLINE_BACKUP_TOOL": "pgbackrest"})
    assert any(
        each.place.startswith("backups by pgBackRest") and each.until is None for each in remains(pgbackrest, AT)
    )
