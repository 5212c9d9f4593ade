"""``transcribe`` and ``say``: what they ask of a recogniser and a voice, and what they print."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.agent.playbook import load_playbook
from engine.audio.format import FRAME_BYTES, SILENCE
from engine.audio.wav import read_wav, write_wav
from engine.config import Settings, load_settings
from engine.errors import ConfigurationError, RecognitionError, SynthesisError
from engine.speech.ports import RecognitionOptions, RecognitionSession, SynthesisRequest, Transcript
from ops import speech


class EchoRecogniser:
    """Says how many bytes it heard; with ``answers`` off it closes without a word."""

    def __init__(self, *, answers: bool = True) -> None:
        self.answers = answers
        self.options: list[RecognitionOptions] = []
        self.closed = False

    async def start(self) -> None:
        self.closed = False

    async def check_health(self) -> None:
        assert not self.closed

    async def close(self) -> None:
        self.closed = True

    @asynccontextmanager
    async def open(self, options: RecognitionOptions) -> AsyncIterator[RecognitionSession]:
        self.options.append(options)
        yield _Session(answers=self.answers)


class _Session:
    def __init__(self, *, answers: bool) -> None:
        self._answers = answers
        self._heard = 0
        self._asked = False

    async def begin(self, utterance: int) -> None:
        self._heard = 0

    async def audio(self, pcm: bytes) -> None:
        assert len(pcm) <= FRAME_BYTES
        self._heard += len(pcm)

    async def flush(self, flush: int) -> None:
        self._asked = True

    async def end(self) -> None:
        assert self._asked

    async def results(self) -> AsyncIterator[Transcript]:
        yield Transcript(1, "not yet")
        if self._answers:
            yield Transcript(1, f"{self._heard} bytes", flush=1)


class ToneVoice:
    """Twenty milliseconds for each letter, or nothing at all."""

    def __init__(self, *, speaks: bool = True) -> None:
        self.speaks = speaks
        self.requests: list[SynthesisRequest] = []

    async def start(self) -> None:
        self.requests = []

    async def check_health(self) -> None:
        return

    async def close(self) -> None:
        return

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes]:
        self.requests.append(request)
        for _ in request.text if self.speaks else "":
            yield SILENCE


@pytest.fixture
def recogniser(monkeypatch: pytest.MonkeyPatch) -> EchoRecogniser:
    made = EchoRecogniser()
    monkeypatch.setattr(speech, "make_recognizer", lambda _: made)
    return made


@pytest.fixture
def voice(monkeypatch: pytest.MonkeyPatch) -> ToneVoice:
    made = ToneVoice()
    monkeypatch.setattr(speech, "make_synthesizer", lambda _: made)
    return made


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    write_wav(tmp_path / "one.wav", bytes(1000))
    return tmp_path / "one.wav"


def test_each_file_is_one_utterance(recogniser: EchoRecogniser, wav: Path, capsys: pytest.CaptureFixture[str]) -> None:
    speech.transcribe(Settings(), [wav, wav])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{wav}: 1000 bytes  [0.1 s in ") for line in lines)
    assert [(options.language, options.partials) for options in recogniser.options] == [("en", False)] * 2
    assert recogniser.closed


def test_json_is_one_object_a_line(recogniser: EchoRecogniser, wav: Path, capsys: pytest.CaptureFixture[str]) -> None:
    speech.transcribe(Settings(), [wav], as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["file"], shown["text"], shown["audio_seconds"]) == (str(wav), "1000 bytes", 0.062)
    assert recogniser.closed


def test_a_wrong_file_is_told_before_anything_is_loaded(recogniser: EchoRecogniser, wav: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.wav"):
        speech.transcribe(Settings(), [wav, wav.with_name("nothing.wav")])
    assert recogniser.options == []


def test_a_recogniser_that_closes_without_an_answer_is_an_error(recogniser: EchoRecogniser, wav: Path) -> None:
    recogniser.answers = False
    with pytest.raises(RecognitionError, match="without an answer"):
        speech.transcribe(Settings(), [wav])
    assert recogniser.closed


def test_say_writes_what_a_caller_would_hear(
    voice: ToneVoice, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings(
        {"TRUNKLINE_VOICE": "mary", "TRUNKLINE_SPEECH_SPEED": "1.5", "TRUNKLINE_LANGUAGE": "en-GB"}
    )
    out = tmp_path / "said.wav"
    speech.say(settings, "hello", out)
    assert read_wav(out) == SILENCE * 5
    assert capsys.readouterr().out.startswith(f"{out}: 0.1 s of speech, first audio after ")
    assert voice.requests == [SynthesisRequest("hello", "mary", "en-GB", 1.5)]


@pytest.mark.parametrize(("setting", "spoken"), [("", "uk"), ("en", "en")])
def test_both_speak_the_language_of_the_first_playbooks_calls(  # noqa: PLR0917 - pytest passes them by name
    recogniser: EchoRecogniser, voice: ToneVoice, wav: Path, tmp_path: Path, setting: str, spoken: str
) -> None:
    folder = tmp_path / "other"
    shutil.copytree(load_playbook("clinic").folder, folder)
    text = (folder / "playbook.yaml").read_text(encoding="utf-8")
    (folder / "playbook.yaml").write_text(text.replace("language: en", "language: uk"), encoding="utf-8")
    settings = load_settings({"TRUNKLINE_PLAYBOOK": f"{folder}|tyre_shop", "TRUNKLINE_LANGUAGE": setting})
    speech.transcribe(settings, [wav])
    speech.say(settings, "hello", tmp_path / "said.wav")
    assert (recogniser.options[0].language, voice.requests[0].language) == (spoken, spoken)


def test_numbers_are_said_in_words(voice: ToneVoice, tmp_path: Path) -> None:
    speech.say(Settings(), "Order 4271", tmp_path / "said.wav")
    assert voice.requests[0].text == "Order four two seven one"


def test_an_empty_text_and_a_silent_voice_are_errors(voice: ToneVoice, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="empty"):
        speech.say(Settings(), "  ", tmp_path / "out.wav")
    voice.speaks = False
    with pytest.raises(SynthesisError, match="no audio"):
        speech.say(Settings(), "hello", tmp_path / "out.wav")
    assert not (tmp_path / "out.wav").exists()


def test_a_file_that_cannot_be_written_is_named(voice: ToneVoice, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no/such/out\.wav"):
        speech.say(Settings(), "hello", tmp_path / "no" / "such" / "out.wav")
    assert len(voice.requests) == 1
