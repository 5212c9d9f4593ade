"""What ``trunkline up`` does with actors that an earlier engine left in a cluster."""

from __future__ import annotations

import pytest

from engine.errors import TrunklineError
from ops import up


def test_it_does_not_start_beside_an_ingress_that_may_lead_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[object] = []
    monkeypatch.setattr(up, "_there", lambda name: name)
    monkeypatch.setattr(up, "_kill", killed.append)
    with pytest.raises(TrunklineError, match="`ingress` may lead calls"):
        up._refuse_a_second_engine()
    assert killed == [], "what another engine began is left alone"


def test_a_recorder_without_an_ingress_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {up.RECORDER_NAME}
    monkeypatch.setattr(up, "_there", lambda name: name if name in there else None)
    monkeypatch.setattr(up, "_kill", there.remove)
    up._refuse_a_second_engine()
    assert there == set()
