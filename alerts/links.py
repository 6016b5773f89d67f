"""Links in messages that may act without a login: each is signed for one deed on one incident, and ends.

Whoever opens the page must still be asked to press a button there: mail scanners follow every link of a mail, and
following one must change nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from alerts.message import Link, LinkKind

LIFETIME = timedelta(days=7)
LEAVING = timedelta(days=400)  # mails are kept: whoever finds an old one must still be able to end them
ACTIONS = (LinkKind.ACKNOWLEDGE, LinkKind.MUTE, LinkKind.REJECT)
_SIZE = 16  # bytes of the signature: 128 bits


@dataclass(frozen=True, slots=True)
class Grant:
    """What a link allows: one deed, for whom it was sent to (a channel's name), until it ends.

    `about` is the id of the incident, or the address that may leave the channel.
    """

    action: LinkKind
    about: str
    sent_to: str
    expires_at: datetime

    def expired(self, now: datetime) -> bool:
        return now >= self.expires_at


def token(grant: Grant, *, secret: bytes) -> str:
    """The grant as a text for an address. Times are kept to the second."""
    values = [str(grant.action), grant.about, grant.sent_to, int(grant.expires_at.timestamp())]
    body = _encode(json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode())
    return f"{body}.{_encode(_signature(body, secret))}"


def read(text: str, *, secret: bytes) -> Grant | None:
    """The grant behind a token, expired or not; None where the signature is not ours."""
    body, _, signature = text.partition(".")
    try:
        if not hmac.compare_digest(_decode(signature), _signature(body, secret)):
            return None
        action, about, sent_to, expires = json.loads(_decode(body))
        return Grant(LinkKind(action), str(about), str(sent_to), datetime.fromtimestamp(int(expires), UTC))
    except (ValueError, TypeError, binascii.Error, OverflowError):
        return None


def links(
    base_url: str,
    incident_id: str,
    *,
    secret: bytes,
    now: datetime,
    sent_to: str = "",
    path: str = "/a/",
    actions: Sequence[LinkKind] = ACTIONS,
    lifetime: timedelta = LIFETIME,
) -> tuple[Link, ...]:
    """Signed links for the buttons of a message: `base_url` + `path` + token."""
    expires_at = now + lifetime
    grants = [Grant(action, incident_id, sent_to, expires_at) for action in actions]
    return tuple(Link(grant.action, base_url.rstrip("/") + path + token(grant, secret=secret)) for grant in grants)


def leaving(base_url: str, address: str, *, channel: str, secret: bytes, now: datetime, path: str = "/u/") -> str:
    """The link by which one recipient of a channel ends its mails (RFC 8058: a POST to it does so at once)."""
    grant = Grant(LinkKind.UNSUBSCRIBE, address, channel, now + LEAVING)
    return base_url.rstrip("/") + path + token(grant, secret=secret)


def _signature(body: str, secret: bytes) -> bytes:
    return hmac.new(secret, b"alerts.links:" + body.encode("utf-8", "replace"), hashlib.sha256).digest()[:_SIZE]


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
