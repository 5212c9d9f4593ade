"""What can go wrong with a backup.

BackupError (a JobFailed)
├── RepositoryError         the storage refuses
│   ├── RepositoryGone      … it is slow, gone or broken; again later may do
│   └── ObjectMissing       … it has no such object
├── DatabaseGone            the database is slow, gone or broken
├── Damaged                 what was kept is not what is there now
├── KeyMismatch             the key is not the one it was closed with
├── WrongVersion            a program is not of the server's version
├── ToolFailed              a program of PostgreSQL's failed
├── CarriedElsewhere        another run carries the log of this cluster
├── WalMissing              write-ahead log that a restore needs is not kept
│   └── RecoveryEndedEarly  … it ended before the target
└── NotTheSame              what was restored differs from what was recorded
"""

from __future__ import annotations

from ops.jobs.job import JobFailed


class BackupError(JobFailed):
    """Something about a backup; the message is for the operator."""

    backup = ""
    """Id of the one whose fault it is, where that is known."""


class RepositoryError(BackupError):
    """The storage refuses."""


class RepositoryGone(RepositoryError):
    """The storage is slow, gone or broken."""

    retryable = True
    outside = True


class ObjectMissing(RepositoryError):
    """The storage has no object of that name."""


class DatabaseGone(BackupError):
    """The database is slow, gone or broken."""

    retryable = True
    outside = True


class Damaged(BackupError):
    """What was kept is not what is there now: a flipped byte, a cut file, one put in another's place."""


class KeyMismatch(BackupError):
    """The key is not the one it was closed with."""


class WrongVersion(BackupError):
    """A program is not of the server's version."""


class ToolFailed(BackupError):
    """A program of PostgreSQL's failed."""

    status = 0
    """Its exit code, where it has ended by itself."""
    said = ""
    """All that it wrote to its output."""


class CarriedElsewhere(BackupError):
    """Another run carries the log of this cluster."""

    retryable = True


class WalMissing(BackupError):
    """Write-ahead log that a restore needs is not kept."""


class RecoveryEndedEarly(WalMissing):
    """The log that was brought ended before the target."""


class NotTheSame(BackupError):
    """What was restored differs from what was recorded."""
