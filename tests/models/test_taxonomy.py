from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import ModelError
from models.labels import TOPICS as LABELS
from models.taxonomy import TOPICS, Lexicon, lexicon, taxonomy
from models.taxonomy.topics import HERE, read_yaml


def test_every_topic_has_a_place_in_the_journey_and_names_in_both_languages() -> None:
    found = taxonomy()
    assert tuple(found.topics) == TOPICS == tuple(LABELS) == lexicon().topics
    for topic in found.topics.values():
        for text in (topic.names, topic.about, topic.touchpoint):
            assert set(text) == {"ru", "en"}
        assert topic.stage in found.stages
        assert topic.experience in found.experiences


def test_a_file_of_ones_own_overrides_blocks_and_adds_topics(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "topics:\n  price: {stage: purchase}\n  parking:\n    name: {ru: Парковка, en: Parking}\n"
        "    about: {en: parking}\n    stage: purchase\n    touchpoint: {en: car park}\n    experience: physical\n",
        encoding="utf-8",
    )
    found = taxonomy(own)
    assert found["price"].stage == "purchase"
    assert found["price"].name("ru") == "Цена"
    assert found["parking"].name("de") == "Parking"
    assert taxonomy()["price"].stage == "consideration"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("topics:\n  price: {stage: paying}\n", "stage is 'paying'; allowed: awareness"),
        ("topics:\n  parking: {stage: purchase}\n", "'parking' lacks 'name'"),
        ("topics:\n  price: {colour: red}\n", "unknown key 'colour'"),
        ("words: {}\n", "unknown section 'words'"),
        ("- a\n", "a mapping is expected"),
        ("a: [", "not YAML"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, content: str, message: str) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=message) as caught:
        taxonomy(own)
    assert "own.yaml" in str(caught.value)


def test_an_unknown_topic_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"'colour'.*delivery"):
        taxonomy()["colour"]


@pytest.mark.parametrize(
    ("language", "text", "topics"),
    [
        ("ru", "Курьер опоздал на час", {"delivery", "waiting"}),
        ("ru", "Пришёл заказ без чека", {"delivery"}),
        ("en", "It didn’t arrive", {"delivery"}),
        ("en", "Our waiter was kind", {"staff"}),
        ("en", "rip - off", {"price"}),
        ("uk", "Кур’єр не приїхав", {"delivery"}),
        ("ar", "والتوصيل تأخر", {"delivery", "waiting"}),
        ("zh", "快递很慢", {"delivery"}),
        ("hi", "डिलीवरी खराब", {"delivery"}),
        ("en", "nothing to see here", set()),
        ("xx", "the courier", {"delivery"}),
        (None, "курьер нахамил", {"delivery", "staff"}),
        (None, "快递很慢", {"delivery"}),
    ],
)
def test_words_give_topics_away(language: str | None, text: str, topics: set[str]) -> None:
    assert lexicon().topics_of(text, language) >= topics
    if not topics:
        assert lexicon().topics_of(text, language) == frozenset()


def test_a_term_without_a_star_is_the_exact_word() -> None:
    words = Lexicon({"delivery": {"en": ["ship", "deliver*", "late deliver*"]}, "waiting": {"en": ["waited * hours"]}})
    assert words.topics_of("the ship", "en") == {"delivery"}
    assert words.topics_of("the shipwreck", "en") == frozenset()
    assert words.topics_of("delivered", "en") == {"delivery"}
    assert [hit.term for hit in words.find("late, delivery", "en")] == ["deliver*"], "a phrase does not jump a comma"
    assert words.topics_of("We waited three hours", "en") == {"waiting"}, "a star alone is any one word"
    assert words.topics_of("We waited hours", "en") == frozenset()


def test_hits_point_into_the_text_as_written() -> None:
    text = "İyi, ama KARGO geç geldi; ‘kargo’"
    for hit in lexicon().find(text, "tr"):
        assert text[hit.start : hit.end].lower().replace("i̇", "i")[0] == hit.term[0]
    assert any(text[hit.start : hit.end] == "KARGO" for hit in lexicon().find(text, "tr"))


def test_general_is_said_only_where_nothing_else_is() -> None:
    words = Lexicon({"price": {"en": ["price"]}, "general": {"en": ["recommend"]}})
    assert words.topics_of("I recommend it", "en") == {"general"}
    assert words.topics_of("I recommend it for the price", "en") == {"price"}


def test_every_term_of_the_lexicon_finds_itself() -> None:
    raw = read_yaml(HERE / "lexicon.yaml")
    words = lexicon()
    lost = [
        (topic, language, term)
        for topic, by_language in raw["topics"].items()
        for language, terms in by_language.items()
        for term in terms
        if not any(
            hit.term == term.lower() or topic == hit.topic
            for hit in words.find(term.replace(" * ", " one ").replace("*", ""), language)
        )
        and topic != "general"
    ]
    assert lost == []
