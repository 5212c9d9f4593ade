"""Serves providers by the contract: what a replica runs, and a test of the clients."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
import grpc.aio

from engine.agent.ports import (
    ChatDelta,
    ChatModel,
    ChatRequest,
    Message,
    TextDelta,
    TokensTold,
    ToolCall,
    ToolCallDelta,
    ToolSpec,
)
from engine.errors import ConfigurationError, TrunklineError
from engine.knowledge.grpc_server import add_knowledge
from engine.knowledge.port import Shelves
from engine.logs import current_call
from engine.speech import trunkline_speech_pb2 as pb
from engine.speech import trunkline_speech_pb2_grpc as rpc
from engine.speech.ports import (
    RecognitionOptions,
    RecognitionSession,
    SpeechRecognizer,
    SpeechSynthesizer,
    SynthesisRequest,
    Transcript,
)

LONGEST_TEXT = 5_000
"""Characters of one clause."""

logger = logging.getLogger(__name__)

Provider = SpeechRecognizer | SpeechSynthesizer | ChatModel
Context = grpc.aio.ServicerContext[Any, Any]


class _SpeechToText(rpc.SpeechToTextServicer):
    def __init__(self, recognizer: SpeechRecognizer) -> None:
        self._recognizer = recognizer

    async def Recognize(  # noqa: N802 - the contract's name
        self, request_iterator: AsyncIterator[pb.RecognizeRequest], context: Context
    ) -> AsyncIterator[pb.RecognizeResponse]:
        first = await anext(aiter(request_iterator), None)
        if first is None:
            return
        if first.WhichOneof("request") != "open":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first message must be `open`")
        asked = first.open
        current_call.set(asked.call_id)  # each stream is a task of its own: lines logged in it are of this call
        options = RecognitionOptions(asked.call_id, asked.language or "en", tuple(asked.hints), asked.partials)
        try:
            async with self._recognizer.open(options) as session:
                feeding = asyncio.create_task(_feed(session, request_iterator), name="recognize-feed")
                results = session.results()
                try:
                    async for transcript in _until(results, feeding):
                        yield pb.RecognizeResponse(
                            utterance=transcript.utterance,
                            flush=transcript.flush,
                            text=transcript.text,
                            confidence=transcript.confidence,
                            seconds=transcript.seconds,
                        )
                finally:
                    feeding.cancel()
                    await asyncio.gather(feeding, return_exceptions=True)
        except TrunklineError as error:
            await _abort(context, error)


async def _feed(session: RecognitionSession, requests: AsyncIterator[pb.RecognizeRequest]) -> None:
    async for request in requests:
        kind = request.WhichOneof("request")
        if kind == "audio":
            await session.audio(request.audio)
        elif kind == "begin":
            await session.begin(request.begin.utterance)
        elif kind == "flush":
            await session.flush(request.flush.flush)
        elif kind == "end":
            await session.end()


async def _until(results: AsyncIterator[Transcript], feeding: asyncio.Task[None]) -> AsyncIterator[Transcript]:
    """``results`` until the feeding side has ended (the caller closed the stream)."""
    while True:
        following = asyncio.ensure_future(anext(results, None))
        await asyncio.wait((following, feeding), return_when=asyncio.FIRST_COMPLETED)
        if not following.done():
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            feeding.result()
            return
        result = following.result()
        if result is None:
            return
        yield result


class _TextToSpeech(rpc.TextToSpeechServicer):
    def __init__(self, synthesizer: SpeechSynthesizer) -> None:
        self._synthesizer = synthesizer

    async def Synthesize(  # noqa: N802 - the contract's name
        self, request: pb.SynthesizeRequest, context: Context
    ) -> AsyncIterator[pb.SynthesizeResponse]:
        current_call.set(request.call_id)
        if len(request.text) > LONGEST_TEXT:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"more than {LONGEST_TEXT} characters")
        asked = SynthesisRequest(
            request.text,
            request.voice,
            request.language or "en",
            request.speed or 1.0,
            request.call_id,
            request.first_only,
        )
        try:
            async for chunk in self._synthesizer.synthesize(asked):
                yield pb.SynthesizeResponse(audio=chunk)
        except TrunklineError as error:
            await _abort(context, error)


class _ChatModel(rpc.ChatModelServicer):
    def __init__(self, model: ChatModel) -> None:
        self._model = model

    async def Chat(  # noqa: N802 - the contract's name
        self, request: pb.ChatRequest, context: Context
    ) -> AsyncIterator[pb.ChatResponse]:
        current_call.set(request.call_id)
        deltas = self._model.chat(_chat_request(request))
        try:
            async with aclosing(deltas) as answer:  # type: ignore[type-var]  # every adapter's is a generator
                async for delta in answer:
                    yield _response(delta)
        except TrunklineError as error:
            await _abort(context, error)


def _chat_request(request: pb.ChatRequest) -> ChatRequest:
    return ChatRequest(
        messages=tuple(
            Message(
                role=message.role,  # type: ignore[arg-type]
                content=message.content,
                tool_calls=tuple(ToolCall(c.id, c.name, c.arguments) for c in message.tool_calls),
                tool_call_id=message.tool_call_id,
                interrupted=message.interrupted,
            )
            for message in request.messages
        ),
        tools=tuple(ToolSpec(t.name, t.description, t.parameters) for t in request.tools),
        call_id=request.call_id,
        playbook=request.playbook,
        language=request.language or "en",
    )


def _response(delta: ChatDelta) -> pb.ChatResponse:
    if isinstance(delta, TextDelta):
        return pb.ChatResponse(text=delta.text)
    if isinstance(delta, ToolCallDelta):
        call = delta.call
        return pb.ChatResponse(tool_call=pb.ToolCall(id=call.id, name=call.name, arguments=call.arguments))
    if isinstance(delta, TokensTold):
        return pb.ChatResponse(
            tokens=pb.TokensTold(
                input_tokens=delta.input_tokens, output_tokens=delta.output_tokens, in_vain=delta.in_vain
            )
        )
    return pb.ChatResponse(
        done=pb.ChatDone(reason=delta.reason, input_tokens=delta.input_tokens, output_tokens=delta.output_tokens)
    )


async def _abort(context: Context, error: TrunklineError) -> None:
    logger.warning("a provider failed: %s", error)
    if isinstance(error, ConfigurationError) or (error.outside and not error.retryable):
        code = grpc.StatusCode.FAILED_PRECONDITION
    elif error.outside:
        code = grpc.StatusCode.ABORTED  # this replica is well: the caller keeps it, and decides whether to ask again
    else:
        code = grpc.StatusCode.UNAVAILABLE if error.retryable else grpc.StatusCode.INTERNAL
    await context.abort(code, str(error))


class SpeechServer:
    """A gRPC server round providers."""

    def __init__(
        self,
        *,
        recognizer: SpeechRecognizer | None = None,
        synthesizer: SpeechSynthesizer | None = None,
        model: ChatModel | None = None,
        knowledge: Shelves | None = None,
    ) -> None:
        self._recognizer = recognizer
        self._synthesizer = synthesizer
        self._model = model
        self._knowledge = knowledge
        self._server: grpc.aio.Server | None = None
        self.port = 0

    async def start(self, host: str, port: int = 0) -> int:
        """Listen; the port (0: any free one). Raises RuntimeError where it is taken."""
        server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        if self._recognizer is not None:
            rpc.add_SpeechToTextServicer_to_server(_SpeechToText(self._recognizer), server)  # type: ignore[no-untyped-call]
        if self._synthesizer is not None:
            rpc.add_TextToSpeechServicer_to_server(_TextToSpeech(self._synthesizer), server)  # type: ignore[no-untyped-call]
        if self._model is not None:
            rpc.add_ChatModelServicer_to_server(_ChatModel(self._model), server)  # type: ignore[no-untyped-call]
        if self._knowledge is not None:
            add_knowledge(self._knowledge, server)
        self.port = server.add_insecure_port(f"{host}:{port}")
        await server.start()
        self._server = server
        return self.port

    async def stop(self, grace: float = 0.0) -> None:
        """Stop listening; streams that run may go on for ``grace`` seconds."""
        if self._server is not None:
            await self._server.stop(grace)
            self._server = None
