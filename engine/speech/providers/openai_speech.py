"""The way to a server of OpenAI's speech API: the client, and what its errors mean."""

from __future__ import annotations

from typing import Final, TypeVar

import httpx2
import openai

from engine.errors import SpeechError

CONNECT_SECONDS: Final = 2.0
CONNECTIONS: Final = 200
IDLE_SECONDS: Final = 120.0
"""A connection is kept for the next utterance; the library's own 5 s would end it while the agent speaks."""

REACH_SECONDS: Final = 5.0
"""How long a server may take for a question that costs it nothing."""

CLIENT_ERRORS: Final = (openai.OpenAIError, httpx2.HTTPError)
"""What a request may raise: while an answer is streamed, errors of the HTTP library come as they are."""

E = TypeVar("E", bound=SpeechError)


def speech_client(url: str, key: str, *, answer_seconds: float) -> openai.AsyncOpenAI:
    """A client without retries of its own: a chain and a breaker do that, and a caller waits.

    ``answer_seconds`` bounds each wait for bytes of the server. An empty ``key`` is not sent: a server on one's own
    machine needs none.
    """
    timeout = openai.Timeout(answer_seconds, connect=CONNECT_SECONDS)
    limits = httpx2.Limits(
        max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=IDLE_SECONDS
    )
    http = openai.DefaultAsyncHttpxClient(
        base_url=url,
        limits=limits,
        timeout=timeout,
        # A redirect would carry a caller's voice to an address that nobody chose.
        follow_redirects=False,
        event_hooks={} if key else {"request": [_unsign]},
    )
    # The library insists on a key.
    return openai.AsyncOpenAI(base_url=url, api_key=key or "none", max_retries=0, timeout=timeout, http_client=http)


async def _unsign(request: httpx2.Request) -> None:
    request.headers.pop("Authorization", None)


async def check(client: openai.AsyncOpenAI, kind: type[SpeechError]) -> None:
    """Asks for the list of models: connection and key are tried, nothing is paid for. Raises ``kind``.

    A server that has no such list, but answers, is well.
    """
    try:
        await client.with_options(timeout=REACH_SECONDS).models.list()
    except openai.NotFoundError:
        return
    except CLIENT_ERRORS as error:
        raise told(kind, error) from error


def told(kind: type[E], error: openai.OpenAIError | httpx2.HTTPError) -> E:
    """An error of the client as one of ours: what it is and what to do; nothing of what was sent, and no key.

    The server's own words are left out: they may repeat the text.
    """
    match error:
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            what, again = "the key is not accepted: see TRUNKLINE_OPENAI_KEY or TRUNKLINE_OPENAI_SPEECH_KEY", False
        case openai.NotFoundError():
            what, again = "no such model or address: see TRUNKLINE_OPENAI_SPEECH_URL and the model's name", False
        case openai.RateLimitError():
            what, again = "the quota is used up, or requests come too fast", True
        case openai.APITimeoutError() | httpx2.TimeoutException():
            what, again = "the service is too slow", True
        case openai.APIConnectionError() | httpx2.TransportError():
            what, again = "the service cannot be reached", True
        case openai.APIStatusError() if 300 <= error.status_code < 400:
            what, again = "the server sends us elsewhere: set its address to where that leads", False
        case openai.APIStatusError() if error.status_code < 500:
            what, again = "the request is refused: do model, voice and language go together?", False
        case _:
            what, again = "the service failed", True
    status = f" {error.status_code}" if isinstance(error, openai.APIStatusError) else ""
    made = kind(f"speech by OpenAI's API:{status} {what}")
    made.retryable = again
    return made
