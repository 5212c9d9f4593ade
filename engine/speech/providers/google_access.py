"""The way to Google Cloud's speech services: channel, credentials, names of languages, and what its errors mean."""

from __future__ import annotations

import asyncio
from typing import Final, TypeVar

import grpc
import grpc.aio

from engine.errors import ConfigurationError, SpeechError

REACH_SECONDS: Final = 5.0
"""How long a server may take to accept a connection, and to answer a question that costs it nothing."""

LISTEN_SECONDS: Final = 0.15

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"

_OPTIONS: Final = (
    # A connection that a firewall forgot between two calls is noticed before a caller is.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.use_local_subchannel_pool", 1),
)

_REGIONS: Final = {
    "cs": "CZ", "da": "DK", "el": "GR", "en": "US", "et": "EE", "he": "IL", "hi": "IN", "ja": "JP", "ko": "KR",
    "sl": "SI", "sv": "SE", "uk": "UA", "vi": "VN", "zh": "CN",
}  # fmt: skip
"""Region that is meant where a tag names none, where it is not the language's own name in capitals."""

_ADVICE: Final = {
    grpc.StatusCode.UNAUTHENTICATED: "the credentials are not accepted: see TRUNKLINE_GOOGLE_API_KEY or "
    "GOOGLE_APPLICATION_CREDENTIALS",
    grpc.StatusCode.PERMISSION_DENIED: "the credentials may not do this: see the API, the role and "
    "TRUNKLINE_GOOGLE_PROJECT",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "the project's quota is used up",
    grpc.StatusCode.NOT_FOUND: "no such project, region or model: see TRUNKLINE_GOOGLE_PROJECT, "
    "TRUNKLINE_GOOGLE_LOCATION and TRUNKLINE_GOOGLE_STT_MODEL",
    grpc.StatusCode.INVALID_ARGUMENT: "the request is refused: do model, voice, language and region go together?",
    grpc.StatusCode.UNAVAILABLE: "the service cannot be reached",
    grpc.StatusCode.DEADLINE_EXCEEDED: "the service is too slow",
}

_FINAL: Final = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
"""The same request will not succeed when it is made again."""


class GoogleAccess:
    """One channel to one service.

    ``host`` is Google's own server; ``endpoint`` another (``https://HOST[:PORT]``, or ``http://`` and a port of this
    machine, which is spoken to without TLS and without credentials of the machine); empty for Google's.
    """

    def __init__(self, *, host: str, endpoint: str = "", api_key: str = "", project: str = "") -> None:
        self._target, self._plain = _target(endpoint or f"https://{host}")
        self._key = api_key
        self.project = project
        """Known after ``start`` where the credentials name it."""
        self._channel: grpc.aio.Channel | None = None

    @property
    def channel(self) -> grpc.aio.Channel:
        """Raises ConnectionError before ``start`` and after ``close``."""
        if self._channel is None:
            raise ConnectionError("not started")
        return self._channel

    def metadata(self, route: str = "") -> tuple[tuple[str, str], ...]:
        """What goes with each request; ``route`` says to whom Google's front shall bring it (``name=value``)."""
        routed = (("x-goog-request-params", route),) if route else ()
        return (("x-goog-api-key", self._key), *routed) if self._key else routed

    async def start(self) -> None:
        """Raises ConfigurationError where there are no credentials."""
        if self._channel is not None:
            return
        if self._plain:
            self._channel = grpc.aio.insecure_channel(self._target, options=(*_OPTIONS, ("grpc.enable_http_proxy", 0)))
            return
        credentials = grpc.ssl_channel_credentials()
        if not self._key:
            calls, project = await asyncio.to_thread(_default_credentials)
            credentials = grpc.composite_channel_credentials(credentials, calls)
            self.project = self.project or project
        self._channel = grpc.aio.secure_channel(self._target, credentials, options=_OPTIONS)
        self._channel.get_state(try_to_connect=True)  # the first caller does not wait for that

    async def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()


def _target(endpoint: str) -> tuple[str, bool]:
    """``HOST:PORT`` and whether it is spoken to without TLS."""
    scheme, _, rest = endpoint.partition("://")
    host, _, port = rest.rpartition(":") if not rest.endswith("]") else (rest, "", "")
    if not host:
        host, port = rest, "443"
    plain = scheme == "http"
    if plain and host not in {"localhost", "127.0.0.1", "[::1]"}:
        raise ConfigurationError(f"{endpoint}: without TLS only this machine is spoken to")
    return f"{host}:{port}", plain


def _default_credentials() -> tuple[grpc.CallCredentials, str]:
    """Blocks: reads files, asks the machine it runs on."""
    import google.auth  # noqa: PLC0415 - not needed where there is a key
    import google.auth.transport.grpc  # noqa: PLC0415
    import google.auth.transport.requests  # noqa: PLC0415

    try:
        credentials, project = google.auth.default(scopes=[_SCOPE])
    except google.auth.exceptions.GoogleAuthError as error:
        raise ConfigurationError(
            "no Google credentials: set TRUNKLINE_GOOGLE_API_KEY, or GOOGLE_APPLICATION_CREDENTIALS to the file of a "
            "service account"
        ) from error
    request = google.auth.transport.requests.Request()
    plugin = google.auth.transport.grpc.AuthMetadataPlugin(credentials, request)  # type: ignore[no-untyped-call]
    return grpc.metadata_call_credentials(plugin), project or ""


def google_language(tag: str) -> str:
    """A BCP 47 tag as Google wants it, with a region: ``en`` → ``en-US``, ``de`` → ``de-DE``, ``pt-BR`` as it is."""
    language, separator, rest = tag.partition("-")
    language = language.lower()
    return f"{language}-{rest if separator else _REGIONS.get(language, language.upper())}"


def unexplained(error: grpc.aio.AioRpcError) -> bool:
    """Whether gRPC knows no more than that a request could not be written.

    That is what is left of the server's own reason where it ends a stream while we write to it. Who asks again and
    waits ``LISTEN_SECONDS`` after the first request is told the reason, if it still stands.
    """
    return error.details() == "Internal error from Core"


E = TypeVar("E", bound=SpeechError)


def told(kind: type[E], service: str, error: grpc.aio.AioRpcError, *, without: str = "") -> E:
    """An error of gRPC as one of ours: what it is, what to do, and Google's own words without the text that was sent
    (``without``)."""
    code, details = error.code(), error.details() or ""
    if without.strip():
        details = details.replace(without, "…")
    advice = _ADVICE.get(code, "the service failed")
    made = kind(f"{service}: {code.name}: {advice}" + (f" ({details[:300]})" if details else ""))
    made.retryable = code not in _FINAL
    return made
