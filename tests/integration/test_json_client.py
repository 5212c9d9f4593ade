"""The client of any JSON API against a server that answers what a test gives it."""

from __future__ import annotations

import asyncio
import email.utils
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
import pytest_asyncio
from aiohttp import web

from engine.agent.ports import CallFacts, ToolCall
from engine.agent.said import Said
from engine.agent.tools import Finished, Tool, ToolBox, ToolContext, ToolOutcome
from engine.breaker import Breaker
from engine.errors import ConfigurationError, ServiceRefused, ServiceUnavailable
from engine.http.client import JsonClient
from engine.http.patience import patience
from engine.http.port import Method
from engine.http.retry import RetryPolicy, retry_after_seconds
from engine.logs import call_logging, current_call

QUICK = RetryPolicy(first_wait=0.01, longest_wait=0.02)
PHONE = "380501112233"


@dataclass
class Server:
    """What it was asked, and what it answers next: a response, None for a broken connection, or silence."""

    url: str = ""
    answers: list[web.Response | Literal["silence"] | None] = field(default_factory=list)
    speaks: asyncio.Event = field(default_factory=asyncio.Event)
    requests: list[web.Request] = field(default_factory=list)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()

    async def handle(request: web.Request) -> web.Response:
        made.requests.append(request)
        await request.read()
        answer = made.answers.pop(0)
        if answer == "silence":
            await made.speaks.wait()
            return web.Response()
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return answer

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}/v1/"
    yield made
    made.speaks.set()
    await runner.cleanup()


@pytest_asyncio.fixture
async def client(server: Server) -> AsyncIterator[JsonClient]:
    ids = iter(f"id-{number}" for number in range(100))
    made = JsonClient(server.url, "secret", name="desk", retry=QUICK, new_id=lambda: next(ids))
    yield made
    await made.close()


async def test_what_is_sent(server: Server, client: JsonClient) -> None:
    server.answers += [web.json_response({"done": True}), web.Response(status=204)]
    params = {"q": "a&b=c ü", "yes": True, "none": None, "n": 5}
    assert await client.request("GET", "/things/{thing}", segments={"thing": "A-7:ü@x"}, params=params) == {
        "done": True
    }
    assert await client.request("POST", "/things", body={"name": "ü"}, idempotency_key="key") is None
    got, posted = server.requests
    assert got.path == "/v1/things/A-7:ü@x"
    assert dict(got.query) == {"q": "a&b=c ü", "yes": "true", "n": "5"}
    assert got.headers["Authorization"] == "Bearer secret"
    assert "Idempotency-Key" not in got.headers
    assert [request.headers["X-Request-Id"] for request in server.requests] == ["id-0", "id-1"]
    assert posted.headers["Idempotency-Key"] == "key"
    assert posted.headers["Content-Type"] == "application/json"
    assert await posted.json() == {"name": "ü"}


async def test_all_tries_have_one_key_and_one_id(server: Server, client: JsonClient) -> None:
    server.answers += [web.Response(status=503), None, web.json_response({})]
    await client.request("POST", "/things", body={}, idempotency_key="key")
    assert {request.headers["Idempotency-Key"] for request in server.requests} == {"key"}
    assert {request.headers["X-Request-Id"] for request in server.requests} == {"id-0"}
    assert len(server.requests) == 3


async def test_what_may_have_arrived_is_not_sent_twice_without_a_key(server: Server, client: JsonClient) -> None:
    for method in ("POST", "PATCH"):
        server.answers = [None]
        with pytest.raises(ServiceUnavailable, match="no connection"):
            await client.request(method, "/things", body={})
        server.answers = [web.Response(status=429), web.json_response(1)]
        assert await client.request(method, "/things", body={}) == 1  # it was refused before anything was done
    assert len(server.requests) == 6


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_what_is_the_same_done_twice_is_sent_again(server: Server, client: JsonClient, method: Method) -> None:
    server.answers = [None, web.json_response(1)]
    assert await client.request(method, "/things") == 1


@pytest.mark.parametrize("status", [500, 502, 504, 401, 403, 408])
async def test_failures_that_are_not_tried_again(server: Server, client: JsonClient, status: int) -> None:
    server.answers = [web.Response(status=status, body=b"<html>")]
    with pytest.raises(ServiceUnavailable, match=str(status)):
        await client.request("GET", "/things")
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308, 304])
async def test_redirects_are_refused(server: Server, client: JsonClient, status: int) -> None:
    server.answers = [web.Response(status=status, headers={"Location": server.url + "elsewhere"})]
    with pytest.raises(ServiceUnavailable, match="elsewhere"):
        await client.request("GET", "/things")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "body", [b"<html>", b"\xff\xfe", b"{", b"[" * 200_000, b'"' + b"x" * 2_000_000 + b'"'], ids=range(5)
)
async def test_answers_that_are_no_json_or_too_large(server: Server, client: JsonClient, body: bytes) -> None:
    server.answers = [web.Response(body=body), web.json_response("well")]
    with pytest.raises(ServiceUnavailable):
        await client.request("GET", "/things")
    assert await client.request("GET", "/things") == "well"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"error": "no"}', b'{"error": {"code": null}}', b"<html>"])
async def test_refusals_in_any_shape(server: Server, client: JsonClient, body: bytes) -> None:
    server.answers = [web.Response(status=422, body=body)]
    with pytest.raises(ServiceRefused) as refused:
        await client.request("GET", "/things")
    assert (refused.value.status, refused.value.code) == (422, "refused")


@pytest.mark.parametrize("segment", ["", ".", "..", "a/b", "a%2Fb", "a?b", "a#b", "a b", "a\nb", "a\\b", "x" * 129])
async def test_a_segment_that_would_make_another_path(server: Server, client: JsonClient, segment: str) -> None:
    with pytest.raises(ServiceRefused) as refused:
        await client.request("DELETE", "/things/{thing}", segments={"thing": segment})
    assert (refused.value.status, refused.value.code) == (404, "bad_id")
    assert server.requests == []


async def test_a_body_too_large(server: Server, client: JsonClient) -> None:
    with pytest.raises(ServiceRefused):
        await client.request("POST", "/things", body="x" * 300_000)
    assert server.requests == []


async def test_failures_are_logged_with_their_ids_and_nobodys_number(
    server: Server, client: JsonClient, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[str] = []
    logging.getLogger("engine.http.client").addFilter(keep := lambda _: calls.append(current_call.get()) or True)  # type: ignore[func-returns-value]
    server.answers = [web.Response(status=503), web.Response(status=500, headers={"X-Request-Id": "theirs"})]
    with call_logging("the-call"), pytest.raises(ServiceUnavailable):
        await client.request(
            "GET", "/people/{phone}/orders", segments={"phone": PHONE}, params={"phone": PHONE}, body={"phone": PHONE}
        )
    logging.getLogger("engine.http.client").removeFilter(keep)
    first, second = (record.__dict__ for record in caplog.records)
    assert (first["route"], first["status"], first["attempt"]) == ("/people/{phone}/orders", 503, 1)
    assert (second["status"], second["attempt"], second["request_id"], second["answered_id"]) == (
        500,
        2,
        "id-0",
        "theirs",
    )
    assert calls == ["the-call"] * 2
    assert PHONE not in str([record.__dict__ for record in caplog.records])
    assert "secret" not in str([record.__dict__ for record in caplog.records])


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


async def test_the_breaker_counts_each_try_and_spares_the_server(server: Server) -> None:
    clock = Clock()
    breaker = Breaker("desk", now=clock)
    client = JsonClient(server.url, name="desk", retry=QUICK, breaker=breaker)
    server.answers = [web.Response(status=503) for _ in range(5)]
    for _ in range(2):
        with pytest.raises(ServiceUnavailable):
            await client.request("GET", "/things")
    assert (len(server.requests), breaker.reading().state) == (5, "open")
    with pytest.raises(ServiceUnavailable, match="left alone"):
        await client.request("GET", "/things")
    assert len(server.requests) == 5
    clock.seconds += 30
    server.answers = [web.Response(status=500)]
    with pytest.raises(ServiceUnavailable, match="500"):
        await client.request("GET", "/things")
    clock.seconds += 30
    server.answers = [web.json_response(1)]
    results = await asyncio.gather(*(client.request("GET", "/things") for _ in range(8)), return_exceptions=True)
    assert sum(result == 1 for result in results) == 1
    assert len(server.requests) == 7
    server.answers = [web.json_response(2)]
    assert await client.request("GET", "/things") == 2
    await client.close()


async def asked(client: JsonClient, times: int = 1, seconds: float = 1.0) -> Finished:
    """What a tool brings that asks so often, and whose requests have so long together."""

    async def run(_context: ToolContext, _arguments: Mapping[str, Any]) -> ToolOutcome:
        return ToolOutcome({"found": [await client.request("GET", "/things") for _ in range(times)]})

    box, said = ToolBox([Tool("look", "Looks.", run, timeout=60)]), Said.of(())
    with patience(seconds):
        return await box.run(box.check(ToolCall("c1", "look", "{}"), said), CallFacts("call-1", ""), said)


async def test_a_try_ends_before_the_tool_does_and_counts(server: Server) -> None:
    breaker = Breaker("desk")
    client = JsonClient(server.url, name="desk", retry=QUICK, breaker=breaker)
    server.answers = ["silence"]
    finished = await asked(client)
    assert (finished.error, "the desk did not answer in time" in finished.content) == ("store_unavailable", True)
    assert (len(server.requests), breaker.reading().failures) == (1, 1)
    await client.close()


async def test_nothing_is_tried_again_for_which_no_time_is_left(server: Server) -> None:
    breaker = Breaker("desk")
    client = JsonClient(server.url, name="desk", breaker=breaker)
    server.answers = [web.Response(status=503, headers={"Retry-After": "1"}), web.json_response(1)]
    finished = await asked(client, seconds=1.4)  # a second's wait would leave less than a try needs
    assert (finished.error, "HTTP 503" in finished.content) == ("store_unavailable", True)
    assert (len(server.requests), breaker.reading().failures) == (1, 1)
    server.answers = [web.Response(status=503), web.json_response(1)]
    assert (await asked(client, seconds=8)).ok
    await client.close()


async def test_requests_of_one_tool_share_its_time(server: Server) -> None:
    client = JsonClient(server.url, name="desk", retry=QUICK)
    server.answers = [web.json_response(1), "silence"]
    finished = await asked(client, times=2)
    assert (finished.error, "the desk did not answer in time" in finished.content) == ("store_unavailable", True)
    with patience(0), pytest.raises(ServiceUnavailable, match="no time is left"):
        await client.request("GET", "/things")
    assert len(server.requests) == 2
    await client.close()


async def test_refusals_do_not_open_the_breaker(server: Server) -> None:
    breaker = Breaker("desk")
    client = JsonClient(server.url, name="desk", breaker=breaker)
    server.answers = [web.Response(status=409) for _ in range(8)]
    for _ in range(8):
        with pytest.raises(ServiceRefused):
            await client.request("POST", "/things")
    assert breaker.reading().failures == 0
    await client.close()


@pytest.mark.parametrize(
    "address", ["", "ftp://x", "x", "http://", "http://me:you@x", "http://x?y=1", "http://x#y", "http://[::1"]
)
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(ConfigurationError):
        JsonClient(address)


@pytest.mark.parametrize("token", ["a\nb", "ключ", "a b"])
def test_a_token_that_no_header_may_carry(token: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        JsonClient("http://x", token)
    assert token not in str(error.value)


def test_retry_after() -> None:
    assert retry_after_seconds("3", 0) == 3
    assert retry_after_seconds(" 3 ", 0) == 3
    assert retry_after_seconds(email.utils.formatdate(1_000_007, usegmt=True), 1_000_000) == 7
    assert retry_after_seconds(email.utils.formatdate(1_000_000, usegmt=True), 1_000_007) == 0
    for text in (None, "", "soon", "-3", "1.5.2", "nan", "inf", "²"):
        assert retry_after_seconds(text, 0) is None
