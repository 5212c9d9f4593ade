"""The words by which intents are known, in English. Another language is another table of the same names.

Patterns allow for what recognisers make of the words ("retires" for "tyres").
"""

from __future__ import annotations

import re
from collections.abc import Mapping


def _p(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_TYRE = r"(?:tyres?|tires?|tyer|tyers|retires?|wheels?|rubber)"
_ORDER = r"(?:orders?|parcels?|packages?|shipments?|purchases?|deliver(?:y|ies)|consignment|goods)"
_PERSON = (
    r"(?:human(?: being)?|person|people|someone|somebody|agent|operator|representative|rep|manager|supervisor|"
    r"boss|staff|colleagues?|employees?|consultant|advis[eo]r|assistant|specialist|sales(?:man|person|woman)|"
    r"receptionist|customer (?:service|support|care)|support|real one|living soul|team|mechanic|department)"
)

ATTACK = _p(
    r"\b(?:ignore|disregard|forget|override|bypass|skip)\b[^.?!]{0,40}\b(?:instructions?|rules?|prompts?|"
    r"guidelines|restrictions|policy|policies|checks?|training|limits?|what you were told)\b|\b(?:system|"
    r"hidden|initial|secret|original|your)\s+(?:prompt|instructions)\b|\b(?:developer|debug|admin(?:istrator)?|"
    r"god|root|maintenance|test|dan|sudo|unrestricted)\s+mode\b|\byou are (?:now|no longer)\b|"
    r"\bfrom now on,? you\b|\bpretend (?:to be|you|that)\b|\bact as (?:if|an?|my|the)\b|\brole[- ]?play\b|"
    r"\bjail ?break\b|(?:^|\W)(?:system|assistant|developer|user|tool)\s*:\s|\b\w+_\w+\b|</?\w+>|[{}<>]|"
    r"\b(?:or|and)\s+['\"]?1['\"]?\s*=\s*['\"]?1|\bdrop\s+table\b|\bselect\b.{0,40}\bfrom\b|;\s*--|\b(?:list|"
    r"names?|descriptions?) of (?:your |all |the )?(?:tools|functions|commands)\b|\b(?:your|available|"
    r"internal) (?:tools|functions|api)\b|\bcall the (?:tool|function)\b|\b(?:api|access|bearer|secret|"
    r"private) (?:key|token)s?\b|\bpasswords?\b|\bsource code\b|\bi am (?:your|the) (?:developer|administrator|"
    r"admin|creator|programmer|owner|engineer)\b|\bas an admin\w*\b|\bwhat (?:language )?model are you\b|"
    r"\brepeat (?:everything|the text|all) (?:above|before)\b|\b(?:set|change|make) the (?:price|total|"
    r"discount) (?:to|of)\b"
)
PRIVATE = _p(
    r"(?:'s|\bthe) owner\b|\bowner of (?:the |that |this )?(?:order|number|phone)\b|"
    r"\b(?:other|another|all|every|each|last|previous|next|any)\s+(?:\w+\s+)?(?:customer|caller|client|buyer|"
    r"person|people)(?:s|'s|s')?\b|\b(?:customer|client)s?'? (?:list|data|database|records|phone|address|"
    r"names)\w*\b|\b(?:someone|somebody|anyone) else'?s?\b|\b(?:neighbou?r|ex|boss|colleague|competitor|"
    r"stranger)'?s (?:orders?|bookings?|address|phone|number|data|details)\b|\b(?:orders?|bookings?|address|"
    r"name|details) (?:of|for|from|under|belonging to|on) (?:the )?(?:my neighbou?r|mr|mrs|ms|miss|customer|"
    r"phone(?: number)?|number|this person|that person|everyone|everybody)\b|\bwho (?:ordered|bought|lives|"
    r"owns)\b|\bcredit card (?:number|details)s? (?:of|for|from)\b"
)

OPERATOR = _p(
    rf"\b(?:speak|talk|speaking|talking|chat|connect|put|transfer|pass|switch|give|get|need|want|prefer|like|"
    rf"call|have|reach|fetch|find|bring|hand)\b[^.?!]{{0,40}}\b{_PERSON}\b(?! else'?s)|^\W*(?:an?\s+|"
    rf"the\s+)?(?:{_PERSON})\W*(?:please)?\W*$|\b(?:real|live|actual|human) (?:person|human|agent|operator|"
    rf"being)\b|\b(?:is|are) there (?:any\s?one|someone|somebody|a person|a human|"
    rf"an? \w+)\b[^.?!]{{0,20}}\b(?:talk|speak)|\bput me (?:through|on)\b|\bconnect me\b|\btransfer me\b|"
    rf"\bpass me\b|\b(?:operator|representative)\b|\b(?:not|don't|do not|stop|hate|"
    rf"tired of)\b[^.?!]{{0,30}}\b(?:robot|machine|bot|computer|recording|automat\w+)\b|\bcall me back\b|"
    rf"\bcall ?back\b"
)
ABOUT_THINGS = _p(rf"\b(?:order|tyres?|tires?|parcel|product)\b[^.?!]{{0,20}}\bfor (?:a |an |my )?{_PERSON}")
COMPLAINT = _p(
    r"\b(?:ridiculous|unacceptable|outrageous|disgrace\w*|terrible|awful|horrible|appalling|disgust\w+|useless|"
    r"pathetic|incompetent|complain\w*|complaints?|furious|angry|unhappy|dissatisfied|upset|fed up|sick of|"
    r"scam\w*|fraud|thieves|lawyer|sue|worst|rubbish service|nightmare|joke of a|disappoint\w+|annoy\w+|"
    r"frustrat\w+|rip[- ]?off|cheated|not (?:happy|satisfied|pleased|acceptable|good enough)|enough of this|"
    r"had enough|never again|bad service|rude)\b|\b(?:nobody|no one|no-one|none of you|you never|"
    r"you people)\b[^.?!]{0,30}\b(?:calls?|called|answers?|answered|helps?|helped|replies|replied|came|care|"
    r"cares|picks?|phoned|rang|listens?)\b|\b(?:sent|delivered|got|received|brought|gave|shipped|"
    r"fitted)\b[^.?!]{0,25}\b(?:wrong|damaged|broken|used|old|defective|faulty)\b|\bwrong (?:tyres?|tires?|"
    r"size|order|ones|product|item|goods|wheels?)\b|\b(?:second|third|fourth|fifth|tenth|\d+(?:th|rd|"
    r"nd)) time (?:i|we|that|this|you|now)\b|\b(?:arrived|came|were|are|is|was)\s+(?:\w+\s+)?(?:damaged|broken|"
    r"defective|faulty)\b|\bwant my money back\b|\b(?:waiting|waited) (?:for )?(?:\w+ ){0,2}(?:weeks?|months?|"
    r"ages|days|forever)\b"
)
STATUS = _p(
    rf"\b(?:where(?:'s| is| are| did)?|track\w*|trace|status|state|happening|happened|check\w*|shipped|"
    rf"dispatched|sent (?:out|off|yet)|arriv\w*|delivered|when(?:'s| will| is| does| do| are| can)?|update|"
    rf"look up|find|receiv\w*|got|waiting|progress|late|delayed|coming|ready|news|info\w*|know|about|on (?:its|"
    rf"the) way|hear)\b[^.?!]{{0,50}}\b(?:my|the|an?|our|this|that|your)?\s*{_ORDER}\b|\b(?:my|"
    rf"our)\s+{_ORDER}\b|\b(?:order|orders)\b[^.?!]{{0,20}}\b(?:status|shipped|sent|dispatched|ready|arriv\w*|"
    rf"deliver\w*|coming|late|delayed|on (?:its|the) way)\b|\b(?:order|tracking|orders?|older|other|auto|"
    rf"border)\s+(?:number|no\b|num)|\b{_TYRE}\b[^.?!]{{0,15}}\b(?:i|we) (?:ordered|bought)\b|\b(?:i|we)(?:'ve|"
    rf" have)? (?:just )?(?:ordered|bought|placed|made)\b|\btrack(?:ing)?\b|\bhas it (?:shipped|been sent|"
    rf"left)\b|\border\W+(?:is\W+)?#?\d|\border\s+(?:is\s+)?(?:zero|oh|one|two|three|four|five|six|seven|eight|"
    rf"nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|"
    rf"forty|fifty|sixty|seventy|eighty|ninety|double|triple)[\s,-]+(?:zero|oh|o|one|two|three|four|five|six|"
    rf"seven|eight|nine|ten|eleven|twelve|\w+teen|\w+ty|double|triple|hundred|thousand)\b"
)
ABOUT_IT = _p(
    r"\bwhen (?:will|does|is|should|would|can)(?: i)? (?:it|that|they|get it|get them|have it)\b(?! open|"
    r" close)|\bwhere (?:is|are) (?:it|they)\b(?! open)|\bhas it (?:shipped|been|left|gone)\b|"
    r"\bis it (?:shipped|on its way|coming)\b"
)
BUY = _p(
    r"\b(?:i'?ll|i will|we'?ll|we will|i'?d like to|i would like to|i'd|i would like|i want to|i wanna|"
    r"we want to|i want|can i|could i|may i|let me|let's|please|just|can you|could you|would you|i need to|and|"
    r"to|go ahead and|yes|ok|okay|me|wish to)[\s,]+(?:please\s+)?(?:take|order|buy|purchase|reserve|"
    r"book me)\b(?!\s+(?:number|status|no\b))|\bi'?ll (?:have|get|go (?:for|with))\b|\bwe'?ll (?:have|get|"
    r"go (?:for|with))\b|^\W*(?:order|buy|reserve|purchase|take)\b(?!\s+(?:number|status|no\b|is\b|\d))|"
    r"\b(?:place|make|start|create) (?:an?|the|my|new)\s*(?:new )?order\b|\bput me down for\b|"
    r"\bsend me\b[^.?!]{0,20}\b[A-Z]-?\d{3}|\bgive me\b(?! a (?:call|person|human))|\btake (?:it|them|those|"
    r"these|that)\b|\bsign me up\b|\bnew order\b"
)
ORDER_BEFORE = _p(r"\border\s+(?:number\s+|no\.?\s+)?(?:is\s+)?#?$")
ORDER_DIGITS = _p(
    r"\border\W+(?:(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple|\d)[\s,.-]+){2}"
    r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|\d)"
)
COUNTED_AFTER = _p(rf"^\s*(?:of\b|pieces?\b|{_TYRE}\b)")
MINE = _p(r"\bmy\b")
CHECKING = _p(r"\b(?:check|track|status|where|happen\w*|cancel|shipped|arriv\w*|look up|find out)\b")
CHANGE = _p(
    r"\b(?:cancel|change|modify|amend|update|edit|stop|remove|return|add|alter|move)\b[^.?!]{0,30}\b(?:order|"
    r"delivery|address|parcel|purchase)\b|\b(?:ordered|bought)\b[^.?!]{0,20}\b(?:mistake|accident|error|"
    r"wrong)\b"
)
IN_GENERAL = _p(
    r"\b(?:can|could|may|am|should) i\b(?! have you)|\bis it possible\b|\bhow (?:do|can|could|would|long) i?\b|"
    r"\buntil when\b|\bif i\b|\bwhat happens\b|\bdo you (?:charge|allow|accept)\b"
)
APPOINTMENT = _p(
    r"\b(?:book|make|schedule|arrange|reserve|move|reschedule|cancel|change|get|need|want|have|"
    r"like)\b[^.?!]{0,30}\b(?:appointments?|fitting|slots?|bookings?|reservation)\b|\b(?:have|"
    r"get)\b[^.?!]{0,20}\b(?:fitted|mounted|changed|swapped|installed)\b[^.?!]{0,20}\b(?:on|at|tomorrow|today|"
    r"next|this|monday|tuesday|wednesday|thursday|friday|saturday)\b"
)
WANTS_TYRES = _p(
    rf"\b(?:need|want|looking|look|have|got|sell|show|offer|search|find|after|like|recommend|suggest|buy|get|"
    rf"interested|any|some|stock|carry|which|what|price|prices|cheap\w*|cost|much|fit|"
    rf"replace)\b[^.?!]{{0,50}}\b{_TYRE}\b|\b{_TYRE}\b[^.?!]{{0,40}}\b(?:for|in size|size|in stock|available|"
    rf"price|cost|please|needed|wanted)\b|\b(?:summer|winter|all[- ]?season|"
    rf"all[- ]?weather)\s+(?:\w+\s+)?{_TYRE}\b|\bset of {_TYRE}\b|^\W*(?:new )?{_TYRE}\W*$"
)
STOCK = _p(r"\b(?:in stock|available|availability|on stock|in the warehouse|how many (?:do you have|are there|left))\b")
CHEAPER = _p(r"\b(?:anything|something|any|got|have|one|ones) (?:\w+ )?cheaper\b|^\W*cheaper\b")
SAME_PHONE = _p(
    r"\b(?:same|this|my) (?:phone |mobile )?number\b|\bcalling (?:from|on|you)\b|\bon (?:my|your) (?:account|"
    r"screen|file)\b"
)
PRICE = _p(
    r"\bhow much (?:is|are|does|do|would|will)\s*(?:it|that|this|they|those|these|one|them|the \w+ one|all|"
    r"cost|everything)?\b|\bwhat(?:'s| is| are) the (?:price|cost|total)\b|\b(?:price|cost)\s+(?:of|for) (?:it|"
    r"that|them|those)\b"
)

KNOWLEDGE_TOPICS: Mapping[str, re.Pattern[str]] = {
    "hours": _p(
        r"\b(?:open|opened|opening|opens|close|closed|closes|closing|shut|shuts|hours?|working (?:days?|time)|"
        r"weekends?|lunch|holidays?|what time)\b"
    ),
    "delivery": _p(r"\b(?:deliver\w*|shipping|ship|courier|postage|post)\b"),
    "returns": _p(
        r"\b(?:return\w*|refund\w*|exchange|bring\b[^.?!]{0,20}\bback|send\b[^.?!]{0,20}\bback|"
        r"take\b[^.?!]{0,20}\bback|give\b[^.?!]{0,20}\bback|money back|changed? my mind|don'?t fit|do not fit|"
        r"doesn'?t fit)\b"
    ),
    "warranty": _p(r"\b(?:warrant\w*|guarant\w*)\b"),
    "payment": _p(
        r"\b(?:pay\w*|card|cash|credit|instal\w*|visa|mastercard|paypal|transfer money|bank transfer|invoices?|"
        r"receipts?|vat|bill|finance|leasing|deposit)\b"
    ),
    "fitting": _p(
        r"\b(?:fitting|fitted|mount\w*|balanc\w*|install\w*|fit (?:them|the|my|tyres|tires|it)|swap\w*|"
        r"workshop|garage|chang(?:e|ing) (?:my|the|over)?\s*(?:tyres|tires|wheels))\b"
    ),
    "storage": _p(
        rf"\b(?:stor(?:e|ing|age)|hotel)\b|\b(?:keep|leave|hold|look after)\b[^.?!]{{0,20}}\b(?:{_TYRE}|set|"
        rf"them)\b"
    ),
    "address": _p(
        r"\b(?:address|locat\w*|where are you|where is (?:the|your)|find you|get to you|nearest|nearby|parking|"
        r"park|branch\w*|directions?|come (?:by|over|to)|street|shops?|stores?|showroom|city)\b"
    ),
    "care": _p(
        r"\b(?:pressure|inflat\w*|psi|tread|worn|wear|punctur\w*|nail|flat|repair\w*|patch\w*|fix|"
        r"run[- ]?flats?|align\w*|tracking geometry|load index|speed (?:rating|index)|rotat\w*|recycl\w*|"
        r"dispos\w*|tpms|sensors?|vibrat\w*|age|how old (?!are you)|dot code|studs?|chains?|expire\w*)\b|"
        r"\blasts?\b(?! (?:week|month|year|time|night|one|order|\w+day))"
    ),
    "law": _p(
        r"\b(?:law|legal\w*|mandatory|required|obligatory|obliged|compulsory|must|allowed|fined?|police|"
        r"have to)\b"
    ),
    "offers": _p(
        r"\b(?:discount\w*|special offers?|sales?|promo\w*|coupon|voucher|loyalty|cheaper for|wholesale|"
        r"company)\b"
    ),
    "meaning": _p(
        r"\bwhat (?:does|do|is meant by)\b[^.?!]{0,40}\bmean|\bdifference\b|\bwhich (?:is|are) better\b|"
        r"\bbetter\b|\bexplain\b|\b(?:where|how)\b[^.?!]{0,30}\b(?:find|read|know|see|tell|"
        r"check)\b[^.?!]{0,20}\bsize|\badvi[cs]e\b"
    ),
    "pickup": _p(r"\b(?:pick\W?(?:ing )?(?:it |them |up |my \w+ )*up|pick\W?up|collect\w*|collection)\b"),
    "old": _p(rf"\b(?:old|used|worn) {_TYRE}\b"),
}
STRONG_TOPICS = ("storage", "returns", "warranty", "payment", "law", "meaning", "old", "care", "fitting", "hours")
FIRM_TOPICS = ("returns", "warranty")
OWN_THINGS = _p(rf"\b(?:my|our|the)\s+(?:\w+\s+)?{_TYRE}\b")
QUESTION = _p(
    r"\?\s*$|^\W*(?:(?:and|so|well|ok|okay|hi|hello|hey|please|um|uh|sorry|excuse me|good (?:morning|evening|"
    r"afternoon))[\s,.!]+)*(?:what|when|where|which|who|why|how|do|does|did|can|could|is|are|will|would|should|"
    r"may|am|have|has|tell me|i'?d like to know|i (?:want|wanted|need) to know|i was wondering|let me know|"
    r"what's|how's|where's|d have)\b"
)
GREETING_WORDS = frozenset(
    re.findall(
        r"[\w']+",
        "hello hi hey hiya good morning afternoon evening day there how are you doing today to greetings howdy "
        "yes speaking is this the tyre tire shop again nice dear hallo allo sir madam",
    )
)
GREETING = _p(r"\b(?:hello|hi|hey|hiya|hallo|allo|howdy|greetings|good (?:morning|afternoon|evening|day))\b")
GOODBYE = _p(
    r"\b(?:good\W?\s?bye?|bye|see you|hang up|that'?s (?:all|everything|it)|that is (?:all|everything)|"
    r"nothing (?:else|more)|have a (?:nice|good|great|lovely) (?:day|one|evening|weekend)|that will be all|"
    r"that'?ll be all|i'?m (?:done|finished)|end the call|talk (?:to you )?later|take care|cheerio|farewell|"
    r"no more questions|all (?:good|set))\b"
)
THANKS = _p(r"\b(?:thanks?|thank you|thankyou|cheers|appreciate\w*|great help|helpful)\b")
REPEAT = _p(
    r"\b(?:repeat|say)\b[^.?!]{0,15}\b(?:that|it|again|please|last|this)\b|\b(?:pardon|come again|say again)\b|"
    r"\bwhat did you (?:say|just say)\b|\b(?:didn'?t|did not|couldn'?t|could not|can'?t|cannot) (?:hear|catch|"
    r"get|understand)\b|\b(?:one more time|once more|once again)\b|^\W*(?:sorry|what|excuse me|huh)\W*\?\W*$|"
    r"\brepeat\b|\bspeak up\b|\bslower\b"
)
WAIT = _p(
    r"\b(?:hold on|hang on|one (?:moment|second|minute|sec)|just a (?:moment|second|minute|sec)|"
    r"wait a (?:moment|second|minute)|wait\W*$|let me (?:look|see|check|find|think|get)|give me a (?:second|"
    r"moment|minute|sec)|bear with me)\b"
)
WHO = _p(
    r"\b(?:are you|am i (?:talking|speaking) (?:to|with)|is this|do i (?:talk|speak) (?:to|"
    r"with))\b[^.?!]{0,15}\b(?:robot|machine|bot|computer|human|real|person|ai|recording|automat\w+|"
    r"artificial)\b|\bwho are you\b|\bwhat are you\b|\bwhat can you do\b|\bhow can you help\b|\bwhat(?:'s|"
    r" is) your name\b|^\W*help\W*$"
)
YES = _p(
    r"^\W*(?:oh\W+)?(?:yes|yeah|yep|yup|yah|sure|correct|right|exactly|okay|ok|of course|absolutely|definitely|"
    r"please do|go ahead|that'?s (?:right|correct)|sounds good|do it|certainly|perfect|fine|alright|all right|"
    r"yes please|i do)\b"
)
NO = _p(r"^\W*(?:oh\W+)?(?:no|nope|nah|now|not (?:really|now|yet|today)|never ?mind|don'?t|wrong|incorrect)\b")
CARS = _p(
    r"\b(?:toyota|volkswagen|vw|bmw|audi|mercedes|ford|opel|vauxhall|skoda|renault|honda|hyundai|kia|nissan|"
    r"mazda|peugeot|citro[eë]n|fiat|volvo|lexus|subaru|suzuki|tesla|dacia|seat|mitsubishi|chevrolet|jeep|"
    r"land rover|porsche|mini|lada|daewoo|chery|geely|byd|golf|corolla|passat|focus|octavia|polo|civic|camry|"
    r"astra|fabia|clio|qashqai|sportage)\b"
)
FOLLOW_UP = _p(r"^\W*(?:and|what about|how about|or|but|also)\b")
SAME = _p(r"\b(?:same (?:size|one|ones|again)|that size|this size)\b")
