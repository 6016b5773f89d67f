"""The one polite client: every request of every reader goes through it.

In order: address guard, robots.txt, breaker, a turn at the host's limiter, request, redirects (each checked again),
bounded body. Tries again only what another try can help, waits as long as the host says, and names itself with the
operator's contact.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import httpx
import structlog

from scrapers import body as bodies
from scrapers import waits
from scrapers.base import Meta, Page, Request
from scrapers.errors import FetchError, RateLimited, Refused, Unreachable
from scrapers.guard import Guard, GuardedTransport, Resolver, resolve, safe
from scrapers.limits import Breaker, Circuit, HostLimiter, MemoryLimiter
from scrapers.readers import walls
from scrapers.robots import MAX_BYTES as ROBOTS_BYTES
from scrapers.robots import Robots, Rules

log = structlog.get_logger("scrapers.http")

PRODUCT = "FeedbackMonitor"
_SECRET = re.compile(r"^(?:.*(?:token|secret|passw|signature|api_?key|client_id|auth).*|key|sig|k|pwd)$", re.IGNORECASE)
_KEPT_ON_OTHER_HOSTS = frozenset({"accept", "accept-language", "user-agent", "accept-encoding"})
_TRANSIENT = frozenset({408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524})
_BINARY = re.compile(
    r"^(?:image|video|audio|font)/|^application/(?:zip|octet-stream|pdf|x-msdownload)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """How the client behaves; the defaults suit the open internet."""

    contact: str | None = None  # e-mail or page of the operator, sent in every User-Agent
    product: str = PRODUCT
    ports: frozenset[int] = frozenset({80, 443})
    allowed_hosts: tuple[
        str, ...
    ] = ()  # private hosts that may be read: names, addresses, networks, with optional port
    obey_robots: bool = True  # False: the operator answers for it, for every host
    ignore_robots: frozenset[str] = frozenset()  # hosts whose owner allowed it; the operator's explicit word
    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    total_seconds: float = 60.0  # one try, from connecting to the last byte
    caps: bodies.Caps = field(default_factory=bodies.Caps)
    max_redirects: int = 5
    tries: int = 3
    backoff_seconds: float = 1.0
    longest_backoff_seconds: float = 60.0
    longest_wait_seconds: float = 30.0  # a longer Retry-After ends the request with RateLimited
    host_interval_seconds: float = 2.0  # where the scraper does not say
    jitter: float = 0.2
    latency_factor: float = 2.0  # a host that answers in 3 s is asked every 6 s at most, however short its interval
    longest_slowdown_seconds: float = 60.0
    breaker_failures: int = 5
    breaker_seconds: float = 900.0
    http2: bool = False
    verify: Any = True  # as httpx takes it: True or an ssl.SSLContext

    @property
    def user_agent(self) -> str:
        about = f"+{self.contact}" if self.contact else "self-hosted feedback monitor"
        return f"{self.product}/{_version()} ({about})"


@dataclass(slots=True)
class HostMemory:
    """What a process has learned of hosts, handed from client to client: their rules, their speed, their trouble."""

    rules: MutableMapping[str, Rules] = field(default_factory=dict)
    latency: dict[str, float] = field(default_factory=dict)
    circuits: dict[str, Circuit] = field(default_factory=dict)


class Client:
    """Use as `async with Client(settings) as client: page = await client.fetch(request, meta=scraper.meta)`."""

    def __init__(
        self,
        settings: ClientSettings | None = None,
        *,
        limiter: HostLimiter | None = None,
        memory: HostMemory | None = None,
        resolver: Resolver | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.settings = settings or ClientSettings()
        self.n_requests: Counter[str] = Counter()  # sent, by host
        self._guard = Guard(ports=self.settings.ports, allowed=self.settings.allowed_hosts)
        self._resolver = resolver or resolve
        self._transport = transport or GuardedTransport(
            self._guard, self._resolver, http2=self.settings.http2, verify=self.settings.verify
        )
        self._clock, self._sleep, self._rng = clock, sleep, rng or random.Random()  # noqa: S311 (spread of waits)
        self._limiter = limiter or MemoryLimiter(clock)
        memory = memory or HostMemory()
        self._latency = memory.latency
        self._breaker = Breaker(
            clock,
            failures=self.settings.breaker_failures,
            seconds=self.settings.breaker_seconds,
            circuits=memory.circuits,
        )
        self._robots = Robots(self._robots_txt, self.settings.product, clock, known=memory.rules)
        self._turns: dict[str, asyncio.Lock] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.aclose()

    async def fetch(self, request: Request, *, meta: Meta | None = None) -> Page:
        """The page, whatever its status code below 500; 304 comes back with an empty body.

        Raises `RateLimited` when the host asks to wait longer than we may, `Unreachable` when all tries failed,
        `Refused` when the address, robots.txt or the size forbids it.
        """
        started = self._clock()
        for attempt in range(1, self.settings.tries + 1):
            last = attempt == self.settings.tries
            try:
                page = await self._follow(request, meta)
            except Unreachable as problem:
                if last or problem.retry is False:
                    log.info("fetch.failed", url=safe(request.url), attempt=attempt, why=str(problem)[:200])
                    raise
                await self._pause(attempt, None)
                continue
            wait = waits.asked(page, self._clock())
            if wait is not None:
                await self._hold(page, wait)
                if last or wait > self.settings.longest_wait_seconds:
                    raise RateLimited(
                        f"{urlsplit(page.url).hostname} asks to wait {wait:.0f} s", url=safe(page.url), retry_after=wait
                    )
                continue
            if page.status_code in _TRANSIENT:
                wall = walls.recognise(page)
                if wall is not None:
                    return page
                if last:
                    raise Unreachable(_answered(page), url=safe(page.url))
                await self._pause(attempt, walls.retry_after(page.headers.get("retry-after"), page.fetched_at))
                continue
            reset = waits.refilled(page, self._clock())
            if reset is not None:
                await self._hold(page, reset)
            log.debug(
                "fetch.done", url=safe(page.url), code=page.status_code, seconds=round(self._clock() - started, 3)
            )
            return page
        raise Unreachable("no try is allowed by the settings", url=safe(request.url))

    async def reach(self, url: str) -> tuple[str, int]:
        """The checked address and port for a connection that is not HTTP (wss://, ws://).

        Raises `Refused` for what may not be connected to, `Unreachable` for a name without an address.
        """
        parts = self._guard.check_url(re.sub("^ws", "http", url))
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        try:
            async with asyncio.timeout(self.settings.connect_seconds):
                addresses = await self._resolver(host, port)
        except (OSError, TimeoutError) as problem:
            raise Unreachable(f"{host} cannot be resolved: {problem}"[:300], url=safe(url)) from None
        self.n_requests[host] += 1
        return self._guard.choose(host, port, addresses), port

    async def _follow(self, request: Request, meta: Meta | None) -> Page:
        url, method, content = request.url, request.method, True
        headers = {key.lower(): value for key, value in request.headers.items()}
        for _ in range(self.settings.max_redirects + 1):
            parts = self._guard.check_url(url)
            host = (parts.hostname or "").lower()
            delay = None
            if self._minds_robots(host, meta):
                delay = await self._robots.check(url)
            sent = httpx.Request(
                method,
                url,
                headers=self._headers(headers),
                data=dict(request.form) if content and request.form is not None else None,
                json=request.json if content and request.form is None and request.json is not None else None,
            )
            page = await self._turn(sent, host, meta=meta, crawl_delay=delay)
            target = page.headers.get("location")
            if page.status_code not in (301, 302, 303, 307, 308) or not target:
                return page
            following = urljoin(url, target)
            if parts.scheme == "https" and following.lower().startswith("http:"):
                raise Refused("a redirect from https to http is refused", url=safe(following))
            if (urlsplit(following).hostname or "").lower() != host:
                headers = {key: value for key, value in headers.items() if key in _KEPT_ON_OTHER_HOSTS}
            if page.status_code == 303 or (page.status_code in (301, 302) and method == "POST"):
                method, content = "GET", False
            url = following
        raise Refused(f"more than {self.settings.max_redirects} redirects", url=safe(request.url))

    def _minds_robots(self, host: str, meta: Meta | None) -> bool:
        settings = self.settings
        return settings.obey_robots and (meta is None or meta.robots) and host not in settings.ignore_robots

    async def _turn(
        self,
        request: httpx.Request,
        host: str,
        *,
        meta: Meta | None = None,
        crawl_delay: float | None = None,
        caps: bodies.Caps | None = None,
    ) -> Page:
        """One request in the host's turn: one in flight per host, spaced by the limiter."""
        own = meta.host_interval_seconds if meta else self.settings.host_interval_seconds
        slowdown = self._latency.get(host, 0.0) * self.settings.latency_factor
        interval = max(own, crawl_delay or 0.0, min(slowdown, self.settings.longest_slowdown_seconds))
        async with self._turns.setdefault(host, asyncio.Lock()):
            self._breaker.check(host)
            try:
                wait = await self._limiter.reserve(
                    host,
                    interval_seconds=interval * (1 + self._rng.random() * self.settings.jitter),
                    daily_limit=meta.daily_requests if meta else None,
                )
                if wait > max(self.settings.longest_wait_seconds, 4 * interval):
                    raise RateLimited(
                        f"the next turn at {host} is in {wait:.0f} s", url=safe(str(request.url)), retry_after=wait
                    )
                if wait > 0:
                    await self._sleep(wait)
                asked = self._clock()
                page = await self._send(request, caps or self.settings.caps)
            except Unreachable:
                self._breaker.failed(host)
                raise
            except BaseException:
                self._breaker.released(host)
                raise
            self._mind_latency(host, self._clock() - asked, good=page.status_code < 400)
            if page.status_code in _TRANSIENT:
                self._breaker.failed(host)
            else:
                self._breaker.succeeded(host)
            return page

    def _mind_latency(self, host: str, seconds: float, *, good: bool) -> None:
        """A moving average; quick refusals do not make us faster (the rule of Scrapy's AutoThrottle)."""
        before = self._latency.get(host, seconds)
        after = (before + max(0.0, seconds)) / 2
        if good or after > before:
            self._latency[host] = after

    async def _send(self, request: httpx.Request, caps: bodies.Caps) -> Page:
        settings = self.settings
        request.extensions["timeout"] = {
            "connect": settings.connect_seconds,
            "read": settings.read_seconds,
            "write": settings.read_seconds,
            "pool": settings.connect_seconds,
        }
        url = str(request.url)
        self.n_requests[request.url.host] += 1
        try:
            async with asyncio.timeout(settings.total_seconds):
                response = await self._transport.handle_async_request(request)
                try:
                    headers = _plain_headers(response.headers)
                    content = b""
                    if not 300 <= response.status_code < 400:
                        if response.status_code < 300 and _BINARY.match(headers.get("content-type", "")):
                            raise Refused(f"not a text: {headers['content-type'][:60]}", url=safe(url))
                        response.request = request
                        content = await _body(response, headers.get("content-encoding", ""), caps)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise Unreachable(f"no complete answer within {settings.total_seconds:g} s", url=safe(url)) from None
        except Refused as problem:
            raise Refused(str(problem), url=safe(url)) from None
        except (httpx.TransportError, httpx.StreamError, bodies.Damaged) as problem:
            raise Unreachable(f"{type(problem).__name__}: {problem}"[:300], url=safe(url)) from None
        except httpx.InvalidURL as problem:
            raise Refused(f"not an address: {problem}", url=safe(url)) from None
        return Page(
            content, without_secrets(url), datetime.fromtimestamp(self._clock(), UTC), response.status_code, headers
        )

    async def _robots_txt(self, url: str) -> tuple[int, bytes]:
        caps = bodies.Caps(wire_bytes=ROBOTS_BYTES * 2, bytes=ROBOTS_BYTES * 4)
        for _ in range(self.settings.max_redirects + 1):
            host = (self._guard.check_url(url).hostname or "").lower()
            page = await self._turn(httpx.Request("GET", url, headers=self._headers({})), host, caps=caps)
            target = page.headers.get("location")
            if page.status_code not in (301, 302, 303, 307, 308) or not target:
                return page.status_code, page.body
            url = urljoin(url, target)
        return 404, b""  # RFC 9309 2.3.1.2: beyond five hops it may count as unavailable

    def _headers(self, extra: Mapping[str, str]) -> dict[str, str]:
        base = {
            "user-agent": self.settings.user_agent,
            "accept": "*/*",
            "accept-encoding": bodies.ACCEPTED,
        }
        own = {key: value for key, value in extra.items() if key not in ("accept-encoding", "host", "content-length")}
        return base | own

    async def _hold(self, page: Page, seconds: float) -> None:
        host = (urlsplit(page.url).hostname or "").lower()
        log.info("host.held", host=host, seconds=round(seconds), code=page.status_code)
        await self._limiter.hold(host, seconds=seconds)

    async def _pause(self, attempt: int, after: float | None) -> None:
        """Exponential with full jitter."""
        longest = min(self.settings.longest_backoff_seconds, self.settings.backoff_seconds * 2 ** (attempt - 1))
        await self._sleep(after if after is not None else self._rng.uniform(0, longest))


def without_secrets(url: str) -> str:
    """The address with the values of secret-like parameters cut out; for pages and samples."""
    parts = urlsplit(url)
    if not parts.query:
        return url
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    if not any(_SECRET.match(key) for key, _ in pairs):
        return url
    return urlunsplit(
        parts._replace(query=urlencode([(key, "-" if _SECRET.match(key) else value) for key, value in pairs]))
    )


async def _body(response: httpx.Response, encoding: str, caps: bodies.Caps) -> bytes:
    if response.is_stream_consumed:  # a transport of tests that answers at once, decoded already
        if len(response.content) > caps.bytes:
            raise Refused(f"the body is over {caps.bytes} bytes")
        return response.content
    return await bodies.read(response.aiter_raw(), encoding, caps)


def _plain_headers(headers: httpx.Headers) -> dict[str, str]:
    return {key.lower(): value for key, value in headers.items() if key.lower() != "set-cookie"}


def _answered(page: Page) -> str:
    try:
        words = HTTPStatus(page.status_code).phrase
    except ValueError:
        words = "unknown status"
    return f"the server answered {page.status_code} {words}"


def _version() -> str:
    try:
        return version("feedback-monitor")
    except PackageNotFoundError:
        return "0"


__all__ = ["Client", "ClientSettings", "FetchError", "HostLimiter", "HostMemory", "MemoryLimiter", "without_secrets"]
