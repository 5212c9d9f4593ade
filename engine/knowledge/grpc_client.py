"""The port KnowledgeBase over gRPC to the replica of the chat model, where the embeddings are.

It fails soon and raises KnowledgeUnavailable: behind it stands the search by words in the call's own process.
"""

from __future__ import annotations

import grpc
import grpc.aio

from engine.errors import KnowledgeUnavailable, LeaseError
from engine.knowledge.port import MAX_QUERY, Hit
from engine.speech import trunkline_speech_pb2 as pb
from engine.speech import trunkline_speech_pb2_grpc as rpc
from engine.speech.grpc_client import Channels
from engine.speech.leases import Leases


class GrpcKnowledge:
    """A ``KnowledgeBase`` of one call."""

    def __init__(self, leases: Leases, channels: Channels, *, playbook: str, call_id: str, timeout: float) -> None:
        """``timeout``: seconds for one search."""
        self._leases = leases
        self._channels = channels
        self._playbook = playbook
        self._call_id = call_id
        self._timeout = timeout

    async def search(self, query: str, limit: int = 3) -> list[Hit]:
        """See ``KnowledgeBase.search``."""
        try:
            lease = await self._leases.get("llm")
        except LeaseError as error:
            raise KnowledgeUnavailable(str(error)) from error
        stub = rpc.KnowledgeStub(self._channels.to(lease.address))  # type: ignore[no-untyped-call]
        request = pb.SearchRequest(query=query[:MAX_QUERY], limit=limit, playbook=self._playbook, call_id=self._call_id)
        try:
            response = await stub.Search(request, timeout=self._timeout)
        except grpc.aio.AioRpcError as error:
            raise KnowledgeUnavailable(f"knowledge search: {error.code().name}") from error
        return [
            Hit(hit.id, hit.text, hit.score, hit.title, by="meaning" if hit.by == "meaning" else "words")
            for hit in response.hits
        ]

    async def close(self) -> None:
        """Channels belong to the process and stay."""
