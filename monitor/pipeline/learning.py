"""Learning from people's corrections: what is learnt is a version that can be taken back."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import structlog
from sqlmodel import Session, col, select

from monitor.config import Settings
from monitor.errors import ConfigError
from monitor.pipeline.context import Context, adapter_folder, load_scorer
from monitor.store.engine import reading
from monitor.store.judgements import judged_words
from monitor.store.tables import Correction, Mention

if TYPE_CHECKING:
    from models.adapt import AdapterStore, Card, Labelled

log = structlog.get_logger()

N_REPLAY = 2000  # other texts of the stream, which must stay as right as they were


def adapter_store(settings: Settings) -> AdapterStore:
    """The versions, their cards, and which one is in use."""
    from models.adapt import AdapterStore

    return AdapterStore(adapter_folder(settings))


def corrections(session: Session) -> list[Labelled]:
    """Each corrected mention's words with the last sentiment a person gave it."""
    from models.adapt import Labelled

    rows = session.exec(
        select(Correction.mention_id, Correction.sentiment, Mention.title, Mention.text)
        .join(Mention, col(Mention.id) == col(Correction.mention_id))
        .where(col(Correction.sentiment).is_not(None))
        .order_by(col(Correction.id))
    )
    last = {mention: Labelled(judged_words(title, text), sentiment) for mention, sentiment, title, text in rows}
    return [last[mention] for mention in sorted(last)]


def uncorrected(session: Session, n: int) -> list[str]:
    """Up to `n` different judged texts that nobody corrected, drawn (always the same way) from the newest 10 n."""
    rows = session.exec(
        select(Mention.title, Mention.text)
        .where(Mention.score_state == "done", col(Mention.corrected).is_(False), col(Mention.counts).is_(True))
        .order_by(col(Mention.id).desc())
        .limit(10 * n)
    ).all()
    texts = list(dict.fromkeys(judged_words(title, text) for title, text in rows))
    rng = random.Random(0)  # noqa: S311
    return rng.sample(texts, k=min(n, len(texts)))


def adapt(context: Context) -> Card:
    """Learn from the stored corrections; the new version is in use from the next load on if it was adopted.

    Raises models.errors.TrainingError where there is too little to learn from or to measure on.
    """
    from models.adapt import fit

    with reading(context.engine) as session:
        wrong, others = corrections(session), uncorrected(session, N_REPLAY)
    plain = load_scorer(context.settings, plain=True)
    adapter, card = fit(plain.backend, wrong, others, now=context.now)
    version = adapter_store(context.settings).add(adapter, card)
    log.info("model.adapted", version=version.name, adopted=card.adopted, n=card.n_corrections)
    return card


def revert(settings: Settings) -> str:
    """Go back to the version before the current one; its number, or "" for the plain network. ConfigError if none."""
    store = adapter_store(settings)
    if store.current() is None:
        raise ConfigError(f"{adapter_folder(settings)}: no version is in use, so there is none to go back from")
    before = store.revert()
    return before.name if before is not None else ""
