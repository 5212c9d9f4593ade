"""What a caller wants, by the words used: patterns with weights, the context of the conversation, highest sum wins.

English; another language is another table of the same shape. Patterns allow for what recognisers make of the words
("retires" for "tyres", "Leave the people" is beyond anyone).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Intent(Enum):
    """What one turn of a caller is about."""

    ATTACK = "attack"
    """Instructions to the machine instead of words to a shop."""
    PRIVATE = "private"
    """Somebody else's data."""
    OPERATOR = "operator"
    COMPLAINT = "complaint"
    GOODBYE = "goodbye"
    THANKS = "thanks"
    GREETING = "greeting"
    REPEAT = "repeat"
    WAIT = "wait"
    WHO = "who"
    """Whether this is a machine."""
    YES = "yes"
    NO = "no"
    TYRES = "tyres"
    AVAILABILITY = "availability"
    ORDER_STATUS = "order_status"
    DRAFT = "draft"
    CHANGE = "change"
    """Of an order that exists."""
    APPOINTMENT = "appointment"
    PRICE = "price"
    KNOWLEDGE = "knowledge"
    UNCLEAR = "unclear"


def _p(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_TYRE = r"(?:tyres?|tires?|tyer|tyers|retires?|wheels?|rubber)"
_ORDER = r"(?:orders?|parcels?|packages?|shipments?|purchases?|deliver(?:y|ies)|consignment|goods)"
_PERSON = (
    r"(?:human(?: being)?|person|people|someone|somebody|agent|operator|representative|rep|manager|supervisor|boss|"
    r"staff|colleagues?|employees?|consultant|advis[eo]r|assistant|specialist|sales(?:man|person|woman)|receptionist|"
    r"customer (?:service|support|care)|support|real one|living soul|team|mechanic|department)"
)

ATTACK = _p(
    r"\b(?:ignore|disregard|forget|override|bypass|skip)\b[^.?!]{0,40}\b(?:instructions?|rules?|prompts?|guidelines|"
    r"restrictions|policy|policies|checks?|training|limits?|what you were told)\b|"
    r"\b(?:system|hidden|initial|secret|original|your)\s+(?:prompt|instructions)\b|"
    r"\b(?:developer|debug|admin(?:istrator)?|god|root|maintenance|test|dan|sudo|unrestricted)\s+mode\b|"
    r"\byou are (?:now|no longer)\b|\bfrom now on,? you\b|\bpretend (?:to be|you|that)\b|\bact as (?:if|an?|my|the)\b|"
    r"\brole[- ]?play\b|"
    r"\bjail ?break\b|(?:^|\W)(?:system|assistant|developer|user|tool)\s*:\s|\b\w+_\w+\b|</?\w+>|[{}<>]|"
    r"\b(?:or|and)\s+['\"]?1['\"]?\s*=\s*['\"]?1|\bdrop\s+table\b|\bselect\b.{0,40}\bfrom\b|;\s*--|"
    r"\b(?:list|names?|descriptions?) of (?:your |all |the )?(?:tools|functions|commands)\b|"
    r"\b(?:your|available|internal) (?:tools|functions|api)\b|\bcall the (?:tool|function)\b|"
    r"\b(?:api|access|bearer|secret|private) (?:key|token)s?\b|\bpasswords?\b|\bsource code\b|"
    r"\bi am (?:your|the) (?:developer|administrator|admin|creator|programmer|owner|engineer)\b|\bas an admin\w*\b|"
    r"\bwhat (?:language )?model are you\b|\brepeat (?:everything|the text|all) (?:above|before)\b|"
    r"\b(?:set|change|make) the (?:price|total|discount) (?:to|of)\b"
)
PRIVATE = _p(
    r"\b(?:other|another|all|every|each|last|previous|next|any)\s+(?:\w+\s+)?(?:customer|caller|client|buyer|person|people)"
    r"(?:s|'s|s')?\b|\b(?:customer|client)s?'? (?:list|data|database|records|phone|address|names)\w*\b|"
    r"\b(?:someone|somebody|anyone) else'?s?\b|\b(?:neighbou?r|ex|boss|colleague|competitor|stranger)'?s (?:orders?|"
    r"bookings?|address|phone|number|data|details)\b|"
    r"\b(?:orders?|bookings?|address|name|details) (?:of|for|from|under|belonging to|on) (?:the )?(?:my neighbou?r|mr|mrs|"
    r"ms|miss|customer|phone(?: number)?|number|this person|that person|everyone|everybody)\b|"
    r"\bwho (?:ordered|bought|lives|owns)\b|\bcredit card (?:number|details)s? (?:of|for|from)\b"
)

_OPERATOR = _p(
    rf"\b(?:speak|talk|speaking|talking|chat|connect|put|transfer|pass|switch|give|get|need|want|prefer|like|call|have|"
    rf"reach|fetch|find|bring|hand)\b[^.?!]{{0,40}}\b{_PERSON}\b(?! else'?s)|^\W*(?:an?\s+|the\s+)?(?:{_PERSON})"
    rf"\W*(?:please)?\W*$|\b(?:real|live|actual|human) (?:person|human|agent|operator|being)\b|"
    rf"\b(?:is|are) there (?:any\s?one|someone|somebody|a person|a human|an? \w+)\b[^.?!]{{0,20}}\b(?:talk|speak)|"
    rf"\bput me (?:through|on)\b|\bconnect me\b|\btransfer me\b|\bpass me\b|\b(?:operator|representative)\b|"
    rf"\b(?:not|don't|do not|stop|hate|tired of)\b[^.?!]{{0,30}}\b(?:robot|machine|bot|computer|recording|automat\w+)\b|"
    rf"\bcall me back\b|\bcall ?back\b"
)
_ABOUT_THINGS = _p(rf"\b(?:order|tyres?|tires?|parcel|product)\b[^.?!]{{0,20}}\bfor (?:a |an |my )?{_PERSON}")
_COMPLAINT = _p(
    r"\b(?:ridiculous|unacceptable|outrageous|disgrace\w*|terrible|awful|horrible|appalling|disgust\w+|useless|pathetic|"
    r"incompetent|complain\w*|complaints?|furious|angry|unhappy|dissatisfied|upset|fed up|sick of|scam\w*|fraud|"
    r"thieves|lawyer|sue|worst|rubbish service|nightmare|joke of a|disappoint\w+|annoy\w+|frustrat\w+|rip[- ]?off|cheated|"
    r"not (?:happy|satisfied|pleased|acceptable|good enough)|enough of this|had enough|never again|bad service|rude)\b|"
    r"\b(?:nobody|no one|no-one|none of you|you never|you people)\b[^.?!]{0,30}\b(?:calls?|called|answers?|answered|helps?|"
    r"helped|replies|replied|came|care|cares|picks?|phoned|rang|listens?)\b|"
    r"\b(?:sent|delivered|got|received|brought|gave|shipped|fitted)\b[^.?!]{0,25}\b(?:wrong|damaged|broken|used|old|defective|"
    r"faulty)\b|\bwrong (?:tyres?|tires?|size|order|ones|product|item|goods|wheels?)\b|"
    r"\b(?:second|third|fourth|fifth|tenth|\d+(?:th|rd|nd)) time (?:i|we|that|this|you|now)\b|"
    r"\b(?:arrived|came|were|are|is|was)\s+(?:\w+\s+)?(?:damaged|broken|defective|faulty)\b|\bwant my money back\b|"
    r"\b(?:waiting|waited) (?:for )?(?:\w+ ){0,2}(?:weeks?|months?|ages|days|forever)\b"
)
_STATUS = _p(
    rf"\b(?:where(?:'s| is| are| did)?|track\w*|trace|status|state|happening|happened|check\w*|shipped|dispatched|"
    rf"sent (?:out|off|yet)|arriv\w*|"
    rf"delivered|when(?:'s| will| is| does| do| are| can)?|update|look up|find|receiv\w*|got|waiting|progress|late|delayed|"
    rf"coming|ready|news|info\w*|know|about|on (?:its|the) way|hear)\b[^.?!]{{0,50}}\b(?:my|the|an?|our|this|that|your)?\s*"
    rf"{_ORDER}\b|\b(?:my|our)\s+{_ORDER}\b|"
    rf"\b(?:order|orders)\b[^.?!]{{0,20}}\b(?:status|shipped|sent|dispatched|ready|arriv\w*|deliver\w*|coming|late|delayed|"
    rf"on (?:its|the) way)\b|\b(?:order|tracking|orders?|older|other|auto|border)\s+(?:number|no\b|num)|"
    rf"\b{_TYRE}\b[^.?!]{{0,15}}\b(?:i|we) (?:ordered|bought)\b|\b(?:i|we)(?:'ve| have)? (?:ordered|bought)\b|\btrack(?:ing)?\b|"
    rf"\bhas it (?:shipped|been sent|left)\b|\border\W+(?:is\W+)?#?\d|\border\s+(?:is\s+)?(?:zero|oh|one|two|three|four|five|"
    rf"six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|"
    rf"forty|fifty|sixty|seventy|eighty|ninety|double|triple)[\s,-]+(?:zero|oh|o|one|two|three|four|five|six|seven|eight|"
    rf"nine|ten|eleven|twelve|\w+teen|\w+ty|double|triple|hundred|thousand)\b"
)
_BUY = _p(
    r"\b(?:i'?ll|i will|we'?ll|we will|i'?d like to|i would like to|i'd|i would like|i want to|i wanna|we want to|i want|"
    r"can i|could i|may i|let me|let's|please|just|can you|could you|would you|i need to|and|to|go ahead and|yes|ok|okay|"
    r"me|wish to)[\s,]+(?:please\s+)?(?:take|order|buy|purchase|reserve|book me)\b(?!\s+(?:number|status|no\b))|"
    r"\bi'?ll (?:have|get|go (?:for|with))\b|\bwe'?ll (?:have|get|go (?:for|with))\b|"
    r"^\W*(?:order|buy|reserve|purchase|take)\b(?!\s+(?:number|status|no\b|is\b|\d))|\b(?:place|make|start|create) "
    r"(?:an?|the|my|new)\s*(?:new )?order\b|\bput me down for\b|\bsend me\b[^.?!]{0,20}\b[A-Z]-?\d{3}|\bgive me\b(?! a (?:call|"
    r"person|human))|\btake (?:it|them|those|these|that)\b|\bsign me up\b|\bnew order\b"
)
_CHECKING = _p(r"\b(?:check|track|status|where|happen\w*|cancel|shipped|arriv\w*|look up|find out)\b")
_CHANGE = _p(
    r"\b(?:cancel|change|modify|amend|update|edit|stop|remove|return|add|alter|move)\b[^.?!]{0,30}\b(?:order|delivery|address|"
    r"parcel|purchase)\b|\b(?:ordered|bought)\b[^.?!]{0,20}\b(?:mistake|accident|error|wrong)\b"
)
_IN_GENERAL = _p(
    r"\b(?:can|could|may|am|should) i\b(?! have you)|\bis it possible\b|\bhow (?:do|can|could|would|long) i?\b|\buntil when\b|"
    r"\bif i\b|\bwhat happens\b|\bdo you (?:charge|allow|accept)\b"
)
_APPOINTMENT = _p(
    r"\b(?:book|make|schedule|arrange|reserve|move|reschedule|cancel|change|get|need|want|have|like)\b[^.?!]{0,30}\b"
    r"(?:appointments?|fitting|slots?|bookings?|reservation)\b|\b(?:have|get)\b[^.?!]{0,20}\b(?:fitted|mounted|changed|swapped|"
    r"installed)\b[^.?!]{0,20}\b(?:on|at|tomorrow|today|next|this|monday|tuesday|wednesday|thursday|friday|saturday)\b"
)
_WANTS_TYRES = _p(
    rf"\b(?:need|want|looking|look|have|got|sell|show|offer|search|find|after|like|recommend|suggest|buy|get|interested|"
    rf"any|some|stock|carry|which|what|price|prices|cheap\w*|cost|much|fit|replace)\b[^.?!]{{0,50}}\b{_TYRE}\b|"
    rf"\b{_TYRE}\b[^.?!]{{0,40}}\b(?:for|in size|size|in stock|available|price|cost|please|needed|wanted)\b|"
    rf"\b(?:summer|winter|all[- ]?season|all[- ]?weather)\s+(?:\w+\s+)?{_TYRE}\b|\bset of {_TYRE}\b|^\W*(?:new )?{_TYRE}\W*$"
)
_STOCK = _p(
    r"\b(?:in stock|available|availability|on stock|in the warehouse|how many (?:do you have|are there|left))\b"
)
_SIZE_WORD = _p(r"\b(?:size|sizes|dimension|inch)\b")
_PRICE = _p(
    r"\bhow much (?:is|are|does|do|would|will)\s*(?:it|that|this|they|those|these|one|them|the \w+ one|all|cost|everything)?"
    r"\b|\bwhat(?:'s| is| are) the (?:price|cost|total)\b|\b(?:price|cost)\s+(?:of|for) (?:it|that|them|those)\b"
)

KNOWLEDGE_TOPICS: Mapping[str, re.Pattern[str]] = {
    "hours": _p(
        r"\b(?:open|opened|opening|opens|close|closed|closes|closing|shut|shuts|hours?|working (?:days?|time)|weekends?|"
        r"lunch|holidays?|what time)\b"
    ),
    "delivery": _p(r"\b(?:deliver\w*|shipping|ship|courier|postage|post)\b"),
    "returns": _p(
        r"\b(?:return\w*|refund\w*|exchange|bring\b[^.?!]{0,20}\bback|send\b[^.?!]{0,20}\bback|take\b[^.?!]{0,20}\bback|"
        r"give\b[^.?!]{0,20}\bback|money back|changed? my mind|don'?t fit|do not fit|doesn'?t fit)\b"
    ),
    "warranty": _p(r"\b(?:warrant\w*|guarant\w*)\b"),
    "payment": _p(
        r"\b(?:pay\w*|card|cash|credit|instal\w*|visa|mastercard|paypal|transfer money|bank transfer|invoices?|receipts?|"
        r"vat|bill|finance|leasing|deposit)\b"
    ),
    "fitting": _p(
        r"\b(?:fitting|fitted|mount\w*|balanc\w*|install\w*|fit (?:them|the|my|tyres|tires|it)|swap\w*|workshop|garage|"
        r"chang(?:e|ing) (?:my|the|over)?\s*(?:tyres|tires|wheels))\b"
    ),
    "storage": _p(
        rf"\b(?:stor(?:e|ing|age)|hotel)\b|\b(?:keep|leave|hold|look after)\b[^.?!]{{0,20}}\b(?:{_TYRE}|set|them)\b"
    ),
    "address": _p(
        r"\b(?:address|locat\w*|where are you|where is (?:the|your)|find you|get to you|nearest|nearby|parking|park|branch\w*|"
        r"directions?|come (?:by|over|to)|street|shops?|stores?|showroom|city)\b"
    ),
    "care": _p(
        r"\b(?:pressure|inflat\w*|psi|tread|worn|wear|punctur\w*|nail|flat|repair\w*|patch\w*|fix|run[- ]?flats?|align\w*|"
        r"tracking geometry|load index|speed (?:rating|index)|rotat\w*|recycl\w*|dispos\w*|tpms|sensors?|vibrat\w*|age|"
        r"how old (?!are you)|dot code|studs?|chains?|expire\w*|last)\b"
    ),
    "law": _p(
        r"\b(?:law|legal\w*|mandatory|required|obligatory|obliged|compulsory|must|allowed|fined?|police|have to)\b"
    ),
    "offers": _p(
        r"\b(?:discount\w*|special offers?|sales?|promo\w*|coupon|voucher|loyalty|cheaper for|wholesale|company)\b"
    ),
    "meaning": _p(
        r"\bwhat (?:does|do|is meant by)\b[^.?!]{0,40}\bmean|\bdifference\b|\bwhich (?:is|are) better\b|\bbetter\b|"
        r"\bexplain\b|\b(?:where|how)\b[^.?!]{0,30}\b(?:find|read|know|see|tell|check)\b[^.?!]{0,20}\bsize|\badvi[cs]e\b"
    ),
    "pickup": _p(r"\b(?:pick\W?(?:ing )?(?:it |them |up |my \w+ )*up|pick\W?up|collect\w*|collection)\b"),
    "old": _p(rf"\b(?:old|used|worn) {_TYRE}\b"),
}
_STRONG_TOPICS = ("storage", "returns", "warranty", "payment", "law", "meaning", "old", "care", "fitting", "hours")
_OWN_THINGS = _p(rf"\b(?:my|our|the)\s+(?:\w+\s+)?{_TYRE}\b")
QUESTION = _p(
    r"\?\s*$|^\W*(?:(?:and|so|well|ok|okay|hi|hello|hey|please|um|uh|sorry|excuse me|good (?:morning|evening|afternoon))"
    r"[\s,.!]+)*(?:what|when|where|which|who|why|how|do|does|did|can|could|is|are|will|would|should|may|am|have|has|tell me|"
    r"i'?d like to know|i (?:want|wanted|need) to know|i was wondering|let me know|what's|how's|where's|d have)\b"
)
_GREETING_WORDS = frozenset(
    re.findall(
        r"[\w']+",
        "hello hi hey hiya good morning afternoon evening day there how are you doing today to greetings howdy yes speaking "
        "is this the tyre tire shop again nice dear hallo allo sir madam",
    )
)
_GREETING = _p(r"\b(?:hello|hi|hey|hiya|hallo|allo|howdy|greetings|good (?:morning|afternoon|evening|day))\b")
_GOODBYE = _p(
    r"\b(?:good\W?\s?bye|bye|see you|hang up|that'?s (?:all|everything|it)|that is (?:all|everything)|nothing (?:else|more)|"
    r"have a (?:nice|good|great|lovely) (?:day|one|evening|weekend)|that will be all|that'?ll be all|i'?m (?:done|finished)|"
    r"end the call|talk (?:to you )?later|take care|cheerio|farewell|no more questions|all (?:good|set))\b"
)
_THANKS = _p(r"\b(?:thanks?|thank you|thankyou|cheers|appreciate\w*|great help|helpful)\b")
_REPEAT = _p(
    r"\b(?:repeat|say)\b[^.?!]{0,15}\b(?:that|it|again|please|last|this)\b|\b(?:pardon|come again|say again)\b|"
    r"\bwhat did you (?:say|just say)\b|\b(?:didn'?t|did not|couldn'?t|could not|can'?t|cannot) (?:hear|catch|get|understand)\b|"
    r"\b(?:one more time|once more|once again)\b|^\W*(?:sorry|what|excuse me|huh)\W*\?\W*$|\brepeat\b|\bspeak up\b|\bslower\b"
)
_WAIT = _p(
    r"\b(?:hold on|hang on|one (?:moment|second|minute|sec)|just a (?:moment|second|minute|sec)|wait a (?:moment|second|minute)|"
    r"wait\W*$|let me (?:look|see|check|find|think|get)|give me a (?:second|moment|minute|sec)|bear with me)\b"
)
_WHO = _p(
    r"\b(?:are you|am i (?:talking|speaking) (?:to|with)|is this|do i (?:talk|speak) (?:to|with))\b[^.?!]{0,15}\b(?:robot|machine|"
    r"bot|computer|human|real|person|ai|recording|automat\w+|artificial)\b|\bwho are you\b|\bwhat are you\b|"
    r"\bwhat can you do\b|\bhow can you help\b|\bwhat(?:'s| is) your name\b|^\W*help\W*$"
)
YES = _p(
    r"^\W*(?:oh\W+)?(?:yes|yeah|yep|yup|yah|sure|correct|right|exactly|okay|ok|of course|absolutely|definitely|please do|"
    r"go ahead|that'?s (?:right|correct)|sounds good|do it|certainly|perfect|fine|alright|all right|yes please|i do)\b"
)
NO = _p(r"^\W*(?:oh\W+)?(?:no|nope|nah|now|not (?:really|now|yet|today)|never ?mind|don'?t|wrong|incorrect)\b")
CARS = _p(
    r"\b(?:toyota|volkswagen|vw|bmw|audi|mercedes|ford|opel|vauxhall|skoda|renault|honda|hyundai|kia|nissan|mazda|peugeot|"
    r"citro[eë]n|fiat|volvo|lexus|subaru|suzuki|tesla|dacia|seat|mitsubishi|chevrolet|jeep|land rover|porsche|mini|lada|"
    r"daewoo|chery|geely|byd|golf|corolla|passat|focus|octavia|polo|civic|camry|astra|fabia|clio|qashqai|sportage)\b"
)
FOLLOW_UP = _p(r"^\W*(?:and|what about|how about|or|but|also)\b")
SAME = _p(r"\b(?:same (?:size|one|ones|again)|that size|this size)\b")


@dataclass(frozen=True, slots=True)
class Clues:
    """What besides the words speaks for an intent."""

    has_size: bool = False
    size_like: bool = False
    """Numbers in the shape of a size that cannot exist."""
    has_code: bool = False
    has_brand: bool = False
    has_season: bool = False
    has_quantity: bool = False
    has_phone: bool = False


def topics(text: str) -> list[str]:
    """The knowledge topics that ``text`` touches."""
    return [name for name, pattern in KNOWLEDGE_TOPICS.items() if pattern.search(text)]


def _knowledge(text: str, clues: Clues, question: bool) -> float:
    touched = topics(text)
    if not touched:
        return 0.0
    score = 1.2 + 0.6 * (len(touched) - 1)
    if question:
        score += 1.2
    if any(topic in _STRONG_TOPICS for topic in touched):
        score += 0.6
    if _OWN_THINGS.search(text):
        score += 0.6  # what one has already is not what one wants to buy
    if clues.has_size and "storage" not in touched:
        score -= 2.0
    return score


def scores(text: str, clues: Clues) -> dict[Intent, float]:
    """Weight of each intent that any pattern speaks for."""
    found: dict[Intent, float] = {}
    question = bool(QUESTION.search(text))
    if _OPERATOR.search(text) and not _ABOUT_THINGS.search(text):
        found[Intent.OPERATOR] = 4.0
    if _COMPLAINT.search(text):
        found[Intent.COMPLAINT] = 3.6
    if _STATUS.search(text):
        found[Intent.ORDER_STATUS] = 2.2 + (0.5 if re.search(r"\bmy\b", text, re.IGNORECASE) else 0.0)
    if _BUY.search(text) and not _CHECKING.search(text):
        found[Intent.DRAFT] = 2.4 + (1.0 if clues.has_code else 0.0)
    elif clues.has_code and (clues.has_quantity or clues.has_phone):
        found[Intent.DRAFT] = 2.6
    if _CHANGE.search(text):
        found[Intent.CHANGE] = 2.8
        if _IN_GENERAL.search(text):
            found[Intent.KNOWLEDGE] = 3.2
    if _APPOINTMENT.search(text):
        found[Intent.APPOINTMENT] = 3.0
    if clues.has_size or clues.size_like:
        found[Intent.TYRES] = 2.4
    if _WANTS_TYRES.search(text):
        found[Intent.TYRES] = found.get(Intent.TYRES, 0.0) + 1.6
    if (clues.has_brand or clues.has_season or CARS.search(text)) and not found.get(Intent.TYRES):
        found[Intent.TYRES] = 1.0
    if _STOCK.search(text):
        if clues.has_code:
            found[Intent.AVAILABILITY] = 3.0
        elif clues.has_brand or found.get(Intent.TYRES):
            found[Intent.TYRES] = found.get(Intent.TYRES, 0.0) + 1.0
    if _PRICE.search(text):
        found[Intent.PRICE] = 1.4
    knowledge = _knowledge(text, clues, question)
    if knowledge > 0:
        found[Intent.KNOWLEDGE] = max(knowledge, found.get(Intent.KNOWLEDGE, 0.0))
    return found


def small_talk(text: str) -> Intent | None:
    """Turns that are about the talk itself."""
    words = re.findall(r"[\w']+", text.lower())
    if _WHO.search(text):
        return Intent.WHO
    if _REPEAT.search(text) and len(words) <= 10:
        return Intent.REPEAT
    if _GOODBYE.search(text) and len(words) <= 12:
        return Intent.GOODBYE
    if _WAIT.search(text) and len(words) <= 9:
        return Intent.WAIT
    if _THANKS.search(text) and len(words) <= 8:
        return Intent.NO if NO.search(text) else Intent.THANKS
    if _GREETING.search(text) and all(word in _GREETING_WORDS for word in words):
        return Intent.GREETING
    return None
