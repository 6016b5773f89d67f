"""Links of a mail and buttons of Slack: a visit changes nothing, a press acts, nothing acts without a signature."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from sqlmodel import select

import alerts.links
from alerts.channels import open_channel
from alerts.message import LinkKind
from monitor.config import Channel
from monitor.pipeline.dispatch import silences_of
from monitor.store import meta
from monitor.store.engine import reading
from monitor.store.tables import Incident, IncidentEvent, Silence
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


def test_slack_buttons_need_slacks_signature(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"token": "xoxb-1", "channel": "C0123456789", "signing_secret": "shh"}
    open_channel("slack", settings)  # the settings are valid
    channels = {**house.context.settings.channels, "team": Channel(kind="slack", settings=settings)}
    monkeypatch.setattr(house.context, "settings", house.context.settings.model_copy(update={"channels": channels}))
    payload = {"type": "block_actions", "user": {"id": "U1", "username": "olga"},
               "actions": [{"action_id": "acknowledge", "value": UID}]}  # fmt: skip
    body = urlencode({"payload": json.dumps(payload)}).encode()
    now = str(int(house.context.now.timestamp()))
    signature = "v0=" + hmac.new(b"shh", b"v0:" + now.encode() + b":" + body, hashlib.sha256).hexdigest()
    headers = {"x-slack-request-timestamp": now, "content-type": "application/x-www-form-urlencoded"}
    client = house.nobody()
    for wrong in ("v0=00", "", signature[:-1] + ("0" if signature[-1] != "0" else "1")):
        answer = client.post("/slack/interactive", content=body, headers=headers | {"x-slack-signature": wrong})
        assert answer.status_code == 403
    assert state(house) == ("open", None)
    answer = client.post("/slack/interactive", content=body, headers=headers | {"x-slack-signature": signature})
    assert answer.status_code == 200
    assert state(house) == ("acknowledged", None)
