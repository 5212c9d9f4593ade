"""Voice activity: the numpy network against the original one, on speech."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.audio.silero import SileroWeights, load_weights, packaged_model, prepare_weights
from engine.audio.vad import QUIET_PEAK, SETTLED_WINDOWS, WINDOW_SAMPLES, VoiceActivity
from engine.errors import ConfigurationError
from tests.speech_clips import SAID, clip, frames


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare_weights(tmp_path_factory.mktemp("silero"))


@pytest.fixture(scope="module")
def weights(packed: Path) -> SileroWeights:
    return load_weights(packed)


@pytest.fixture(scope="module")
def original() -> Any:
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(packaged_model()), options, providers=["CPUExecutionProvider"])


def by_original(session: Any, pcm: bytes) -> NDArray[np.float32]:
    samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
    state = np.zeros((2, 1, 128), np.float32)
    context = np.zeros(32, np.float32)
    result = []
    for start in range(0, len(samples) - WINDOW_SAMPLES + 1, WINDOW_SAMPLES):
        window = np.concatenate([context, samples[start : start + WINDOW_SAMPLES]])
        probability, state = session.run(
            None, {"input": window[np.newaxis], "state": state, "sr": np.array(8000, np.int64)}
        )
        context = window[-32:]
        result.append(float(probability[0, 0]))
    return np.array(result, np.float32)


@pytest.mark.parametrize("name", SAID)
def test_agrees_with_the_original_network(weights: SileroWeights, original: Any, name: str) -> None:
    pcm = clip(name)
    expected = by_original(original, pcm)
    got = VoiceActivity(weights, skip_quiet=False).feed(pcm)
    assert len(got) == len(expected)
    assert np.abs(np.array(got) - expected).max() < 1e-3
    assert expected.max() > 0.9, "there is speech in the clip"


def test_agrees_on_noise_of_every_level(weights: SileroWeights, original: Any) -> None:
    random = np.random.default_rng(7)
    levels = np.repeat([0, 5, 50, 500, 5000, 30000], 2048)
    pcm = (random.uniform(-1, 1, len(levels)) * levels).astype("<i2").tobytes()
    got = np.array(VoiceActivity(weights, skip_quiet=False).feed(pcm))
    assert np.abs(got - by_original(original, pcm)).max() < 1e-3


@pytest.mark.parametrize("size", [2, 160, 320, 480, 514, 1024, 99999])
def test_frame_size_does_not_matter(weights: SileroWeights, size: int) -> None:
    pcm = clip("yes")
    whole = VoiceActivity(weights).feed(pcm)
    activity = VoiceActivity(weights)
    pieces = [probability for frame in frames(pcm, size) for probability in activity.feed(frame)]
    assert pieces == pytest.approx(whole, abs=1e-6)
    assert len(whole) == len(pcm) // 2 // WINDOW_SAMPLES


def test_reset_forgets(weights: SileroWeights) -> None:
    activity = VoiceActivity(weights)
    first = activity.feed(clip("order"))
    activity.feed(clip("order")[:1000])
    activity.reset()
    assert activity.feed(clip("order")) == pytest.approx(first, abs=1e-6)


def test_long_silence_is_skipped_and_speech_after_it_is_noticed_no_later(weights: SileroWeights) -> None:
    before, silence, after = clip("order"), bytes(16000 * 6), clip("parcel_noisy")
    pcm = before + silence + after
    skipping = np.array(VoiceActivity(weights).feed(pcm))
    full = np.array(VoiceActivity(weights, skip_quiet=False).feed(pcm))
    start = (len(before) + len(silence)) // 2 // WINDOW_SAMPLES
    settled = skipping[start - 60 : start]
    assert len(set(settled)) == 1, "the windows are not computed"
    assert settled[0] < 0.1
    onset_skipping = int(np.flatnonzero(skipping[start:] > 0.5)[0])
    onset_full = int(np.flatnonzero(full[start:] > 0.5)[0])
    assert onset_skipping <= onset_full
    assert ((skipping[start:] > 0.5) == (full[start:] > 0.5)).mean() > 0.9


def test_half_a_second_of_silence_is_computed_in_full(weights: SileroWeights) -> None:
    speech = clip("order")[2 * WINDOW_SAMPLES * 20 : 2 * WINDOW_SAMPLES * 50]
    for window in frames(speech, 2 * WINDOW_SAMPLES):
        assert np.abs(np.frombuffer(window, "<i2")).max() > QUIET_PEAK
    pcm = speech + bytes(2 * WINDOW_SAMPLES * SETTLED_WINDOWS) + speech
    skipping = VoiceActivity(weights).feed(pcm)
    assert skipping == VoiceActivity(weights, skip_quiet=False).feed(pcm)


def test_quiet_speech_is_not_taken_for_silence(weights: SileroWeights) -> None:
    samples = np.frombuffer(clip("order"), "<i2").astype(np.float64)
    quiet = np.rint(samples / np.abs(samples).max() * 600).astype("<i2").tobytes()
    assert max(VoiceActivity(weights).feed(bytes(32000) + quiet)) > 0.8


def test_weights_are_packed_once_and_mapped(packed: Path, weights: SileroWeights) -> None:
    before = packed.stat().st_mtime_ns
    assert prepare_weights(packed.parent) == packed
    assert packed.stat().st_mtime_ns == before
    assert [file.name for file in packed.parent.iterdir()] == [packed.name]
    assert not weights.lstm.flags.owndata
    assert not weights.lstm.flags.writeable


def test_damaged_weights_are_packed_again(tmp_path: Path) -> None:
    path = prepare_weights(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:5000])
    with pytest.raises(ConfigurationError, match=path.name):
        load_weights(path)
    assert prepare_weights(tmp_path) == path
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x3a\xff\xff\x03"])
def test_a_file_that_is_no_model_is_named(tmp_path: Path, content: bytes) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"model\.onnx"):
        prepare_weights(tmp_path, model)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        prepare_weights(tmp_path, tmp_path / "nowhere")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="file"):
        prepare_weights(tmp_path / "file" / "cache")
