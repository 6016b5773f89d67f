"""What stands around every page: the brands to choose from, the filter, the number of open incidents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Engine
from sqlmodel import Session, col, func, select

from monitor.store.queries import counts, incidents
from monitor.store.queries.selection import Selection
from monitor.store.queries.taxonomy import TaxonomyView, in_force
from monitor.store.tables import Brand, Mention, Source, source_name
from monitor.web import figures, filters
from monitor.web.filters import Filter
from monitor.web.memo import Memo, renewed
from monitor.web.rendering import render
from monitor.web.visitor import Visitor, context_of

BACK = timedelta(days=29)  # shown up to the newest mention, where the span has none


@dataclass(frozen=True, slots=True)
class Frame:
    """The filter of the address as rows: brand, taxonomy and selection. `selection` is None while there is no brand."""

    filter: Filter
    brand: Brand | None
    brands: Sequence[Brand]
    taxonomy: TaxonomyView
    selection: Selection | None

    @property
    def chosen(self) -> Selection:
        assert self.selection is not None
        return self.selection


@dataclass(frozen=True, slots=True)
class Choices:
    """What a filter can be narrowed to."""

    sources: Sequence[tuple[str, str]]
    locations: Sequence[str]
    languages: Sequence[str]


@dataclass(frozen=True, slots=True)
class Nothing:
    """The day of the brand's newest mention, None while there is none, and a filter that shows it."""

    newest: date | None
    there: Filter


def frame(request: Request, rows: Session, visitor: Visitor, *, brand_slug: str = "") -> Frame:
    """The frame of the address, or of the brand that the page is about.

    Raises BadRequest and NotFound for an address that makes no sense.
    """
    wanted = filters.parse(request.query_params)
    if brand_slug:
        wanted = wanted.with_brand(brand_slug)
    brand = filters.find_brand(rows, wanted)
    brands = rows.exec(
        select(Brand).where(col(Brand.active).is_(True)).order_by(col(Brand.is_competitor), col(Brand.name))
    ).all()
    taxonomy = in_force(rows)
    selection = None
    if brand is not None:
        now = context_of(request).now
        selection = filters.selection(rows, wanted, brand, taxonomy, now=now, zone=visitor.zone)
    return Frame(wanted, brand, brands, taxonomy, selection)


def choices(request: Request, rows: Session, brand: Brand | None) -> Choices:
    """Sources, locations and languages that the brand has."""
    if brand is None:
        return Choices((), (), ())

    def make() -> Choices:
        used, places, spoken = (counts.values(rows, brand.id or 0, name) for name in ("source", "location", "language"))
        sources = rows.exec(select(Source.slug, Source.title).where(col(Source.id).in_(used)).order_by(Source.slug))
        return Choices(
            [(slug, source_name(title, slug)) for slug, title in sources],
            sorted(filter(None, places)), sorted(filter(None, spoken)),
        )  # fmt: skip

    return memo_of(request).get(("choices", brand.id), make, seconds=300, lasting=True)


def nothing(rows: Session, framed: Frame, visitor: Visitor) -> Nothing:
    """What a page without a mention in it can say: there is none yet, or the newest lies before the span."""
    assert framed.brand is not None
    of = select(func.max(Mention.published_at)).where(Mention.brand_id == framed.brand.id)
    newest = rows.exec(of).one()
    if newest is None:
        return Nothing(None, framed.filter)
    day = newest.astimezone(visitor.zone).date()
    return Nothing(day, framed.filter.cleared().with_days(day - BACK, day))


def source_titles(rows: Session) -> dict[str, str]:
    return {slug: source_name(title, slug) for slug, title in rows.exec(select(Source.slug, Source.title))}


def rated(request: Request, rows: Session, asked: Selection) -> figures.Ratings:
    """The stars by location behind the ratings, renewed every ten minutes at most and behind the answer."""
    return keep_ratings(memo_of(request), context_of(request).engine, asked.brand_id, asked.end, rows=rows)


def keep_ratings(
    memo: Memo, engine: Engine, brand_id: int, end: datetime, *, rows: Session | None = None
) -> figures.Ratings:
    """The same for whoever has no request."""
    return renewed(
        memo, engine, ("ratings", brand_id, end.date()), lambda session: figures.ratings(session, brand_id, end=end),
        rows=rows, seconds=600, lasting=True,
    )  # fmt: skip


def memo_of(request: Request) -> Memo:
    memo: Memo = request.app.state.memo
    return memo


def page(
    request: Request,
    rows: Session,
    visitor: Visitor,
    template: str,
    *,
    framed: Frame | None = None,
    status: int = 200,
    **values: Any,
) -> HTMLResponse:
    """A page inside the frame."""
    framed = framed or frame(request, rows, visitor)
    n_open = incidents.n_open(rows, framed.brand.id if framed.brand else None)
    return render(
        request, visitor, template, status=status, framed=framed, brand=framed.brand, brands=framed.brands,
        filter=framed.filter, taxonomy=framed.taxonomy, n_open=n_open, notice=request.query_params.get("done", ""),
        titles=source_titles(rows), **values,
    )  # fmt: skip
