"""Signed links: only ours, only for what they say, only until they end."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.links import ACTIONS, Grant, leaving, links, read, token
from alerts.message import LinkKind

NOW = dt.datetime(2026, 11, 16, 9, 30, tzinfo=dt.UTC)
SECRET = b"0123456789abcdef0123456789abcdef"
GRANT = Grant(LinkKind.MUTE, "a1b2", "мама mail", NOW + dt.timedelta(days=7))


def test_a_token_says_what_it_grants_and_ends() -> None:
    told = read(token(GRANT, secret=SECRET), secret=SECRET)
    assert told == GRANT
    assert not told.expired(NOW) and told.expired(NOW + dt.timedelta(days=7))


def test_a_token_of_another_secret_is_nothing() -> None:
    assert read(token(GRANT, secret=b"other"), secret=SECRET) is None


@given(st.data())
def test_no_changed_token_passes(data: st.DataObject) -> None:
    right = token(GRANT, secret=SECRET)
    n = data.draw(st.integers(0, len(right) - 1))
    char = data.draw(st.characters())
    changed = right[:n] + char + right[n + 1 :]
    told = read(changed, secret=SECRET)
    assert told is None or told == GRANT  # the last bits of base64 carry nothing


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    assert read(text, secret=SECRET) is None


@pytest.mark.parametrize(
    "values", ['["dance","1","x",1]', '["mute","1","x"]', '{"a":1}', '["mute","1","x",1e99]', "null"]
)
def test_signed_nonsense_is_nothing(values: str) -> None:
    from alerts import links as module

    body = module._encode(values.encode())
    assert read(f"{body}.{module._encode(module._signature(body, SECRET))}", secret=SECRET) is None


def test_the_buttons_of_a_message() -> None:
    made = links("https://monitor.example/", "a1b2", secret=SECRET, now=NOW, sent_to="mail")
    assert [link.kind for link in made] == list(ACTIONS)
    for link in made:
        head, _, text = link.url.rpartition("/")
        assert head == "https://monitor.example/a" and text.isascii()
        grant = read(text, secret=SECRET)
        assert grant is not None and (grant.action, grant.about, grant.sent_to) == (link.kind, "a1b2", "mail")


def test_the_link_of_one_recipient_lasts_longer_than_a_mailbox_is_cleaned() -> None:
    url = leaving("https://monitor.example/", "Аня+a@luna.example", channel="mail", secret=SECRET, now=NOW)
    head, _, text = url.rpartition("/")
    grant = read(text, secret=SECRET)
    assert (head, text.isascii()) == ("https://monitor.example/u", True)
    assert grant is not None
    assert (grant.action, grant.about, grant.sent_to) == (LinkKind.UNSUBSCRIBE, "Аня+a@luna.example", "mail")
    assert not grant.expired(NOW + dt.timedelta(days=365))
