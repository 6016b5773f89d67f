"""The pages, one module per noun."""

from __future__ import annotations

from fastapi import APIRouter

from monitor.web.pages import (
    customers,
    deeds,
    effects,
    entrance,
    incidents,
    journey,
    mentions,
    operations,
    overview,
    people,
    quality,
    reports,
    rivals,
    rules,
    satisfaction,
    topics,
)

_MODULES = (
    entrance, deeds, overview, mentions, incidents, satisfaction, journey, customers, effects, rivals, rules, topics,
    quality, operations, reports, people,
)  # fmt: skip
ROUTERS: tuple[APIRouter, ...] = tuple(module.router for module in _MODULES)
