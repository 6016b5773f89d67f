"""Links of a mail and buttons of Slack: a visit changes nothing, a press acts, nothing acts without a signature."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from pytest_httpserver import HTTPServer
from sqlmodel import select
from werkzeug import Request, Response

import alerts.links
from alerts.blocks import slack
from alerts.message import LinkKind
from monitor.config import Channel
from monitor.pipeline import leaving
from monitor.pipeline.dispatch import silences_of
from monitor.store import meta
from monitor.store.engine import reading
from monitor.store.tables import AuditEntry, Incident, IncidentEvent, Silence
from tests.alerts.block_kit import validate
from tests.alerts.sample_messages import opened
from tests.monitor import support
from tests.monitor.web.conftest import UID, House


def link(house: House, kind: LinkKind, *, lifetime: timedelta = timedelta(days=7)) -> str:
    with reading(house.context.engine) as session:
        secret = meta.install_key(session)
    (made,) = alerts.links.links(
        "http://127.0.0.1", UID, secret=secret, now=support.NOW, sent_to="mail", actions=[kind], lifetime=lifetime
    )
    return made.url.removeprefix("http://127.0.0.1")


def state(house: House) -> tuple[str, str | None]:
    with reading(house.context.engine) as session:
        row = session.exec(select(Incident)).one()
        return row.state, row.verdict


def test_a_scanner_that_follows_the_link_changes_nothing(house: House) -> None:
    answer = house.nobody().get(link(house, LinkKind.ACKNOWLEDGE))
    assert answer.status_code == 200 and "<button" in answer.text
    assert state(house) == ("open", None)


def test_pressing_acts(house: House) -> None:
    assert house.nobody().post(link(house, LinkKind.ACKNOWLEDGE)).status_code == 200
    assert state(house) == ("acknowledged", None)
    assert house.nobody().post(link(house, LinkKind.REJECT)).status_code == 200
    assert state(house) == ("resolved", "rejected")
    with reading(house.context.engine) as session:
        actors = {event.actor for event in session.exec(select(IncidentEvent)) if event.actor}
    assert actors == {"link to mail"}


def test_muting_makes_a_silence_that_the_router_understands(house: House) -> None:
    house.nobody().post(link(house, LinkKind.MUTE))
    with reading(house.context.engine) as session:
        row = session.exec(select(Silence)).one()
        assert row.ends_at - row.starts_at == timedelta(hours=24)
        (silence,) = silences_of(session, house.context.now)
        incident = session.exec(select(Incident)).one()
        labels = {"brand": "cafe", "topic": incident.topic, "location": incident.location}
        assert silence.mutes({key: value for key, value in labels.items() if value}, house.context.now)
        assert not silence.mutes({"brand": "rival"}, house.context.now)


@pytest.mark.parametrize("method", ["get", "post"])
def test_forged_and_old_links_do_nothing(house: House, method: str) -> None:
    good = link(house, LinkKind.REJECT)
    body, _, signature = good.rpartition(".")
    for path in (
        f"{body}.{signature[:-2]}aa",
        "/a/nonsense",
        link(house, LinkKind.REJECT, lifetime=timedelta(days=-1)),
    ):
        assert getattr(house.nobody(), method)(path).status_code == 410
    assert state(house) == ("open", None)


SLACK = {"token": "xoxb-1", "channel": "C0123456789", "signing_secret": "shh"}


def press(house: House, action: str, *, uid: str = UID, signature: str | None = None, **more: object) -> int:
    """The callback of a button in Slack; signed rightly where no signature is given."""
    payload = {"type": "block_actions", "user": {"id": "U1", "username": "olga"},
               "actions": [{"action_id": action, "value": uid}], **more}  # fmt: skip
    body = urlencode({"payload": json.dumps(payload)}).encode()
    now = str(int(house.context.now.timestamp()))
    right = "v0=" + hmac.new(b"shh", b"v0:" + now.encode() + b":" + body, hashlib.sha256).hexdigest()
    headers = {"x-slack-request-timestamp": now, "content-type": "application/x-www-form-urlencoded",
               "x-slack-signature": right if signature is None else signature}  # fmt: skip
    return house.nobody().post("/slack/interactive", content=body, headers=headers).status_code


def with_channel(house: House, monkeypatch: pytest.MonkeyPatch, **channels: Channel) -> None:
    known = {**house.context.settings.channels, **channels}
    monkeypatch.setattr(house.context, "settings", house.context.settings.model_copy(update={"channels": known}))


def test_slack_buttons_need_slacks_signature(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with_channel(house, monkeypatch, team=Channel(kind="slack", settings=SLACK))
    for wrong in ("v0=00", "", "v0=" + "0" * 64):
        assert press(house, "acknowledge", signature=wrong) == 403
    assert state(house) == ("open", None)
    assert press(house, "acknowledge") == 200
    assert state(house) == ("acknowledged", None)


def test_slack_shows_what_a_button_has_done(
    house: House, monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer
) -> None:
    told: list[dict[str, Any]] = []

    def take(request: Request) -> Response:
        told.append(request.get_json())
        return Response("ok", status=200 if len(told) < 5 else 404)

    httpserver.expect_request("/answer").respond_with_handler(take)
    settings = SLACK | {"base_url": httpserver.url_for("/")}
    with_channel(house, monkeypatch, team=Channel(kind="slack", language="ru", settings=settings))
    message = slack(opened("ru"), interactive=True)
    more = {"message": {key: message[key] for key in ("text", "blocks")}, "response_url": httpserver.url_for("/answer")}

    def left(said: dict[str, Any]) -> tuple[list[str], str]:
        validate(said)
        found = [block for block in said["blocks"] if block["type"] == "actions"]
        buttons = [button["action_id"] for block in found for button in block["elements"] if "value" in button]
        texts = [part["text"] for block in said["blocks"] if block["type"] == "context" for part in block["elements"]]
        return buttons, next(text for text in texts if "olga" in text)

    assert press(house, "acknowledge", **more) == 200
    assert left(told[0]) == (["mute", "reject"], "В работе у: olga.")
    assert press(house, "mute", **more) == 200
    assert left(told[1]) == (["acknowledge", "reject"], "olga: заглушено на день.")
    assert press(house, "reject", **more) == 200
    buttons, said = left(told[2])
    assert buttons == [] and "не инцидент" in said
    assert press(house, "acknowledge", **more) == 200  # an older message of the same incident
    assert left(told[3]) == ([], "olga: уже поздно, инцидент завершён.")
    assert press(house, "acknowledge", uid="gone", **more) == 200  # Slack would show an error to who pressed otherwise
    assert len(told) == 5


# ---- leaving a channel


def way_out(house: House, address: str = "anna@luna.example") -> str:
    with reading(house.context.engine) as session:
        secret = meta.install_key(session)
    made = alerts.links.leaving("http://127.0.0.1", address, channel="mail", secret=secret, now=support.NOW)
    return made.removeprefix("http://127.0.0.1")


def gone(house: House) -> list[str]:
    with reading(house.context.engine) as session:
        return [one.address for one in leaving.everybody(session)]


def test_one_click_leaves_and_a_look_does_not(house: House) -> None:
    path, browser = way_out(house), house.nobody()
    assert "List-Unsubscribe" in browser.get(path).text
    assert browser.post(path).status_code == 422  # a scanner that posts an empty form
    assert gone(house) == []
    for _ in range(2):  # as mail programs do it: no cookie, no page before, perhaps twice
        assert house.nobody().post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert gone(house) == ["anna@luna.example"]
    assert house.nobody().post(path, data={"back": "1"}).status_code == 200
    assert gone(house) == []
    with reading(house.context.engine) as session:
        found = [(row.action, row.detail["address"]) for row in session.exec(select(AuditEntry)) if row.detail]
    assert found == [(f"recipient.{what}", "anna@luna.example") for what in ("left", "returned")]


def test_a_multipart_click_counts_too(house: House) -> None:
    files = {"List-Unsubscribe": (None, "One-Click")}  # RFC 8058 allows both forms
    assert house.nobody().post(way_out(house), files=files).status_code == 200
    assert gone(house) == ["anna@luna.example"]


def test_a_link_for_one_deed_is_none_for_another(house: House) -> None:
    out = way_out(house).removeprefix("/u/")
    deed = link(house, LinkKind.REJECT).removeprefix("/a/")
    for path in (f"/a/{out}", f"/u/{deed}", f"/u/{out[:-2]}aa"):
        assert house.nobody().get(path).status_code == 410
        assert house.nobody().post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 410
    assert gone(house) == [] and state(house) == ("open", None)


def test_an_administrator_sees_who_has_left_and_takes_it_back(house: House) -> None:
    house.nobody().post(way_out(house), data={"List-Unsubscribe": "One-Click"})
    assert "anna@luna.example" in house.as_("admin").get("/sources").text
    assert "anna@luna.example" not in house.as_("analyst").get("/sources").text
    values = {"channel": "mail", "address": "anna@luna.example"}
    assert house.as_("admin").post("/recipients/return", data=values).status_code == 303
    assert gone(house) == []
