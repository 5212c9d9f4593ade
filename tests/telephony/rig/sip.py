"""The little of SIP (RFC 3261) over UDP that two telephones on loopback need: messages, a socket, SDP."""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass, field
from typing import Final

from tests.telephony.rig.ports import free_udp_port

_RETRANSMIT: Final = 0.5
_SHORT: Final = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
    "c": "content-type",
}


class SipError(Exception):
    """The other end refused, or said what was not understood; ``status`` is its SIP status."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class SipMessage:
    """A request or a response. Header names are lower case; headers may repeat, so they are a list."""

    start: str
    headers: list[tuple[str, str]]
    body: str = ""

    @property
    def status(self) -> int:
        """The status of a response, 0 for a request."""
        return int(self.start.split(" ")[1]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        """The method of the request, or of the request that this answers."""
        return self.get("cseq").split(" ")[-1] if self.status else self.start.split(" ")[0]

    def get(self, name: str) -> str:
        """The first header of that name, or nothing."""
        return next((value for known, value in self.headers if known == name), "")

    def encode(self) -> bytes:
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers)]
        lines += [f"content-length: {len(self.body.encode())}", "", self.body]
        return "\r\n".join(lines).encode()

    @classmethod
    def decode(cls, data: bytes) -> SipMessage:
        head, _, body = data.decode().partition("\r\n\r\n")
        start, *lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
        headers = []
        for line in lines:
            name, _, value = line.partition(":")
            lower = name.strip().lower()
            headers.append((_SHORT.get(lower, lower), value.strip()))
        return cls(start, [header for header in headers if header[0] != "content-length"], body)

    def answer(self, status: int, reason: str, *, tag: str = "", contact: str = "", sdp: str = "") -> SipMessage:
        """The response to this request."""
        kept = [header for header in self.headers if header[0] in {"via", "from", "call-id", "cseq", "record-route"}]
        to = self.get("to")
        kept.append(("to", to if "tag=" in to or not tag else f"{to};tag={tag}"))
        if contact:
            kept.append(("contact", contact))
        if sdp:
            kept.append(("content-type", "application/sdp"))
        return SipMessage(f"SIP/2.0 {status} {reason}", kept, sdp)


class SipSocket(asyncio.DatagramProtocol):
    """A UDP socket that puts the requests it gets in ``requests`` and gives each response to who asked."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: asyncio.Queue[tuple[SipMessage, tuple[str, int]]] = asyncio.Queue(64)
        self._waiting: dict[tuple[str, str], asyncio.Queue[SipMessage]] = {}
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def contact(self) -> str:
        return f"<sip:rig@127.0.0.1:{self.port}>"

    async def open(self, port: int | None = None) -> None:
        """Bind to that port, or to a free one."""
        self.port = port or free_udp_port()
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", self.port))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not data.strip():  # a keep-alive
            return
        message = SipMessage.decode(data)
        if not message.status:
            self.requests.put_nowait((message, addr))
        elif answers := self._waiting.get((message.get("call-id"), message.get("cseq"))):
            answers.put_nowait(message)

    def send(self, message: SipMessage, remote: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(message.encode(), remote)

    async def ask(self, request: SipMessage, remote: tuple[str, int], *, within: float) -> SipMessage:
        """Send a request, again every half second until something is heard; returns its final response.

        Raises TimeoutError.
        """
        key = (request.get("call-id"), request.get("cseq"))
        answers = self._waiting[key] = asyncio.Queue(32)
        answered = False
        try:
            async with asyncio.timeout(within):
                while True:
                    if not answered:
                        self.send(request, remote)
                    try:
                        response = await asyncio.wait_for(answers.get(), None if answered else _RETRANSMIT)
                    except TimeoutError:
                        continue
                    answered = True
                    if response.status >= 200:
                        return response
        finally:
            del self._waiting[key]


@dataclass(slots=True)
class Dialog:
    """What requests inside a call have in common."""

    target: str
    remote: tuple[str, int]
    local: str
    """Our From, with its tag."""
    other: str
    """Their To, with its tag once they answered."""
    call_id: str
    contact: str
    sequence: int = field(default=1)

    def request(
        self, method: str, *, sequence: int | None = None, sdp: str = "", extra: dict[str, str] | None = None
    ) -> SipMessage:
        """A request in this dialog; ``sequence`` is given for an ACK only."""
        address = self.contact.rpartition("@")[2].rstrip(">")
        via = f"SIP/2.0/UDP {address};branch=z9hG4bK{secrets.token_hex(8)};rport"
        headers = [
            ("via", via),
            ("max-forwards", "70"),
            ("from", self.local),
            ("to", self.other),
            ("call-id", self.call_id),
            ("cseq", f"{self.sequence if sequence is None else sequence} {method}"),
            ("contact", self.contact),
            *(extra or {}).items(),
        ]
        if sdp:
            headers.append(("content-type", "application/sdp"))
        return SipMessage(f"{method} {self.target} SIP/2.0", headers, sdp)


def describe(port: int, packet_ms: int) -> str:
    """SDP that offers µ-law and telephone events at that RTP port."""
    lines = [
        "v=0",
        f"o=rig {secrets.randbits(31)} 1 IN IP4 127.0.0.1",
        "s=-",
        "c=IN IP4 127.0.0.1",
        "t=0 0",
        f"m=audio {port} RTP/AVP 0 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        f"a=ptime:{packet_ms}",
        "a=sendrecv",
    ]
    return "\r\n".join(lines) + "\r\n"


def media_address(sdp: str) -> tuple[str, int]:
    """Where the SDP wants its RTP. Raises SipError."""
    host = re.search(r"^c=IN IP4 (\S+)", sdp, re.MULTILINE)
    port = re.search(r"^m=audio (\d+) ", sdp, re.MULTILINE)
    if not host or not port:
        raise SipError("an answer without audio")
    return host[1], int(port[1])
