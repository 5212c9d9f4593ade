"""Providers that are servers of somebody else's at one fixed address: the gRPC clients, each with its own channel."""

from __future__ import annotations

import asyncio
from typing import Final

from engine.errors import ModelError, RecognitionError, SynthesisError
from engine.speech.grpc_client import Channels, GrpcChatModel, GrpcRecognizer, GrpcSynthesizer
from engine.speech.leases import FixedLeases

REACH_SECONDS: Final = 5.0
"""How long a server may take to accept a connection."""


class RemoteRecognizer(GrpcRecognizer):
    """A recogniser at ``address`` (host:port)."""

    def __init__(self, address: str) -> None:
        super().__init__(FixedLeases({"stt": address}), Channels())
        self._address = address

    async def check_health(self) -> None:
        try:
            await _reach(self._channels, self._address)
        except TimeoutError as error:
            raise RecognitionError(f"no recogniser answers at {self._address}") from error

    async def close(self) -> None:
        await self._channels.close()


class RemoteSynthesizer(GrpcSynthesizer):
    """A voice at ``address`` (host:port)."""

    def __init__(self, address: str) -> None:
        super().__init__(FixedLeases({"tts": address}), Channels())
        self._address = address

    async def check_health(self) -> None:
        try:
            await _reach(self._channels, self._address)
        except TimeoutError as error:
            raise SynthesisError(f"no voice answers at {self._address}") from error

    async def close(self) -> None:
        await self._channels.close()


class RemoteChatModel(GrpcChatModel):
    """A chat model at ``address`` (host:port)."""

    def __init__(self, address: str) -> None:
        super().__init__(FixedLeases({"llm": address}), Channels())
        self._address = address

    async def check_health(self) -> None:
        try:
            await _reach(self._channels, self._address)
        except TimeoutError as error:
            raise ModelError(f"no chat model answers at {self._address}") from error

    async def close(self) -> None:
        await self._channels.close()


async def _reach(channels: Channels, address: str) -> None:
    """Raises TimeoutError."""
    async with asyncio.timeout(REACH_SECONDS):
        await channels.to(address).channel_ready()
