"""The words by which callers of the tyre shop say what they want, in English.

Patterns allow for what recognisers make of the words ("retires" for "tyres").
"""

from __future__ import annotations

import re
from collections.abc import Mapping


def _p(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_TYRE = r"(?:tyres?|tires?|tyer|tyers|retires?|wheels?|rubber)"
_ORDER = r"(?:orders?|parcels?|packages?|shipments?|purchases?|deliver(?:y|ies)|consignment|goods)"

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
        r"\b(?:open|opened|opening|opens|close|closed|closes|closing|shut(?! up)|shuts|hours?|working (?:days?|time)|"
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
        r"\b(?:okay|ok|safe|bad) to\b|\bcan i (?:use|drive|mix|keep)\b|"
        r"\b(?:law|legal\w*|mandatory|required|obligatory|obliged|compulsory|must|allowed|"
        r"fined|fines|a fine\b(?! (?:day|time))|police|"
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
CARS = _p(
    r"\b(?:toyota|volkswagen|vw|bmw|audi|mercedes|ford|opel|vauxhall|skoda|renault|honda|hyundai|kia|nissan|"
    r"mazda|peugeot|citro[eë]n|fiat|volvo|lexus|subaru|suzuki|tesla|dacia|seat|mitsubishi|chevrolet|jeep|"
    r"land rover|porsche|mini|lada|daewoo|chery|geely|byd|golf|corolla|passat|focus|octavia|polo|civic|camry|"
    r"astra|fabia|clio|qashqai|sportage)\b"
)
OTHERS = _p(
    r"\b(?:any|other|another|different|same) (?:\w+ )?(?:brand|make|maker|season)s?\b|"
    r"\b(?:same (?:size|one|ones|again)|that size|this size)\b"
)
ABOUT_BUYING = _p(r"\b(?:on|for) the order\b|\bto (?:the|your) order\b|\border it\b|\bhow many would you\b")
COUNTED = _p(r"\b(?:make (?:it|that)|i (?:want|need|meant)|instead of|pieces?|of them|tyres?|tires?)\b")
UNDER = _p(r"\b(?:under|below|less than|up to|at most|no more than|cheaper than)\b[^.?!]{0,20}(?:euros?|eur|\d)")
CANCEL_IT = _p(r"\b(?:cancel|stop|change) (?:it|that|them)\b")
