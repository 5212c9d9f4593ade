"""What stands round a call: the shop or the clinic, the model, the voice; each can be told to fail."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from engine.agent.playbook import load_playbook
from engine.agent.policy import PolicyModel
from engine.agent.ports import ChatDelta, ChatRequest
from engine.errors import ModelError, StoreRefused, SynthesisError
from engine.knowledge.assembly import topics_of
from engine.knowledge.meaning import Meaning
from engine.knowledge.port import Hit, KnowledgeBase
from engine.knowledge.ranking import Space
from engine.knowledge.search import MeaningKnowledge
from engine.speech.ports import SynthesisRequest
from engine.store.memory import MemoryStore
from engine.store.port import NewBooking, Order
from engine.store.samples import OTHER_CALLER, sample_store
from serve_apps.demo_clinic.app import Appointment, NewAppointment
from tests.callers.caller import CallerRecognizer
from tests.callers.script import Given
from tests.unit.dialogue.stage import tone
from tests.unit.talk_stage import CLOSED, OPENED, ClinicApi

_Made = TypeVar("_Made")

SECONDS_A_WORD = 0.15
"""Of the agent's voice."""


class StageClock:
    """A ``Clock`` of the call's loop, whichever loop asks, that began at ``opened`` (seconds since 1970)."""

    def __init__(self, opened: float) -> None:
        self._opened = opened
        self._loop = asyncio.get_running_loop()
        self._began = self.now()

    def now(self) -> float:
        return self._loop.time()

    def wall(self) -> float:
        return self._opened + self.now() - self._began


class StageModel:
    """The rule-based model at a model's pace, and the knowledge beside it; notes what a decision takes.

    One serves all calls, like a replica, and on a loop of its own: its embeddings are computed in threads, and virtual
    time must stand still meanwhile.
    """

    def __init__(self) -> None:
        self._clock: StageClock | None = None
        self._inner = PolicyModel(("tyre_shop", "clinic"), wall=self._wall)
        self._meaning = Meaning()
        self._space = Space(self._meaning, topics_of(map(load_playbook, ("tyre_shop", "clinic"))))
        self._bases: dict[str, MeaningKnowledge] = {}
        self._aside = _Aside()
        self.fails = 0
        """How many of the next requests fail."""
        self.delay = 0.0
        self.seconds: list[float] = []
        """Real time of each decision."""

    async def begin(self, clock: StageClock) -> None:
        """A call begins."""
        self._clock, self.fails, self.delay = clock, 0, 0.3
        if not self._bases:
            self._aside.run(self._load())

    async def start(self) -> None:
        """Started with the first call."""

    async def check_health(self) -> None:
        """Always well."""

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        await asyncio.sleep(self.delay)
        if self.fails:
            self.fails -= 1
            raise ModelError("told to fail")
        began = time.perf_counter()
        deltas = self._aside.run(self._decide(request))
        self.seconds.append(time.perf_counter() - began)
        for delta in deltas:
            yield delta

    def knowledge(self, playbook: str) -> KnowledgeBase:
        """Of a playbook, by meaning and words."""
        return _Knowledge(self._bases[playbook], self._aside)

    async def close(self) -> None:
        """It serves other calls."""

    def end(self) -> None:
        """No more calls."""
        self._aside.end()

    async def _decide(self, request: ChatRequest) -> list[ChatDelta]:
        return [delta async for delta in self._inner.chat(request)]

    async def _load(self) -> None:
        await self._inner.start()
        await self._meaning.start()
        await self._space.open()
        for name in ("tyre_shop", "clinic"):
            self._bases[name] = MeaningKnowledge(self._space, load_playbook(name).knowledge)
            await self._bases[name].open()

    def _wall(self) -> float:
        assert self._clock is not None
        return self._clock.wall()


class _Aside:
    """A loop in a thread of its own, for work that takes real time."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="aside", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _Made]) -> _Made:
        """Whoever calls waits, his loop and its time with him."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class _Knowledge:
    """A ``KnowledgeBase`` that searches aside."""

    def __init__(self, base: KnowledgeBase, aside: _Aside) -> None:
        self._base = base
        self._aside = aside

    async def search(self, query: str, limit: int = 3) -> Sequence[Hit]:
        return self._aside.run(self._search(query, limit))

    async def close(self) -> None:
        """It serves other calls."""

    async def _search(self, query: str, limit: int) -> Sequence[Hit]:
        return await self._base.search(query, limit)


class StageVoice:
    """A ``SpeechSynthesizer`` of tones, one a word."""

    def __init__(self) -> None:
        self.broken = False

    async def start(self) -> None:
        """Nothing to load."""

    async def check_health(self) -> None:
        """Always well."""

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes]:
        await asyncio.sleep(0.1)
        if self.broken:
            raise SynthesisError("told to fail")
        for _ in request.text.split():
            yield tone(SECONDS_A_WORD)

    async def close(self) -> None:
        """Nothing to let go of."""


class World:
    """Everything of one conversation that is not the call itself."""

    def __init__(self, given: Given, model: StageModel) -> None:
        self.model = model
        self.voice = StageVoice()
        self.recognizer = CallerRecognizer()
        self.store: MemoryStore = sample_store()
        self.clinic = ClinicApi()
        self._before = {order.number: order for order in self.store.all_orders}
        self.clock = StageClock(CLOSED if given.closed else OPENED)

    async def settle(self, given: Given) -> None:
        """What was there before the call."""
        for number, text in enumerate(given.bookings):
            await self.store.create_booking(_new_booking(text), idempotency_key=f"before-{number}")
        for text in given.appointments:
            doctor, day, moment, phone, name = text.split(maxsplit=4)
            made = {"doctor_id": doctor, "date": day, "time": moment, "phone": phone, "name": name}
            self.clinic.desk.book(NewAppointment.model_validate(made))

    async def becomes(self, changes: Mapping[str, Any]) -> None:
        """Something happens, such as ``{store: gone}``."""
        for what, how in changes.items():
            match what, how:
                case "store", "gone" | "well":
                    self.store.down, self.store.delay, self.store.refusal = how == "gone", 0.0, None
                    self.clinic.down = how == "gone"
                case "store", "wrong":
                    self.store.refusal = StoreRefused("told to refuse", code="validation_error", status=422)
                case "store", int() | float():
                    self.store.delay = float(how)
                case "model_fails", int():
                    self.model.fails = how
                case "model_delay", int() | float():
                    self.model.delay = float(how)
                case "voice", "gone" | "well":
                    self.voice.broken = how == "gone"
                case "recogniser", "gone" | "well":
                    self.recognizer.gone = how == "gone"
                case "recogniser_loses", int():
                    self.recognizer.lose = how
                case "booked", str():
                    await self.store.create_booking(_new_booking(how), idempotency_key=f"meanwhile-{how}")
                case "appointment", str():
                    await self.settle(Given(appointments=(how,)))
                case _:
                    raise ValueError(f"nothing like {what}: {how} can happen")

    @property
    def orders(self) -> tuple[str, ...]:
        """Orders that are not as they were."""
        return tuple(_order(order) for order in self.store.all_orders if self._before.get(order.number) != order)

    @property
    def bookings(self) -> tuple[str, ...]:
        return tuple(
            f"{each.id} {each.station_id} {each.date} {each.time} {each.customer_phone} {each.customer_name} "
            f"{each.status}".replace("  ", " ")
            for each in self.store.all_bookings
        )

    @property
    def appointments(self) -> tuple[str, ...]:
        return tuple(_appointment(each) for each in self.clinic.desk.all)


def _new_booking(text: str) -> NewBooking:
    """ "S-1 2026-11-28 10:00", another caller's; or with a number and a name behind."""
    station, day, moment, *whose = text.split(maxsplit=4)
    phone, name = (*whose, "")[:2] if whose else (OTHER_CALLER, "")
    return NewBooking(station, day, moment, phone, "another call", customer_name=name)


def _order(order: Order) -> str:
    price = f"{order.total} {order.currency}"
    return f"{order.number} {order.status}: {order.items_summary}, {price}, {order.customer_phone}"


def _appointment(each: Appointment) -> str:
    return f"{each.id} {each.doctor_id} {each.date} {each.time} {each.phone} {each.name} {each.status}"
