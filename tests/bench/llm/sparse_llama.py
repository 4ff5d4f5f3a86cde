"""A folder with a Llama's config.json and a safetensors file of zeros that takes no room on the disk: shapes of large models, for planning without their weights.

    sparse_llama.py FOLDER [--size 8b|70b|405b] [--layers N]
    jinx plan-shards FOLDER --ranks 1024 --batch 1024 --timing
"""

import argparse
import json
import pathlib
import struct

SIZES = {  # width, hidden, layers, heads, heads of keys
    "8b": (4096, 14336, 32, 32, 8),
    "70b": (8192, 28672, 80, 64, 8),
    "405b": (16384, 53248, 126, 128, 8),
}
VOCABULARY, DEPTH = 128256, 128


def shapes(width, hidden, layers, heads, key_heads):
    yield "model.embed_tokens.weight", [VOCABULARY, width]
    for layer in range(layers):
        at = f"model.layers.{layer}."
        for name, shape in {
            "input_layernorm": [width], "post_attention_layernorm": [width], "self_attn.q_proj": [heads * DEPTH, width], "self_attn.k_proj": [key_heads * DEPTH, width],
            "self_attn.v_proj": [key_heads * DEPTH, width], "self_attn.o_proj": [width, heads * DEPTH], "mlp.gate_proj": [hidden, width], "mlp.up_proj": [hidden, width],
            "mlp.down_proj": [width, hidden],
        }.items():  # fmt: skip
            yield f"{at}{name}.weight", shape
    yield "model.norm.weight", [width]
    yield "lm_head.weight", [VOCABULARY, width]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--size", choices=SIZES, default="70b")
    parser.add_argument("--layers", type=int)
    args = parser.parse_args()
    width, hidden, layers, heads, key_heads = SIZES[args.size]
    layers = args.layers or layers
    args.folder.mkdir(parents=True, exist_ok=True)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": width, "intermediate_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
              "num_key_value_heads": key_heads, "head_dim": DEPTH, "vocab_size": VOCABULARY, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
              "tie_word_embeddings": False, "torch_dtype": "bfloat16", "hidden_act": "silu", "eos_token_id": 128001}  # fmt: skip
    (args.folder / "config.json").write_text(json.dumps(config))
    header, end = {}, 0
    for name, shape in shapes(width, hidden, layers, heads, key_heads):
        size = 2
        for extent in shape:
            size *= extent
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % 64)
    with open(args.folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    print(f"{args.folder}: {layers} layers, {end / 1e9:.1f} GB of zeros")


if __name__ == "__main__":
    main()
