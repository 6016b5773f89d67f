"""The network: shapes, invariances, saving, text in numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModel

from models.network import FeedbackModel, FeedbackOutput, build_tiny, load_directory, save_directory
from models.packed import LARGEST, pack, unpack
from models.tokenizer import SHOUT, TextEncoder, hash_ngrams, normalise, normalise_all

TEXTS = [
    "the delivery was late and the courier was rude",
    "вкусная еда 😀😀",
    "质量不错",
    "",
    "the price is too high, but the staff is friendly and the room was clean",
]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[FeedbackModel, TextEncoder]:
    return load_directory(build_tiny(5, tmp_path_factory.mktemp("tiny")))


def judge(loaded: tuple[FeedbackModel, TextEncoder], texts: list[str]) -> FeedbackOutput:
    model, encoder = loaded
    batch = encoder.encode(texts)
    counts = np.diff(batch.token_offsets).clip(max=model.config.max_tokens)
    ids = np.full((len(texts), int(counts.max())), encoder.pad_id, np.int64)
    for row, (start, end) in enumerate(zip(batch.token_offsets, batch.token_offsets[1:], strict=False)):
        ids[row, : counts[row]] = batch.tokens[start:end][: counts[row]]
    mask = np.arange(ids.shape[1])[None] < counts[:, None]
    with torch.inference_mode():
        output: FeedbackOutput = model(
            torch.from_numpy(ids),
            torch.from_numpy(mask.astype(np.float32)),
            torch.from_numpy(batch.ngrams.astype(np.int64)),
            torch.from_numpy(batch.ngram_offsets),
        )
    return output


def test_shapes_and_probabilities(loaded: tuple[FeedbackModel, TextEncoder]) -> None:
    output = judge(loaded, TEXTS)
    model = loaded[0]
    n = len(TEXTS)
    sentiment, topics, polarity = model.probabilities(output)
    assert (sentiment.shape, topics.shape, polarity.shape) == ((n, 3), (n, 19), (n, 19, 3))
    assert output.pooled is not None and output.pooled.shape == (n, model.config.pooled_size)
    assert torch.allclose(sentiment.sum(-1), torch.ones(n), atol=1e-5)
    assert torch.allclose(polarity.sum(-1), torch.ones(n, 19), atol=1e-5)
    assert bool(((topics >= 0) & (topics <= 1)).all())


def test_neighbours_in_the_batch_and_padding_do_not_matter(loaded: tuple[FeedbackModel, TextEncoder]) -> None:
    together = judge(loaded, TEXTS)
    for row, text in enumerate(TEXTS):
        alone = judge(loaded, [text])
        for name in ("sentiment", "topics", "topic_sentiment", "pooled"):
            assert torch.allclose(getattr(together, name)[row], getattr(alone, name)[0], atol=2e-4), (text, name)


def test_both_halves_speak(loaded: tuple[FeedbackModel, TextEncoder]) -> None:
    output = judge(loaded, TEXTS[:1])
    mix = loaded[0].mix.detach()
    assert output.encoder_topics is not None and output.ngram_topics is not None
    assert torch.allclose(output.topics, mix[1, 0] * output.encoder_topics + mix[1, 1] * output.ngram_topics)
    with torch.inference_mode():
        without = loaded[0](torch.tensor([[2, 5, 6]]))
    assert without.sentiment.shape == (1, 3)


def test_too_many_tokens_are_an_error(loaded: tuple[FeedbackModel, TextEncoder]) -> None:
    limit = loaded[0].config.max_tokens
    with pytest.raises(ValueError, match=f"at most {limit}"):
        loaded[0](torch.ones(1, limit + 1, dtype=torch.int64))


def test_transformers_finds_the_model_without_remote_code(tmp_path: Path) -> None:
    directory = build_tiny(1, tmp_path)
    assert AutoConfig.from_pretrained(directory).model_type == "feedback_monitor"
    model: Any = AutoModel.from_pretrained(directory)
    assert isinstance(model, FeedbackModel)
    assert torch.equal(model.topic_head, load_directory(directory)[0].topic_head)


def test_the_seed_decides_the_tiny_model(tmp_path: Path) -> None:
    first, same, other = (
        judge(load_directory(build_tiny(seed, tmp_path / name)), TEXTS).sentiment
        for seed, name in ((3, "a"), (3, "b"), (4, "c"))
    )
    assert torch.equal(first, same)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize("every_matrix", [False, True])
def test_compact_weights_judge_nearly_alike(
    loaded: tuple[FeedbackModel, TextEncoder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every_matrix: bool
) -> None:
    monkeypatch.setattr("models.network._LARGE", 64)
    model, encoder = loaded
    save_directory(model, encoder.tokenizer, tmp_path / "plain", compact=False)
    save_directory(model, encoder.tokenizer, tmp_path / "compact", every_matrix=every_matrix)
    plain, compact = (judge(load_directory(tmp_path / name), TEXTS) for name in ("plain", "compact"))
    assert plain.sentiment is not None and compact.sentiment is not None
    assert torch.equal(plain.sentiment, judge(loaded, TEXTS).sentiment)
    assert torch.allclose(plain.sentiment.softmax(-1), compact.sentiment.softmax(-1), atol=0.05)
    files = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("plain", "compact")]
    assert files[1] < files[0] / 1.8


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    build_tiny(1, tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"tokenizer\.json is missing"):
        load_directory(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Soooo GOOD!!!!", f"soo {SHOUT} good!!"),
        ("@Some_One see https://a.b/c?d=1 now", "@user see http now"),
        ("ОТЛИЧНО СДЕЛАНО", f"{SHOUT} отлично сделано"),
        ("Plain Words", "plain words"),
        ("ｆｕｌｌ　ｗｉｄｔｈ\t\n x", "full width x"),
        ("room 2000000", "room 2000000"),
        ("😀😀😀😀", "😀😀"),
        ("", ""),
    ],
)
def test_normalised_text_keeps_what_speaks(text: str, expected: str) -> None:
    assert normalise(text) == expected
    assert normalise(expected) == expected
    assert normalise_all(["AAA ", text, "", f"{text} ", "!!! x"])[1:4] == [expected, "", expected]


PINNED = [47917, 155612, 289702, 333836, 475796, 735284, 790660]


def test_hashes_do_not_depend_on_neighbours_and_are_pinned() -> None:
    texts = ["the soup was cold", "вкусно", "", "质量不错"]
    buckets, owner = hash_ngrams(texts, log2_buckets=20)
    for index, text in enumerate(texts):
        alone, _ = hash_ngrams([text], log2_buckets=20)
        assert sorted(buckets[owner == index]) == sorted(alone)
    assert (owner == 2).sum() == 0
    # Shipped tables depend on these exact values.
    assert sorted(hash_ngrams(["ok"], log2_buckets=20)[0].tolist()) == PINNED


def test_word_order_and_word_edges_are_features() -> None:
    def features(text: str) -> set[int]:
        return set(hash_ngrams([text], log2_buckets=22)[0].tolist())

    assert features("not good") != features("good not")
    assert features("art") - features("start")  # the beginning of a word is marked


def marked(text: str) -> set[int]:
    """The n-grams that are there for a negator or a contrast only."""
    found = set(hash_ngrams([text], log2_buckets=30, word_order=True)[0].tolist())
    with pytest.MonkeyPatch.context() as patch:
        for name in ("BEFORE", "AFTER", "CONTRAST"):
            patch.setattr(f"models.tokenizer.{name}", frozenset({"\0"}))
        plain = set(hash_ngrams([text], log2_buckets=30, word_order=True)[0].tolist())
    assert plain <= found
    return found - plain


def test_marks_say_which_words_are_turned() -> None:
    assert not marked("i like it") | marked("мне понравилось") | marked("")
    assert marked("не понравилось") == marked("мне не понравилось")
    assert marked("не понравилось") & marked("не очень понравилось"), "the reach is more than one word"
    assert not marked("нет, понравилось"), "a sign ends it"
    assert not marked("no but nice") & marked("not nice"), "a contrast ends it"
    assert marked("i don't like") == marked("i don’t like")
    assert marked("es schmeckt nicht") and not marked("es schmeckt nicht") & marked("nicht schmeckt")
    assert marked("ok but slow") == marked("fine but slow") != marked("fine but fast")
    assert marked("a but b. c") == marked("a but b")


def test_word_order_adds_pairs_over_a_gap_and_triples() -> None:
    def added(text: str) -> set[int]:
        both = [set(hash_ngrams([text], log2_buckets=30, word_order=order)[0].tolist()) for order in (True, False)]
        assert both[1] <= both[0]
        return both[0] - both[1]

    assert not added("one two")
    assert len(added("one two three")) == 2
    assert len(added("one two three") & added("one six three")) == 1
    assert not added("one two three") & added("three two one")


def test_marks_do_not_depend_on_neighbours() -> None:
    texts = ["not good", "but", "was it not", "good. but no", "", "değil", "iyi değil", "не", "вкусно но дорого"]
    buckets, owner = hash_ngrams(texts, log2_buckets=20, word_order=True)
    for index, text in enumerate(texts):
        alone, _ = hash_ngrams([text], log2_buckets=20, word_order=True)
        assert sorted(buckets[owner == index]) == sorted(alone), text


def test_half_bytes_come_back() -> None:
    numbers = np.random.default_rng(0).integers(-LARGEST, LARGEST + 1, (50, 9)).astype(np.int8)
    assert pack(numbers).nbytes == 50 * 5
    assert np.array_equal(unpack(pack(numbers), 9), numbers)


def test_every_sign_has_tokens(loaded: tuple[FeedbackModel, TextEncoder]) -> None:
    encoder = loaded[1]
    batch = encoder.encode(["ዐ 𓀀 🦖", "\ud800 lone"])
    unknown = encoder.tokenizer.token_to_id("[UNK]")
    assert unknown not in batch.tokens[: batch.token_offsets[1]]
    assert len(batch) == 2
