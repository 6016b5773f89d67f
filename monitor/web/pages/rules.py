"""Plain rules: those in force, and what another would have done in the last 90 days, before it is saved."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from monitor.config import Rule
from monitor.durations import format_duration
from monitor.pipeline.backtest import PAST, Trial, backtest, facts_of
from monitor.store import rules as stored_rules
from monitor.web import actions
from monitor.web.errors import BadRequest
from monitor.web.frame import frame, page
from monitor.web.visitor import Analyst, Rows, Viewer, context_of

router = APIRouter(include_in_schema=False)
KINDS = ("negative_count", "low_ratings", "mean_rating", "keywords")
SEVERITIES = ("info", "warning", "critical")
WINDOWS = ("6h", "12h", "1d", "3d", "7d")


@router.get("/rules")
def rules(request: Request, visitor: Viewer, rows: Rows) -> Response:
    framed = frame(request, rows, visitor)
    given = {name: value.strip() for name, value in request.query_params.items() if value.strip()}
    own = stored_rules.stored(rows)
    edited = next((row for row in own if row.name == given.get("edit")), None)
    if edited is not None:
        given = {**fields_of(stored_rules.rule_of(edited)), "name": edited.name, **given}
    tried: Rule | None = None
    trials: list[Trial] = []
    n_facts = 0
    if "rule" in given and framed.brand is not None:
        tried = rule_of(given, brand=framed.brand.slug)
        now = context_of(request).now
        facts = facts_of(rows, framed.brand, since=now - PAST, until=now)
        n_facts = len(facts)
        trials = backtest(tried, facts, brand=framed.brand.slug, until=now)
    settings = context_of(request).settings
    return page(
        request, rows, visitor, "rules.html", framed=framed, given=given, tried=tried, trials=trials, kinds=KINDS,
        n_facts=n_facts,
        windows=WINDOWS, configured=settings.rules, knob=settings.alerts, severities=SEVERITIES,
        stored=[(row, stored_rules.rule_of(row)) for row in own],
        snippets=[toml(trial.rule) for trial in trials],
        fields=[fields_of(trial.rule) for trial in trials],
    )  # fmt: skip


@router.post("/rules")
async def save(request: Request, visitor: Analyst) -> Response:
    """Put the rule of the form in force."""
    form = await request.form()
    given = {name: value.strip() for name, value in form.items() if isinstance(value, str) and value.strip()}
    if "rule" not in given:
        raise BadRequest("rule: which kind is missing")
    rule = rule_of(given, brand=given.get("brand") or None)
    await run_in_threadpool(actions.save_rule, context_of(request), visitor.name, given.get("name", ""), rule)
    return RedirectResponse("/rules?done=rule", status_code=303)


@router.post("/rules/{name}/{action}")
def steer(request: Request, visitor: Analyst, name: str, action: str) -> Response:
    actions.steer_rule(context_of(request), visitor.name, name, action)
    return RedirectResponse("/rules?done=rule", status_code=303)


def fields_of(rule: Rule) -> dict[str, str]:
    """The fields of the form, as a rule fills them."""
    given = {"rule": rule.kind, "window": format_duration(rule.window), "more_than": str(rule.more_than),
             "rating_at_most": f"{rule.rating_at_most:g}", "words": ", ".join(rule.words), "severity": rule.severity,
             "brand": rule.brand or "", "below": f"{rule.below:g}" if rule.below is not None else ""}  # fmt: skip
    return {name: value for name, value in given.items() if value}


def rule_of(given: dict[str, str], *, brand: str | None) -> Rule:
    """The rule that the form describes. Raises BadRequest with what is wrong."""
    raw: dict[str, Any] = {"kind": given["rule"], "brand": brand, "window": given.get("window", "1d"),
                           "severity": given.get("severity", "warning")}  # fmt: skip
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
