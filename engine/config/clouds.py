"""Settings of speech services outside: where they are, whose key opens them, what they shall use.

They count where a provider is named by ``TRUNKLINE_STT`` or ``TRUNKLINE_TTS``.
"""

# ruff: noqa: RUF009 - ``setting`` makes a dataclass field, it is no shared default
from __future__ import annotations

from dataclasses import dataclass

from engine.config.hosted import EXPECTED_URL, URL
from engine.config.setting import Secret, setting

_LOOPBACK = r"http://(?:localhost|127\.0\.0\.1|\[::1\]):[0-9]{1,5}"
_GRPC_ENDPOINT = rf"|https://[A-Za-z0-9._-]+(?::[0-9]{{1,5}})?|{_LOOPBACK}"
_GRPC_EXPECTED = "empty, `https://HOST[:PORT]`, or `http://` with a port of this machine (`http://127.0.0.1:PORT`)"


@dataclass(frozen=True, slots=True)
class GoogleSettings:
    """Google Cloud's recogniser and voice; in use where a provider is `google`."""

    api_key: Secret = setting(
        Secret(""),
        "API key; empty: Application Default Credentials (`GOOGLE_APPLICATION_CREDENTIALS`, `gcloud`, the machine's).",
        variable="GOOGLE_API_KEY",
    )
    project: str = setting(
        "",
        "Project that recognition is asked for and billed to; empty: that of the credentials.",
        pattern=r"[a-z0-9.:-]+",
        expected="a project's id",
        variable="GOOGLE_PROJECT",
    )
    location: str = setting(
        "global",
        "Region where speech is recognised: `global`, `eu`, `us`, `europe-west4` and others.",
        pattern=r"[a-z0-9-]+",
        expected="a region's name",
        variable="GOOGLE_LOCATION",
    )
    model: str = setting(
        "telephony",
        "Recognition model.",
        pattern=r"[A-Za-z0-9_.-]+",
        expected="a model's name",
        variable="GOOGLE_STT_MODEL",
    )
    voice: str = setting(
        "Chirp3-HD-Charon",
        "Voice; without a language in front it speaks that of the conversation. Chirp 3 HD voices are streamed, others "
        "come whole.",
        pattern=r"[A-Za-z0-9_.-]+",
        expected="a voice's name",
        variable="GOOGLE_VOICE",
    )
    stt_endpoint: str = setting(
        "",
        "Server of the recogniser; empty: Google's for the region.",
        pattern=_GRPC_ENDPOINT,
        expected=_GRPC_EXPECTED,
        variable="GOOGLE_STT_ENDPOINT",
    )
    tts_endpoint: str = setting(
        "",
        "Server of the voice; empty: Google's.",
        pattern=_GRPC_ENDPOINT,
        expected=_GRPC_EXPECTED,
        variable="GOOGLE_TTS_ENDPOINT",
    )


@dataclass(frozen=True, slots=True)
class OpenAiSpeechSettings:
    """Recogniser and voice by OpenAI's API, which many servers speak; in use where a provider is `openai`."""

    url: str = setting(
        "",
        "Base URL where speech has a server of its own; empty: TRUNKLINE_OPENAI_URL and its key.",
        pattern=URL,
        expected=EXPECTED_URL,
        variable="OPENAI_SPEECH_URL",
    )
    key: Secret = setting(
        Secret(""), "API key for TRUNKLINE_OPENAI_SPEECH_URL; empty: none is sent.", variable="OPENAI_SPEECH_KEY"
    )
    stt_model: str = setting("gpt-4o-mini-transcribe", "Recognition model.", variable="OPENAI_STT_MODEL")
    partial_s: float = setting(
        0.0,
        "Speech after which the text so far is asked for; each time all of the utterance is sent again. 0: never.",
        unit="s",
        at_least=0,
        at_most=60,
        variable="OPENAI_STT_PARTIAL_S",
    )
    tts_model: str = setting("gpt-4o-mini-tts", "Model of the voice.", variable="OPENAI_TTS_MODEL")
    voice: str = setting("alloy", "Voice.", variable="OPENAI_VOICE")
