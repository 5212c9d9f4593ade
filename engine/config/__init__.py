"""Settings of the engine: environment variables ``TRUNKLINE_…``, typed, documented, refused at start when wrong.

``Settings()`` holds the defaults; ``load_settings()`` reads the environment and checks it.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.config.backup import BackupS3Settings, BackupSettings, PostgresProgramSettings
from engine.config.clouds import GoogleSettings, OpenAiSpeechSettings
from engine.config.hosted import AnthropicSettings, ChainSettings, OpenAiChatSettings, OpenAiSettings
from engine.config.operations import OperationsSettings, RetentionSettings
from engine.config.reports import ReportSettings
from engine.config.sections import (
    DialogueSettings,
    KnowledgeSettings,
    LoggingSettings,
    NetworkSettings,
    PathSettings,
    PoolSettings,
    RaySettings,
    ScriptedSettings,
    Settings,
    SpeechSettings,
    StoreSettings,
    in_url,
    provider_names,
    remote_target,
)
from engine.config.setting import Secret

__all__ = [
    "AnthropicSettings",
    "BackupS3Settings",
    "BackupSettings",
    "ChainSettings",
    "DialogueSettings",
    "GoogleSettings",
    "KnowledgeSettings",
    "LoggingSettings",
    "NetworkSettings",
    "OpenAiChatSettings",
    "OpenAiSettings",
    "OpenAiSpeechSettings",
    "OperationsSettings",
    "PathSettings",
    "PoolSettings",
    "PostgresProgramSettings",
    "RaySettings",
    "ReportSettings",
    "RetentionSettings",
    "ScriptedSettings",
    "Secret",
    "Settings",
    "SpeechSettings",
    "StoreSettings",
    "in_url",
    "load_settings",
    "provider_names",
    "remote_target",
]


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from ``environ`` (the process's own where None), paths absolute; an empty variable counts as not set.

    Raises ConfigurationError that lists every wrong variable with its value and what was expected, and every variable
    with our prefix that nobody knows.
    """
    from engine.config.loading import load_settings as load  # noqa: PLC0415 - pydantic: a call's process does without

    return load(environ)
