"""Words in which a voice reads numbers, for languages whose words follow the number: Russian and Ukrainian.

Three forms stand for one, two to four, and many: "минута, минуты, минут".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Forms = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class SpokenWords:
    """One language's numbers as they are said."""

    small: tuple[str, ...]
    """0 … 19."""
    one: Forms
    """Masculine, feminine, neuter."""
    two: Forms
    tens: tuple[str, ...]
    hundreds: tuple[str, ...]
    thousand: Forms
    million: Forms
    genitive_days: tuple[str, ...]
    """The last words of days, from the first to the thirtieth where that is one word: "третьего"."""
    neuter_days: tuple[str, ...]
    months: tuple[str, ...]
    """In the genitive."""
    on_weekday: tuple[str, ...]
    """Monday first, with its preposition."""
    neuter_after: tuple[str, ...]
    """Prepositions after which a day is neuter: "на третье"."""
    currencies: Mapping[str, tuple[Forms, str, Forms]]
    """By sign and code: its forms, its gender ("m", "f", "n") and those of its hundredth part."""
    measures: Mapping[str, tuple[Forms, str]]
    feminine: tuple[str, ...]
    """Beginnings of feminine nouns that are counted."""
    neuter: tuple[str, ...]
    letters: Mapping[str, str]
    identified: tuple[str, ...]
    """Beginnings of words before a number that is told digit by digit."""
    plus: str
    point: str
    """Between a whole number and its fraction."""
    year: str
    noon: str
    midnight: str
    hours: tuple[str, ...] = ()
    """Hours as ordinals from the first on, empty where hours are plain numbers."""
    hours_at: tuple[str, ...] = ()
    """The same after ``at``."""
    at: tuple[str, ...] = ()
    hour: Forms = ("", "", "")
    hour_at: str = ""
    night: str = ""
    morning: str = ""


def plural(number: int, forms: Forms) -> str:
    """The form that goes with ``number``: 1 минута, 2 минуты, 5 минут, 11 минут, 21 минута."""
    if 11 <= number % 100 <= 14:
        return forms[2]
    last = number % 10
    return forms[0] if last == 1 else forms[1] if 2 <= last <= 4 else forms[2]


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _ordinals(text: str, endings: Mapping[str, str]) -> tuple[str, ...]:
    """Stems with an ending; a stem that ends in a mark takes that mark's."""
    found = []
    for stem in text.split():
        mark = stem[-1] if stem[-1] in endings else ""
        found.append(stem.removesuffix(mark) + endings[mark])
    return tuple(found)


_RU_DAYS = (
    "перв втор трет* четверт пят шест седьм восьм девят десят одиннадцат двенадцат тринадцат четырнадцат пятнадцат "
    "шестнадцат семнадцат восемнадцат девятнадцат двадцат тридцат"
)
_UK_DAYS = (
    "перш друг трет* четверт п'ят шост сьом восьм дев'ят десят одинадцят дванадцят тринадцят чотирнадцят п'ятнадцят "
    "шістнадцят сімнадцят вісімнадцят дев'ятнадцят двадцят тридцят"
)

_EURO_RU = (("евро", "евро", "евро"), "m", ("цент", "цента", "центов"))
_DOLLAR_RU = (("доллар", "доллара", "долларов"), "m", ("цент", "цента", "центов"))
_HRYVNIA_RU = (("гривна", "гривны", "гривен"), "f", ("копейка", "копейки", "копеек"))
_POUND_RU = (("фунт", "фунта", "фунтов"), "m", ("пенс", "пенса", "пенсов"))
_RUBLE_RU = (("рубль", "рубля", "рублей"), "m", ("копейка", "копейки", "копеек"))
_EURO_UK = (("євро", "євро", "євро"), "m", ("цент", "центи", "центів"))
_DOLLAR_UK = (("долар", "долари", "доларів"), "m", ("цент", "центи", "центів"))
_HRYVNIA_UK = (("гривня", "гривні", "гривень"), "f", ("копійка", "копійки", "копійок"))
_POUND_UK = (("фунт", "фунти", "фунтів"), "m", ("пенс", "пенси", "пенсів"))

RUSSIAN = SpokenWords(
    small=_split(
        "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать четырнадцать "
        "пятнадцать шестнадцать семнадцать восемнадцать девятнадцать"
    ),
    one=("один", "одна", "одно"),
    two=("два", "две", "два"),
    tens=("", "", *_split("двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто")),
    hundreds=("", *_split("сто двести триста четыреста пятьсот шестьсот семьсот восемьсот девятьсот")),
    thousand=("тысяча", "тысячи", "тысяч"),
    million=("миллион", "миллиона", "миллионов"),
    genitive_days=_ordinals(_RU_DAYS, {"": "ого", "*": "ьего"}),
    neuter_days=_ordinals(_RU_DAYS, {"": "ое", "*": "ье"}),
    months=_split("января февраля марта апреля мая июня июля августа сентября октября ноября декабря"),
    on_weekday=("в понедельник", "во вторник", "в среду", "в четверг", "в пятницу", "в субботу", "в воскресенье"),
    neuter_after=("на", "по"),
    currencies={
        **dict.fromkeys(("EUR", "€", "евро"), _EURO_RU),
        **dict.fromkeys(("USD", "$", "доллар", "доллара", "долларов"), _DOLLAR_RU),
        **dict.fromkeys(("UAH", "₴", "грн", "гривна", "гривны", "гривен"), _HRYVNIA_RU),
        **dict.fromkeys(("GBP", "£"), _POUND_RU),
        **dict.fromkeys(("RUB", "₽", "руб", "рубль", "рубля", "рублей"), _RUBLE_RU),
    },
    measures={
        "км/ч": (("километр в час", "километра в час", "километров в час"), "m"),
        "км": (("километр", "километра", "километров"), "m"),
        "мм": (("миллиметр", "миллиметра", "миллиметров"), "m"),
        "см": (("сантиметр", "сантиметра", "сантиметров"), "m"),
        "кг": (("килограмм", "килограмма", "килограммов"), "m"),
        "мг": (("миллиграмм", "миллиграмма", "миллиграммов"), "m"),
        "мл": (("миллилитр", "миллилитра", "миллилитров"), "m"),
        "мин": (("минута", "минуты", "минут"), "f"),
        "шт": (("штука", "штуки", "штук"), "f"),
        "%": (("процент", "процента", "процентов"), "m"),
    },
    feminine=("минут", "недел", "тысяч", "пар", "штук", "гривн", "секунд", "позици"),
    neuter=("мест", "окн"),
    letters={"T": "тэ", "R": "эр", "Т": "тэ"},
    identified=("заказ", "номер", "код", "телефон", "брон", "трек", "артикул", "товар"),
    plus="плюс",
    point="и",
    year="года",
    noon="полдень",
    midnight="полночь",
    hour=("час", "часа", "часов"),
    night="ночи",
    morning="утра",
)

UKRAINIAN = SpokenWords(
    small=_split(
        "нуль один два три чотири п'ять шість сім вісім дев'ять десять одинадцять дванадцять тринадцять чотирнадцять "
        "п'ятнадцять шістнадцять сімнадцять вісімнадцять дев'ятнадцять"
    ),
    one=("один", "одна", "одне"),
    two=("два", "дві", "два"),
    tens=("", "", *_split("двадцять тридцять сорок п'ятдесят шістдесят сімдесят вісімдесят дев'яносто")),
    hundreds=("", *_split("сто двісті триста чотириста п'ятсот шістсот сімсот вісімсот дев'ятсот")),
    thousand=("тисяча", "тисячі", "тисяч"),
    million=("мільйон", "мільйони", "мільйонів"),
    genitive_days=_ordinals(_UK_DAYS, {"": "ого", "*": "ього"}),
    neuter_days=_ordinals(_UK_DAYS, {"": "е", "*": "є"}),
    months=_split("січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня"),
    on_weekday=("у понеділок", "у вівторок", "у середу", "у четвер", "у п'ятницю", "у суботу", "у неділю"),
    neuter_after=("на", "по"),
    currencies={
        **dict.fromkeys(("EUR", "€", "євро"), _EURO_UK),
        **dict.fromkeys(("USD", "$", "долар", "долари", "доларів"), _DOLLAR_UK),
        **dict.fromkeys(("UAH", "₴", "грн", "гривня", "гривні", "гривень"), _HRYVNIA_UK),
        **dict.fromkeys(("GBP", "£"), _POUND_UK),
    },
    measures={
        "км/год": (("кілометр на годину", "кілометри на годину", "кілометрів на годину"), "m"),
        "км": (("кілометр", "кілометри", "кілометрів"), "m"),
        "мм": (("міліметр", "міліметри", "міліметрів"), "m"),
        "см": (("сантиметр", "сантиметри", "сантиметрів"), "m"),
        "кг": (("кілограм", "кілограми", "кілограмів"), "m"),
        "мг": (("міліграм", "міліграми", "міліграмів"), "m"),
        "мл": (("мілілітр", "мілілітри", "мілілітрів"), "m"),
        "хв": (("хвилина", "хвилини", "хвилин"), "f"),
        "шт": (("штука", "штуки", "штук"), "f"),
        "%": (("відсоток", "відсотки", "відсотків"), "m"),
    },
    feminine=("хвилин", "тисяч", "пар", "штук", "гривн", "секунд", "позиц", "годин"),
    neuter=("місц", "вікн"),
    letters={"T": "те", "R": "ер", "Т": "те"},
    identified=("замовлен", "номер", "код", "телефон", "брон", "трек", "артикул", "товар"),
    plus="плюс",
    point="і",
    year="року",
    noon="полудень",
    midnight="північ",
    hours=_ordinals(_UK_DAYS, {"": "а", "*": "я"}),
    hours_at=_ordinals(_UK_DAYS, {"": "ій", "*": "ій"}),
    at=("о", "об"),
    hour=("година", "години", "годин"),
    hour_at="годині",
    night="ночі",
    morning="ранку",
)

SPOKEN: dict[str, SpokenWords] = {"ru": RUSSIAN, "uk": UKRAINIAN}
