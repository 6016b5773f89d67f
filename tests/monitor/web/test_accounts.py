"""Accounts: passwords, throttling, the set-up link, browsers, tokens."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import select

from monitor.errors import ConfigError
from monitor.store.engine import reading, writing
from monitor.store.tables import ApiToken, AuditEntry, User, WebSession
from monitor.web import accounts
from monitor.web.errors import TooMany
from monitor.web.security import Throttle
from tests.monitor import support
from tests.monitor.web.conftest import PASSWORD, House, csrf_of

DAY = timedelta(days=1)


def test_the_set_up_link_works_once_and_only_without_an_admin(tmp_path) -> None:
    context = support.context(tmp_path)
    with writing(context.engine) as session:
        old = accounts.setup_link(session, context.settings, now=support.NOW)
        link = accounts.setup_link(session, context.settings, now=support.NOW)
    assert link is not None
    assert old is not None
    assert link.startswith("http://127.0.0.1:8321/setup?token=")
    token, stale = link.split("=")[1], old.split("=")[1]
    with writing(context.engine) as session:
        assert not accounts.setup_open(session, stale, now=support.NOW)  # a new link voids the old one
        assert not accounts.setup_open(session, token, now=support.NOW + 3 * DAY)
        made = accounts.use_setup(session, token, name="anna", password=PASSWORD, now=support.NOW)
        assert made is not None
        assert made.role == "admin"
        again = accounts.use_setup(session, token, name="eve", password=PASSWORD, now=support.NOW)
        assert again is None
        assert accounts.setup_link(session, context.settings, now=support.NOW) is None
        assert [user.name for user in session.exec(select(User))] == ["anna"]


def test_set_up_in_the_browser_logs_the_admin_in(tmp_path) -> None:
    from starlette.testclient import TestClient

    from monitor.web.app import create_app

    context = support.context(tmp_path)
    with writing(context.engine) as session:
        link = accounts.setup_link(session, context.settings, now=support.NOW) or ""
    client = TestClient(create_app(context), base_url="http://127.0.0.1", follow_redirects=False)
    token = link.split("=")[1]
    assert client.get(f"/setup?token={token}").status_code == 200
    form = {"token": token, "name": "anna", "password": "short", "again": "short"}
    assert client.post("/setup", data=form).status_code == 422  # a refused password does not use the link up
    form |= {"password": PASSWORD, "again": PASSWORD}
    assert client.post("/setup", data=form).headers["location"] == "/"
    assert client.get("/me").status_code == 200
    assert client.get(f"/setup?token={token}").status_code == 410
    assert client.post("/setup", data=form | {"name": "eve"}).status_code == 410


@pytest.mark.parametrize("password", ["short", "Anna.Karenina", "aaaaaaaaaaaa", "xyzw" * 251])
def test_weak_passwords_are_refused(session, password: str) -> None:
    with pytest.raises(ConfigError, match="password"):
        accounts.add_user(session, "anna.karenina", "viewer", password, now=support.NOW)


def test_names_and_roles_are_checked(session) -> None:
    with pytest.raises(ConfigError, match="allowed"):
        accounts.add_user(session, "two words", "viewer", PASSWORD, now=support.NOW)
    with pytest.raises(ConfigError, match="viewer, analyst, admin"):
        accounts.add_user(session, "anna", "root", PASSWORD, now=support.NOW)
    accounts.add_user(session, "anna", "viewer", PASSWORD, now=support.NOW)
    with pytest.raises(ConfigError, match="taken"):
        accounts.add_user(session, "anna", "viewer", PASSWORD, now=support.NOW)


def test_an_account_locks_after_five_wrong_passwords_and_longer_each_time(house: House) -> None:
    engine, now = house.context.engine, support.NOW

    def attempt(password: str, at) -> object:
        with writing(engine) as session:
            return accounts.log_in(session, "vera", password, now=at, lifetime=DAY)

    assert [attempt("wrong", now) for _ in range(5)] == [None] * 5
    locked = attempt(PASSWORD, now)
    assert locked == now + timedelta(seconds=30)  # even with the right one
    assert attempt("wrong", now + timedelta(seconds=31)) is None
    assert attempt(PASSWORD, now + timedelta(seconds=32)) == now + timedelta(seconds=31 + 60)
    assert isinstance(attempt(PASSWORD, now + timedelta(minutes=5)), accounts.LoggedIn)
    assert [attempt("wrong", now + timedelta(minutes=6)) for _ in range(4)] == [None] * 4  # the count began anew
    assert isinstance(attempt(PASSWORD, now + timedelta(minutes=7)), accounts.LoggedIn)


def test_an_address_that_guesses_is_stopped() -> None:
    clock = [0.0]
    throttle = Throttle(limit=3, window=60, clock=lambda: clock[0])
    for _ in range(3):
        throttle.check("1.2.3.4")
        throttle.failed("1.2.3.4")
    with pytest.raises(TooMany) as caught:
        throttle.check("1.2.3.4")
    assert 0 < caught.value.after <= 60
    throttle.check("5.6.7.8")
    clock[0] = 61
    throttle.check("1.2.3.4")


def test_the_login_page_says_when_it_is_enough(house: House) -> None:
    client = house.nobody()
    answers = [client.post("/login", data={"name": f"nobody{n}", "password": "x"}).status_code for n in range(21)]
    assert answers[:20] == [401] * 20
    assert answers[20] == 429


def test_logging_in_and_out(house: House) -> None:
    client = house.nobody()
    refused = client.post("/login", data={"name": "vera", "password": "wrong"})
    assert refused.status_code == 401
    assert "monitor_session" not in client.cookies
    answer = client.post("/login", data={"name": "vera", "password": PASSWORD, "next": "/mentions?q=soup"})
    assert answer.headers["location"] == "/mentions?q=soup"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    page = client.get("/me")
    client.post("/logout", data={"csrf": csrf_of(page.text)})
    assert client.get("/me").status_code == 303
    with reading(house.context.engine) as session:
        assert session.exec(select(WebSession)).all() == []


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:1", "/\n/x"]
)
def test_nobody_is_sent_elsewhere_after_the_login(house: House, target: str) -> None:
    answer = house.nobody().post("/login", data={"name": "vera", "password": PASSWORD, "next": target})
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize("name", ["vera", "nobody-of-this-name"])
def test_an_unknown_name_takes_as_long_as_a_wrong_password(
    name: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    verify = accounts._verify

    def noted(stored: str, password: str) -> bool:
        hashed.append(stored)
        return verify(stored, password)

    monkeypatch.setattr(accounts, "_verify", noted)
    assert house.nobody().post("/login", data={"name": name, "password": "wrong"}).status_code == 401
    (one,) = hashed
    assert one.startswith("$argon2id$")


def test_cookies_and_tokens_are_stored_as_hashes_only(house: House) -> None:
    token = house.as_("viewer").cookies["monitor_session"]
    answer = house.as_("viewer").post("/tokens", data={"name": "script", "lifetime": "30d"})
    made = answer.text.split('class="secret">')[1].split("<")[0]
    assert made.startswith("mon_")
    dump = b"".join(path.read_bytes() for path in house.context.settings.data_dir.glob("monitor.sqlite*"))
    assert token.encode() not in dump
    assert made.encode() not in dump
    assert made not in house.as_("viewer").get("/tokens").text  # shown once
    client = house.nobody()
    client.headers["authorization"] = f"Bearer {made}"
    again = client.post("/tokens", data={"name": "another", "lifetime": "365d"})
    assert again.status_code == 403, "a stolen token must not outlive itself"
    assert client.get("/api/v1/overview").status_code == 200
    assert client.get("/api/v1/users").status_code == 403  # the rights of its owner
    house.as_("viewer").post("/tokens/1/revoke")
    assert client.get("/api/v1/overview").status_code == 401


def test_a_token_has_an_end_and_a_session_too(house: House) -> None:
    with writing(house.context.engine) as session:
        user = accounts.find_user(session, "vera")
        assert user is not None
        made = accounts.create_token(session, user, "script", now=support.NOW, lifetime=DAY)
        opened = accounts.open_session(session, user, now=support.NOW, lifetime=DAY)
    with reading(house.context.engine) as session:
        assert accounts.bearer(session, made, now=support.NOW)
        assert accounts.bearer(session, made, now=support.NOW + DAY) is None
        assert accounts.browser(session, opened.token, now=support.NOW)
        assert accounts.browser(session, opened.token, now=support.NOW + DAY) is None


def test_somebody_elses_token_is_not_mine_to_revoke(house: House) -> None:
    house.as_("admin").post("/tokens", data={"name": "of anna"})
    assert house.as_("viewer").post("/tokens/1/revoke").status_code == 404
    house.as_("viewer").post("/tokens", data={"name": "of vera"})
    assert house.as_("admin").post("/tokens/2/revoke").status_code == 303
    with reading(house.context.engine) as session:
        assert [token.revoked_at is not None for token in session.exec(select(ApiToken))] == [False, True]


def test_switching_an_account_off_ends_its_browsers_but_the_last_admin_stays(house: House) -> None:
    vera, anna = house.as_("viewer"), house.as_("admin")
    assert vera.get("/").status_code == 200
    with reading(house.context.engine) as session:
        ids = {user.name: user.id for user in session.exec(select(User))}
    assert anna.post(f"/accounts/{ids['vera']}", data={"role": "viewer", "active": ""}).status_code == 303
    assert vera.get("/").status_code == 303
    refused = anna.post(f"/accounts/{ids['anna']}", data={"role": "viewer", "active": "1"})
    assert refused.status_code == 422
    assert "last active admin" in refused.text


def test_a_new_password_logs_every_other_browser_out(house: House) -> None:
    first, second = house.as_("viewer"), house.nobody()
    second.post("/login", data={"name": "vera", "password": PASSWORD})
    wrong = first.post("/me/password", data={"old": "no", "password": "another phrase", "again": "another phrase"})
    assert wrong.status_code == 422
    changed = first.post(
        "/me/password", data={"old": PASSWORD, "password": "another phrase", "again": "another phrase"}
    )
    assert changed.status_code == 303
    assert first.get("/me").status_code == 200
    assert second.get("/me").status_code == 303


def test_changes_stand_in_the_log(house: House) -> None:
    house.as_("admin").post("/accounts", data={"name": "olga", "role": "analyst", "password": PASSWORD})
    house.as_("analyst").post("/mentions/1/correct", data={"sentiment": "neutral"})
    with reading(house.context.engine) as session:
        entries = {(entry.actor, entry.action): entry.detail for entry in session.exec(select(AuditEntry))}
    assert entries["anna", "user.added"] == {"role": "analyst"}
    assert entries["boris", "mention.corrected"]["n"] == 1
    page = house.as_("admin").get("/audit").text
    assert "mentions corrected" in page
