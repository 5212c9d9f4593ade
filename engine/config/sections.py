"""Every setting there is, one class a concern.

The environment variable of a setting is ``TRUNKLINE_`` and its name in capitals, or the ``variable`` given beside it.
"""

# ruff: noqa: RUF009 - ``setting`` makes a dataclass field, it is no shared default
from __future__ import annotations

import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from engine.config.backup import BackupS3Settings, BackupSettings, PostgresProgramSettings
from engine.config.backup_keys import BackupKeySettings
from engine.config.clouds import GoogleSettings, OpenAiSpeechSettings
from engine.config.hosted import AnthropicSettings, ChainSettings, OpenAiChatSettings, OpenAiSettings
from engine.config.operations import OperationsSettings, RetentionSettings
from engine.config.prices import PriceSettings
from engine.config.records import RecordsSettings
from engine.config.reports import ReportSettings
from engine.config.setting import Secret, setting
from engine.config.terms import TermSettings

_HOST = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
_REMOTE = rf"grpc://{_HOST}:[0-9]{{1,5}}"
_MODEL = rf"(?:openai|anthropic|policy|scripted|{_REMOTE})"
_RECOGNISER = rf"(?:embedded|google|openai|scripted|{_REMOTE})"
_VOICE = rf"(?:embedded|nanotts|google|openai|scripted|{_REMOTE})"


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Where the engine listens."""

    host: str = setting(
        "127.0.0.1",
        "Address to listen on; `0.0.0.0` or `::` for all. The telephony port hands out calls: keep it inside your "
        "network.",
        pattern=rf"{_HOST}|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*",
        expected="a host name or an IP address",
    )
    audiosocket_port: int = setting(
        9092, "Port for AudioSocket, where the PBX brings the voice. 0: any free one.", at_least=0, at_most=65535
    )
    telephony_port: int = setting(
        9093, "Port for the PBX's registration of calls (HTTP). 0: any free one.", at_least=0, at_most=65535
    )
    admin_port: int = setting(
        8080, "Port for status, metrics and pages (HTTP). 0: any free one.", at_least=0, at_most=65535
    )
    telephony_token: Secret = setting(
        Secret(""),
        "When set, registration must show it: `Authorization: Bearer …`, or a form field or query named `token`.",
    )

    @property
    def listen(self) -> str:
        """The address as sockets take it: without brackets."""
        return self.host.strip("[]")

    @property
    def near(self) -> str:
        """Where this machine reaches what listens there, as sockets take it."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.listen, self.listen)  # noqa: S104 - not bound here


def in_url(host: str) -> str:
    """``host`` as it stands in a URL, and before ``:PORT``: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How many calls this node takes, and how strangers are limited."""

    capacity: int = setting(20, "Calls at once on this node; more are refused at once.", unit="calls", at_least=1)
    spare: int = setting(
        2, "Warm processes beyond the capacity, for take-over.", unit="processes", at_least=0, variable="POOL_SPARE"
    )
    ready: int = setting(
        3,
        "Warm processes before the engine says it is ready; the rest follow.",
        unit="processes",
        at_least=1,
        variable="POOL_READY",
    )
    admission_wait_ms: int = setting(
        1000,
        "How long a connected call waits for a warm process before it is refused.",
        unit="ms",
        at_least=0,
        at_most=10_000,
    )
    announce_ttl_s: float = setting(
        30.0, "How long a registered call may take to connect.", unit="s", at_least=1, at_most=3600
    )
    uuid_timeout_ms: int = setting(
        2000, "How long a connection may take to show its UUID.", unit="ms", at_least=50, at_most=60_000
    )
    max_connections: int = setting(
        200, "Connections that have not shown a UUID yet; more are closed.", unit="connections", at_least=1
    )
    calls_per_actor: int = setting(200, "Calls that a process serves before it is replaced.", unit="calls", at_least=1)
    drain_seconds: float = setting(
        30.0, "How long running calls may go on after a stop was asked for.", unit="s", at_least=0, at_most=3600
    )


@dataclass(frozen=True, slots=True)
class SpeechSettings:
    """Recogniser, voice and chat model, and how many of each."""

    stt: str = setting(
        "embedded",
        "The recogniser; several with commas between them: each follows where those before it fail.",
        pattern=rf"{_RECOGNISER}(?:,{_RECOGNISER})*",
        expected="`embedded`, `google`, `openai`, `scripted` or `grpc://HOST:PORT`, or several (`google,embedded`)",
    )
    tts: str = setting(
        "embedded",
        "The voice; several with commas between them: each follows where those before it fail.",
        pattern=rf"{_VOICE}(?:,{_VOICE})*",
        expected="`embedded`, `nanotts`, `google`, `openai`, `scripted` or `grpc://HOST:PORT`, or several "
        "(`openai,embedded`)",
    )
    llm: str = setting(
        "policy",
        "The chat model; `policy` is the playbook's own rules, no model. Several, with commas between: the first that "
        "works answers.",
        pattern=rf"{_MODEL}(?:,{_MODEL})*",
        expected="`policy`, `openai`, `anthropic`, `scripted`, `grpc://HOST:PORT`, or a chain such as `openai,policy`",
    )
    stt_replicas: int = setting(1, "Processes that recognise.", unit="processes", at_least=1, at_most=1000)
    tts_replicas: int = setting(1, "Processes that speak.", unit="processes", at_least=1, at_most=1000)
    llm_replicas: int = setting(1, "Processes that run the chat model.", unit="processes", at_least=1, at_most=1000)
    stt_model: Path | None = setting(
        None, "Folder of a recogniser's weights of your own; empty: those of the package.", expected="a path"
    )
    tts_model: Path | None = setting(
        None, "File of a voice of your own (Piper, `.onnx`); empty: that of the package.", expected="a path"
    )
    voice: str = setting("", "Name of the voice; empty: the provider's default. Of several providers, for the first.")
    speed: float = setting(
        1.0,
        "Pace of the voice; 1.0 is its own, 1.2 is faster.",
        at_least=0.5,
        at_most=2.0,
        variable="SPEECH_SPEED",
    )
    cache_mb: int = setting(
        64,
        "Memory for sentences already spoken, for each process that speaks.",
        unit="MB",
        at_least=0,
        variable="SPEECH_CACHE_MB",
    )
    cache_disk_mb: int = setting(
        512,
        "Disk for sentences already spoken; 0: none are kept.",
        unit="MB",
        at_least=0,
        variable="SPEECH_CACHE_DISK_MB",
    )
    lease_renew_s: float = setting(
        30.0, "How often a call's hold on a replica is renewed.", unit="s", at_least=0.1, at_most=3600
    )
    leases_per_replica: int = setting(200, "Calls that one replica serves at once.", unit="calls", at_least=1)


@dataclass(frozen=True, slots=True)
class DialogueSettings:
    """How a conversation is led."""

    playbook: str = setting(
        "tyre_shop",
        "Name of a playbook that comes with the engine, or the folder of your own; several with `|` between, chosen by "
        "the numbers that each names as `dialled`, the first for all others.",
        pattern=r"[^|]+(?:\|[^|]+)*",
        expected="names, or paths with a slash in them, with `|` between",
        path_with_slash=True,
    )
    opening_hours: str = setting(
        "playbook",
        "Whether people are there to take calls: by the hours of the `playbook`, or `always`.",
        pattern=r"playbook|always",
        expected="`playbook` or `always`",
    )
    language: str = setting(
        "",
        "Language of all conversations; empty: each playbook's own.",
        pattern=r"(?:[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)?",
        expected="a BCP 47 tag such as `en` or `pt-BR`",
    )
    endpointing_ms: int = setting(500, "Silence that ends the caller's turn.", unit="ms", at_least=100, at_most=5000)
    endpointing_adaptive: bool = setting(
        True,
        "Whether that silence is shorter after a whole sentence and longer where more must follow, by the words and by "
        "the fall of the voice.",
    )
    pause_ms: int = setting(
        90,
        "Silence after which the text is asked for, and the model may start ahead.",
        unit="ms",
        at_least=20,
        at_most=5000,
    )
    speculate: bool = setting(
        True, "Whether the model starts in a pause, before the turn is known to be over; dropped if the caller goes on."
    )
    barge_in_ms: int = setting(150, "Speech that interrupts the agent.", unit="ms", at_least=20, at_most=5000)
    vad_threshold: float = setting(0.5, "Probability from which audio counts as speech.", at_least=0.05, at_most=0.95)
    silence_prompt_s: float = setting(
        10.0, "Silence after which the caller is asked whether he is still there.", unit="s", at_least=1, at_most=600
    )
    silence_hangup_s: float = setting(
        10.0, "Further silence after which the call is ended.", unit="s", at_least=1, at_most=600
    )
    max_call_s: float = setting(1800.0, "Longest duration of a call.", unit="s", at_least=10, at_most=86_400)
    first_clause_words: int = setting(
        4,
        "Words after which the first part of an answer is spoken even where no clause ends.",
        unit="words",
        at_least=1,
        at_most=100,
    )
    filler_after_ms: int = setting(
        1200, "Wait for a tool after which the agent says a filler.", unit="ms", at_least=100, at_most=60_000
    )
    stt_timeout_ms: int = setting(
        4000, "Longest wait for the text of an utterance.", unit="ms", at_least=100, at_most=120_000
    )
    llm_timeout_ms: int = setting(
        12000,
        "Longest wait for the model's next piece of text, a second try included.",
        unit="ms",
        at_least=100,
        at_most=120_000,
    )
    tts_timeout_ms: int = setting(
        4000, "Longest wait for the next piece of synthesised audio.", unit="ms", at_least=100, at_most=120_000
    )
    playout_lead_frames: int = setting(
        2, "Frames of 20 ms that are sent ahead of time.", unit="frames", at_least=1, at_most=3
    )


@dataclass(frozen=True, slots=True)
class ScriptedSettings:
    """Stand-ins with declared latencies, for tests and measurements; in use where a provider is `scripted`."""

    stt_ms: int = setting(
        100,
        "From the question for a text to the text.",
        unit="ms",
        at_least=0,
        at_most=60_000,
        variable="SCRIPTED_STT_MS",
    )
    first_token_ms: int = setting(
        200,
        "From the question to the first token.",
        unit="ms",
        at_least=0,
        at_most=60_000,
        variable="SCRIPTED_FIRST_TOKEN_MS",
    )
    tokens_per_second: float = setting(
        50.0,
        "Pace of the tokens after the first.",
        unit="tokens/s",
        at_least=0.1,
        at_most=100_000,
        variable="SCRIPTED_TOKENS_PER_SECOND",
    )
    first_audio_ms: int = setting(
        100,
        "From a clause to its first audio.",
        unit="ms",
        at_least=0,
        at_most=60_000,
        variable="SCRIPTED_FIRST_AUDIO_MS",
    )
    reply_words: int = setting(
        10, "Length of an answer.", unit="words", at_least=1, at_most=10_000, variable="SCRIPTED_REPLY_WORDS"
    )
    texts: tuple[str, ...] = setting(
        (),
        "What the recogniser recognises, in turn; empty: five sentences of a caller.",
        expected="texts separated by `|`",
        variable="SCRIPTED_TEXTS",
    )


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """The shop's API."""

    url: str = setting(
        "embedded",
        "Address of the Store API; `embedded` is a demonstration store that runs beside the engine.",
        pattern=r"embedded|https?://[^\s]+",
        expected="`embedded` or a URL (`http://…`, `https://…`)",
        variable="STORE_URL",
    )
    token: Secret = setting(Secret(""), "Bearer token for the Store API.", variable="STORE_TOKEN")
    timeout_s: float = setting(
        5.0,
        "Longest wait for one answer of the store. All tries together take no longer than the tool that asks may: 8 s.",
        unit="s",
        at_least=0.1,
        at_most=60,
        variable="STORE_TIMEOUT_S",
    )
    retries: int = setting(
        2,
        "How often a request is made again after 429, 503 or a broken connection.",
        at_least=0,
        at_most=5,
        variable="STORE_RETRIES",
    )
    breaker_failures: int = setting(
        5,
        "Failures in a row, of all calls of a node together, after which the store is left alone.",
        unit="failures",
        at_least=1,
        at_most=1000,
        variable="STORE_BREAKER_FAILURES",
    )
    breaker_open_s: float = setting(
        30.0,
        "How long the store is left alone before one request tries it again.",
        unit="s",
        at_least=1,
        at_most=3600,
        variable="STORE_BREAKER_OPEN_S",
    )
    demo_admin_token: Secret = setting(
        Secret(""),
        "Bearer token for the fault switch of the demonstration store (`PUT /store/__faults`); empty: it has none.",
        variable="STORE_DEMO_ADMIN_TOKEN",
    )


@dataclass(frozen=True, slots=True)
class KnowledgeSettings:
    """What the business tells its callers."""

    source: Secret = setting(
        Secret(""),
        "Where articles are searched: in the playbook's folder (empty, or `playbook`), or in a database (PostgreSQL "
        "with pgvector) that `trunkline knowledge embed` fills.",
        pattern=r"playbook|postgres(?:ql)?://[^\s]+",
        expected="`playbook` or a URL (`postgresql://USER:PASSWORD@HOST/DATABASE`)",
        variable="KNOWLEDGE",
    )
    timeout_s: float = setting(
        1.0,
        "Longest wait for one search of the database; then the playbook's own passages are searched.",
        unit="s",
        at_least=0.05,
        at_most=10,
        variable="KNOWLEDGE_TIMEOUT_S",
    )

    @property
    def database(self) -> str:
        """URL of the database; empty where the playbook's folder is searched."""
        source = self.source.reveal()
        return "" if source == "playbook" else source


@dataclass(frozen=True, slots=True)
class RaySettings:
    """The Ray cluster."""

    address: str = setting(
        "",
        "Address of a running Ray cluster; empty: one is started on this machine.",
        pattern=rf"|auto|{_HOST}:[0-9]{{1,5}}",
        expected="empty, `auto` or `HOST:PORT`",
        variable="RAY_ADDRESS",
    )
    cpus: int = setting(
        0, "CPUs to tell Ray of; 0: as the machine has.", unit="CPUs", at_least=0, at_most=4096, variable="RAY_CPUS"
    )
    dashboard: bool = setting(
        False, "Whether Ray's own dashboard is started; it costs memory.", variable="RAY_DASHBOARD"
    )


@dataclass(frozen=True, slots=True)
class PathSettings:
    """Where the engine keeps what it writes."""

    state_dir: Path = setting(
        Path("var"),
        "Folder for recordings, cached speech and logs; made where it is missing. Relative to the working directory.",
        expected="a path",
    )

    @property
    def recordings(self) -> Path:
        """Folder of the recorded calls."""
        return self.state_dir / "recordings"

    @property
    def speech_cache(self) -> Path:
        """Folder of the sentences already spoken."""
        return self.state_dir / "speech-cache"

    @property
    def breakers(self) -> Path:
        """Folder of the circuit breakers that the processes of this machine share; another machine has its own."""
        return self.state_dir / "breakers" / platform.node()

    @property
    def outbox(self) -> Path:
        """Folder of the events that are not written everywhere yet; of this machine alone."""
        return self.state_dir / "outbox"

    @property
    def logs(self) -> Path:
        """Folder of logs that do not go to the terminal."""
        return self.state_dir / "logs"


@dataclass(frozen=True, slots=True)
class LoggingSettings:
    """What is told while it runs, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = setting(
        "info", "Least severity that is logged.", variable="LOG_LEVEL"
    )
    format: Literal["text", "json"] = setting(
        "text", "Lines for people, or one JSON object a line.", variable="LOG_FORMAT"
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. Plain data: it pickles, compares and travels to Ray actors as it is."""

    network: NetworkSettings = field(default_factory=NetworkSettings)
    pool: PoolSettings = field(default_factory=PoolSettings)
    speech: SpeechSettings = field(default_factory=SpeechSettings)
    google: GoogleSettings = field(default_factory=GoogleSettings)
    openai_speech: OpenAiSpeechSettings = field(default_factory=OpenAiSpeechSettings)
    dialogue: DialogueSettings = field(default_factory=DialogueSettings)
    scripted: ScriptedSettings = field(default_factory=ScriptedSettings)
    chains: ChainSettings = field(default_factory=ChainSettings)
    openai: OpenAiSettings = field(default_factory=OpenAiSettings)
    openai_chat: OpenAiChatSettings = field(default_factory=OpenAiChatSettings)
    anthropic: AnthropicSettings = field(default_factory=AnthropicSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    knowledge: KnowledgeSettings = field(default_factory=KnowledgeSettings)
    records: RecordsSettings = field(default_factory=RecordsSettings)
    reports: ReportSettings = field(default_factory=ReportSettings)
    prices: PriceSettings = field(default_factory=PriceSettings)
    backup: BackupSettings = field(default_factory=BackupSettings)
    backup_keys: BackupKeySettings = field(default_factory=BackupKeySettings)
    backup_s3: BackupS3Settings = field(default_factory=BackupS3Settings)
    postgres_programs: PostgresProgramSettings = field(default_factory=PostgresProgramSettings)
    ray: RaySettings = field(default_factory=RaySettings)
    paths: PathSettings = field(default_factory=PathSettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)
    operations: OperationsSettings = field(default_factory=OperationsSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    terms: TermSettings = field(default_factory=TermSettings)


def provider_names(providers: str) -> tuple[str, ...]:
    """The providers that a setting names, the first to be asked first."""
    return tuple(providers.split(","))


def remote_target(provider: str) -> str | None:
    """``HOST:PORT`` of a provider named ``grpc://HOST:PORT``; None for any other, and for a chain of several."""
    if "," in provider:
        return None
    scheme, separator, target = provider.partition("://")
    return target if separator and scheme == "grpc" else None
