"""Topic suggestions: phrases and groups of like texts that grow among the mentions that fit no topic.

Once a day per own brand. Phrases by `alerts.explain` (log-odds with a prior, four weeks against the four before);
groups by average linkage over their rarer words, named by the phrase that tells them from the other texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

import structlog
from sqlmodel import col, select

from alerts import explain
from alerts.stopwords import STOP
from monitor.config import Settings
from monitor.pipeline.context import Context
from monitor.store import meta, suggestions
from monitor.store.engine import reading, writing
from monitor.store.queries.taxonomy import in_force
from monitor.store.suggestions import Found
from monitor.store.tables import Brand, Mention

log = structlog.get_logger()

SPAN = timedelta(weeks=4)
LEAST = 4  # mentions that say it
GROUP_LEAST = 5
MAX_TEXTS = 1500  # a span; the newest
MAX_PHRASES = 8
MAX_GROUPS = 6
NEAR = 0.8  # cosine distance between groups, on average, up to which they are one
COHERENT = 0.5  # share of a group's texts that say the phrase it is named by
GROWS = 1.5  # times the span before, at least


def suggest(context: Context) -> int:
    """Look for new topics of every own brand, at most once a local day. Returns how many are new."""
    today = context.now.astimezone(context.settings.zone).date().isoformat()
    with reading(context.engine) as session:
        brands = [
            brand
            for brand in session.exec(
                select(Brand).where(col(Brand.active).is_(True), col(Brand.is_competitor).is_(False))
            )
            if meta.get(session, _marker(brand)) != today
        ]
    n = 0
    for brand in brands:
        if context.should_stop():
            break
        found = find(context, brand)
        with writing(context.engine) as session:
            n += suggestions.keep(session, brand.id or 0, found, now=context.now)
            meta.put(session, _marker(brand), today)
        if found:
            log.info("topics.suggested", brand=brand.slug, n=len(found))
    return n


def find(context: Context, brand: Brand) -> list[Found]:
    """What grows and fits no topic now."""
    now, brand_id = context.now, brand.id or 0
    with reading(context.engine) as session:
        recent = suggestions.unfitting(session, brand_id, start=now - SPAN, end=now, limit=MAX_TEXTS)
        before = suggestions.unfitting(session, brand_id, start=now - 2 * SPAN, end=now - SPAN, limit=MAX_TEXTS)
        known = {word.strip("*").casefold() for topic in in_force(session).topics.values() for word in topic.keywords}
    if len(recent) < LEAST:
        return []
    names = known | own_names(context.settings, brand.slug)
    found = _phrases(recent, before, names)
    taken = {number for one in found for number in one.mention_ids}
    rest = [mention for mention in recent if mention.id not in taken]
    if len(rest) >= GROUP_LEAST:
        found += _groups(rest, before, names, used={one.key for one in found})
    return found


def own_names(settings: Settings, slug: str) -> set[str]:
    """Names of the brand and its places: they stand in many texts and are no topic."""
    brand = settings.brands.get(slug)
    if brand is None:
        return set()
    places = [name for place in brand.locations for name in (place.name, *place.aliases)]
    return {word.casefold() for name in (brand.name, *brand.aliases, *places) for word in (name, *name.split())}


def _phrases(recent: Sequence[Mention], before: Sequence[Mention], names: set[str]) -> list[Found]:
    told = explain.phrases([_said(m) for m in recent], [_said(m) for m in before], k=4 * MAX_PHRASES, min_n=LEAST)
    found = []
    for phrase in told:
        lemmas = _lemmas(phrase.text)
        if not lemmas or _named(phrase.text, names) or phrase.n < GROWS * phrase.n_before:
            continue
        saying = [mention for mention in recent if lemmas <= _lemmas(_said(mention))]
        if len(saying) >= LEAST:
            found.append(_found(phrase.text, (phrase.text,), saying, n_before=phrase.n_before, score=phrase.z))
        if len(found) == MAX_PHRASES:
            break
    return found


def _groups(recent: Sequence[Mention], before: Sequence[Mention], names: set[str], *, used: set[str]) -> list[Found]:
    """Groups of texts that share their words, among those that no phrase gathers."""
    said, n_recent = [_lemmas(_said(mention)) for mention in (*recent, *before)], len(recent)
    found = []
    for members in _clusters(said):
        texts = [recent[index] for index in members if index < n_recent]
        n_before = len(members) - len(texts)
        if len(texts) < GROUP_LEAST or len(texts) < GROWS * n_before:
            continue
        inside = set(members)
        others = [mention for index, mention in enumerate(recent) if index not in inside]
        told = explain.phrases([_said(m) for m in texts], [_said(m) for m in others], k=8, min_n=2)
        words = [phrase.text for phrase in told if not _named(phrase.text, names)]
        if not words or told[0].n < COHERENT * len(texts):
            continue
        group = _found(words[0], tuple(words[:4]), texts, n_before=n_before, score=len(texts) ** 0.5)
        if group.key not in used:
            used.add(group.key)
            found.append(group)
    return sorted(found, key=lambda one: -one.score)[:MAX_GROUPS]


def _clusters(said: Sequence[frozenset[str]]) -> list[list[int]]:
    """Groups by average linkage over the words, weighted by how rare they are (TF-IDF)."""
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        weights = TfidfVectorizer(analyzer=sorted, min_df=2, max_df=0.3, norm="l2").fit_transform(said).toarray()
    except ValueError:  # no word stands in two of them
        return []
    usable = [index for index, row in enumerate(weights) if row.any()]
    if len(usable) < GROUP_LEAST:
        return []
    linkage = AgglomerativeClustering(n_clusters=None, distance_threshold=NEAR, metric="cosine", linkage="average")
    groups: dict[int, list[int]] = {}
    for index, label in zip(usable, linkage.fit_predict(weights[usable]), strict=True):
        groups.setdefault(int(label), []).append(index)
    return [members for _, members in sorted(groups.items()) if len(members) >= GROUP_LEAST]


def _found(phrase: str, keywords: tuple[str, ...], saying: Sequence[Mention], *, n_before: int, score: float) -> Found:
    return Found(
        key=" ".join(sorted(_lemmas(phrase))), phrase=phrase, keywords=keywords,
        mention_ids=tuple(mention.id or 0 for mention in saying[:50]), n=len(saying), n_before=n_before,
        n_negative=sum(mention.sentiment == "negative" for mention in saying), score=score,
    )  # fmt: skip


def _said(mention: Mention) -> str:
    return f"{mention.title}. {mention.text}" if mention.title else mention.text


def _lemmas(text: str) -> frozenset[str]:
    return frozenset(lemma for word in _words(text) if len(lemma := explain.lemma(word)) > 1 and lemma not in STOP)


def _words(text: str) -> Iterable[str]:
    return (word for word in "".join(sign if sign.isalnum() else " " for sign in text.casefold()).split() if word)


def _named(phrase: str, names: set[str]) -> bool:
    return phrase.casefold() in names or any(word in names for word in _words(phrase))


def _marker(brand: Brand) -> str:
    return f"topics.suggested.{brand.slug}"
