"""The filter of the address: what goes in comes out, and what makes no sense is said."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from monitor.web import filters
from monitor.web.errors import BadRequest
from monitor.web.filters import Filter
from tests.monitor import support
from tests.monitor.web.conftest import House

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)
MANY = st.lists(NAMES, max_size=3, unique=True).map(tuple)


@given(
    st.builds(
        Filter, brand=st.sampled_from(["", "cafe"]), period=st.sampled_from(sorted(filters.PERIODS)),
        q=NAMES.map(str.strip), source=MANY, topic=MANY, location=MANY, language=MANY, stage=MANY,
        sentiment=st.sampled_from([(), ("negative",), ("positive", "neutral")]),
        rating=st.sampled_from([(), ("1",), ("5", "4")]), corrected=st.booleans(), copies=st.booleans(),
    )
)  # fmt: skip
def test_a_filter_survives_its_own_address(wanted: Filter) -> None:
    assert filters.parse(QueryParams(wanted.query().lstrip("?"))) == wanted


@given(NAMES)
def test_toggling_twice_changes_nothing(value: str) -> None:
    start = Filter(brand="cafe", topic=("price",))
    assert start.toggled("location", value).toggled("location", value) == start
    assert start.only("topic", value).only("topic", value).topic == ()


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("period=2w", "period='2w': allowed: 7d"), ("sentiment=bad", "allowed: negative, neutral, positive"),
        ("rating=6", "allowed: 1, 2"), ("from=2026-11-01", "give both"), ("from=x&to=y", "write a day as 2026-11-22"),
        ("from=2026-11-02&to=2026-11-01", "must not be later"), ("from=0001-01-01&to=2026-01-01", "year between"),
        ("q=" + "x" * 301, "at most 300"), ("&".join(f"topic={n}" for n in range(51)), "at most 50"),
        ("q=%00", "no text"), ("kind=poem", "kind='poem'"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_named(house: House, query: str, says: str) -> None:
    with pytest.raises(BadRequest, match=says.replace("=", "=")):
        filters.parse(QueryParams(query))
    answer = house.as_("viewer").get(f"/?{query}")
    assert answer.status_code == 422
    api = house.as_("viewer").get(f"/api/v1/overview?{query}")
    assert api.status_code == 422
    assert api.headers["content-type"] == "application/problem+json"


def test_a_span_is_of_local_days_and_ends_with_the_hour() -> None:
    zone = ZoneInfo("Europe/Moscow")
    now = datetime(2026, 11, 20, 12, 20, tzinfo=UTC)
    start, end = Filter(period="7d").span(now, zone)
    assert start == datetime(2026, 11, 13, 21, tzinfo=UTC)
    assert end == datetime(2026, 11, 20, 13, tzinfo=UTC)
    whole = Filter(since=date(2026, 11, 1), until=date(2026, 11, 2)).span(now, zone)
    assert whole == (datetime(2026, 10, 31, 21, tzinfo=UTC), datetime(2026, 11, 2, 21, tzinfo=UTC))
    future = Filter(since=date(2030, 1, 1), until=date(2030, 1, 2)).span(now, zone)
    assert future[1] - future[0] == timedelta(hours=1)  # nothing there, and no negative span


def test_an_unknown_value_selects_nothing_rather_than_everything(house: House) -> None:
    client = house.as_("viewer")
    for query in ("source=none", "stage=none", "topic=none", "location=none"):
        assert client.get(f"/api/v1/overview?period=90d&{query}").json()["volume"]["n"] == 0, query
    assert client.get("/api/v1/overview?brand=none").status_code == 404


def test_links_of_a_page_keep_the_rest_of_the_filter(house: House) -> None:
    house.add(support.item("loc", "bad", location="Мира 12", rating=1.0))
    page = house.as_("viewer").get("/?period=90d&sentiment=negative").text
    assert "period=90d&amp;location=%D0%9C%D0%B8%D1%80%D0%B0+12&amp;sentiment=negative" in page
