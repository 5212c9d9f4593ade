"""How long a silence ends the turn, given what was said so far and what was asked.

A sentence that is whole is answered soon, one that leads on waits for its rest, and between the two stands what could
be either. The words decide, by rules for each language, and the fall of the voice; a language without rules waits as
long as the settings say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from engine.agent.numbers import number_runs

WHOLE: Final = 0.8
"""After a sentence that wants nothing more."""
OPEN: Final = 1.5
"""After words that may be a sentence or the beginning of one."""
LEADS_ON: Final = 2.2
"""After words that cannot be the end."""
DICTATED: Final = 1.5
"""After a number, which people say in groups with pauses between them."""

_LONG_DIGITS: Final = 7
"""Digits of a number of any kind that is likely whole."""
_TELEPHONE_DIGITS: Final = 9
"""Digits of a telephone number that is whole, at least."""


@dataclass(frozen=True, slots=True)
class _Language:
    """What ends a sentence and what does not."""

    answers: re.Pattern[str]
    """Whole turns of one or a few words."""
    closing: frozenset[str]
    """Last words after which nothing is missing: "please", "today"."""
    leading: frozenset[str]
    """Last words that something must follow: articles, prepositions, auxiliaries …"""
    labels: re.Pattern[str]
    """What is named before it is said: "my number"."""
    noun: re.Pattern[str]
    """How a word of ``wanting`` stands as a noun: "my last order"."""
    wanting: frozenset[str]
    """Verbs that want an object, as the last word of a wish: "I want to check"."""
    wish: re.Pattern[str]
    """How a wish or a request begins."""
    question: re.Pattern[str]
    """How a question begins."""
    verbs: re.Pattern[str]
    """Verbs; a question of many words that has none beside its auxiliary is not whole."""
    named: re.Pattern[str]
    """A name of which only the first part was said."""
    phone: re.Pattern[str]
    number: re.Pattern[str]
    """How an agent asks for a telephone number, for any other number."""
    count: re.Pattern[str]
    """… and for how many."""
    anything: re.Pattern[str]
    """How he asks what the caller wants, to which one word is seldom an answer."""
    number_word: re.Pattern[str]
    """A number as the last word."""
    clock: re.Pattern[str]
    """A time of day as the last words."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ENGLISH: Final = _Language(
    answers=re.compile(
        r"(?:(?:yes|no|yeah|yep|yup|nope|nah|sure|correct|right|exactly|okay|ok|alright|fine|perfect|great|thanks|"
        r"thank you(?: very much| so much)?|good ?bye?|bye(?: bye)?|hello|hi|hey|"
        r"good (?:morning|afternoon|evening|day)|"
        r"of course|go ahead|please do|never mind|that(?:'s| is)(?: right| correct| fine| it| all| everything)|"
        r"not really|nothing(?: else)?|i do|i am|it is|they are|sounds good|say again|pardon|operator|cancel|"
        r"please repeat(?: that)?|(?:please )?say that again|what)\s?)+(?:please|thanks|thank you)?"
    ),
    closing=_words(
        "please thanks today tomorrow tonight now here there again too instead online euros monday tuesday wednesday "
        "thursday friday saturday sunday saturdays sundays weekend week month morning afternoon evening noon cost "
        "costs available stock unhappy operator human person somebody someone manager colleague email"
    ),
    leading=_words(
        "and or but so because if when while that's which the a an my your our their his her its this these those some "
        "any every each both no not very really quite just also only more most other another next last nearest "
        "new old is are was were be been am will would could can should shall may might must do does did have has had "
        "i'm i'll i'd i've we're we'll it's there's don't doesn't didn't can't won't haven't for to of with from in on "
        "at by about into per via than as like between until till since before after near under over i we they he she "
        "who whose what where why how um uh erm er mm well called double triple "
        "opening phone telephone mobile mister mrs ms saint"
    ),
    labels=re.compile(
        r"\w how (?:much|many|long|far|soon)$|"
        r"\b(?:the|my|our|phone|order|product|is) (?:number|size|code|name|address|email)$"
    ),
    noun=re.compile(
        r"\b(?:my|the|an?|your|our|this|that|his|her|last|first|next|new|old|other|wrong|whole|same|some|any|for|of) "
        r"\w+$"
    ),
    wanting=_words(
        "check book order buy return change cancel move speak talk know ask get make see find pay want need send give "
        "have take bring collect fit use tell put read say add receive got look like help try call confirm"
    ),
    wish=re.compile(
        r"^(?:hi |hello |good \w+ |yes |no |okay |well |so |um |uh |and |please )*"
        r"(?:i|we|can i|could i|can you|could you|would you|please|"
        r"let me|i'd|i'll|connect|put|send|give|show|add|cancel|change|book|check)\b"
    ),
    question=re.compile(
        r"^(?:hi |hello |good \w+ |yes |no |okay |well |so |um |uh |and |but )*"
        r"(?:what|when|where|which|who|why|how|do|does|did|is|are|can|could|will|would|should|have|has|may|d)\b"
    ),
    verbs=re.compile(
        r"\b(?:is|are|was|were|be|have|has|need|want|cost|costs|take|takes|deliver\w*|arriv\w*|open|close|closed|ship\w*|pay|"
        r"accept|sell|store|keep|fit|fitted|book|order\w*|bring|return|change|cancel|get|got|send|sent|come|coming|"
        r"speak|talk|check|help|work|mean|offer|pick|collect|repair|find|know|buy|charge|stock|carry|left|start|make|see|"
        r"recommend|replace|move|tell|repeat|call|live|go|use|last|do|say|mount\w*|balance|includ\w+|there)\b"
    ),
    named=re.compile(r"\b(?:my name(?:'s| is)|name's|this is)\s+\w+$"),
    phone=re.compile(r"\b(?:phone|telephone|mobile|contact|cell)\b|\bnumber (?:to|can|should|may) (?:we|i|reach|call)"),
    number=re.compile(r"\b(?:number|code|digits?|how many|size|width|profile|diameter)\b"),
    count=re.compile(r"\bhow many\b|\bquantity\b"),
    anything=re.compile(r"\bhelp\b|\bdo for you\b|\bdo you need\b|\belse\b"),
    number_word=re.compile(
        r"(?:\d|\b(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|"
        r"fifty|sixty|seventy|eighty|ninety|double|triple|hundred|thousand))$"
    ),
    clock=re.compile(r"\b(?:at|past|by|before|after)(?: \w+){1,2}$"),
)

_LANGUAGES: Final = {"en": _ENGLISH}


def wait_factor(text: str, asked: str = "", language: str = "en", *, broke_off: bool = False) -> float:
    """Factor for the usual silence after ``text``.

    ``asked``: what the agent said before it. ``broke_off``: the voice stopped without falling, as it does in
    mid-sentence.
    """
    factor = _by_words(text, asked, language)
    if not broke_off:
        return factor
    return OPEN if factor <= 1.0 else LEADS_ON


def _by_words(text: str, asked: str, language: str) -> float:
    rules = _LANGUAGES.get(language.partition("-")[0].lower())
    said = re.sub(r"\s+", " ", re.sub(r"[^\w']", " ", text.lower())).strip()
    if rules is None or not said:
        return 1.0
    words = said.split()
    if rules.answers.fullmatch(said):
        return WHOLE
    if words[-1] in rules.leading or rules.labels.search(said) or text.rstrip().endswith(("-", "…", "...")):
        return LEADS_ON
    if text.rstrip().endswith(","):  # a recogniser's comma is a guess; after "please" it is mostly a wrong one
        return OPEN if words[-1] in rules.closing and len(words) >= 3 else LEADS_ON
    if rules.number_word.search(said):
        return _after_number(rules, text, asked.lower(), language)
    if len(words) < 3 and "?" in asked and not rules.anything.search(asked.lower()):
        return 1.0  # "Winter." is an answer, though no sentence
    return _after_words(rules, said, words)


def _after_number(rules: _Language, text: str, asked: str, language: str) -> float:
    """A number is whole when it has as many digits as such a number has; which kind it is, the question tells best."""
    digits = len(number_runs(text, language)[-1].digits) if number_runs(text, language) else 0
    if rules.phone.search(asked) or rules.phone.search(text.lower()):
        return WHOLE if digits >= _TELEPHONE_DIGITS + 1 else DICTATED if digits >= _TELEPHONE_DIGITS else LEADS_ON
    if rules.clock.search(text.lower().rstrip(" .?!")) and digits <= 4:
        return 1.0
    if digits >= _LONG_DIGITS or (rules.count.search(asked) and digits <= 2):
        return 1.0
    return DICTATED if digits >= 4 else LEADS_ON if rules.number.search(asked + " " + text.lower()) else DICTATED


def _after_words(rules: _Language, said: str, words: list[str]) -> float:
    if rules.named.search(said):
        return OPEN
    if words[-1] in rules.closing and len(words) >= 3:
        return WHOLE
    if words[-1] in rules.wanting and rules.wish.search(said) and not rules.noun.search(said):
        return LEADS_ON
    if len(words) < 3:
        return OPEN
    if rules.question.search(said):
        if not rules.verbs.search(" ".join(words[1:])):
            return OPEN
        return WHOLE if len(words) >= 5 else 1.0 if len(words) == 4 else OPEN
    return WHOLE if len(words) >= 5 else OPEN


def is_murmur(text: str, asked: str, language: str = "en") -> bool:
    """Whether ``text``, said over the agent, only tells that the caller listens ("uh-huh"), and takes no turn.

    ``asked``: what the caller has heard of the agent's sentence; an answer to a question in it is no murmur.
    """
    said = re.sub(r"[^\w]+", " ", text.lower()).strip()
    if not said or "?" in asked:
        return False
    murmurs = _MURMURS.get(language.partition("-")[0].lower())
    return murmurs is not None and murmurs.fullmatch(said) is not None


_MURMURS: Final = {
    "en": re.compile(
        r"(?:(?:uh(?: huh)?|huh|hu|hm+|mm+(?: hm+)?|m hm|mhm+|aha|ah(?: ha)?|oh|yeah|yes|yep|okay|ok|right|sure|i see|"
        r"got it|all right|alright|good|great|fine|nice|cool|um|hum|oh okay|oh i see|thanks|thank you)\s?){1,3}"
    ),
    "ru": re.compile(r"(?:(?:угу|ага|м+|мгм|да|так|хорошо|понятно|ясно|ладно|о|ну да)\s?){1,3}"),
    "uk": re.compile(r"(?:(?:угу|ага|м+|мгм|так|добре|зрозуміло|ясно|гаразд|о|ну так)\s?){1,3}"),
}
