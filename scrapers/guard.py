"""Which addresses may be connected to: public ones only, checked at the moment of connecting.

The check sits in the network backend, below redirects and below the connection pool: a name is resolved once, every
address it has is checked, and the connection goes to that very address, so a name that answers differently a second
later (DNS rebinding) gains nothing. TLS still verifies the name.
"""

from __future__ import annotations

import asyncio
import fnmatch
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpcore
import httpx

from scrapers.errors import Refused

Resolver = Callable[[str, int], Awaitable[list[str]]]

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_REFUSED = tuple(
    ipaddress.ip_network(one)
    for one in (
        "100.64.0.0/10",
        "192.0.0.0/24",
        "198.18.0.0/15",
        "64:ff9b:1::/48",
        "2001::/23",
        "fec0::/10",
        "168.63.129.16/32",
    )
)


async def resolve(host: str, port: int) -> list[str]:
    """Addresses of a name by the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def is_public(address: str) -> bool:
    """True for an address of the open internet; v4 addresses inside v6 ones are judged by the v4 part."""
    try:
        ip = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    if any(ip.version == net.version and ip in net for net in _REFUSED):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


class Guard:
    """The policy: schemes, ports, addresses, and the operator's list of allowed private hosts.

    `allowed` entries: a name ("intranet.example", "*.corp.example"), an address or a network ("10.1.0.0/16"), each with
    an optional port ("127.0.0.1:8080"). They are exempt from the checks of address and port.
    """

    def __init__(self, *, ports: Iterable[int] = (80, 443), allowed: Iterable[str] = ()) -> None:
        self.ports = frozenset(ports)
        self.allowed = tuple(_entry(one) for one in allowed)

    def check_url(self, url: str) -> SplitResult:
        """The parts of an address that may be fetched; raises `Refused` with the reason otherwise."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as problem:
            raise Refused(f"not an address: {problem}", url=safe(url)) from None
        if parts.scheme not in ("http", "https"):
            raise Refused(f"scheme {parts.scheme or '(none)'!r} is not allowed, only http and https", url=safe(url))
        if not host or len(url) > 8000 or any(one.isspace() for one in url):
            raise Refused("not an address that can be fetched", url=safe(url))
        if parts.username or parts.password:
            raise Refused(
                "addresses with a user name or password are refused; use the source's credentials", url=safe(url)
            )
        port = port or (443 if parts.scheme == "https" else 80)
        if port not in self.ports and not self.is_allowed(host, port):
            raise Refused(f"port {port} is not allowed, only {', '.join(map(str, sorted(self.ports)))}", url=safe(url))
        return parts

    def is_allowed(self, host: str, port: int, address: str | None = None) -> bool:
        """True for the operator's private hosts, by name or by address."""
        for pattern, network, only_port in self.allowed:
            if only_port is not None and only_port != port:
                continue
            if pattern is not None and fnmatch.fnmatchcase(host.lower().rstrip("."), pattern):
                return True
            if network is not None:
                for one in (host, address):
                    try:
                        if one is not None and ipaddress.ip_address(one.strip("[]")) in network:
                            return True
                    except ValueError:
                        continue
        return False

    def choose(self, host: str, port: int, addresses: list[str]) -> str:
        """The address to connect to. One forbidden address spoils the name: no guessing which of them answers."""
        if not addresses:
            raise Refused(f"{host} has no address")
        for address in addresses:
            if not is_public(address) and not self.is_allowed(host, port, address):
                raise Refused(
                    f"{host} is not on the public internet ({address}); "
                    "list it among the allowed private hosts if it is yours"
                )
        return addresses[0]


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    def __init__(self, guard: Guard, resolver: Resolver) -> None:
        self._guard, self._resolver = guard, resolver
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the signature is httpcore's)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._resolver(host, port)
        except TimeoutError as problem:
            raise httpcore.ConnectTimeout(f"{host} was not resolved in time") from problem
        except OSError as problem:
            raise httpcore.ConnectError(f"{host} cannot be resolved: {problem.strerror or problem}") from problem
        address = self._guard.choose(host, port, addresses)
        return await self._inner.connect_tcp(
            address, port, timeout=timeout, local_address=local_address, socket_options=socket_options
        )

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise Refused("local sockets are refused")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's transport whose connections pass the guard."""

    def __init__(self, guard: Guard, resolver: Resolver = resolve, *, http2: bool = False, verify: Any = True) -> None:
        context = httpx.create_ssl_context(verify=verify, trust_env=False)
        super().__init__(verify=context, trust_env=False, http2=http2)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=50,
            max_keepalive_connections=10,
            keepalive_expiry=15.0,
            http1=True,
            http2=http2,
            network_backend=_GuardedBackend(guard, resolver),
        )


def safe(url: str) -> str:
    """The address for messages and logs: no user, no query, no fragment."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "(broken address)"
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}"[:300]


def _entry(raw: str) -> tuple[str | None, ipaddress.IPv4Network | ipaddress.IPv6Network | None, int | None]:
    raw, port = raw.strip().lower(), None
    if raw.count(":") == 1 or raw.startswith("["):
        head, _, tail = raw.rpartition(":")
        if tail.isdigit():
            raw, port = head, int(tail)
    raw = raw.strip("[]")
    try:
        return None, ipaddress.ip_network(raw, strict=False), port
    except ValueError:
        return raw.rstrip("."), None, port
