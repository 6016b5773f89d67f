"""Stars of any scale to 1..5, the raw value kept.

    fields(value, best=None, worst=None) -> keyword arguments of an Item: the usual way in
    read(value, best=None, worst=None) -> Rating | None     4, "4,0", "4,0 de 5", "8/10", "★★★★☆", "80%"
    Rating.value (1..5), .raw (as it stood), .scale ("1..10")

Without `best`, the scale is 1..5, or 1..10 for values over 5, or 0..100 with a per cent sign.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypedDict

from scrapers.readers.numbers import number
from scrapers.readers.text import line


class RatingFields(TypedDict):
    rating: float | None
    rating_raw: str | None
    rating_scale: str | None


@dataclass(frozen=True, slots=True)
class Rating:
    """`value` is on 1..5; None when the raw value is outside its own scale."""

    value: float | None
    raw: str | None
    scale: str | None

    def fields(self) -> RatingFields:
        return {"rating": self.value, "rating_raw": self.raw, "rating_scale": self.scale}


NONE = Rating(None, None, None)

_OF = re.compile(
    r"(\d+(?:[.,]\d+)?)\s*(?:/|из|од|з|of|out of|von|sternen von|de|di|da|sur|dari|av|na|od|van|z|מתוך)\s*"
    r"(\d+(?:[.,]\d+)?)",
    re.IGNORECASE,
)
_LONGEST = 200  # signs in which a rating is looked for: the time of the pattern grows with the cube of its digits
_FULL, _EMPTY = "★⭐🌟✭✮", "☆✩"


def read(value: object, best: object = None, worst: object = None) -> Rating | None:
    """A rating with its scale. Without a scale: 1..5, 1..10 for values over 5, 0..100 for a per cent sign.

    None when there is no number at all. Linear: worst -> 1, best -> 5.
    """
    raw = None if value is None or isinstance(value, (bool, dict, list)) else line(value)
    if not raw:
        return None
    top, low = number(best, grouped=False), number(worst, grouped=False)
    raw = raw[:_LONGEST]
    stars = sum(raw.count(one) for one in _FULL)
    found = _OF.search(raw.replace("\u00a0", " "))
    if stars and not re.search(r"\d", raw):
        amount: float | None = float(stars)
        holes = sum(raw.count(one) for one in _EMPTY)
        top = top or (float(stars + holes) if holes else 5.0)
    elif found:
        amount, of = number(found.group(1), grouped=False), number(found.group(2), grouped=False)
        top = top or of
    else:
        amount = number(raw, grouped=False)
        if amount is not None and "%" in raw:
            top, low = top or 100.0, 0.0 if low is None else low
    if amount is None:
        return None
    if top is None:
        top = 5.0 if amount <= 5 else 10.0 if amount <= 10 else 100.0
    if low is None:
        low = 0.0 if top >= 20 else 1.0
    return Rating(scaled(amount, low, top), raw[:40], f"{low:g}..{top:g}")


def scaled(amount: float, worst: float, best: float) -> float | None:
    """`amount` on worst..best as 1..5; None outside the scale. A zero on a scale from one means "no stars given"."""
    if best <= worst or not worst <= amount <= best:
        return None
    return round(1 + 4 * (amount - worst) / (best - worst), 4)


def fields(value: object, best: object = None, worst: object = None) -> RatingFields:
    """Keyword arguments of an Item, straight from what the site wrote."""
    return (read(value, best, worst) or NONE).fields()
