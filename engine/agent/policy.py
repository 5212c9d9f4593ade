"""The deterministic policy: a chat model made of rules, for when there is no other.

It keeps nothing between requests. From the messages it works out where the conversation stands (``situation``), decides
on one tool call or one short answer, and puts a tool's answer into words (``answers``). Where words do not tell,
sentence embeddings help (``meaning``); without them it still works, on words alone.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.agent import intent_words as words
from engine.agent.answers import Sentences, answer
from engine.agent.asked import Asked
from engine.agent.intents import Intent
from engine.agent.knowledge import KnowledgeIndex
from engine.agent.meaning import Meaning
from engine.agent.playbook import Playbook, load_playbook
from engine.agent.ports import ChatDelta, ChatDone, ChatRequest, TextDelta, ToolCall, ToolCallDelta
from engine.agent.quantities import quantities
from engine.agent.situation import Situation, SituationReader, ToolResult
from engine.errors import ConfigurationError, ModelError

if TYPE_CHECKING:
    from engine.agent.meaning import Matrix

_log = logging.getLogger(__name__)

_CLAUSE = re.compile(r"(?<=[.?!;:,])(?=\s)")
# Cosines with this embedding model. Over the tyre shop's knowledge, questions that it answers reach 0.856 and more with
# the passage (or one of its "asks"), questions that it does not answer 0.861 at most.
_RELATED = 0.845
"""From here on an unclear question is looked up, if it is also nearer to the knowledge than to anything off topic."""
_ANSWERS = 0.85
"""From here on a passage that shares words with the question answers it."""
_ANSWERS_ALONE = 0.865
"""… and one that shares none."""
_ANSWERS_SURE = 0.80
"""… and one that shares many, or that another knowledge base found by its own search."""
_MANY_WORDS = 6.0
"""BM25 score of two or three telling words in common."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One tool call or one text."""

    text: str = ""
    tool: str = ""
    arguments: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Shop:
    """What the policy knows of one playbook."""

    playbook: Playbook
    say: Sentences
    reader: SituationReader
    index: KnowledgeIndex
    vectors: Matrix | None
    """One row a passage and one for each of its "asks"."""
    owners: tuple[int, ...]
    """Row → passage."""
    off_topic: Matrix | None


class PolicyModel:
    """A ``ChatModel`` of rules over one or more playbooks."""

    def __init__(self, playbooks: Sequence[str] = ("tyre_shop",), *, embeddings: bool = True) -> None:
        """Names or folders of playbooks; a request for none of them gets the first. Loads nothing before ``start``."""
        self._names = tuple(playbooks)
        self._meaning: Meaning | None = Meaning() if embeddings else None
        self._shops: dict[str, _Shop] = {}

    async def start(self) -> None:
        """See ``ChatModel.start``. Embeddings that are not installed are done without."""
        if not self._names:
            raise ConfigurationError("the policy needs at least one playbook")
        if self._meaning is not None:
            try:
                await self._meaning.start()
            except ConfigurationError as error:
                _log.warning("the policy goes on without embeddings: %s", error)
                self._meaning = None
        for name in self._names:
            shop = await self._open(load_playbook(name))
            self._shops[shop.playbook.name] = shop

    async def check_health(self) -> None:
        """See ``ChatModel.check_health``."""
        if not self._shops:
            raise ModelError("the policy was not started")

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """See ``ChatModel.chat``."""
        if not self._shops:
            raise ModelError("the policy was not started")
        shop = self._shops.get(request.playbook) or next(iter(self._shops.values()))
        situation = shop.reader.read(request.messages)
        tools = frozenset(spec.name for spec in request.tools)
        decision = await self._decide(shop, situation, tools)
        if decision.tool:
            arguments = json.dumps(decision.arguments or {}, ensure_ascii=False)
            yield ToolCallDelta(ToolCall(f"p{len(request.messages)}", decision.tool, arguments))
            yield ChatDone("tool_calls")
            return
        for clause in _CLAUSE.split(decision.text):
            yield TextDelta(clause)
        yield ChatDone("stop")

    async def close(self) -> None:
        """See ``ChatModel.close``."""
        if self._meaning is not None:
            await self._meaning.close()

    async def _open(self, playbook: Playbook) -> _Shop:
        texts: list[str] = []
        owners: list[int] = []
        for number, passage in enumerate(playbook.knowledge):
            texts += [passage.text, *passage.asks]
            owners += [number] * (1 + len(passage.asks))
        vectors = await self._meaning.passages(texts) if self._meaning is not None and texts else None
        strange = list(playbook.off_topic)
        off_topic = await self._meaning.passages(strange) if self._meaning is not None and strange else None
        return _Shop(
            playbook=playbook,
            say=Sentences(playbook),
            reader=SituationReader(playbook),
            index=KnowledgeIndex(playbook.knowledge),
            vectors=vectors,
            owners=tuple(owners),
            off_topic=off_topic,
        )

    async def _decide(self, shop: _Shop, situation: Situation, tools: frozenset[str]) -> Decision:
        if situation.results:
            return Decision(await self._spoken(shop, situation, situation.results[-1]))
        decision = await self._wanted(shop, situation)
        if decision.tool and decision.tool not in tools:
            return Decision(shop.say("not_from_here"))
        return decision

    async def _wanted(self, shop: _Shop, situation: Situation) -> Decision:
        if situation.intent is Intent.UNCLEAR and await self._may_answer(shop, situation.text):
            return Decision(tool="search_knowledge_base", arguments={"query": situation.text})
        return decide(shop.say, situation, shop.playbook)

    async def _may_answer(self, shop: _Shop, text: str) -> bool:
        """Whether a turn without a known intent is a question that the knowledge base may answer."""
        if len(text.split()) < 3 or not words.QUESTION.search(text):
            return False
        if self._meaning is None or shop.vectors is None:
            return shop.index.knows(text) >= 0.5
        best = max(await self._by_passage(shop, text), default=0.0)
        if best < _RELATED or shop.off_topic is None:
            return best >= _RELATED
        return best > max(await self._meaning.compare(text, shop.off_topic))

    async def _by_passage(self, shop: _Shop, text: str) -> list[float]:
        """The best cosine of each passage with ``text``."""
        assert self._meaning is not None
        assert shop.vectors is not None
        best = [0.0] * len(shop.playbook.knowledge)
        for owner, score in zip(shop.owners, await self._meaning.compare(text, shop.vectors), strict=True):
            best[owner] = max(best[owner], score)
        return best

    async def _spoken(self, shop: _Shop, situation: Situation, result: ToolResult) -> str:
        if result.name != "search_knowledge_base" or not result.content.get("ok"):
            return answer(shop.say, situation, result)
        passages = [item for item in result.content.get("passages", ()) if isinstance(item, dict)]
        return await self._best(shop, str(result.arguments.get("query", "")), passages) or shop.say("not_known")

    async def _best(self, shop: _Shop, query: str, passages: list[dict[str, Any]]) -> str:
        """The text of the passage that answers ``query``; empty where none does."""
        scored = {str(item.get("text", "")): float(item.get("score", 0.0)) for item in passages}
        if self._meaning is None or not scored:
            text, score = max(scored.items(), key=lambda entry: entry[1], default=("", 0.0))
            return text if score >= 1.5 else ""
        known = {passage.text: number for number, passage in enumerate(shop.playbook.knowledge)}
        by_passage = await self._by_passage(shop, query) if shop.vectors is not None else []
        if set(scored) & set(known):  # the playbook's own knowledge: meaning may find what shares no word
            scored = {**dict.fromkeys(known, 0.0), **scored}
        strange = [text for text in scored if text not in known]
        meanings = {text: by_passage[known[text]] for text in scored if text in known}
        if strange:  # passages that another knowledge base delivered
            scores = await self._meaning.compare(query, await self._meaning.passages(strange))
            meanings.update(zip(strange, scores, strict=True))
        top = max(scored.values()) or 1.0
        # a cosine moves within 0.75..0.90, so the best match by words is worth a quarter of its range
        best = max(scored, key=lambda text: meanings[text] + 0.04 * scored[text] / top)
        sure = best in strange or scored[best] >= _MANY_WORDS
        needed = _ANSWERS_SURE if sure else _ANSWERS if scored[best] else _ANSWERS_ALONE
        return best if meanings[best] >= needed else ""


def decide(say: Sentences, situation: Situation, playbook: Playbook) -> Decision:  # noqa: C901, PLR0911, PLR0912 - one case an intent reads best in one place
    """What to do about the caller's last turn."""
    slots = situation.slots
    match situation.intent:
        case Intent.ATTACK:
            return Decision(say("refuse"))
        case Intent.PRIVATE:
            return Decision(say("refuse_private"))
        case Intent.OPERATOR:
            return _transfer("caller_request")
        case Intent.COMPLAINT:
            return _transfer("complaint")
        case Intent.GOODBYE:
            return Decision(tool="end_call")
        case Intent.THANKS:
            return Decision(say("welcome"))
        case Intent.GREETING:
            return Decision(say("hello"))
        case Intent.WHO:
            return Decision(say("who"))
        case Intent.WAIT:
            return Decision(say("go_on"))
        case Intent.REPEAT:
            return Decision(situation.answer or say("nothing_to_repeat"))
        case Intent.YES:
            return _yes(say, situation, playbook)
        case Intent.NO:
            return _no(say, situation)
        case Intent.TYRES:
            return _tyres(say, situation)
        case Intent.AVAILABILITY:
            return Decision(tool="check_availability", arguments={"product_id": slots.product})
        case Intent.ORDER_STATUS:
            return _order_status(say, situation)
        case Intent.DRAFT:
            return _draft(say, situation, playbook)
        case Intent.CHANGE:
            return Decision(say("not_changeable"))
        case Intent.APPOINTMENT:
            return Decision(say("no_appointment"))
        case Intent.PRICE:
            return _price(say, situation)
        case Intent.KNOWLEDGE:
            return Decision(tool="search_knowledge_base", arguments={"query": situation.question})
        case Intent.UNCLEAR:
            return Decision(say("repair" if situation.unclear_turns < 2 else "repair_again"))


def _transfer(reason: str) -> Decision:
    return Decision(tool="transfer_to_operator", arguments={"reason": reason})


def _yes(say: Sentences, situation: Situation, playbook: Playbook) -> Decision:
    if situation.asked is Asked.CONNECT:
        return _transfer("caller_request")
    if situation.asked is Asked.BUY or (situation.topic is Intent.DRAFT and situation.slots.product):
        return _draft(say, situation, playbook)
    if situation.asked is Asked.ELSE:
        return Decision(say("go_on"))
    return Decision(say("capabilities"))


def _no(say: Sentences, situation: Situation) -> Decision:
    if situation.asked is Asked.ELSE:
        return Decision(tool="end_call")
    if situation.topic is Intent.DRAFT and situation.asked in {Asked.BUY, Asked.QUANTITY, Asked.PHONE}:
        return Decision(say("cancelled"))
    if situation.asked in {Asked.SIZE, Asked.DIAMETER, Asked.ORDER_NUMBER}:
        return Decision(say("cannot_without"))
    return Decision(say("anything_else"))


def _tyres(say: Sentences, situation: Situation) -> Decision:
    slots = situation.slots
    if situation.new_size_failed:
        return Decision(say("ask_size_again"))
    if slots.size is None:
        if slots.partial is not None:
            return Decision(say("ask_diameter", width=slots.partial[0], profile=slots.partial[1]))
        return Decision(say("ask_size_again" if situation.asked is Asked.SIZE else "ask_size"))
    arguments: dict[str, Any] = {
        "width": slots.size.width,
        "profile": slots.size.profile,
        "diameter": slots.size.diameter,
    }
    if slots.season:
        arguments["season"] = slots.season
    if slots.brand:
        arguments["brand"] = slots.brand
    return Decision(tool="search_tires", arguments=arguments)


def _order_status(say: Sentences, situation: Situation) -> Decision:
    number = situation.slots.order_number
    if number:
        return Decision(tool="get_order_status", arguments={"order_number": number})
    return Decision(say("ask_order_number_again" if situation.asked is Asked.ORDER_NUMBER else "ask_order_number"))


def _draft(say: Sentences, situation: Situation, playbook: Playbook) -> Decision:
    slots = situation.slots
    if slots.quantity is not None and not 1 <= slots.quantity <= playbook.max_quantity:
        return Decision(say("refuse_quantity"))
    if not slots.product:
        if situation.offers:
            return Decision(say("ask_product"))
        return _tyres(say, situation)
    if slots.quantity is None:
        return Decision(say("ask_quantity"))
    if not slots.phone:
        tried = situation.asked is Asked.PHONE and (slots.phone_part or not quantities(situation.text))
        return Decision(say("ask_phone_again" if tried else "ask_phone"))
    return Decision(
        tool="create_order_draft",
        arguments={"product_id": slots.product, "quantity": slots.quantity, "customer_phone": slots.phone},
    )


def _price(say: Sentences, situation: Situation) -> Decision:
    if not situation.offers or not situation.offers[0].price:
        return Decision(say("price_of_what"))
    known = [offer for offer in situation.offers[:2] if offer.price]
    offers = [
        say(
            "tire_offer",
            brand=offer.brand,
            model=offer.model,
            id=offer.id,
            price=offer.price,
            currency=offer.currency,
        )
        for offer in known
    ]
    return Decision(". ".join(offers) + ". " + say("ask_product"))
