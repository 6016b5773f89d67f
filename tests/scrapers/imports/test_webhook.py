"""Pushed messages: signed, fresh, once."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scrapers.errors import BadParams, PushRejected
from scrapers.imports import survey_messages
from scrapers.imports.webhook import MemoryReplayGuard, Message, WebhookSettings, receive, sign

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"a secret of 24 bytes now").decode()
OTHER = base64.b64encode(b"another secret, 24 bytes").decode()
SETTINGS = WebhookSettings(secrets=(SECRET,))
BODY = '[{"id": "r1", "text": "Остыло", "rating": 2}, {"id": "r2"}]'.encode()


def push(body: bytes = BODY, *, secret: str = SECRET, age: float = 0, key: str = "msg_1", **changed: str) -> Message:
    headers = sign(body, key=key, timestamp=int(NOW.timestamp() - age), secret=secret) | changed
    return receive(body, headers, SETTINGS, MemoryReplayGuard(), now=NOW)


def test_a_good_message_gives_its_rows() -> None:
    found = push()
    assert [one.external_id for one in found.items] == ["r1"]
    assert found.rows[1].error == "no text and no rating"
    assert found.key == "msg_1"


def test_the_signature_of_the_published_example_is_the_same() -> None:
    # The example of the Standard Webhooks specification.
    headers = sign(
        b'{"test": 2432232314}',
        key="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v2,x"},
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": "1763640001"},
    ],
)
def test_whatever_is_changed_breaks_the_signature(changed: dict[str, str]) -> None:
    with pytest.raises(PushRejected, match="signature is wrong") as caught:
        push(**changed)
    assert caught.value.status == 401


def test_a_signature_counts_to_its_last_byte() -> None:
    right = sign(BODY, key="msg_1", timestamp=int(NOW.timestamp()), secret=SECRET)["webhook-signature"]
    mac = base64.b64decode(right.removeprefix("v1,"))
    for wrong in (mac[:-1], mac[:4], mac[:-1] + bytes([mac[-1] ^ 1]), mac + b"x"):
        with pytest.raises(PushRejected, match="signature is wrong"):
            push(**{"webhook-signature": "v1," + base64.b64encode(wrong).decode()})
    survey = hmac.new(SECRET.encode(), BODY, hashlib.sha256).digest()
    for given, ok in ((survey, True), (survey[:-1] + bytes([survey[-1] ^ 1]), False), (survey[:4], False)):
        told = {"typeform-signature": "sha256=" + base64.b64encode(given).decode()}
        assert survey_messages.is_signed(BODY, told, (SECRET,)) is ok


def test_another_secret_is_refused_unless_it_is_being_rotated_in() -> None:
    with pytest.raises(PushRejected) as caught:
        push(secret=OTHER)
    assert caught.value.status == 401
    headers = sign(BODY, key="m", timestamp=int(NOW.timestamp()), secret=OTHER)
    both = replace(SETTINGS, secrets=(SECRET, OTHER))
    assert receive(BODY, headers, both, MemoryReplayGuard(), now=NOW).items


@pytest.mark.parametrize(("age", "ok"), [(299, True), (-299, True), (301, False), (-301, False)])
def test_old_and_future_messages_are_refused(age: float, ok: bool) -> None:
    if ok:
        assert push(age=age).items
        return
    with pytest.raises(PushRejected, match="more than 300 s away") as caught:
        push(age=age)
    assert caught.value.status == 400


def test_a_repeated_message_is_known() -> None:
    guard = MemoryReplayGuard()
    headers = sign(BODY, key="m", timestamp=int(NOW.timestamp()), secret=SECRET)
    assert not receive(BODY, headers, SETTINGS, guard, now=NOW).repeated
    again = receive(BODY, headers, SETTINGS, guard, now=NOW + timedelta(seconds=5))
    assert again.repeated and again.items == ()


def test_size_headers_and_content() -> None:
    with pytest.raises(PushRejected) as caught:
        push(b"x" * (1024 * 1024 + 1))
    assert caught.value.status == 413
    for missing in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        with pytest.raises(PushRejected) as caught:
            push(**{missing: ""})
        assert caught.value.status == 400
    guard = MemoryReplayGuard()
    for body in (b'{"a": 1}', b"{", b"[]", gzip.compress(BODY), b"PK\x03\x04 a workbook", b"PAR1 columns"):
        headers = sign(body, key="m", timestamp=int(NOW.timestamp()), secret=SECRET)
        with pytest.raises(PushRejected) as caught:
            receive(body, headers, SETTINGS, guard, now=NOW)
        assert caught.value.status == 422
    headers = sign(BODY, key="m", timestamp=int(NOW.timestamp()), secret=SECRET)
    assert receive(BODY, headers, SETTINGS, guard, now=NOW).items, "a mended message may use its id"


def test_secrets_are_checked_and_never_shown() -> None:
    assert "MfKQ" not in repr(WebhookSettings(secrets=("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",)))
    for bad in ("whsec_not base64!", base64.b64encode(b"short").decode()):
        with pytest.raises(BadParams):
            sign(b"", key="m", timestamp=1, secret=bad)
