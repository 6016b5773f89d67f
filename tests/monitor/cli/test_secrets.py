"""Everything that is configured with a secret fails, at the most talkative level: no secret is shown anywhere."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pytest_httpserver import HTTPServer
from starlette.testclient import TestClient
from werkzeug import Request, Response

from monitor.config import load
from monitor.pipeline.context import Context
from monitor.store.engine import writing
from monitor.web import accounts
from monitor.web.app import ROUTERS, create_app
from tests.monitor.cli.conftest import Told
from tests.monitor.support import NOW, WordScorer

PASSWORD = "a long pass phrase"
SECRETS = {
    name: f"hush-{name}-4f9c2a71d8"
    for name in (
        "mail", "slackhook", "slackbot", "signing", "bot", "page", "hook", "whsec", "header", "apprise", "feed", "imap",
        "pulse", "sso", "database",
    )
}  # fmt: skip
SECRETS["push"] = base64.b64encode(b"hush, this is what the pusher signs with").decode()
HIDDEN = SECRETS | {  # as they travel
    "login": base64.b64encode(f"\0anna\0{SECRETS['mail']}".encode()).decode(),
    "second line of the login": base64.b64encode(SECRETS["mail"].encode()).decode(),
    "basic": base64.b64encode(f"anna:{SECRETS['apprise']}".encode()).decode(),
}
CONFIG = """
language = "en"
data_dir = "data"
[brands.cafe]
name = "Cafe Luna"
[sources.feed]
brand = "cafe"
scraper = "rss"
params = {{ url = "{site}/feed.xml?access_token={feed}" }}
interval = "1s"
[sources.box]
brand = "cafe"
scraper = "imap"
params = {{ host = "127.0.0.1", port = {box}, tls = false, user = "anna", password = "{imap}" }}
[sources.pushed]
brand = "cafe"
scraper = "webhook"
params = {{ secrets = ["{push}"] }}
[channels.mail]
kind = "email"
[channels.mail.settings]
host = "127.0.0.1"
port = {mailer}
security = "plain"
username = "anna"
password = "{mail}"
sender = "monitor@luna.example"
recipients = ["team@luna.example"]
[channels.hooked]
kind = "slack"
settings = {{ webhook_url = "{site}/{slackhook}" }}
[channels.bot]
kind = "slack"
settings = {{ token = "{slackbot}", channel = "C0123456789", signing_secret = "{signing}", base_url = "{site}/" }}
[channels.chat]
kind = "telegram"
settings = {{ token = "1:{bot}", chat_id = "5", base_url = "{site}" }}
[channels.pager]
kind = "pagerduty"
settings = {{ routing_key = "{page}", url = "{site}/enqueue" }}
[channels.out]
kind = "webhook"
settings = {{ url = "{site}/{hook}", secret = "{whsec}", headers = {{ Authorization = "Bearer {header}" }} }}
[channels.other]
kind = "apprise"
settings = {{ urls = ["json://anna:{apprise}@{host}/"] }}
[heartbeat]
url = "{site}/{pulse}"
[web]
base_url = "http://127.0.0.1"
[web.sso]
issuer = "{site}/issuer"
client_id = "monitor"
client_secret = "{sso}"
[http]
allow_private = ["{host}", "127.0.0.1:{box}"]
"""


class Rude(socketserver.StreamRequestHandler):
    """A server of mail, and of mailboxes, that lets nobody in and repeats what he said."""

    def handle(self) -> None:
        mailbox = self.server.server_address[1] == Rude.mailbox
        self.wfile.write(b"* OK ready\r\n" if mailbox else b"220 mail.example ESMTP\r\n")
        for line in self.rfile:
            said = line.strip()
            word, _, rest = said.partition(b" ")
            if mailbox and rest.upper().startswith((b"CAPABILITY", b"LOGOUT")):
                self.wfile.write(b"* CAPABILITY IMAP4rev1\r\n" + word + b" OK done\r\n")
            elif mailbox:
                self.wfile.write(word + b" NO not with " + rest + b"\r\n")
            elif word.upper() in {b"EHLO", b"HELO"}:
                self.wfile.write(b"250-mail.example\r\n250 AUTH LOGIN PLAIN\r\n")
            else:
                self.wfile.write(b"535 not with " + said + b"\r\n")

    mailbox = 0


@pytest.fixture
def rude() -> Iterator[tuple[int, int]]:
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Rude)) for _ in range(2)]
        for server in servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
        mail, Rude.mailbox = (int(server.server_address[1]) for server in servers)
        yield mail, Rude.mailbox
        for server in servers:
            server.shutdown()


def echo(request: Request) -> Response:
    """A receiver that refuses and repeats all that it was told."""
    told = f"no: {request.url} {dict(request.headers)} {request.get_data(as_text=True)}"
    return Response(told, status=401 if request.method == "GET" else 403)


@pytest.mark.filterwarnings("ignore:.imghdr.:DeprecationWarning")  # the library of Apprise imports it
def test_no_secret_is_shown_wherever_something_fails(
    run: Callable[..., Told], tmp_path: Path, httpserver: HTTPServer, rude: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    httpserver.expect_request("/robots.txt").respond_with_data("", status=404)
    httpserver.expect_request(re.compile(".*")).respond_with_handler(echo)
    site = httpserver.url_for("").rstrip("/")
    words: dict[str, Any] = {
        **SECRETS,
        "site": site,
        "host": site.removeprefix("http://"),
        "mailer": rude[0],
        "box": rude[1],
    }
    file = tmp_path / "monitor.toml"
    file.write_text(CONFIG.format(**words), encoding="utf-8")
    monkeypatch.setenv("MONITOR_LOG", "debug")
    caplog.set_level(logging.INFO)
    shown: dict[str, str] = {}

    def keep(told: Told, *, of: str) -> Told:
        shown[of] = told.out + told.err
        return told

    assert keep(run("config", "show"), of="config show").code == 0
    assert keep(run("once"), of="once").code == 3
    for channel in ("mail", "hooked", "bot", "chat", "pager", "out", "other"):
        assert keep(run("notify", "test", channel), of=f"notify test {channel}").code == 1, channel
    for source in ("feed", "box"):
        assert keep(run("source", "test", source), of=f"source test {source}").code != 0
    keep(run("source", "list"), of="source list")
    lines = json.loads(keep(run("doctor", "--json"), of="doctor").out)
    assert any(line["status"] == "fail" for line in lines)
    file.write_text(
        f'database_url = "postgresql://anna:{SECRETS["database"]}@127.0.0.1:1/monitor"\n' + CONFIG.format(**words),
        encoding="utf-8",
    )
    for command in (("once",), ("doctor", "--json"), ("config", "show"), ("db", "check"), ("worker",)):
        assert (keep(run(*command), of=f"{command} without a database").code == 0) is (command[0] == "config")
    file.write_text(CONFIG.format(**words), encoding="utf-8")
    shown |= pages(file)
    shown["log of libraries"] = "\n".join(one.getMessage() for one in caplog.records if one.name != "werkzeug")
    assert len(shown["once"]) > 100 and "feed" in shown["source list"] and len(shown) > 70
    found = {(name, place) for name, value in HIDDEN.items() for place, text in shown.items() if value in text}
    assert found == set()


def pages(file: Path) -> dict[str, str]:
    """Every page and answer that an administrator can get without naming something, `/metrics` among them."""
    context = Context(load(file), clock=lambda: NOW, scorer=WordScorer())
    with writing(context.engine) as session:
        accounts.add_user(session, "anna", "admin", PASSWORD, now=NOW)
    client = TestClient(
        create_app(context), base_url="http://127.0.0.1", client=("127.0.0.1", 1), follow_redirects=False
    )
    assert client.post("/login", data={"name": "anna", "password": PASSWORD}).status_code == 303
    told = {}
    for prefix, router in ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute) and "GET" in route.methods and "{" not in route.path:
                answer = client.get(prefix + route.path)
                told[prefix + route.path] = f"{answer.headers} {answer.text}"
    for name in ("/metrics", "/settings", "/operations", "/sources"):
        assert name not in told or len(told[name]) > 500
    context.engine.dispose()
    return told
