"""Plain rules: those in force, and what another would have done in the last 90 days, before it is written down."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import ValidationError
from sqlmodel import Session

from alerts.rules import Fact
from alerts.series import SeriesKey
from monitor.config import Rule
from monitor.durations import format_duration
from monitor.store.queries.facts import fact_rows
from monitor.store.tables import Brand
from monitor.web.backtest import Trial, backtest
from monitor.web.errors import BadRequest
from monitor.web.frame import frame, page
from monitor.web.visitor import Rows, Viewer, context_of

router = APIRouter(include_in_schema=False)
PAST = timedelta(days=90)
KINDS = ("negative_count", "low_ratings", "mean_rating", "keywords")
WINDOWS = ("6h", "12h", "1d", "3d", "7d")


@router.get("/rules")
def rules(request: Request, visitor: Viewer, rows: Rows) -> Response:
    framed = frame(request, rows, visitor)
    given = {name: value.strip() for name, value in request.query_params.items() if value.strip()}
    tried: Rule | None = None
    trials: list[Trial] = []
    if "rule" in given and framed.brand is not None:
        tried = rule_of(given, brand=framed.brand.slug)
        trials = backtest(tried, facts_of(request, rows, framed.brand), brand=framed.brand.slug)
    settings = context_of(request).settings
    return page(
        request, rows, visitor, "rules.html", framed=framed, given=given, tried=tried, trials=trials, kinds=KINDS,
        windows=WINDOWS, configured=settings.rules, knob=settings.alerts,
        snippets=[toml(trial.rule) for trial in trials],
    )  # fmt: skip


def rule_of(given: dict[str, str], *, brand: str) -> Rule:
    """The rule that the form describes. Raises BadRequest with what is wrong."""
    raw: dict[str, Any] = {"kind": given["rule"], "brand": brand, "window": given.get("window", "1d")}
    if given["rule"] in {"low_ratings", "negative_count"}:
        raw["more_than"] = given.get("more_than", "5")
    if given["rule"] == "low_ratings":
        raw["rating_at_most"] = given.get("rating_at_most", "1")
    if given["rule"] == "mean_rating":
        raw["below"] = given.get("below", "3")
    if given["rule"] == "keywords":
        raw["words"] = tuple(word.strip() for word in given.get("words", "").split(",") if word.strip())
    try:
        rule = Rule.model_validate(raw)
    except ValidationError as problem:
        raise BadRequest(
            "; ".join(f"{'.'.join(map(str, e['loc'])) or 'rule'}: {e['msg']}" for e in problem.errors())
        ) from None
    if rule.window > PAST or any(not word.strip(" *") for word in rule.words):
        raise BadRequest("rule: a window of at most 90 days, and words of more than *")
    return rule


def facts_of(request: Request, rows: Session, brand: Brand) -> list[Fact]:
    """The mentions of the last 90 days as rules see them."""
    now, key = context_of(request).now, SeriesKey(brand.slug)
    return [
        Fact(at=at, series=key, mention_id=str(number), text=words, rating=rating, negative=negative)
        for number, at, words, rating, negative in fact_rows(rows, brand.id or 0, since=now - PAST, until=now)
    ]


def toml(rule: Rule) -> str:
    """The rule as it stands in monitor.toml."""
    lines = ["[rules.my_rule]", f'kind = "{rule.kind}"', f'brand = "{rule.brand}"']
    lines.append(f'window = "{format_duration(rule.window)}"')
    if rule.kind in {"low_ratings", "negative_count"}:
        lines.append(f"more_than = {rule.more_than}")
    if rule.kind == "low_ratings":
        lines.append(f"rating_at_most = {rule.rating_at_most:g}")
    if rule.kind == "mean_rating":
        lines.append(f"below = {rule.below:g}")
    if rule.kind == "keywords":
        quoted = ", ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in rule.words)
        lines.append(f"words = [{quoted}]")
    return "\n".join(lines)
