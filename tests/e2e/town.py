"""A small town for end-to-end tests: a site that is read, a mail server, a Slack-shaped server, the real program."""

from __future__ import annotations

import csv
import html
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Post:
    """One review on the site."""

    number: int
    text: str
    at: datetime
    author: str


@dataclass
class Town:
    """The servers of one test and what they received."""

    folder: Path
    posts: list[Post] = field(default_factory=list)
    pages: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    mails: list[EmailMessage] = field(default_factory=list)
    slack: list[dict[str, Any]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    mail_port: int = 0
    http_port: int = 0
    on_mail: Callable[[], None] | None = None
    on_feed: Callable[[], None] | None = None
    mail_reply: str = "250 OK"

    @property
    def site(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def feed(self) -> bytes:
        """The site's posts as RSS, newest first."""
        items = "".join(
            f"<item><guid>post-{post.number}</guid><title></title><link>{self.site}/{post.number}</link>"
            f"<author>{post.author}</author><description>{html.escape(post.text)}</description>"
            f"<pubDate>{post.at:%a, %d %b %Y %H:%M:%S} +0000</pubDate></item>"
            for post in sorted(self.posts, key=lambda post: post.at, reverse=True)
        )
        return (
            f'<?xml version="1.0"?><rss version="2.0"><channel><title>Cafe</title><link>{self.site}</link>'
            f"<description>reviews</description>{items}</channel></rss>"
        ).encode()

    def configure(self, **extra: str) -> Path:
        """A configuration that reads the site and writes to both channels."""
        text = f"""
language = "en"
data_dir = "data"
[brands.cafe]
name = "Cafe Luna"
[sources.feed]
brand = "cafe"
scraper = "rss"
params = {{ url = "{self.site}/feed.xml" }}
interval = "1s"
[channels.mail]
kind = "email"
[channels.mail.settings]
host = "127.0.0.1"
port = {self.mail_port}
security = "plain"
sender = "monitor@luna.example"
recipients = ["team@luna.example"]
[channels.slack]
kind = "slack"
settings = {{ webhook_url = "{self.site}/slack" }}
[report]
enabled = false
[http]
allow_private = ["127.0.0.1:{self.http_port}"]
{extra.get("more", "")}
"""
        path = self.folder / "monitor.toml"
        path.write_text(text, encoding="utf-8")
        return path

    def history(self, days: int = 60) -> Path:
        """A file of calm weeks: three mentions a day, a complaint now and then."""
        path = self.folder / "history.csv"
        now = datetime.now(UTC)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "date", "text", "author", "source"])
            for day in range(days, 0, -1):
                for n in range(3):
                    at = now - timedelta(days=day, hours=n)
                    calm = ["Wonderful coffee, we love this place", "Great cakes and friendly people", "Lovely terrace"]
                    text = "Terrible, the soup was cold" if (day % 9 == 0 and n == 0) else calm[n]
                    writer.writerow([f"h{day}-{n}", at.isoformat(), f"{text} ({day})", f"guest {day}-{n}", "feed"])
        return path

    def complain(self, n: int = 14) -> None:
        """Today many guests complain of the same thing."""
        now = datetime.now(UTC)
        for number in range(n):
            text = f"Terrible service, we waited {30 + number} minutes and the staff was rude to us. Never again!"
            self.posts.append(Post(1000 + number, text, now - timedelta(minutes=5 * number), f"angry {number}"))


@contextmanager
def town(folder: Path) -> Iterator[Town]:
    """Servers on free ports of the loopback address, closed at the end."""
    made = Town(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.requests.append(self.path)
            if self.path == "/robots.txt":
                self._answer(404, b"", "text/plain")
            elif self.path == "/feed.xml":
                if made.on_feed:
                    made.on_feed()
                self._answer(200, made.feed(), "application/rss+xml")
            elif self.path in made.pages:
                kind, body = made.pages[self.path]
                self._answer(200, body, kind)
            else:
                self._answer(404, b"not here", "text/plain")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            made.slack.append(json.loads(body))
            self._answer(200, b"ok", "text/plain")

        def _answer(self, code: int, body: bytes, kind: str) -> None:
            try:
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the program was killed while it read

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Inbox:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            made.mails.append(message_from_bytes(envelope.content, policy=default))  # type: ignore[arg-type]
            if made.on_mail:
                made.on_mail()
            return made.mail_reply

    site = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.http_port = site.server_address[1]
    thread = threading.Thread(target=site.serve_forever, daemon=True)
    thread.start()
    made.mail_port = free_port()
    mail = Controller(Inbox(), hostname="127.0.0.1", port=made.mail_port, ready_timeout=20)
    mail.start()
    try:
        yield made
    finally:
        mail.stop()
        site.shutdown()
        site.server_close()
        thread.join(timeout=5)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def monitor(*arguments: str | Path, check: int | None = 0, cwd: Path | None = None,
            stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """The real program, as a user starts it."""
    done = subprocess.run(
        command(*arguments),
        cwd=cwd or ROOT,
        input=stdin,
        capture_output=True,
        timeout=280,
        env=environment(),
        check=False,
    )
    result = subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    )
    if check is not None:
        assert result.returncode == check, f"exit {result.returncode}\n{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.stderr, result.stderr
    return result


def start(*arguments: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(*arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )


def command(*arguments: str | Path) -> Sequence[str]:
    return [sys.executable, "-m", "monitor", *map(str, arguments)]


def environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MONITOR_")}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=20)
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()


def wait_for(what: Callable[[], bool], *, seconds: float = 120) -> None:
    """Until it is so; a test that waits in vain fails by its assertion afterwards."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not what():
        time.sleep(0.01)
