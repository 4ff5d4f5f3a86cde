#!/usr/bin/env python3
"""Language models of known shapes without their weights: folders as Hugging Face publishes them, whose weights are zeros that take no disk (a sparse file), or random ones.

    shapes.py make FOLDER NAME           of SHAPES below: config.json, and model.safetensors of zeros but for what is small, which a plan with --external-weights carries itself: norms of ones, random routers
    shapes.py fill FOLDER                random weights in their place, where the plan is to run: normal, of a deviation of 0.02, the same 32 Mi numbers over and over

`fill` needs numpy. Weights of zeros are no measurement: a GPU draws less power for them and clocks higher.
"""

import json
import pathlib
import random
import struct
import sys

MIXTRAL = {"architectures": ["MixtralForCausalLM"], "model_type": "mixtral"}
SHAPES = {
    "8B": dict(hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8, vocab_size=128256, rope_theta=500000.0, tie_word_embeddings=False),
    "1B": dict(hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32, num_key_value_heads=8, vocab_size=128256, rope_theta=500000.0, tie_word_embeddings=True),
    "tiny": dict(hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=8, num_key_value_heads=2, vocab_size=512, rope_theta=10000.0, tie_word_embeddings=False),
    # Mixtral 8x7B with a quarter of its 32 layers: 23.8 GB.
    "mixtral": MIXTRAL | dict(hidden_size=4096, intermediate_size=14336, num_hidden_layers=8, num_attention_heads=32, num_key_value_heads=8, vocab_size=32000, rope_theta=1000000.0,
                              tie_word_embeddings=False, num_local_experts=8, num_experts_per_tok=2),
    "tiny-mixtral": MIXTRAL | dict(hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=8, num_key_value_heads=2, vocab_size=512, rope_theta=10000.0,
                                   tie_word_embeddings=False, num_local_experts=4, num_experts_per_tok=2),
    # Numbers in which sums of parts, in whatever order, choose the same tokens: 1.1 and 1.6 GB.
    "f32": dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=12, num_attention_heads=16, num_key_value_heads=8, vocab_size=32000, rope_theta=10000.0, tie_word_embeddings=False,
                torch_dtype="float32"),
    "f32-mixtral": MIXTRAL | dict(hidden_size=1024, intermediate_size=2048, num_hidden_layers=6, num_attention_heads=16, num_key_value_heads=8, vocab_size=32000, rope_theta=10000.0,
                                  tie_word_embeddings=False, num_local_experts=8, num_experts_per_tok=2, torch_dtype="float32"),
}
PERIOD = (64 << 20) + 12  # bytes of them in bf16; no row begins where another does


def tensors(shape):
    """(name, shape) as such a file has them."""
    d, ff, vocabulary = shape["hidden_size"], shape["intermediate_size"], shape["vocab_size"]
    head = d // shape["num_attention_heads"]
    keys = head * shape["num_key_value_heads"]
    yield "model.embed_tokens.weight", (vocabulary, d)
    for i in range(shape["num_hidden_layers"]):
        block = f"model.layers.{i}"
        yield f"{block}.input_layernorm.weight", (d,)
        for name, rows in (("q", d), ("k", keys), ("v", keys), ("o", d)):
            yield f"{block}.self_attn.{name}_proj.weight", (rows, d)
        yield f"{block}.post_attention_layernorm.weight", (d,)
        experts = shape.get("num_local_experts", 0)
        if experts:
            yield f"{block}.block_sparse_moe.gate.weight", (experts, d)
        for expert in range(experts):
            yield from ((f"{block}.block_sparse_moe.experts.{expert}.{name}.weight", sizes) for name, sizes in (("w1", (ff, d)), ("w2", (d, ff)), ("w3", (ff, d))))
        if not experts:
            yield from ((f"{block}.mlp.{name}_proj.weight", sizes) for name, sizes in (("gate", (ff, d)), ("up", (ff, d)), ("down", (d, ff))))
    yield "model.norm.weight", (d,)
    if not shape["tie_word_embeddings"]:
        yield "lm_head.weight", (vocabulary, d)


def make(folder, name):
    folder.mkdir(parents=True, exist_ok=True)
    shape = SHAPES[name]
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "torch_dtype": "bfloat16",
              "bos_token_id": 1, "eos_token_id": 2} | shape
    kind, element = ("F32", 4) if config["torch_dtype"] == "float32" else ("BF16", 2)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    header, at = {}, 0
    for tensor, sizes in tensors(shape):
        count = 1
        for size in sizes:
            count *= size
        header[tensor] = {"dtype": kind, "shape": list(sizes), "data_offsets": [at, at + element * count]}
        at += element * count
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 256)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + at)
        generator = random.Random(0)
        for tensor, entry in header.items():
            if is_small(tensor):
                numbers = ones_or_random(entry["shape"], generator)
                file.seek(8 + len(text) + entry["data_offsets"][0])
                file.write(b"".join(struct.pack("<f", number)[-element:] for number in numbers))


def is_small(tensor):
    return tensor.endswith(("norm.weight", "block_sparse_moe.gate.weight"))


def ones_or_random(shape, generator):
    return [1.0] * shape[0] if len(shape) == 1 else [generator.gauss(0, 0.02) for _ in range(shape[0] * shape[1])]


def fill(folder):
    """Norms are ones; all else is random."""
    import numpy as np

    path = folder / "model.safetensors"
    with open(path, "r+b") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header, start = json.loads(file.read(length)), 8 + length
        values = np.random.default_rng(0).standard_normal(PERIOD // 2, np.float32) * np.float32(0.02)
        block = {"BF16": (values.view(np.uint32) >> 16).astype(np.uint16).tobytes(), "F32": values.tobytes()}[next(iter(header.values()))["dtype"]]
        for tensor, entry in header.items():
            if is_small(tensor):
                continue  # `make` has written it
            begin, end = entry["data_offsets"]
            file.seek(start + begin)
            at = begin
            while at < end:
                offset = at % len(block)
                part = block[offset : offset + end - at]
                file.write(part)
                at += len(part)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "make" and sys.argv[3] in SHAPES:
        make(pathlib.Path(sys.argv[2]), sys.argv[3])
    elif len(sys.argv) == 3 and sys.argv[1] == "fill":
        fill(pathlib.Path(sys.argv[2]))
    else:
        sys.exit(__doc__)
