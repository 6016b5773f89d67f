"""Strangers: forms from other sites, markup in every field a stranger writes, headers on every answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import MutableMapping
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape
from sqlmodel import select

from monitor import web
from monitor.store.engine import reading, writing
from monitor.store.tables import Comparison, Incident, Mention, SavedView, Source, SurveyAnswer
from monitor.web.security import MAX_BODY, POLICY
from scrapers.item import Reply
from tests.monitor import support
from tests.monitor.web.conftest import PASSWORD, UID, House
from tests.monitor.web.test_rights import VALUES, WANTED

CORPUS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "javascript:alert(1)",
    "{{7*7}}${7*7}<%= 7*7 %>",
    '<a href="javascript:alert(1)">x</a>',
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    '" autofocus onfocus=alert(1) x="',
    "<style>@import 'http://evil.example'</style>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
]
PAGES = ["/", "/?period=365d", "/mentions?period=365d", "/mentions/1", f"/incidents/{UID}", "/incidents", "/topics",
         "/quality", "/sources", "/accounts", "/tokens", "/audit", "/settings", "/reports", "/reports/1",
         "/satisfaction?metric=nps", "/journey", "/customers", "/competitors", "/effects", "/rules"]  # fmt: skip


class Markup(HTMLParser):
    """What a browser would run or load: tags and attributes as parsed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.bad: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs) -> None:
        names = dict(attrs)
        if tag == "script":
            self.scripts += 1
            if not (names.get("src") or "").startswith("/static/"):
                self.bad.append(f"<script {names}>")
        if tag in {"style", "object", "embed", "base", "math", "mtext"}:
            self.bad.append(f"<{tag}>")
        if tag == "iframe" and not (names.get("src") or "").startswith("/reports/"):
            self.bad.append(f"<iframe {names}>")
        for name, value in attrs:
            if name.startswith("on") or name == "style" or name == "srcdoc":
                self.bad.append(f"{tag} {name}={value}")
            address = (value or "").strip().lower()
            if name in {"href", "src", "action", "formaction"} and not address.startswith(
                ("/", "http://", "https://", "#")
            ):
                self.bad.append(f"{tag} {name}={value}")


def check(text: str) -> Markup:
    parser = Markup()
    parser.feed(text)
    assert parser.bad == []
    return parser


def test_nothing_a_stranger_wrote_becomes_markup(house: House) -> None:
    items = [
        support.item(f"x{n}", f"bad {evil} late", title=f"title {evil}", author=evil, location=f"place {evil}"[:200],
                     url="javascript:alert(1)" if n % 2 else f"https://example.org/{n}?{evil}", rating=1.0,
                     language="en", reply=Reply(text=f"sorry {evil}"), kind="survey" if n % 3 == 0 else "comment",
                     parent_id="x0" if n else None)
        for n, evil in enumerate(CORPUS)
    ]  # fmt: skip
    house.add(*items)
    with writing(house.context.engine) as session:
        row = session.exec(select(Incident)).one()
        row.data = {
            "headline": CORPUS[0],
            "drivers": [{"dimension": CORPUS[1], "name": CORPUS[2], "observed": 3, "expected": 1}],
            "topics": [{"name": CORPUS[3], "n": 2}], "phrases": [{"text": CORPUS[9], "n": 2, "n_before": 0}],
            "confounders": [CORPUS[5]], "quotes": [],
        }  # fmt: skip
        source = session.exec(select(Source)).one()
        source.title, source.last_error, source.last_status = CORPUS[1], CORPUS[0], CORPUS[7]
        session.add(row)
        session.add(source)
        for n in range(60):  # enough of each for a number to be shown
            session.add(SurveyAnswer(brand_id=row.brand_id, survey=CORPUS[4], external_id=str(n), metric="nps",
                                     value=n % 11, answered_at=support.NOW - timedelta(days=1 + n % 20),
                                     segment=f"a{n % 2} {CORPUS[0]}", location=f"b{n % 2} {CORPUS[1]}",
                                     touchpoint=f"c{n % 2} {CORPUS[2]}"))  # fmt: skip
    admin = house.as_("admin")
    assert f"a0 {escape(CORPUS[0])}" in admin.get("/satisfaction?metric=nps").text
    for page in PAGES:
        answer = admin.get(page)
        assert answer.status_code == 200, page
        assert check(answer.text).scripts >= 2
    with reading(house.context.engine) as session:
        ids = session.exec(select(Mention.id)).all()
    for number in ids:
        check(admin.get(f"/mentions/{number}").text)
        check(admin.get(f"/mentions/{number}/why").text)
    for evil in CORPUS:
        for query in ({"q": evil}, {"location": evil}, {"source": evil}, {"topic": evil}, {"language": evil}):
            check(admin.get("/", params=query).text)
            check(admin.get("/mentions", params=query).text)
    texts = admin.get("/mentions?period=365d").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in texts  # it is shown, as text
    assert 'href="javascript' not in texts


def test_what_people_here_write_is_escaped_too(house: House) -> None:
    analyst = house.as_("analyst")
    evil = CORPUS[0]
    analyst.post(f"/incidents/{UID}/comment", data={"note": evil})
    analyst.post("/silences", data={"brand": "cafe", "hours": "4", "note": evil, "location": evil})
    analyst.post("/views", data={"name": evil, "query": "q=1"})
    analyst.post("/topics/price", data={"name_en": evil, "stage": "use", "keywords": evil, "examples": evil})
    with writing(house.context.engine) as session:
        brand_id = session.exec(select(Incident)).one().brand_id
        session.add(Comparison(brand_id=brand_id, name=evil, topics=["price"], changed_at=support.NOW, treated=[evil],
                               against=[evil], created_at=support.NOW, actor=evil))  # fmt: skip
    for page in (f"/incidents/{UID}", "/incidents", "/mentions", "/topics", "/topics/price", "/", "/effects"):
        text = analyst.get(page).text
        check(text)
    assert f"{escape(evil)}" in text  # the last: the comparison that is followed
    assert "&lt;script&gt;" in analyst.get("/incidents").text


def test_a_saved_view_cannot_lead_elsewhere(house: House) -> None:
    analyst = house.as_("analyst")
    answer = analyst.post("/views", data={"name": "v", "query": "//evil.example"})
    assert answer.headers["location"].startswith("/mentions?")
    with reading(house.context.engine) as session:
        assert session.exec(select(SavedView)).one().query == "//evil.example"
    assert 'href="/mentions?//evil.example"' in analyst.get("/mentions").text


FORMS = [
    ("/mentions/1/correct", {"sentiment": "neutral"}), (f"/incidents/{UID}/reject", {}), ("/logout", {}),
    ("/silences", {"brand": "cafe", "hours": "4"}),
    ("/accounts", {"name": "eve", "role": "admin", "password": PASSWORD}),
    ("/tokens", {"name": "x"}), ("/mentions/correct", {"id": "1", "sentiment": "neutral"}), ("/topics/price/reset", {}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "form"), FORMS)
def test_a_change_without_the_sessions_token_is_refused(house: House, path: str, form: dict[str, str]) -> None:
    client = house.as_("admin")
    token = client.headers.pop("x-csrf-token")
    assert client.post(path, data=form).status_code == 403
    assert client.post(path, data=form | {"csrf": "wrong"}).status_code == 403
    assert client.post(path, data=form, headers={"x-csrf-token": token[:-1]}).status_code == 403
    assert client.post(path, data=form | {"csrf": token}).status_code not in (403, 500)


def test_no_route_changes_anything_without_the_sessions_token(house: House) -> None:
    """Every route that is not open to strangers: asked to change, it refuses; looked at, it changes nothing."""
    client = house.as_("admin")
    client.get("/")
    client.headers.pop("x-csrf-token")
    bodies: list[dict[str, Any]] = [{"data": {"csrf": "guessed"}}, {"json": {"csrf": "guessed"}}, {"content": b""}]
    with house.context.engine.connect() as watch:
        before = watch.exec_driver_sql("PRAGMA data_version").scalar()
        for method, path in sorted(WANTED):
            address = path.format(**VALUES)
            if method == "GET":
                assert client.get(address).status_code < 500, address
                continue
            for body in bodies:
                assert client.request(method, address, **body).status_code == 403, (method, address, body)
        assert watch.exec_driver_sql("PRAGMA data_version").scalar() == before


def test_every_form_that_changes_something_carries_the_token() -> None:
    """HTMX sends the form too. What is open to strangers is signed, or asks where it comes from."""
    forms = [form for file in Path(web.__file__).parent.glob("templates/*.html")
             for form in re.findall(r"<form.*?</form>", file.read_text("utf-8"), re.DOTALL)]  # fmt: skip
    changing = [form for form in forms if re.search(r'method="post"|hx-(post|put|patch|delete)', form)]
    assert len(changing) > 30
    strangers = {"/u/{{ token }}", "/a/{{ token }}", "/login", "/setup", "/preferences"}
    for form in changing:
        (action,) = re.findall(r'<form[^>]* action="([^"]+)"', form)
        assert ("p.csrf()" in form) != (action in strangers), action
    outside = [re.sub(r"<form.*?</form>", "", file.read_text("utf-8"), flags=re.DOTALL)
               for file in Path(web.__file__).parent.glob("templates/*.html")]  # fmt: skip
    assert not any(re.search(r"hx-(post|put|patch|delete)=", text) for text in outside)


def test_the_api_asks_for_the_token_of_a_cookie_but_not_of_a_key(house: House) -> None:
    client = house.as_("analyst")
    made = client.post("/tokens", data={"name": "x"}).text.split('class="secret">')[1].split("<")[0]
    client.headers.pop("x-csrf-token")
    body = {"sentiment": "neutral"}
    assert client.post("/api/v1/mentions/1/correction", json=body).status_code == 403
    key = house.nobody()
    answer = key.post("/api/v1/mentions/1/correction", json=body, headers={"authorization": f"Bearer {made}"})
    assert answer.json() == {"n": 1}


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}]
)
@pytest.mark.parametrize("path", ["/login", "/setup", "/preferences"])
def test_forms_without_a_session_must_come_from_our_own_page(house: House, path: str, headers: dict[str, str]) -> None:
    client = house.nobody()
    form = {"name": "vera", "password": PASSWORD, "theme": "dark"}
    assert client.post(path, data=form, headers=headers).status_code == 403
    own = {"origin": "http://127.0.0.1", "sec-fetch-site": "same-origin"}
    assert client.post(path, data=form, headers=own).status_code in (303, 410, 422)


@pytest.mark.parametrize("path", ["/login", "/", "/nothing", "/api/v1/overview", "/static/monitor.css", "/healthz"])
def test_every_answer_carries_the_strict_policy(house: House, path: str) -> None:
    answer = house.as_("viewer").get(path)
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in POLICY


def test_a_report_is_framed_without_scripts(house: House) -> None:
    answer = house.as_("viewer").get("/reports/1/page")
    policy = answer.headers["content-security-policy"]
    assert "script-src" not in policy
    assert "sandbox" in policy
    assert "default-src 'none'" in policy


def test_a_body_that_is_too_large_is_refused_unread(house: House) -> None:
    answer = house.as_("analyst").post("/views", content=b"x" * (5 * 1024 * 1024))
    assert answer.status_code == 413


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"])
def test_a_body_that_does_not_say_its_length_is_cut_off(kind: str, house: House) -> None:
    """By whoever: nobody has logged in. A part of a form of its own has no end either."""
    n_read = 0
    answers: list[MutableMapping[str, Any]] = []
    head = b'--b\r\ncontent-disposition: form-data; name="name"; filename="f"\r\n\r\n' if "multi" in kind else b""

    async def endless() -> dict[str, Any]:
        nonlocal n_read
        n_read += 1
        assert n_read < 1000
        return {"type": "http.request", "body": (head if n_read == 1 else b"") + b"x" * 65_536, "more_body": True}

    async def send(message: MutableMapping[str, Any]) -> None:
        answers.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/login", "query_string": b"", "root_path": "", "scheme": "http",
        "http_version": "1.1", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        "headers": [(b"content-type", kind.encode()), (b"host", b"127.0.0.1")],
    }  # fmt: skip
    asyncio.run(house.as_("viewer").app(scope, endless, send))  # type: ignore[arg-type]
    assert answers[0]["status"] in {400, 413}
    assert n_read * 65_536 < MAX_BODY + 2 * 65_536


def test_secrets_of_the_configuration_are_masked(tmp_path) -> None:
    from starlette.testclient import TestClient

    from monitor.web import accounts
    from monitor.web.app import create_app

    mail = {"host": "mail.example.org", "sender": "a@example.org", "recipients": ["b@example.org"], "username": "a"}
    settings = {"mail": {"kind": "email", "settings": mail | {"password": "very-secret-word"}}}
    context = support.context(tmp_path, channels=settings)
    client = TestClient(create_app(context), base_url="http://127.0.0.1")
    with writing(context.engine) as session:
        accounts.add_user(session, "anna", "admin", PASSWORD, now=support.NOW)
    client.post("/login", data={"name": "anna", "password": PASSWORD})
    for path in ("/settings", "/api/v1/settings"):
        text = client.get(path).text
        assert "mail.example.org" in text
        assert "very-secret-word" not in text
