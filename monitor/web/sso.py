"""Single sign-on by OpenID Connect: who the provider says came, and which account and role that is here.

Authorization code flow with PKCE (RFC 7636), state and nonce; the identity token's signature, issuer, audience, times
and nonce are checked. What must come back unchanged travels in a signed cookie that lives ten minutes. Needs the extra
`sso`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
from sqlmodel import Session, select

from monitor.config import Sso
from monitor.errors import ConfigError
from monitor.store.tables import User
from monitor.web import accounts
from monitor.web.errors import Forbidden, WebError

COOKIE = "monitor_sso"
CALLBACK = "/login/sso/callback"
PATIENCE = 10.0  # seconds for each answer of the provider
LIFETIME = timedelta(minutes=10)
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
LEEWAY = 60  # seconds by which the clocks may differ


class SsoFailed(WebError):
    """The provider did not answer as it should; the message is for the person."""

    status = 502


@dataclass(frozen=True, slots=True)
class Started:
    """Where to send the browser, and the cookie that it must bring back."""

    url: str
    cookie: str


def start(settings: Sso, *, redirect_uri: str, target: str, key: bytes, now: datetime) -> Started:
    """Begin a login. Raises SsoFailed, ConfigError where the extra is missing."""
    provider = _discover(settings)
    kept = {
        "state": secrets.token_urlsafe(24), "nonce": secrets.token_urlsafe(24), "verifier": secrets.token_urlsafe(48),
        "next": target, "until": (now + LIFETIME).timestamp(),
    }  # fmt: skip
    with _client(settings, redirect_uri) as client:
        url, _ = client.create_authorization_url(
            provider["authorization_endpoint"], state=kept["state"], code_verifier=kept["verifier"], nonce=kept["nonce"]
        )
    return Started(url, _seal(kept, key))


def finish(
    settings: Sso, *, redirect_uri: str, code: str, state: str, cookie: str, key: bytes, now: datetime
) -> tuple[Mapping[str, Any], str]:
    """The claims of who came, and where they wanted to go. Raises Forbidden, SsoFailed."""
    kept = _open(cookie, key)
    if kept is None or now.timestamp() > kept["until"] or not hmac.compare_digest(kept["state"], state):
        raise Forbidden("this login was not begun in this browser, or took too long; start again")
    provider = _discover(settings)
    try:
        with _client(settings, redirect_uri) as client:
            token = client.fetch_token(provider["token_endpoint"], code=code, code_verifier=kept["verifier"])
            keys = httpx.get(provider["jwks_uri"], timeout=PATIENCE).raise_for_status().json()
    except (httpx.HTTPError, ValueError) as problem:
        raise SsoFailed(f"the login provider did not answer: {problem}") from problem
    except _oauth_error() as problem:
        raise SsoFailed(f"the login provider refused the code: {problem}") from problem
    return _claims(settings, token.get("id_token"), keys, nonce=kept["nonce"], now=now), str(kept["next"])


def account(session: Session, settings: Sso, claims: Mapping[str, Any], *, now: datetime) -> User:
    """The account of who came; a new one where none is bound to them yet. Raises Forbidden.

    Accounts are bound by issuer and subject, never by a name or an address, which people can choose at the provider.
    """
    subject = f"{claims['iss']} {claims['sub']}"
    role = role_of(settings, claims)
    user = session.exec(select(User).where(User.subject == subject)).first()
    if user is None:
        if role is None:
            raise Forbidden("you are known to the login provider, but not allowed in here; ask an administrator")
        user = User(name=_free_name(session, claims), role=role, created_at=now, subject=subject)
        session.add(user)
        session.flush()
        accounts.audit(session, "sso", "user.added", user.name, now=now, role=role)
    if not user.active:
        raise Forbidden("this account is switched off")
    if settings.roles and role is None:
        raise Forbidden("you are not allowed in here any more; ask an administrator")
    if settings.roles and role is not None and user.role != role:  # the provider decides where it was asked to
        with contextlib.suppress(ConfigError):  # the last administrator stays one
            accounts.change_user(session, user, role=role, active=True, now=now, actor="sso")
    return user


def role_of(settings: Sso, claims: Mapping[str, Any]) -> str | None:
    """The highest role that a value of the claim gives, else the role of everybody else; None: not let in."""
    held = claims.get(settings.role_claim, ())
    values = {held} if isinstance(held, str) else {str(value) for value in held or ()}
    given = [role for value, role in settings.roles.items() if value in values]
    return max(given, key=accounts.ROLES.index) if given else settings.role


def _discover(settings: Sso) -> Mapping[str, Any]:
    address = settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
    try:
        found = httpx.get(address, timeout=PATIENCE).raise_for_status().json()
    except (httpx.HTTPError, ValueError) as problem:
        raise SsoFailed(f"the login provider does not answer at {address}: {problem}") from problem
    missing = {"authorization_endpoint", "token_endpoint", "jwks_uri", "issuer"} - set(found)
    if missing or found["issuer"].rstrip("/") != settings.issuer.rstrip("/"):
        raise SsoFailed(f"{address} does not describe the provider {settings.issuer}")
    described: Mapping[str, Any] = found
    return described


def _client(settings: Sso, redirect_uri: str) -> Any:
    try:
        from authlib.integrations.httpx_client import OAuth2Client
    except ImportError as problem:
        raise ConfigError("web.sso needs the extra sso: pip install 'feedback-monitor[sso]'") from problem
    return OAuth2Client(
        settings.client_id, settings.client_secret, scope=" ".join(settings.scopes), redirect_uri=redirect_uri,
        code_challenge_method="S256", timeout=PATIENCE,
    )  # fmt: skip


def _oauth_error() -> type[Exception]:
    from authlib.common.errors import AuthlibBaseError

    found: type[Exception] = AuthlibBaseError
    return found


def _claims(settings: Sso, token: Any, keys: Any, *, nonce: str, now: datetime) -> Mapping[str, Any]:
    from joserfc import jwk, jwt
    from joserfc.errors import JoseError

    try:
        held = jwt.decode(str(token), jwk.KeySet.import_key_set(keys), algorithms=ALGORITHMS)
        required = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()), leeway=LEEWAY, iss={"essential": True}, sub={"essential": True},
            aud={"essential": True, "value": settings.client_id}, exp={"essential": True},
            nonce={"essential": True, "value": nonce},
        )  # fmt: skip
        required.validate(held.claims)
    except (JoseError, ValueError) as problem:
        raise Forbidden(f"the login provider's answer is not to be trusted: {problem}") from problem
    if held.claims["iss"].rstrip("/") != settings.issuer.rstrip("/"):
        raise Forbidden("the login provider's answer is not to be trusted: another issuer")
    claims: Mapping[str, Any] = held.claims
    return claims


def _free_name(session: Session, claims: Mapping[str, Any]) -> str:
    wanted = str(claims.get("preferred_username") or claims.get("email") or claims["sub"])
    base = re.sub(r"[^\w.@+-]", "-", wanted)[:56] or "user"
    name, number = base, 2
    while accounts.find_user(session, name) is not None:
        name, number = f"{base}-{number}", number + 1
    return name


def _seal(kept: Mapping[str, Any], key: bytes) -> str:
    body = base64.urlsafe_b64encode(json.dumps(kept).encode()).decode()
    return f"{body}.{hmac.new(key, b'sso ' + body.encode(), hashlib.sha256).hexdigest()}"


def _open(cookie: str, key: bytes) -> dict[str, Any] | None:
    body, _, given = cookie.rpartition(".")
    due = hmac.new(key, b"sso " + body.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(given.encode("utf-8", "replace"), due.encode()):
        return None
    opened: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body))
    return opened
