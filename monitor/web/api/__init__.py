"""The HTTP API, version 1: everything the pages show, as JSON."""

from __future__ import annotations

from fastapi import APIRouter

from monitor.web.api import house, incidents, mentions, numbers

router = APIRouter()
for module in (numbers, mentions, incidents, house):
    router.include_router(module.router)
