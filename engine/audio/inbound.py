"""The peer's audio, whatever it sends, as engine audio."""

from __future__ import annotations

from engine.audio.audiosocket import AUDIO_RATES, Kind
from engine.audio.format import SAMPLE_RATE
from engine.audio.mulaw import MuLawDetector, decode_mulaw
from engine.audio.resample import StreamResampler


class Inbound:
    """Turns the payloads of one line into engine audio.

    Wideband kinds are resampled with the state of the stream. A PBX that was told no codec sends the caller's µ-law
    bytes under the label of 8 kHz PCM; the first frames give it away, and from then on they are decoded.
    """

    def __init__(self) -> None:
        self._resampler: StreamResampler | None = None
        self._resampler_kind = 0
        self._detector: MuLawDetector | None = MuLawDetector()
        self.mulaw = False
        """Whether the peer was found to send µ-law."""

    def engine_audio(self, kind: int, payload: bytes, now: float) -> bytes:
        """``payload`` of a frame of audio that came at ``now`` (seconds), as engine audio; may be empty."""
        if kind != Kind.AUDIO_8K:
            if self._resampler is None or self._resampler_kind != kind:
                self._resampler, self._resampler_kind = StreamResampler(AUDIO_RATES[kind], SAMPLE_RATE), kind
            return self._resampler.feed(payload)
        if self._detector is not None:
            verdict = self._detector.add(payload, now)
            if verdict is not None:
                self.mulaw, self._detector = verdict, None
        if self.mulaw:
            return decode_mulaw(payload)
        return payload if len(payload) % 2 == 0 else payload[:-1]
