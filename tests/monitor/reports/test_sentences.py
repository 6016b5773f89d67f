"""What the report says, and what it keeps silent about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.i18n import UnknownLanguage, translator
from monitor.metrics.metric import Interval
from monitor.metrics.sentiment import Tally
from monitor.reports import facts as found
from monitor.reports.facts import facts, fraction_of, rise_began
from monitor.reports.sentences import between, fraction, isolated, sentences, topic_in_sentence, two_shares
from monitor.reports.weekly import BrandLine, Line, Part, PlaceLine, TopicLine, WeeklyData
from tests.monitor.reports.sample_week import a_quiet_week, a_week, an_empty_week, names


def texts(data: WeeklyData, language: str = "en") -> list[str]:
    return [str(sentence) for sentence in sentences(data, language)]


def test_the_planted_incident_is_told_with_its_numbers() -> None:
    wanted = (
        "Complaints about waiting rose from 12 to 31 (+19, interval 7 to 34), two thirds from Мира 12, mostly 2GIS, "
        "since Thursday."
    )
    assert wanted in texts(a_week())


def test_the_same_in_russian() -> None:
    wanted = (
        "Жалоб по теме «Ожидание» стало больше: было 12, стало 31 (+19, интервал от 7 до 34), "
        "две трети\u00a0— Мира 12, в основном 2GIS, с четверга."
    )
    assert wanted in texts(a_week(), "ru")


@pytest.mark.parametrize("language", ["en", "ru"])
def test_at_most_ten_and_each_language_says_the_same_facts(language: str) -> None:
    said = sentences(a_week(), language)
    assert 3 <= len(said) <= 10
    assert [sentence.kind for sentence in said] == [sentence.kind for sentence in sentences(a_week(), "en")]
    assert all(sentence.text.endswith(".") and "{" not in sentence.text for sentence in said)


def test_what_is_unclear_is_said_as_no_clear_change() -> None:
    said = texts(a_quiet_week())
    assert "no clear change" in said[0]
    assert "no clear change from 25%" in said[1]
    assert said[2].startswith("No clear change in complaints on any topic; the largest move was staff, from 4 to 5")
    assert len(said) == 3


def test_an_empty_week_says_so() -> None:
    assert texts(an_empty_week()) == ["No mentions this week."]
    dropped = replace(an_empty_week(), total=Line("total", names("", ""), before=Tally(5, 5, 5)))
    assert texts(dropped, "ru") == ["За неделю упоминаний нет, за прошлую было 15."]


def test_gaps_come_before_findings_and_weeks_with_gaps_are_compared_per_hour() -> None:
    kinds = [sentence.kind for sentence in sentences(a_week(), "en")]
    assert kinds.index("not_collected") == 2
    half = replace(a_week(), coverage_now=0.6, gaps=())
    assert any("Only 60% of the week was collected; counts are compared per collected hour." in s for s in texts(half))
    waiting = next(fact for fact in facts(half) if isinstance(fact, found.TopicChange) and not fact.praise)
    full = next(fact for fact in facts(a_week()) if isinstance(fact, found.TopicChange) and not fact.praise)
    assert waiting.change.low > full.change.low


def test_weeks_that_were_hardly_collected_are_not_compared() -> None:
    data = replace(a_week(), coverage_now=0.3)
    assert not any(isinstance(fact, found.TopicChange) for fact in facts(data))
    assert "too little was collected to compare" in texts(data)[0]


def test_rejected_incidents_are_not_told() -> None:
    incident = replace(a_week().incidents[0], verdict="rejected")
    assert not any(isinstance(fact, found.Incidents) for fact in facts(replace(a_week(), incidents=(incident,))))


def test_a_rise_in_step_with_volume_says_so() -> None:
    """Complaints doubled because everything doubled."""
    line = Line("staff", names("Персонал", "Staff"), Tally(40, 10, 60), Tally(18, 6, 28), (Tally(18, 6, 28),) * 8)
    total = Line("total", names("", ""), Tally(80, 60, 160), Tally(40, 30, 80), (Tally(40, 30, 80),) * 8)
    data = replace(a_quiet_week(), total=total, topics=(TopicLine(line),))
    (told,) = [s for s in texts(data) if s.startswith("Complaints about staff rose")]
    assert told.endswith("; as a share of all mentions there is no clear change.")


def test_among_twenty_quiet_topics_nothing_is_found_in_most_weeks() -> None:
    """Two weeks of the same twenty Poisson topics, 300 times: a false sentence in at most 5 of 100 (and a bit)."""
    rng = np.random.default_rng(3)
    n_false = 0
    for _ in range(300):
        topics = []
        for i in range(20):
            now, before = (int(n) for n in rng.poisson(15, 2))
            past = tuple(Tally(int(n), 0, 0) for n in rng.poisson(15, 8))
            topics.append(TopicLine(Line(str(i), names(str(i), str(i)), Tally(now, 0, 0), Tally(before, 0, 0), past)))
        total = Line("total", names("", ""), Tally(300, 100, 300), Tally(300, 100, 300), (Tally(300, 100, 300),) * 8)
        data = replace(a_quiet_week(), total=total, topics=tuple(topics))
        n_false += any(isinstance(fact, found.TopicChange) for fact in facts(data))
    assert n_false <= 0.07 * 300


def test_a_clumped_topic_that_doubles_is_no_news() -> None:
    """12 to 31 in a series that swings between 5 and 45 by itself."""
    past = tuple(Tally(n, 0, 0) for n in (5, 44, 9, 31, 6, 45, 20, 12))
    line = Line("app", names("Приложение", "App"), Tally(31, 5, 5), Tally(12, 5, 5), past)
    total = Line("total", names("", ""), Tally(100, 100, 100), Tally(100, 100, 100), (Tally(100, 100, 100),) * 8)
    data = replace(a_quiet_week(), total=total, topics=(TopicLine(line),))
    assert not any(isinstance(fact, found.TopicChange) for fact in facts(data))


@pytest.mark.parametrize(("now", "n_past", "told"), [(31, 3, False), (31, 4, True), (80, 3, True)])
def test_in_the_first_weeks_only_a_large_change_is_news(now: int, n_past: int, told: bool) -> None:
    """12 to 31 complaints where nobody knows yet how much they swing, and where four steady weeks tell; 12 to 80."""
    past = tuple(Tally(n, 0, 0) for n in (11, 13, 12, 12)[-n_past:])
    line = Line("app", names("Приложение", "App"), Tally(now, 5, 5), Tally(12, 5, 5), past)
    data = replace(a_quiet_week(), topics=(TopicLine(line),))
    assert any(isinstance(fact, found.TopicChange) for fact in facts(data)) is told


def test_a_place_whose_share_swings_by_itself_is_no_news() -> None:
    """14 to 41 complaints of 100: news in a place that is steady, none in one that had as many weeks ago."""
    steady = tuple(Tally(n, 0, 100 - n) for n in (14, 15, 13, 16, 14, 12, 15, 14))
    swings = tuple(Tally(n, 0, 100 - n) for n in (14, 44, 9, 38, 6, 45, 20, 14))
    other = PlaceLine(Line("B", names("B", "B"), Tally(20, 0, 80), Tally(20, 0, 80), (Tally(20, 0, 80),) * 8))
    told = []
    for past in (steady, swings):
        place = PlaceLine(Line("A", names("A", "A"), Tally(41, 0, 59), Tally(14, 0, 86), past))
        data = replace(a_quiet_week(), places=(place, other))
        told.append(any(isinstance(fact, found.ShareChange | found.StandsOut) for fact in facts(data)))
    assert told == [True, False]


def test_the_largest_branch_is_not_blamed_for_being_large() -> None:
    """60 % of complaints from a place with 60 % of all mentions is no news; from one with 20 %, it is."""
    usual = (Part("Big", 24, 10, 600), Part("Small", 16, 8, 400))
    assert fraction_of(usual, need_more_than_usual=True) is None
    odd = (Part("Big", 16, 10, 800), Part("Small", 24, 8, 200))
    part = fraction_of(odd, need_more_than_usual=True)
    assert part is not None
    assert (part.name, part.share) == ("Small", 0.6)


def test_a_part_needs_enough_complaints_and_company() -> None:
    assert fraction_of((Part("A", 4, 0, 5), Part("B", 0, 0, 5)), need_more_than_usual=False) is None
    assert fraction_of((Part("A", 40, 0, 50),), need_more_than_usual=False) is None
    assert fraction_of((Part("A", 3, 0, 50), Part("B", 3, 0, 50)), need_more_than_usual=False) is None


def test_the_day_a_rise_began() -> None:
    assert rise_began((1, 1, 1, 8, 9, 8, 7), (1, 2, 1, 1, 2, 1, 1)) == 3
    assert rise_began((6, 7, 6, 8, 7, 6, 7), (2, 2, 2, 2, 2, 2, 2)) is None  # all week
    assert rise_began((1, 1, 1, 1, 1, 1, 1), (2, 2, 2, 2, 2, 2, 2)) is None  # no rise
    assert rise_began((1, 1, 1, 8, 9, 8, 7), (1, 2, 1, 1, 2, 1, 1), spread=20) is None
    assert rise_began((0,) * 7, (0,) * 7) is None
    assert rise_began((2, 2, 2, 2, 2, 9, 9), (1, 1, 1, 1, 1, 4, 4), usual=(9, 9, 9, 9, 9, 40, 40)) is None  # weekend


def test_praise_counts_as_good_news() -> None:
    line = Line("staff", names("Персонал", "Staff"), Tally(5, 5, 60), Tally(5, 5, 20), (Tally(5, 5, 20),) * 8)
    total = Line("total", names("", ""), Tally(100, 50, 200), Tally(100, 50, 200), (Tally(100, 50, 200),) * 8)
    data = replace(a_quiet_week(), total=total, topics=(TopicLine(line),))
    told = [s for s in sentences(data, "en") if s.text.startswith("Praise for staff rose from 20 to 60")]
    assert [s.tone for s in told] == ["better"]


def test_a_rival_is_named_only_when_the_difference_is_clear() -> None:
    near = (
        BrandLine("Own", True, Tally(20, 10, 30), Tally(20, 10, 30)),
        BrandLine("Rival", False, Tally(19, 11, 31), Tally()),
    )
    far = (near[0], BrandLine("Rival", False, Tally(2, 10, 80), Tally()))
    assert not any("Rival" in s for s in texts(replace(a_quiet_week(), brands=near)))
    assert any("clearly below Rival" in s for s in texts(replace(a_quiet_week(), brands=far)))


def test_fractions_are_words_only_when_exact() -> None:
    t = translator("en")
    assert [fraction(t, share) for share in (1.0, 0.67, 0.5, 0.75, 0.58, 0.99)] == [
        "all", "two thirds", "half", "three quarters", "58%", "99%",
    ]  # fmt: skip


def test_an_interval_that_excludes_zero_never_shows_zero() -> None:
    t = translator("en")
    assert between(t, Interval(0.4, 15.3)) == "0.4 to 15.3"
    assert between(t, Interval(-15.3, -0.04)) == "−15.3 to −0.04"
    assert between(t, Interval(-0.4, 15.3)) == "0 to 15"


def test_topics_inside_a_sentence() -> None:
    assert topic_in_sentence("Waiting", "en") == "waiting"
    assert topic_in_sentence("App", "en") == "app"
    assert topic_in_sentence("NPS", "en") == "NPS"
    assert topic_in_sentence("Ожидание", "ru") == "«Ожидание»"


def test_an_unknown_language_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(UnknownLanguage, match="en, ru"):
        sentences(a_week(), "xx")


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (0.24, 0.32, ("24%", "32%", "+8")),
        (0.206, 0.554, ("20.6%", "55.4%", "+34.8")),  # 21 to 55 is not 35
        (0.302, 0.297, ("30.2%", "29.7%", "−0.5")),
        (4 / 15, 45 / 63, ("26.7%", "71.4%", "+44.7")),  # and no second decimal
    ],
)
def test_points_are_the_difference_of_the_shares_told(before: float, now: float, told: tuple[str, str, str]) -> None:
    assert two_shares(translator("en"), before, now) == told


def test_a_name_written_from_the_right_keeps_its_direction_to_itself() -> None:
    assert isolated("فرع المطار") == "\u2068فرع المطار\u2069"
    assert isolated("Мира 12") == "Мира 12"
