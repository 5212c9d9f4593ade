"""The ports of recogniser, voice and chat model over plain gRPC streams to a leased replica.

A replica that is lost is replaced within the request where that can be done without saying anything twice: synthesis
skips the audio it already has, a chat that has not begun is asked again. A lost recognition session is reported, and
whoever holds the audio replays it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable

import grpc
import grpc.aio

from engine.agent.ports import ChatDelta, ChatDone, ChatRequest, TextDelta, TokensTold, ToolCall, ToolCallDelta
from engine.errors import LeaseError, ModelError, RecognitionError, SynthesisError
from engine.speech import trunkline_speech_pb2 as pb
from engine.speech import trunkline_speech_pb2_grpc as rpc
from engine.speech.cancelling import being_cancelled
from engine.speech.leases import Lease, Leases, Service
from engine.speech.ports import RecognitionOptions, SynthesisRequest, Transcript

ATTEMPTS = 4
"""Replicas that are tried for one request."""

PAUSE_SECONDS = (0.02, 0.05, 0.1)
"""Before each further attempt where no other replica is to be had: what failed for a moment is given that moment."""

CONNECT_SECONDS = 3.0
"""How long a connection that is made ahead may take."""

logger = logging.getLogger(__name__)

_OPTIONS = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 2_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


class Channels:
    """One connection for each replica that this process talks to."""

    def __init__(self) -> None:
        self._channels: dict[str, grpc.aio.Channel] = {}

    def to(self, address: str) -> grpc.aio.Channel:
        channel = self._channels.get(address)
        if channel is None:
            channel = self._channels[address] = grpc.aio.insecure_channel(address, options=_OPTIONS)
        return channel

    def forget(self, address: str) -> grpc.aio.Channel | None:
        """Drop a connection that failed; a new one is made when it is asked for."""
        return self._channels.pop(address, None)

    async def close(self) -> None:
        channels, self._channels = list(self._channels.values()), {}
        for channel in channels:
            await channel.close()


async def lease_ahead(leases: Leases, channels: Channels, services: Iterable[Service]) -> None:
    """Lease and connect what will be needed soon: the first request then waits for neither.

    Nothing is lost where it fails: the request that needs the replica asks again, and says what is wrong.
    """
    for service in services:
        try:
            lease = await leases.get(service)
            async with asyncio.timeout(CONNECT_SECONDS):
                await channels.to(lease.address).channel_ready()
        except (LeaseError, TimeoutError) as error:
            logger.info("%s was not to be had ahead: %s", service, str(error) or "no connection in time")


class _Remote:
    """What the three clients share."""

    service: Service

    def __init__(self, leases: Leases, channels: Channels) -> None:
        self._leases = leases
        self._channels = channels

    async def start(self) -> None:
        """Nothing to load: the replica has done so."""

    async def check_health(self) -> None:
        """Raises LeaseError where no replica can be had."""
        await self._leases.get(self.service)

    async def close(self) -> None:
        """Channels belong to the process and stay."""

    def _lose(self, lease: Lease) -> None:
        self._leases.lost(lease)

    async def _replica(self, failed: Lease | None, attempt: int) -> Lease:
        """The replica for this attempt (1, 2, …), at once unless it is the one that failed. Raises LeaseError."""
        lease = await self._leases.get(self.service)
        if failed is not None and lease.address == failed.address:
            await asyncio.sleep(PAUSE_SECONDS[attempt - 2])
        return lease


class GrpcRecognizer(_Remote):
    """Port SpeechRecognizer."""

    service: Service = "stt"

    @contextlib.asynccontextmanager
    async def open(self, options: RecognitionOptions) -> AsyncIterator[GrpcRecognition]:
        lease = await self._leases.get("stt")
        stub = rpc.SpeechToTextStub(self._channels.to(lease.address))  # type: ignore[no-untyped-call]
        stream = stub.Recognize()
        session = GrpcRecognition(stream)
        try:
            await session.send(
                pb.RecognizeRequest(
                    open=pb.OpenSession(
                        call_id=options.call_id,
                        language=options.language,
                        hints=options.hints,
                        partials=options.partials,
                    )
                )
            )
            yield session
        except RecognitionError:
            self._lose(lease)
            raise
        finally:
            session.close()


class GrpcRecognition:
    """Port RecognitionSession."""

    def __init__(self, stream: grpc.aio.StreamStreamCall[pb.RecognizeRequest, pb.RecognizeResponse]) -> None:
        self._stream = stream
        self._begun = False
        self._closed = False

    async def begin(self, utterance: int) -> None:
        await self.send(pb.RecognizeRequest(begin=pb.BeginUtterance(utterance=utterance)))
        self._begun = True

    async def audio(self, pcm: bytes) -> None:
        self._needs_utterance()
        await self.send(pb.RecognizeRequest(audio=pcm))

    async def flush(self, flush: int) -> None:
        self._needs_utterance()
        await self.send(pb.RecognizeRequest(flush=pb.FlushUtterance(flush=flush)))

    async def end(self) -> None:
        self._begun = False
        await self.send(pb.RecognizeRequest(end=pb.EndUtterance()))

    async def results(self) -> AsyncIterator[Transcript]:
        try:
            async for response in self._stream:
                yield Transcript(
                    utterance=response.utterance,
                    text=response.text,
                    flush=response.flush,
                    confidence=response.confidence if response.HasField("confidence") else None,
                    seconds=response.seconds,
                )
        except grpc.aio.AioRpcError as error:
            raise RecognitionError(f"recogniser: {error.code().name}: {error.details()}") from error
        except asyncio.CancelledError:
            # grpc reports the stream that ``close`` ended as a cancellation, and so it does ours.
            if not self._closed or being_cancelled():
                raise

    async def send(self, request: pb.RecognizeRequest) -> None:
        """Raises RecognitionError."""
        if self._closed:
            raise RecognitionError("the session is over")
        try:
            await self._stream.write(request)
        except (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError) as error:
            raise RecognitionError("the recogniser's stream is closed") from error

    def close(self) -> None:
        """The session is over."""
        self._closed = True
        self._stream.cancel()

    def _needs_utterance(self) -> None:
        if not self._begun:
            raise RecognitionError("there is no open utterance: begin one first")


class GrpcSynthesizer(_Remote):
    """Port SpeechSynthesizer."""

    service: Service = "tts"

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes]:
        message = pb.SynthesizeRequest(
            text=request.text,
            voice=request.voice,
            language=request.language,
            speed=request.speed,
            call_id=request.call_id,
            first_only=request.first_only,
        )
        received = 0
        lease: Lease | None = None
        for attempt in range(1, ATTEMPTS + 1):
            try:
                lease = await self._replica(lease, attempt)
            except LeaseError as error:
                raise SynthesisError(str(error)) from error
            stub = rpc.TextToSpeechStub(self._channels.to(lease.address))  # type: ignore[no-untyped-call]
            call = stub.Synthesize(message)
            skip = received
            try:
                async for response in call:
                    chunk = response.audio
                    if skip >= len(chunk):
                        skip -= len(chunk)
                        continue
                    received += len(chunk) - skip
                    yield chunk[skip:]
                    skip = 0
            except grpc.aio.AioRpcError as error:
                if attempt == ATTEMPTS or not _may_help(error):
                    raise SynthesisError(f"synthesiser: {error.code().name}: {error.details()}") from error
                self._lose(lease)
            else:
                return
            finally:
                call.cancel()


class GrpcChatModel(_Remote):
    """Port ChatModel."""

    service: Service = "llm"

    async def chat(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        message = chat_message(request)
        begun, told = False, TokensTold()
        lease: Lease | None = None
        for attempt in range(1, ATTEMPTS + 1):
            try:
                lease = await self._replica(lease, attempt)
            except LeaseError as error:
                yield TokensTold(0, 0)
                raise ModelError(str(error)) from error
            stub = rpc.ChatModelStub(self._channels.to(lease.address))  # type: ignore[no-untyped-call]
            call = stub.Chat(message)
            try:
                async for response in call:
                    delta = _delta(response)
                    if isinstance(delta, TokensTold):
                        told = TokensTold() if delta.in_vain else delta
                    else:
                        begun = True
                    yield delta
            except grpc.aio.AioRpcError as error:
                another = _may_help(error)
                if another:
                    self._lose(lease)
                if begun or attempt == ATTEMPTS or not another:
                    raised = ModelError(f"model: {error.code().name}: {error.details()}")
                    raised.retryable = another or error.code() is grpc.StatusCode.ABORTED
                    raise raised from error
            else:
                return
            finally:
                call.cancel()
            yield TokensTold(told.input_tokens, told.output_tokens, in_vain=True)
            told = TokensTold()


def chat_message(request: ChatRequest) -> pb.ChatRequest:
    """The request in the words of the contract."""
    return pb.ChatRequest(
        messages=[
            pb.ChatMessage(
                role=message.role,
                content=message.content,
                tool_calls=[pb.ToolCall(id=c.id, name=c.name, arguments=c.arguments) for c in message.tool_calls],
                tool_call_id=message.tool_call_id,
                interrupted=message.interrupted,
            )
            for message in request.messages
        ],
        tools=[pb.ToolSpec(name=t.name, description=t.description, parameters=t.parameters) for t in request.tools],
        call_id=request.call_id,
        playbook=request.playbook,
        language=request.language,
    )


def _delta(response: pb.ChatResponse) -> ChatDelta:
    kind = response.WhichOneof("response")
    if kind == "text":
        return TextDelta(response.text)
    if kind == "tool_call":
        call = response.tool_call
        return ToolCallDelta(ToolCall(call.id, call.name, call.arguments))
    if kind == "tokens":
        return TokensTold(*_counts(response.tokens), in_vain=response.tokens.in_vain)
    done = response.done
    reason = done.reason if done.reason in {"stop", "tool_calls", "length"} else "stop"
    return ChatDone(reason, *_counts(done))  # type: ignore[arg-type]


def _counts(told: pb.ChatDone | pb.TokensTold) -> tuple[int | None, int | None]:
    """Tokens in and out; None where they were not told."""
    return (
        told.input_tokens if told.HasField("input_tokens") else None,
        told.output_tokens if told.HasField("output_tokens") else None,
    )


def _may_help(error: grpc.aio.AioRpcError) -> bool:
    """Whether another replica may do better: not where the request or a service behind all of them is at fault."""
    return error.code() not in {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.ABORTED,
    }
