"""Uploads to S3 that a killed run left half-done are given up, and nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.session import Session

from engine.config import BackupS3Settings, Secret
from ops.backup.errors import RepositoryGone
from ops.backup.s3 import S3Repository
from ops.backup.streams import gathered, of_bytes
from tests.backup_site.s3_server import FaultyProxy, running_s3
from tests.ports import free_port
from tests.waiting import until

pytestmark = pytest.mark.timeout(120)

BUCKET = "trunkline-site"
PUT = f"""\
import asyncio, sys
from engine.config import BackupS3Settings, Secret
from ops.backup.s3 import S3Repository

async def endless():
    while True:
        yield b"x" * (1 << 20)
        await asyncio.sleep(0.005)

settings = BackupS3Settings(endpoint=sys.argv[1], access_key=Secret("test"), secret_key=Secret("test"))
asyncio.run(S3Repository("s3://{BUCKET}/site", settings).put("backups/1/base", endless()))
"""
DAY = 86400.0


@pytest.fixture
def s3() -> Iterator[str]:
    with running_s3(BUCKET) as url:
        yield url


def settings(endpoint: str, seconds: float = 5.0) -> BackupS3Settings:
    return BackupS3Settings(endpoint=endpoint, access_key=Secret("test"), secret_key=Secret("test"), timeout_s=seconds)


def client(endpoint: str) -> Any:
    return Session().create_client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(s3={"addressing_style": "path"}),
    )


def uploads(endpoint: str) -> list[dict[str, Any]]:
    return list(client(endpoint).list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))


async def test_what_a_killed_upload_left_is_given_up(s3: str) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PUT, s3)
    try:
        await until(lambda: asyncio.to_thread(uploads, s3))
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()
    (left,) = uploads(s3)
    assert left["Key"] == "site/backups/1/base"
    began = left["Initiated"].timestamp()
    other = client(s3).create_multipart_upload(Bucket=BUCKET, Key="site-2/backups/1/base")

    repository = S3Repository(f"s3://{BUCKET}/site", settings(s3))
    await repository.put("backups/0/base", of_bytes(b"whole"))
    assert await repository.sweep(began + DAY - 1) == [], "it may be at work"
    assert await repository.sweep(began + DAY + 1) == ["backups/1/base"]
    assert [each["UploadId"] for each in uploads(s3)] == [other["UploadId"]], "another site's"
    assert await repository.sweep(time.time()) == []
    assert await gathered(repository.get("backups/0/base")) == b"whole"
    assert await repository.beginning("backups/0/base", 3) == b"who"
    assert await repository.beginning("backups/0/base", 99) == b"whole"


@pytest.mark.parametrize("prefix", ["", "site"])
async def test_uploads_beside_our_own_folders_stay(s3: str, prefix: str) -> None:
    begins = f"{prefix}/" if prefix else ""
    begun = client(s3)
    for key in ("wal/7/000000010000000000000001", "other/backups/1/base", "backups-of-mail/1", "photo.jpg"):
        begun.create_multipart_upload(Bucket=BUCKET, Key=f"{begins}{key}")
    repository = S3Repository(f"s3://{BUCKET}/{prefix}", settings(s3))
    assert await repository.sweep(time.time() + DAY + 60) == ["wal/7/000000010000000000000001"]
    left = {each["Key"].removeprefix(begins) for each in uploads(s3)}
    assert left == {"other/backups/1/base", "backups-of-mail/1", "photo.jpg"}


@contextlib.asynccontextmanager
async def answering(status: str, said: bytes) -> AsyncIterator[str]:
    """URL of what answers everything so."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(said)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + said)
        await writer.drain()
        writer.close()

    port = free_port()
    async with await asyncio.start_server(answer, "127.0.0.1", port):
        yield f"http://127.0.0.1:{port}"


async def test_keys_that_may_not_list_them_are_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    said = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    async with answering("403 Forbidden", said) as refusing:
        repository = S3Repository(f"s3://{BUCKET}/site", settings(refusing))
        assert await repository.sweep(time.time()) == []
        assert await repository.sweep(time.time()) == []
    (line,) = [record.getMessage() for record in caplog.records if record.name == "ops.backup.s3"]
    assert "s3:ListBucketMultipartUploads" in line
    assert "AbortIncompleteMultipartUpload" in line


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "301 Moved Permanently", "404 Not Found"])
async def test_a_page_in_place_of_an_answer_is_told_as_a_storage_that_is_away(status: str) -> None:
    async with answering(status, b"<html><body>Log in first<br></body></html>") as url:
        with pytest.raises(RepositoryGone, match="does not list its unfinished uploads"):
            await S3Repository(f"s3://{BUCKET}/site", settings(url)).sweep(time.time())


async def test_a_storage_that_does_not_answer_is_given_up(s3: str) -> None:
    async with FaultyProxy(s3) as proxy:
        proxy.hang()
        repository = S3Repository(f"s3://{BUCKET}/site", settings(proxy.url, 1.0))
        with pytest.raises(RepositoryGone, match="does not list its unfinished uploads"):
            await repository.sweep(time.time())
