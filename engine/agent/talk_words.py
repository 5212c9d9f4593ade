"""The words by which the talk itself is known, in English: attacks, asking for a person, complaints, yes and no.

Another language is another table of the same names. What one business is about stands in its playbook.
"""

from __future__ import annotations

import re


def _p(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_PERSON = (
    r"(?:human(?: being)?|person|people|someone|somebody|agent|operator|representative|rep|manager|supervisor|"
    r"boss|staff|colleagues?|employees?|consultant|advis[eo]r|assistant|specialist|sales(?:man|person|woman)|"
    r"reception(?:ist)?|customer (?:service|support|care)|support|real one|living soul|team|mechanic|department)"
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
    r"stranger)'?s (?:orders?|bookings?|address|phone|number|data|details)\b|"
    r"\b(?:orders?|bookings?|fittings?|appointments?|address|"
    r"name|details) (?:of|for|from|under|belonging to|on) (?:the )?(?:my neighbou?r|mr|mrs|ms|miss|customer|"
    r"phone(?: number)?|number|this person|that person|everyone|everybody)\b|"
    r"\b(?:phone|number|address|name|details|data) of (?:that|this|the|a) (?:customer|caller|client|buyer)\b|"
    r"\bwho (?:ordered|bought|lives|"
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
ABOUT_THINGS = _p(rf"\b(?:order|parcel|product|set|goods)\b[^.?!]{{0,20}}\bfor (?:a |an |my )?{_PERSON}")
COMPLAINT = _p(
    r"\b(?:ridiculous|unacceptable|outrageous|disgrace\w*|"
    r"(?:terrible|awful|horrible)(?! (?:\w+ ){0,2}(?:\w*ache|pains?|cough|cold|noise|weather))|appalling|"
    r"disgust\w+|useless|"
    r"pathetic|incompetent|complain\w*|complaints?|furious|angry|unhappy|dissatisfied|upset|fed up|sick of|"
    r"scam\w*|fraud|thieves|lawyer|sue|worst|rubbish service|nightmare|joke of a|disappoint\w+|annoy\w+|"
    r"frustrat\w+|rip[- ]?off|cheated|not (?:happy|satisfied|pleased|acceptable|good enough)|enough of this|"
    r"had enough|never again|bad service|rude)\b|\b(?:nobody|no one|no-one|none of you|you never|"
    r"you people)\b[^.?!]{0,30}\b(?:calls?|called|answers?|answered|helps?|helped|replies|replied|came|care|"
    r"cares|picks?|phoned|rang|listens?)\b|\b(?:sent|delivered|got|received|brought|gave|shipped|"
    r"fitted)\b[^.?!]{0,25}\b(?:wrong|damaged|broken|used|old|defective|faulty)\b|\bwrong (?:"
    r"size|order|ones|product|item|goods)\b|\b(?:second|third|fourth|fifth|tenth|\d+(?:th|rd|"
    r"nd)) time (?:i|we|that|this|you|now)\b|\b(?:arrived|came|were|are|is|was)\s+(?:\w+\s+)?(?:damaged|broken|"
    r"defective|faulty)\b|\bwant my money back\b|\b(?:waiting|waited) (?:for )?(?:\w+ ){0,2}(?:weeks?|months?|"
    r"ages|days|forever)\b"
)
IN_GENERAL = _p(
    r"\b(?:can|could|may|am|should) i\b(?! have you)|\bis it possible\b|\bhow (?:do|can|could|would|long) i?\b|"
    r"\buntil when\b|\bif i\b|\bwhat happens\b|\bdo you (?:charge|allow|accept)\b"
)
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
        "yes speaking is this the shop again nice dear hallo allo sir madam",
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
    r"\bwhat did you (?:say|just say|ask)\b|"
    r"\bwhat was (?:that|the question)\b|\b(?:didn'?t|did not|couldn'?t|could not|can'?t|cannot) (?:hear|catch|"
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
RETRY = _p(r"\btry (?:it |that |once )?(?:again|once more)\b|\bonce more please\b|\btry now\b")
FOLLOW_UP = _p(r"^\W*(?:and|what about|how about|or|but|also)\b")
OWN_QUESTION = _p(
    r"^\W*(?:and|but|or|also)\W+(?:can|could|may|do|does|is|are|(?:how|what)(?! about)|when|where|which|who|why)\b"
)
ABOUT_THAT = _p(r"\b(?:it|that|this|they|them|those)\b")
UNKNOWN = _p(
    r"\b(?:i (?:really )?(?:don'?t|do not) (?:know|remember|recall|have (?:it|that|one|the \w+))|no idea|not sure|"
    r"can'?t (?:remember|recall|say|find)|i forgot|i have no clue|haven'?t got (?:it|that|one)|unsure)\b"
)
DROP = _p(
    r"^\W*(?:(?:no|oh|well|actually|please|sorry|ok|okay)\W+)*(?:never ?mind|forget (?:it|about it|that)|"
    r"cancel (?:that|it|this|everything)|leave it|drop it|stop (?:it|that)|i(?:'ve| have)? changed my mind|"
    r"i don'?t want (?:it|that|to) any ?more)\b"
)
CALL_BACK = _p(r"\bcall(?:ed)?(?: \w+)?[\s-]?back\b|\bring me\b|\bphone me\b")
CONNECT = _p(r"\b(?:connect|colleague|operator|person|someone|somebody|human|transfer|put me through)\b")
