"""A real SMTP server for tests: TLS, logins, and replies that a test chooses."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "monitor@luna.example", "correct horse"


@dataclass
class Inbox:
    """What arrived, and the replies to give instead of 250."""

    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    sender_reply: str = ""
    recipient_replies: dict[str, str] = field(default_factory=dict)
    data_reply: str = ""
    data_replies: list[str] = field(default_factory=list)  # one for each of the next mails; empty: accepted
    auth_reply: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    ca_file: Path | None = None

    greeted: list[str] = field(default_factory=list)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.greeted.append(str(session.host_name))
        if self.sender_reply:
            return self.sender_reply
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if reply := self.recipient_replies.get(address):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        reply = self.data_replies.pop(0) if self.data_replies else self.data_reply
        if reply:
            return reply
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=default))  # type: ignore[arg-type]
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 Message accepted"

    def login(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        if self.auth_reply:
            return AuthResult(success=False, handled=False, message=self.auth_reply)
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=good, handled=False)


@contextlib.contextmanager
def smtp(security: str, directory: Path, *, auth: bool = False) -> Iterator[Inbox]:
    """A server on a free port of this machine with a certificate of an authority of its own."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    inbox = Inbox(ca_file=directory / "ca.pem")
    authority.cert_pem.write_to_path(str(inbox.ca_file))
    options: dict[str, Any] = {
        "authenticator": inbox.login,
        "auth_required": auth and security == "starttls",
        "auth_require_tls": security == "starttls",
    }
    if security == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        inbox.port = free.getsockname()[1]
    controller = Controller(
        inbox,
        hostname="127.0.0.1",
        port=inbox.port,
        ssl_context=context if security == "tls" else None,
        enable_SMTPUTF8=True,
        **({} if not auth and security != "starttls" else options),
    )
    controller.start()
    try:
        yield inbox
    finally:
        controller.stop()
