"""Numbers as people write them.

number(value) -> float | None     4, "4,0", "1 234,5", "1.234", "10.5M", "1,2 тыс.", Arabic digits
count(value) -> int | None        the same, whole and not negative: likes, views, replies
"""

from __future__ import annotations

import math
import re
import unicodedata

_FACTORS = {
    "k": 1e3, "тыс": 1e3, "т": 1e3, "тис": 1e3, "mil": 1e3, "tsd": 1e3, "rb": 1e3, "ribu": 1e3, "bin": 1e3, "tys": 1e3,
    "m": 1e6, "млн": 1e6, "mio": 1e6, "mn": 1e6, "jt": 1e6, "juta": 1e6, "mln": 1e6, "millones": 1e6,
    "b": 1e9, "млрд": 1e9, "g": 1e9, "mrd": 1e9, "bn": 1e9,
    "万": 1e4, "萬": 1e4, "만": 1e4, "亿": 1e8, "億": 1e8, "억": 1e8, "千": 1e3, "천": 1e3,
}  # fmt: skip
_NUMBER = re.compile(r"([+-]?\d(?:[\d.,'’ ]{0,24}\d)?)\s*([a-zа-яё万萬만亿億억千천]{0,8})\.?", re.IGNORECASE)


def number(value: object, *, grouped: bool = True) -> float | None:
    """The first number in `value`; None when there is none or it is not finite.

    `grouped=False`: a lone mark is decimal ("4.125"), never thousands.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        try:
            return float(value) if math.isfinite(value) else None
        except OverflowError:
            return None
    if not isinstance(value, str):
        return None
    found = _NUMBER.search(_plain_digits(value[:400]))
    if found is None:
        return None
    base = _decimal(found.group(1), grouped=grouped)
    if base is None:
        return None
    return base * _FACTORS.get(found.group(2).lower(), 1.0)


def count(value: object) -> int | None:
    """A whole, not negative number; None otherwise."""
    found = number(value)
    return round(found) if found is not None and 0 <= found < 2**53 else None


def _plain_digits(value: str) -> str:
    value = (
        value.replace("\u00a0", " ").replace("\u202f", " ").replace("\u2009", " ").replace("٫", ".").replace("٬", ",")
    )
    if value.isascii():
        return value
    return "".join(
        str(unicodedata.digit(one)) if one.isdigit() and unicodedata.digit(one, None) is not None else one
        for one in value
    )


def _decimal(raw: str, *, grouped: bool) -> float | None:
    """`1.234,5` and `1,234.5` by the last mark. `1,234` and `1.234`, three digits after a lone mark, are thousands
    only when the whole part is not zero and at most three digits long."""
    raw = re.sub(r"[ '’]", "", raw)
    last = max(raw.rfind("."), raw.rfind(","))
    if last >= 0:
        marks = [one for one in raw if one in ".,"]
        whole, rest = raw[:last], raw[last + 1 :]
        several = len(marks) > 1 and len(set(marks)) == 1
        digits = whole.lstrip("+-")
        lone = grouped and len(marks) == 1 and len(rest) == 3 and digits not in ("0", "") and len(digits) <= 3
        if several or lone:
            raw = re.sub(r"[.,]", "", raw)
        else:
            raw = re.sub(r"[.,]", "", whole) + "." + rest
    try:
        return float(raw)
    except ValueError:
        return None
