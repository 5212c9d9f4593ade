"""Playbooks: what belongs to one business and not to the engine, loaded from a folder of YAML and Markdown.

``playbook.yaml`` names the other files. Everything is checked while it is loaded; a mistake raises ConfigurationError
with the file, the line and the key.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.agent.forms import FormBook
from engine.agent.own_speech import NOTHING_OWN, OwnSpeech
from engine.agent.ports import Phrases
from engine.agent.source import Source
from engine.errors import ConfigurationError
from engine.knowledge.port import Passage
from engine.knowledge.topics import Table, Topic

if TYPE_CHECKING:
    from engine.agent.http_tools import HttpToolset
    from engine.agent.rules import Rules

_HOME = Path(__file__).parents[1] / "playbooks"
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """When people work there, in their own time."""

    timezone: str = "UTC"
    days: Mapping[int, tuple[time, time]] = field(default_factory=dict)
    """Weekday (Monday is 0) → opening and closing time; a day left out is closed. Empty: always open."""

    def open_at(self, wall: float) -> bool:
        """Whether the business is open at ``wall`` (seconds since 1970-01-01 UTC)."""
        if not self.days:
            return True
        moment = datetime.fromtimestamp(wall, ZoneInfo(self.timezone))
        hours = self.days.get(moment.weekday())
        return hours is not None and hours[0] <= moment.time().replace(tzinfo=None) < hours[1]

    def today(self, wall: float) -> date:
        """The date there at ``wall``."""
        return datetime.fromtimestamp(wall, ZoneInfo(self.timezone)).date()

    def spoken(self) -> str:
        """For a sentence: "Monday to Friday from 08:00 to 19:00, and Saturday from 09:00 to 16:00"."""
        if not self.days:
            return "at all times"
        spans: list[tuple[int, int, tuple[time, time]]] = []
        for day, hours in sorted(self.days.items()):
            if spans and spans[-1][1] == day - 1 and spans[-1][2] == hours:
                spans[-1] = (spans[-1][0], day, hours)
            else:
                spans.append((day, day, hours))
        named = [
            f"{_DAYS[first].capitalize()}{f' to {_DAYS[last].capitalize()}' if last > first else ''} "
            f"from {hours[0]:%H:%M} to {hours[1]:%H:%M}"
            for first, last, hours in spans
        ]
        return ", and ".join(filter(None, (", ".join(named[:-1]), named[-1])))

    def describe(self) -> str:
        """For a prompt: "Monday 08:00-19:00, …"."""
        if not self.days:
            return "always open"
        named = (
            f"{_DAYS[day].capitalize()} {hours[0]:%H:%M}-{hours[1]:%H:%M}" for day, hours in sorted(self.days.items())
        )
        return ", ".join(named) + f"; closed otherwise ({self.timezone})"


@dataclass(frozen=True, slots=True)
class Playbook:
    """One business."""

    name: str
    language: str
    phrases: Phrases
    prompt: str
    tools: tuple[str, ...]
    transfer_targets: tuple[str, ...]
    voice: str = ""
    hours: OpeningHours = field(default_factory=OpeningHours)
    knowledge: tuple[Passage, ...] = ()
    sentences: Mapping[str, str] = field(default_factory=dict)
    """Sentences of the rule-based model; keys of a nested mapping are joined by a dot."""
    brands: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    """Words for the recogniser to favour, brands included."""
    off_topic: tuple[str, ...] = ()
    """Sentences that have nothing to do with the business, for telling them from questions about it."""
    max_quantity: int = 99
    product_prefix: str = ""
    goods: tuple[str, ...] = ()
    """What callers count, such as "ticket…" for ticket, tickets and so on: "ten tickets" is no time of day."""
    topics: Table = field(default_factory=dict)
    """Topics of the trade, for searching the knowledge."""
    spellings: Mapping[str, str] = field(default_factory=dict)
    """How callers and models may write the beginning of a word → how the knowledge writes it."""
    forms: FormBook = field(default_factory=FormBook)
    dialled: tuple[str, ...] = ()
    """Numbers whose calls it leads."""
    code: str = ""
    """Python module of its own rules and tools; empty: it is data alone."""
    http: HttpToolset | None = None
    """Tools over the business's own API."""
    transfer_by_reason: Mapping[str, str] = field(default_factory=dict)
    """Reason of a transfer → target; the first target where none stands there."""
    knowledge_about: str = ""
    """What the knowledge tells, for a model that chooses a tool."""
    folder: Path = field(default=Path(), compare=False)
    version: str = ""
    """Twelve hex digits of the content; another content, another version."""


_REQUIRED = ("name", "phrases", "prompt", "tools", "transfer_targets")
_KNOWN = {
    *_REQUIRED, "language", "voice", "knowledge", "sentences", "opening_hours", "brands", "hints", "max_quantity",
    "off_topic", "product_prefix", "forms", "dialled", "code", "http",
    "transfer_by_reason", "knowledge_about", "topics", "spellings", "goods",
}  # fmt: skip


def load_playbook(name_or_path: str | Path) -> Playbook:
    """The playbook of this name (delivered with the engine) or in this folder.

    Raises ConfigurationError that names file, line and key.
    """
    folder = Path(name_or_path)
    if not folder.is_dir() and folder.name == str(name_or_path):
        folder = _HOME / folder.name
    if not (folder / "playbook.yaml").is_file():
        delivered = ", ".join(sorted(path.name for path in _HOME.iterdir() if path.is_dir()))
        raise ConfigurationError(f"{folder}: no playbook.yaml there (delivered playbooks: {delivered})")
    source = Source(folder / "playbook.yaml")
    data = source.mapping(source.data, "playbook.yaml")
    for key in data:
        if key not in _KNOWN:
            raise source.wrong(key, f"unknown key (known: {', '.join(sorted(_KNOWN))})")
    for key in _REQUIRED:
        if key not in data:
            raise ConfigurationError(f"{source.path}: {key}: missing")
    hours = _hours(source, data.get("opening_hours", {}))
    digest = hashlib.sha256(source.text.encode())
    prompt = _prompt(source, folder, data["prompt"], digest).replace("{hours}", hours.describe())
    brands = source.texts(data.get("brands", []), "brands")
    maximum = data.get("max_quantity", 99)
    if not isinstance(maximum, int) or isinstance(maximum, bool) or not 1 <= maximum <= 99:
        raise source.wrong("max_quantity", "expected a whole number from 1 to 99")
    code = source.text_of(data.get("code", ""), "code", empty=True)
    rules = _rules(source, code)
    goods = tuple(noun.lower() for noun in source.texts(data.get("goods", []), "goods"))
    tools = _tools(source, data["tools"])
    targets = source.texts(data["transfer_targets"], "transfer_targets")
    if not targets:
        raise source.wrong("transfer_targets", "expected at least one")
    return Playbook(
        name=source.text_of(data["name"], "name"),
        language=source.text_of(data.get("language", "en"), "language"),
        phrases=_phrases(source, data["phrases"]),
        prompt=prompt,
        tools=tools,
        transfer_targets=targets,
        voice=source.text_of(data.get("voice", ""), "voice", empty=True),
        hours=hours,
        knowledge=_knowledge(source, folder, data.get("knowledge"), digest),
        goods=goods,
        topics=_topics(source, folder, data.get("topics"), digest),
        spellings=_spellings(source, data.get("spellings", {})),
        sentences=_sentences(source, folder, data.get("sentences"), digest, rules),
        forms=_forms(source, folder, data.get("forms"), digest, tools=tools, rules=rules, goods=goods),
        dialled=_dialled(source, data.get("dialled", [])),
        code=code,
        http=_http(source, folder, data.get("http"), digest, tools),
        transfer_by_reason=_by_reason(source, data.get("transfer_by_reason", {}), targets),
        knowledge_about=source.text_of(data.get("knowledge_about", ""), "knowledge_about", empty=True),
        folder=folder,
        brands=brands,
        hints=(*brands, *source.texts(data.get("hints", []), "hints")),
        off_topic=source.texts(data.get("off_topic", []), "off_topic"),
        max_quantity=maximum,
        product_prefix=source.text_of(data.get("product_prefix", ""), "product_prefix", empty=True),
        version=digest.hexdigest()[:12],
    )


def _tools(source: Source, value: Any) -> tuple[str, ...]:
    names = source.texts(value, "tools")
    for position, name in enumerate(names):
        if name in names[:position]:
            raise source.wrong(f"tools.{position}", f"{name} stands there twice")
    return names


_OPTIONAL_PHRASES = frozenset({"fillers", "tool_fillers", "not_heard", "still_working"})


def _phrases(source: Source, value: Any) -> Phrases:
    data = source.mapping(value, "phrases")
    known = {entry.name for entry in fields(Phrases)}
    for key in data:
        if key not in known:
            raise source.wrong(f"phrases.{key}", f"unknown phrase (known: {', '.join(sorted(known))})")
    structured = {"fillers", "tool_fillers"}
    for key in sorted(known - _OPTIONAL_PHRASES - set(data)):
        raise source.wrong(f"phrases.{key}", "missing")
    texts = {key: source.text_of(text, f"phrases.{key}") for key, text in data.items() if key not in structured}
    own = source.mapping(data.get("tool_fillers", {}), "phrases.tool_fillers")
    return Phrases(
        **texts,
        fillers=source.texts(data.get("fillers", []), "phrases.fillers"),
        tool_fillers={tool: source.text_of(text, f"phrases.tool_fillers.{tool}") for tool, text in own.items()},
    )


def _prompt(source: Source, folder: Path, value: Any, digest: hashlib._Hash) -> str:
    path = folder / source.text_of(value, "prompt")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise source.wrong("prompt", f"{path} cannot be read ({error.strerror})") from error
    digest.update(text.encode())
    return text


def _hours(source: Source, value: Any) -> OpeningHours:
    data = source.mapping(value, "opening_hours")
    zone = source.text_of(data.get("timezone", "UTC"), "opening_hours.timezone")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise source.wrong("opening_hours.timezone", f"no such time zone: {zone}") from error
    days: dict[int, tuple[time, time]] = {}
    for day, span in data.items():
        if day == "timezone":
            continue
        key = f"opening_hours.{day}"
        if day not in _DAYS:
            raise source.wrong(key, "expected a weekday in English")
        times = source.texts(span, key)
        try:
            opens, closes = (time.fromisoformat(text) for text in times)
        except ValueError as error:
            raise source.wrong(key, 'expected two times such as ["08:00", "19:00"]') from error
        if opens >= closes:
            raise source.wrong(key, "closes before it opens")
        days[_DAYS.index(day)] = (opens, closes)
    return OpeningHours(zone, days)


def _knowledge(parent: Source, folder: Path, value: Any, digest: hashlib._Hash) -> tuple[Passage, ...]:
    if value is None:
        return ()
    source = Source(folder / parent.text_of(value, "knowledge"))
    digest.update(source.text.encode())
    if not isinstance(source.data, list):
        raise source.wrong("knowledge", "expected a list of passages")
    passages = []
    for position, item in enumerate(source.data):
        data = source.mapping(item, str(position))
        for key in data:
            if key not in {"id", "text", "asks"}:
                raise source.wrong(f"{position}.{key}", "unknown key (known: asks, id, text)")
        passages.append(
            Passage(
                source.text_of(data.get("id"), f"{position}.id"),
                source.text_of(data.get("text"), f"{position}.text"),
                source.texts(data.get("asks", []), f"{position}.asks"),
            )
        )
    return tuple(passages)


def _topics(parent: Source, folder: Path, value: Any, digest: hashlib._Hash) -> Table:
    if value is None:
        return {}
    source = Source(folder / parent.text_of(value, "topics"))
    digest.update(source.text.encode())
    found = {}
    for name, entry in source.mapping(source.data, "").items():
        data = source.mapping(entry, name, frozenset({"words", "asks"}))
        words = source.text_of(data.get("words", ""), f"{name}.words", empty=True).split()
        for word in words:
            if not all(part.lstrip("=") for part in word.split("_")):
                raise source.wrong(f"{name}.words", f"{word!r} has an empty part")
        found[name] = Topic(tuple(words), source.texts(data.get("asks", []), f"{name}.asks"))
    return found


def _spellings(source: Source, value: Any) -> dict[str, str]:
    return {
        other.lower(): source.text_of(usual, f"spellings.{other}").lower()
        for other, usual in source.mapping(value, "spellings").items()
    }


def _sentences(parent: Source, folder: Path, value: Any, digest: hashlib._Hash, rules: type[Rules]) -> dict[str, str]:
    from engine.agent.replies import SENTENCES, check_sentences  # noqa: PLC0415 - it knows playbooks

    if value is None:
        return {}
    source = Source(folder / parent.text_of(value, "sentences"))
    digest.update(source.text.encode())
    flat: dict[str, str] = {}
    for key, text in source.mapping(source.data, "sentences").items():
        if isinstance(text, dict):
            flat.update({f"{key}.{inner}": source.text_of(t, f"{key}.{inner}") for inner, t in text.items()})
        else:
            flat[key] = source.text_of(text, key)
    check_sentences(source, flat, {**SENTENCES, **rules.SENTENCES}, {})
    return flat


def _forms(
    parent: Source,
    folder: Path,
    value: Any,
    digest: hashlib._Hash,
    *,
    tools: tuple[str, ...],
    rules: type[Rules],
    goods: tuple[str, ...],
) -> FormBook:
    from engine.agent.form_file import read_forms  # noqa: PLC0415 - only where there are forms

    if value is None:
        return FormBook()
    source = Source(folder / parent.text_of(value, "forms"))
    digest.update(source.text.encode())
    return read_forms(source, tools, rules.KINDS, goods)


def _http(
    parent: Source, folder: Path, value: Any, digest: hashlib._Hash, tools: tuple[str, ...]
) -> HttpToolset | None:
    from engine.agent.http_tools import read_http_tools  # noqa: PLC0415 - only where there is an API

    if value is None:
        return None
    source = Source(folder / parent.text_of(value, "http"))
    digest.update(source.text.encode())
    data = source.mapping(source.data, "", frozenset({"http"}))
    found = read_http_tools(source, data.get("http"), "http")
    for position, name in enumerate(found.names):
        if name not in tools:
            raise source.wrong(f"http.tools.{position}.name", f"{name} is not among the tools of {parent.path.name}")
    return found


def _by_reason(source: Source, value: Any, targets: tuple[str, ...]) -> dict[str, str]:
    found = source.mapping(value, "transfer_by_reason")
    for reason, target in found.items():
        if target not in targets:
            raise source.wrong(
                f"transfer_by_reason.{reason}", f"{target!r} is none of transfer_targets ({', '.join(targets)})"
            )
    return found


def _dialled(source: Source, value: Any) -> tuple[str, ...]:
    numbers = source.texts(value, "dialled")
    for position, number in enumerate(numbers):
        if number in numbers[:position]:
            raise source.wrong(f"dialled.{position}", f"{number} stands there twice")
    return numbers


def rules_of(code: str) -> type[Rules]:
    """The rules of a playbook's own module; the plain ones where it has none. Raises ImportError, AttributeError."""
    from engine.agent.rules import Rules  # noqa: PLC0415 - it knows playbooks

    if not code:
        return Rules
    found: type[Rules] = importlib.import_module(code).RULES
    return found


def speech_of(code: str) -> OwnSpeech:
    """What a playbook's own module says its own way; nothing where it has none. Raises ImportError."""
    found: OwnSpeech = getattr(importlib.import_module(code), "SPEECH", NOTHING_OWN) if code else NOTHING_OWN
    return found


def _rules(source: Source, code: str) -> type[Rules]:
    try:
        return rules_of(code)
    except (ImportError, AttributeError) as error:
        raise source.wrong("code", f"no module with RULES is named {code!r} ({error})") from error
