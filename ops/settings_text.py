"""The settings as documents: a page to read and an environment file to fill in, both made from their declarations."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine.config import Secret
from engine.config.loading import expected, section_classes
from engine.config.records import EMBEDDED, NONE
from engine.config.setting import declared

CHOICES = frozenset({EMBEDDED, NONE})

_MADE = "Made by `trunkline settings --{}` from the declarations in `engine/config`; do not edit."

_PAGE_HEAD = """\
# Settings

<!-- {made} -->

Every setting is an environment variable. A wrong one is refused at start, all of them at once, each with its value and
what was expected; so is a variable that begins with `TRUNKLINE_` and that nobody knows. An empty variable counts as one
that is not set. `trunkline settings` shows what is in force, `trunkline doctor` whether this machine can do it.
"""


def markdown() -> str:
    """The page ``docs/settings.md``."""
    lines = [_PAGE_HEAD.format(made=_MADE.format("markdown"))]
    for section in section_classes().values():
        lines += [
            f"## {_title(section)}",
            "",
            inspect.getdoc(section) or "",
            "",
            "| variable | default | expected | what it does |",
            "|---|---|---|---|",
        ]
        for one in declared(section):
            cells = (f"`{one.variable}`", _code(default_text(one.default)), expected(one), one.rule.help)
            lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def environment_file() -> str:
    """The file ``.env.example``: every setting, commented out, at its default."""
    lines = [f"# {_MADE.format('env').replace('`', '')}", "# Take the # away from what you change."]
    for section in section_classes().values():
        lines += ["", f"# --- {_title(section)}: {inspect.getdoc(section)}"]
        for one in declared(section):
            text = default_text(one.default)
            lines += [f"# {one.rule.help} Expected: {expected(one)}.".replace("`", ""), f"#{one.variable}={text}"]
    return "\n".join(lines) + "\n"


def in_force(settings: Any) -> list[tuple[str, str, bool]]:
    """Variable, value as text (secrets hidden) and whether it differs from the default, for each setting."""
    rows = []
    for name, section in section_classes().items():
        for one in declared(section):
            value = getattr(getattr(settings, name), one.field)
            default = one.default.absolute() if isinstance(one.default, Path) else one.default
            rows.append((one.variable, default_text(value), value != default))
    return rows


def default_text(value: object) -> str:
    """A value as it would be written in the environment; a secret shows only that it is there, where it is not one of
    the words that stand for a choice."""
    match value:
        case Secret() if value.reveal() in CHOICES:
            return value.reveal()
        case Secret():
            return "********" if value else ""
        case bool():
            return "true" if value else "false"
        case None:
            return ""
        case float():
            return f"{value:g}"
        case str() | int() | Path():
            return str(value)
        case Iterable():
            return "|".join(str(part) for part in value)
        case _:
            raise TypeError(f"no setting is a {type(value).__name__}")


def _title(section: type[Any]) -> str:
    return section.__name__.removesuffix("Settings")


def _code(text: str) -> str:
    return f"`{text}`" if text else "–"
