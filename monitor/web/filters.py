"""The filter: everything that narrows a page, as it stands in the address, so that a view can be sent as a link."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select
from starlette.datastructures import QueryParams

from monitor.store.daily import day_start
from monitor.store.queries.selection import Selection
from monitor.store.queries.taxonomy import TaxonomyView
from monitor.store.tables import Brand, Source
from monitor.web.errors import BadRequest, NotFound

PERIODS = {"7d": 7, "30d": 30, "90d": 90, "180d": 180, "365d": 365}
DEFAULT_PERIOD = "30d"
SENTIMENTS = ("negative", "neutral", "positive")
KINDS = ("review", "post", "comment", "article", "answer", "ticket", "survey")
MULTIPLE = ("source", "topic", "location", "language", "sentiment", "rating", "stage", "kind")
SINGLE = ("brand", "period", "from", "to", "q", "corrected", "copies")
_MAX_VALUES = 50
_MAX_TEXT = 300


@dataclass(frozen=True, slots=True)
class Filter:
    """What narrows a page. Values are those of the address; `selection` turns them into rows."""

    brand: str = ""
    period: str = DEFAULT_PERIOD
    since: date | None = None  # first day, with `until` instead of a period
    until: date | None = None  # last day, included
    q: str = ""
    corrected: bool = False
    copies: bool = False
    source: tuple[str, ...] = ()
    topic: tuple[str, ...] = ()
    location: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    sentiment: tuple[str, ...] = ()
    rating: tuple[str, ...] = ()
    stage: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()

    # ---- the address

    def pairs(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        if self.brand:
            found.append(("brand", self.brand))
        if self.since and self.until:
            found += [("from", self.since.isoformat()), ("to", self.until.isoformat())]
        elif self.period != DEFAULT_PERIOD:
            found.append(("period", self.period))
        if self.q:
            found.append(("q", self.q))
        for name in MULTIPLE:
            found += [(name, value) for value in getattr(self, name)]
        found += [(name, "1") for name in ("corrected", "copies") if getattr(self, name)]
        return found

    def query(self, **extra: str | None) -> str:
        """The query string, with its question mark; empty for the default view."""
        pairs = self.pairs() + [(name, value) for name, value in extra.items() if value is not None]
        return "?" + urlencode(pairs) if pairs else ""

    def toggled(self, name: str, value: Any) -> Filter:
        """With one value more, or without it when it is there."""
        values = getattr(self, name)
        text = str(value)
        changed = tuple(v for v in values if v != text) if text in values else (*values, text)
        return self._with(name, changed)

    def only(self, name: str, value: Any) -> Filter:
        """Narrowed to one value of a dimension; without it when that is the only one already."""
        text = str(value)
        return self._with(name, () if getattr(self, name) == (text,) else (text,))

    def without(self, name: str) -> Filter:
        empty: Any = {"q": "", "corrected": False, "copies": False}.get(name, ())
        return self._with(name, empty)

    def _with(self, name: str, value: Any) -> Filter:
        changes: dict[str, Any] = {name: value}
        return dataclasses.replace(self, **changes)

    def with_period(self, period: str) -> Filter:
        return dataclasses.replace(self, period=period, since=None, until=None)

    def with_days(self, since: date, until: date) -> Filter:
        return dataclasses.replace(self, since=since, until=until)

    def with_brand(self, brand: str) -> Filter:
        """The same view of another brand: its own sources and places do not exist there."""
        return dataclasses.replace(self, brand=brand, source=(), location=())

    def cleared(self) -> Filter:
        return Filter(brand=self.brand, period=self.period, since=self.since, until=self.until)

    @property
    def narrowed(self) -> bool:
        return bool(self.q or self.corrected or self.copies or any(getattr(self, name) for name in MULTIPLE))

    # ---- the span

    def days(self, now: datetime, zone: ZoneInfo) -> tuple[date, date]:
        """First and last local day, both included."""
        if self.since and self.until:
            return self.since, self.until
        today = now.astimezone(zone).date()
        return today - timedelta(days=PERIODS[self.period] - 1), today

    def span(self, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """From the first moment to the last; a day that still runs ends with this hour, so that the span before it,
        which is as long, is no longer than what is seen now."""
        first, last = self.days(now, zone)
        end = day_start(last + timedelta(days=1), zone)
        hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        start = day_start(first, zone)
        return start, max(start + timedelta(hours=1), min(end, hour))


def parse(params: QueryParams | Mapping[str, Any]) -> Filter:
    """The filter of an address. Raises BadRequest that names the parameter, the value and what is allowed."""
    many = params.getlist if isinstance(params, QueryParams) else lambda name: list(params.get(name, ()))
    values: dict[str, Any] = {}
    for name in MULTIPLE:
        given = tuple(dict.fromkeys(value for value in many(name) if value != ""))
        if len(given) > _MAX_VALUES:
            raise BadRequest(f"{name}: at most {_MAX_VALUES} values")
        for value in given:
            _check_text(name, value)
        values[name] = given
    _allowed("sentiment", values["sentiment"], SENTIMENTS)
    _allowed("rating", values["rating"], ("1", "2", "3", "4", "5"))
    _allowed("kind", values["kind"], KINDS)
    period = params.get("period") or DEFAULT_PERIOD
    _allowed("period", (period,), tuple(PERIODS))
    since, until = _day(params, "from"), _day(params, "to")
    if (since is None) != (until is None):
        raise BadRequest("from and to: give both, as in from=2026-11-01&to=2026-11-22")
    if since and until and (since > until or (until - since).days > 3660):
        raise BadRequest(f"from={since} and to={until}: from must not be later, and at most ten years lie between")
    words, brand = params.get("q") or "", params.get("brand") or ""
    _check_text("q", words)
    _check_text("brand", brand)
    flags: dict[str, Any] = {name: (params.get(name) or "") in {"1", "true", "on"} for name in ("corrected", "copies")}
    return Filter(brand=brand, period=period, since=since, until=until, q=words.strip(), **flags, **values)


def find_brand(session: Session, wanted: Filter) -> Brand | None:
    """The brand of the filter; without one the first own brand, then any. None while the store has no brand.

    Raises NotFound for a brand that does not exist.
    """
    if wanted.brand:
        brand = session.exec(select(Brand).where(Brand.slug == wanted.brand)).first()
        if brand is None:
            raise NotFound(f"there is no brand {wanted.brand!r}")
        return brand
    return session.exec(
        select(Brand).where(col(Brand.active).is_(True)).order_by(col(Brand.is_competitor), col(Brand.id))
    ).first()


def selection(
    session: Session, wanted: Filter, brand: Brand, taxonomy: TaxonomyView, *, now: datetime, zone: ZoneInfo
) -> Selection:
    """The rows a filter speaks of. Unknown sources, topics and stages select nothing rather than everything."""
    start, end = wanted.span(now, zone)
    source_ids: tuple[int, ...] = ()
    if wanted.source:
        found = session.exec(select(Source.id).where(col(Source.slug).in_(wanted.source))).all()
        source_ids = tuple(number for number in found if number is not None) or (-1,)
    topics = wanted.topic
    if wanted.stage:
        of_stages = tuple(key for stage in wanted.stage for key in taxonomy.of_stage(stage))
        topics = tuple(key for key in of_stages if not topics or key in topics) or ("-",)
    return Selection(
        brand_id=brand.id or 0,
        start=start,
        end=end,
        source_ids=source_ids,
        topics=topics,
        locations=wanted.location,
        languages=wanted.language,
        sentiments=wanted.sentiment,
        ratings=tuple(int(star) for star in wanted.rating),
        kinds=wanted.kind,
        words=wanted.q,
        corrected=wanted.corrected,
        copies=wanted.copies,
    )


def _check_text(name: str, value: str) -> None:
    if len(value) > _MAX_TEXT:
        raise BadRequest(f"{name}: at most {_MAX_TEXT} characters")
    if "\x00" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
        raise BadRequest(f"{name}: signs that are no text")


def _allowed(name: str, values: Sequence[str], allowed: Sequence[str]) -> None:
    for value in values:
        if value not in allowed:
            raise BadRequest(f"{name}={value!r}: allowed: {', '.join(allowed)}")


def _day(params: Any, name: str) -> date | None:
    text = params.get(name) or ""
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"{name}={text[:40]!r}: write a day as 2026-11-22") from None
    if not 1990 <= day.year <= 2200:
        raise BadRequest(f"{name}={text!r}: a year between 1990 and 2200")
    return day
