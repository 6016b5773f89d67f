"""The embedded model's network: a small transformer beside a table of hashed n-grams, one set of heads.

Contract of `FeedbackModel.forward(input_ids, attention_mask, ngram_ids, ngram_offsets)`:

* ``input_ids`` int64 [B, T], ``attention_mask`` [B, T] (1 token, 0 padding), T <= ``config.max_tokens``;
* ``ngram_ids`` int64 [N], ``ngram_offsets`` int64 [B] or [B + 1] (begin of each text in ``ngram_ids``), both
  from `models.tokenizer.TextEncoder`; left out, the n-gram path gives zeros;
* returns `FeedbackOutput`: raw logits ``sentiment`` [B, 3] (negative, neutral, positive), ``topics`` [B, 19],
  ``topic_sentiment`` [B, 19, 3] and ``pooled`` [B, config.pooled_size]. `FeedbackModel.probabilities` turns
  them into calibrated probabilities; ``config.thresholds[k]`` is the least probability at which topic k is said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from models.labels import SENTIMENTS, TOPICS
from models.packed import LARGEST, pack, unpack
from models.tokenizer import TextEncoder, build_tokenizer, hash_ngrams, normalise, pack_buckets, unpack_buckets

HEADS = ("sentiment", "topics", "topic_sentiment")


class FeedbackConfig(PretrainedConfig):  # type: ignore[misc]
    """Sizes, label names, calibration (temperature of each head) and thresholds of one model directory."""

    model_type = "feedback_monitor"

    def __init__(
        self,
        vocab_size: int = 32_000,
        embedding_dim: int = 128,
        hidden_size: int = 256,
        n_layers: int = 2,
        n_heads: int = 4,
        intermediate_size: int = 512,
        max_tokens: int = 64,
        dropout: float = 0.1,
        n_ngram_rows: int = 300_000,
        ngram_dim: int = 64,
        n_buckets_log2: int = 22,
        word_order: bool = False,
        topics: list[str] | None = None,
        sentiments: list[str] | None = None,
        calibration: dict[str, float] | None = None,
        topic_bias: list[float] | None = None,
        thresholds: list[float] | None = None,
        revision: str = "",
        **kwargs: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.embedding_dim = embedding_dim
        self.hidden_size = hidden_size
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.intermediate_size = intermediate_size
        self.max_tokens = max_tokens
        self.dropout = dropout
        self.n_ngram_rows = n_ngram_rows
        self.ngram_dim = ngram_dim
        self.n_buckets_log2 = n_buckets_log2
        self.word_order = word_order
        self.topics = list(topics or TOPICS)
        self.sentiments = list(sentiments or SENTIMENTS)
        self.calibration = calibration or dict.fromkeys(HEADS, 1.0)
        self.topic_bias = topic_bias or [0.0] * len(self.topics)
        self.thresholds = thresholds or [0.5] * len(self.topics)
        self.revision = revision
        super().__init__(**kwargs)

    @property
    def pooled_size(self) -> int:
        """Width of the pooled embedding: encoder and n-gram vector side by side."""
        return int(self.hidden_size + self.ngram_dim)


@dataclass
class FeedbackOutput(ModelOutput):  # type: ignore[misc]
    """Raw logits and the pooled embedding; `encoder_*` and `ngram_*` are the two voices before mixing."""

    sentiment: Tensor | None = None
    topics: Tensor | None = None
    topic_sentiment: Tensor | None = None
    pooled: Tensor | None = None
    encoder_sentiment: Tensor | None = None
    encoder_topics: Tensor | None = None
    encoder_topic_sentiment: Tensor | None = None
    ngram_sentiment: Tensor | None = None
    ngram_topics: Tensor | None = None
    ngram_topic_sentiment: Tensor | None = None


class _Layer(nn.Module):
    """Pre-norm attention and feed-forward; half of the input channels look at the neighbouring tokens."""

    def __init__(self, config: FeedbackConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.n_heads = config.n_heads
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.feed_in = nn.Linear(width, config.intermediate_size)
        self.feed_out = nn.Linear(config.intermediate_size, width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor | None, keep: Tensor | None) -> Tensor:
        """`mask` bool [B, 1, 1, T] for attention, `keep` [B, T, 1] for the neighbours: padding is no neighbour."""
        n_texts, length, width = x.shape
        q, k, v = (
            self.qkv(_shift(self.attention_norm(x), keep))
            .view(n_texts, length, 3, self.n_heads, width // self.n_heads)
            .permute(2, 0, 3, 1, 4)
            .unbind(0)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.dropout(self.attention_out(mixed.transpose(1, 2).reshape(n_texts, length, width)))
        hidden = functional.gelu(self.feed_in(_shift(self.feed_norm(x), keep)), approximate="tanh")
        return cast(Tensor, x + self.dropout(self.feed_out(hidden)))


def _shift(x: Tensor, keep: Tensor | None) -> Tensor:
    """A quarter of the channels from the token before, a quarter from the token after: local order, no cost."""
    if keep is not None:
        x = x * keep
    quarter = x.shape[-1] // 4
    before = functional.pad(x[:, :-1, :quarter], (0, 0, 1, 0))
    after = functional.pad(x[:, 1:, quarter : 2 * quarter], (0, 0, 0, 1))
    return torch.cat((before, after, x[:, :, 2 * quarter :]), dim=-1)


class NgramTable(nn.Module):
    """Vectors of hashed n-grams and linear heads on their normalised sum: the fastText-like half."""

    def __init__(self, config: FeedbackConfig) -> None:
        super().__init__()
        n_topics = len(config.topics)
        self.n_topics = n_topics
        self.weight = nn.Parameter(torch.zeros(config.n_ngram_rows, config.ngram_dim))
        self.sentiment = nn.Linear(config.ngram_dim, 3)
        self.topics = nn.Linear(config.ngram_dim, n_topics)
        self.topic_sentiment = nn.Linear(config.ngram_dim, 3 * n_topics)

    def vector(self, ngram_ids: Tensor, ngram_offsets: Tensor, n_texts: int) -> Tensor:
        """Sum of the rows of each text over the square root of their number, [B, ngram_dim]."""
        starts = ngram_offsets[:n_texts]
        total = functional.embedding_bag(ngram_ids, self.weight, starts, mode="sum")
        ends = torch.cat((starts[1:], starts.new_tensor([ngram_ids.shape[0]])))
        counts = (ends - starts).clamp(min=1).to(total.dtype)
        return total * counts.rsqrt().unsqueeze(1)

    def heads(self, vector: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the three heads from the vector."""
        polarity = self.topic_sentiment(vector).view(-1, self.n_topics, 3)
        return self.sentiment(vector), self.topics(vector), polarity


class FeedbackModel(PreTrainedModel):  # type: ignore[misc]
    """Sentiment, topics and sentiment per topic of a batch of texts. See the module for the contract."""

    config_class = FeedbackConfig
    base_model_prefix = "feedback"
    main_input_name = "input_ids"

    def __init__(self, config: FeedbackConfig) -> None:
        super().__init__(config)
        width, n_topics = config.hidden_size, len(config.topics)
        self.token_embedding = nn.Embedding(config.vocab_size, config.embedding_dim)
        self.position_embedding = nn.Embedding(config.max_tokens, width)
        self.embedding_in = nn.Linear(config.embedding_dim, width)
        self.embedding_dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.n_layers))
        self.final_norm = nn.LayerNorm(width)
        self.pool_query = nn.Linear(width, 1)
        self.topic_query = nn.Linear(width, n_topics)
        self.sentiment_head = nn.Linear(2 * width, 3)
        self.topic_head = nn.Parameter(torch.zeros(n_topics, width))
        self.topic_head_bias = nn.Parameter(torch.zeros(n_topics))
        self.polarity_head = nn.Linear(width, 3)
        self.polarity_topic = nn.Parameter(torch.zeros(n_topics, 3, width))
        self.polarity_from_sentiment = nn.Parameter(torch.full((n_topics,), 0.5))
        self.ngrams = NgramTable(config)
        # How loud the encoder (0) and the n-grams (1) speak in each head; fitted on development rows.
        self.mix = nn.Parameter(torch.full((len(HEADS), 2), 0.7))
        self.register_buffer("ngram_buckets", torch.arange(config.n_ngram_rows, dtype=torch.int32))
        self.post_init()

    @classmethod
    def from_pretrained(cls, name: Any, *args: Any, **kwargs: Any) -> FeedbackModel:
        """The model of a local directory, compact or plain: what `AutoModel.from_pretrained` calls."""
        return load_directory(Path(name))[0]

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=1.0 / math.sqrt(module.weight.shape[1]))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.1)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, NgramTable):
            nn.init.normal_(module.weight, std=0.02)

    def hidden(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Contextual vectors of the tokens, [B, T, hidden_size]."""
        length = input_ids.shape[1]
        if length > self.config.max_tokens:
            raise ValueError(f"{length} tokens; this model takes at most {self.config.max_tokens} at once")
        x = self.embedding_in(self.token_embedding(input_ids))
        x = self.embedding_dropout(x + self.position_embedding.weight[:length])
        mask = keep = None
        if attention_mask is not None:
            mask = attention_mask[:, None, None, :].bool()
            keep = attention_mask[:, :, None].to(x.dtype)
        for layer in self.layers:
            x = layer(x, mask, keep)
        return cast(Tensor, self.final_norm(x))

    def encoder_heads(self, x: Tensor, attention_mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(sentiment, topics, topic_sentiment, pooled) from contextual vectors."""
        weights = torch.cat((self.pool_query(x), self.topic_query(x)), dim=-1).float()
        if attention_mask is not None:
            outside = attention_mask[:, :, None] == 0
            weights = weights.masked_fill(outside, -1e4)
            mean = (x * attention_mask[:, :, None].to(x.dtype)).sum(1)
            mean = mean / attention_mask.sum(1, keepdim=True).to(x.dtype)
        else:
            mean = x.mean(1)
        gathered = torch.matmul(torch.softmax(weights, dim=1).to(x.dtype).transpose(1, 2), x)
        pooled, topical = gathered[:, 0], gathered[:, 1:]
        sentiment = self.sentiment_head(torch.cat((pooled, mean), dim=-1)).float()
        topics = (topical * self.topic_head).sum(-1).float() + self.topic_head_bias
        polarity = self.polarity_head(topical) + torch.einsum("bkw,kcw->bkc", topical, self.polarity_topic)
        polarity = polarity.float() + self.polarity_from_sentiment[:, None] * sentiment[:, None, :].detach()
        return sentiment, topics, polarity, pooled

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        ngram_ids: Tensor | None = None,
        ngram_offsets: Tensor | None = None,
        return_dict: bool | None = None,
    ) -> FeedbackOutput:
        """Logits of all heads; see the module for shapes."""
        encoder = self.encoder_heads(self.hidden(input_ids, attention_mask), attention_mask)
        n_texts = input_ids.shape[0]
        if ngram_ids is None or ngram_offsets is None:
            vector = encoder[0].new_zeros(n_texts, self.config.ngram_dim)
        else:
            vector = self.ngrams.vector(ngram_ids, ngram_offsets, n_texts)
        counted = self.ngrams.heads(vector)
        mix = self.mix
        return FeedbackOutput(
            sentiment=mix[0, 0] * encoder[0] + mix[0, 1] * counted[0],
            topics=mix[1, 0] * encoder[1] + mix[1, 1] * counted[1],
            topic_sentiment=mix[2, 0] * encoder[2] + mix[2, 1] * counted[2],
            pooled=torch.cat((encoder[3].float(), vector.float()), dim=-1),
            encoder_sentiment=encoder[0],
            encoder_topics=encoder[1],
            encoder_topic_sentiment=encoder[2],
            ngram_sentiment=counted[0],
            ngram_topics=counted[1],
            ngram_topic_sentiment=counted[2],
        )

    def probabilities(self, output: FeedbackOutput) -> tuple[Tensor, Tensor, Tensor]:
        """Calibrated (p_sentiment [B, 3], p_topics [B, 19], p_topic_sentiment [B, 19, 3])."""
        heat = self.config.calibration
        sentiment, topics, polarity = output.sentiment, output.topics, output.topic_sentiment
        assert sentiment is not None and topics is not None and polarity is not None
        bias = topics.new_tensor(self.config.topic_bias)
        return (
            torch.softmax(sentiment.float() / heat["sentiment"], dim=-1),
            torch.sigmoid(topics.float() / heat["topics"] + bias),
            torch.softmax(polarity.float() / heat["topic_sentiment"], dim=-1),
        )

    def text_encoder(self, tokenizer: Any) -> TextEncoder:
        """The encoder of texts that belongs to this model's n-gram table."""
        return TextEncoder(
            tokenizer,
            log2_buckets=self.config.n_buckets_log2,
            kept_buckets=self.ngram_buckets.cpu().numpy(),
            word_order=self.config.word_order,
        )


AutoConfig.register(FeedbackConfig.model_type, FeedbackConfig, exist_ok=True)
AutoModel.register(FeedbackConfig, FeedbackModel, exist_ok=True)

WEIGHTS_FILE = "model.safetensors"
TOKENIZER_FILE = "tokenizer.json"
BUCKETS, BUCKET_BITS = "ngram_buckets", "ngram_buckets.bits"  # shipped as one bit for each bucket
_LARGE = 65_536  # elements
_ROWS = ("token_embedding.weight",)  # shipped as int8 rows with one fp16 scale each
_TABLE = "ngrams.weight"  # shipped as rows of four-bit numbers with one fp16 scale each, see `models.packed`


def save_directory(
    model: FeedbackModel, tokenizer: Any, directory: Path, *, compact: bool = True, every_matrix: bool = False
) -> None:
    """Write config.json, model.safetensors and tokenizer.json; `compact`: n-grams in four bits, tokens in eight, the
    rest fp16.

    The buckets that own a vector are written as a bit map in either case.

    `every_matrix`: the matrices of the encoder in int8 rows, too (for the larger profiles).
    """
    from safetensors.torch import save_file

    directory.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        value = value.detach().cpu().contiguous()
        if name == BUCKETS:
            bits = pack_buckets(value.numpy(), log2_buckets=model.config.n_buckets_log2)
            tensors[BUCKET_BITS] = torch.from_numpy(bits)
            continue
        if compact and name == _TABLE:
            scale = (value.float().abs().amax(1).clamp(min=1e-8) / LARGEST).to(torch.float16).clamp(min=6e-8)
            whole = (value.float() / scale.float()[:, None]).round().clamp(-LARGEST, LARGEST).to(torch.int8)
            tensors[f"{name}.packed"] = torch.from_numpy(pack(whole.numpy()))
            tensors[f"{name}.scale"] = scale
            continue
        matrix = value.ndim == 2 and value.numel() >= _LARGE and value.is_floating_point()
        if compact and (name in _ROWS or (every_matrix and matrix)):
            scale = (value.float().abs().amax(1).clamp(min=1e-8) / 127).to(torch.float16).clamp(min=6e-8)
            tensors[name] = (value.float() / scale.float()[:, None]).round().clamp(-127, 127).to(torch.int8)
            tensors[f"{name}.scale"] = scale
        elif compact and value.is_floating_point():
            tensors[name] = value.to(torch.float16)
        else:
            tensors[name] = value.clone()
    save_file(tensors, directory / WEIGHTS_FILE, metadata={"format": "pt"})
    config = model.config
    config.architectures = ["FeedbackModel"]
    config.save_pretrained(directory)
    tokenizer.save(str(directory / TOKENIZER_FILE))


def load_directory(directory: Path) -> tuple[FeedbackModel, TextEncoder]:
    """Model (fp32, eval mode) and text encoder of a directory written by `save_directory`.

    Raises FileNotFoundError that names the missing file.
    """
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    for name in ("config.json", WEIGHTS_FILE, TOKENIZER_FILE):
        if not (directory / name).is_file():
            raise FileNotFoundError(f"{directory / name} is missing")
    config = FeedbackConfig.from_pretrained(directory)
    tensors = load_file(directory / WEIGHTS_FILE)
    state: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if name.endswith(".scale"):
            continue
        if name == BUCKET_BITS:
            state[BUCKETS] = torch.from_numpy(unpack_buckets(value.numpy()))
            continue
        if name == f"{_TABLE}.packed":
            name, value = _TABLE, torch.from_numpy(unpack(value.numpy(), config.ngram_dim))
        scale = tensors.get(f"{name}.scale")
        if scale is not None:
            value = value.float() * scale.float()[:, None]
        elif value.is_floating_point():
            value = value.float()
        state[name] = value
    with torch.device("meta"):
        model = FeedbackModel(config)
    model.load_state_dict(state, strict=True, assign=True)
    model.eval()
    return model, model.text_encoder(Tokenizer.from_file(str(directory / TOKENIZER_FILE)))


_TINY_TEXTS = (
    "the delivery was late and the courier was rude",
    "great food, friendly staff and a clean room",
    "the price is too high for this quality",
    "доставка опоздала, курьер нагрубил",
    "вкусная еда и вежливый персонал, спасибо",
    "das Hotel war sauber und die Lage gut",
    "la comida estaba fría y el camarero tardó mucho",
    "配送很快，质量不错 😀",
)


def build_tiny(seed: int = 0, directory: Path | None = None, *, n_layers: int = 1) -> Path:
    """A tiny model directory with hash-seeded weights, for tests: every output is determined by `seed`.

    Written to `directory` (default: a new temporary folder) and returned.
    """
    import tempfile

    target = directory or Path(tempfile.mkdtemp(prefix="feedback-tiny-"))
    tokenizer = build_tokenizer([normalise(text) for text in _TINY_TEXTS], vocab_size=400)
    buckets, _ = hash_ngrams([normalise(text) for text in _TINY_TEXTS], log2_buckets=12)
    kept = np.unique(buckets)
    config = FeedbackConfig(
        vocab_size=tokenizer.get_vocab_size(),
        embedding_dim=16,
        hidden_size=32,
        n_layers=n_layers,
        n_heads=2,
        intermediate_size=32,
        max_tokens=32,
        n_ngram_rows=len(kept),
        ngram_dim=8,
        n_buckets_log2=12,
        revision=f"tiny-{seed}",
    )
    model = FeedbackModel(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in sorted(model.named_parameters()):
            if "norm" not in name:
                value.copy_(torch.randn(value.shape, generator=generator) * 0.3)
        cast(Tensor, model.ngram_buckets).copy_(torch.from_numpy(kept))
    save_directory(model, tokenizer, target)
    return target
