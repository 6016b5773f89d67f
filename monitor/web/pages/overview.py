"""The overview of a brand: head numbers, timeline, topics, journey, places, voice, languages, sources."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import Response

from monitor.pipeline.rivals import shares_of_voice
from monitor.web import figures
from monitor.web.frame import choices, frame, memo_of, nothing, page, rated, source_titles
from monitor.web.pages.incidents import scope
from monitor.web.visitor import Rows, Viewer, context_of

router = APIRouter(include_in_schema=False)
N_BEST, N_WORST = 12, 8  # of many places; the address shows all by all=location


@router.get("/")
def overview(request: Request, visitor: Viewer, rows: Rows) -> Response:
    framed = frame(request, rows, visitor)
    if framed.brand is None:
        return page(request, rows, visitor, "empty.html", framed=framed)
    memo, asked = memo_of(request), framed.chosen
    zone, now = visitor.zone, context_of(request).now
    stars = rated(request, rows, asked)
    titles, everything = source_titles(rows), request.query_params.get("all", "")
    numbers = memo.get(("overview", asked), lambda: figures.overview(rows, asked))
    places = memo.get(("places", asked), lambda: figures.places(rows, asked, stars, now=now))
    best, worst = (places, []) if everything == "location" else ends(places)
    return page(
        request, rows, visitor, "overview.html", framed=framed, choices=choices(request, rows, framed.brand),
        days=framed.filter.days(now, zone),
        numbers=numbers, instead=None if numbers.volume.now.n else nothing(rows, framed, visitor),
        steps=memo.get(("timeline", asked, zone.key), lambda: figures.timeline(rows, asked, zone=zone)),
        topics=[
            row
            for row in memo.get(("topic", asked), lambda: figures.breakdown(rows, asked, "topic"))
            if row.key in framed.taxonomy.topics and row.key != "general"
        ],
        sources=memo.get(("source", asked), lambda: figures.breakdown(rows, asked, "source")),
        spoken=memo.get(("language", asked), lambda: figures.breakdown(rows, asked, "language")),
        best=best, worst=worst, n_between=len(places) - len(best) - len(worst), everything=everything,
        voices=memo.get(("voice", asked), lambda: shares_of_voice(rows, asked)),
        journey=memo.get(
            ("journey", asked, zone.key), lambda: figures.journey(rows, asked, framed.taxonomy, zone=zone)
        ),
        incidents=[
            (row, scope(row.series, framed.brand, framed.taxonomy, titles, visitor))
            for row in figures.alive(rows, asked)
        ],
    )  # fmt: skip


def ends(places: Sequence[figures.Place]) -> tuple[Sequence[figures.Place], Sequence[figures.Place]]:
    """The best of many places and the worst that have a rating; of few all, and nothing after them."""
    if len(places) <= N_BEST + N_WORST + 4:
        return places, []
    n_rated = sum(place.rating.value is not None for place in places)
    best = places[:N_BEST]
    return best, places[max(N_BEST, n_rated - N_WORST) : max(N_BEST, n_rated)]
