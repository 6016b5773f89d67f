"""A real dialogue with a small IMAP server in this process."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from scrapers.errors import BadParams, LoginNeeded, Unreachable
from scrapers.imports import imap
from scrapers.imports.imap import ImapSettings
from tests.scrapers.imports.mailbox import Mailbox, letter


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
