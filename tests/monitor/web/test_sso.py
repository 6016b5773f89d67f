"""Single sign-on against a small real provider: discovery, authorisation, PKCE, signed identity tokens."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from joserfc import jwk, jwt
from pytest_httpserver import HTTPServer
from sqlmodel import Session, select
from starlette.testclient import TestClient
from werkzeug import Request as Asked
from werkzeug import Response as Answer

from monitor.config import Sso
from monitor.pipeline.context import Context
from monitor.store.engine import reading, writing
from monitor.store.tables import User
from monitor.web import sso
from monitor.web.app import create_app
from tests.monitor import support
from tests.monitor.web.conftest import House

SECRET = "the secret of the client"


@dataclass
class Provider:
    """An OpenID Connect provider. `claims` go into the next token; `signs` is the key that signs it."""

    server: HTTPServer
    key: jwk.RSAKey
    signs: jwk.RSAKey
    claims: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return self.server.url_for("").rstrip("/")

    def describe(self, _: Asked) -> Answer:
        where = {name: f"{self.issuer}/{path}" for name, path in (
            ("authorization_endpoint", "authorize"), ("token_endpoint", "token"), ("jwks_uri", "keys"))}  # fmt: skip
        return json_of({"issuer": self.issuer, **where})

    def keys(self, _: Asked) -> Answer:
        return json_of({"keys": [self.key.as_dict(private=False)]})

    def authorize(self, asked: Asked) -> Answer:
        """The person says yes at once."""
        assert asked.args["response_type"] == "code"
        assert asked.args["client_id"] == "monitor"
        assert asked.args["code_challenge_method"] == "S256"
        assert "openid" in asked.args["scope"].split()
        code = f"code{len(self.codes)}"
        self.codes[code] = {name: asked.args[name] for name in ("code_challenge", "nonce", "redirect_uri")}
        back = urlencode({"code": code, "state": asked.args["state"]})
        return Answer(status=302, headers={"location": f"{asked.args['redirect_uri']}?{back}"})

    def token(self, asked: Asked) -> Answer:
        held = self.codes.pop(asked.form["code"], None)
        login = base64.b64encode(f"monitor:{SECRET}".replace(" ", "%20").encode()).decode()
        plain = base64.b64encode(f"monitor:{SECRET}".encode()).decode()
        digest = hashlib.sha256(asked.form["code_verifier"].encode()).digest()
        proof = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            held is None
            or asked.headers["authorization"] not in (f"Basic {login}", f"Basic {plain}")
            or held["code_challenge"] != proof
            or held["redirect_uri"] != asked.form["redirect_uri"]
        ):
            return json_of({"error": "invalid_grant"}, status=400)
        now = int(support.NOW.timestamp())
        claims = {"iss": self.issuer, "aud": "monitor", "sub": "4711", "iat": now, "exp": now + 300,
                  "nonce": held["nonce"], **self.claims}  # fmt: skip
        told = jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.signs)
        return json_of({"access_token": "a", "token_type": "Bearer", "id_token": told})


def json_of(value: Any, status: int = 200) -> Answer:
    import json

    return Answer(json.dumps(value), status=status, content_type="application/json")


@pytest.fixture(scope="module")
def keys() -> tuple[jwk.RSAKey, jwk.RSAKey]:
    return tuple(jwk.RSAKey.generate_key(2048, {"kid": "one"}) for _ in range(2))  # type: ignore[return-value]


@pytest.fixture
def provider(httpserver: HTTPServer, keys: tuple[jwk.RSAKey, jwk.RSAKey]) -> Provider:
    made = Provider(httpserver, keys[0], keys[0])
    for path, answer in (("/.well-known/openid-configuration", made.describe), ("/keys", made.keys),
                         ("/authorize", made.authorize), ("/token", made.token)):  # fmt: skip
        httpserver.expect_request(path).respond_with_handler(answer)
    return made


def visitor(house: House, provider: Provider, **more: Any) -> TestClient:
    """A browser before an application that knows the provider."""
    asked = Sso(issuer=provider.issuer, client_id="monitor", client_secret=SECRET, name="Acme", **more)
    settings = house.context.settings
    settings = settings.model_copy(update={"web": settings.web.model_copy(update={"sso": asked})})
    context = Context(settings, engine=house.context.engine, clock=lambda: support.NOW, scorer=house.context.scorer)
    return TestClient(create_app(context), base_url="http://127.0.0.1", follow_redirects=False)


def there(client: TestClient, target: str = "/incidents") -> str:
    """Press the button and say yes at the provider; the address the provider sends the browser back to."""
    assert "Acme" in client.get("/login").text
    sent = client.get("/login/sso", params={"next": target})
    assert sent.status_code == 303
    back = httpx.get(sent.headers["location"], follow_redirects=False)
    assert back.status_code == 302
    return back.headers["location"]


def people(session: Session) -> dict[str, str]:
    return {user.name: user.role for user in session.exec(select(User).where(User.subject != None))}  # noqa: E711


def test_who_comes_for_the_first_time_gets_an_account(house: House, provider: Provider) -> None:
    client = visitor(house, provider)
    provider.claims = {"preferred_username": "irina@acme.example"}
    answer = client.get(there(client))
    assert (answer.status_code, answer.headers["location"]) == (303, "/incidents")
    assert client.get("/me").status_code == 200
    assert client.get("/accounts").status_code == 403
    client.cookies.clear()
    client.get(there(client))  # the same person again: the same account
    with reading(house.context.engine) as session:
        assert people(session) == {"irina@acme.example": "viewer"}
        user = session.exec(select(User).where(User.name == "irina@acme.example")).one()
        assert (user.subject, user.password_hash) == (f"{provider.issuer} 4711", "")
    assert house.nobody().post("/login", data={"name": "irina@acme.example", "password": ""}).status_code == 401


def test_groups_of_the_provider_give_roles_at_every_login(house: House, provider: Provider) -> None:
    client = visitor(house, provider, role=None, roles={"brand": "analyst", "it": "admin"})
    provider.claims = {"email": "oleg@acme.example", "groups": ["brand", "it"]}
    client.get(there(client))
    provider.claims["groups"] = ["brand"]
    client.cookies.clear()
    client.get(there(client))
    with reading(house.context.engine) as session:
        assert people(session) == {"oleg@acme.example": "analyst"}
    provider.claims["groups"] = ["sales"]
    client.cookies.clear()
    assert client.get(there(client)).status_code == 403
    assert client.get("/me").status_code == 303


def test_a_taken_name_is_not_taken_over(house: House, provider: Provider) -> None:
    client = visitor(house, provider)
    provider.claims = {"preferred_username": "anna"}
    client.get(there(client))
    with reading(house.context.engine) as session:
        assert people(session) == {"anna-2": "viewer"}


def test_an_account_that_is_switched_off_stays_out(house: House, provider: Provider) -> None:
    client = visitor(house, provider)
    client.get(there(client))
    with writing(house.context.engine) as session:
        user = session.exec(select(User).where(User.subject != None)).one()  # noqa: E711
        user.active = False
        session.add(user)
    client.cookies.clear()
    assert client.get(there(client)).status_code == 403


@pytest.mark.parametrize(
    "wrong", [{"aud": "another"}, {"iss": "https://evil.example"}, {"nonce": "old"}, {"exp": 1}, {"sub": None}]
)
def test_a_token_that_is_not_ours_opens_nothing(house: House, provider: Provider, wrong: dict[str, Any]) -> None:
    client = visitor(house, provider)
    provider.claims = wrong
    assert client.get(there(client)).status_code == 403
    with reading(house.context.engine) as session:
        assert people(session) == {}


def test_a_token_signed_by_another_key_opens_nothing(
    house: House, provider: Provider, keys: tuple[jwk.RSAKey, jwk.RSAKey]
) -> None:
    client = visitor(house, provider)
    provider.signs = keys[1]
    assert client.get(there(client)).status_code == 403


def test_a_login_begun_elsewhere_is_refused(house: House, provider: Provider) -> None:
    client, other = visitor(house, provider), visitor(house, provider)
    back = there(client)
    there(other)
    assert other.get(back).status_code == 403  # another browser's state
    assert visitor(house, provider).get(back).status_code == 403  # no cookie at all
    state = parse_qs(urlsplit(back).query)["state"][0]
    forger = visitor(house, provider)
    forger.cookies.set(sso.COOKIE, "e30=.0000", path="/login")
    assert forger.get("/login/sso/callback", params={"code": "x", "state": state}).status_code == 403


def test_a_code_works_once_and_a_silent_provider_is_told(house: House, provider: Provider) -> None:
    client = visitor(house, provider)
    back = there(client)
    provider.codes.clear()
    answer = client.get(back)
    assert answer.status_code == 502
    provider.server.clear()
    provider.server.expect_request("/.well-known/openid-configuration").respond_with_data("down", status=503)
    assert client.get("/login/sso").status_code == 502
    assert client.get("/login/sso/callback", params={"error": "access_denied"}).status_code == 403
    provider.server.clear_assertions()


def test_nobody_is_asked_to_where_no_provider_is_configured(house: House, tmp_path: Path) -> None:
    client = house.nobody()
    assert "/login/sso" not in client.get("/login").text
    assert client.get("/login/sso").status_code == 404
