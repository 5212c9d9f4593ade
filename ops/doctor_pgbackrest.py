"""What the doctor says of pgBackRest: whether it is here, and whether it takes the backups."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from engine.config import Settings
from ops.doctor import Finding

CHECK: Final = "pgbackrest"
CONFIGURATIONS: Final = (Path("/etc/pgbackrest/pgbackrest.conf"), Path("/etc/pgbackrest.conf"))


def check_pgbackrest(settings: Settings) -> Iterator[Finding]:
    """One finding, none where it is neither here nor wanted."""
    backup = settings.backup
    program = shutil.which("pgbackrest")
    configuration = next((each for each in CONFIGURATIONS if each.exists()), None)
    here = program or configuration
    if backup.tool == "pgbackrest":
        if program is None:
            mend = "install it, or unset TRUNKLINE_BACKUP_TOOL: no backup is taken until then"
            yield Finding(CHECK, "broken", "it is to take the backups and is not on PATH", mend)
        else:
            yield Finding(CHECK, "ok", f"{program} takes the backups, stanza {backup.stanza}")
    elif here and backup.to:
        yield Finding(CHECK, "ok", f"{here} is here and not used: backups are Trunkline's own")
    elif here:
        mend = "TRUNKLINE_BACKUP_TOOL=pgbackrest lets it take them, TRUNKLINE_BACKUP_TO says where our own would go"
        yield Finding(CHECK, "warning", f"{here} is here and not used, and no backups are set up", mend)
