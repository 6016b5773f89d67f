"""The language of short texts: a word or two fit several languages, and what else the source says tells which.

"Супер" is written in Russian and in Ukrainian, "Not bad" by people who write English. Longer texts speak for
themselves; a short one in a language that was never seen in its source is still recognised where it is telling.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sqlmodel import Session

from monitor.store.judgements import languages_seen

if TYPE_CHECKING:
    from monitor.pipeline.score import Pending

TELLING = 40  # letters of a text whose language is hardly ever mistaken
SHORT = 100  # letters of a text that is judged with an eye to the others
LEAST = 20  # telling texts of a source that say what to expect there


def languages_of(session: Session, batch: Sequence[Pending]) -> list[str | None]:
    """The language of each mention: the given one, or the one it is written in; None where that is unknown."""
    from models.language import detect
    from models.text import clean

    words = [clean(row.words[:1000]) for row in batch]
    found: list[str | None] = [row.language or None for row in batch]
    asked = [i for i, code in enumerate(found) if code is None]
    for i, code in zip(asked, detect([words[i] for i in asked]), strict=True):
        found[i] = code
    short = [i for i in asked if len(words[i]) < SHORT]
    houses: dict[int, Mapping[str, float] | None] = {}
    for source in {batch[i].source_id for i in short}:
        seen = Counter(languages_seen(session, source, least=TELLING))
        seen.update(
            code
            for row, text, code in zip(batch, words, found, strict=True)
            if row.source_id == source and code is not None and len(text) >= TELLING
        )
        n = seen.total()
        houses[source] = {code: count / n for code, count in seen.items()} if n >= LEAST else None
    priors = [houses[batch[i].source_id] for i in short]
    for i, code in zip(short, detect([words[i] for i in short], priors=priors), strict=True):
        found[i] = code
    return found
