"""Every route x every role: who gets in, who is sent to the login, who is refused."""

from __future__ import annotations

import pytest

from monitor.pipeline import leaving
from monitor.store.engine import writing
from monitor.web.app import ROUTERS
from tests.monitor.web.conftest import UID, House

OPEN = {
    ("GET", "/u/{token}"), ("POST", "/u/{token}"),
    ("GET", "/a/{token}"), ("POST", "/a/{token}"), ("POST", "/slack/interactive"), ("POST", "/hooks/{slug}"),  # signed
    ("GET", "/healthz"), ("GET", "/version"), ("GET", "/readyz"), ("GET", "/login"), ("POST", "/login"),
    ("GET", "/login/sso"), ("GET", "/login/sso/callback"),
    ("GET", "/setup"), ("POST", "/setup"), ("POST", "/preferences"),
}  # fmt: skip
NEEDS = {
    "viewer": {
        "GET": [
            "/metrics", "/", "/me", "/mentions", "/mentions/export.{suffix}", "/mentions/{mention_id}",
            "/mentions/{mention_id}/why", "/incidents", "/incidents/{uid}", "/topics", "/topics/{key}", "/quality",
            "/rules",
            "/sources", "/reports", "/reports/{report_id}", "/reports/{brand}/{week}", "/reports/{report_id}/page",
            "/reports/{report_id}/markdown", "/tokens",
            "/satisfaction", "/journey", "/customers", "/customers/export.csv", "/effects", "/competitors",
            *(f"/api/v1/{name}" for name in (
                "brands", "overview", "timeline", "breakdown/{dimension}", "places", "voice", "journey", "mentions",
                "mentions/{mention_id}", "mentions/{mention_id}/highlight", "views", "incidents", "incidents/{uid}",
                "incidents/{uid}/series", "silences", "topics", "quality", "sources", "queues", "messages", "notices",
                "reports", "reports/{report_id}", "tokens", "suggestions", "rules",
                "metrics", "metrics/{metric}", "metrics/{metric}/drivers",
                "indices", "journey/map", "segments", "segments/members", "retention", "effect", "comparisons",
                "rivals",
            )),
        ],
        "POST": ["/logout", "/me/password", "/tokens", "/tokens/{token_id}/revoke"],
    },
    "analyst": {
        "GET": ["/sources/{slug}/sample"],
        "POST": [
            "/mentions/{mention_id}/correct", "/mentions/correct", "/views", "/views/{view_id}/delete",
            "/incidents/{uid}/{action}", "/silences", "/silences/{silence_id}/end", "/topics/{key}",
            "/topics/{key}/reset", "/sources/{slug}/{action}", "/deliveries/{outbox_id}/retry",
            "/notices/{notice_id}/close", "/rules", "/rules/{name}/{action}",
            "/suggestions/{suggestion_id}/accept", "/suggestions/{suggestion_id}/dismiss",
            "/api/v1/suggestions/{suggestion_id}/accept", "/api/v1/suggestions/{suggestion_id}/dismiss",
            "/journey/topics/{key}", "/effects", "/effects/{comparison_id}/close",
            "/api/v1/comparisons",
            "/api/v1/mentions/{mention_id}/correction", "/api/v1/corrections", "/api/v1/views",
            "/api/v1/incidents/{uid}/{action}", "/api/v1/silences", "/api/v1/sources/{slug}/{action}",
            "/api/v1/messages/{message_id}/retry", "/api/v1/notices/{notice_id}/close",
        ],
        "PUT": ["/api/v1/topics/{key}", "/api/v1/rules/{name}"],
        "DELETE": [
            "/api/v1/views/{view_id}", "/api/v1/silences/{silence_id}", "/api/v1/topics/{key}", "/api/v1/rules/{name}",
            "/api/v1/comparisons/{comparison_id}",
        ],
    },
    "admin": {
        "GET": ["/accounts", "/audit", "/settings", "/api/v1/users", "/api/v1/audit", "/api/v1/settings"],
        "POST": ["/accounts", "/accounts/{user_id}", "/recipients/return"],
    },
}  # fmt: skip
WANTED = {
    (method, path): role for role, methods in NEEDS.items() for method, paths in methods.items() for path in paths
}
ROUTES = sorted(
    (method, prefix + route.path)
    for prefix, router in ROUTERS
    for route in router.routes
    for method in route.methods - {"HEAD"}
)
RANKS = ["viewer", "analyst", "admin"]
VALUES = {
    "mention_id": "1", "uid": UID, "dimension": "topic", "suffix": "csv", "key": "price", "report_id": "1",
    "metric": "nps", "comparison_id": "999",
    "slug": "none",    "action": "pause", "token_id": "999", "view_id": "999", "silence_id": "999", "outbox_id": "999",
    "message_id": "999", "suggestion_id": "999",
    "name": "none",
    "brand": "cafe", "week": "2026-W46", "notice_id": "999", "user_id": "999",
}  # fmt: skip


def test_the_matrix_names_every_route_and_no_other() -> None:
    assert set(ROUTES) == OPEN | set(WANTED)


def _call(client, method: str, path: str):
    address = path.format(**VALUES)
    if "/incidents/" in path and method == "POST":
        address = address.replace("/pause", "/confirm")
    body = {} if path.startswith("/api/") and method in {"POST", "PUT"} else None
    return client.request(method, address, json=body)


@pytest.mark.parametrize("path", sorted(path for method, path in WANTED if method == "GET"))
def test_a_page_is_shown_to_whom_it_may_be(museum: House, path: str) -> None:
    check(museum, "GET", path)


@pytest.mark.parametrize(("method", "path"), sorted(key for key in WANTED if key[0] != "GET"))
def test_a_route_lets_in_who_may(house: House, method: str, path: str) -> None:
    check(house, method, path)


def check(house: House, method: str, path: str) -> None:
    needed = WANTED[method, path]
    stranger = _call(house.nobody(), method, path)
    if path.startswith("/api/") or path == "/metrics":
        assert stranger.status_code == 401
        assert stranger.headers["content-type"] == "application/problem+json"
    else:
        assert stranger.status_code == 303
        assert stranger.headers["location"].startswith("/login")
    for role in RANKS:
        status = _call(house.as_(role), method, path).status_code
        if RANKS.index(role) >= RANKS.index(needed):
            assert status not in (401, 403), f"{role} was refused"
            assert status < 500
        else:
            assert status == 403, f"{role} was let in"
        if path == "/logout":
            break  # the browser is logged out now


@pytest.mark.parametrize(("method", "path"), sorted(OPEN))
def test_what_is_open_needs_no_login(house: House, method: str, path: str) -> None:
    assert house.nobody().request(method, path).status_code not in (303, 500) or path == "/preferences"


def test_nobody_is_shown_what_is_anothers(house: House) -> None:
    """Private views and tokens: their owner's (an administrator sees all tokens). Who left: the administrator's."""
    house.as_("analyst").post("/views", data={"name": "a private view", "query": "q=soup"})
    house.as_("analyst").post("/views", data={"name": "a view for all", "query": "q=tea", "shared": "1"})
    house.as_("analyst").post("/tokens", data={"name": "a key of boris"})
    with writing(house.context.engine) as session:
        leaving.leave(session, "mail", "somebody@example.org", now=house.context.now)
    shown = {
        (page, role): house.as_(role).get(page).text
        for page in ("/mentions", "/api/v1/views", "/tokens", "/api/v1/tokens", "/sources")
        for role in RANKS
    }
    for words, pages, roles in (
        ("a private view", ("/mentions", "/api/v1/views"), {"analyst"}),
        ("a view for all", ("/mentions", "/api/v1/views"), set(RANKS)),
        ("a key of boris", ("/tokens", "/api/v1/tokens"), {"analyst", "admin"}),
        ("somebody@example.org", ("/sources",), {"admin"}),
    ):
        for page in pages:
            assert {role for role in RANKS if words in shown[page, role]} == roles, (words, page)
