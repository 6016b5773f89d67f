"""The world around the daemon: a site that grows and fails, a Slack-shaped server, a mail server, and the nursery."""

from __future__ import annotations

import atexit
import contextlib
import email.utils
import functools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.alerts.smtp_server import Inbox, smtp

ROOT = Path(__file__).resolve().parents[2]
CHANNEL = "C0123456789"


class World:
    """What stands outside, counted. Every `every` items a word comes that a rule waits for."""

    def __init__(self, seed: int, *, n_items: int, n_words: int) -> None:
        self.rng = random.Random(seed)
        self.n_items, self.n_words = n_items, n_words
        self.items: list[tuple[str, str, datetime]] = []
        self.words_out: set[int] = set()
        self.growing = True
        self.failing = True
        self.n_requests = self.n_failures = 0
        self.request_times: list[float] = []
        self.slack: list[dict[str, Any]] = []
        self.delay = 0.0  # seconds before the site answers
        self.slack_down = False
        self.slack_delay = 0.0
        self.inbox = Inbox()
        self._lock = threading.Lock()

    def grow(self, most: int = 9) -> None:
        for _ in range(self.rng.randrange(1, most)):
            n = len(self.items)
            if n >= self.n_items:
                return
            words = [f"visit {n}", self.rng.choice(["it was late", "all good", "so so", "rude staff", "great cake"])]
            due = n * self.n_words // self.n_items
            if due not in self.words_out:
                self.words_out.add(due)
                words.append(f"alarmword{due}x")
            self.items.append((f"guid-{n}", ", ".join(words), datetime.now(UTC)))

    def say(self) -> None:
        """One item more, with the next word that a rule waits for."""
        with self._lock:
            n, word = len(self.items), len(self.words_out)
            assert word < self.n_words
            self.words_out.add(word)
            self.items.append((f"guid-{n}", f"visit {n}, alarmword{word}x", datetime.now(UTC)))

    def feed(self) -> bytes:
        entries = "".join(
            f"<item><guid isPermaLink='false'>{guid}</guid><link>http://site.example/{guid}</link><title>{guid}</title>"
            f"<description>{text}</description><pubDate>{email.utils.format_datetime(at)}</pubDate></item>"
            for guid, text, at in reversed(self.items)
        )
        head = "<?xml version='1.0' encoding='utf-8'?><rss version='2.0'><channel><title>Guests</title>"
        return f"{head}<link>http://site.example/</link><description>d</description>{entries}</channel></rss>".encode()

    def get(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/robots.txt":
            return _answer(handler, 404, b"none")
        with self._lock:
            self.n_requests += 1
            self.request_times.append(time.monotonic())
            if self.growing:
                self.grow()
            body = self.feed()
            fails = self.failing and self.rng.random() < 0.1
            kind = self.rng.randrange(4)
            self.n_failures += fails
        time.sleep(self.delay)
        if not fails:
            return _answer(handler, 200, body, "application/rss+xml")
        if kind == 0:
            return _answer(handler, 503, b"busy")
        if kind == 1:
            handler.close_connection = True
            return None  # hangs up without a word
        if kind == 2:  # breaks off in the middle
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.send_header("Content-Type", "application/rss+xml")
            handler.end_headers()
            handler.wfile.write(body[: len(body) // 2])
            handler.close_connection = True
            return None
        time.sleep(0.3)
        return _answer(handler, 200, body, "application/rss+xml")

    def post(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        if self.slack_down:
            return _answer(handler, 503, b"down")
        if handler.path.endswith("chat.postMessage"):
            with self._lock:
                ts = f"{1_700_000_000 + len(self.slack)}.000100"
                self.slack.append(json.loads(body) | {"ts": ts})
            time.sleep(self.slack_delay)
            return _json(handler, {"ok": True, "channel": CHANNEL, "ts": ts})
        if "conversations." in handler.path:
            form = dict(urllib.parse.parse_qsl(body.decode()))
            found = [
                m for m in self.slack if form.get("ts") in {m.get("thread_ts"), m["ts"] if form.get("ts") else None}
            ]
            start = int(form.get("cursor", 0))
            more = str(start + 200) if start + 200 < len(found) else ""
            return _json(handler, {"ok": True, "messages": found[start : start + 200],
                                   "response_metadata": {"next_cursor": more}})  # fmt: skip
        return _json(handler, {"ok": False, "error": "missing_scope"})

    def slack_keys(self) -> Counter[str]:
        return Counter(m["metadata"]["event_payload"]["dedup_key"] for m in list(self.slack) if "metadata" in m)

    def mail_ids(self) -> Counter[str]:
        return Counter(str(mail["Message-ID"]) for mail in list(self.inbox.mails))


@contextlib.contextmanager
def world(folder: Path, *, seed: int, n_items: int, n_words: int) -> Iterator[tuple[World, int]]:
    """The world and the port of its web server; the mail server's port stands on the inbox."""
    made = World(seed, n_items=n_items, n_words=n_words)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            made.get(self)

        def do_POST(self) -> None:
            made.post(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            del request, client_address  # killed clients break their connections

    server = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        with smtp("plain", folder) as inbox:
            made.inbox = inbox
            yield made, server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def write_config(
    folder: Path,
    made: World,
    port: int,
    *,
    database: str = "",
    mail_port: int = 0,
    slack_port: int = 0,
    timeout: float = 5,
) -> Path:
    """A configuration with steps that follow each other closely, one rule for each word, mail and Slack.

    Channels are reached directly unless other ports are given.
    """
    rules = "".join(
        f'[rules.word{n}]\nkind = "keywords"\nwords = ["alarmword{n}x"]\nwindow = "7d"\n' for n in range(made.n_words)
    )
    path = folder / "monitor.toml"
    path.write_text(
        f"""
data_dir = "{folder / "data"}"
{f'database_url = "{database}"' if database else ""}
[brands.cafe]
name = "Cafe"
[sources.guests]
scraper = "rss"
brand = "cafe"
interval = "1s"
[sources.guests.params]
url = "http://127.0.0.1:{port}/feed.xml"
[http]
allow_private = ["127.0.0.1:{port}"]
timeout = "5s"
[channels.mail]
kind = "email"
max_per_hour = 10000
[channels.mail.settings]
host = "127.0.0.1"
port = {mail_port or made.inbox.port}
security = "plain"
sender = "monitor@luna.example"
recipients = ["anna@luna.example"]
timeout = {timeout}
[channels.slack]
kind = "slack"
max_per_hour = 10000
[channels.slack.settings]
token = "xoxb-1-test"
channel = "{CHANNEL}"
base_url = "http://127.0.0.1:{slack_port or port}/api/"
upload_chart = false
timeout = {timeout}
[schedule]
collect = "0.2s"
score = "0.2s"
detect = "0.5s"
notify = "0.2s"
janitor = "5s"
[report]
enabled = false
{rules}
""",
        encoding="utf-8",
    )
    return path


@functools.cache
def _forker() -> subprocess.Popen[str]:
    """The process that has everything imported; one for all tests, since its start is half of a short test."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.process"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        cwd=ROOT, env=os.environ | {"MONITOR_LOG": "warning"}, text=True,
    )  # fmt: skip

    def close() -> None:
        assert process.stdin and process.stdout
        process.stdin.close()
        process.wait(timeout=120)
        process.stdout.close()

    atexit.register(close)
    return process


class Nursery:
    """Starts and ends lives quickly: the process that forks them has imported everything."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.log = folder / "lives.log"
        self.log.touch()
        self._settings = "".join(f" {key}={value}" for key, value in settings.items())
        self._process = _forker()

    def _ask(self, command: str) -> int:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, self.log.read_text()[-3000:]
        return int(answer)

    def start(self, role: str, config: Path) -> int:
        return self._ask(f"start {role} {config} {self.log}{self._settings}")

    def end(self, pid: int, how: signal.Signals) -> int:
        """Send a signal and wait; the exit code, or minus the signal. SIGTERM waits until the life can hear it."""
        if how is signal.SIGTERM:
            deadline = time.monotonic() + 60
            while not _hears(pid, how) and time.monotonic() < deadline:
                time.sleep(0.02)
        os.kill(pid, how)
        return self._ask(f"wait {pid}")


def _hears(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal, or will never get one: it is frozen, dead, or /proc is not there.

    What was to be done may have been done by the life before: then a test comes here before this one listens.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return True
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return status["State"][0] in "TZX" or bool(int(status["SigCgt"], 16) >> (number - 1) & 1)


@contextlib.contextmanager
def nursery(folder: Path, **settings: str) -> Iterator[Nursery]:
    """Lives that write their log into `folder`; `settings`: their environment (`process.compress_time`)."""
    made = Nursery(folder, **settings)
    lives: set[int] = set()
    start, end = made.start, made.end

    def tracked_start(role: str, config: Path) -> int:
        pid = start(role, config)
        lives.add(pid)
        return pid

    def tracked_end(pid: int, how: signal.Signals) -> int:
        lives.discard(pid)
        return end(pid, how)

    made.start, made.end = tracked_start, tracked_end  # type: ignore[method-assign]
    try:
        yield made
    finally:
        for pid in list(lives):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
                made.end(pid, signal.SIGKILL)


def _answer(handler: BaseHTTPRequestHandler, status: int, body: bytes, kind: str = "text/plain") -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _json(handler: BaseHTTPRequestHandler, value: Any) -> None:
    _answer(handler, 200, json.dumps(value).encode(), "application/json")
