"""The pages, one module per noun."""

from __future__ import annotations

from fastapi import APIRouter

from monitor.web.pages import entrance, incidents, mentions, operations, overview, people, quality, reports, topics

ROUTERS: tuple[APIRouter, ...] = tuple(
    module.router for module in (entrance, overview, mentions, incidents, topics, quality, operations, reports, people)
)
