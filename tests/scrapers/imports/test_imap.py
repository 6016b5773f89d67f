"""A real dialogue with a small IMAP server in this process."""

from __future__ import annotations

import re
import socketserver
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from scrapers.errors import BadParams, LoginNeeded, Unreachable
from scrapers.imports import imap
from scrapers.imports.imap import ImapSettings


class Mailbox(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Dialogue)
        self.context = context
        self.messages: dict[int, bytes] = {}
        self.validity = 7
        self.said: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def get_request(self) -> Any:
        request, address = super().get_request()
        return (self.context.wrap_socket(request, server_side=True) if self.context else request), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        return None


class Dialogue(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        self.wfile.write(b"* OK ready\r\n")
        while line := self.rfile.readline():
            tag, _, rest = line.decode().strip().partition(" ")
            self.server.said.append(rest)
            for one in self.answers(rest):
                self.wfile.write(one + b"\r\n")
            done = b" NO no such thing" if self.refused(rest) else b" OK done"
            self.wfile.write(tag.encode() + done + b"\r\n")
            if rest.upper().startswith("LOGOUT"):
                return

    def refused(self, said: str) -> bool:
        return (said.startswith("LOGIN") and "right" not in said) or (
            said.startswith("EXAMINE") and '"INBOX"' not in said
        )

    def answers(self, said: str) -> Iterator[bytes]:
        box = self.server
        if said.startswith("CAPABILITY"):
            yield b"* CAPABILITY IMAP4rev1"
        elif said.startswith("EXAMINE") and not self.refused(said):
            yield b"* %d EXISTS" % len(box.messages)
            yield b"* OK [UIDVALIDITY %d] ok" % box.validity
        elif said.startswith("UID SEARCH"):
            first = int(re.search(r"UID (\d+):", said).group(1))  # type: ignore[union-attr]
            uids = [one for one in sorted(box.messages) if one >= first] or sorted(box.messages)[-1:]
            yield b"* SEARCH " + " ".join(map(str, uids)).encode()
        elif said.startswith("UID FETCH"):
            uids = [int(one) for one in said.split()[2].split(",")]
            for uid in uids:
                raw = box.messages[uid]
                if "SIZE" in said:
                    size = 26 * 1024 * 1024 if b"huge" in raw else len(raw)
                    yield b"* %d FETCH (UID %d RFC822.SIZE %d)" % (uid, uid, size)
                else:
                    yield b"* %d FETCH (UID %d BODY[] {%d}\r\n" % (uid, uid, len(raw)) + raw + b")"
        elif said.startswith("LOGOUT"):
            yield b"* BYE"


def letter(number: int, words: str = "words") -> bytes:
    return f"From: a@example.org\r\nMessage-ID: <{number}@x>\r\nSubject: s\r\n\r\n{words} {number}\r\n".encode()


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with Mailbox() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def settings(box: Mailbox, **changed: Any) -> ImapSettings:
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": box.port,
        "user": "me",
        "password": "right",
        "tls": False,
        "timeout_seconds": 5.0,
    }
    return ImapSettings(**(values | changed))


def test_new_messages_come_once_and_nothing_is_marked_as_seen(box: Mailbox) -> None:
    box.messages = {one: letter(one) for one in range(3, 48)}
    batches = list(imap.read(settings(box), None))
    assert [len(one.rows) for one in batches] == [20, 20, 5]
    assert [row.number for row in batches[0].rows][:2] == [3, 4]
    assert batches[0].rows[0].item is not None and batches[0].rows[0].item.text == "words 3"
    assert batches[-1].state_after == {"validity": 7, "uid": 47}
    assert list(imap.read(settings(box), batches[-1].state_after)) == []
    box.messages[48] = letter(48)
    (more,) = imap.read(settings(box), batches[-1].state_after)
    assert [row.number for row in more.rows] == [48]
    assert any(one.startswith("EXAMINE") for one in box.said)
    assert not any(one.startswith(("SELECT", "STORE", "UID STORE")) or "BODY[]" in one for one in box.said)


def test_a_killed_reading_goes_on_from_its_batch(box: Mailbox) -> None:
    box.messages = {one: letter(one) for one in range(1, 31)}
    first = next(imap.read(settings(box), None))
    rest = [row.number for one in imap.read(settings(box), first.state_after) for row in one.rows]
    assert rest == list(range(21, 31))


def test_a_renumbered_folder_is_read_again_with_the_same_ids(box: Mailbox) -> None:
    box.messages = {5: letter(5)}
    (first,) = imap.read(settings(box), None)
    box.validity, box.messages = 8, {1: letter(5)}
    (again,) = imap.read(settings(box), first.state_after)
    assert first.rows[0].item is not None and again.rows[0].item is not None
    assert first.rows[0].item.external_id == again.rows[0].item.external_id == "5@x"


def test_a_bad_message_is_reported_and_the_rest_comes(box: Mailbox) -> None:
    box.messages = {1: letter(1), 2: b"no headers\r\n", 3: letter(3, "huge"), 4: letter(4)}
    (batch,) = imap.read(settings(box), None)
    assert [row.error is None for row in batch.rows] == [True, False, False, True]
    assert batch.rows[2].error == "the message is over 25 MB"


def test_wrong_password_folder_host_and_clear_text(box: Mailbox) -> None:
    with pytest.raises(LoginNeeded, match="refuses the login of me"):
        list(imap.read(settings(box, password="wrong"), None))
    with pytest.raises(BadParams, match="has no folder 'Отзывы'"):
        list(imap.read(settings(box, folder="Отзывы"), None))
    with pytest.raises(BadParams, match="without TLS is only allowed on this machine"):
        list(imap.read(settings(box, host="mail.example.org"), None))
    with pytest.raises(Unreachable):
        list(imap.read(settings(box, port=1), None))
    assert "right" not in repr(settings(box))
    assert imap.utf7("Отзывы & Co") == "&BB4EQgQ3BEsEMgRL- &- Co"


def test_over_tls_the_name_is_verified() -> None:
    authority = trustme.CA()
    context, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(trusting)
    with Mailbox(context) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        server.messages = {1: letter(1)}
        (batch,) = imap.read(settings(server, tls=True, context=trusting), None)
        assert len(batch.rows) == 1
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            list(imap.read(settings(server, tls=True), None))
        server.shutdown()
