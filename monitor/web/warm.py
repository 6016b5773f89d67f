"""Warming: what the first visitor after a start would wait for is fetched beside the serving, once."""

from __future__ import annotations

import threading
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from monitor.i18n import translator
from monitor.pipeline import doctor
from monitor.pipeline.context import Context
from monitor.store import sheets
from monitor.store.engine import reading
from monitor.store.queries import incidents
from monitor.store.tables import Brand
from monitor.web.band import kept_band
from monitor.web.frame import keep_ratings
from monitor.web.lasting import Lasting
from monitor.web.memo import Memo

log = structlog.get_logger()
YEAR = timedelta(days=366)
N_INCIDENTS = 10  # open ones whose chart is drawn ahead


def warm(context: Context, memo: Memo) -> None:
    """The last year, the customers and the stars of every brand, charts of open incidents, and what the doctor needs.

    A store that cannot be read is left alone: a page will say so.
    """
    try:
        with reading(context.engine) as session:
            brands = session.exec(select(Brand.id).where(col(Brand.active).is_(True))).all()
            for brand in brands:
                sheets.read(session, brand or 0, start=context.now - YEAR, end=context.now)
            for brand in brands:
                Lasting(memo, context, session, brand or 0, context.now, context.settings.zone).warm()
        for brand in brands:
            keep_ratings(memo, context.engine, brand or 0, context.now)
        with reading(context.engine) as session:
            for incident in incidents.listed(session, states=["open", "acknowledged"], limit=N_INCIDENTS):
                of = session.get(Brand, incident.brand_id)
                if of is not None:
                    kept_band(memo, context, session, of, incident)
        doctor.look(context.settings, translator(context.settings.language), offline=True)
    except SQLAlchemyError as error:
        log.warning("web.not_warmed", error=type(error).__name__)


def beside(context: Context, memo: Memo) -> threading.Thread:
    """Warm in a thread of its own, which holds up no end of the process."""
    thread = threading.Thread(target=warm, args=(context, memo), name="warm", daemon=True)
    thread.start()
    return thread
