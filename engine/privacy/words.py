"""The words by which personal data is known, English, Russian and Ukrainian together.

They are one vocabulary and not one a call: a sink such as a log does not know the language of what it is given, callers
change it in mid-sentence, and a word of one language means nothing in another.

Numbers are read here a second time, beside the grammar of ``engine.agent``: that one lies above the logs, and asks
another question. It wants the one right number; here it is enough to see that somebody is saying a number at all.
"""

from __future__ import annotations

from typing import Final


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _numbered(words: str, first: int = 0, step: int = 1) -> dict[str, int]:
    """Words with their values: ``a|b`` are two words of one value."""
    return {word: first + step * index for index, variants in enumerate(words.split()) for word in variants.split("|")}


UNITS: Final[dict[str, int]] = {
    **_numbered("zero|oh|o|nought|naught|nil one two three four five|fife six seven eight nine|niner"),
    **_numbered("ноль|нуль|ноля один|одна|раз два|две три четыре пять шесть семь восемь девять"),
    **_numbered("нуля один|одна|одну два|дві три чотири п'ять|пять шість сім вісім дев'ять|девять"),
}
TEENS: Final[dict[str, int]] = {
    **_numbered("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen", 10),
    **_numbered(
        "десять одиннадцать двенадцать тринадцать четырнадцать пятнадцать шестнадцать семнадцать восемнадцать "
        "девятнадцать",
        10,
    ),
    **_numbered(
        "десять одинадцять дванадцять тринадцять чотирнадцять п'ятнадцять шістнадцять сімнадцять вісімнадцять "
        "дев'ятнадцять",
        10,
    ),
}
TENS: Final[dict[str, int]] = {
    **_numbered("twenty thirty forty|fourty fifty sixty seventy eighty ninety", 20, 10),
    **_numbered("двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто", 20, 10),
    **_numbered("двадцять тридцять сорок п'ятдесят шістдесят сімдесят вісімдесят дев'яносто", 20, 10),
}
HUNDREDS: Final[dict[str, int]] = {
    **_numbered("сто двести триста четыреста пятьсот шестьсот семьсот восемьсот девятьсот", 100, 100),
    **_numbered("сто двісті триста чотириста п'ятсот шістсот сімсот вісімсот дев'ятсот", 100, 100),
}
HUNDRED: Final = "hundred"
REPEATS: Final = {"double": 2, "triple": 3, "treble": 3, "дважды": 2, "трижды": 3, "двічі": 2, "тричі": 3}
SOUND_LIKE_DIGITS: Final = {"to": 2, "too": 2, "for": 4, "fore": 4, "won": 1, "ate": 8, "tree": 3, "free": 3, "sex": 6}
"""A digit only between two digits."""
BETWEEN_DIGITS: Final = _set(
    "dash hyphen space uh um er erm then plus minus тире дефис пробел плюс э эм ну далі потім потом затем"
)
CORRECTIONS: Final = _set(
    "no not sorry wait correction actually mean rather нет не извините простите вернее точнее ні вибачте "
    "перепрошую точніше"
)

ORDER_WORDS: Final = _set(
    "order orders booking bookings reservation reference ticket invoice tracking parcel draft product article item "
    "заказ заказа заказу заказе заказом бронь брони бронирование бронирования бронирования накладная накладной товар "
    "замовлення замовленню замовленням бронювання накладна накладної посилка посилки посылка посылки"
)
PHONE_WORDS: Final = _set(
    "phone telephone mobile cell cellphone whatsapp viber telegram "
    "телефон телефона телефону мобильный мобильного мобільний мобільного вайбер перезвоните позвоните "
    "передзвоніть зателефонуйте"
)
OWN_NUMBER: Final = (
    "my number",
    "number is",
    "reach me",
    "call me",
    "ring me",
    "мой номер",
    "мій номер",
    "номер у меня",
    "набрать меня",
)
"""What may announce a telephone number that is shorter than one."""
SIZE_WORDS: Final = _set(
    "size sizes tyre tyres tire tires width шина шины шин шину размер размера розмір розміру шини резина "
    "резину гума гуму"
)
CURRENCY: Final = _set(
    "uah usd eur gbp hryvnia hryvnias dollars euros pounds rubles гривна гривны гривен гривня гривні гривень грн "
    "доллар доллара долларов доларів євро евро рублей рубля bytes"
)

NAME_INTRODUCTIONS: Final = (
    r"my (?:\w+ )?name(?: is|'s|s)",
    r"\bname's",
    r"(?:sur|first |last |full |family |middle |given )name(?: is|'s|:)",
    r"\bname (?:on|for|of) (?:\w+ ){1,3}is",
    r"\bname is",
    r"\bnames",
    r"\bname:",
    r"call me(?! at\b| on\b| back\b| later\b| when\b| if\b| a\b)",
    r"in the name of",
    r"under the name(?: of)?",
    r"on behalf of",
    r"меня зовут",
    r"зовут меня",
    r"мо[её] имя(?: это)?",
    r"моя фамилия(?: это)?",
    r"фамилия",
    r"имя",
    r"отчество",
    r"на имя",
    r"мене (?:звати|звуть)",
    r"(?:звати|звуть) мене",
    r"моє ім'я(?: це)?",
    r"моє прізвище(?: це)?",
    r"прізвище",
    r"ім'я",
    r"по батькові",
    r"на ім'я",
)
"""What follows is a name, whatever it looks like."""
NAME_HINTS: Final = (
    r"this is",
    r"it's",
    r"it is",
    r"i'm",
    r"i am",
    r"speak(?:ing)? (?:to|with)",
    r"talk(?:ing)? (?:to|with)",
    r"under",
    r"ask for",
    r"(?:put|note|book|write) (?:it|them|that) (?:down )?(?:as|for|under)",
    r"оформ\w+ на",
    r"запи\w+ на",
    r"это",
    r"говорит",
    r"для",
    r"от",
    r"це",
    r"говорить",
    r"від",
    r"(?<!\w)я",
)
"""What follows is a name where it begins with a capital letter, or where ``NAME_ENDS`` follows."""
NAME_ENDS: Final = _set("calling speaking here говорит говорить звонит телефонує дзвонить беспокоит")
TITLES: Final = (
    r"mr",
    r"mrs",
    r"ms",
    r"dr",
    r"mister",
    r"missus",
    r"madam",
    r"господин",
    r"госпожа",
    r"гражданин",
    r"пан",
    r"пані",
    r"пане",
    r"доктор",
)

ASKS_FOR_NAME: Final = (
    r"your (?:\w+ )?name",
    r"(?:what|which|under what) name",
    r"who (?:am i|is) (?:speaking|calling)",
    r"may i have the name",
    r"как вас зовут",
    r"ваше? (?:имя|фамили)",
    r"ваша фамилия",
    r"на (?:какое|чь[её]) имя",
    r"як вас (?:звати|звуть)",
    r"ваше (?:ім'я|прізвище)",
    r"на (?:яке|чиє) ім'я",
)
ASKS_FOR_PHONE: Final = (
    r"(?:phone|telephone|mobile|contact) number",
    r"number (?:can|may|shall|should) (?:we|i)",
    r"your phone",
    r"номер (?:вашего )?(?:телефон|мобильн)",
    r"ваш телефон",
    r"номер (?:вашого )?(?:телефон|мобільн)",
)
ASKS_FOR_ADDRESS: Final = (
    r"address",
    r"which street",
    r"what street",
    r"where (?:shall|should|do) (?:we|i|you) (?:deliver|send|live|want it)",
    r"адрес",
    r"как(?:ая|ой|ую) улиц",
    r"куда (?:вам )?(?:доставить|привезти)",
    r"куди (?:вам )?(?:доставити|привезти)",
    r"яка вулиця",
)
ASKS_FOR_EMAIL: Final = (r"e-?mail", r"почт", r"пошт", r"імейл", r"имейл")
ASKS_FOR_SIZE: Final = (r"\bsizes?\b", r"размер", r"розмір")
ASKS_FOR_ORDER: Final = (
    r"(?:order|booking|reservation|reference) number",
    r"number of (?:your|the) (?:order|booking)",
    r"номер (?:вашего )?(?:заказ|брон)",
    r"номер (?:вашого )?(?:замовлен|брон)",
)

STREET_AFTER: Final = _set(
    "street avenue ave road rd lane boulevard blvd square crescent terrace gardens highway alley embankment quay mews"
)
"""Behind the street's name: "12 Harbour Street"."""
STREET_AFTER_CAPITAL: Final = _set("st drive dr way close place pl court ct hill park row walk parade grove")
"""The same where the name has a capital letter: these words mean other things too."""
STREET_BEFORE: Final = (
    r"улиц[аеуы]",
    r"ул\.?",
    r"проспект[еау]?",
    r"пр-т",
    r"просп\.?",
    r"бульвар[еау]?",
    r"бул\.?",
    r"переул\w+",
    r"пер\.",
    r"набережн\w+",
    r"площад\w+",
    r"шоссе",
    r"вулиц[яіюи]",
    r"вул\.?",
    r"провул\w+",
    r"пров\.",
    r"набережн\w+",
    r"площ[аіу]",
    r"узвіз\w*",
)
"""Before the street's name: "вулиця Хрещатик, 22"."""
DWELLINGS: Final = (
    r"flat",
    r"apartment",
    r"apt\.?",
    r"unit",
    r"suite",
    r"house number",
    r"house",
    r"building",
    r"квартир[аеуы]",
    r"кв\.?",
    r"дом[еау]?",
    r"корпус",
    r"подъезд",
    r"будин(?:ок|ку)",
    r"буд\.",
    r"під'їзд",
)
"""With a number behind them they are part of an address."""
ADDRESS_INTRODUCTIONS: Final = (
    r"my (?:\w+ )?address(?: is|:)",
    r"(?:delivery|home|street|postal) address(?: is|:)",
    r"\bi live (?:at|on|in|near)",
    r"deliver (?:it |them )?to (?=\d|(?-i:[A-Z]))",
    r"мой адрес",
    r"адрес(?: доставки)?(?:\s*[:–-]| это)",
    r"(?:я )?живу (?:на|по|в)",
    r"моя адреса",
    r"адреса(?: доставки)?(?:\s*[:–-]| це)",
    r"(?:я )?(?:живу|мешкаю) (?:на|по|в|у)",
)
POSTCODE_WORDS: Final = (
    r"zip(?: code)?",
    r"post ?code",
    r"postal code",
    r"(?:почтовый )?индекс",
    r"(?:поштовий )?індекс",
)

AT_WORDS: Final = (r"at", r"собака", r"собачка", r"равлик", r"ет", r"эт")
DOT_WORDS: Final = (r"dot", r"point", r"точка", r"крапка")
DOMAIN_ENDS: Final = (
    r"com",
    r"net",
    r"org",
    r"ua",
    r"ru",
    r"uk",
    r"co",
    r"info",
    r"eu",
    r"de",
    r"io",
    r"me",
    r"biz",
    r"pl",
    r"us",
    r"ком",
    r"нет",
    r"юа",
    r"ру",
    r"укр",
    r"орг",
    r"example",
    r"test",
)

_ENGLISH_STOPS: Final = """
a about i'm raining snowing driving support sales service i've i'd i'll we're you're he's she's that's what's
there's who's they're again all already also am an and any anything are as at available back be because been
before but by call called calling can cannot cheap closed complete correct could day delivery did different do
does done down email english enough every exactly expensive fine fitting for free friend from full get give go
goes going gone good got great had happy has have having he hello help her here hi him his hold how i if in
interested is it its it's just kind know last late later left let like little long looking lost made make may
maybe me mine more morning much must my name need needed never new next nice no not nothing now number of off ok
okay old on one only open or order other our out over paid perfect phone please possible pretty probably quite
ready really regarding registered required right same say saying season she should size so sold some something
sorry speaking spelled spelt still strange such sure take terrible than thank thanks that the their them then
there these they thing think this those to today tomorrow too true trying two tyre tyres tire tires under
understood until up urgent us used very wait waiting want wanted was we well went were what when where which who
whose why will winter summer wish with without wondering working would wrong yeah yes yesterday yet you your yours
monday tuesday wednesday thursday friday saturday sunday january february march april june july august september
october november december
"""
_RUSSIAN_STOPS: Final = """
а алло без бы был была были было быть в вам вас ваш ваша ваше ваши весь во вот вопрос все всё вы где да давайте дайте
день для до добрый его ее её если есть еще ещё же за завтра заказ заказа заказать заказываю звоню здесь здравствуйте
зимние и из или их как какая какие какой когда кто куда летние ли мне можно мой моя моё мое мои мы на надо нам нас наш
не нет неправильно неудобно ни но ну нужен нужна нужно нужны о об он она они оно от очень по под пожалуйста понятно
после потом правильно при привет про просто размер рад с сегодня сейчас со спасибо срочно так там тебя тоже только тот
точно ты у уже удобно хорошо хотел хотела хочу чем что чтобы шина шины эта эти это этот я ищу думаю буду могу живу
"""
_UKRAINIAN_STOPS: Final = """
а або без би був була були було бути в вам вас ваш ваша ваше ваші весь від він вона вони воно все ви вже день де дякую
до добре добрий добрий дзвоню для дуже з за завтра замовити замовлення замовляю зараз звідки зимові з'ясувати й його її
їх і із ще що щоб як яка який яке якщо коли куди літні мені мене мій моя моє мої можна ми на нам нас наш не немає ні
неправильно потрібен потрібна потрібно потрібні по під після потім правильно про просто розмір сьогодні слухаю так там
тебе теж тільки той точно ти терміново та те у хочу хотів хотіла хто це цей ця ці чи шина шини я шукаю думаю буду можу
"""
STOPS: Final = _set(_ENGLISH_STOPS) | _set(_RUSSIAN_STOPS) | _set(_UKRAINIAN_STOPS)
"""Words that are no name, or end one."""
NAME_PARTICLES: Final = _set("van von der den de da di du la le al el bin binti ibn ben")
"""Small words within a name."""
LETTER_NAMES: Final = _set("bmw vw suv usa uae tpms abs esp faq gps pdf sms uah usd eur gbp ok")
"""What is spelled and is no name."""
