"""The commands of backups, for the group ``trunkline ops``. Their bodies are imported when they are run."""
# ruff: noqa: PLC0415 - that is what the imports inside the commands are for

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add_commands(group: typer.Typer) -> None:
    """Add ``backups``, ``restore`` and ``fetch``."""
    group.command("backups")(backups)
    group.command("restore")(restore)
    group.command("fetch")(fetch)


def backups(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the backups that are kept, and how old the newest kept log is."""
    from engine.config import load_settings
    from ops.backup.command import list_backups

    list_backups(load_settings(), as_json=as_json)


def restore(
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="An empty folder, or one to be made.", show_default=False)
    ] = None,
    to_time: Annotated[
        str, typer.Option(metavar="TIME", help="As it was then, such as 2026-11-22T02:15:00Z; none: as late as can be.")
    ] = "",
    to_lsn: Annotated[str, typer.Option(metavar="LSN", help="As it was at that position of the log.")] = "",
    *,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="In the place of the database beside the engine; its data are kept.")
    ] = False,
    backup: Annotated[str, typer.Option(metavar="ID", help="Begin with this one; none: the newest that fits.")] = "",
    cluster: Annotated[
        str, typer.Option(metavar="ID", help="Of this cluster; to be given where backups of several are kept.")
    ] = "",
    without_erasures: Annotated[
        bool, typer.Option("--without-erasures", help="Erase nobody again; callers who were erased may come back.")
    ] = False,
) -> None:
    """Bring a site back: a data folder as it was, on which its server can be started. See docs/runbooks/restore.md."""
    from engine.config import load_settings
    from ops.backup.command import run_restore

    run_restore(
        load_settings(),
        data_dir,
        embedded=embedded,
        to_time=to_time,
        to_lsn=to_lsn,
        backup=backup,
        cluster=cluster,
        without_erasures=without_erasures,
    )


def fetch(
    what: Annotated[str, typer.Argument(metavar="dump|globals", help="A dump, or the roles as SQL.")],
    identity: Annotated[str, typer.Argument(metavar="ID", help="Of the dump or the backup; none: the newest.")] = "",
    *,
    to: Annotated[Path, typer.Option(metavar="FILE", help="A file that is not there yet.")],
    cluster: Annotated[
        str, typer.Option(metavar="ID", help="Of this cluster; to be given where those of several are kept.")
    ] = "",
) -> None:
    """Bring a dump or the globals out of the storage: opened with the key, checked, in a file of yours alone."""
    from engine.config import load_settings
    from ops.backup.command import run_fetch

    run_fetch(load_settings(), what, to, identity=identity, cluster=cluster)
