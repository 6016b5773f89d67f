"""Messages of a WebSocket, within the same bounds as pages: checked address, size, silence, time.

`messages(client, url, ...)` ends when the server has been silent for a while, when the time is over, or when the caller
stops. Needs the extra `stream` (the library websockets).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scrapers.errors import BadParams, RateLimited, Unreachable
from scrapers.guard import safe
from scrapers.readers import walls

if TYPE_CHECKING:
    from scrapers.http import Client

LARGEST_MESSAGE = 1024 * 1024
OPEN_SECONDS = 15.0


async def messages(client: Client, url: str, *, seconds: float, silence_seconds: float) -> AsyncIterator[str]:
    """Text messages as they come.

    Raises `Refused` for an address that may not be reached, `RateLimited` or `Unreachable` for a server that does not
    let us in or breaks off.
    """
    try:
        from websockets.asyncio.client import connect
        from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidStatus, WebSocketException
    except ImportError:
        raise BadParams("a stream needs the extra `stream`: pip install 'feedback-monitor[stream]'") from None
    host, port = await client.reach(url)
    secure = urlsplit(url).scheme == "wss"
    verify = client.settings.verify
    context = (verify if isinstance(verify, ssl.SSLContext) else ssl.create_default_context()) if secure else None
    server = urlsplit(url).hostname
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            socket = await connect(
                url, host=host, port=port, ssl=context, server_hostname=server if secure else None, proxy=None,
                user_agent_header=client.settings.user_agent, max_size=LARGEST_MESSAGE, open_timeout=None,
            )  # fmt: skip
    except InvalidStatus as problem:
        code = problem.response.status_code
        if code in (429, 503):
            wait = walls.retry_after(problem.response.headers.get("Retry-After"), None)
            raise RateLimited(f"{server} answers {code}", url=safe(url), retry_after=wait) from None
        raise Unreachable(f"{server} answers {code} instead of opening the stream", url=safe(url)) from None
    except (OSError, TimeoutError, WebSocketException, ValueError) as problem:
        raise Unreachable(f"{server}: {type(problem).__name__}: {problem}"[:300], url=safe(url)) from None
    try:
        end = asyncio.get_running_loop().time() + seconds
        while (rest := end - asyncio.get_running_loop().time()) > 0:
            try:
                async with asyncio.timeout(min(rest, silence_seconds)):
                    message = await socket.recv()
            except (TimeoutError, ConnectionClosedOK):
                return
            except ConnectionClosed as problem:
                raise Unreachable(f"{server} broke off: {problem}"[:300], url=safe(url)) from None
            if isinstance(message, str):
                yield message
    finally:
        with contextlib.suppress(WebSocketException, OSError):
            await socket.close()
