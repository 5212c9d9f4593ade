"""Measure the embedded speech models on this machine: ``python -m ops.bench.speech_models FOLDER``.

FOLDER holds wav files and ``refs.json``, a list of ``{"file", "ref"}`` with what is said in each file, and perhaps
``voice`` and ``condition`` to group by. Prints word error rates, CPU seconds a second of audio, memory and times. Each
model runs in a process of its own, one thread each.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Final

from engine.audio.format import seconds_of
from engine.audio.silero import load_weights, prepare_weights
from engine.audio.vad import VoiceActivity
from engine.audio.wav import read_wav
from engine.speech.ports import RecognitionOptions, SpeechSynthesizer, SynthesisRequest
from engine.speech.providers.moonshine import MoonshineRecognizer
from engine.speech.providers.nanotts import NanoSynthesizer
from engine.speech.providers.piper import PiperSynthesizer
from ops.bench.word_errors import word_errors

_PARTS: Final = ("activity", "recognition", "piper", "nanotts")
_SENTENCES: Final = (
    "Yes.",
    "How many tyres do you need today?",
    "Your order is on its way and will be delivered on Tuesday.",
    "I have booked a fitting for you tomorrow at half past ten. Is there anything else I can do?",
)


def main() -> int:
    """Run the parts one after the other, or the one named as second argument."""
    if len(sys.argv) == 3 and sys.argv[2] in _PARTS:
        _run(sys.argv[2], Path(sys.argv[1]))
        return 0
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    for part in _PARTS:
        command = [sys.executable, "-m", "ops.bench.speech_models", sys.argv[1], part]
        if code := subprocess.run(command, env={**os.environ, **threads}, check=False, timeout=600).returncode:
            return code
    return 0


def _run(part: str, folder: Path) -> None:
    if part == "activity":
        _activity(folder)
    elif part == "recognition":
        asyncio.run(_recognition(folder))
    else:
        asyncio.run(_synthesis(part, PiperSynthesizer() if part == "piper" else NanoSynthesizer()))


def _cases(folder: Path) -> list[dict[str, str]]:
    cases: list[dict[str, str]] = json.loads((folder / "refs.json").read_text(encoding="utf-8"))
    return cases


def _megabytes() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _activity(folder: Path) -> None:
    before = _megabytes()
    with tempfile.TemporaryDirectory() as cache:
        activity = VoiceActivity(load_weights(prepare_weights(Path(cache))), skip_quiet=False)
        clips = [read_wav(folder / case["file"]) for case in _cases(folder)]
        windows = 0
        began = time.process_time()
        for pcm in clips:
            for start in range(0, len(pcm), 320):
                windows += len(activity.feed(pcm[start : start + 320]))
        spent = time.process_time() - began
    print(f"voice activity: {spent / windows * 1e6:.0f} µs a window of 32 ms, memory +{_megabytes() - before:.0f} MB")


async def _recognition(folder: Path) -> None:
    before = _megabytes()
    recognizer = MoonshineRecognizer()
    await recognizer.start()
    errors: dict[str, int] = defaultdict(int)
    words: dict[str, int] = defaultdict(int)
    waits: list[float] = []
    heard_seconds = spent = 0.0
    async with recognizer.open(RecognitionOptions(call_id="bench", partials=False)) as session:
        results = session.results()
        for number, case in enumerate(_cases(folder), 1):
            pcm = read_wav(folder / case["file"])
            began, began_cpu = time.perf_counter(), time.process_time()
            await session.begin(number)
            await session.audio(pcm)
            await session.flush(1)
            result = await anext(results)
            await session.end()
            waits.append(time.perf_counter() - began)
            spent += time.process_time() - began_cpu
            heard_seconds += seconds_of(len(pcm))
            group = f"{case.get('voice', '')} {case.get('condition', '')}".strip() or "all"
            wrong, total = word_errors(case["ref"], result.text)
            errors[group] += wrong
            words[group] += total
    await recognizer.close()
    for group, wrong in errors.items():
        print(f"recognition, {group}: {100 * wrong / words[group]:.1f} % of {words[group]} words wrong")
    waits.sort()
    print(
        f"recognition: CPU {spent / heard_seconds:.3f} of real time, text after {waits[len(waits) // 2] * 1000:.0f} ms "
        f"(median; slowest {waits[-1] * 1000:.0f} ms), memory +{_megabytes() - before:.0f} MB"
    )


async def _synthesis(name: str, synthesizer: SpeechSynthesizer) -> None:
    before = _megabytes()
    await synthesizer.start()
    spoken = spent = 0.0
    firsts: list[float] = []
    for text in _SENTENCES * 3:
        began, began_cpu = time.perf_counter(), time.process_time()
        first = 0.0
        async for chunk in synthesizer.synthesize(SynthesisRequest(text)):
            first = first or time.perf_counter() - began
            spoken += seconds_of(len(chunk))
        firsts.append(first)
        spent += time.process_time() - began_cpu
    await synthesizer.close()
    print(
        f"{name}: CPU {spent / spoken:.3f} of real time, first audio after {sum(firsts) / len(firsts) * 1000:.0f} ms "
        f"(mean; slowest {max(firsts) * 1000:.0f} ms), memory +{_megabytes() - before:.0f} MB"
    )


if __name__ == "__main__":
    sys.exit(main())
