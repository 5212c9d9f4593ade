"""A YAML file with the line of each key, so that a mistake in it can be pointed at."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from engine.errors import ConfigurationError


class Source:
    """One YAML file."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigurationError with file and line."""
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
        """The error that names ``key`` and its line, or the line of what holds it."""
        line, near = self._lines.get(key), key
        while line is None and "." in near:
            near = near.rpartition(".")[0]
            line = self._lines.get(near)
        return ConfigurationError(f"{self.path}{f':{line}' if line else ''}: {key}: {expected}")

    def mapping(self, value: Any, key: str, known: frozenset[str] | None = None) -> dict[str, Any]:
        """Raises ConfigurationError; ``known`` are the keys there may be."""
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            raise self.wrong(key, "expected a mapping")
        for name in value:
            if known is not None and name not in known:
                raise self.wrong(f"{key}.{name}" if key else name, f"unknown key (known: {', '.join(sorted(known))})")
        return value

    def text_of(self, value: Any, key: str, *, empty: bool = False) -> str:
        """Raises ConfigurationError."""
        if not isinstance(value, str) or not (empty or value.strip()):
            raise self.wrong(key, "expected a text")
        return value

    def texts(self, value: Any, key: str) -> tuple[str, ...]:
        """Raises ConfigurationError."""
        if not isinstance(value, list):
            raise self.wrong(key, "expected a list of texts")
        return tuple(self.text_of(item, f"{key}.{position}") for position, item in enumerate(value))

    def number(self, value: Any, key: str, low: int, high: int) -> int:
        """Raises ConfigurationError."""
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(key, f"expected a whole number from {low} to {high}")
        return value

    def pattern(self, value: Any, key: str) -> re.Pattern[str]:
        """A pattern over what callers say, upper and lower case alike. Raises ConfigurationError."""
        try:
            return re.compile(self.text_of(value, key), re.IGNORECASE)
        except re.error as error:
            raise self.wrong(key, f"not a regular expression: {error}") from error

    def flag(self, value: Any, key: str) -> bool:
        """Raises ConfigurationError."""
        if not isinstance(value, bool):
            raise self.wrong(key, "expected true or false")
        return value
