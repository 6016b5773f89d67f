"""Tiny models with hash-seeded weights, built once per run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from models.scorer import ModelScorer, load


@pytest.fixture(scope="session")
def tiny_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from models.network import build_tiny

    return build_tiny(7, tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def tiny(tiny_directory: Path) -> ModelScorer:
    return load(str(tiny_directory), device=None, threads=1)


@pytest.fixture(scope="session")
def make_checkpoint() -> Callable[[Path, dict[int, str]], Path]:
    return write_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small BERT classifier as a hub checkpoint looks on disk."""
    return write_checkpoint(tmp_path_factory.mktemp("bert"), {0: "Negative", 1: "Neutral", 2: "Positive"})


def write_checkpoint(directory: Path, labels: dict[int, str]) -> Path:
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    texts = ["the delivery was late and rude", "good food and nice staff", "доставка опоздала, вкусно и дешево"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer.train_from_iterator(texts, trainer)
    ids = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )
    wrapped.save_pretrained(directory)
    torch.manual_seed(5)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=40,
        num_labels=len(labels),
        id2label=labels,
        label2id={label: number for number, label in labels.items()},
        initializer_range=0.5,
    )
    BertForSequenceClassification(config).save_pretrained(directory, safe_serialization=True)
    return directory
