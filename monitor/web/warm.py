"""Warming: what the first visitor after a start, or of an hour, would wait for is fetched beside the serving."""

from __future__ import annotations

import threading
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from monitor.errors import MonitorError
from monitor.i18n import translator
from monitor.pipeline import doctor
from monitor.pipeline.context import Context
from monitor.store import sheets
from monitor.store.engine import reading
from monitor.store.queries import incidents
from monitor.store.tables import Brand
from monitor.web.asked import at_first
from monitor.web.band import kept_band
from monitor.web.frame import keep_ratings
from monitor.web.lasting import Lasting
from monitor.web.memo import Memo
from monitor.web.pages import satisfaction

log = structlog.get_logger()
YEAR = timedelta(days=366)
N_INCIDENTS = 20  # the newest whose chart is drawn ahead


def warm(context: Context, memo: Memo) -> None:
    """The last year, the customers and the stars of every brand, what is looked at first, and what the doctor needs.

    A store that cannot be read is left alone: a page will say so.
    """
    try:
        with reading(context.engine) as session:
            brands = _brands(session)
            for brand in brands:
                sheets.read(session, brand.id or 0, start=context.now - YEAR, end=context.now)
            for brand in brands:
                Lasting(memo, context, session, brand.id or 0, context.now, context.settings.zone).warm()
        look(context, memo)
        doctor.look(context.settings, translator(context.settings.language), offline=True)
    except (SQLAlchemyError, MonitorError) as error:
        log.warning("web.not_warmed", error=type(error).__name__)


def look(context: Context, memo: Memo) -> None:
    """Stars, metrics and journey of every own brand as their pages open, and the charts of the newest incidents."""
    with reading(context.engine) as session:
        brands = {brand.id or 0: brand for brand in _brands(session)}
        for number, brand in brands.items():
            keep_ratings(memo, context.engine, number, context.now)
            if not brand.is_competitor:
                found = at_first(memo, context, session, brand)
                satisfaction.look(found)
                found.journey(satisfaction.step_of("", found))
        for incident in incidents.listed(session, limit=N_INCIDENTS):
            if incident.brand_id in brands:
                kept_band(memo, context, session, brands[incident.brand_id], incident)


def beside(context: Context, memo: Memo, stop: threading.Event) -> threading.Thread:
    """Warm in a thread of its own until the event is set. With each hour pages speak of another span: what is looked
    at first is computed anew then."""

    def work() -> None:
        warm(context, memo)
        while not stop.wait(_until_next_hour(context)):
            try:
                look(context, memo)
            except (SQLAlchemyError, MonitorError) as error:
                log.warning("web.not_warmed", error=type(error).__name__)

    thread = threading.Thread(target=work, name="warm", daemon=True)
    thread.start()
    return thread


def _until_next_hour(context: Context) -> float:
    now = context.now
    return 3600.5 - 60 * now.minute - now.second


def _brands(session: Session) -> list[Brand]:
    return list(session.exec(select(Brand).where(col(Brand.active).is_(True))))
