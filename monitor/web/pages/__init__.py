"""The pages, one module per noun."""

from __future__ import annotations

from fastapi import APIRouter

from monitor.web.pages import (
    deeds,
    entrance,
    incidents,
    mentions,
    operations,
    overview,
    people,
    quality,
    reports,
    rules,
    topics,
)

ROUTERS: tuple[APIRouter, ...] = tuple(
    module.router
    for module in (entrance, deeds, overview, mentions, incidents, rules, topics, quality, operations, reports, people)
)
