"""A brand beside its competitors: what they are praised for and we are blamed for stands out, few mentions do not."""

from __future__ import annotations

from datetime import timedelta

from tests.monitor import support
from tests.monitor.web.conftest import House


def told(house: House, brand: str, word: str, n: int) -> None:
    house.add(
        *(support.item(f"{brand}{word}{number}", word, at=support.NOW - timedelta(days=number % 20, hours=2))
          for number in range(n)),
        brand=brand,
    )  # fmt: skip


def test_what_they_are_praised_for_and_we_are_blamed_for_is_marked(house: House) -> None:
    told(house, "cafe", "холодный суп, cold, ужас", 20)
    told(house, "rival", "очень вкусно", 20)
    (rival,) = house.as_("viewer").get("/api/v1/rivals?brand=cafe").json()
    assert rival["brand"] == "rival"
    (food,) = [one for one in rival["topics"] if one["topic"] == "food"]
    assert food["envied"] and food["clear"] and food["interval"]["high"] < 0
    assert food["own"]["value"] < 0 < food["other"]["value"]
    page = house.as_("viewer").get("/competitors?brand=cafe", headers={"accept-language": "en"}).text
    assert "They are praised and we are blamed for" in page and "Share of voice" in page
    other = house.as_("viewer").get("/api/v1/rivals?brand=rival").json()[0]
    assert not any(one["envied"] for one in other["topics"])  # seen from their side nothing is to be envied


def test_few_mentions_on_one_side_are_not_compared(house: House) -> None:
    told(house, "cafe", "холодный суп, cold, ужас", 20)
    told(house, "rival", "очень вкусно", 14)
    assert house.as_("viewer").get("/api/v1/rivals?brand=cafe").json()[0]["topics"] == []
