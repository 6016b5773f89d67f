"""Metrics of satisfaction: indices with intervals over time, by segment, place and touchpoint, and what moves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import Response

from monitor.pipeline import indices, questionnaires
from monitor.pipeline.journeys import touchpoint_name
from monitor.reports import measures
from monitor.reports.measures import dimension_name, index_name, metric_name
from monitor.web.asked import OVERVIEW, Asked, asked, scale_between, scale_of
from monitor.web.errors import BadRequest
from monitor.web.frame import page
from monitor.web.visitor import Rows, Viewer

router = APIRouter(include_in_schema=False)
FRONT = ("nps", "csat", "ces", "net_sentiment", "rating")
SIDES: tuple[indices.By, ...] = ("location", "segment", "touchpoint")


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen of one metric: the head numbers, it over time and by side, what moves it, questionnaires."""

    metric: str
    step: indices.Step
    heads: Mapping[str, indices.Cell]
    known: Sequence[str]
    over_time: indices.MetricTable | None
    split: Sequence[indices.MetricTable]
    drivers: Sequence[indices.Driver]
    n_texts: int
    indices: questionnaires.Indices


@router.get("/satisfaction")
def show(request: Request, visitor: Viewer, rows: Rows, metric: str = "", step: str = "") -> Response:
    found = asked(request, rows, visitor)
    if found is None:
        return page(request, rows, visitor, "empty.html")
    t, taxonomy = visitor.translator, found.framed.taxonomy
    seen = look(found, metric, step)
    chosen = seen.metric
    surveyed = set(seen.known) - {*indices.FEEDBACK, *indices.BEHAVIOUR, *indices.CHATS}

    def label(by: str, key: str) -> str:
        if not key:
            return t.gettext("not told")
        if by != "touchpoint":
            return key
        # what surveys call a touchpoint, or the touchpoint of a topic
        return measures.touchpoint_name(t, key) if chosen in surveyed else touchpoint_name(taxonomy, key, t.language)

    return page(
        request, rows, visitor, "satisfaction.html", framed=found.framed, heads=seen.heads, front=FRONT,
        known=seen.known, metric=chosen, step=seen.step, over_time=seen.over_time, split=seen.split,
        drivers=seen.drivers, n_texts=seen.n_texts, label=label,
        name=lambda key: metric_name(t, key), dimension=lambda by: dimension_name(t, by),
        scales={table.by: scale_of([cell.metric for cell in table.cells]) for table in seen.split},
        driver_scale=scale_between([one.interval for one in seen.drivers]), indices=seen.indices,
        index_name=lambda key: index_name(t, key), least=indices.LEAST,
        everything=request.query_params.get("all", ""),
    )  # fmt: skip


def look(found: Asked, metric: str = "", step: str = "") -> Look:
    """Everything the page shows of a metric, without one of the first that has a value. Raises BadRequest."""
    heads = {name: found.table(name).cells[0] for name in OVERVIEW}
    known = found.names()
    if metric and metric not in known:
        raise BadRequest(f"metric={metric[:40]!r}: allowed: {', '.join(known)}")
    chosen = metric or next((name for name in FRONT if heads[name].metric.shown), FRONT[0])
    if chosen not in heads:
        heads[chosen] = found.table(chosen).cells[0]  # what takes its time is computed when somebody asks for it
    length = step_of(step, found)
    over_time = None if chosen in indices.BEHAVIOUR else found.table(chosen, "period", length)
    split = [table for by in SIDES if (table := _split(found, chosen, by)) is not None and len(table.cells) > 1]
    moved, n_texts = found.drivers(chosen)
    return Look(chosen, length, heads, known, over_time, split, moved, n_texts, found.questionnaire())


def step_of(step: str, found: Asked) -> indices.Step:
    """Months, or weeks where the span is short. Raises BadRequest."""
    if step not in ("", "week", "month"):
        raise BadRequest(f"step={step[:40]!r}: allowed: week, month")
    if step == "week" or (not step and (found.end - found.start).days <= 100):
        return "week"
    return "month"


def _split(found: Asked, name: str, by: indices.By) -> indices.MetricTable | None:
    """A metric by a dimension, None where it does not know the dimension."""
    if name in indices.BEHAVIOUR and (by != "location" or name == "clv"):
        return None
    if name in indices.CHATS and by != "location":
        return None
    if (name in indices.FEEDBACK and by == "segment") or (name == "rating" and by == "touchpoint"):
        return None
    return found.table(name, by)
