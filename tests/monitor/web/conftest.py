"""A small house: one brand with a rival, judged mentions, an incident, a report, one person of every role."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlmodel import Session, select
from starlette.testclient import TestClient

import alerts.incident
from alerts.severity import Severity
from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.context import Context
from monitor.pipeline.score import score
from monitor.store import incidents
from monitor.store.catalogue import ensure_import, find_brand, synchronise
from monitor.store.engine import reading, writing
from monitor.store.ingest import ingest
from monitor.store.tables import Brand, Report
from monitor.web import accounts
from monitor.web.app import create_app
from monitor.web.memo import Memo
from tests.monitor import support

PASSWORD = "a long pass phrase"
PEOPLE = {"vera": "viewer", "boris": "analyst", "anna": "admin"}
UID = "abc123def456"
_HASHES: dict[str, str] = {}  # argon2 takes its time on purpose: once is enough for all tests

TEXTS = [
    ("1", "The waiter was rude and the soup came late", {"rating": 1.0, "location": "Riverside 3"}),
    ("2", "Great coffee, lovely place", {"rating": 5.0, "location": "Riverside 3"}),
    ("3", "Долго ждали, ужас", {"rating": 2.0, "location": "Мира 12", "title": "Ожидание"}),
    ("4", "Очень вкусно, отлично", {"rating": 5.0, "location": "Мира 12"}),
    ("5", "Where do you park?", {"kind": "post"}),
    ("6", "cold soup, awful", {"rating": 1.0, "location": "Riverside 3"}),
]


@dataclass
class House:
    """The application over a store, and people to visit it."""

    context: Context
    app: FastAPI
    clients: dict[str, TestClient] = field(default_factory=dict)

    def nobody(self) -> TestClient:
        return TestClient(self.app, base_url="http://127.0.0.1", follow_redirects=False)

    def as_(self, role: str) -> TestClient:
        """A browser in which a person of this role is logged in; its token for changes stands in its headers."""
        if role not in self.clients:
            client = self.nobody()
            with writing(self.context.engine) as session:
                name = next(name for name, held in PEOPLE.items() if held == role)
                user = accounts.find_user(session, name)
                assert user is not None
                opened = accounts.open_session(session, user, now=self.context.now, lifetime=timedelta(days=1))
            client.cookies.set("monitor_session", opened.token)
            with reading(self.context.engine) as session:
                found = accounts.browser(session, opened.token, now=self.context.now)
                assert found is not None
                client.headers["x-csrf-token"] = found[1].csrf
            self.clients[role] = client
        return self.clients[role]

    def add(self, *items: Any, brand: str = "cafe", source: str = "site") -> None:
        """Store items, judge and count them."""
        with writing(self.context.engine) as session:
            row, origin = find_brand(session, brand), ensure_import(session, source, now=support.NOW)
            assert row is not None
            assert row.id is not None
            assert origin.id is not None
            ingest(session, items, brand_id=row.id, source_id=origin.id, origin=source, now=support.NOW,
                   store_authors=True)  # fmt: skip
        score(self.context)
        aggregate(self.context)
        self.app.state.memo = Memo()


def people(session: Session) -> None:
    for name, role in PEOPLE.items():
        user = accounts.User(name=name, role=role, created_at=support.NOW)
        if "hash" not in _HASHES:
            _HASHES["hash"] = accounts._hasher().hash(PASSWORD)
        user.password_hash = _HASHES["hash"]
        session.add(user)


def configured(folder: Path) -> Context:
    """A context over the store in `folder`, which need not exist yet."""
    brands = {"cafe": {"name": "Cafe"}, "rival": {"name": "Rival", "competitor": True}}
    return Context(
        support.settings(folder, brands=brands, web={"port": 8399}), clock=lambda: support.NOW,
        rng=random.Random(1), scorer=support.WordScorer(),
    )  # fmt: skip


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of the house, made once; every test gets its own copy."""
    folder = tmp_path_factory.mktemp("house")
    context = configured(folder)
    support.migrated(context.engine)
    made = House(context, create_app(context))
    with writing(context.engine) as session:
        synchronise(session, context.settings, now=support.NOW)
        people(session)
    made.add(*(support.item(n, text, at=support.NOW - timedelta(days=int(n)), **more) for n, text, more in TEXTS))
    made.add(support.item("r1", "good tea", at=support.NOW - timedelta(days=2)), brand="rival")
    with writing(context.engine) as session:
        brand = session.exec(select(Brand).where(Brand.slug == "cafe")).one()
        step = alerts.incident.Evidence(
            at=support.NOW - timedelta(days=1), score=9.0, threshold=3.0, n_observed=12, n_expected=3,
            since_at=support.NOW - timedelta(days=2), severity=Severity.WARNING,
        )  # fmt: skip
        (opened,) = alerts.incident.advance(None, step, now=support.NOW, series_text="brand=cafe", signal="negative")
        row = incidents.store(session, opened.incident, brand_id=brand.id or 0)
        row.uid = UID
        row.machine = row.machine | {"id": UID}
        session.add(row)
        incidents.record(session, row, "opened", at=support.NOW)
        session.add(
            Report(brand_id=brand.id, week="2026-W46", language="en", built_at=support.NOW, subject="Week 46",
                   html="<h1>Week</h1>", markdown="# Week")
        )  # fmt: skip
    with context.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    context.engine.dispose()
    return folder


def opened(furnished: Path, folder: Path) -> Iterator[House]:
    """A house of its own in `folder`."""
    shutil.copytree(furnished, folder, dirs_exist_ok=True)
    context = configured(folder)
    yield House(context, create_app(context))
    context.engine.dispose()


@pytest.fixture
def house(tmp_path: Path, furnished: Path) -> Iterator[House]:
    yield from opened(furnished, tmp_path)


@pytest.fixture(scope="module")
def museum(tmp_path_factory: pytest.TempPathFactory, furnished: Path) -> Iterator[House]:
    """The house of all tests of a file that look and touch nothing."""
    yield from opened(furnished, tmp_path_factory.mktemp("museum"))


def csrf_of(page: str) -> str:
    """The token that stands in the forms of a page."""
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    return found.group(1)
