"""The HTTP API, version 1: everything the pages show, as JSON."""

from __future__ import annotations

from fastapi import APIRouter

from monitor.web.api import experience, house, incidents, mentions, numbers

ROUTERS: tuple[APIRouter, ...] = (numbers.router, mentions.router, incidents.router, house.router, experience.router)
