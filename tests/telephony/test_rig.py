"""The rig's own parts that need no Asterisk."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest

from tests.telephony.rig.heard import Heard, is_tone, silence_at_the_end, tone
from tests.telephony.rig.install import CannotInstallError, debian_mirror
from tests.telephony.rig.ports import free_block, give_back
from tests.telephony.rig.rtp import mulaw_decode, mulaw_encode
from tests.telephony.rig.sip import SipMessage, media_address

DEB822 = """Types: deb
# URIs: mirror://commented/debian
URIs: mirror://security/debian-security
Suites: stable-security

Types: deb
URIs: mirror://one/debian/ mirror://two/debian
Suites: stable stable-updates
"""

ONE_LINE = """# deb mirror://commented/debian stable main
deb mirror://security/debian-security stable-security main
deb [arch=amd64 signed-by=/some.gpg] mirror://one/debian stable main
"""


@pytest.mark.parametrize(
    ("name", "text", "mirror"),
    [
        ("sources.list.d/debian.sources", DEB822, "mirror://one/debian/"),
        ("sources.list", ONE_LINE, "mirror://one/debian"),
    ],
)
def test_the_machines_own_mirror_is_found(tmp_path: Path, name: str, text: str, mirror: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    assert debian_mirror(tmp_path) == mirror


def test_a_machine_without_a_mirror_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(CannotInstallError) as raised:
        debian_mirror(tmp_path)
    assert not raised.value.capable


def test_mulaw_keeps_every_level_it_has_and_is_near_for_others() -> None:
    codes = bytes(code for code in range(256) if code != 0x7F)  # 0x7F is a second zero
    assert mulaw_encode(mulaw_decode(codes)) == codes
    loud = np.arange(-32_000, 32_000, 17).astype(np.int16)
    error = np.abs(mulaw_decode(mulaw_encode(loud)).astype(int) - loud)
    assert np.all(error <= np.maximum(4, np.abs(loud.astype(int)) // 16))


def test_a_tone_is_known_through_mulaw_and_from_another() -> None:
    packet = mulaw_decode(mulaw_encode(tone(1000.0, 0.02)))
    assert is_tone(packet, 1000.0)
    assert not is_tone(packet, 600.0)
    assert not is_tone(np.zeros(160, np.int16), 1000.0)


def test_what_was_heard_is_measured_by_arrival() -> None:
    heard = Heard()
    for moment, packet in [(10.0, tone(600.0, 0.02)), (10.02, np.zeros(160, np.int16)), (10.3, tone(600.0, 0.02))]:
        heard.add(moment, packet)
    assert heard.longest_gap() == pytest.approx(0.28)
    assert heard.longest_gap(10.0, 10.1) == pytest.approx(0.08)
    assert heard.longest_gap(11.0, 11.5) == pytest.approx(0.5)
    assert heard.sound() == pytest.approx(0.04)
    assert heard.first_sound(10.01) == 10.3
    assert heard.tone(600.0, since=10.1) == pytest.approx(0.02)


def test_the_silence_after_speech_is_known() -> None:
    assert silence_at_the_end(np.concatenate([tone(600.0, 0.5), np.zeros(4000, np.int16)])) == pytest.approx(0.5)
    assert silence_at_the_end(tone(600.0, 0.5)) == 0.0
    assert silence_at_the_end(np.zeros(800, np.int16)) == pytest.approx(0.1)


def test_kept_ports_are_not_given_twice() -> None:
    first = free_block(4, socket.SOCK_DGRAM, keep=True)
    second = free_block(4, socket.SOCK_DGRAM, keep=True)
    assert not set(range(first, first + 4)) & set(range(second, second + 4))
    give_back(first, 4, socket.SOCK_DGRAM)
    give_back(second, 4, socket.SOCK_DGRAM)
    assert free_block(4, socket.SOCK_DGRAM, keep=True) == first
    give_back(first, 4, socket.SOCK_DGRAM)


def test_a_sip_message_survives_the_wire() -> None:
    sent = SipMessage(
        "SIP/2.0 200 OK", [("cseq", "1 INVITE"), ("via", "one"), ("via", "two")], "m=audio 4000 RTP/AVP 0\r\n"
    )
    got = SipMessage.decode(sent.encode())
    assert (got.status, got.method, got.headers, got.body) == (200, "INVITE", sent.headers, sent.body)
    short = SipMessage.decode(b"BYE sip:x SIP/2.0\r\nv: one\r\nSubject: folded\r\n line\r\n\r\n")
    assert short.headers == [("via", "one"), ("subject", "folded line")]
    assert media_address("c=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n") == ("127.0.0.1", 4000)
