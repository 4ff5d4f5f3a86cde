#!/usr/bin/env python3
"""What is MiniLM-L6 as an ONNX model? The weights of its safetensors file in a graph of plain operators, and sentences as its inputs.

`input_ids`, `attention_mask` i64 [n, s] -> `embedding` f32 [n, 384]: BERT of 6 layers, its last states averaged over the mask and of
length 1, so that the cosine of two embeddings is how alike two sentences are. A linear layer is a MatMul with a weight [k, n] and an Add.

    minilm.py            writes the model into the cache, compares it with a float64 pass over the file's weights, prints cosines
"""

import json
import math
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from packages import CACHE, data

LAYERS, WIDTH, HEADS, HEAD, EPSILON = 6, 384, 12, 32, 1e-12
FORMAT = 1  # raise it when the graph changes
SENTENCES = ("A man is playing a guitar.", "Someone is strumming a guitar.", "It is so sunny outside!")


def file_weights() -> dict[str, np.ndarray]:
    """safetensors: the length of a JSON header, the header, then the tensors."""
    content = data("minilm.safetensors").read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    result = {}
    for name, entry in json.loads(content[8:start]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            low, high = entry["data_offsets"]
            result[name] = np.frombuffer(content[start + low : start + high], np.float32).reshape(entry["shape"])
    return result


def encode(sentences) -> dict[str, np.ndarray]:
    """Padded to the longest; at most 64 tokens of each."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(data("minilm.tokenizer.json")))
    tokenizer.enable_truncation(64)
    tokenizer.enable_padding()
    encodings = tokenizer.encode_batch(list(sentences))
    return {"input_ids": np.int64([e.ids for e in encodings]), "attention_mask": np.int64([e.attention_mask for e in encodings])}


# ---- the graph --------------------------------------------------------------------------------------------------------


class Graph:
    def __init__(self, weights: dict[str, np.ndarray]):
        self.weights, self.nodes, self.constants = weights, [], {}

    def node(self, operator: str, name: str, *inputs: str, **attributes) -> str:
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, value) -> str:
        self.constants[name] = np.ascontiguousarray(value)
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self.weights[name])

    def linear(self, name: str, x: str) -> str:
        product = self.node("MatMul", f"{name}.product", x, self.constant(f"{name}.weight", self.weights[f"{name}.weight"].T))
        return self.node("Add", name, product, self.weight(f"{name}.bias"))

    def norm(self, name: str, x: str) -> str:
        return self.node("LayerNormalization", name, x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"), epsilon=EPSILON)


def add_embeddings(g: Graph) -> str:
    prefix = "embeddings."
    words = g.node("Gather", "words", g.weight(f"{prefix}word_embeddings.weight"), "input_ids")
    g.node("Shape", "length", "input_ids", start=1, end=2)
    table, zero = g.weight(f"{prefix}position_embeddings.weight"), g.constant("zero", np.int64([0]))
    positions = g.node("Slice", "positions", table, zero, "length", zero)
    kind = g.constant("sentence_type", g.weights[f"{prefix}token_type_embeddings.weight"][0])
    return g.norm(f"{prefix}LayerNorm", g.node("Add", "typed", g.node("Add", "placed", words, positions), kind))


def add_attention(g: Graph, name: str, x: str, mask: str) -> str:
    def heads(which):
        split = g.node("Reshape", f"{name}.{which}.split", g.linear(f"{name}.self.{which}", x), g.constant("split", np.int64([0, 0, HEADS, HEAD])))
        return g.node("Transpose", f"{name}.{which}.heads", split, perm=[0, 2, 3, 1] if which == "key" else [0, 2, 1, 3])

    scores = g.node("MatMul", f"{name}.products", heads("query"), heads("key"))
    scaled = g.node("Mul", f"{name}.scaled", scores, g.constant("scale", np.float32(1 / math.sqrt(HEAD))))
    p = g.node("Softmax", f"{name}.softmax", g.node("Add", f"{name}.masked", scaled, mask), axis=-1)
    joined = g.node("Transpose", f"{name}.joined", g.node("MatMul", f"{name}.values", p, heads("value")), perm=[0, 2, 1, 3])
    flat = g.node("Reshape", f"{name}.flat", joined, g.constant("flat", np.int64([0, 0, WIDTH])))
    return g.norm(f"{name}.output.LayerNorm", g.node("Add", f"{name}.sum", g.linear(f"{name}.output.dense", flat), x))


def add_layer(g: Graph, name: str, x: str, mask: str) -> str:
    x = add_attention(g, f"{name}.attention", x, mask)
    inner = g.node("Gelu", f"{name}.gelu", g.linear(f"{name}.intermediate.dense", x))
    return g.norm(f"{name}.output.LayerNorm", g.node("Add", f"{name}.sum", g.linear(f"{name}.output.dense", inner), x))


def add_mean(g: Graph, x: str, present: str) -> None:
    """present [n, s, 1]: 1 where there is a token."""
    axis = g.constant("axis", np.int64([1]))
    total = g.node("ReduceSum", "total", g.node("Mul", "kept", x, present), axis, keepdims=0)
    mean = g.node("Div", "mean", total, g.node("ReduceSum", "count", present, axis, keepdims=0))
    g.node("Div", "embedding", mean, g.node("ReduceL2", "norm", mean, axis, keepdims=1))


def model() -> onnx.ModelProto:
    g = Graph(file_weights())
    g.node("Cast", "present", "attention_mask", to=TensorProto.FLOAT)
    absent = g.node("Sub", "absent", "present", g.constant("one", np.float32(1)))
    low = g.node("Mul", "low", absent, g.constant("far", np.float32(10000)))
    mask = g.node("Unsqueeze", "mask", low, g.constant("mask.axes", np.int64([1, 2])))
    x = add_embeddings(g)
    for layer in range(LAYERS):
        x = add_layer(g, f"encoder.layer.{layer}", x, mask)
    add_mean(g, x, g.node("Unsqueeze", "present.column", "present", g.constant("last", np.int64([2]))))
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "s"]) for name in ("input_ids", "attention_mask")]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", WIDTH])]
    constants = [numpy_helper.from_array(value, name) for name, value in g.constants.items()]
    graph = helper.make_graph(g.nodes, "minilm-l6", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9, producer_name="minilm.py")


def cached():
    path = CACHE / "made" / f"minilm-l6-{FORMAT}.onnx"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.write_bytes(model().SerializeToString())
        fresh.rename(path)
    return path


# ---- the check --------------------------------------------------------------------------------------------------------


def reference(weights: dict[str, np.ndarray], ids: np.ndarray) -> np.ndarray:
    """The embedding of one sentence [s], without padding, in float64."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}

    def norm(name, x):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + EPSILON) * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(name, x):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    erf, rows = np.vectorize(math.erf), range(len(ids))
    e = "embeddings."
    x = norm(f"{e}LayerNorm", w[f"{e}word_embeddings.weight"][ids] + w[f"{e}position_embeddings.weight"][rows] + w[f"{e}token_type_embeddings.weight"][0])
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        q, k, v = (linear(f"{name}.attention.self.{which}", x).reshape(len(ids), HEADS, HEAD) for which in ("query", "key", "value"))
        p = np.exp(np.einsum("qhd,khd->hqk", q, k) / math.sqrt(HEAD))
        joined = np.einsum("hqk,khd->qhd", p / p.sum(-1, keepdims=True), v).reshape(len(ids), WIDTH)
        x = norm(f"{name}.attention.output.LayerNorm", x + linear(f"{name}.attention.output.dense", joined))
        inner = linear(f"{name}.intermediate.dense", x)
        x = norm(f"{name}.output.LayerNorm", x + linear(f"{name}.output.dense", inner * (1 + erf(inner / math.sqrt(2))) / 2))
    return x.mean(0) / np.linalg.norm(x.mean(0))


def main() -> int:
    import model_runs

    inputs, weights = encode(SENTENCES), file_weights()
    got = model_runs.open_onnx(cached(), 2)(inputs)["embedding"]
    want = np.array([reference(weights, ids[mask > 0]) for ids, mask in zip(inputs["input_ids"], inputs["attention_mask"])])
    error = np.abs(got - want).max()
    print(f"cosine {got[0] @ got[1]:.3f} for a paraphrase, {got[0] @ got[2]:.3f} for an unrelated sentence; within {error:.1e} of float64")
    return int(error > 1e-5)


if __name__ == "__main__":
    sys.exit(main())
