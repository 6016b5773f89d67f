"""What every answer carries against strangers, and which requests that change something are believed."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, MutableMapping
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request

from monitor.web.errors import Forbidden, TooLarge, TooMany

SAFE = {"GET", "HEAD", "OPTIONS"}
CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; frame-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
# a report is a page of its own with its styles inside: no script, no network, and only our own page may frame it
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox"
MAX_BODY = 4 * 1024 * 1024
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class SecurityHeaders:
    """ASGI: the strict policy on every answer that does not bring its own, no caching of pages, a limit on bodies."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        static = scope["path"].startswith("/static/")
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > MAX_BODY:
            await send({"type": "http.response.start", "status": 413, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"the request is too large"})
            return
        n_received = 0

        async def counted() -> MutableMapping[str, Any]:
            nonlocal n_received
            message: MutableMapping[str, Any] = await receive()
            n_received += len(message.get("body", b""))
            if n_received > MAX_BODY:  # sent in chunks, its length was not said before
                raise TooLarge("the request is too large")
            return message

        async def guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("content-security-policy", POLICY)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "public, max-age=86400" if static else "no-store")
            await send(message)

        await self.app(scope, counted, guarded)


def require_same_site(request: Request) -> None:
    """Refuse a form that another site sent (login and set-up, where there is no session to tie a token to yet).

    Browsers say where a request comes from: Sec-Fetch-Site, or Origin. Raises Forbidden.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in {"same-origin", "none"}:
        raise Forbidden("this form must be sent from our own page")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host", ""):
        raise Forbidden("this form must be sent from our own page")


async def require_csrf(request: Request, expected: str) -> None:
    """A change asked for with a cookie must carry the session's token, in a header or in the form. Raises Forbidden."""
    given = request.headers.get(CSRF_HEADER, "")
    kind = request.headers.get("content-type", "")
    if not given and kind.startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        value = (await request.form()).get(CSRF_FIELD, "")
        given = value if isinstance(value, str) else ""
    if not given or not secrets.compare_digest(given.encode("utf-8", "replace"), expected.encode()):
        raise Forbidden("the form is out of date or did not come from our own page; reload the page and try again")


class Throttle:
    """At most `limit` wrong tries of one address in `window` seconds. In memory: a restart forgives."""

    def __init__(self, *, limit: int = 20, window: float = 600.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._window, self._clock = limit, window, clock
        self._tries: dict[str, deque[float]] = {}
        self._lock = Lock()

    def check(self, address: str) -> None:
        """Raises TooMany while an address has used up its tries."""
        with self._lock:
            tries = self._recent(address)
            if len(tries) >= self._limit:
                raise TooMany("too many tries", after=max(1, int(tries[0] + self._window - self._clock())))

    def failed(self, address: str) -> None:
        with self._lock:
            self._recent(address).append(self._clock())
            if len(self._tries) > 10_000:
                self._tries = {name: tries for name, tries in self._tries.items() if tries and self._fresh(tries[-1])}

    def _recent(self, address: str) -> deque[float]:
        tries = self._tries.setdefault(address, deque())
        while tries and not self._fresh(tries[0]):
            tries.popleft()
        return tries

    def _fresh(self, at: float) -> bool:
        return self._clock() - at < self._window
