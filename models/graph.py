"""The encoder half of the embedded network as an ONNX graph for onnxruntime: built in memory from the shipped
weights.

The same mathematics as `models.network.FeedbackModel` (tests hold the two equal), without importing torch or
transformers: a first judgement comes a fraction of a second after start. Attention and GELU are onnxruntime's own
operators, which walk through memory once where their parts would do so many times. `int8` quantises the linear
layers: weights per output channel, activations unsigned (U8S8), never by what the batch holds: a text's company must
not matter. In a narrow network they stay within ranges that are known beforehand, in a wide one a few do not, and
every token gets a step of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]
OUTPUTS = ("sentiment", "topics", "topic_sentiment", "pooled")
_OPSET, _IR = 17, 8
_OURS = "com.microsoft"  # onnxruntime's operators beyond the standard's
_EPSILON = 1e-5  # torch.nn.LayerNorm
_NARROW = 384  # from this width on activations have outliers
# What goes into the products of a layer: normalised numbers, a mean of values, what GELU lets through. Beyond these
# ranges lies one number of 100,000 of the shipped network's (benchmarks/scoring.py); it is cut.
_RANGES = {"qkv": (-5.0, 5.0), "attention_out": (-5.5, 5.5), "feed_in": (-5.0, 5.0), "feed_out": (-0.18, 7.0)}
_MOST = 63  # of an int8 weight: two products of 255 and 63 fit the 16 bits in which AVX2 adds them


def build(config: Mapping[str, Any], weights: Arrays, *, int8: bool) -> bytes:
    """A serialised model with inputs input_ids int64 [B, T], mask float32 [B, T] (1 token, 0 padding), and what
    `token_rows` gives: as an input it lies in memory once, as a constant five times while the graph is made.

    Outputs: the encoder's logits sentiment [B, 3], topics [B, K], topic_sentiment [B, K, 3], and pooled [B,
    hidden_size].
    """
    return _Graph(config, weights, int8=int8).serialised()


def token_rows(weights: Arrays) -> npt.NDArray[np.float32]:
    """[V, hidden_size]: each token as it goes into the first layer but for its place, computed once for all texts."""
    rows = dense(weights, "token_embedding.weight") @ dense(weights, "embedding_in.weight").T
    rows += dense(weights, "embedding_in.bias")
    return np.asarray(rows, np.float32)


def dense(weights: Arrays, name: str) -> npt.NDArray[np.float32]:
    """A stored tensor in fp32: int8 rows are multiplied by their scales."""
    value = np.asarray(weights[name], dtype=np.float32)
    scale = weights.get(f"{name}.scale")
    return value if scale is None else value * np.asarray(scale, dtype=np.float32)[:, None]


class _Graph:
    def __init__(self, config: Mapping[str, Any], weights: Arrays, *, int8: bool) -> None:
        from onnx import helper, numpy_helper

        self._helper, self._to_tensor = helper, numpy_helper.from_array
        self._weights, self._int8 = weights, int8
        self._rounded: dict[str, str] = {}  # what is there in eight bits already
        self._nodes: list[Any] = []
        self._initializers: dict[str, Any] = {}
        self._width = int(config["hidden_size"])
        self._n_heads = int(config["n_heads"])
        self._n_topics = len(config["topics"])
        x = self._embed()
        for number in range(int(config["n_layers"])):
            x = self._layer(x, f"layers.{number}.")
        self._heads(self._norm(x, "final_norm"))

    def serialised(self) -> bytes:
        helper = self._helper
        from onnx import TensorProto

        inputs = [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["B", "T"]),
            helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["B", "T"]),
            helper.make_tensor_value_info("token_rows", TensorProto.FLOAT, ["V", self._width]),
        ]
        shapes = {"sentiment": ["B", 3], "topics": ["B", self._n_topics], "topic_sentiment": ["B", self._n_topics, 3]}
        shapes["pooled"] = ["B", self._width]
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in OUTPUTS]
        graph = helper.make_graph(self._nodes, "feedback", inputs, outputs, list(self._initializers.values()))
        domains = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_OURS, 1)]
        model = helper.make_model(graph, opset_imports=domains, ir_version=_IR)
        return bytes(model.SerializeToString())

    # -- small vocabulary: each method adds one node and answers the name of its output

    def _op(self, kind: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        out = name or f"{kind}_{len(self._nodes)}"
        self._nodes.append(self._helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    def _constant(self, value: npt.ArrayLike, name: str | None = None, dtype: Any = None) -> str:
        array = np.array(value, dtype=dtype, order="C")
        name = name or f"constant_{len(self._initializers)}"
        if name not in self._initializers:
            self._initializers[name] = self._to_tensor(array, name)
        return name

    def _ints(self, *values: int) -> str:
        return self._constant(values, f"ints_{'_'.join(map(str, values))}", np.int64)

    def _float(self, name: str) -> npt.NDArray[np.float32]:
        return dense(self._weights, name)

    def _linear(self, x: str, name: str) -> str:
        return self._affine(x, self._float(f"{name}.weight").T, self._float(f"{name}.bias"), name)

    def _bias(self, name: str) -> str:
        return self._constant(self._float(f"{name}.bias"), f"{name}.bias")

    def _affine(self, x: str, matrix: npt.NDArray[np.float32], bias: npt.NDArray[np.float32], name: str) -> str:
        added = self._constant(bias, f"{name}.bias")
        if self._is_fixed(name):
            return self._fixed(x, matrix, name, added)
        return self._op("Add", self._product(x, matrix, name), added)

    def _product(self, x: str, matrix: npt.NDArray[np.float32], name: str) -> str:
        if not self._int8 or self._width < _NARROW:
            return self._op("MatMul", x, self._constant(matrix, f"{name}.matrix"))
        quantised, scales = self._quantised(matrix, name)
        largest = self._op("ReduceMax", self._op("Abs", x), axes=[-1], keepdims=1)
        step = self._op("Max", self._op("Mul", largest, self._scalar(1 / 127)), self._scalar(1e-9))
        rounded = self._op("Round", self._op("Div", x, step))
        unsigned = self._op("Cast", self._op("Add", rounded, self._scalar(128.0)), to=2)
        product = self._op("MatMulInteger", unsigned, quantised, self._constant(128, "zero_point", np.uint8))
        scaled = self._op("Mul", self._op("Cast", product, to=1), step)
        return self._op("Mul", scaled, scales)

    def _quantised(self, matrix: npt.NDArray[np.float32], name: str) -> tuple[str, str]:
        """The matrix in eight bits, and a scale for each of its columns."""
        scale = np.maximum(np.abs(matrix).max(axis=0), 1e-8) / _MOST
        weights = self._constant(np.rint(matrix / scale).astype(np.int8), f"{name}.int8")
        return weights, self._constant(scale, f"{name}.scales", np.float32)

    def _is_fixed(self, name: str) -> bool:
        return self._int8 and self._width < _NARROW and _input_of(name) in _RANGES

    def _fixed(self, x: str, matrix: npt.NDArray[np.float32], name: str, bias: str) -> str:
        """A product in eight bits whose activations lie in the range that is known of this place."""
        step, zero = self._steps(name)
        if x not in self._rounded:
            self._rounded[x] = self._op("QuantizeLinear", x, step, zero)
        weights, scales = self._quantised(matrix, name)
        return self._op("MatMulIntegerToFloat", self._rounded[x], weights, step, scales, zero, "", bias, domain=_OURS)

    def _steps(self, name: str) -> tuple[str, str]:
        """What one step of eight bits means in the range that is known of this place, and the byte that means zero."""
        low, high = _RANGES[_input_of(name)]
        step, zero = (high - low) / 255, round(-low / (high - low) * 255)
        return self._constant(step, f"step_{step!r}", np.float32), self._constant(zero, f"zero_{zero}", np.uint8)

    def _scalar(self, value: float) -> str:
        return self._constant(value, f"scalar_{value!r}", np.float32)

    def _norm(self, x: str, name: str) -> str:
        weight = self._constant(self._float(f"{name}.weight"), f"{name}.weight")
        return self._op("LayerNormalization", x, weight, self._bias(name), axis=-1, epsilon=_EPSILON)

    # -- the network

    def _embed(self) -> str:
        x = self._op("Gather", "token_rows", "input_ids", axis=0)
        length = self._op("Slice", self._op("Shape", "input_ids"), self._ints(1), self._ints(2), self._ints(0))
        positions = self._constant(self._float("position_embedding.weight"), "positions")
        x = self._op("Add", x, self._op("Slice", positions, self._ints(0), length, self._ints(0)))
        self._given = self._op("Cast", "mask", to=6)
        self._outside3 = self._op(
            "Unsqueeze", self._op("Mul", self._op("Sub", self._scalar(1.0), "mask"), self._scalar(-1e4)), self._ints(2)
        )
        self._neighbours = self._quarters()
        return x

    def _layer(self, x: str, name: str) -> str:
        shifted = self._shift(self._norm(x, f"{name}attention_norm"), f"{name}qkv")
        matrices = np.split(self._float(f"{name}qkv.weight").T, 3, axis=1)
        biases = np.split(self._float(f"{name}qkv.bias"), 3)
        q, k, v = (
            self._affine(shifted, matrix, bias, f"{name}qkv.{i}")
            for i, (matrix, bias) in enumerate(zip(matrices, biases, strict=True))
        )
        mixed = self._op("MultiHeadAttention", q, k, v, "", self._given, domain=_OURS, num_heads=self._n_heads)
        x = self._op("Add", self._linear(mixed, f"{name}attention_out"), x)
        hidden = self._shift(self._norm(x, f"{name}feed_norm"), f"{name}feed_in")
        hidden = self._op("FastGelu", self._linear(hidden, f"{name}feed_in"), domain=_OURS)  # tanh approximation
        return self._op("Add", self._linear(hidden, f"{name}feed_out"), x)

    def _quarters(self) -> str:
        """Where each quarter of each token comes from, int64 [B, T, 4], counted in quarters: the first from the token
        before, the second from the one after, the others stay; at the edges of a text from the zeros at the end.
        """
        near = self._op("Pad", "mask", self._ints(0, 1, 0, 1))
        last = np.iinfo(np.int64).max
        before = self._op("Slice", near, self._ints(0), self._ints(-2), self._ints(1))
        after = self._op("Slice", near, self._ints(2), self._ints(last), self._ints(1))
        flags = [self._op("Unsqueeze", part, self._ints(2)) for part in (before, after, "mask", "mask")]
        there = self._op("Cast", self._op("Concat", *flags, axis=2), to=9)
        shape = self._op("Shape", there)
        zero, one = self._constant(0, "index_0", np.int64), self._constant(1, "index_1", np.int64)
        end = self._op("ReduceProd", shape, axes=[0], keepdims=0)
        numbers = self._op("Reshape", self._op("Range", zero, end, one), shape)
        moved = self._op("Add", numbers, self._constant((-4, 4, 0, 0), "moves", np.int64))
        return self._op("Where", there, moved, end)

    def _shift(self, x: str, name: str) -> str:
        """A quarter of the channels from the token before, a quarter from the one after; padding counts as nothing.
        In eight bits where `name`, which multiplies them, takes them so: a quarter of the bytes to move.
        """
        fixed = self._is_fixed(name)
        nothing = self._scalar(0.0)
        if fixed:
            step, nothing = self._steps(name)
            x = self._op("QuantizeLinear", x, step, nothing)
        flat = self._op("Reshape", x, self._ints(-1, self._width // 4))
        with_zeros = self._op("Pad", flat, self._ints(0, 0, 1, 0), nothing)
        moved = self._op("Gather", with_zeros, self._neighbours, axis=0)
        shifted = self._op("Reshape", moved, self._ints(0, 0, self._width))
        if fixed:
            self._rounded[shifted] = shifted
        return shifted

    def _heads(self, x: str) -> None:
        """Tokens weighed by a query each for the whole text and the topics; by none at all, they give their mean."""
        width, last = self._width, int(np.iinfo(np.int64).max)
        queries = np.concatenate((self._float("pool_query.weight"), np.zeros((1, width), np.float32),
                                  self._float("topic_query.weight")))  # fmt: skip
        biases = np.concatenate((self._float("pool_query.bias"), np.zeros(1, np.float32),
                                 self._float("topic_query.bias")))  # fmt: skip
        weights = self._op("MatMul", x, self._constant(queries.T, "queries"))
        weights = self._op("Add", weights, self._constant(biases, "query_bias"))
        weights = self._op("Softmax", self._op("Add", weights, self._outside3), axis=1)
        gathered = self._op("MatMul", self._op("Transpose", weights, perm=[0, 2, 1]), x)
        self._op("Gather", gathered, self._constant(0, "index_0", np.int64), axis=1, name="pooled")
        both = self._op("Slice", gathered, self._ints(0), self._ints(2), self._ints(1))
        both = self._op("Reshape", both, self._ints(-1, 2 * width))
        matrix = self._constant(self._float("sentiment_head.weight").T, "sentiment_head.matrix")
        self._op("Add", self._op("MatMul", both, matrix), self._bias("sentiment_head"), name="sentiment")
        topical = self._op("Slice", gathered, self._ints(2), self._ints(last), self._ints(1))
        turned = self._op("Transpose", topical, perm=[1, 0, 2])  # [K, B, width]
        present = self._float("topic_head")[:, None]
        polar = self._float("polarity_head.weight")[None] + self._float("polarity_topic")  # [K, 3, width]
        matrix = self._constant(np.concatenate((present, polar), axis=1).transpose(0, 2, 1), "topical")
        said = self._op("Transpose", self._op("MatMul", turned, matrix), perm=[1, 0, 2])  # [B, K, 4]
        there = self._op("Gather", said, self._constant(0, "index_0", np.int64), axis=2)
        self._op("Add", there, self._constant(self._float("topic_head_bias"), "topic_head_bias"), name="topics")
        own = self._op("Slice", said, self._ints(1), self._ints(last), self._ints(2))
        own = self._op("Add", own, self._bias("polarity_head"))
        echo = self._constant(self._float("polarity_from_sentiment")[None, :, None], "polarity_from_sentiment")
        echoed = self._op("Mul", self._op("Unsqueeze", "sentiment", self._ints(1)), echo)
        self._op("Add", own, echoed, name="topic_sentiment")


def _input_of(name: str) -> str:
    """Which kind of numbers the matrix `layers.<number>.<kind>[.<part>]` multiplies."""
    return name.split(".")[2] if name.startswith("layers.") else ""
