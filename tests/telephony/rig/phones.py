"""Two telephones: the caller, who dials, and the operator, who answers."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
import wave
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

from tests.telephony.rig.heard import RATE, Heard, Samples, silence_at_the_end, tone
from tests.telephony.rig.rtp import RtpStream
from tests.telephony.rig.sip import Dialog, SipError, SipMessage, SipSocket, describe, media_address

OPERATOR_TONE: Final = 1000.0
"""Hertz of the tone by which a caller knows the operator."""

_ANSWER_WITHIN: Final = 10.0


class SipCaller:
    """One telephone that makes one call.

    ``async with SipCaller(pbx_port) as caller: await caller.dial("500")``; leaving the block hangs up.
    """

    def __init__(self, pbx_port: int, *, number: str = "1001", packet_ms: int = 20) -> None:
        self._pbx = ("127.0.0.1", pbx_port)
        self._number = number
        self._packet_ms = packet_ms
        self._sip = SipSocket()
        self._dialog: Dialog | None = None
        self._serving: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()
        """Set once the call is over, whoever ended it."""
        self.answered_at = 0.0
        self.ended_at = 0.0

    async def __aenter__(self) -> Self:
        await self._sip.open()
        self._rtp = RtpStream(packet_ms=self._packet_ms)
        self._serving = asyncio.create_task(self._serve())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(TimeoutError, SipError):
            await self.hang_up()
        await _stop(self._serving)
        await self._rtp.close()
        self._sip.close()

    @property
    def heard(self) -> Heard:
        """What came out of the caller's earpiece."""
        return self._rtp.heard

    async def dial(self, extension: str) -> None:
        """Call that extension and wait for the answer. Raises SipError when it is refused, TimeoutError."""
        host, port = self._pbx
        dialog = Dialog(
            target=f"sip:{extension}@{host}:{port}",
            remote=self._pbx,
            local=f"<sip:{self._number}@127.0.0.1:{self._sip.port}>;tag={secrets.token_hex(4)}",
            other=f"<sip:{extension}@{host}:{port}>",
            call_id=secrets.token_hex(12),
            contact=self._sip.contact,
        )
        invite = dialog.request("INVITE", sdp=describe(self._rtp.port, self._packet_ms))
        answer = await self._sip.ask(invite, self._pbx, within=_ANSWER_WITHIN)
        dialog.other = answer.get("to")
        if answer.status >= 300:
            self._sip.send(dialog.request("ACK"), self._pbx)
            raise SipError(f"{extension} refused: {answer.start}", status=answer.status)
        dialog.target = answer.get("contact").partition("<")[2].partition(">")[0] or dialog.target
        self._sip.send(dialog.request("ACK"), self._pbx)
        self._dialog = dialog
        self.answered_at = time.monotonic()
        self._rtp.connect(*media_address(answer.body))

    async def say(self, speech: Samples | Path) -> float:
        """Say a clip of 8 kHz audio, or a wav file of it, and wait until it is out.

        Returns the monotonic moment of its last sound, for clips end with silence.
        """
        samples = read_wav(speech) if isinstance(speech, Path) else speech
        await asyncio.sleep(self._rtp.say(samples))
        return time.monotonic() - silence_at_the_end(samples)

    async def press(self, keys: str) -> None:
        """Press keys and wait until they are out."""
        await asyncio.sleep(self._rtp.press(keys))

    async def hang_up(self) -> None:
        """End the call; nothing where it is over already. Raises TimeoutError when nobody answers that."""
        if self._dialog is None or self.ended.is_set():
            return
        self._over()
        self._dialog.sequence += 1
        await self._sip.ask(self._dialog.request("BYE"), self._pbx, within=3.0)

    def _over(self) -> None:
        self.ended_at = time.monotonic()
        self.ended.set()

    async def _serve(self) -> None:
        while True:
            request, remote = await self._sip.requests.get()
            if request.method == "BYE":
                self._over()
            if request.method != "ACK":
                sdp = describe(self._rtp.port, self._packet_ms) if request.method == "INVITE" else ""
                self._sip.send(request.answer(200, "OK", contact=self._sip.contact, sdp=sdp), remote)


class SipOperator:
    """The operators' telephone: answers every call at once with a tone, and notes which calls reached it.

    With ``busy`` it refuses them.
    """

    def __init__(self, port: int, *, busy: bool = False) -> None:
        self._port = port
        self._busy = busy
        self._sip = SipSocket()
        self._lines: dict[str, tuple[Dialog, RtpStream]] = {}
        self._serving: asyncio.Task[None] | None = None
        self.reached: list[str] = []
        """The UUIDs (``X-Call-UUID``) of the calls that came, in their order."""
        self._came = asyncio.Condition()

    async def __aenter__(self) -> Self:
        await self._sip.open(self._port)
        self._serving = asyncio.create_task(self._serve())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for dialog, _ in list(self._lines.values()):
            with contextlib.suppress(TimeoutError):
                await self._sip.ask(dialog.request("BYE"), dialog.remote, within=1.0)
        await _stop(self._serving)
        for _, rtp in self._lines.values():
            await rtp.close()
        self._sip.close()

    async def wait_reached(self, calls: int = 1, *, within: float) -> None:
        """Wait until so many calls reached the operator. Raises TimeoutError."""
        async with asyncio.timeout(within), self._came:
            await self._came.wait_for(lambda: len(self.reached) >= calls)

    def heard(self, call: str) -> Heard:
        """What the operator hears of that call (its UUID)."""
        return self._lines[call][1].heard

    async def _serve(self) -> None:
        while True:
            request, remote = await self._sip.requests.get()
            if request.method == "INVITE" and self._busy:
                self._sip.send(request.answer(486, "Busy Here", tag=secrets.token_hex(4)), remote)
            elif request.method == "INVITE":
                await self._answer(request, remote)
            elif request.method != "ACK":
                self._sip.send(request.answer(200, "OK"), remote)

    async def _answer(self, invite: SipMessage, remote: tuple[str, int]) -> None:
        call = invite.get("x-call-uuid")
        if call in self._lines:  # the same INVITE again
            return
        tag = secrets.token_hex(4)
        rtp = RtpStream()
        dialog = Dialog(
            target=invite.get("contact").partition("<")[2].partition(">")[0],
            remote=remote,
            local=f"{invite.get('to')};tag={tag}",
            other=invite.get("from"),
            call_id=invite.get("call-id"),
            contact=self._sip.contact,
        )
        self._lines[call] = (dialog, rtp)
        self._sip.send(invite.answer(200, "OK", tag=tag, contact=self._sip.contact, sdp=describe(rtp.port, 20)), remote)
        rtp.connect(*media_address(invite.body))
        rtp.say(tone(OPERATOR_TONE, 60.0))
        async with self._came:
            self.reached.append(call)
            self._came.notify_all()


def read_wav(path: Path) -> Samples:
    """An 8 kHz mono 16-bit wav. Raises ValueError for another kind."""
    with wave.open(str(path), "rb") as source:
        if (source.getframerate(), source.getnchannels(), source.getsampwidth()) != (RATE, 1, 2):
            raise ValueError(f"{path.name}: not 8 kHz mono of 16 bits")
        return np.frombuffer(source.readframes(source.getnframes()), "<i2").astype(np.int16)


async def _stop(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
