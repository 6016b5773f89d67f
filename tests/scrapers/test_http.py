# ruff: noqa: E501, SIM117
"""The client against a real server on this machine: politeness, bounds, and what must never be connected to."""

from __future__ import annotations

import asyncio
import gzip
import random
import socket
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import structlog.testing
import trustme

from scrapers.base import Meta, Page, Request
from scrapers.body import Caps
from scrapers.errors import RateLimited, Refused, Unreachable
from scrapers.guard import Guard, is_public
from scrapers.http import Client, ClientSettings, without_secrets
from scrapers.limits import MemoryLimiter

Handler = Callable[[str, dict[str, str]], "bytes | Awaitable[bytes] | AsyncIterator[bytes]"]


def answer(code: int = 200, body: bytes = b"hello", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {code} X"] + [f"{key.replace('_', '-')}: {value}" for key, value in headers.items()]
    if "content_length" not in headers and "transfer_encoding" not in headers:
        lines.append(f"content-length: {len(body)}")
    return ("\r\n".join(lines) + "\r\nconnection: close\r\n\r\n").encode() + body


class Server:
    """One real TCP server; `routes` are path -> bytes of the whole answer, or a function of (path, headers)."""

    def __init__(self) -> None:
        self.routes: dict[str, bytes | Handler] = {"/robots.txt": answer(404, b"")}
        self.asked: list[tuple[float, str, dict[str, str]]] = []
        self.port = 0

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.asked if path != "/robots.txt"]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            path = head[0].split(" ")[1]
            headers = {key.lower(): value.strip() for key, _, value in (one.partition(":") for one in head[1:] if one)}
            self.asked.append((time.monotonic(), path, headers))
            found = self.routes.get(path.partition("?")[0], answer(404, b"no"))
            if callable(found):
                found = found(path, headers)
                if asyncio.iscoroutine(found):
                    found = await found
            if isinstance(found, bytes):
                writer.write(found)
                await writer.drain()
            else:
                async for piece in found:  # type: ignore[union-attr]
                    writer.write(piece)
                    await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(context: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await listener.wait_closed()


class Time:
    """A clock that only the client's own waits move."""

    def __init__(self) -> None:
        self.now = 1_760_000_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def client(clock: Time | None = None, **options: object) -> Client:
    clock = clock or Time()
    settings = {"allowed_hosts": ("127.0.0.1",), "contact": "ops@example.org", **options}
    resolver = settings.pop("resolver", None)
    limiter = settings.pop("limiter", None)
    return Client(
        ClientSettings(**settings),  # type: ignore[arg-type]
        resolver=resolver,  # type: ignore[arg-type]
        limiter=limiter,  # type: ignore[arg-type]
        clock=clock,
        sleep=clock.sleep,
        rng=random.Random(1),
    )


def test(function: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Runs a coroutine as a test."""

    def run(self: object) -> None:
        asyncio.run(asyncio.wait_for(function(self), 30))  # type: ignore[call-arg]

    run.__name__, run.__doc__ = function.__name__, function.__doc__
    return run


test.__test__ = False  # type: ignore[attr-defined]


class TestManners:
    @test
    async def test_it_names_itself_with_the_contact_and_keeps_no_cookies(self) -> None:
        async with serving() as server, client() as one:
            server.routes["/a"] = answer(set_cookie="id=1")
            page = await one.fetch(Request(f"{server.base}/a", headers={"accept-language": "ru"}))
            await one.fetch(Request(f"{server.base}/a"))
            headers = server.asked[-1][2]
            assert page.body == b"hello"
            assert page.fetched_at is not None and page.fetched_at.tzinfo is UTC
            assert headers["user-agent"].startswith("FeedbackMonitor/")
            assert "(+ops@example.org)" in headers["user-agent"]
            assert "cookie" not in headers
            assert "set-cookie" not in page.headers
            assert server.asked[1][2]["accept-language"] == "ru"

    @test
    async def test_turns_at_a_host_are_spaced(self) -> None:
        clock = Time()
        async with serving() as server, client(clock, host_interval_seconds=5.0) as one:
            server.routes["/a"] = answer()
            await asyncio.gather(*(one.fetch(Request(f"{server.base}/a")) for _ in range(4)))
            assert len(server.asked) == 5, "robots.txt once, and four pages"
            assert len(clock.slept) == 4, "robots.txt takes a turn too"
            assert all(5.0 <= wait <= 6.0 for wait in clock.slept)

    @test
    async def test_robots_rules_are_obeyed_and_read_once_a_day(self) -> None:
        clock = Time()
        async with serving() as server, client(clock) as one:
            server.routes["/robots.txt"] = answer(
                body=b"User-agent: FeedbackMonitor\nDisallow: /private\nCrawl-delay: 7\n\nUser-agent: *\nDisallow: /\n"
            )
            server.routes["/a"] = server.routes["/private/x"] = answer()
            await one.fetch(Request(f"{server.base}/a"))
            with pytest.raises(Refused, match=r"robots\.txt of 127\.0\.0\.1 forbids"):
                await one.fetch(Request(f"{server.base}/private/x"))
            await one.fetch(Request(f"{server.base}/a"))
            assert server.paths() == ["/a", "/a"]
            assert max(clock.slept) >= 7.0
            assert [path for _, path, _ in server.asked].count("/robots.txt") == 1
            for hours, n in ((25, 2), (-100, 3), (1, 3)):  # a day later; the clock set back: who knows how old they are
                clock.now += hours * 3600
                await one.fetch(Request(f"{server.base}/a"))
                assert [path for _, path, _ in server.asked].count("/robots.txt") == n

    @test
    async def test_no_robots_file_means_no_rules_and_a_broken_server_means_stay_away(self) -> None:
        clock = Time()
        async with serving() as server, client(clock) as one:
            server.routes["/a"] = answer()
            server.routes["/robots.txt"] = answer(500, b"")
            with pytest.raises(Unreachable, match="answers 500: nothing is fetched"):
                await one.fetch(Request(f"{server.base}/a"))
            assert server.paths() == []
            server.routes["/robots.txt"] = answer(404, b"gone")
            await one.fetch(Request(f"{server.base}/a"))
            # A server that breaks later: the last copy holds.
            clock.now += 25 * 3600
            server.routes["/robots.txt"] = answer(503, b"")
            await one.fetch(Request(f"{server.base}/a"))
            assert server.paths() == ["/a", "/a"]

    @test
    async def test_robots_behind_a_redirect_and_exempt_documented_apis(self) -> None:
        async with serving() as server, client() as one:
            server.routes["/a"] = answer()
            server.routes["/robots.txt"] = answer(301, location="/r2")
            server.routes["/r2"] = answer(body=b"User-agent: *\nDisallow: /")
            with pytest.raises(Refused):
                await one.fetch(Request(f"{server.base}/a"))
            api = Meta(name="x", title="x", access="A", terms="documented", robots=False, host_interval_seconds=0.1)
            page = await one.fetch(Request(f"{server.base}/a"), meta=api)
            assert page.status_code == 200

    @test
    async def test_conditional_requests_come_back_as_304(self) -> None:
        async with serving() as server, client() as one:
            server.routes["/a"] = lambda _, headers: (
                answer(304, b"") if headers.get("if-none-match") == '"v1"' else answer(etag='"v1"')
            )
            first = await one.fetch(Request(f"{server.base}/a"))
            again = await one.fetch(Request(f"{server.base}/a", headers={"If-None-Match": first.headers["etag"]}))
            assert (again.status_code, again.body) == (304, b"")

    @test
    async def test_forms_and_json_are_posted(self) -> None:
        async with serving() as server, client() as one:
            server.routes["/a"] = answer()
            await one.fetch(Request(f"{server.base}/a", method="POST", form={"q": "кофе"}))
            await one.fetch(Request(f"{server.base}/a", method="POST", json={"q": 1}))
            kinds = [headers["content-type"] for _, path, headers in server.asked if path == "/a"]
            assert kinds == ["application/x-www-form-urlencoded", "application/json"]


class TestSlowHosts:
    @test
    async def test_a_host_that_answers_slowly_is_asked_less_often(self) -> None:
        clock = Time()

        def slowly(*_: object) -> bytes:
            clock.now += 10.0
            return answer()

        def refuse(*_: object) -> bytes:
            return answer(404)

        async with serving() as server, client(clock, host_interval_seconds=1.0, jitter=0.0) as one:
            server.routes["/slow"], server.routes["/gone"] = slowly, refuse
            await one.fetch(Request(f"{server.base}/slow"))
            await one.fetch(Request(f"{server.base}/slow"))
            assert clock.slept == [1.0], "after robots.txt"
            clock.slept.clear()
            await one.fetch(Request(f"{server.base}/gone"))
            assert clock.slept == [pytest.approx(10.0)], "twenty seconds after the last, of which ten it took to answer"
            await one.fetch(Request(f"{server.base}/gone"))
            assert clock.slept[1:] == [pytest.approx(20.0)], "a quick refusal does not make us faster"


class TestWaiting:
    @test
    async def test_retry_after_in_seconds_is_waited(self) -> None:
        clock = Time()
        async with serving() as server, client(clock) as one:
            answers = [answer(429, retry_after="12"), answer()]
            server.routes["/a"] = lambda *_: answers.pop(0)
            page = await one.fetch(Request(f"{server.base}/a"))
            assert page.status_code == 200
            assert sum(clock.slept) >= 12

    @test
    async def test_retry_after_as_a_date_is_waited(self) -> None:
        clock = Time()
        async with serving() as server, client(clock) as one:
            at = datetime.fromtimestamp(clock.now, UTC) + timedelta(seconds=20)
            answers = [answer(503, retry_after=format_datetime(at, usegmt=True)), answer()]
            server.routes["/a"] = lambda *_: answers.pop(0)
            await one.fetch(Request(f"{server.base}/a"))
            assert clock.now >= at.timestamp() - 0.001

    @test
    async def test_a_long_wait_ends_the_request_and_holds_the_host_for_everybody(self) -> None:
        clock = Time()
        limiter = MemoryLimiter(clock)
        async with serving() as server, client(clock, limiter=limiter) as one:
            server.routes["/a"] = answer(429, retry_after="3600")
            with pytest.raises(RateLimited) as caught:
                await one.fetch(Request(f"{server.base}/a"))
            assert caught.value.retry_after == 3600
            server.routes["/a"] = answer()
            with pytest.raises(RateLimited) as again:
                await one.fetch(Request(f"{server.base}/a"))
            assert again.value.retry_after == pytest.approx(3600, abs=10)
            assert server.paths() == ["/a"], "nobody asks before the time is over"
            clock.now += 3601
            assert (await one.fetch(Request(f"{server.base}/a"))).status_code == 200

    @pytest.mark.parametrize(
        ("name", "value", "least"),
        [("x_ratelimit_reset", "{epoch}", 85), ("x_ratelimit_reset", "{iso}", 85), ("x_rate_limit_reset", "90", 85)],
    )
    def test_a_quota_that_is_used_up_is_minded(self, name: str, value: str, least: float) -> None:
        async def run() -> None:
            clock = Time()
            limiter = MemoryLimiter(clock)
            async with serving() as server, client(clock, limiter=limiter) as one:
                reset = datetime.fromtimestamp(clock.now + 90, UTC)
                told = value.format(epoch=int(reset.timestamp()), iso=reset.isoformat())
                server.routes["/a"] = answer(**{name: told, name.replace("reset", "remaining"): "0"})
                assert (await one.fetch(Request(f"{server.base}/a"))).status_code == 200
                assert await limiter.reserve("127.0.0.1", interval_seconds=1) >= least

        asyncio.run(run())

    @test
    async def test_errors_of_the_server_are_tried_three_times_with_growing_pauses(self) -> None:
        clock = Time()
        async with serving() as server, client(clock, host_interval_seconds=0.001) as one:
            server.routes["/a"] = answer(502)
            with pytest.raises(Unreachable, match="502 Bad Gateway"):
                await one.fetch(Request(f"{server.base}/a"))
            assert server.paths() == ["/a"] * 3

    @test
    async def test_refusals_are_not_tried_again(self) -> None:
        async with serving() as server, client() as one:
            for code in (401, 403, 404, 410):
                server.routes["/a"] = answer(code)
                assert (await one.fetch(Request(f"{server.base}/a"))).status_code == code
            assert len(server.paths()) == 4

    @test
    async def test_a_host_in_trouble_rests_and_is_probed(self) -> None:
        clock = Time()
        async with serving() as server, client(clock, host_interval_seconds=0.001, tries=1) as one:
            server.routes["/a"] = answer(500)
            for _ in range(5):
                with pytest.raises(Unreachable):
                    await one.fetch(Request(f"{server.base}/a"))
            with pytest.raises(Unreachable, match="failed 5 times in a row and rests"):
                await one.fetch(Request(f"{server.base}/a"))
            clock.now -= 3 * 86_400  # the clock is set back: the rest is as long as it was, but from now
            with pytest.raises(Unreachable, match="rests for 900 s"):
                await one.fetch(Request(f"{server.base}/a"))
            assert len(server.paths()) == 5
            clock.now += 901
            server.routes["/a"] = answer()
            assert (await one.fetch(Request(f"{server.base}/a"))).status_code == 200
            assert (await one.fetch(Request(f"{server.base}/a"))).status_code == 200

    @test
    async def test_the_budget_of_a_day(self) -> None:
        clock = Time()
        paid = Meta(
            name="x",
            title="x",
            access="B",
            terms="paid by request",
            robots=False,
            daily_requests=2,
            host_interval_seconds=0.1,
        )
        async with serving() as server, client(clock) as one:
            server.routes["/a"] = answer()
            for _ in range(2):
                await one.fetch(Request(f"{server.base}/a"), meta=paid)
            with pytest.raises(RateLimited, match="daily budget of 2") as caught:
                await one.fetch(Request(f"{server.base}/a"), meta=paid)
            assert 0 < (caught.value.retry_after or 0) <= 86400
            clock.now += caught.value.retry_after or 0
            await one.fetch(Request(f"{server.base}/a"), meta=paid)
            assert len(server.paths()) == 3


class TestBounds:
    @test
    async def test_a_body_over_the_cap_is_refused(self) -> None:
        async with serving() as server, client(caps=Caps(wire_bytes=10_000, bytes=10_000)) as one:
            server.routes["/a"] = answer(body=b"x" * 20_000)
            with pytest.raises(Refused, match="over 10000 bytes"):
                await one.fetch(Request(f"{server.base}/a"))
            server.routes["/a"] = answer(body=gzip.compress(b"words and " * 2_000), content_encoding="gzip")
            with pytest.raises(Refused, match="over 10000 bytes after decompression"):
                await one.fetch(Request(f"{server.base}/a"))

    @test
    async def test_an_endless_body_is_cut(self) -> None:
        async def endless() -> AsyncIterator[bytes]:
            yield b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
            while True:
                yield b"10000\r\n" + b"x" * 0x10000 + b"\r\n"

        async with serving() as server, client(caps=Caps(wire_bytes=1_000_000)) as one:
            server.routes["/a"] = lambda *_: endless()
            with pytest.raises(Refused, match="over 1000000 bytes"):
                await one.fetch(Request(f"{server.base}/a"))

    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw"])
    def test_a_bomb_is_refused_before_it_unfolds(self, encoding: str) -> None:
        zeros = b"\0" * 200_000_000
        if encoding == "gzip":
            packed = gzip.compress(zeros, 9)
        else:
            engine = zlib.compressobj(9, wbits=15 if encoding == "deflate" else -15)
            packed = engine.compress(zeros) + engine.flush()

        async def run() -> None:
            async with serving() as server, client() as one:
                server.routes["/a"] = answer(body=packed, content_encoding="deflate" if encoding == "raw" else encoding)
                with pytest.raises(Refused, match="grows more than 100 times"):
                    await one.fetch(Request(f"{server.base}/a"))

        asyncio.run(run())

    @test
    async def test_compressed_pages_of_all_kinds_are_read(self) -> None:
        body = b"<p>words</p>" * 5_000
        engine = zlib.compressobj(wbits=-15)
        raw = engine.compress(body) + engine.flush()
        async with serving() as server, client() as one:
            for packed, name in (
                (gzip.compress(body), "gzip"),
                (gzip.compress(body[:500]) + gzip.compress(body[500:]), "x-gzip"),
                (zlib.compress(body), "deflate"),
                (raw, "deflate"),
            ):
                server.routes["/a"] = answer(body=packed, content_encoding=name)
                assert (await one.fetch(Request(f"{server.base}/a"))).body == body

    @test
    async def test_encodings_that_were_not_asked_for_are_refused(self) -> None:
        async with serving() as server, client() as one:
            for name in ("br", "zstd", "gzip, gzip"):
                server.routes["/a"] = answer(body=b"x", content_encoding=name)
                with pytest.raises(Refused, match="not asked for"):
                    await one.fetch(Request(f"{server.base}/a"))
            assert server.asked[-1][2]["accept-encoding"] == "gzip, deflate"

    @test
    async def test_a_slow_drip_ends_with_the_total_time(self) -> None:
        async def drip() -> AsyncIterator[bytes]:
            yield b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"
            while True:
                yield b"x"
                await asyncio.sleep(0.05)

        async with serving() as server, client(total_seconds=0.4, tries=1) as one:
            server.routes["/a"] = lambda *_: drip()
            with pytest.raises(Unreachable, match="no complete answer within"):
                await one.fetch(Request(f"{server.base}/a"))

    @test
    async def test_a_reset_in_the_middle_of_the_body_is_tried_again(self) -> None:
        whole = answer(body=b"complete")
        parts = [whole[:-4], gzip_cut(), whole]
        async with serving() as server, client() as one:
            server.routes["/a"] = lambda *_: parts.pop(0)
            assert (await one.fetch(Request(f"{server.base}/a"))).body == b"complete"
            assert len(server.paths()) == 3

    @test
    async def test_what_is_no_text_is_refused(self) -> None:
        async with serving() as server, client() as one:
            server.routes["/a"] = answer(body=b"GIF89a", content_type="image/gif")
            with pytest.raises(Refused, match="not a text: image/gif"):
                await one.fetch(Request(f"{server.base}/a"))

    @test
    async def test_a_server_that_speaks_something_else(self) -> None:
        async with serving() as server, client(tries=1) as one:
            server.routes["/a"] = b"SSH-2.0-OpenSSH_9.6\r\n"
            with pytest.raises(Unreachable, match="RemoteProtocolError"):
                await one.fetch(Request(f"{server.base}/a"))


def gzip_cut() -> bytes:
    packed = gzip.compress(random.Random(5).randbytes(5_000))
    return answer(body=packed[:-100], content_encoding="gzip")


class TestGuard:
    @pytest.mark.parametrize(
        "address",
        ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.1",
         "192.0.0.1", "168.63.129.16", "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
         "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::", "2001:db8::1", "fec0::1", "nonsense"],
    )  # fmt: skip
    def test_addresses_that_are_not_public(self, address: str) -> None:
        assert not is_public(address)

    @pytest.mark.parametrize(
        "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"]
    )
    def test_addresses_that_are(self, address: str) -> None:
        assert is_public(address)

    @test
    async def test_private_addresses_are_never_connected_to(self) -> None:
        async with serving() as server, client(allowed_hosts=(), ports=frozenset({80, 443, server.port})) as one:
            server.routes["/a"] = answer()
            for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "127.1"):
                with pytest.raises((Refused, Unreachable)) as caught:
                    await one.fetch(Request(f"http://{host}:{server.port}/a"))
                assert isinstance(caught.value, Refused) or "resolved" in str(caught.value), host
            assert server.asked == []

    @test
    async def test_schemes_ports_and_passwords(self) -> None:
        async with client() as one:
            for url, words in (
                ("file:///etc/passwd", "scheme 'file'"),
                ("gopher://example.org/", "scheme 'gopher'"),
                ("http://example.org:22/", "port 22"),
                ("http://user:pass@example.org/", "user name or password"),
                ("http://", "not an address"),
                ("http://exa mple.org/", "not an address"),
                ("http://[::1/", "not an address"),
                ("http://example.org/" + "a" * 9000, "not an address"),
            ):
                with pytest.raises(Refused, match=words):
                    await one.fetch(Request(url))

    @test
    async def test_a_chain_of_redirects_into_the_private_net_is_refused(self) -> None:
        async def resolver(host: str, port: int) -> list[str]:
            return {"public.example": ["127.0.0.1"], "inner.example": ["10.0.0.5"]}.get(host, [host])

        async with serving() as server:
            async with client(allowed_hosts=("public.example", "127.0.0.1"), resolver=resolver) as one:
                base = f"http://public.example:{server.port}"
                server.routes["/1"] = answer(301, location="/2")
                server.routes["/2"] = answer(302, location=f"{base}/3")
                server.routes["/3"] = answer(307, location="http://inner.example/admin")
                with pytest.raises(Refused, match=r"inner\.example is not on the public internet \(10\.0\.0\.5\)"):
                    await one.fetch(Request(f"{base}/1"))
                server.routes["/3"] = answer(301, location="http://169.254.169.254/latest/meta-data/")
                with pytest.raises(Refused, match=r"169\.254\.169\.254"):
                    await one.fetch(Request(f"{base}/1"))
                server.routes["/3"] = answer(301, location="file:///etc/passwd")
                with pytest.raises(Refused, match="scheme"):
                    await one.fetch(Request(f"{base}/1"))
                server.routes["/3"] = answer(301, location="/1")
                with pytest.raises(Refused, match="more than 5 redirects"):
                    await one.fetch(Request(f"{base}/1"))

    @test
    async def test_a_name_that_changes_its_address_between_check_and_connection_gains_nothing(self) -> None:
        asked: list[str] = []

        async def rebinding(host: str, port: int) -> list[str]:
            asked.append(host)
            return ["93.184.216.34"] if len(asked) % 2 else ["127.0.0.1"]

        async with serving() as server:
            ports = frozenset({80, 443, server.port})
            async with client(
                allowed_hosts=(), ports=ports, resolver=rebinding, connect_seconds=0.3, tries=2, total_seconds=2.0
            ) as one:
                for _ in range(4):
                    with pytest.raises((Refused, Unreachable)):
                        await one.fetch(
                            Request(f"http://evil.example:{server.port}/a"),
                            meta=Meta(name="x", title="x", access="A", terms="x", robots=False),
                        )
            assert asked
            assert server.asked == [], "a connection goes only to the address that was checked"

    @test
    async def test_one_private_address_among_public_ones_spoils_the_name(self) -> None:
        guard = Guard()
        with pytest.raises(Refused):
            guard.choose("x.example", 80, ["93.184.216.34", "10.0.0.1"])
        with pytest.raises(Refused, match="has no address"):
            guard.choose("x.example", 80, [])
        assert guard.choose("x.example", 80, ["93.184.216.34"]) == "93.184.216.34"

    def test_the_list_of_allowed_hosts(self) -> None:
        guard = Guard(allowed=("intranet.example", "*.corp.example", "10.1.0.0/16", "192.168.0.7:8080", "[fd00::1]:81"))
        assert guard.choose("intranet.example", 80, ["10.9.9.9"]) == "10.9.9.9"
        assert guard.choose("a.corp.example", 8080, ["10.9.9.9"]) == "10.9.9.9"
        assert guard.choose("anything.example", 443, ["10.1.2.3"]) == "10.1.2.3"
        assert guard.is_allowed("192.168.0.7", 8080)
        assert not guard.is_allowed("192.168.0.7", 80)
        assert guard.is_allowed("fd00::1", 81)
        for host in ("corp.example", "xintranet.example", "10.2.0.1"):
            assert not guard.is_allowed(host, 80)

    @test
    async def test_secrets_do_not_travel_to_another_host_nor_into_messages(self) -> None:
        async def resolver(host: str, port: int) -> list[str]:
            return ["127.0.0.1"]

        async with serving() as server, client(allowed_hosts=("*.example",), resolver=resolver, tries=1) as one:
            server.routes["/a"] = answer(302, location=f"http://two.example:{server.port}/b")
            server.routes["/b"] = answer()
            secret = {"Authorization": "Bearer s3cret", "x-api-key": "s3cret", "accept-language": "ru"}
            with structlog.testing.capture_logs() as logs:
                page = await one.fetch(
                    Request(f"http://one.example:{server.port}/a?access_token=s3cret&page=2", headers=secret)
                )
                asked = await one.fetch(Request(f"http://one.example:{server.port}/b?key=s3cret"))
                server.routes["/a"] = answer(500)
                with pytest.raises(Unreachable) as caught:
                    await one.fetch(Request(f"http://one.example:{server.port}/a?key=s3cret", headers=secret))
            last = next(headers for _, path, headers in server.asked if path == "/b")
            assert "authorization" not in last and "x-api-key" not in last
            assert last["accept-language"] == "ru"
            assert page.url == f"http://two.example:{server.port}/b"
            assert "s3cret" not in str(logs) + str(caught.value) + caught.value.url + asked.url  # kept with a sample
            assert logs

    def test_secret_parameters_are_cut_out_of_addresses(self) -> None:
        assert (
            without_secrets("https://x.example/a?key=1&page=2&Access_Token=3&q=k")
            == "https://x.example/a?key=-&page=2&Access_Token=-&q=k"
        )
        assert without_secrets("https://x.example/a?b=%D1%8F") == "https://x.example/a?b=%D1%8F"


class TestTls:
    @test
    async def test_the_name_is_verified_although_the_address_is_pinned(self) -> None:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("good.example").configure_cert(context)
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)

        async def resolver(host: str, port: int) -> list[str]:
            return ["127.0.0.1"]

        async with serving(context) as server:
            server.routes["/a"] = answer()
            server.routes["/down"] = answer(301, location="http://good.example/")
            async with client(allowed_hosts=("*.example",), resolver=resolver, verify=trusting, tries=1) as one:
                page = await one.fetch(Request(f"https://good.example:{server.port}/a"))
                assert page.status_code == 200
                with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
                    await one.fetch(Request(f"https://other.example:{server.port}/a"))
                with pytest.raises(Refused, match="from https to http"):
                    await one.fetch(Request(f"https://good.example:{server.port}/down"))


class TestNobodyThere:
    @test
    async def test_a_closed_port_and_an_unknown_name(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]

            async def resolver(host: str, port: int) -> list[str]:
                if host == "127.0.0.1":
                    return [host]
                raise socket.gaierror(-2, "Name or service not known")

            async with client(tries=1, resolver=resolver) as one:
                with pytest.raises(Unreachable):
                    await one.fetch(Request(f"http://127.0.0.1:{port}/"))
                with pytest.raises(Unreachable, match=r"nowhere\.example cannot be resolved"):
                    await one.fetch(Request("http://nowhere.example/"))

    def test_a_page_keeps_what_came(self) -> None:
        assert Page(b"x").status_code == 200


class TestRobotsOfStrangers:
    @test
    async def test_a_pattern_with_dozens_of_stars_ends(self) -> None:
        async with serving() as server, client() as one:
            stars = "/" + "*a" * 60 + "*b$"
            server.routes["/robots.txt"] = answer(
                body=f"User-agent: *\nDisallow: {stars}\nAllow: {stars}\nDisallow: /z***/y\n".encode()
            )
            server.routes["/" + "a" * 200] = answer()
            with pytest.raises(Refused):
                await one.fetch(Request(f"{server.base}/{'a' * 200}"))
            with pytest.raises(Refused):
                await one.fetch(Request(f"{server.base}/zxx/y"))
            server.routes["/ok"] = answer()
            assert (await one.fetch(Request(f"{server.base}/ok"))).status_code == 200
