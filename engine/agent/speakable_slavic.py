"""Numbers in Russian and Ukrainian words, as ``speakable`` does it for English.

Times are told by the twenty-four hours of the day and small hours by their part of it, so that none can be taken for
another. Numbers that identify something are told digit by digit, in groups.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache

from engine.agent.languages.spoken import SPOKEN, SpokenWords, plural
from engine.agent.own_speech import NOTHING_OWN, OwnSpeech

_GENDERS = {"m": 0, "f": 1, "n": 2}
_LONGEST = 9
"""Digits of a number that is still told as one."""


class SlavicVoice:
    """Says the numbers of one language."""

    def __init__(self, words: SpokenWords, feminine: tuple[str, ...] = (), neuter: tuple[str, ...] = ()) -> None:
        """``feminine`` and ``neuter``: beginnings of nouns of a business's own."""
        self._words = words
        self._feminine, self._neuter = words.feminine + feminine, words.neuter + neuter
        self._rules = self._compiled()

    def cardinal(self, number: int, gender: str = "m") -> str:
        """0 … 999,999,999; ``gender`` is "m", "f" or "n"."""
        words = self._words
        parts = []
        for scale, forms, its in ((1_000_000, words.million, "m"), (1000, words.thousand, "f")):
            many, number = divmod(number, scale)
            if many:
                count = [] if many == 1 else [self._below_thousand(many, its)]
                parts += [*count, plural(many, forms)]
        if number or not parts:
            parts.append(self._below_thousand(number, gender))
        return " ".join(parts)

    def _below_thousand(self, number: int, gender: str) -> str:
        words = self._words
        hundreds, rest = divmod(number, 100)
        parts = [words.hundreds[hundreds]] if hundreds else []
        if rest >= 20:
            parts.append(words.tens[rest // 10])
            rest %= 10
        if rest in {1, 2}:
            parts.append((words.one, words.two)[rest - 1][_GENDERS[gender]])
        elif rest or not parts:
            parts.append(words.small[rest])
        return " ".join(parts)

    def digit_by_digit(self, digits: str) -> str:
        """More than six digits in groups, for the ear."""
        names = [self._words.small[int(digit)] for digit in digits]
        groups: list[str] = []
        while len(names) > 6 or (groups and len(names) > 4):
            groups.append(" ".join(names[:3]))
            names = names[3:]
        return ", ".join([*groups, " ".join(names)])

    def day(self, day: int, *, neuter: bool = False) -> str:
        """1 … 31 as the day of a date."""
        last = self._words.neuter_days if neuter else self._words.genitive_days
        if day <= 20:
            return last[day - 1]
        if day == 30:
            return last[20]
        return f"{self._words.tens[day // 10]} {last[day % 10 - 1]}"

    def spell_out(self, text: str) -> str:
        """``text`` without digits."""
        for pattern, spoken in self._rules:
            text = pattern.sub(spoken, text)
        return re.sub(r"[0-9]+", self._rest, text)

    def _compiled(self) -> list[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]]:
        words = self._words
        currencies = "|".join(re.escape(name) for name in sorted(words.currencies, key=len, reverse=True))
        measures = "|".join(re.escape(name) for name in sorted(words.measures, key=len, reverse=True))
        identified = "|".join(words.identified)
        neuter, at = "|".join(words.neuter_after), "|".join(words.at) or "(?!)"
        months = "|".join(words.months)
        amount = r"(\d{1,3}(?:[ ,]\d{3})+(?:\.\d{1,2})?|\d+(?:[.,]\d{1,2})?)"
        rules = (
            (rf"(?:\b({neuter})\s+)?\b(\d{{4}})-(\d{{2}})-(\d{{2}})\b", self._iso_date),
            (rf"(?:\b({neuter})\s+)?\b(\d{{2}})\.(\d{{2}})\.(\d{{4}})\b", self._dotted_date),
            (rf"(?:\b({neuter})\s+)?\b(\d{{1,2}})(?:-?(?:го|е|є))?\s+({months})\b", self._named_date),
            (rf"(?:\b({at})\s+)?\b(\d{{1,2}}):(\d{{2}})(?!\w)", self._time),
            (r"(?<![\w+])\+?\(?\d{1,4}\)?(?:[ -]\(?\d{2,4}\)?){2,5}\b|\+?\b\d{7,15}\b(?![.,]\d)", self._phone),
            (rf"{amount}\s*({currencies})(?!\w)\.?", lambda m: self._money(m[1], m[2])),
            (rf"([€£$₴₽])\s*{amount}", lambda m: self._money(m[2], m[1])),
            (rf"\b((?:{identified})\w*\.?\s*(?:номер\s*|№\s*)?[:#№]?\s*)(\d{{3,}})\b", self._identified),
            (r"\b([A-Za-zТ]{1,3})[-–]?(\d{3,})\b", self._code),
            (rf"\b(\d+(?:[.,]\d+)?)\s*({measures})(?!\w)", self._measure),
            (r"\b(\d+)[.,](\d+)\b", lambda m: self._fraction(m[1], m[2])),
            (r"\b(\d{1,3})\s+([^\W\d_]+)", self._counted),
        )
        return [(re.compile(pattern, re.IGNORECASE), spoken) for pattern, spoken in rules]

    def _date(self, before: str | None, year: int, month: int, day: int) -> str:
        words = self._words
        try:
            weekday = words.on_weekday[date(year, month, day).weekday()]
        except ValueError:
            return ", ".join(self.digit_by_digit(str(part)) for part in (year, month, day))
        lead = f"{before} " if before else ""
        return f"{lead}{self.day(day, neuter=before is not None)} {words.months[month - 1]}, {weekday}"

    def _iso_date(self, match: re.Match[str]) -> str:
        return self._date(match[1], int(match[2]), int(match[3]), int(match[4]))

    def _dotted_date(self, match: re.Match[str]) -> str:
        return self._date(match[1], int(match[4]), int(match[3]), int(match[2]))

    def _named_date(self, match: re.Match[str]) -> str:
        lead, day = (f"{match[1]} " if match[1] else ""), int(match[2])
        spoken = self.day(day, neuter=match[1] is not None) if 1 <= day <= 31 else self.cardinal(day)
        return f"{lead}{spoken} {match[3]}"

    def _time(self, match: re.Match[str]) -> str:
        words, hour, minute = self._words, int(match[2]), int(match[3])
        lead = f"{match[1]} " if match[1] else ""
        if hour > 23 or minute > 59:
            return f"{lead}{self.cardinal(hour)} {self.cardinal(minute)}"
        if minute == 0 and hour in {0, 12} and not lead:
            return words.midnight if hour == 0 else words.noon
        minutes = f"{words.small[0]} {words.small[minute]}" if 0 < minute < 10 else self.cardinal(minute)
        part = "" if hour >= 12 or hour == 0 else f" {words.morning}" if hour >= 4 else f" {words.night}"
        if words.hours and hour:
            table = words.hours_at if lead else words.hours
            spoken = self._ordinal_hour(hour, table)
            name = words.hour_at if lead else words.hour[0]
            return f"{lead}{spoken} {name}{part}" if minute == 0 else f"{lead}{spoken} {minutes}{part}"
        if minute == 0 and hour == 1:
            return f"{lead}{words.hour[0]}{part}"
        hours = f"{self.cardinal(hour)} {plural(hour, words.hour)}" if minute == 0 or hour == 0 else self.cardinal(hour)
        return f"{lead}{hours}{part}" if minute == 0 else f"{lead}{hours} {minutes}{part}"

    def _ordinal_hour(self, hour: int, table: tuple[str, ...]) -> str:
        return table[hour - 1] if hour <= 20 else f"{self._words.tens[2]} {table[hour % 10 - 1]}"

    def _phone(self, match: re.Match[str]) -> str:
        lead = f"{self._words.plus} " if match[0].startswith("+") else ""
        return lead + self.digit_by_digit(re.sub(r"\D", "", match[0]))

    def _money(self, amount: str, name: str) -> str:
        forms, gender, parts = self._words.currencies.get(name) or self._words.currencies.get(
            name.upper(), self._words.currencies.get(name.lower(), (("", "", ""), "m", ("", "", "")))
        )
        plain = re.sub(r"[ ,](?=\d{3})", "", amount).replace(",", ".")
        whole, _, fraction = plain.partition(".")
        if len(whole) > _LONGEST:
            return f"{self.digit_by_digit(whole)} {forms[2]}"
        spoken = f"{self.cardinal(int(whole), gender)} {plural(int(whole), forms)}"
        cents = int((fraction or "0")[:2].ljust(2, "0"))
        if not cents:
            return spoken
        return f"{spoken} {self.cardinal(cents, 'f' if gender == 'f' else 'm')} {plural(cents, parts)}"

    def _identified(self, match: re.Match[str]) -> str:
        return match[1] + self.digit_by_digit(match[2])

    def _code(self, match: re.Match[str]) -> str:
        letters = " ".join(self._words.letters.get(letter, letter) for letter in match[1].upper())
        return f"{letters} {self.digit_by_digit(match[2])}"

    def _measure(self, match: re.Match[str]) -> str:
        forms, gender = self._words.measures[match[2].lower()]
        whole, _, fraction = match[1].replace(",", ".").partition(".")
        if fraction:
            return f"{self._fraction(whole, fraction)} {forms[1]}"
        if len(whole) > _LONGEST:
            return f"{self.digit_by_digit(whole)} {forms[2]}"
        return f"{self.cardinal(int(whole), gender)} {plural(int(whole), forms)}"

    def _fraction(self, whole: str, fraction: str) -> str:
        said = self.cardinal(int(whole)) if len(whole) <= _LONGEST else self.digit_by_digit(whole)
        return f"{said} {self._words.point} {self.digit_by_digit(fraction)}"

    def _counted(self, match: re.Match[str]) -> str:
        noun = match[2].lower()
        gender = "f" if noun.startswith(self._feminine) else "n" if noun.startswith(self._neuter) else "m"
        said = self.digit_by_digit(match[1]) if match[1].startswith("0") else self.cardinal(int(match[1]), gender)
        return f"{said} {match[2]}"

    def _rest(self, match: re.Match[str]) -> str:
        """A number that no rule knew: small ones as quantities, long ones digit by digit."""
        digits = match[0]
        alone = len(digits) > 3 or digits.startswith("0")
        spoken = self.digit_by_digit(digits) if alone else self.cardinal(int(digits))
        before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
        return (" " if before.isalpha() else "") + spoken + (" " if after.isalpha() else "")


@lru_cache(maxsize=8)
def voice(code: str, own: OwnSpeech = NOTHING_OWN) -> SlavicVoice | None:
    """The voice of a language ("ru", "uk"), None for others; of ``own`` its nouns."""
    words = SPOKEN.get(code)
    if words is None:
        return None
    return SlavicVoice(words, own.feminine.get(code, ()), own.neuter.get(code, ()))
