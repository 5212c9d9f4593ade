"""Ports for servers that a test starts."""

from __future__ import annotations

from ops.ports import bind_free


def free_port() -> int:
    """One on loopback that nobody listens at now, and that no outgoing connection is given meanwhile."""
    with bind_free("127.0.0.1") as probe:
        return int(probe.getsockname()[1])
