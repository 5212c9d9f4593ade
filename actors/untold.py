"""Where a call's process leaves what it has told no ingress, when it waits for one no longer."""

from __future__ import annotations

import logging
import platform
import time
import uuid
from typing import Any, Final

from actors.messages import CallStart
from actors.unconfirmed import Unconfirmed
from engine.agent.playbooks import Playbooks, language_of
from engine.config import Settings
from engine.records.outbox import Outbox
from engine.records.rows import CALL

WAIT_SECONDS: Final = 20.0
"""How long the disk is tried."""

FILE_BYTES: Final = 1 << 20
"""Of a file, where a new one is begun: many processes may do this at once, each in an outbox of its own."""

logger = logging.getLogger(__name__)


def keep_untold(settings: Settings, unconfirmed: Unconfirmed) -> int:
    """Put all of it into an outbox of this machine, from which the recorder takes it; how many events were left out.

    Waits for the disk, at most ``WAIT_SECONDS``: no call is led any more. The outbox is the one that the ingress before
    has left, or a new one. What that ingress had kept already is known by its id.
    """
    left = list(unconfirmed.left())
    if not left or not settings.records.wanted:
        return 0
    outbox = Outbox(settings.paths.outbox, segment_bytes=FILE_BYTES, reserve_bytes=FILE_BYTES)
    outbox.open()
    playbooks = Playbooks(settings.dialogue.playbook)
    deadline = time.monotonic() + WAIT_SECONDS
    for start, events in left:
        for event in (_call_event(start, settings, playbooks), *events):
            outbox.append({"call": start.call_id, "began": start.started_at, "event": event})
        _settle(outbox, deadline)  # each call by itself: memory takes no number of them
    outbox.close()
    lost = outbox.counts.appended - outbox.counts.written
    if lost:
        logger.error("%d events could not be told to an ingress, nor kept on the disk (%s)", lost, outbox.failing)
    return lost


def _settle(outbox: Outbox, deadline: float) -> None:
    while not outbox.settled and time.monotonic() < deadline:
        time.sleep(0.005)


def _call_event(start: CallStart, settings: Settings, playbooks: Playbooks) -> dict[str, Any]:
    """Who called whom, once more: that ingress may not have kept it."""
    playbook = playbooks.dialled(start.dialled)
    return {
        "type": CALL,
        "id": str(uuid.uuid4()),
        "at": start.started_at,
        "caller_number": start.caller,
        "dialled": start.dialled,
        "channel": start.channel,
        "node": platform.node(),
        "playbook": playbook.name,
        "version": playbook.version,
        "language": language_of(playbook, settings.dialogue.language),
    }
