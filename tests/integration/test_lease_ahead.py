"""Replicas are leased and connected before the first answer needs them."""

from __future__ import annotations

import asyncio
import logging

import grpc
import pytest

from engine.errors import LeaseError
from engine.speech import grpc_client
from engine.speech.grpc_client import Channels, lease_ahead
from engine.speech.grpc_server import SpeechServer
from engine.speech.leases import FixedLeases, Lease, Service
from engine.speech.providers.scripted import ScriptedSynthesizer


class NoLeases(FixedLeases):
    """No replica is to be had."""

    async def get(self, service: Service) -> Lease:
        raise LeaseError(f"no replica of {service}")


async def test_the_connection_stands_before_the_first_request() -> None:
    server, channels = SpeechServer(synthesizer=ScriptedSynthesizer()), Channels()
    address = f"127.0.0.1:{await server.start('127.0.0.1')}"
    try:
        assert channels.to(address).get_state() is grpc.ChannelConnectivity.IDLE
        await lease_ahead(FixedLeases({"tts": address}), channels, ("tts",))
        assert channels.to(address).get_state() is grpc.ChannelConnectivity.READY
    finally:
        await channels.close()
        await server.stop(grace=0.0)


async def test_what_is_not_to_be_had_is_told_and_raises_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(grpc_client, "CONNECT_SECONDS", 0.1)
    caplog.set_level(logging.INFO)
    channels = Channels()
    try:
        await lease_ahead(NoLeases({}), channels, ("llm",))
        dead = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
        port = dead.sockets[0].getsockname()[1]
        dead.close()
        await dead.wait_closed()
        await lease_ahead(FixedLeases({"tts": f"127.0.0.1:{port}"}), channels, ("tts",))
    finally:
        await channels.close()
    told = [record.message for record in caplog.records]
    assert told == [
        "llm was not to be had ahead: no replica of llm",
        "tts was not to be had ahead: no connection in time",
    ]
