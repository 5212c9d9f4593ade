"""Reads a playbook's forms from YAML and checks that they hang together; a mistake names file, line and key."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from engine.agent.forms import PLACEHOLDER, Ask, Condition, Form, FormBook, Refusal, ResultSpec, Run, SlotSpec, Step
from engine.agent.source import Source

KINDS = frozenset(
    {"digits", "quantity", "phone", "date", "time", "name", "names", "text", "choice", "offered"}
)  # fmt: skip
"""Kinds of slots that the engine reads by itself."""

_TOP = frozenset({"slots", "forms", "results", "refusals", "complaint", "knowledge"})
_SLOT = frozenset(
    {
        *("kind", "ask", "again", "unknown", "unknown_form", "asked", "words", "options", "names", "least", "most"),
        *("of", "key", "label", "match", "match_date", "match_time", "shown"),
        *("optional", "open", "label_same", "missed"),
    }
)
_TEXTS = (
    *("ask", "again", "missed", "unknown", "unknown_form", "of", "key", "label", "label_same"),
    *("match_date", "match_time"),
)
_FORM = frozenset({"about", "words", "steps", "next", "forget", "instead_of"})
_ASK = frozenset({"ask", "when"})
_RUN = frozenset({"run", "with", "when", "confirm", "agreed", "then", "none", "clear"})
_ALWAYS = frozenset({"options", "maximum", "hours", "result", "caller"})
"""Words in braces that need no slot."""


def read_forms(
    source: Source, tools: Collection[str], kinds: Collection[str] = (), goods: tuple[str, ...] = ()
) -> FormBook:
    """``kinds``: those that the playbook's own code adds. ``goods``: see ``Playbook``. Raises ConfigurationError."""
    data = source.mapping(source.data, "", _TOP)
    slots = {
        name: _slot(source, name, spec, {*KINDS, *kinds}, goods)
        for name, spec in source.mapping(data.get("slots", {}), "slots").items()
    }
    results = {
        tool: _result(source, tool, spec, tools)
        for tool, spec in source.mapping(data.get("results", {}), "results").items()
    }
    forms = {
        name: _form(source, name, spec, tools) for name, spec in source.mapping(data.get("forms", {}), "forms").items()
    }
    refusals = {}
    for code, spec in source.mapping(data.get("refusals", {}), "refusals").items():
        key = f"refusals.{code}"
        spec = source.mapping(spec, key, frozenset({"say", "clear"}))  # noqa: PLW2901
        refusals[code] = Refusal(
            source.text_of(spec.get("say"), f"{key}.say"), source.texts(spec.get("clear", []), f"{key}.clear")
        )
    words = {key: source.pattern(data[key], key) for key in ("complaint", "knowledge") if key in data}
    book = FormBook(slots, forms, results, refusals, **words)
    _check(source, book)
    return book


def _slot(source: Source, name: str, value: Any, kinds: Collection[str], goods: tuple[str, ...]) -> SlotSpec:
    key = f"slots.{name}"
    data = source.mapping(value, key, _SLOT)
    kind = source.text_of(data.get("kind"), f"{key}.kind")
    if kind not in kinds:
        raise source.wrong(f"{key}.kind", f"unknown kind {kind!r} (known: {', '.join(sorted(kinds))})")
    patterns: dict[str, Any] = {
        part: source.pattern(data[part], f"{key}.{part}") for part in ("asked", "words") if part in data
    }
    options, said = _options(source, data.get("options", {}), f"{key}.options")
    for needed, given in (("options", kind == "choice"), ("names", kind == "names"), ("of", kind == "offered")):
        if given and not data.get(needed):
            raise source.wrong(key, f"a slot of kind {kind} needs {needed!r}")
    if kind == "offered" and not data.get("label"):
        raise source.wrong(key, "a slot of kind offered needs 'label'")
    texts: dict[str, Any] = {part: source.text_of(data[part], f"{key}.{part}") for part in _TEXTS if part in data}
    numbers: dict[str, Any] = {
        part: source.number(data[part], f"{key}.{part}", 1, 40) for part in ("least", "most", "shown") if part in data
    }
    return SlotSpec(
        name,
        kind,
        **texts,
        **patterns,
        **numbers,
        options=options,
        said=said,
        open=source.flag(data.get("open", False), f"{key}.open"),
        names=source.texts(data.get("names", []), f"{key}.names"),
        goods=goods,
        match=source.texts(data.get("match", []), f"{key}.match"),
        optional=source.flag(data.get("optional", False), f"{key}.optional"),
    )


def _options(source: Source, value: Any, key: str) -> tuple[dict[str, re.Pattern[str]], dict[str, str]]:
    """Value → its words, and how it is said."""
    words: dict[str, re.Pattern[str]] = {}
    said: dict[str, str] = {}
    for option, entry in source.mapping(value, key).items():
        if isinstance(entry, dict):
            data = source.mapping(entry, f"{key}.{option}", frozenset({"words", "say"}))
            said[option] = source.text_of(data.get("say", option), f"{key}.{option}.say")
            words[option] = source.pattern(data.get("words"), f"{key}.{option}.words")
        else:
            words[option] = source.pattern(entry, f"{key}.{option}")
    return words, said


def _result(source: Source, tool: str, value: Any, tools: Collection[str]) -> ResultSpec:
    key = f"results.{tool}"
    _known_tool(source, key, tool, tools)
    data = source.mapping(value, key, frozenset({"offers", "path", "keep", "label"}))
    keep = source.mapping(data.get("keep", {}), f"{key}.keep")
    offers = source.text_of(data.get("offers", ""), f"{key}.offers", empty=True)
    return ResultSpec(
        offers,
        source.text_of(data.get("path", offers), f"{key}.path", empty=True),
        source.text_of(data.get("label", ""), f"{key}.label", empty=True),
        {slot: source.text_of(path, f"{key}.keep.{slot}") for slot, path in keep.items()},
    )


def _known_tool(source: Source, key: str, tool: str, tools: Collection[str]) -> None:
    if tool not in tools:
        raise source.wrong(key, f"the playbook has no tool {tool!r} (it has: {', '.join(sorted(tools))})")


def _form(source: Source, name: str, value: Any, tools: Collection[str]) -> Form:
    key = f"forms.{name}"
    data = source.mapping(value, key, _FORM)
    steps = data.get("steps")
    if not isinstance(steps, list) or not steps:
        raise source.wrong(f"{key}.steps", "expected a list of steps")
    words = data.get("words", [])
    if not isinstance(words, list):
        raise source.wrong(f"{key}.words", "expected a list of patterns")
    return Form(
        name,
        source.text_of(data.get("about", ""), f"{key}.about", empty=True),
        tuple(_step(source, f"{key}.steps.{position}", step, tools) for position, step in enumerate(steps)),
        tuple(_weighted(source, f"{key}.words.{position}", entry) for position, entry in enumerate(words)),
        source.text_of(data.get("next", ""), f"{key}.next", empty=True),
        source.texts(data.get("forget", []), f"{key}.forget"),
        source.texts(data.get("instead_of", []), f"{key}.instead_of"),
    )


def _weighted(source: Source, key: str, value: Any) -> Any:
    """A pattern, or [weight, pattern]; 3 where no weight stands there."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], int | float):
        return source.pattern(value[1], key), float(value[0])
    return source.pattern(value, key), 3.0


def _step(source: Source, key: str, value: Any, tools: Collection[str]) -> Step:
    data = source.mapping(value, key)
    if "ask" in data:
        source.mapping(value, key, _ASK)
        return Ask(source.text_of(data["ask"], f"{key}.ask"), _condition(source, data.get("when"), f"{key}.when"))
    source.mapping(value, key, _RUN)
    tool = source.text_of(data.get("run"), f"{key}.run")
    _known_tool(source, f"{key}.run", tool, tools)
    given = source.mapping(data.get("with", {}), f"{key}.with")
    return Run(
        tool,
        {name: source.text_of(text, f"{key}.with.{name}") for name, text in given.items()},
        _condition(source, data.get("when"), f"{key}.when"),
        confirm=source.text_of(data.get("confirm", ""), f"{key}.confirm", empty=True),
        agreed=source.pattern(data["agreed"], f"{key}.agreed") if "agreed" in data else None,
        then=source.text_of(data.get("then", ""), f"{key}.then", empty=True),
        none=source.text_of(data.get("none", ""), f"{key}.none", empty=True),
        clear=source.texts(data.get("clear", []), f"{key}.clear"),
    )


def _condition(source: Source, value: Any, key: str) -> Condition | None:
    if value is None:
        return None
    text = source.text_of(value, key)
    negated = text.startswith("not ")
    slot, _, wanted = text.removeprefix("not ").partition("=")
    return Condition(slot.strip(), wanted.strip(), negated)


def _check(source: Source, book: FormBook) -> None:  # noqa: C901 - one check after the other
    """That every name leads somewhere."""
    known = {*book.slots, *(slot for spec in book.results.values() for slot in spec.keep)}
    lists = {spec.offers for spec in book.results.values()}
    for slot in book.slots.values():
        key = f"slots.{slot.name}"
        if slot.of and slot.of not in lists:
            raise source.wrong(f"{key}.of", f"no result offers {slot.of!r}")
        if slot.unknown_form and slot.unknown_form not in book.forms:
            raise source.wrong(f"{key}.unknown_form", f"there is no form {slot.unknown_form!r}")
        for part in ("ask", "again", "unknown", "missed"):
            _check_words(source, f"{key}.{part}", getattr(slot, part), known)
    for form in book.forms.values():
        key = f"forms.{form.name}"
        if form.next and form.next not in book.forms:
            raise source.wrong(f"{key}.next", f"there is no form {form.next!r}")
        for other in form.instead_of:
            if other not in book.forms:
                raise source.wrong(f"{key}.instead_of", f"there is no form {other!r}")
        for name in form.forget:
            _check_slot(source, f"{key}.forget", name, known)
        for position, step in enumerate(form.steps):
            _check_step(source, f"{key}.steps.{position}", step, book.slots, known)
    for code, refusal in book.refusals.items():
        _check_words(source, f"refusals.{code}.say", refusal.say, known | {"message"})
        for name in refusal.clear:
            _check_slot(source, f"refusals.{code}.clear", name, known)


def _check_step(source: Source, key: str, step: Step, slots: Mapping[str, SlotSpec], known: Collection[str]) -> None:
    if step.when is not None:
        _check_slot(source, f"{key}.when", step.when.slot, known)
    if isinstance(step, Ask):
        if step.slot not in slots:
            raise source.wrong(f"{key}.ask", f"there is no slot {step.slot!r}")
        if not slots[step.slot].ask:
            raise source.wrong(f"slots.{step.slot}", f"a form asks for {step.slot!r}, which has no question ('ask')")
        return
    for name, expression in step.arguments.items():
        if not expression.startswith("="):
            _check_slot(source, f"{key}.with.{name}", expression.removeprefix("maybe ").partition(".")[0], known)
    for name in step.clear:
        _check_slot(source, f"{key}.clear", name, known)
    for part in ("confirm", "then", "none"):
        _check_words(source, f"{key}.{part}", getattr(step, part), known)
    if step.confirm and not step.confirm.rstrip().endswith("?"):
        raise source.wrong(f"{key}.confirm", "what is read back must end with a question")


def _check_slot(source: Source, key: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise source.wrong(key, f"there is no slot {name!r} (there are: {', '.join(sorted(known))})")


def _check_words(source: Source, key: str, text: str, known: Collection[str]) -> None:
    for path in PLACEHOLDER.findall(text):
        name = path.partition(".")[0]
        if name not in known and name not in _ALWAYS:
            raise source.wrong(key, f"{{{path}}} is no slot (there are: {', '.join(sorted(known))})")
    if "{" in PLACEHOLDER.sub("", text) or "}" in PLACEHOLDER.sub("", text):
        raise source.wrong(key, "a brace that is not closed, or holds something else than a name")
