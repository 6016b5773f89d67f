"""Slack against a real HTTP server of its shape: what is sent, what each answer leads to, what it can be asked."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import urllib.parse
from dataclasses import replace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from alerts import blocks, channels
from alerts.channels.slack import RETRY, Interaction, Slack, read_interaction, verify
from alerts.errors import BadRule, Rejected, Retryable
from alerts.message import Envelope, Kind
from tests.alerts import sample_messages as samples
from tests.alerts.block_kit import validate

NOW = samples.NOW
TOKEN = "xoxb-1-secret"


class Workspace:
    """Answers like Slack: keeps what was posted, with metadata, channel by channel and thread by thread."""

    def __init__(self, server: HTTPServer) -> None:
        self.posted: list[dict[str, Any]] = []
        self.uploaded: list[bytes] = []
        self.completed: list[dict[str, Any]] = []
        self.answers: list[Response] = []
        self.page_size = 2
        server.expect_request("/api/chat.postMessage", method="POST").respond_with_handler(self.post)
        server.expect_request("/api/conversations.history", method="POST").respond_with_handler(self.history)
        server.expect_request("/api/conversations.replies", method="POST").respond_with_handler(self.history)
        server.expect_request("/api/auth.test").respond_with_json({"ok": True, "team": "Luna", "user": "monitor"})
        server.expect_request("/api/files.getUploadURLExternal").respond_with_json(
            {"ok": True, "upload_url": server.url_for("/upload/1"), "file_id": "F1"}
        )
        server.expect_request("/upload/1").respond_with_handler(self.upload)
        server.expect_request("/api/files.completeUploadExternal").respond_with_handler(self.complete)
        server.expect_request("/hook/T1/B1/secret").respond_with_handler(self.hook)
        self.server = server

    def post(self, request: Request) -> Response:
        if self.answers:
            return self.answers.pop(0)
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        body = request.get_json()
        self.posted.append(body | {"ts": f"{1_700_000_000 + len(self.posted)}.000100"})
        return answer({"ok": True, "channel": "C0123456789", "ts": self.posted[-1]["ts"]})

    def hook(self, request: Request) -> Response:
        if self.answers:
            return self.answers.pop(0)
        self.posted.append(request.get_json())
        return Response("ok")

    def history(self, request: Request) -> Response:
        if self.answers:
            return self.answers.pop(0)
        thread = request.form.get("ts")
        found = [m for m in self.posted if m.get("thread_ts") == thread and m["channel"] == request.form["channel"]]
        start = int(request.form.get("cursor", 0))
        end = start + self.page_size
        more = {"next_cursor": str(end)} if end < len(found) else {"next_cursor": ""}
        return answer({"ok": True, "messages": found[start:end], "response_metadata": more})

    def upload(self, request: Request) -> Response:
        self.uploaded.append(request.get_data())
        return Response("OK")

    def complete(self, request: Request) -> Response:
        self.completed.append(request.get_json())
        return answer({"ok": True})


def answer(values: Any, status: int = 200, **headers: str) -> Response:
    return Response(json.dumps(values), status=status, content_type="application/json", headers=headers)


@pytest.fixture
def workspace(httpserver: HTTPServer) -> Workspace:
    return Workspace(httpserver)


def bot(workspace: Workspace, **values: Any) -> Slack:
    settings = {"token": TOKEN, "channel": "C0123456789", "base_url": workspace.server.url_for("/api"), "timeout": 5}
    found = channels.open_channel("slack", settings | values)
    assert isinstance(found, Slack)
    return found


def hook(workspace: Workspace) -> Slack:
    found = channels.open_channel(
        "slack", {"webhook_url": workspace.server.url_for("/hook/T1/B1/secret"), "timeout": 5}
    )
    assert isinstance(found, Slack)
    return found


def test_a_message_is_posted_with_blocks_and_its_key(workspace: Workspace) -> None:
    message = samples.opened("ru")
    receipt = bot(workspace).deliver(message, now=NOW)
    (posted,) = workspace.posted
    assert receipt.id == f"C0123456789:{posted['ts']}"
    assert posted["metadata"]["event_payload"]["dedup_key"] == message.dedup_key
    assert "18 негативных упоминаний" in posted["text"]
    validate(posted)


def test_the_chart_goes_into_the_thread(workspace: Workspace) -> None:
    message = samples.opened("en", chart=True)
    receipt = bot(workspace).deliver(message, now=NOW)
    assert workspace.uploaded == [message.chart_png]
    assert workspace.completed[0]["thread_ts"] == workspace.posted[0]["ts"]
    assert "with its chart" in receipt.detail


def test_a_failed_chart_does_not_fail_the_message(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/chat.postMessage").respond_with_json(
        {"ok": True, "channel": "C0123456789", "ts": "1.1"}
    )
    httpserver.expect_request("/api/files.getUploadURLExternal").respond_with_json(
        {"ok": False, "error": "missing_scope"}
    )
    settings = {"token": TOKEN, "channel": "C0123456789", "base_url": httpserver.url_for("/api")}
    receipt = channels.open_channel("slack", settings).deliver(samples.opened(chart=True), now=NOW)
    assert receipt.id == "C0123456789:1.1"
    assert "without its chart" in receipt.detail and "missing_scope" in receipt.detail


def test_one_thread_per_incident(workspace: Workspace) -> None:
    sender = bot(workspace)
    first = sender.deliver(samples.opened(), now=NOW)
    worse = replace(samples.opened(), kind=Kind.ESCALATED, dedup_key="worse")
    for message in (worse, samples.resolved()):
        envelope = Envelope(dedup_key=message.dedup_key, subject="", text="", message=message, reply_to=first.id)
        sender.deliver(envelope, now=NOW)
    opened, escalated, closed = workspace.posted
    assert "thread_ts" not in opened
    assert escalated["thread_ts"] == closed["thread_ts"] == opened["ts"]
    assert (escalated["reply_broadcast"], closed["reply_broadcast"]) == (True, False)


def test_the_channel_can_be_asked(workspace: Workspace) -> None:
    sender = bot(workspace)
    first = sender.deliver(samples.opened(), now=NOW)
    for n in range(5):
        sender.deliver(replace(samples.test(), dedup_key=f"test:{n}"), now=NOW)
    since = NOW - dt.timedelta(hours=1)
    assert sender.lookup(samples.opened().dedup_key, since=since) is True
    assert sender.lookup("test:4", since=since) is True  # on the third page
    assert sender.lookup("never sent", since=since) is False
    reply = Envelope(dedup_key="reply", subject="", text="", message=samples.resolved(), reply_to=first.id)
    sender.deliver(replace(reply, message=replace(samples.resolved(), dedup_key="reply")), now=NOW)
    assert sender.lookup("reply", since=since) is False  # not in the channel itself
    assert sender.lookup("reply", reply_to=first.id, since=since) is True


def test_nobody_knows_when_the_question_fails(workspace: Workspace) -> None:
    workspace.answers = [answer({"ok": False, "error": "missing_scope"})]
    assert bot(workspace).lookup("x") is None
    assert bot(workspace, channel="#alerts").lookup("x") is None
    assert hook(workspace).lookup("x") is None


def test_429_is_tried_again_when_slack_says(workspace: Workspace) -> None:
    workspace.answers = [answer({"ok": False, "error": "ratelimited"}, 429, **{"Retry-After": "37"})]
    with pytest.raises(Retryable) as caught:
        bot(workspace).deliver(samples.test(), now=NOW)
    assert caught.value.after == 37.0


@pytest.mark.parametrize("error", sorted(RETRY))
def test_errors_that_pass(workspace: Workspace, error: str) -> None:
    workspace.answers = [answer({"ok": False, "error": error})]
    with pytest.raises(Retryable, match=error):
        bot(workspace).deliver(samples.test(), now=NOW)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("not_in_channel", "invite the bot"),
        ("invalid_auth", "token is wrong"),
        ("missing_scope", "chat:write"),
        ("invalid_blocks", "invalid_blocks"),
        ("something_new", "something_new"),
    ],
)
def test_errors_that_stay(workspace: Workspace, error: str, words: str) -> None:
    workspace.answers = [answer({"ok": False, "error": error, "response_metadata": {"messages": ["[ERROR] block 3"]}})]
    with pytest.raises(Rejected, match=words) as caught:
        bot(workspace).deliver(samples.test(), now=NOW)
    assert "block 3" in str(caught.value)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, "invalid_payload", Rejected),
        (403, "action_prohibited", Rejected),
        (404, "no_service", Rejected),
        (410, "channel_is_archived", Rejected),
        (500, "rollup_error", Retryable),
        (302, "", Rejected),
    ],
)
def test_answers_of_a_webhook(workspace: Workspace, status: int, body: str, error: type[Exception]) -> None:
    workspace.answers = [Response(body, status=status, headers={"Location": "/elsewhere"} if status == 302 else {})]
    with pytest.raises(error, match=f"{status}.*{body}") as caught:
        hook(workspace).deliver(samples.test(), now=NOW)
    assert "secret" not in str(caught.value)


def test_a_webhook_gets_links_instead_of_callbacks(workspace: Workspace) -> None:
    hook(workspace).deliver(samples.opened(), now=NOW)
    (posted,) = workspace.posted
    assert "metadata" not in posted
    buttons = [element for block in posted["blocks"] if block["type"] == "actions" for element in block["elements"]]
    assert buttons and all("url" in button and "value" not in button for button in buttons)


def test_buttons_call_back_where_callbacks_are_configured(workspace: Workspace) -> None:
    bot(workspace, signing_secret="shh").deliver(replace(samples.opened(), links=()), now=NOW)
    bot(workspace).deliver(replace(samples.opened(), links=()), now=NOW)
    with_secret, without = workspace.posted
    (actions,) = [block for block in with_secret["blocks"] if block["type"] == "actions"]
    assert [(b["action_id"], b["value"]) for b in actions["elements"]] == [
        ("acknowledge", "42"),
        ("mute", "42"),
        ("reject", "42"),
    ]
    assert not [block for block in without["blocks"] if block["type"] == "actions"]


def test_a_report_is_posted_in_sections(workspace: Workspace) -> None:
    text = "\n".join(f"Line {n}: the week was calm at every place." for n in range(300))
    bot(workspace).deliver(Envelope(dedup_key="report:1", subject="Week 46", text=text), now=NOW)
    (posted,) = workspace.posted
    validate(posted)
    said = " ".join(block["text"]["text"] for block in posted["blocks"] if block["type"] == "section")
    assert "Line 0:" in said and "Line 299:" in said


def test_nobody_listens() -> None:
    sender = channels.open_channel("slack", {"webhook_url": "http://127.0.0.1:9/secret", "timeout": 2})
    with pytest.raises(Retryable, match="no connection") as caught:
        sender.deliver(samples.test(), now=NOW)
    assert "secret" not in str(caught.value)


def test_a_page_instead_of_json_is_tried_again(workspace: Workspace) -> None:
    workspace.answers = [Response("<html>maintenance</html>")]
    with pytest.raises(Retryable, match="not JSON"):
        bot(workspace).deliver(samples.test(), now=NOW)


def test_check_says_as_whom(workspace: Workspace) -> None:
    assert bot(workspace).check() == "logged in to Luna as monitor, channel C0123456789"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "either webhook_url or token"),
        ({"token": "x", "webhook_url": "https://x.example"}, "not both"),
        ({"token": "x"}, "channel is needed"),
        ({"token": "x", "channel": "#a", "chanel": "#b"}, "chanel"),
    ],
)
def test_wrong_settings_are_named(values: dict[str, Any], told: str) -> None:
    with pytest.raises(BadRule, match=told):
        channels.open_channel("slack", values)


def signed(body: bytes, at: dt.datetime, secret: str = "shh") -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    told = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"timestamp": stamp, "signature": f"v0={told}"}


def test_callbacks_are_believed_only_when_signed_and_fresh() -> None:
    body = b"payload=x"
    assert verify(body, **signed(body, NOW), secret="shh", now=NOW)
    assert not verify(body, **signed(body, NOW), secret="other", now=NOW)
    assert not verify(b"payload=y", **signed(body, NOW), secret="shh", now=NOW)
    assert not verify(body, **signed(body, NOW), secret="shh", now=NOW + dt.timedelta(minutes=6))
    assert not verify(body, timestamp="soon", signature="v0=ü", secret="shh", now=NOW)
    right = signed(body, NOW)
    for signature in (right["signature"][:-1], right["signature"][:7], right["signature"][:-1] + "x"):
        assert not verify(body, **(right | {"signature": signature}), secret="shh", now=NOW)


def test_a_pressed_button_is_read() -> None:
    payload = {
        "type": "block_actions",
        "user": {"id": "U1", "username": "anna"},
        "actions": [{"action_id": "mute", "value": "42"}],
        "response_url": "https://hooks.slack.example/1",
    }
    found = read_interaction(urllib.parse.urlencode({"payload": json.dumps(payload)}).encode())
    assert found is not None
    assert (found.action, found.incident_id, found.user) == ("mute", "42", "anna")
    for wrong in (payload | {"type": "view_submission"}, payload | {"actions": []}, []):
        assert read_interaction(urllib.parse.urlencode({"payload": json.dumps(wrong)}).encode()) is None
    assert read_interaction(b"\xff") is None


def pressed_on(message: Any, action: str = "acknowledge", *, url: str, user: str = "anna") -> Interaction:
    """The callback Slack makes of a message of ours."""
    payload = {
        "type": "block_actions", "user": {"id": "U1", "username": user}, "response_url": url,
        "actions": [{"action_id": action, "value": "42"}], "message": {key: message[key] for key in ("text", "blocks")},
    }  # fmt: skip
    found = read_interaction(urllib.parse.urlencode({"payload": json.dumps(payload)}).encode())
    assert found is not None
    return found


def test_a_pressed_button_is_answered_in_the_message(workspace: Workspace) -> None:
    sender = bot(workspace, signing_secret="shh")
    sender.deliver(replace(samples.opened(), links=()), now=NOW)
    (posted,) = workspace.posted
    url = workspace.server.url_for("/api/answer/1")
    workspace.server.expect_request("/api/answer/1").respond_with_handler(workspace.hook)
    sender.answer(pressed_on(posted, url=url), "<!channel> Anna is on it.", gone=["acknowledge"], now=NOW)
    changed = workspace.posted[1]
    validate(changed)
    assert changed["replace_original"] is True
    (actions,) = [block for block in changed["blocks"] if block["type"] == "actions"]
    assert [button["action_id"] for button in actions["elements"]] == ["mute", "reject"]
    said = changed["blocks"][changed["blocks"].index(actions) + 1]["elements"][0]
    assert (said["type"], said["text"]) == ("plain_text", "<!channel> Anna is on it.")  # plain: nobody is called
    kept = [block for block in posted["blocks"] if block["type"] != "actions"]
    assert [block for block in changed["blocks"] if block in kept] == kept

    sender.answer(pressed_on(changed, "reject", url=url), "No incident.", gone=blocks.CALLBACKS, now=NOW)
    last = workspace.posted[2]
    validate(last)
    assert not [block for block in last["blocks"] if block["type"] == "actions"]
    told = [element["text"] for block in last["blocks"] if block["type"] == "context" for element in block["elements"]]
    assert told[-3:-1] == ["<!channel> Anna is on it.", "No incident."]


def test_a_full_message_keeps_its_limit_when_it_is_answered() -> None:
    full = [{"type": "divider"} for _ in range(49)] + [{"type": "actions", "elements": [{"action_id": "mute"}]}]
    laid = blocks.answered(full, "Muted.", gone=[])
    assert len(laid) == 50 and laid[-1]["elements"][0]["text"] == "Muted."


def test_an_answer_goes_to_slack_only(workspace: Workspace) -> None:
    sender = bot(workspace, signing_secret="shh")
    sender.deliver(samples.opened(), now=NOW)
    for url in ("http://169.254.169.254/latest", "https://hooks.slack.com.evil.example/1", ""):
        with pytest.raises(Rejected, match="no place of Slack"):
            sender.answer(pressed_on(workspace.posted[0], url=url), "x", gone=[], now=NOW)
