"""How many items carry a field: a page that lost one changed under its reader, although items still come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scrapers.item import Item

ENOUGH = 5  # items of a page that say anything about it
KNOWN_AFTER = 50  # items seen before a share counts as usual
USUAL, LOST = 0.95, 0.5


def lost(items: Sequence[Item], usual: dict[str, Any]) -> str | None:
    """The field that nearly all items used to have and most of these lack; None when all is as usual.

    `usual` holds shares by field and the number of items behind them (`n`); what is as usual moves them.
    """
    if len(items) < ENOUGH:
        return None
    here = {
        "rating": sum(one.rating is not None for one in items) / len(items),
        "published_at": sum(one.published_at is not None for one in items) / len(items),
        "text": sum(bool(one.text or one.title) for one in items) / len(items),
        "author": sum(one.author is not None for one in items) / len(items),
    }
    for name, share in here.items():
        if usual["n"] >= KNOWN_AFTER and usual.get(name, 0) >= USUAL and share < LOST:
            return name
    weight = min(0.5, len(items) / (usual["n"] + len(items)))
    for name, share in here.items():
        usual[name] = round(share if not usual["n"] else usual.get(name, 0) * (1 - weight) + share * weight, 4)
    usual["n"] = min(usual["n"] + len(items), 1000)
    return None
