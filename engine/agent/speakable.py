"""Text as a synthesiser should read it: numbers in words, one sort of number after the other.

Voices read "4271" as "forty-two seventy-one" and "10:30" as they please; a caller must be able to write it down.
Pure functions. Text without digits comes back unchanged.
"""

from __future__ import annotations

import re
from datetime import date

from engine.agent.own_speech import NOTHING_OWN, OwnSpeech, Rule
from engine.agent.speakable_slavic import voice

_UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_CURRENCIES = {
    "EUR": ("euro", "euros"),
    "€": ("euro", "euros"),
    "USD": ("dollar", "dollars"),
    "$": ("dollar", "dollars"),
    "GBP": ("pound", "pounds"),
    "£": ("pound", "pounds"),
    "UAH": ("hryvnia", "hryvnias"),
    "₴": ("hryvnia", "hryvnias"),
}
_UNIT_WORDS = {
    "km/h": "kilometres an hour",
    "km": "kilometres",
    "mm": "millimetres",
    "cm": "centimetres",
    "kg": "kilograms",
    "mg": "milligrams",
    "ml": "millilitres",
    "%": "percent",
    "min": "minutes",
}


def cardinal(number: int) -> str:
    """0 … 999,999,999 in words: 205 → "two hundred and five"."""
    if number < 20:
        return _UNITS[number]
    if number < 100:
        tens, unit = divmod(number, 10)
        return _TENS[tens] + (f"-{_UNITS[unit]}" if unit else "")
    for scale, name in ((1_000_000, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= scale:
            many, rest = divmod(number, scale)
            joint = " and " if rest < 100 else " "
            return f"{cardinal(many)} {name}" + (joint + cardinal(rest) if rest else "")
    raise AssertionError(number)


def ordinal(number: int) -> str:
    """1 → "first", 22 → "twenty-second"."""
    words = cardinal(number)
    head, dash, last = words.rpartition("-")
    if not dash:
        head, dash, last = words.rpartition(" ")
    if last in _ORDINALS:
        last = _ORDINALS[last]
    elif last.endswith("y"):
        last = last[:-1] + "ieth"
    else:
        last += "th"
    return f"{head}{dash}{last}"


def digit_by_digit(digits: str) -> str:
    """ "4271" → "four two seven one"; more than six digits in groups, for the ear."""
    words = [_UNITS[int(digit)] for digit in digits]
    if len(words) <= 6:
        return " ".join(words)
    groups = []
    while len(words) > 4:
        groups.append(" ".join(words[:3]))
        words = words[3:]
    groups.append(" ".join(words))
    return ", ".join(groups)


def _decimal(text: str) -> str:
    whole, _, fraction = text.partition(".")
    words = cardinal(int(whole)) if len(whole) <= 9 else digit_by_digit(whole)
    return f"{words} point {' '.join(_UNITS[int(digit)] for digit in fraction)}" if fraction else words


def _number(text: str) -> str:
    return text.replace(",", "").replace(" ", "")


def _money(amount: str, currency: str) -> str:
    one, many = _CURRENCIES[currency.upper()]
    whole, _, cents = _number(amount).partition(".")
    if len(whole) > 9:
        return f"{digit_by_digit(whole)} {many}"
    words = f"{cardinal(int(whole))} {one if int(whole) == 1 else many}"
    return f"{words} {cardinal(int(cents[:2].ljust(2, '0')))}" if int(cents or "0") else words


def _time(hour: int, minute: int) -> str:
    if hour > 23 or minute > 59:
        return f"{cardinal(hour)} {cardinal(minute)}"
    part = "" if hour < 13 else " in the afternoon" if hour < 18 else " in the evening"
    shown = hour if hour < 13 else hour - 12
    if minute == 0:
        if hour == 0:
            return "midnight"
        return f"{cardinal(shown)} o'clock" + part
    spoken = f"oh {_UNITS[minute]}" if minute < 10 else cardinal(minute)
    return f"{cardinal(shown)} {spoken}" + part


def _date(year: int, month: int, day: int) -> str:
    try:
        weekday = _WEEKDAYS[date(year, month, day).weekday()]
    except ValueError:
        return f"{digit_by_digit(str(year))} {digit_by_digit(str(month))} {digit_by_digit(str(day))}"
    return f"{weekday}, the {ordinal(day)} of {_MONTHS[month - 1]}"


_MONTH_NAMES = "|".join(_MONTHS)
_AMOUNT = r"(\d{1,3}(?:,\d{3})+(?:\.\d{1,2})?|\d+(?:\.\d{1,2})?)"
_IDENTIFIED = (
    r"\b((?:order|draft|number|reference|code|booking|tracking|invoice|product|phone)(?:\s+(?:number|code|is|no\.?|#))*"
    r"\s*[:#]?\s*)(\d{3,})\b"
)

_RULES: tuple[Rule, ...] = (
    (re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b"), lambda m: _date(int(m[1]), int(m[2]), int(m[3]))),
    (
        re.compile(rf"\b(?:the\s+)?(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?({_MONTH_NAMES})\b"),
        lambda m: f"the {ordinal(int(m[1]))} of {m[2]}",
    ),
    (
        re.compile(rf"\b({_MONTH_NAMES})\s+(\d{{1,2}})(?:st|nd|rd|th)?\b(?!\d)"),
        lambda m: f"the {ordinal(int(m[2]))} of {m[1]}",
    ),
    (
        re.compile(rf"((?:\b(?:in|since|of|{_MONTH_NAMES})),?\s+)((?:19|20)\d\d)\b", re.IGNORECASE),
        lambda m: m[1] + _year(int(m[2])),
    ),
    (
        re.compile(r"(?<![\w+])\+?\(?\d{1,4}\)?(?:[ -]\(?\d{2,4}\)?){2,5}\b|\+?\b\d{7,15}\b(?![.,]\d)"),
        lambda m: ("plus " if m[0].startswith("+") else "") + digit_by_digit(re.sub(r"\D", "", m[0])),
    ),
    (re.compile(rf"{_AMOUNT}\s*(EUR|USD|GBP|UAH|€|£|\$|₴)(?!\w)"), lambda m: _money(m[1], m[2])),
    (re.compile(rf"([€£$₴])\s*{_AMOUNT}"), lambda m: _money(m[2], m[1])),
    (
        re.compile(rf"\b{_AMOUNT}\s+(euro|dollar|pound|hryvnia)s?\b", re.IGNORECASE),
        lambda m: _money(m[1], {"euro": "EUR", "dollar": "USD", "pound": "GBP", "hryvnia": "UAH"}[m[2].lower()]),
    ),
    (
        re.compile(r"\b(\d{1,2}):(\d{2})(?:\s*(am|pm|a\.m\.|p\.m\.))?(?!\w)", re.IGNORECASE),
        lambda m: _clock(int(m[1]), int(m[2]), m[3] or ""),
    ),
    (
        re.compile(r"\b(\d{1,2})\s*(am|pm|a\.m\.|p\.m\.)(?!\w)", re.IGNORECASE),
        lambda m: _clock(int(m[1]), 0, m[2]),
    ),
    (re.compile(_IDENTIFIED, re.IGNORECASE), lambda m: m[1] + digit_by_digit(m[2])),
    (
        re.compile(r"\b([A-Za-z]{1,3})[-–]?(\d{3,})\b"),
        lambda m: f"{' '.join(m[1].upper())} {digit_by_digit(m[2])}",
    ),
    (re.compile(r"\b(\d+)(?:st|nd|rd|th)\b"), lambda m: ordinal(int(m[1])) if len(m[1]) <= 9 else m[0]),
    (
        re.compile(r"\b(\d+(?:\.\d+)?)\s*(km/h|km|mm|cm|kg|mg|ml|min|%)(?!\w)"),
        lambda m: f"{_decimal(m[1])} {_UNIT_WORDS[m[2]]}",
    ),
    (re.compile(r"\b(\d{1,3}(?:,\d{3})+)\b"), lambda m: cardinal(int(_number(m[1]))) if len(m[1]) < 12 else m[0]),
    (re.compile(r"\b(\d+\.\d+)\b"), lambda m: _decimal(m[1])),
)


def _year(year: int) -> str:
    century, rest = divmod(year, 100)
    if rest == 0:
        return f"{cardinal(century)} hundred" if century % 10 else f"{cardinal(century // 10)} thousand"
    if century % 10 == 0 and rest < 10:
        return cardinal(year)
    return f"{cardinal(century)} " + (f"oh {_UNITS[rest]}" if rest < 10 else cardinal(rest))


def _clock(hour: int, minute: int, half: str) -> str:
    if not half:
        return _time(hour, minute)
    name = "a m" if half.lower().startswith("a") else "p m"
    minutes = "" if minute == 0 else f" oh {_UNITS[minute]}" if minute < 10 else f" {cardinal(minute)}"
    return f"{cardinal(hour)}{minutes} {name}"


def _rest(match: re.Match[str]) -> str:
    """A number that no rule knew: small ones as quantities, long ones digit by digit."""
    digits = match[0]
    spoken = digit_by_digit(digits) if len(digits) > 3 or digits.startswith("0") else cardinal(int(digits))
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    return (" " if before.isalpha() else "") + spoken + (" " if after.isalpha() else "")


def spell_out(text: str, language: str = "en", own: OwnSpeech = NOTHING_OWN) -> str:
    """``text`` with every number in words of ``language``, those that a business says in its ``own`` way first.

    For a language without rules yet, long numbers are set apart digit by digit ("4271" → "4 2 7 1"), which every voice
    reads one by one, and the rest is left to the voice.
    """
    if not any(character.isdecimal() for character in text):
        return text
    code = language.split("-", maxsplit=1)[0].lower()
    for pattern, spoken in own.rules.get(code, ()):
        text = pattern.sub(spoken, text)
    slavic = voice(code, own)
    if slavic is not None:
        return slavic.spell_out(text)
    if code != "en":
        return re.sub(r"\d{4,}", lambda m: " ".join(m[0]), text)
    for pattern, spoken in _RULES:
        text = pattern.sub(spoken, text)
    return re.sub(r"[0-9]+", _rest, text)
