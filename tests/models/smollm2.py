#!/usr/bin/env python3
"""What is SmolLM2-135M as an ONNX model? Its GGUF file's weights as f32, its tokenizer, and a graph of plain operators.

The file is itself quantized (Q4_1, the embedding Q8_0): the numbers that its codes stand for are *the float model* here, and what
another scheme loses is lost against them. A scheme of blocks of 32 codes with a minimum finds that grid again and loses nothing, which
says nothing about the scheme.

`input_ids` i64 [1, s] -> `logits` f32 [1, s, 49152], for any s up to the context. A linear layer is a MatMul with a weight [k, n] named
as in the file (`blk.0.ffn_down.weight`); the embedding [49152, 576] is read by Gather, and once more, turned, by the last MatMul as
`output.weight`: tied in the file, two weights here, so that a scheme may treat them differently. Weights lie beside the graph in
external data. llama's GGUF rotates interleaved pairs; here the rows of q and k are reordered, in each head the even ones first, so that
pairs are halves. Scores are sums over a head and do not see the order, nor do groups along k.

    smollm2.py [--output FILE.onnx]           writes the model, into the cache by default, and prints where it is
"""

import argparse
import functools
import os
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper

from packages import CACHE, Missing, data

LAYERS, WIDTH, HEADS, KV_HEADS, HEAD, FF, VOCABULARY, CONTEXT = 30, 576, 9, 3, 64, 1536, 49152, 8192
EPSILON, ROPE_BASE = 1e-5, 1e5
LINEAR = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")  # of a layer
FORMAT = 1  # raise it when the graph changes: a cached model is then made again


@functools.cache
def reader():
    try:
        import gguf
    except ImportError as error:
        raise Missing(f"gguf: {error}") from error
    return gguf.GGUFReader(data("smollm2.gguf"))


def file_weights() -> dict[str, np.ndarray]:
    """As the file has them: name to f32, matrices [n, k]."""
    import gguf

    return {t.name: gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32).reshape(t.shape[::-1]) for t in reader().tensors}


def halves(weight: np.ndarray) -> np.ndarray:
    """Rows of interleaved pairs to rows of halves, head by head."""
    heads = weight.reshape(-1, HEAD // 2, 2, weight.shape[-1])
    return heads.swapaxes(1, 2).reshape(weight.shape)


def weights() -> dict[str, np.ndarray]:
    """As the graph has them: matrices [k, n], pairs as halves, `output.weight`."""
    result = {}
    for name, value in file_weights().items():
        kind = name.removesuffix(".weight").rpartition(".")[2]
        if kind in ("attn_q", "attn_k"):
            value = halves(value)
        result[name] = np.ascontiguousarray(value.T) if kind in LINEAR else value
    result["output.weight"] = np.ascontiguousarray(result["token_embd.weight"].T)
    return result


def tokenizer():
    """Byte-level BPE over the file's own tokens and merges; pre-tokenizer `smollm`: digits one by one, then GPT-2's."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    fields = reader().fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"].contents()]
    made = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, merges))
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    made.decoder = decoders.ByteLevel()
    control = [t for t, kind in zip(tokens, fields["tokenizer.ggml.token_type"].contents()) if kind == 3]
    made.add_special_tokens([AddedToken(token, normalized=False) for token in control])
    return made


# ---- the graph --------------------------------------------------------------------------------------------------------


class Graph:
    """Nodes and constants in order; each node is named as its one output."""

    def __init__(self):
        self.nodes, self.constants = [], {}

    def node(self, operator: str, name: str, *inputs: str, **attributes) -> str:
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, value) -> str:
        self.constants[name] = np.asarray(value)
        return name

    def nodes_of_many(self, operator: str, name: str, outputs: list[str], *inputs: str, **attributes) -> list[str]:
        self.nodes.append(helper.make_node(operator, list(inputs), outputs, name=name, **attributes))
        return outputs


def add_norm(g: Graph, name: str, x: str) -> str:
    return g.node("RMSNormalization", name, x, f"{name}.weight", epsilon=EPSILON, axis=-1)


def add_linear(g: Graph, name: str, x: str) -> str:
    return g.node("MatMul", name, x, f"{name}.weight")


def add_angles(g: Graph) -> None:
    """cos and sin [s, 32] of the positions 0 … s - 1."""
    frequencies = ROPE_BASE ** (-np.arange(0, HEAD, 2, dtype=np.float64) / HEAD)
    g.constant("rope.frequencies", frequencies[None].astype(np.float32))
    g.node("Shape", "length", "input_ids", start=1, end=2)
    g.node("Squeeze", "length.scalar", "length", g.constant("axis.0", np.int64([0])))
    g.node("Range", "positions", g.constant("zero", np.int64(0)), "length.scalar", g.constant("one", np.int64(1)))
    g.node("Cast", "positions.f32", "positions", to=TensorProto.FLOAT)
    g.node("Unsqueeze", "positions.column", "positions.f32", g.constant("axis.1", np.int64([1])))
    g.node("Mul", "rope.angles", "positions.column", "rope.frequencies")
    g.node("Cos", "rope.cos", "rope.angles")
    g.node("Sin", "rope.sin", "rope.angles")


def add_heads(g: Graph, name: str, x: str, heads: int) -> str:
    """[1, s, heads * 64] to [1, heads, s, 64]."""
    g.node("Reshape", f"{name}.split", x, g.constant(f"shape.{heads}", np.int64([1, -1, heads, HEAD])))
    return g.node("Transpose", f"{name}.heads", f"{name}.split", perm=[0, 2, 1, 3])


def add_rope(g: Graph, name: str, x: str) -> str:
    """(a, b) to (a cos - b sin, b cos + a sin); a and b are the halves of a head."""
    a, b = g.nodes_of_many("Split", f"{name}.halves", [f"{name}.a", f"{name}.b"], x, axis=-1, num_outputs=2)
    g.node("Mul", f"{name}.a_cos", a, "rope.cos")
    g.node("Mul", f"{name}.b_sin", b, "rope.sin")
    g.node("Mul", f"{name}.b_cos", b, "rope.cos")
    g.node("Mul", f"{name}.a_sin", a, "rope.sin")
    g.node("Sub", f"{name}.rotated_a", f"{name}.a_cos", f"{name}.b_sin")
    g.node("Add", f"{name}.rotated_b", f"{name}.b_cos", f"{name}.a_sin")
    return g.node("Concat", f"{name}.rotated", f"{name}.rotated_a", f"{name}.rotated_b", axis=-1)


def add_attention(g: Graph, layer: str, x: str) -> str:
    q = add_rope(g, f"{layer}.q", add_heads(g, f"{layer}.q", add_linear(g, f"{layer}.attn_q", x), HEADS))
    k = add_rope(g, f"{layer}.k", add_heads(g, f"{layer}.k", add_linear(g, f"{layer}.attn_k", x), KV_HEADS))
    v = add_heads(g, f"{layer}.v", add_linear(g, f"{layer}.attn_v", x), KV_HEADS)
    g.node("Attention", f"{layer}.attention", q, k, v, is_causal=1, scale=HEAD**-0.5)
    g.node("Transpose", f"{layer}.joined", f"{layer}.attention", perm=[0, 2, 1, 3])
    g.node("Reshape", f"{layer}.flat", f"{layer}.joined", g.constant("shape.flat", np.int64([1, -1, WIDTH])))
    return add_linear(g, f"{layer}.attn_output", f"{layer}.flat")


def add_feed_forward(g: Graph, layer: str, x: str) -> str:
    gate, up = add_linear(g, f"{layer}.ffn_gate", x), add_linear(g, f"{layer}.ffn_up", x)
    g.node("Sigmoid", f"{layer}.sigmoid", gate)
    g.node("Mul", f"{layer}.silu", gate, f"{layer}.sigmoid")
    g.node("Mul", f"{layer}.gated", f"{layer}.silu", up)
    return add_linear(g, f"{layer}.ffn_down", f"{layer}.gated")


def graph() -> Graph:
    g = Graph()
    add_angles(g)
    x = g.node("Gather", "token_embd", "token_embd.weight", "input_ids", axis=0)
    for index in range(LAYERS):
        layer = f"blk.{index}"
        x = g.node("Add", f"{layer}.middle", x, add_attention(g, layer, add_norm(g, f"{layer}.attn_norm", x)))
        x = g.node("Add", f"{layer}.end", x, add_feed_forward(g, layer, add_norm(g, f"{layer}.ffn_norm", x)))
    g.node("MatMul", "logits", add_norm(g, "output_norm", x), "output.weight")
    return g


def external(name: str, value: np.ndarray, location: str, offset: int) -> onnx.TensorProto:
    tensor = TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(value.dtype), dims=value.shape, data_location=TensorProto.EXTERNAL)
    for key, text in (("location", location), ("offset", offset), ("length", value.nbytes)):
        tensor.external_data.add(key=key, value=str(text))
    return tensor


def write(path: pathlib.Path, values: dict[str, np.ndarray]) -> None:
    """The graph with these weights: FILE.onnx and FILE.data beside it. Offsets are multiples of 4096: readers map the file."""
    g, tensors, offset = graph(), [], 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_suffix(".data"), "wb") as file:
        for name, value in values.items():
            file.seek(offset)
            file.write(np.ascontiguousarray(value, np.float32).data)
            tensors.append(external(name, value, path.with_suffix(".data").name, offset))
            offset = -(-file.tell() // 4096) * 4096
    tensors += [onnx.numpy_helper.from_array(value, name) for name, value in g.constants.items()]
    inputs = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "s"])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, "s", VOCABULARY])]
    made = helper.make_graph(g.nodes, "smollm2", inputs, outputs, tensors)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 23)], ir_version=11, producer_name="smollm2.py")
    path.write_bytes(model.SerializeToString())


def cached() -> pathlib.Path:
    """The float model in the cache, made if need be; written aside, then renamed."""
    folder = CACHE / "made" / f"smollm2-{FORMAT}"
    if not (folder / "smollm2.onnx").is_file():
        fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
        write(fresh / "smollm2.onnx", weights())
        fresh.rename(folder)
    return folder / "smollm2.onnx"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path)
    options = parser.parse_args()
    if options.output:
        write(options.output, weights())
    print(options.output or cached())


if __name__ == "__main__":
    main()
