"""Uploads to S3 that nobody completed: their parts are seen by nobody and cost money.

The library that keeps objects knows no list of them, so AWS's own asks here. It blocks: call it on a thread.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from engine.config import BackupS3Settings
from ops.backup.repository import FOLDERS

OLD_SECONDS: Final = 86400.0
"""Since an upload began; no backup may take that long."""
MOST: Final = 1000
"""Given up in one go; the next run goes on."""
CONNECT_SECONDS: Final = 10.0
TRIES: Final = 2
_REFUSED: Final = frozenset(
    {"AccessDenied", "AllAccessDisabled", "MethodNotAllowed", "NotImplemented", "403", "405", "501"}
)


@dataclass(frozen=True, slots=True)
class Swept:
    """What was done."""

    names: tuple[str, ...] = ()
    """Of the objects whose upload was given up, without the prefix."""
    note: str = ""
    """Why uploads could not be looked at, for the operator; empty: they could."""


class Unreachable(Exception):
    """The storage does not answer, or not as S3 does; the text is a kind and no more."""


def abort_old(bucket: str, prefix: str, settings: BackupS3Settings, now: float) -> Swept:
    """Give up those of our own folders below ``prefix`` that began more than a day before ``now`` (seconds since
    1970-01-01 UTC).

    Raises Unreachable.
    """
    try:
        from botocore import exceptions  # noqa: PLC0415 - an extra
        from botocore.parsers import ResponseParserError  # noqa: PLC0415
    except ImportError:
        return Swept(note="unfinished uploads are not looked at: pip install 'trunkline[s3]' brings what is missing")
    begins = f"{prefix}/" if prefix else ""
    gone: list[str] = []
    try:
        client = _client(settings)
        for upload in itertools.islice(_old(client, bucket, begins, now), MOST):
            client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
            gone.append(str(upload["Key"]).removeprefix(begins))
    except exceptions.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _REFUSED:
            return Swept(tuple(gone), _note(code))
        if code == "NoSuchUpload":  # another run was faster; the next one sees the rest
            return Swept(tuple(gone))
        raise Unreachable(code) from error
    # Beside the library's own: where another than S3 answers, such as a proxy with a page or a redirection.
    except (exceptions.BotoCoreError, ResponseParserError, RecursionError) as error:
        raise Unreachable(type(error).__name__) from error
    return Swept(tuple(gone))


def _note(code: str) -> str:
    return (
        f"unfinished uploads may not be listed or given up there ({code}), and what killed runs left stays: allow "
        "s3:ListBucketMultipartUploads and s3:AbortMultipartUpload, or give the bucket the rule "
        "AbortIncompleteMultipartUpload"
    )


def _old(client: Any, bucket: str, begins: str, now: float) -> Iterator[dict[str, Any]]:
    before = datetime.datetime.fromtimestamp(now - OLD_SECONDS, datetime.UTC)
    ours = tuple(f"{begins}{folder}" for folder in FOLDERS)
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=begins):
        # Without a prefix the bucket may be others' too; where the storage knows no prefix here, it is.
        yield from (
            upload
            for upload in page.get("Uploads", [])
            if str(upload["Key"]).startswith(ours) and upload["Initiated"] < before
        )


def _client(settings: BackupS3Settings) -> Any:
    from botocore.config import Config  # noqa: PLC0415 - an extra
    from botocore.session import Session  # noqa: PLC0415

    options: dict[str, Any] = {"region_name": settings.region}
    if settings.endpoint:
        options["endpoint_url"] = settings.endpoint
    if settings.access_key:
        options["aws_access_key_id"] = settings.access_key.reveal()
        options["aws_secret_access_key"] = settings.secret_key.reveal()
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=settings.timeout_s,
        retries={"total_max_attempts": TRIES},
        s3={"addressing_style": "path"},
    )
    return Session().create_client("s3", config=config, **options)
