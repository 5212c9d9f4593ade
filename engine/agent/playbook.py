"""Playbooks: what belongs to one business and not to the engine, loaded from a folder of YAML and Markdown.

``playbook.yaml`` names the other files. Everything is checked while it is loaded; a mistake raises ConfigurationError
with the file, the line and the key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from engine.agent.ports import Phrases
from engine.errors import ConfigurationError

_HOME = Path(__file__).parent / "playbooks"
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Passage:
    """One fact the business tells its callers."""

    id: str
    text: str
    asks: tuple[str, ...] = ()
    """Words that callers use for it; searched, never spoken."""


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
    version: str = ""
    """Twelve hex digits of the content; another content, another version."""


class _Source:
    """One YAML file with the line of each key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.text = path.read_text(encoding="utf-8")
            node = yaml.compose(self.text, Loader=yaml.SafeLoader)
            self.data: Any = yaml.safe_load(self.text)
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from error
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f":{mark.line + 1}" if mark is not None else ""
            raise ConfigurationError(f"{path}{line}: not valid YAML: {getattr(error, 'problem', error)}") from error
        self._lines: dict[str, int] = {}
        if node is not None:
            self._walk(node, "")

    def _walk(self, node: yaml.Node, prefix: str) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                name = f"{prefix}{key.value}"
                self._lines[name] = key.start_mark.line + 1
                self._walk(value, f"{name}.")
        elif isinstance(node, yaml.SequenceNode):
            for position, item in enumerate(node.value):
                self._lines[f"{prefix}{position}"] = item.start_mark.line + 1
                self._walk(item, f"{prefix}{position}.")

    def wrong(self, key: str, expected: str) -> ConfigurationError:
        line = self._lines.get(key)
        while line is None and "." in key:
            parent = key.rpartition(".")[0]
            line = self._lines.get(parent)
            if line is None:
                key = parent
        return ConfigurationError(f"{self.path}{f':{line}' if line else ''}: {key}: {expected}")

    def mapping(self, value: Any, key: str) -> dict[str, Any]:
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            raise self.wrong(key, "expected a mapping")
        return value

    def text_of(self, value: Any, key: str, *, empty: bool = False) -> str:
        if not isinstance(value, str) or not (empty or value.strip()):
            raise self.wrong(key, "expected a text")
        return value

    def texts(self, value: Any, key: str) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise self.wrong(key, "expected a list of texts")
        return tuple(self.text_of(item, f"{key}.{position}") for position, item in enumerate(value))


_REQUIRED = ("name", "phrases", "prompt", "tools", "transfer_targets")
_KNOWN = {
    *_REQUIRED, "language", "voice", "knowledge", "sentences", "opening_hours", "brands", "hints", "max_quantity",
    "off_topic", "product_prefix",
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
    source = _Source(folder / "playbook.yaml")
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
    return Playbook(
        name=source.text_of(data["name"], "name"),
        language=source.text_of(data.get("language", "en"), "language"),
        phrases=_phrases(source, data["phrases"]),
        prompt=prompt,
        tools=_tools(source, data["tools"]),
        transfer_targets=source.texts(data["transfer_targets"], "transfer_targets"),
        voice=source.text_of(data.get("voice", ""), "voice", empty=True),
        hours=hours,
        knowledge=_knowledge(source, folder, data.get("knowledge"), digest),
        sentences=_sentences(source, folder, data.get("sentences"), digest),
        brands=brands,
        hints=(*brands, *source.texts(data.get("hints", []), "hints")),
        off_topic=source.texts(data.get("off_topic", []), "off_topic"),
        max_quantity=maximum,
        product_prefix=source.text_of(data.get("product_prefix", ""), "product_prefix", empty=True),
        version=digest.hexdigest()[:12],
    )


def _tools(source: _Source, value: Any) -> tuple[str, ...]:
    names = source.texts(value, "tools")
    for position, name in enumerate(names):
        if name in names[:position]:
            raise source.wrong(f"tools.{position}", f"{name} stands there twice")
    return names


def _phrases(source: _Source, value: Any) -> Phrases:
    data = source.mapping(value, "phrases")
    known = {entry.name for entry in fields(Phrases)}
    for key in data:
        if key not in known:
            raise source.wrong(f"phrases.{key}", f"unknown phrase (known: {', '.join(sorted(known))})")
    for key in sorted(known - {"fillers"} - set(data)):
        raise source.wrong(f"phrases.{key}", "missing")
    texts = {key: source.text_of(text, f"phrases.{key}") for key, text in data.items() if key != "fillers"}
    return Phrases(**texts, fillers=source.texts(data.get("fillers", []), "phrases.fillers"))


def _prompt(source: _Source, folder: Path, value: Any, digest: hashlib._Hash) -> str:
    path = folder / source.text_of(value, "prompt")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise source.wrong("prompt", f"{path} cannot be read ({error.strerror})") from error
    digest.update(text.encode())
    return text


def _hours(source: _Source, value: Any) -> OpeningHours:
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


def _knowledge(parent: _Source, folder: Path, value: Any, digest: hashlib._Hash) -> tuple[Passage, ...]:
    if value is None:
        return ()
    source = _Source(folder / parent.text_of(value, "knowledge"))
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


def _sentences(parent: _Source, folder: Path, value: Any, digest: hashlib._Hash) -> dict[str, str]:
    if value is None:
        return {}
    source = _Source(folder / parent.text_of(value, "sentences"))
    digest.update(source.text.encode())
    flat: dict[str, str] = {}
    for key, text in source.mapping(source.data, "sentences").items():
        if isinstance(text, dict):
            flat.update({f"{key}.{inner}": source.text_of(t, f"{key}.{inner}") for inner, t in text.items()})
        else:
            flat[key] = source.text_of(text, key)
    return flat
