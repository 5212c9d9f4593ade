"""Free ports for servers that come a little later."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ops import ports
from ops.ports import bind_free, bind_port


def test_a_free_port_is_none_that_an_outgoing_connection_is_given() -> None:
    begin = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    with bind_free("127.0.0.1") as bound:
        port = bound.getsockname()[1]
    assert port < begin or begin < 21_000


def test_a_port_in_use_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        monkeypatch.setattr("random.sample", lambda _choices, _count: [taken])
        with bind_free("127.0.0.1") as bound:
            assert bound.getsockname()[1] != taken
        with pytest.raises(OSError, match="in use"):
            bind_port("127.0.0.1", taken)


def test_the_kernel_chooses_where_it_leaves_no_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "range"
    for text in ("1024\t65535\n", "?"):
        file.write_text(text)
        monkeypatch.setattr(ports, "_RANGE_FILE", file)
        with bind_free("127.0.0.1") as bound:
            assert bound.getsockname()[1] > 0
    with pytest.raises(OSError):
        bind_free("192.0.2.77")
