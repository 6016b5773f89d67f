"""The encoder half of the embedded network as an ONNX graph for onnxruntime: built in memory from the shipped
weights.

The same mathematics as `models.network.FeedbackModel` (tests hold the two equal), without importing torch or
transformers: a first judgement comes a fraction of a second after start. `int8` quantises the linear layers: weights
per output channel, activations at run time (U8S8, `MatMulInteger`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]
OUTPUTS = ("sentiment", "topics", "topic_sentiment", "pooled")
_OPSET, _IR = 17, 8
_EPSILON = 1e-5  # torch.nn.LayerNorm


def build(config: Mapping[str, Any], weights: Arrays, *, int8: bool) -> bytes:
    """A serialised model with inputs input_ids int64 [B, T] and mask float32 [B, T] (1 token, 0 padding).

    Outputs: the encoder's logits sentiment [B, 3], topics [B, K], topic_sentiment [B, K, 3], and pooled [B,
    hidden_size].
    """
    return _Graph(config, weights, int8=int8).serialised()


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
        ]
        shapes = {"sentiment": ["B", 3], "topics": ["B", self._n_topics], "topic_sentiment": ["B", self._n_topics, 3]}
        shapes["pooled"] = ["B", self._width]
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in OUTPUTS]
        graph = helper.make_graph(self._nodes, "feedback", inputs, outputs, list(self._initializers.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
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
        return self._op("Add", self._product(x, self._float(f"{name}.weight").T, name), self._bias(name))

    def _bias(self, name: str) -> str:
        return self._constant(self._float(f"{name}.bias"), f"{name}.bias")

    def _product(self, x: str, matrix: npt.NDArray[np.float32], name: str) -> str:
        if not self._int8:
            return self._op("MatMul", x, self._constant(matrix, f"{name}.matrix"))
        scale = np.maximum(np.abs(matrix).max(axis=0), 1e-8) / 127
        quantised = self._constant(np.rint(matrix / scale).astype(np.int8), f"{name}.int8")
        # One step size per token, not per batch (as DynamicQuantizeLinear has it): a text's company must not matter.
        largest = self._op("ReduceMax", self._op("Abs", x), axes=[-1], keepdims=1)
        step = self._op("Max", self._op("Mul", largest, self._scalar(1 / 127)), self._scalar(1e-9))
        rounded = self._op("Round", self._op("Div", x, step))
        unsigned = self._op("Cast", self._op("Add", rounded, self._scalar(128.0)), to=2)
        product = self._op("MatMulInteger", unsigned, quantised, self._constant(128, "zero_point", np.uint8))
        scaled = self._op("Mul", self._op("Cast", product, to=1), step)
        return self._op("Mul", scaled, self._constant(scale, f"{name}.scales", np.float32))

    def _scalar(self, value: float) -> str:
        return self._constant(value, f"scalar_{value!r}", np.float32)

    def _norm(self, x: str, name: str) -> str:
        weight = self._constant(self._float(f"{name}.weight"), f"{name}.weight")
        return self._op("LayerNormalization", x, weight, self._bias(name), axis=-1, epsilon=_EPSILON)

    # -- the network

    def _embed(self) -> str:
        rows = self._constant(self._weights["token_embedding.weight"], "token_rows")
        x = self._op("Gather", rows, "input_ids", axis=0)
        if "token_embedding.weight.scale" in self._weights:
            scales = np.asarray(self._weights["token_embedding.weight.scale"], np.float32)[:, None]
            x = self._op(
                "Mul",
                self._op("Cast", x, to=1),
                self._op("Gather", self._constant(scales, "token_scales"), "input_ids"),
            )
        else:
            x = self._op("Cast", x, to=1)
        x = self._linear(x, "embedding_in")
        length = self._op("Slice", self._op("Shape", "input_ids"), self._ints(1), self._ints(2), self._ints(0))
        positions = self._constant(self._float("position_embedding.weight"), "positions")
        x = self._op("Add", x, self._op("Slice", positions, self._ints(0), length, self._ints(0)))
        self._mask3 = self._op("Unsqueeze", "mask", self._ints(2))
        outside = self._op(
            "Mul",
            self._op("Sub", self._scalar(1.0), "mask"),
            self._scalar(-1e4),
        )
        self._outside3 = self._op("Unsqueeze", outside, self._ints(2))
        self._outside4 = self._op("Unsqueeze", outside, self._ints(1, 2))
        return self._op("Mul", x, self._mask3)

    def _layer(self, x: str, name: str) -> str:
        per_head = self._width // self._n_heads
        qkv = self._linear(self._shift(self._norm(x, f"{name}attention_norm")), f"{name}qkv")
        split = self._op("Reshape", qkv, self._ints(0, 0, 3, self._n_heads, per_head))
        turned = self._op("Transpose", split, perm=[2, 0, 3, 1, 4])
        q, k, v = (self._op("Gather", turned, self._constant(i, f"index_{i}", np.int64), axis=0) for i in range(3))
        q = self._op("Mul", q, self._scalar(per_head**-0.5))
        scores = self._op("Add", self._op("MatMul", q, self._op("Transpose", k, perm=[0, 1, 3, 2])), self._outside4)
        mixed = self._op("MatMul", self._op("Softmax", scores, axis=-1), v)
        joined = self._op("Reshape", self._op("Transpose", mixed, perm=[0, 2, 1, 3]), self._ints(0, 0, self._width))
        x = self._op("Add", x, self._linear(joined, f"{name}attention_out"))
        hidden = self._gelu(self._linear(self._shift(self._norm(x, f"{name}feed_norm")), f"{name}feed_in"))
        return self._op("Add", x, self._linear(hidden, f"{name}feed_out"))

    def _shift(self, x: str) -> str:
        """A quarter of the channels from the token before, a quarter from the one after; padding counts as nothing."""
        x = self._op("Mul", x, self._mask3)
        quarter, last = self._width // 4, np.iinfo(np.int64).max
        first = self._op("Slice", x, self._ints(0, 0), self._ints(-1, quarter), self._ints(1, 2))
        second = self._op("Slice", x, self._ints(1, quarter), self._ints(last, 2 * quarter), self._ints(1, 2))
        rest = self._op("Slice", x, self._ints(2 * quarter), self._ints(last), self._ints(2))
        before = self._op("Pad", first, self._ints(0, 1, 0, 0, 0, 0))
        after = self._op("Pad", second, self._ints(0, 0, 0, 0, 1, 0))
        return self._op("Concat", before, after, rest, axis=-1)

    def _gelu(self, x: str) -> str:
        """GELU, tanh approximation."""
        cube = self._op("Mul", self._op("Mul", x, x), x)
        inner = self._op("Add", x, self._op("Mul", cube, self._scalar(0.044715)))
        tanh = self._op("Tanh", self._op("Mul", inner, self._scalar((2 / np.pi) ** 0.5)))
        half = self._op("Mul", x, self._scalar(0.5))
        return self._op("Mul", half, self._op("Add", tanh, self._scalar(1.0)))

    def _heads(self, x: str) -> None:
        queries = np.concatenate((self._float("pool_query.weight"), self._float("topic_query.weight")))
        biases = np.concatenate((self._float("pool_query.bias"), self._float("topic_query.bias")))
        weights = self._op(
            "Add", self._op("MatMul", x, self._constant(queries.T, "queries")), self._constant(biases, "query_bias")
        )
        weights = self._op("Softmax", self._op("Add", weights, self._outside3), axis=1)
        count = self._op("ReduceSum", "mask", self._ints(1), keepdims=1)
        mean = self._op("Div", self._op("ReduceSum", self._op("Mul", x, self._mask3), self._ints(1), keepdims=0), count)
        gathered = self._op("MatMul", self._op("Transpose", weights, perm=[0, 2, 1]), x)
        self._op("Gather", gathered, self._constant(0, "index_0", np.int64), axis=1, name="pooled")
        topical = self._op("Slice", gathered, self._ints(1), self._ints(np.iinfo(np.int64).max), self._ints(1))
        both = self._op("Concat", "pooled", mean, axis=-1)
        matrix = self._constant(self._float("sentiment_head.weight").T, "sentiment_head.matrix")
        self._op("Add", self._op("MatMul", both, matrix), self._bias("sentiment_head"), name="sentiment")
        scored = self._op("Mul", topical, self._constant(self._float("topic_head"), "topic_head"))
        summed = self._op("ReduceSum", scored, self._ints(2), keepdims=0)
        self._op("Add", summed, self._constant(self._float("topic_head_bias"), "topic_head_bias"), name="topics")
        shared = self._float("polarity_head.weight")[None] + self._float("polarity_topic")  # [K, 3, width]
        turned = self._op("Transpose", topical, perm=[1, 0, 2])  # [K, B, width]
        own = self._op("MatMul", turned, self._constant(shared.transpose(0, 2, 1), "polarity"))
        own = self._op("Add", self._op("Transpose", own, perm=[1, 0, 2]), self._bias("polarity_head"))
        echo = self._constant(self._float("polarity_from_sentiment")[None, :, None], "polarity_from_sentiment")
        echoed = self._op("Mul", self._op("Unsqueeze", "sentiment", self._ints(1)), echo)
        self._op("Add", own, echoed, name="topic_sentiment")
