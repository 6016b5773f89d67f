"""One test over all channels: what each declares is true, and every answer of a service leads to the same next step."""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from alerts import channels, render
from alerts.channels.base import LONGEST_WAIT
from alerts.errors import AlertError, BadRule, Rejected, Retryable, UnknownChannel
from alerts.message import Attachment, Envelope, loads
from tests.alerts import sample_messages as samples

NOW = samples.NOW
HTTP = [name for name in channels.names() if channels.get(name).declaration.address]
# what any of the services says when it is content
CONTENT = {"ok": True, "channel": "C0123456789", "ts": "1.1", "result": {"message_id": 7}, "dedup_key": "k"}
REPORT = Envelope(
    dedup_key="report:2026-W46",
    subject="Luna: week 46",
    text="The week in short.",
    html="<p>The week in short.</p>",
    attachments=(Attachment("report.pdf", "application/pdf", b"%PDF"),),
)


@pytest.fixture
def arrived(httpserver: HTTPServer) -> list[Request]:
    """A service that takes everything; what it was sent."""
    found: list[Request] = []

    def take(request: Request) -> Response:
        request.get_data()
        found.append(request)
        return Response(json.dumps(CONTENT), content_type="application/json")

    httpserver.expect_request("/", method="POST").respond_with_handler(take)
    for path in ("/chat.postMessage", "/bot123456:ABC-def/sendMessage", "/bot123456:ABC-def/sendPhoto"):
        httpserver.expect_request(path).respond_with_handler(take)
    return found


def opened(kind: str, httpserver: HTTPServer | None = None, **values: Any) -> channels.Channel[Any]:
    """The channel with the settings of its own example, its address turned to the local server."""
    declaration = channels.get(kind).declaration
    settings = dict(declaration.example) | values
    if httpserver is not None and declaration.address:
        settings[declaration.address] = httpserver.url_for("/")
    return channels.open_channel(kind, settings)


def test_the_channels_there_are() -> None:
    assert {"email", "slack", "file", "webhook", "telegram", "apprise", "pagerduty"} <= set(channels.names())


def test_an_unknown_channel_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownChannel, match=r"'emial' \(did you mean 'email'\?\); allowed is apprise, email"):
        channels.get("emial")


@pytest.mark.parametrize("kind", channels.names())
def test_a_declaration_is_complete_and_its_example_works(kind: str) -> None:
    found = channels.get(kind)
    declaration = found.declaration
    assert declaration.kind == kind and declaration.title and declaration.docs.startswith("https://")
    assert found.__doc__ and found.settings_type.__doc__
    assert opened(kind).settings.model_config["extra"] == "forbid"
    assert declaration.address is None or declaration.address in found.settings_type.model_fields
    overrides = found.lookup is not channels.Channel.lookup
    assert declaration.can_be_asked == overrides


@pytest.mark.parametrize("kind", channels.names())
def test_unknown_keys_and_secrets_in_errors(kind: str) -> None:
    with pytest.raises(BadRule, match="colour"):
        opened(kind, colour="red")
    settings = opened(kind).settings
    secrets = [value for _, value in settings if isinstance(value, SecretStr)]
    for secret in secrets:
        assert secret.get_secret_value() not in repr(settings)


@pytest.mark.parametrize("kind", HTTP)
def test_every_message_is_taken(kind: str, httpserver: HTTPServer, arrived: list[Request]) -> None:
    channel = opened(kind, httpserver)
    for language in ("en", "ru"):
        for message in samples.all_of(language):
            n_before = len(arrived)
            try:
                receipt = channel.deliver(message, now=NOW)
            except Rejected:
                assert kind == "pagerduty" and message.kind == "report"
                continue
            assert receipt.id and len(arrived) == n_before + 1
    channel.close()


@pytest.mark.parametrize("kind", HTTP)
def test_a_report_is_taken_or_refused_in_words(kind: str, httpserver: HTTPServer, arrived: list[Request]) -> None:
    channel = opened(kind, httpserver)
    if kind == "pagerduty":
        with pytest.raises(Rejected, match="not reports"):
            channel.deliver(REPORT, now=NOW)
    else:
        channel.deliver(REPORT, now=NOW)
        assert "week" in arrived[0].get_data(as_text=True)
    channel.close()


STATUS: list[tuple[int, dict[str, str], type[AlertError], float | None]] = [
    (301, {"Location": "/elsewhere"}, Rejected, None),
    (302, {"Location": "/elsewhere"}, Rejected, None),
    (307, {"Location": "/elsewhere"}, Rejected, None),
    (400, {}, Rejected, None),
    (401, {}, Rejected, None),
    (403, {}, Rejected, None),
    (404, {}, Rejected, None),
    (405, {}, Rejected, None),
    (408, {}, Retryable, None),
    (410, {}, Rejected, None),
    (413, {}, Rejected, None),
    (422, {}, Rejected, None),
    (425, {}, Retryable, None),
    (429, {}, Retryable, None),
    (429, {"Retry-After": "30"}, Retryable, 30.0),
    (429, {"Retry-After": "Mon, 16 Nov 2026 09:31:30 GMT"}, Retryable, 90.0),
    (429, {"Retry-After": "Mon, 16 Nov 2026 09:00:00 GMT"}, Retryable, 0.0),
    (429, {"Retry-After": "-5"}, Retryable, 0.0),
    (429, {"Retry-After": "9999999"}, Retryable, LONGEST_WAIT),
    (429, {"Retry-After": "nan"}, Retryable, None),
    (429, {"Retry-After": "soon"}, Retryable, None),
    (500, {}, Retryable, None),
    (502, {}, Retryable, None),
    (503, {"Retry-After": "120"}, Retryable, 120.0),
    (504, {}, Retryable, None),
]


@pytest.mark.parametrize(("status", "headers", "error", "after"), STATUS)
@pytest.mark.parametrize("kind", HTTP)
def test_status_codes(
    kind: str,
    httpserver: HTTPServer,
    status: int,
    headers: dict[str, str],
    error: type[AlertError],
    after: float | None,
) -> None:
    asked: list[str] = []

    def refuse(request: Request) -> Response:
        asked.append(request.path)
        return Response("no\x00 <b>thanks</b>", status=status, headers=headers)

    httpserver.expect_request(re.compile(".*")).respond_with_handler(refuse)
    channel = opened(kind, httpserver)
    with pytest.raises(error, match=str(status)) as caught:
        channel.deliver(samples.test(), now=NOW)
    assert len(asked) == 1  # neither followed nor tried again: that is the sender's business
    if isinstance(caught.value, Retryable):
        assert caught.value.after == after
    channel.close()


class Broken(httpx.BaseTransport):
    """A network that fails in a chosen way."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raise self.error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ConnectError("refused by https://example.org/SECRET"), Retryable),
        (httpx.ConnectTimeout("slow"), Retryable),
        (httpx.ReadTimeout("slow"), Retryable),
        (httpx.RemoteProtocolError("garbage"), Retryable),
        (httpx.UnsupportedProtocol("gopher"), Rejected),
    ],
)
@pytest.mark.parametrize("kind", HTTP)
def test_networks_that_fail(kind: str, error: Exception, expected: type[AlertError]) -> None:
    found = channels.get(kind)
    settings = found.settings_type.model_validate(dict(found.declaration.example))
    channel = found(settings, client=httpx.Client(transport=Broken(error)))
    with pytest.raises(expected) as caught:
        channel.deliver(samples.test(), now=NOW)
    told = str(caught.value)
    assert "SECRET" not in told
    for _, value in settings:
        if isinstance(value, SecretStr):
            assert value.get_secret_value() not in told
    channel.close()


@pytest.mark.parametrize("kind", HTTP)
def test_no_secret_in_the_log(
    kind: str, httpserver: HTTPServer, arrived: list[Request], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    channel = opened(kind, httpserver)
    channel.deliver(samples.test(), now=NOW)
    channel.close()
    told = [record.getMessage() for record in caplog.records if record.name != "werkzeug"]  # the local server's own
    for _, value in channel.settings:
        if isinstance(value, SecretStr):
            assert not any(value.get_secret_value() in line for line in told)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[channels.Channel[Any]]:
    yield channels.open_channel("file", {"directory": tmp_path / "outbox"})


def test_a_folder_takes_everything_once(folder: channels.Channel[Any], tmp_path: Path) -> None:
    assert folder.lookup(REPORT.dedup_key) is False
    for item in (*samples.all_of("ru"), samples.opened("en", chart=True), REPORT):
        folder.deliver(item, now=NOW)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "outbox").iterdir()}
    for item in (*samples.all_of("ru"), REPORT):
        assert "were there already" in folder.deliver(item, now=NOW + dt.timedelta(hours=1)).detail
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "outbox").iterdir()} == before
    n_messages = len(samples.all_of("ru")) + 1
    assert len(before) == 4 * n_messages + 3  # mail, page, Slack's form and the message; the report has no Slack form
    assert folder.lookup(REPORT.dedup_key) is True
    assert not [name for name in before if name.startswith(".")]


def test_a_folder_holds_the_same_mail_as_would_be_sent(folder: channels.Channel[Any], tmp_path: Path) -> None:
    message = samples.opened("ru", chart=True)
    name = folder.deliver(message, now=NOW).id
    raw = (tmp_path / "outbox" / f"{name}.eml").read_bytes()
    assert b"Message-ID: <" in raw and b"multipart/related" in raw
    page = (tmp_path / "outbox" / f"{name}.html").read_text()
    assert "data:image/png;base64," in page and "cid:" not in page
    assert loads((tmp_path / "outbox" / f"{name}.json").read_bytes()) == render.envelope(message)


@pytest.mark.parametrize("key", ["../../etc/passwd", "a/b\\c:d", "ключ", "x" * 500, "", ".hidden", "a\x00b"])
def test_a_key_never_leads_out_of_the_folder(folder: channels.Channel[Any], tmp_path: Path, key: str) -> None:
    folder.deliver(Envelope(dedup_key=key, subject="s", text="t"), now=NOW)
    assert folder.lookup(key) is True
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {tmp_path / "outbox"}


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("in the way")
    channel = channels.open_channel("file", {"directory": tmp_path / "outbox"})
    with pytest.raises(Retryable, match="outbox"):
        channel.deliver(samples.test(), now=NOW)
    with pytest.raises(Rejected, match="cannot be made"):
        channel.check()
