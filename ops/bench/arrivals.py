"""When calls arrive: decided beforehand, whatever the engine does meanwhile (open loop)."""

from __future__ import annotations

import random
from itertools import accumulate


def evenly(count: int, seconds: float) -> list[float]:
    """``count`` arrivals spread over ``seconds``, the first at 0."""
    return [place * seconds / count for place in range(count)]


def poisson(count: int, rate: float, *, seed: int = 1) -> list[float]:
    """``count`` arrivals at random, ``rate`` a second on average; the same for the same seed."""
    source = random.Random(seed)
    return list(accumulate(source.expovariate(rate) for _ in range(count)))
