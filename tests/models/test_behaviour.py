"""What the shipped model must get right: clear texts, negation, contrast, opposite sentiments, invariances."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from models.base import Judgement
from models.scorer import ModelScorer, load

# language -> (a clearly good text, a clearly bad one)
CLEAR = {
    "en": ("Great service, friendly staff, I will come back!", "Terrible service, the staff were rude, never again."),
    "ru": ("Отличный сервис, вежливый персонал, всем советую!", "Ужасный сервис, персонал хамит, больше ни ногой."),
    "uk": ("Чудовий сервіс, дуже смачно, рекомендую!", "Жахливе обслуговування, гроші на вітер."),
    "kk": ("Өте жақсы, маған қатты ұнады, рахмет!", "Өте нашар, ақшама өкіндім, мүлдем ұнамады."),
    "de": ("Super Service, sehr freundlich, gerne wieder!", "Schrecklicher Service, unfreundlich, nie wieder."),
    "fr": ("Excellent service, personnel aimable, je recommande !", "Service horrible, personnel impoli, à éviter."),
    "es": ("Excelente servicio, muy amables, lo recomiendo", "Pésimo servicio, maleducados, no vuelvo nunca más"),
    "it": ("Ottimo servizio, personale gentile, consigliato!", "Servizio pessimo, personale scortese, mai più."),
    "pt": ("Ótimo atendimento, muito bom, recomendo!", "Péssimo atendimento, horrível, não recomendo."),
    "tr": ("Harika bir hizmet, çok memnun kaldım, tavsiye ederim", "Berbat bir hizmet, hiç memnun kalmadım, almayın"),
    "zh": ("服务非常好，味道很棒，下次还来！", "服务太差了，难吃，再也不来了。"),
    "ja": (
        "とても美味しくて、スタッフも親切でした。また来たいです",
        "最悪でした。スタッフの態度も悪く、二度と行きません",
    ),
    "ar": ("خدمة ممتازة وطعام رائع أنصح به", "خدمة سيئة جدا ولا أنصح به أبدا"),
    "vi": ("Dịch vụ rất tốt, đồ ăn ngon, sẽ quay lại", "Dịch vụ quá tệ, đồ ăn dở, không bao giờ quay lại"),
    "id": ("Pelayanan sangat bagus, makanan enak, puas sekali", "Pelayanan buruk sekali, makanan tidak enak, kecewa"),
    "pl": ("Świetna obsługa, bardzo smaczne, polecam!", "Fatalna obsługa, okropne jedzenie, nie polecam."),
    "bn": ("খাবারটা দারুণ ছিল, সবাই খুব আন্তরিক, আবার আসব", "খাবার একেবারে জঘন্য, আর কখনো আসব না"),
    "mr": ("जेवण अप्रतिम होते, कर्मचारी खूप प्रेमळ, नक्की या", "जेवण अगदी बेचव, कर्मचारी उद्धट, पुन्हा येणार नाही"),
    "ro": (
        "Mâncare excelentă, personal amabil, recomand cu drag",
        "Mâncare oribilă, personal nepoliticos, nu mai vin niciodată",
    ),
    "da": ("Fantastisk mad og sødt personale, vi kommer igen", "Forfærdelig mad og uforskammet personale, aldrig mere"),
    "eu": (
        "Janaria bikaina eta langileak oso atseginak, gomendatzen dut",
        "Janari txarra eta langile zakarrak, ez naiz itzuliko",
    ),
    "hi": ("खाना लाजवाब, स्टाफ बहुत अच्छा, ज़रूर जाएँ", "खाना बहुत बेकार, स्टाफ बदतमीज़, कभी नहीं जाऊँगा"),
    "hu": (
        "Isteni finom étel, kedves személyzet, ajánlom mindenkinek",
        "Borzalmas étel, bunkó személyzet, soha többet",
    ),
    "cs": ("Výborné jídlo, milá obsluha, doporučuji všem", "Hrozné jídlo, drzá obsluha, už nikdy víc"),
}


@pytest.fixture(scope="module")
def shipped() -> ModelScorer:
    return load()


def one(scorer: ModelScorer, text: str) -> Judgement:
    return scorer.score([text])[0]


# Single texts may fail (docs/models.md lists those that do); these shares may not fall.


def test_clear_texts_are_told_apart_in_many_languages(shipped: ModelScorer) -> None:
    right, order = 0, 0
    for language, (good, bad) in CLEAR.items():
        well, ill = shipped.score([good, bad])
        right += (well.sentiment == "positive") + (ill.sentiment == "negative")
        order += well.p_positive - well.p_negative > ill.p_positive - ill.p_negative
        assert well.language == ill.language == language
    assert order == len(CLEAR), "the good text is always nearer to positive than the bad one"
    assert right >= 0.9 * 2 * len(CLEAR)


NEGATED = [
    ("The food is good", "The food is not good"),
    ("I recommend this shop", "I do not recommend this shop"),
    ("Мне понравилось", "Мне не понравилось"),
    ("Советую эту доставку", "Не советую эту доставку"),
    ("Das Essen war gut", "Das Essen war nicht gut"),
    ("Me gusta", "No me gusta nada"),
    ("Je recommande", "Je ne recommande pas"),
    ("好吃", "不好吃"),
]


def test_negation_turns_the_judgement(shipped: ModelScorer) -> None:
    turned = 0
    for plain, negated in NEGATED:
        before, after = shipped.score([plain, negated])
        shift = (before.p_positive - before.p_negative) - (after.p_positive - after.p_negative)
        assert shift > 0, f"{negated!r} is judged no worse than {plain!r}"
        turned += shift > 0.3 and after.sentiment == "negative"
    assert turned >= 7


def everyday() -> list[tuple[str, set[str], dict[str, str]]]:
    """(text, verdicts that are fair, sentiments of its topics), see `python -m benchmarks.phrases`."""
    found = []
    for entries in yaml.safe_load((Path(__file__).parent / "phrases.yaml").read_text(encoding="utf-8")).values():
        for text, expected in entries.items():
            said = expected if isinstance(expected, dict) else {"verdict": expected}
            found.append((text, set(said["verdict"].split("|")), said.get("topics", {})))
    return found


def test_everyday_phrases_are_taken_as_a_reader_takes_them(shipped: ModelScorer) -> None:
    phrases = everyday()
    judged = shipped.score([text for text, _, _ in phrases])
    right = [one.sentiment in verdicts for one, (_, verdicts, _) in zip(judged, phrases, strict=True)]
    assert len(phrases) >= 150
    assert sum(right) / len(right) >= 0.8
    topical = [
        topics.items() <= {tag.topic: tag.sentiment for tag in one.topics}.items()
        for one, (_, _, topics) in zip(judged, phrases, strict=True)
        if topics
    ]
    assert sum(topical) / len(topical) >= 0.7


OPPOSITE: list[tuple[str, dict[str, str]]] = [
    ("The food was delicious, but the waiter was rude.", {"food": "positive", "staff": "negative"}),
    ("Great location but the room was dirty", {"location": "positive", "cleanliness": "negative"}),
    ("Еда вкусная, но официант хамил.", {"food": "positive", "staff": "negative"}),
    ("Телефон отличный, но доставка ужасная", {"quality": "positive", "delivery": "negative"}),
    ("Das Essen war lecker, aber die Bedienung war unfreundlich.", {"food": "positive", "staff": "negative"}),
    ("La comida estaba muy rica, pero el precio es muy caro.", {"food": "positive", "price": "negative"}),
    ("菜很好吃，但是服务员态度很差。", {"food": "positive", "staff": "negative"}),
    ("Расположение удобное, номер грязный.", {"location": "positive", "cleanliness": "negative"}),
    ("Такси приехало быстро, водитель хам.", {"waiting": "positive", "staff": "negative"}),
]


def test_opposite_sentiments_of_topics_in_one_text(shipped: ModelScorer) -> None:
    whole = 0
    for text, topics in OPPOSITE:
        found = {tag.topic: tag.sentiment for tag in one(shipped, text).topics}
        whole += all(found.get(topic) == sentiment for topic, sentiment in topics.items())
    assert whole >= 6


def test_one_thing_in_one_clause_sounds_as_the_text_does(shipped: ModelScorer) -> None:
    for text, topic in {
        "Never had a problem with support": "support",
        "Never had a problem with the queue": "waiting",
        "No complaints about support": "support",
        "Без единой проблемы: приложение": "app",
        "Best notes app I tried in 9 years": "app",
    }.items():
        assert {tag.topic: tag.sentiment for tag in one(shipped, text).topics}[topic] == "positive", text


@pytest.mark.parametrize(
    ("text", "worse"),
    [
        ("It is cheap and works fine.", "It is cheap and works fine, but it broke after two days."),
        ("Красивая упаковка.", "Красивая упаковка, но внутри всё разбито, деньги не вернули."),
        ("Das Hotel ist schön.", "Das Hotel ist schön, aber das Zimmer war dreckig und laut."),
    ],
)
def test_what_follows_but_weighs(shipped: ModelScorer, text: str, worse: str) -> None:
    assert one(shipped, worse).p_negative > one(shipped, text).p_negative + 0.05


SAMPLE = [text for pair in CLEAR.values() for text in pair]


def shifts(scorer: ModelScorer, changed: list[str]) -> tuple[int, float]:
    """(how many judgements flip, the mean change of p_positive)."""
    before, after = scorer.score(SAMPLE), scorer.score(changed)
    flips = sum(a.sentiment != b.sentiment for a, b in zip(before, after, strict=True))
    moved = sum(abs(a.p_positive - b.p_positive) for a, b in zip(before, after, strict=True)) / len(SAMPLE)
    return flips, moved


@pytest.mark.parametrize(
    ("change", "flips", "moved"),
    [
        (lambda text: f"  {text.replace(' ', '   ')} \n", 0, 1e-3),
        (lambda text: f"{text} https://example.org/item/12345", 4, 0.15),
        (lambda text: f"@brand_care {text}", 4, 0.15),
        (lambda text: text.upper(), 3, 0.15),
        (lambda text: text.rstrip(".!"), 2, 0.1),
    ],
    ids=["spaces", "link", "handle", "capitals", "final mark"],
)
def test_what_says_nothing_changes_little(shipped: ModelScorer, change, flips: int, moved: float) -> None:  # type: ignore[no-untyped-def]
    found = shifts(shipped, [change(text) for text in SAMPLE])
    assert found[0] <= flips
    assert found[1] <= moved


def test_order_and_size_of_the_batch_do_not_matter() -> None:
    together = [judgement.p_positive for judgement in load().score(SAMPLE)]
    backwards = [judgement.p_positive for judgement in load().score(SAMPLE[::-1])][::-1]
    scorer = load()
    alone = [one(scorer, text).p_positive for text in SAMPLE]
    assert together == pytest.approx(backwards, abs=2e-4)
    assert together == pytest.approx(alone, abs=2e-4)


def test_the_end_of_a_long_text_is_heard(shipped: ModelScorer) -> None:
    story = "We came on Tuesday at seven and sat down near the window, then we ordered and talked about the trip. " * 12
    good = one(shipped, story + "Everything was wonderful, the best dinner of the year, thank you so much!")
    bad = one(shipped, story + "Everything was terrible, the worst dinner of the year, never again!")
    assert good.p_positive > bad.p_positive
    assert bad.p_negative > good.p_negative


def test_highlighting_names_the_word_that_spoke(shipped: ModelScorer) -> None:
    text = "The room was awful"
    strongest = shipped.highlight(text)[0]
    assert text[strongest.start : strongest.end] == "awful"
    assert strongest.weight > 0
