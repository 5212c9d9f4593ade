"""Cars and the sizes they leave the factory with."""

from __future__ import annotations

from typing import Final

Size = tuple[int, int, int]
"""Width in millimetres, profile in per cent, rim in inches."""

_CITY: Final = ((165, 70, 14), (175, 65, 14), (185, 60, 15))
_SMALL: Final = ((185, 65, 15), (195, 65, 15))
_SMALL_SPORT: Final = ((185, 65, 15), (195, 55, 16), (205, 45, 17))
_COMPACT: Final = ((195, 65, 15), (205, 55, 16), (225, 45, 17))
_COMPACT_18: Final = ((195, 65, 15), (205, 55, 16), (225, 45, 17), (225, 40, 18))
_MIDDLE: Final = ((205, 60, 16), (215, 55, 17), (225, 50, 17), (235, 45, 18))
_EXECUTIVE: Final = ((225, 55, 17), (245, 45, 18), (245, 40, 19))
_EXECUTIVE_20: Final = ((245, 45, 18), (245, 40, 19), (275, 35, 20))
_CROSSOVER: Final = ((215, 60, 16), (215, 55, 17), (225, 65, 17))
_SUV: Final = ((225, 65, 17), (235, 60, 18), (235, 55, 19))
_LARGE_SUV: Final = ((235, 60, 18), (255, 50, 19), (255, 45, 20))
_OFF_ROAD: Final = ((265, 65, 17), (265, 60, 18), (285, 60, 18))
_VAN: Final = ((195, 70, 15), (205, 65, 16), (215, 65, 16))

_BY_CLASS: Final[tuple[tuple[tuple[Size, ...], str], ...]] = (
    (_CITY, "fiat: panda, 500; kia: picanto; hyundai: i10; toyota: aygo; chevrolet: aveo; daewoo: lanos, matiz"),
    (_SMALL, "renault: clio, logan, sandero; dacia: logan, sandero; opel: corsa; peugeot: 208; citroen: c3"),
    (_SMALL, "skoda: fabia; seat: ibiza; toyota: yaris; nissan: micra; zaz: forza; lada: vesta"),
    (_SMALL_SPORT, "volkswagen: polo; ford: fiesta; mini: cooper; honda: jazz; mazda: 2; audi: a1"),
    (_COMPACT, "toyota: corolla, auris; skoda: octavia, rapid; opel: astra; kia: ceed; hyundai: i30, elantra"),
    (_COMPACT, "honda: civic; mazda: 3; peugeot: 308; renault: megane; citroen: c4; mitsubishi: lancer"),
    (_COMPACT_18, "volkswagen: golf, jetta; seat: leon; audi: a3; bmw: 1 series; mercedes: a class; subaru: impreza"),
    (((195, 65, 15), (205, 55, 16), (215, 55, 17)), "ford: focus"),
    (((225, 50, 17), (225, 45, 17), (225, 40, 18)), "bmw: 3 series; mercedes: c class"),
    (((225, 50, 17), (235, 45, 18), (255, 35, 19)), "audi: a4"),
    (_MIDDLE, "volkswagen: passat; skoda: superb; toyota: camry, avensis; mazda: 6; honda: accord; ford: mondeo"),
    (_MIDDLE, "hyundai: sonata; kia: optima; opel: insignia; volvo: s60; lexus: es; subaru: legacy"),
    (_EXECUTIVE, "bmw: 5 series; mercedes: e class; audi: a6; volvo: s90"),
    (_EXECUTIVE_20, "tesla: model s; bmw: 7 series; mercedes: s class; audi: a8"),
    (_CROSSOVER, "nissan: qashqai, juke; renault: duster, captur; dacia: duster; suzuki: vitara; kia: sportage"),
    (_CROSSOVER, "hyundai: tucson; skoda: karoq; ford: kuga; mitsubishi: asx; mazda: cx-3; opel: mokka"),
    (_SUV, "toyota: rav4; honda: cr-v; nissan: x-trail; mazda: cx-5; volkswagen: tiguan; skoda: kodiaq"),
    (_SUV, "subaru: forester, outback; mitsubishi: outlander; kia: sorento; hyundai: santa fe; tesla: model y"),
    (_LARGE_SUV, "volkswagen: touareg; bmw: x5, x3; audi: q7, q5; volvo: xc90, xc60; lexus: rx; porsche: cayenne"),
    (_OFF_ROAD, "toyota: land cruiser, hilux; mitsubishi: pajero, l200; nissan: patrol; ford: ranger"),
    (_VAN, "volkswagen: transporter, caddy; ford: transit; mercedes: vito; renault: kangoo, trafic; citroen: berlingo"),
)  # fmt: skip


def _cars() -> dict[tuple[str, str], tuple[Size, ...]]:
    cars: dict[tuple[str, str], tuple[Size, ...]] = {}
    for sizes, makes in _BY_CLASS:
        for each in makes.split(";"):
            make, _, models = each.partition(":")
            cars.update({(make.strip(), model.strip()): sizes for model in models.split(",")})
    return cars


VEHICLES: Final = _cars()
"""Make and model in small letters → sizes, smallest rim first."""
