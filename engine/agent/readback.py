"""Before what cannot be undone: the agent read the details back in a question, and the caller said yes to them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from engine.agent.arguments import Argument, RefusedCallError
from engine.agent.assent import is_assent
from engine.agent.dates import dates, times
from engine.agent.grounding import hours_named, words_heard
from engine.agent.numbers import number_runs
from engine.agent.said import Said

_TAKES_BACK = re.compile(
    r"\b(?:but|except|instead|actually|rather|change|make (?:it|that)|unless|if|only|although|however|"
    r"но|кроме|вместо|лучше|только|если|измени\w*|але|крім|замість|краще|тільки|якщо|змін\w*)\b",
    re.IGNORECASE,
)
"""A yes with one of these is the beginning of something else."""
_YES = {"ru": "да", "uk": "так"}
"""What "cancel it" amounts to, by language."""
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_ISO_TIME = re.compile(r"\d{2}:\d{2}")
_AMOUNT = re.compile(r"\d+[.,]\d{1,2}|\d+")


def confirm(arguments: Sequence[Argument], values: Mapping[str, Any], said: Said, agreed: str = "") -> None:
    """Returns where the caller has confirmed these ``values``. Raises RefusedCallError, ``not_confirmed``, if not.

    ``agreed``: regular expression of words by which a caller agrees to just this ("cancel it").
    """
    unspoken = [
        argument.name
        for argument in arguments
        if argument.read_back and argument.name in values and not _was_spoken(argument, values[argument.name], said)
    ]
    if unspoken or "?" not in said.last_offer:
        details = ", ".join(unspoken) or "the details"
        raise RefusedCallError(
            "not_confirmed", f"not run: read {details} back and ask the caller to confirm", *unspoken[:1]
        )
    if not _agrees(said, agreed):
        raise RefusedCallError(
            "not_confirmed", "not run: the caller has not said yes to what you read back: confirm it"
        )
    for argument in arguments:
        if argument.read_back and argument.name in values and _contradicted(argument, values[argument.name], said):
            raise RefusedCallError(
                "not_confirmed",
                f"not run: the caller said another {argument.name}: read it back and ask to confirm",
                argument.name,
            )


def _agrees(said: Said, agreed: str) -> bool:
    """A clear yes, or the words for just this, and nothing that takes it back."""
    rest, named = re.subn(agreed, " ", said.last, flags=re.IGNORECASE) if agreed else (said.last, 0)
    if _TAKES_BACK.search(rest):
        return False
    return is_assent(f"{_YES.get(said.language[:2], 'yes')}, {rest}" if named else rest, said.language)


def _was_spoken(argument: Argument, value: Any, said: Said) -> bool:
    """Whether the agent's last words held ``value``, or what stands for it in the offer it comes from."""
    if argument.spoken_as:
        for record in said.offers(argument.offered, str(value)):
            return any(_group_spoken(record, group, said) for group in argument.spoken_as)
    called = argument.words.get(str(value))
    if called and re.search(called, said.last_offer, re.IGNORECASE):
        return True
    return stated(value, said.last_offer, said)


def _group_spoken(record: Mapping[str, Any], group: Sequence[str], said: Said) -> bool:
    present = [record[name] for name in group if record.get(name)]
    return bool(present) and all(stated(value, said.last_offer, said) for value in present)


def stated(value: Any, text: str, said: Said) -> bool:
    """Whether ``text`` states ``value``, in digits or in words: a day, a time, an amount, a number, a name."""
    plain = str(value).strip()
    if not plain:
        return False
    if _ISO_DATE.fullmatch(plain):
        return plain in text or plain in _days(text, said)
    if _ISO_TIME.fullmatch(plain):
        return plain in _times(text, said)
    if plain.replace(" ", "").lstrip("+").isdecimal():
        digits = plain.replace(" ", "").lstrip("+")
        return any(_holds(run.groups, digits) for run in number_runs(text, said.language))
    amount = _amount(plain)
    if amount is not None:
        return amount in _amounts(text, said)
    if plain.lower() in text.lower():
        return True
    return words_heard(plain.replace("_", " "), text, said.language)


def _holds(groups: Sequence[str], digits: str) -> bool:
    """Whether some of ``groups`` in a row make ``digits``: a number read out digit by digit, beside another."""
    return any("".join(groups[first:last]) == digits for last in range(len(groups) + 1) for first in range(last))


def _amount(text: str) -> Decimal | None:
    try:
        return Decimal(text) if _AMOUNT.fullmatch(text) else None
    except InvalidOperation:
        return None


def _amounts(text: str, said: Said) -> set[Decimal]:
    plain = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)  # 1,236.00
    written = {Decimal(match.group().replace(",", ".")) for match in _AMOUNT.finditer(plain)}
    return written | {Decimal(run.digits) for run in number_runs(text, said.language) if len(run.digits) < 12}


def _days(text: str, said: Said) -> Collection[str]:
    if said.today is None:
        return ()
    return [day.isoformat() for day in dates(text, said.today, said.language, said.goods)]


def _times(text: str, said: Said) -> Collection[str]:
    return [f"{moment:%H:%M}" for moment in times(text, said.language, goods=said.goods)]


def _contradicted(argument: Argument, value: Any, said: Said) -> bool:
    """Whether the caller's yes carried another value of this sort ("yes, on Friday", read back was Saturday)."""
    plain = str(value)
    if argument.kind == "date":
        named: Collection[str] = _days(said.last, said)
    elif argument.kind == "time":
        named = hours_named(said.last, said)
    elif plain.isdecimal():
        named = [run.digits for run in number_runs(said.last, said.language) if abs(len(run.digits) - len(plain)) <= 1]
    elif argument.words:
        named = [name for name, called in argument.words.items() if re.search(called, said.last, re.IGNORECASE)]
    else:
        return False
    return bool(named) and plain not in named
