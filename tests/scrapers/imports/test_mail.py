# ruff: noqa: E501  (messages)
"""What a customer wrote in a message, without headers, quotes and signatures."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from scrapers import imports, registry
from scrapers.base import Page
from scrapers.imports import mail

FILES = Path(__file__).parent.parent / "files"


def test_a_message_in_an_old_encoding() -> None:
    item = mail.message((FILES / "complaint.eml").read_bytes())
    assert (item.kind, item.external_id, item.title) == ("ticket", "abc-1@example.org", "Заказ № 42")
    assert item.text == "Где мой заказ?\nЖду вторую неделю."
    assert (item.author, item.author_id, item.parent_id) == ("Ольга", "olga@example.org", "zero@shop.example")
    assert item.published_at == datetime(2026, 11, 18, 18, 5, tzinfo=UTC)


def test_a_saved_message_is_read_without_its_signature() -> None:
    page = Page((FILES / "complaint.eml").read_bytes(), url="", fetched_at=datetime(2026, 11, 20, tzinfo=UTC))
    (item,) = registry.get("eml").parse(page).items
    assert item.text == "Где мой заказ?\nЖду вторую неделю."


def test_html_only_without_the_quoted_part() -> None:
    raw = (
        b"From: a@example.org\nSubject: Re: hi\nContent-Type: text/html; charset=utf-8\nAuto-Submitted: auto-replied\n\n"
        b'<p>Still <b>broken</b>.</p><div class="gmail_quote">On Monday you wrote: <blockquote>old</blockquote></div>'
    )
    item = mail.message(raw)
    assert item.text == "Still broken."
    assert item.flags == {"automatic"}
    assert item.published_at is None


def test_attachments_are_left_out() -> None:
    raw = (
        b'From: a@example.org\nSubject: s\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: text/plain\n\nthe words\n'
        b"--b\nContent-Type: text/plain\nContent-Disposition: attachment; filename=log.txt\n\nsecret log\n--b--\n"
    )
    assert mail.message(raw).text == "the words"


def test_what_is_no_message_is_said_to_be_none() -> None:
    with pytest.raises(ValueError, match="none of the headers"):
        mail.message(b"just words\n")


def test_a_mailbox_with_a_broken_message(tmp_path: Path) -> None:
    file = tmp_path / "box.mbox"
    file.write_bytes(
        b"From a Mon\nFrom: a@example.org\nSubject: one\nMessage-ID: <1@x>\n\nfirst\n>From here on\n\n"
        b"From b Tue\n\nno headers at all\n\nFrom c Wed\nFrom: c@example.org\nMessage-ID: <2@x>\nSubject: two\n\nsecond\n"
    )
    rows = list(imports.read(file))
    assert [(one.number, one.error is None) for one in rows] == [(1, True), (2, False), (3, True)]
    assert rows[0].item is not None and rows[0].item.text == "first\nFrom here on"
