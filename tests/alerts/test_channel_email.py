"""Mail in a real SMTP dialogue: what arrives, in which shape, and what each reply of a server leads to."""

from __future__ import annotations

import datetime as dt
import email.policy
import email.utils
from collections.abc import Iterator
from dataclasses import replace
from email.header import decode_header, make_header
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from alerts import channels, render
from alerts.channels.email import Email, message_id
from alerts.errors import BadRule, Rejected, Retryable
from alerts.message import Attachment, Envelope
from tests.alerts import sample_messages as samples
from tests.alerts.smtp_server import PASSWORD, USER, Inbox, smtp

NOW = samples.NOW


def channel(inbox: Inbox, **values: Any) -> channels.Channel[Any]:
    settings = {
        "host": inbox.host,
        "port": inbox.port,
        "security": "plain",
        "sender": "Монитор <monitor@luna.example>",
        "recipients": ["Анна <anna@luna.example>", "boris@luna.example"],
        "timeout": 5,
    }
    return channels.open_channel("email", settings | values)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Inbox]:
    with smtp("plain", tmp_path) as inbox:
        yield inbox


def parts(mail: EmailMessage) -> dict[str, EmailMessage]:
    found = {part.get_content_type(): part for part in mail.walk()}
    return {kind: part for kind, part in found.items() if isinstance(part, EmailMessage)}


def test_a_mail_arrives_with_text_html_and_chart(server: Inbox) -> None:
    message = samples.opened("ru", chart=True)
    receipt = channel(server).deliver(message, now=NOW)
    (mail,) = server.mails
    assert server.recipients == [["anna@luna.example", "boris@luna.example"]]
    assert server.greeted == ["luna.example"]
    assert mail["Subject"] == "Кофейня «Луна»: Всплеск негатива · Доставка · Арбат"
    assert mail["From"] == "Монитор <monitor@luna.example>"
    assert [address.addr_spec for address in mail["To"].addresses] == ["anna@luna.example", "boris@luna.example"]
    assert mail["Message-ID"] == receipt.id == message_id(message.dedup_key, domain="luna.example")
    assert email.utils.parsedate_to_datetime(mail["Date"]) == NOW
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Content-Language"] == message.language
    assert mail.get_content_type() == "multipart/alternative"
    text, html = mail.iter_parts()
    assert isinstance(text, EmailMessage) and isinstance(html, EmailMessage)
    assert text.get_content_type() == "text/plain"
    assert text.get_content().replace("\r\n", "\n") == render.plain(message)
    assert html.get_content_type() == "multipart/related"
    body, image = html.iter_parts()
    assert isinstance(body, EmailMessage) and isinstance(image, EmailMessage)
    assert "cid:chart" in body.get_content()
    assert image["Content-ID"] == "<chart>"
    assert image.get_content() == message.chart_png


def test_the_html_of_a_full_mail_is_not_clipped_by_mail_programs(server: Inbox) -> None:
    channel(server).deliver(samples.opened("ru", chart=True), now=NOW)
    html = parts(server.mails[0])["text/html"].get_content()
    assert len(html.encode()) < 100_000
    assert len(server.mails[0].as_bytes()) < 150_000


def test_the_same_message_keeps_its_id_and_an_incident_one_thread(server: Inbox) -> None:
    sender = channel(server)
    opened, resolved = samples.opened(), samples.resolved()
    first = sender.deliver(opened, now=NOW)
    again = sender.deliver(opened, now=NOW + dt.timedelta(hours=1))
    sender.deliver(resolved, now=NOW + dt.timedelta(days=3))
    sender.deliver(replace(opened, incident_id="77", dedup_key="other"), now=NOW)
    assert first.id == again.id
    a, _, closing, other = server.mails
    assert a["References"] == closing["References"] != other["References"]
    assert a["Message-ID"] != closing["Message-ID"]
    # Gmail keeps a thread only where the subject is the same but for "Re:"
    assert closing["Subject"] == f"Re: {a['Subject']}"


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_login_over_tls(tmp_path: Path, security: str) -> None:
    with smtp(security, tmp_path, auth=True) as inbox:
        sender = channel(inbox, security=security, ca_file=inbox.ca_file, username=USER, password=PASSWORD)
        assert USER in sender.check()
        sender.deliver(samples.test(), now=NOW)
        assert len(inbox.mails) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_wrong_password_is_told_in_words_and_never_retried(tmp_path: Path, security: str) -> None:
    with smtp(security, tmp_path, auth=True) as inbox:
        sender = channel(inbox, security=security, ca_file=inbox.ca_file, username=USER, password="battery staple")
        with pytest.raises(Rejected, match=r"refused user name or password of 'monitor@luna\.example'") as caught:
            sender.deliver(samples.test(), now=NOW)
        assert "battery" not in str(caught.value)
        assert inbox.mails == []


def test_a_login_server_that_is_down_for_now_is_tried_again(tmp_path: Path) -> None:
    with smtp("tls", tmp_path, auth=True) as inbox:
        inbox.auth_reply = "454 4.7.0 Temporary authentication failure"
        sender = channel(inbox, security="tls", ca_file=inbox.ca_file, username=USER, password=PASSWORD)
        with pytest.raises(Retryable, match="454"):
            sender.deliver(samples.test(), now=NOW)


def test_an_unknown_certificate_is_not_trusted(tmp_path: Path) -> None:
    with smtp("tls", tmp_path) as inbox, pytest.raises(Rejected, match="certificate is not trusted"):
        channel(inbox, security="tls").deliver(samples.test(), now=NOW)


def test_a_server_without_starttls_never_gets_the_mail_in_clear(server: Inbox) -> None:
    with pytest.raises(Rejected, match="does not offer"):
        channel(server, security="starttls").deliver(samples.test(), now=NOW)
    assert server.mails == []


def test_tls_against_a_plain_server_says_what_to_look_at(server: Inbox) -> None:
    with pytest.raises(Rejected, match="security='tls'"):
        channel(server, security="tls").deliver(samples.test(), now=NOW)


@pytest.mark.parametrize(
    ("reply", "error", "after"),
    [
        ("421 4.3.2 Shutting down", Retryable, None),
        ("450 4.2.0 Greylisted", Retryable, 300.0),
        ("451 4.7.1 Try again later", Retryable, 300.0),
        ("452 4.2.2 Over quota", Retryable, 300.0),
        ("550 5.7.1 Spam", Rejected, None),
        ("552 5.3.4 Too large", Rejected, None),
        ("554 5.7.1 Refused by policy", Rejected, None),
    ],
)
@pytest.mark.parametrize("at", ["sender_reply", "data_reply"])
def test_replies_of_the_server(server: Inbox, at: str, reply: str, error: type[Exception], after: float | None) -> None:
    setattr(server, at, reply)
    with pytest.raises(error, match=reply[:3]) as caught:
        channel(server).deliver(samples.test(), now=NOW)
    if isinstance(caught.value, Retryable):
        assert caught.value.after == after
    assert server.mails == []


def test_one_refused_recipient_does_not_keep_the_mail_from_the_others(server: Inbox) -> None:
    server.recipient_replies = {"boris@luna.example": "550 5.1.1 No such user"}
    receipt = channel(server).deliver(samples.test(), now=NOW)
    assert server.recipients == [["anna@luna.example"]]
    assert receipt.refused == {"boris@luna.example": "550 5.1.1 No such user"}
    assert receipt.again == ()


def test_a_greylisted_recipient_alone_is_tried_again(server: Inbox) -> None:
    server.recipient_replies = {"boris@luna.example": "451 4.7.1 Greylisted"}
    sender = channel(server)
    envelope = render.envelope(samples.test())
    receipt = sender.deliver(envelope, now=NOW)
    assert receipt.again == ("boris@luna.example",)
    server.recipient_replies = {}
    sender.deliver(replace(envelope, only_to=receipt.again), now=NOW)
    assert server.recipients == [["anna@luna.example"], ["boris@luna.example"]]


@pytest.mark.parametrize(("reply", "error"), [("550 5.1.1 No such user", Rejected), ("450 4.2.1 Busy", Retryable)])
def test_no_recipient_left(server: Inbox, reply: str, error: type[Exception]) -> None:
    server.recipient_replies = {"anna@luna.example": reply, "boris@luna.example": reply}
    with pytest.raises(error, match=r"anna@luna\.example"):
        channel(server).deliver(samples.test(), now=NOW)


def test_a_mixture_of_refusals_is_tried_again(server: Inbox) -> None:
    server.recipient_replies = {"anna@luna.example": "550 5.1.1 No such user", "boris@luna.example": "450 4.2.1 Busy"}
    with pytest.raises(Retryable):
        channel(server).deliver(samples.test(), now=NOW)


def test_nobody_listens() -> None:
    with pytest.raises(Retryable, match="no connection"):
        channel(Inbox(port=9)).deliver(samples.test(), now=NOW)


def test_an_unknown_host_is_tried_again() -> None:
    with pytest.raises(Retryable, match=r"no-such-host\.invalid"):
        channel(Inbox(), host="no-such-host.invalid", port=25).deliver(samples.test(), now=NOW)


def test_a_domain_in_cyrillic_is_written_for_machines(server: Inbox) -> None:
    receipt = channel(server, sender="Монитор <monitor@луна.рф>").deliver(samples.test(), now=NOW)
    assert receipt.id.endswith("@xn--80avgx.xn--p1ai>")
    assert server.greeted == ["xn--80avgx.xn--p1ai"]
    (sender,) = server.mails[0]["From"].addresses
    assert (sender.display_name, sender.domain) == ("Монитор", "xn--80avgx.xn--p1ai")


def test_unsubscribing_with_one_click(server: Inbox) -> None:
    channel(server, unsubscribe_url="https://monitor.example/u?t=1", unsubscribe_mail="off@luna.example").deliver(
        samples.test(), now=NOW
    )
    (mail,) = server.mails
    assert mail["List-Unsubscribe"] == "<https://monitor.example/u?t=1>, <mailto:off@luna.example?subject=unsubscribe>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_each_recipient_gets_a_way_out_of_his_own(server: Inbox) -> None:
    leave = {name: f"https://monitor.example/u/{name[:4]}" for name in ("anna@luna.example", "boris@luna.example")}
    envelope = replace(render.envelope(samples.opened("ru")), leave=leave)
    receipt = channel(server).deliver(envelope, now=NOW)
    assert server.recipients == [["anna@luna.example"], ["boris@luna.example"]]
    for (address, url), mail in zip(leave.items(), server.mails, strict=True):
        assert mail["List-Unsubscribe"] == f"<{url}>"
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        other = next(link for name, link in leave.items() if name != address)
        for kind in ("plain", "html"):
            body = mail.get_body((kind,))
            assert body is not None
            assert url in body.get_content() and "Отписаться" in body.get_content()
            assert other not in body.get_content()
        assert mail["Message-ID"] == receipt.id
    assert receipt.detail == "accepted for 2 of 2 recipients"


def test_a_server_that_breaks_between_two_copies_does_not_get_the_first_again(server: Inbox) -> None:
    leave = {name: f"https://monitor.example/u/{name[:4]}" for name in ("anna@luna.example", "boris@luna.example")}
    server.data_replies = ["", "451 4.3.0 Full"]
    receipt = channel(server).deliver(replace(render.envelope(samples.test()), leave=leave), now=NOW)
    assert server.recipients == [["anna@luna.example"]]
    assert receipt.again == ("boris@luna.example",)


def report(attachment: bytes) -> Envelope:
    return Envelope(
        dedup_key="report:2026-W46",
        subject="Luna: week 46\r\nBcc: everybody@luna.example",
        text="The week in short.",
        html='<p>The week in short.</p><img src="cid:volume">',
        inline={"volume": b"\x89PNG\r\n"},
        attachments=(Attachment("report.pdf", "application/pdf", attachment),),
    )


def test_a_report_travels_the_same_way_and_cannot_smuggle_headers(server: Inbox) -> None:
    channel(server).deliver(report(b"%PDF-1.7"), now=NOW)
    (mail,) = server.mails
    assert mail["Bcc"] is None
    assert mail.get_content_type() == "multipart/mixed"
    (attached,) = mail.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("report.pdf", b"%PDF-1.7")
    assert parts(mail)["image/png"]["Content-ID"] == "<volume>"


def test_a_mail_that_is_too_large_goes_without_its_attachments(server: Inbox) -> None:
    receipt = channel(server, max_bytes=100_000).deliver(report(b"0" * 120_000), now=NOW)
    assert "attachments left out" in receipt.detail
    assert list(server.mails[0].iter_attachments()) == []


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"recipients": []}, "recipients"),
        ({"recipients": ["nobody"]}, "'nobody' is not an address"),
        ({"recipients": ["a@b.example\r\nBcc: c@d.example"]}, "is not an address"),
        ({"sender": "monitor@luna..example"}, "cannot be the name of a domain"),
        ({"security": "ssl"}, "security='ssl'"),
        ({"port": 70000}, "port=70000"),
        ({"hots": "x"}, "hots"),
        ({"username": "me"}, "username and password belong together"),
        ({"host": "mail.example", "username": "me", "password": "x"}, "shows the password"),
    ],
)
def test_wrong_settings_are_named(values: dict[str, Any], told: str) -> None:
    with pytest.raises(BadRule) as caught:
        channel(Inbox(port=25), **values)
    assert told in str(caught.value)


def test_a_wrong_secret_is_not_repeated_in_the_error() -> None:
    with pytest.raises(BadRule) as caught:
        channel(Inbox(port=25), username="me", password=123456)
    assert "123456" not in str(caught.value)


def test_long_subjects_and_names_keep_their_spaces() -> None:
    name = "Анна Петровна Иванова, отдел качества сети кофеен и пекарни"
    a, m, c = (f'"{name}" <{local}@luna.example>' for local in "amc")
    settings = {"host": "localhost", "security": "plain", "sender": m, "recipients": [a, "b@luna.example", c]}
    sender = channels.open_channel("email", settings)
    assert isinstance(sender, Email)
    envelope = render.envelope(samples.opened("ru"))
    for shift in range(1, 40):
        subject = "Кофейня " + "к" * shift + " и я: «Приложение и сайт» · Ленина 5, вход со двора – 5 %"
        raw = sender.compose(replace(envelope, subject=subject), now=NOW).as_bytes()
        head = raw.partition(b"\r\n\r\n")[0]
        assert head.isascii() and max(map(len, head.split(b"\r\n"))) <= 78
        assert email.message_from_bytes(raw, policy=email.policy.default)["Subject"] == subject
        mail = email.message_from_bytes(raw)
        assert _read(mail["Subject"]) == subject
        people = [(_read(who), address) for who, address in email.utils.getaddresses([mail["To"], mail["From"]])]
        assert people == [
            (name, "a@luna.example"), ("", "b@luna.example"), (name, "c@luna.example"), (name, "m@luna.example"),
        ]  # fmt: skip


def _read(encoded: str) -> str:
    """As RFC 2047 has it: the space between two encoded words is none. (The modern parser leaves it in names.)"""
    return str(make_header(decode_header(encoded)))


def test_the_mail_is_seven_bit_clean() -> None:
    settings = {"host": "localhost", "security": "plain", "sender": "m@luna.example", "recipients": ["a@luna.example"]}
    sender = channels.open_channel("email", settings)
    assert isinstance(sender, Email)
    raw = sender.compose(render.envelope(samples.opened("ru")), now=NOW).as_bytes()
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
