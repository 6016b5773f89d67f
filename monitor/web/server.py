"""Serving: uvicorn in the calling thread, until the stop event is set."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn

from monitor.errors import MonitorError
from monitor.pipeline.context import Context
from monitor.web.app import create_app
from monitor.web.warm import beside

log = structlog.get_logger()


class _Server(uvicorn.Server):
    """Signals belong to the daemon: this server ends by the event alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(context: Context, stop: threading.Event) -> None:
    """Serve the dashboard on settings.web until `stop` is set. Raises MonitorError when the port cannot be had."""
    web = context.settings.web
    with _listening(web.host, web.port) as sock:
        log.info("web.listening", host=web.host, port=sock.getsockname()[1])
        config = configured(context)
        warming = beside(context, config.app.state.memo, stop)  # type: ignore[union-attr]  # the application made just now
        asyncio.run(_serve(_Server(config), sock, stop))
        warming.join()  # a second or two at most: the engine is disposed of next


def configured(context: Context) -> uvicorn.Config:
    """How the server runs: who a request comes from, only the proxies of `web.trusted_proxies` may say."""
    trusted = context.settings.web.trusted_proxies
    return uvicorn.Config(
        create_app(context), log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=5,
        proxy_headers=bool(trusted), forwarded_allow_ips=list(trusted), lifespan="off",
    )  # fmt: skip


async def _serve(server: _Server, sock: socket.socket, stop: threading.Event) -> None:
    async def watch() -> None:
        while not stop.is_set():  # noqa: ASYNC110  (the event belongs to threads: asyncio has no way to wait for it)
            await asyncio.sleep(0.2)
        server.should_exit = True

    watcher = asyncio.create_task(watch())
    try:
        await server.serve(sockets=[sock])
    finally:
        watcher.cancel()


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        reason = error.strerror or str(error)
        raise MonitorError(f"web.host {host}, web.port {port}: the dashboard cannot listen there: {reason}") from error
