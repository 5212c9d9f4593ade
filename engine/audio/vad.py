"""Voice activity of telephone audio: Silero's 8 kHz network in numpy.

numpy alone, because every call runs one of these in a process of its own, and onnxruntime would add about 45 MB to
each. A window costs about 50 µs, less than under onnxruntime; set ``OPENBLAS_NUM_THREADS=1``: more threads only wait
for each other here.
"""

from __future__ import annotations

from math import exp, log10
from typing import Final

import numpy as np

from engine.audio.silero import SileroWeights

WINDOW_SAMPLES: Final = 256
"""Samples that one probability stands for."""

WINDOW_SECONDS: Final = WINDOW_SAMPLES / 8000
"""32 ms."""

WINDOW_BYTES: Final = 2 * WINDOW_SAMPLES

QUIET_PEAK: Final = 16
"""A window is quiet when its loudest sample is not above this: -66 dBFS, zeros or the lowest steps of µ-law and A-law.
Speech turned down to this level never brought the network above 0.03."""

SETTLED_WINDOWS: Final = 16
"""So many quiet windows in a row (half a second) are computed; those that follow repeat the last probability, and the
network's state stays as it is. Over minutes of digital silence the state would otherwise sink so far that the next
speech is noticed late: measured on 40 clips after 4–20 s of zeros, the onset comes 0–5 windows earlier with the skip
(2 on average) and never later."""

SETTLED_PROBABILITY: Final = 0.1
"""Nothing is skipped while the network still believes in speech above this."""

QUIET_POWER: Final = (QUIET_PEAK / 32768) ** 2
"""Mean power that a quiet window cannot exceed."""

SILENT_POWER: Final = 1e-10

_CONTEXT: Final = 32
_PAD: Final = 32
_END: Final = _CONTEXT + WINDOW_SAMPLES
_SCALE: Final = np.float32(1 / 32768)


class VoiceActivity:
    """One call's detector. Not thread-safe.

    ``skip_quiet=False`` computes silent windows too (for comparison).
    """

    def __init__(self, weights: SileroWeights, *, skip_quiet: bool = True) -> None:
        self._weights = weights
        self._skip_quiet = skip_quiet
        f32 = np.float32
        # Everything below is written in place: a window allocates nothing but its result.
        self._samples = np.zeros(_END + _PAD, f32)  # context, window, mirrored end
        self._fresh = self._samples[_CONTEXT:_END]
        self._mirrored = self._samples[_END - 2 : _END - 2 - _PAD : -1]
        view = np.lib.stride_tricks.as_strided
        # BLAS takes no overlapping rows, so frames and taps are views that are copied into the matrices beside them.
        self._frames_view = view(self._samples, (4, 128), (64 * 4, 4), writeable=False)
        self._frames = np.zeros((4, 128), f32)
        self._spectrum = np.zeros((4, 130), f32)
        self._magnitude = np.zeros((6, 65), f32)  # a row of padding on either side
        self._magnitude_view = view(self._magnitude, (4, 195), (65 * 4, 4), writeable=False)
        self._taps1 = np.zeros((4, 195), f32)
        self._conv1 = np.zeros((5, 128), f32)  # a row of padding in front
        self._conv1_view = view(self._conv1, (2, 384), (256 * 4, 4), writeable=False)
        self._taps2 = np.zeros((2, 384), f32)
        self._conv2 = np.zeros((2, 64), f32)
        self._conv3 = np.zeros(64, f32)
        self._lstm_in = np.zeros(256, f32)  # encoder's output, then the state h
        self._gates = np.zeros(512, f32)
        self._cell = np.zeros(128, f32)
        self._scratch = np.zeros(128, f32)
        self._out_bias = float(weights.out_bias[0])
        self._rest = b""
        self._quiet_run = 0
        self._last = 0.0

    def reset(self) -> None:
        """Forget everything heard."""
        self._samples[:] = 0
        self._lstm_in[:] = 0
        self._cell[:] = 0
        self._rest = b""
        self._quiet_run = 0
        self._last = 0.0

    def feed(self, frame: bytes) -> list[float]:
        """Take engine audio of any length; the probability of speech (0..1) of each 32 ms window it completes."""
        return [probability for probability, _ in self.windows(frame)]

    def windows(self, frame: bytes) -> list[tuple[float, float]]:
        """As ``feed``, each probability with its window's level in dB relative to full scale (-100 for silence)."""
        self._rest += frame
        if len(self._rest) < WINDOW_BYTES:
            return []
        found: list[tuple[float, float]] = []
        taken = 0
        while len(self._rest) - taken >= WINDOW_BYTES:
            samples = np.frombuffer(self._rest, "<i2", WINDOW_SAMPLES, taken)
            np.multiply(samples, _SCALE, out=self._fresh)
            found.append(self._window())
            self._samples[:_CONTEXT] = self._samples[_END - _CONTEXT : _END]
            taken += WINDOW_BYTES
        self._rest = self._rest[taken:]
        return found

    def _window(self) -> tuple[float, float]:
        power = float(np.dot(self._fresh, self._fresh)) / WINDOW_SAMPLES
        level = 10 * log10(power) if power > SILENT_POWER else -100.0
        # Power alone tells loud windows; only faint ones are looked at for their loudest sample.
        if power > QUIET_POWER or (power > SILENT_POWER and np.abs(self._fresh).max() > QUIET_PEAK * _SCALE):
            self._quiet_run = 0
        elif self._skip_quiet and self._quiet_run >= SETTLED_WINDOWS and self._last < SETTLED_PROBABILITY:
            return self._last, level
        else:
            self._quiet_run += 1
        self._last = self._infer()
        return self._last, level

    def _infer(self) -> float:
        w = self._weights
        self._samples[_END:] = self._mirrored
        np.copyto(self._frames, self._frames_view)
        spectrum = self._spectrum
        np.matmul(self._frames, w.stft, out=spectrum)
        np.multiply(spectrum, spectrum, out=spectrum)
        magnitude = self._magnitude[1:5]
        np.add(spectrum[:, :65], spectrum[:, 65:], out=magnitude)
        np.sqrt(magnitude, out=magnitude)

        np.copyto(self._taps1, self._magnitude_view)
        conv1 = self._conv1[1:]
        np.matmul(self._taps1, w.conv1, out=conv1)
        conv1 += w.conv1_bias
        np.maximum(conv1, 0, out=conv1)

        np.copyto(self._taps2, self._conv1_view)
        conv2 = self._conv2
        np.matmul(self._taps2, w.conv2, out=conv2)
        conv2 += w.conv2_bias
        np.maximum(conv2, 0, out=conv2)

        conv3 = self._conv3
        np.matmul(conv2.reshape(128), w.conv3, out=conv3)
        conv3 += w.conv3_bias
        np.maximum(conv3, 0, out=conv3)

        encoded = self._lstm_in[:128]
        np.matmul(conv3, w.conv4, out=encoded)
        encoded += w.conv4_bias
        np.maximum(encoded, 0, out=encoded)

        gates = self._gates
        np.matmul(self._lstm_in, w.lstm, out=gates)
        gates += w.lstm_bias
        np.tanh(gates, out=gates)
        sigmoids = gates[:384]
        sigmoids += 1
        sigmoids *= 0.5
        cell, scratch = self._cell, self._scratch
        cell *= gates[128:256]
        np.multiply(gates[:128], gates[384:], out=scratch)
        cell += scratch
        np.tanh(cell, out=scratch)
        state = self._lstm_in[128:]
        np.multiply(gates[256:384], scratch, out=state)

        np.maximum(state, 0, out=scratch)
        return 1 / (1 + exp(-(float(scratch @ w.out) + self._out_bias)))
