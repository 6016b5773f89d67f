"""Mail over SMTP: threaded by incident, the same Message-ID whenever it is sent again and for every recipient.

One message goes to all recipients; where each has a link of his own to leave by (RFC 8058), each gets a copy.

Replies of the server decide: 4xx is tried again, 5xx is not, a refused login says so in words. Plain SMTP cannot be
asked whether it has a message, but the stable Message-ID lets mailboxes recognise a second copy.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import html
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from alerts.channels.base import Channel, Declaration, Receipt, Settings
from alerts.errors import Rejected, Retryable
from alerts.message import Envelope, LinkKind, Message
from alerts.sentences import link_label
from alerts.severity import Severity
from alerts.text import clean
from alerts.words import Words

GREYLIST_WAIT = 300.0  # seconds; servers that say "later" mean about this
_PORTS = {"starttls": 587, "tls": 465, "plain": 25}


def _address(value: str) -> str:
    name, address = email.utils.parseaddr(value)
    local, at, domain = address.rpartition("@")
    if not (local and at and domain) or any(char in value for char in "\r\n\0") or " " in address:
        raise ValueError(f"{value!r} is not an address; allowed is name@domain or Name <name@domain>")
    try:
        ascii_domain = domain.encode("idna").decode()
    except UnicodeError:
        raise ValueError(f"{value!r}: {domain!r} cannot be the name of a domain") from None
    if ascii_domain == domain:
        return value
    # servers that know no SMTPUTF8 still know this form of the name
    return f'"{email.utils.quote(name)}" <{local}@{ascii_domain}>' if name else f"{local}@{ascii_domain}"


MailAddress = Annotated[str, AfterValidator(_address)]


class _Policy(EmailPolicy):
    """Folds subjects and names beyond ASCII by `email.header`.

    The folding of `EmailPolicy` loses spaces where it breaks between encoded words: "Приложение исайт".
    """

    def fold(self, name: str, value: str) -> str:
        text = str(value)
        addresses = getattr(value, "addresses", ())
        if not text.isascii() and addresses:
            folded = f",{self.linesep} ".join(
                email.utils.formataddr((self._encoded(one.display_name, name), one.addr_spec)) for one in addresses
            )
        elif not text.isascii() and name.lower() == "subject":
            folded = self._encoded(text, name)
        else:
            usual: str = super().fold(name, value)
            return usual
        return f"{name}: {folded}{self.linesep}"

    def fold_binary(self, name: str, value: str) -> bytes:
        return self.fold(name, value).encode("ascii", "surrogateescape")

    def _encoded(self, text: str, name: str) -> str:
        if text.isascii():
            return text
        return Header(text, "utf-8", header_name=name).encode(linesep=self.linesep)


_POLICY = _Policy(linesep=SMTP.linesep)


class EmailSettings(Settings):
    """How mail leaves the house."""

    host: str = Field(min_length=1)
    port: int | None = Field(default=None, ge=1, le=65535, description="587, 465 or 25 by `security` when not given")
    security: Literal["starttls", "tls", "plain"] = "starttls"
    username: str | None = None
    password: SecretStr | None = None
    insecure_login: bool = Field(default=False, description="allow a password over an unencrypted connection")
    helo: str | None = Field(default=None, description="name we greet with; the sender's domain when not given")
    ca_file: Path | None = Field(default=None, description="certificates to trust instead of the system's")
    sender: MailAddress
    recipients: list[MailAddress] = Field(min_length=1)
    reply_to: MailAddress | None = None
    unsubscribe_url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    unsubscribe_mail: MailAddress | None = None
    timeout: float = Field(default=20.0, gt=0, le=300)
    max_bytes: int = Field(default=20_000_000, ge=100_000, description="larger mails lose their attachments")

    @model_validator(mode="after")
    def _login(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together: give both or none")
        local = self.host in ("localhost", "127.0.0.1", "::1")
        if self.username and self.security == "plain" and not (self.insecure_login or local):
            raise ValueError("security='plain' shows the password to everyone; use starttls or tls, or insecure_login")
        return self


class Email(Channel[EmailSettings]):
    """Mail over SMTP."""

    declaration = Declaration(
        kind="email",
        title="E-mail",
        docs="https://www.rfc-editor.org/rfc/rfc5321",
        images=True,
        attachments=True,
        threads=True,
        buttons=True,
        example={
            "host": "smtp.example.org",
            "security": "starttls",
            "username": "monitor@example.org",
            "password": "secret",
            "sender": "Feedback monitor <monitor@example.org>",
            "recipients": ["team@example.org"],
        },
    )
    settings_type = EmailSettings

    def deliver(self, item: Message | Envelope, *, now: datetime) -> Receipt:
        envelope = self.envelope(item)
        to = list(envelope.only_to) or list(self.recipients())
        alike = [address for address in to if address not in envelope.leave]
        copies = [([address], envelope.leave[address]) for address in to if address in envelope.leave]
        refused: dict[str, tuple[int, bytes]] = {}
        reached, detail = 0, ""
        with self._session() as server:
            for addresses, leave in [*([(alike, None)] if alike else []), *copies]:
                mail, detail = self._fitting(envelope, now=now, leave=leave)
                try:
                    failed = self._hand_over(server, mail, addresses)
                except (smtplib.SMTPException, OSError) as error:
                    if not reached:
                        raise
                    # the others have theirs: only who is left may be sent to again
                    left = [address for address in to[to.index(addresses[0]) :] if address not in alike]
                    refused |= {address: (421, str(error).encode()) for address in left}
                    break
                refused |= failed
                reached += len(addresses) - len(failed)
            if not reached:
                raise smtplib.SMTPRecipientsRefused(refused)
        told = {address: _reply(code, text) for address, (code, text) in refused.items()}
        again = tuple(address for address, (code, _) in refused.items() if 400 <= code < 500)
        return Receipt(
            id=message_id(envelope.dedup_key, domain=_domain(self.settings.sender)),
            detail=f"accepted for {reached} of {len(to)} recipients{detail}", refused=told, again=again,
        )  # fmt: skip

    def _hand_over(
        self, server: smtplib.SMTP, mail: EmailMessage, addresses: list[str]
    ) -> dict[str, tuple[int, bytes]]:
        """One copy to its recipients; those that were refused, all of them included."""
        try:
            return server.send_message(
                mail, from_addr=email.utils.parseaddr(self.settings.sender)[1], to_addrs=addresses
            )
        except smtplib.SMTPRecipientsRefused as error:
            return dict(error.recipients)

    def recipients(self) -> tuple[str, ...]:
        return tuple(email.utils.parseaddr(address)[1] for address in self.settings.recipients)

    def check(self) -> str:
        with self._session() as server:
            server.noop()
        login = f" as {self.settings.username}" if self.settings.username else " without login"
        return f"{self.settings.host}:{self._port} accepts us{login} ({self.settings.security})"

    @property
    def _port(self) -> int:
        return self.settings.port or _PORTS[self.settings.security]

    @property
    def _helo(self) -> str:
        """Asking the resolver for our own name, as smtplib would, can take many seconds where it has none."""
        return self.settings.helo or _domain(self.settings.sender)

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """A logged-in connection; whatever goes wrong inside becomes Retryable or Rejected."""
        settings, place = self.settings, f"mail server {self.settings.host}:{self._port}"
        try:
            with self._connect() as server:
                if settings.username and settings.password:
                    server.login(settings.username, settings.password.get_secret_value())
                yield server
        except smtplib.SMTPAuthenticationError as error:
            told = self._hushed_login(_reply(error.smtp_code, error.smtp_error))
            if 400 <= error.smtp_code < 500:
                raise Retryable(f"{place} could not check the login now: {told}", after=GREYLIST_WAIT) from None
            raise Rejected(f"{place} refused user name or password of {settings.username!r}: {told}") from None
        except smtplib.SMTPNotSupportedError as error:
            raise Rejected(f"{place} does not offer what the settings ask for: {error}") from None
        except smtplib.SMTPRecipientsRefused as error:
            raise _all_refused(place, error) from None
        except smtplib.SMTPResponseException as error:
            raise _by_code(place, error.smtp_code, error.smtp_error) from None
        except smtplib.SMTPServerDisconnected as error:
            raise Retryable(f"{place} hung up: {error}") from None
        except ssl.SSLCertVerificationError as error:
            raise Rejected(f"{place}: its certificate is not trusted ({error.verify_message}); see ca_file") from None
        except ssl.SSLError as error:
            reason = error.reason or type(error).__name__
            raise Rejected(f"{place}: no TLS there ({reason}); is security={settings.security!r} right?") from None
        except smtplib.SMTPException as error:
            raise Retryable(f"{place}: {type(error).__name__}: {error}") from None
        except UnicodeError as error:
            raise Rejected(f"{place}: an address or host name cannot be written ({error})") from None
        except OSError as error:
            raise Retryable(f"{place}: no connection ({error.strerror or error or type(error).__name__})") from None

    def _hushed_login(self, told: str) -> str:
        """The server's words without the password: some repeat the line that they refuse."""
        password = self.settings.password.get_secret_value() if self.settings.password else ""
        line = base64.b64encode(f"\0{self.settings.username}\0{password}".encode()).decode()
        return self.hush(told).replace(line, "...")

    @contextmanager
    def _connect(self) -> Iterator[smtplib.SMTP]:
        settings = self.settings
        context = ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)
        if settings.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                settings.host, self._port, local_hostname=self._helo, timeout=settings.timeout, context=context
            )
        else:
            server = smtplib.SMTP(settings.host, self._port, local_hostname=self._helo, timeout=settings.timeout)
        try:
            server.ehlo_or_helo_if_needed()
            if settings.security == "starttls":
                server.starttls(context=context)
                server.ehlo()
            yield server
        finally:
            _leave(server)

    def _fitting(self, envelope: Envelope, *, now: datetime, leave: str | None) -> tuple[EmailMessage, str]:
        mail = self.compose(envelope, now=now, leave=leave)
        if not envelope.attachments or len(mail.as_bytes()) <= self.settings.max_bytes:
            return mail, ""
        bare = self.compose(envelope, now=now, leave=leave, attachments=False)
        return bare, f"; attachments left out, the mail was over {self.settings.max_bytes} bytes"

    def compose(
        self, envelope: Envelope, *, now: datetime, leave: str | None = None, attachments: bool = True
    ) -> EmailMessage:
        """The mail as it is sent; with `leave`, the copy of the recipient whose link that is."""
        settings = self.settings
        domain = _domain(settings.sender)
        mail = EmailMessage(policy=_POLICY)
        mail["From"] = settings.sender
        mail["To"] = ", ".join(settings.recipients)
        mail["Subject"] = clean(envelope.subject, lines=False)
        mail["Date"] = email.utils.format_datetime(now)
        mail["Message-ID"] = message_id(envelope.dedup_key, domain=domain)
        if envelope.thread_key:
            root = message_id(envelope.thread_key, domain=domain)
            mail["In-Reply-To"] = root
            mail["References"] = root
        if settings.reply_to:
            mail["Reply-To"] = settings.reply_to
        _unsubscribe(mail, settings, leave)
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        if envelope.message is not None and envelope.message.severity is Severity.CRITICAL:
            mail["Importance"] = "high"
        text, page = _with_way_out(envelope, leave)
        mail.set_content(text, cte=_encoding(text))
        if page:
            mail.add_alternative(page, subtype="html", cte=_encoding(page))
            part = mail.get_payload()[-1]  # type: ignore[index]
            for cid, png in envelope.inline.items():
                part.add_related(png, "image", "png", cid=f"<{cid}>", disposition="inline", filename=f"{cid}.png")  # type: ignore[union-attr]
        for file in envelope.attachments if attachments else ():
            maintype, _, subtype = file.media_type.partition("/")
            mail.add_attachment(file.data, maintype=maintype, subtype=subtype or "octet-stream", filename=file.name)
        mail["Content-Language"] = envelope.language  # at last: whoever sets a content takes such headers with it
        return mail


def _domain(address: str) -> str:
    return email.utils.parseaddr(address)[1].rpartition("@")[2].encode("idna").decode()


def message_id(key: str, *, domain: str) -> str:
    """The Message-ID of a key: always the same, so that a second copy is recognised."""
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{domain or 'localhost'}>"


def _with_way_out(envelope: Envelope, leave: str | None) -> tuple[str, str]:
    """Text and HTML with the link in sight: not every mail program shows a button for the header."""
    if leave is None:
        return envelope.text, envelope.html
    label = link_label(LinkKind.UNSUBSCRIBE, Words(envelope.language))
    line = (
        '<p style="margin:0;padding:0 8px 24px;text-align:center;font:12px sans-serif">'
        f'<a href="{html.escape(leave)}" style="color:#6b7280">{html.escape(label)}</a></p>'
    )
    head, end, tail = envelope.html.rpartition("</body>")
    page = f"{head}{line}\n{end}{tail}" if end else envelope.html and envelope.html + line
    return f"{envelope.text.rstrip()}\n{label}: {leave}\n", page


def _unsubscribe(mail: EmailMessage, settings: EmailSettings, leave: str | None) -> None:
    url = leave or settings.unsubscribe_url
    ways = [f"<{url}>"] if url else []
    if settings.unsubscribe_mail:
        ways.append(f"<mailto:{email.utils.parseaddr(settings.unsubscribe_mail)[1]}?subject=unsubscribe>")
    if ways:
        mail["List-Unsubscribe"] = ", ".join(ways)
    if url and url.startswith("https://"):
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058


def _encoding(text: str) -> Literal["quoted-printable", "base64"]:
    """Never 8bit: not every server on the way takes it. Quoted-printable reads better where most is ASCII."""
    n_ascii = sum(char.isascii() for char in text)
    return "quoted-printable" if n_ascii >= 0.85 * len(text) else "base64"


def _leave(server: smtplib.SMTP) -> None:
    try:
        server.quit()
    except (smtplib.SMTPException, OSError):
        server.close()


def _reply(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return f"{code} {' '.join(words.split())}".strip()


def _by_code(place: str, code: int, text: bytes | str) -> Retryable | Rejected:
    if 500 <= code < 600:
        return Rejected(f"{place} refused: {_reply(code, text)}")
    after = GREYLIST_WAIT if code in (450, 451, 452) else None
    return Retryable(f"{place} answered {_reply(code, text)}", after=after)


def _all_refused(place: str, error: smtplib.SMTPRecipientsRefused) -> Retryable | Rejected:
    told = "; ".join(f"{address}: {_reply(code, text)}" for address, (code, text) in error.recipients.items())
    if any(400 <= code < 500 for code, _ in error.recipients.values()):
        return Retryable(f"{place} takes none of the recipients now: {told}", after=GREYLIST_WAIT)
    return Rejected(f"{place} refused every recipient: {told}")
