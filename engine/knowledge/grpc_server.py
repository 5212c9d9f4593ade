"""Serves knowledge by the contract, beside a chat model."""

from __future__ import annotations

import logging
from typing import Any, Final

import grpc
import grpc.aio

from engine.errors import KnowledgeUnavailable
from engine.knowledge.port import MAX_QUERY, Shelves
from engine.speech import trunkline_speech_pb2 as pb
from engine.speech import trunkline_speech_pb2_grpc as rpc

MOST_HITS: Final = 20
_HITS: Final = 3

logger = logging.getLogger(__name__)


class KnowledgeService(rpc.KnowledgeServicer):
    """The contract's service Knowledge."""

    def __init__(self, shelves: Shelves) -> None:
        self._shelves = shelves

    async def Search(  # noqa: N802 - the contract's name
        self, request: pb.SearchRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.SearchResponse:
        """What is found; UNAVAILABLE where nothing could be searched."""
        limit = min(request.limit or _HITS, MOST_HITS)
        try:
            hits = await self._shelves.search(request.playbook, request.query[:MAX_QUERY], limit)
        except KnowledgeUnavailable as error:
            logger.warning("a search failed: %s", error)
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        return pb.SearchResponse(
            hits=[
                pb.KnowledgeHit(id=hit.id, title=hit.title, text=hit.text, score=hit.score, by=hit.by) for hit in hits
            ]
        )


def add_knowledge(shelves: Shelves, server: grpc.aio.Server) -> None:
    """Serve it on ``server``, which must not have been started."""
    rpc.add_KnowledgeServicer_to_server(KnowledgeService(shelves), server)  # type: ignore[no-untyped-call]
