# ruff: noqa: E501  (tables of texts)
"""Which texts a brand query means."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrapers import query, words
from scrapers.errors import BadParams, BadQuery
from scrapers.item import Item


def hit(asked: str, text: str = "", **fields: object) -> bool:
    return query.parse(asked).matches({"text": text, **fields})


class TestWords:
    @pytest.mark.parametrize(
        ("asked", "text"),
        [
            ("кофейня", "Были в кофейне на Лесной"),
            ("доставка", "ДОСТАВКОЙ недоволен"),
            ("доставить", "обещали, что доставят завтра"),
            ("елка", "купили Ёлку"),
            ("вкусвилл", "во Вкусвилле просрочка"),
            ("додо", "Додо привезли холодным"),
            ("сбербанк", "в сбербанке очередь"),
            ("coffee", "two coffees, please"),
            ("delivery", "DELIVERIES are late"),
            ("café", "the cafes nearby"),
            ("Nestle", "Nestlé again"),
            ("Müller", "beim Müllers"),
            ("5ka", "в 5ka дорого"),
            ("咖啡", "这家咖啡很好喝"),
        ],
    )
    def test_forms_are_found(self, asked: str, text: str) -> None:
        assert hit(asked, text)

    @pytest.mark.parametrize(
        ("asked", "text"),
        [
            ("банк", "накрыли муху стеклянной банкой"),
            ("кофе", "кофейная гуща"),
            ("art", "a smart start"),
            ("яндекс", "ян декс"),
            ("it", "italy"),
        ],
    )
    def test_other_words_are_not(self, asked: str, text: str) -> None:
        assert not hit(asked, text)

    def test_exact_forms_and_beginnings(self) -> None:
        assert not hit("=кофейня", "в кофейне")
        assert hit("=кофейня", "Кофейня!")
        assert hit("кофе*", "кофейная гуща")
        assert not hit("кофе*", "в кафе")

    def test_typing_errors_by_choice(self) -> None:
        assert not hit("вкусвилл", "вксувилл")
        for wrong in ("вксувилл", "вкусвил", "вкусвиллл", "фкусвилл"):
            assert hit("вкусвилл~", wrong), wrong
            assert hit("typo(вкусвилл)", wrong), wrong
        assert not hit("кот~", "код"), "short words allow none"
        assert not hit("вкусвилл~", "вкусный")

    @pytest.mark.parametrize(
        ("asked", "text"),
        [
            ("вкусвилл", "VkusVill is ok"), ("сбер", "sber app"), ("яндекс", "yandex taxi"), ("озон", "ozon"), ("starbucks", "в старбаксе"),
            ("adidas", "кроссовки адидас"), ("philips", "чайник Филипс"), ("хлеб", "hleb i sol"), ("magnit", "в Магните"),
        ],
    )  # fmt: skip
    def test_the_other_alphabet_by_choice(self, asked: str, text: str) -> None:
        assert not hit(asked, text)
        assert hit(f"translit({asked})", text)


class TestStructure:
    def test_phrases(self) -> None:
        asked = '"кофейня Полдень"'
        assert hit(asked, "сидим в кофейне «Полдень»")
        assert not hit(asked, "полдень, кофейня закрыта")
        assert hit('="Кофе Рядом"', "люблю кофе рядом")
        assert not hit('="Кофе Рядом"', "рядом кофе")
        assert hit('"кофе рядом"', "#коферядом лучшие")
        assert not hit('"кофе рядом"', "коферядом")
        assert hit('"H&M"', "shopping at H&M")
        assert hit("«кофе рядом»", "кофе рядом")

    def test_and_or_not(self) -> None:
        assert hit("кофе чай", "чай и кофе")
        assert not hit("кофе чай", "кофе")
        for either in ("кофе OR чай", "кофе | чай", "кофе ИЛИ чай", "кофе || чай"):
            assert hit(either, "чай") and not hit(either, "сок")
        for without in ("кофе NOT вакансия", "кофе -вакансия", "кофе НЕ вакансия", "кофе AND NOT вакансия"):
            assert hit(without, "кофе") and not hit(without, "кофе, вакансии бариста")
        assert hit("кофе NOT (вакансия OR аренда)", "кофе рядом")
        assert hit("a1 OR b2 c3", "a1") and not hit("a1 OR b2 c3", "b2"), "AND binds tighter"
        assert hit("кофе && чай", "кофе чай")
        assert hit("NOT NOT кофе", "кофе")
        assert hit("time-out", "время time out") and hit("ice-cream", "Ice-cream!")

    def test_near(self) -> None:
        text = "кофе был вкусный, но очередь огромная"
        assert hit("кофе NEAR/5 очередь", text)
        assert hit("очередь NEAR/5 кофе", text)
        assert not hit("кофе NEAR/3 очередь", text)
        assert hit('"вкусный кофе" РЯДОМ/2 (чай OR торт)', "вкусного кофе и торт")
        assert hit("кофе NEAR/3 кофе", "кофе и кофе") and not hit("кофе NEAR/3 кофе", "кофе")

    def test_fields(self) -> None:
        item = {
            "source": "telegram",
            "language": "ru",
            "rating": 2.0,
            "location": "ТЦ Лесная, 1",
            "kind": "post",
            "author": "Анна К.",
        }
        for asked in (
            "source:telegram", "source:tele*", "source:(vk OR telegram)", "source:(vk telegram)", "lang:RU", "language:ru-RU", "rating:2", "rating:<=2", "rating:<3",
            "rating:1..3", "rating:>=2", 'location:"Лесная, 1"', "location:лесная", "место:лесная", "kind:post", "author:анна", "rating:=2,0", "оценка:2",
        ):  # fmt: skip
            assert hit(asked, "x", **item), asked
        for asked in (
            "source:vk",
            "rating:>2",
            "rating:none",
            "rating:3..5",
            "location:лес",
            "-kind:post source:telegram",
            "lang:en",
        ):
            assert not hit(asked, "x", **item), asked
        assert hit("rating:none", "x") and hit("кофе rating:none", "кофе", rating=None)

    def test_an_item_is_asked_too_and_titles_count(self) -> None:
        item = Item(
            kind="review", external_id="1", title="Кофейня", text="ok", rating=5.0, rating_raw="5", rating_scale="1..5"
        )
        assert query.parse("кофейня rating:5").matches(item)
        assert not query.parse("чай").matches(item)

    def test_the_positive_words_are_known(self) -> None:
        assert query.parse('("кофе рядом" OR polden) NOT вакансия').words == ("кофе рядом", "polden")


class TestTrouble:
    @pytest.mark.parametrize(
        ("asked", "position", "why"),
        [
            ("", 1, "empty"),
            ("   ", 1, "empty"),
            ("(кофе", 1, "bracket is not closed"),
            ("кофе)", 5, "not expected"),
            ("кофе OR", 8, "ends where a word"),
            ("OR кофе", 1, "not expected"),
            ('кофе "рядом', 6, "quote is not closed"),
            ("цвет:синий", 1, "field 'цвет' is unknown"),
            ("rating:много", 8, "takes 2, <=2"),
            ("source:()", 8, "no value between"),
            ("source:(a", 8, "bracket is not closed"),
            ("NOT кофе", 1, "only excludes"),
            ("кофе OR -чай", 1, "only excludes"),
            ("кофе NEAR/2 (a b)", 6, "beside NEAR"),
            ("=!!", 1, "no letters or digits"),
            ("к*", 1, "needs two letters"),
            ("кофе & * чай", 8, "not understood"),
            ("(" * 50 + "a" + ")" * 50, 41, "levels of brackets"),
            ("NOT " * 2000 + "a", 161, "negations"),
        ],
    )
    def test_the_place_and_the_reason_are_named(self, asked: str, position: int, why: str) -> None:
        with pytest.raises(BadQuery, match=why.replace("(", r"\(")) as caught:
            query.parse(asked)
        assert caught.value.position == position
        assert isinstance(caught.value, BadParams)

    def test_a_very_long_query_is_refused(self) -> None:
        with pytest.raises(BadQuery, match="10000 are allowed"):
            query.parse("a " * 6000)

    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    @given(st.text(alphabet='абв ab"()-:|&~*=/<>1NEARORNOTtypo(', max_size=40), st.text(max_size=40))
    def test_any_text_is_a_query_or_a_clear_refusal(self, asked: str, text: str) -> None:
        try:
            found = query.parse(asked)
        except BadQuery as problem:
            assert 1 <= problem.position <= len(asked) + 1
            return
        assert found.matches({"text": text}) in (True, False)


def test_a_text_of_one_word_repeated_is_no_burden() -> None:
    text = "кофе " * 30_000
    assert not hit("кофе NEAR/2 очередь", text)
    assert hit("кофе NEAR/2 кофе", text)
    assert not hit('"кофе кофе чай" OR typo(очередь)', text)


class TestSpelling:
    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(st.text(max_size=60))
    def test_folding_twice_changes_nothing_and_case_does_not_matter(self, text: str) -> None:
        once = words.fold(text)
        assert words.fold(once) == once
        assert [one.word for one in words.split(text)] == [one.word for one in words.split(once)]

    def test_transliterations_stay_few(self) -> None:
        assert len(words.transliterations("щщщщщщщщщщщщ")) <= 400
        assert len(words.transliterations("aeiouaeiouaeiou")) <= 400
        assert words.transliterations("123") == frozenset()
