"""Whose cancellation it is: gRPC reports a stream that was closed on our side as one too."""

from __future__ import annotations

import asyncio


def being_cancelled() -> bool:
    """Whether somebody cancels the running task."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
