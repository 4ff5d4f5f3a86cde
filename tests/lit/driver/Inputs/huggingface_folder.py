"""A small language model as a Hugging Face folder, written by hand. Also what tests of damaged folders begin with.

    huggingface_folder.py FOLDER [FIELD=JSON…] [TENSOR=EXTENTxEXTENT…] [-NAME…] [--shards] [--bert] [--bf16] [--index TENSOR=SHARD…]

Fields and tensors to change, to add, or (-) to leave out; --index: what the index says of a tensor, whatever is true; --bf16: of weights, which are f32 else.
"""

import json
import pathlib
import struct
import sys

WIDTH, HIDDEN, HEADS, DEPTH, VOCABULARY = 32, 64, 2, 16, 20


def config():
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": WIDTH, "intermediate_size": HIDDEN, "num_hidden_layers": 1, "num_attention_heads": HEADS,
        "num_key_value_heads": 1, "vocab_size": VOCABULARY, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "tie_word_embeddings": True, "eos_token_id": [2, 5],
    }  # fmt: skip


def tensors():
    layer = {
        "input_layernorm": [WIDTH], "self_attn.q_proj": [HEADS * DEPTH, WIDTH], "self_attn.k_proj": [DEPTH, WIDTH], "self_attn.v_proj": [DEPTH, WIDTH], "self_attn.o_proj": [WIDTH, HEADS * DEPTH],
        "post_attention_layernorm": [WIDTH], "mlp.gate_proj": [HIDDEN, WIDTH], "mlp.up_proj": [HIDDEN, WIDTH], "mlp.down_proj": [WIDTH, HIDDEN],
    }  # fmt: skip
    return {"model.embed_tokens.weight": [VOCABULARY, WIDTH], "model.norm.weight": [WIDTH], **{f"model.layers.0.{name}.weight": shape for name, shape in layer.items()}}


def bert():
    fields = {"model_type": "bert", "architectures": ["BertModel"], "hidden_size": WIDTH, "intermediate_size": HIDDEN, "num_hidden_layers": 1, "num_attention_heads": HEADS, "vocab_size": VOCABULARY,
              "max_position_embeddings": 64}  # fmt: skip
    shapes = {f"embeddings.{name}_embeddings.weight": [rows, WIDTH] for name, rows in (("word", VOCABULARY), ("position", 64), ("token_type", 2))}
    parts = {"attention.self.query": WIDTH, "attention.self.key": WIDTH, "attention.self.value": WIDTH, "attention.output.dense": WIDTH, "intermediate.dense": HIDDEN, "output.dense": WIDTH}
    for name, rows in parts.items():
        shapes[f"encoder.layer.0.{name}.weight"] = [rows, HIDDEN if name == "output.dense" else WIDTH]
        shapes[f"encoder.layer.0.{name}.bias"] = [rows]
    for name in ("embeddings.LayerNorm", "encoder.layer.0.attention.output.LayerNorm", "encoder.layer.0.output.LayerNorm"):
        shapes.update({f"{name}.weight": [WIDTH], f"{name}.bias": [WIDTH]})
    return fields, shapes


def numbers(values, bf16):
    data = struct.pack(f"<{len(values)}f", *values)
    return b"".join(data[i + 2 : i + 4] for i in range(0, len(data), 4)) if bf16 else data


def safetensors(shapes, bf16):
    header, data = {}, b""
    for name, shape in shapes.items():
        count = 1
        for extent in shape:
            count *= extent
        part = numbers([((sum(name.encode()) + 37 * i) % 101 - 50) / 400 + (len(shape) == 1) for i in range(count)], bf16)
        header[name] = {"dtype": "BF16" if bf16 else "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8 if bf16 else 0)  # weights of halves are used where they lie
    return struct.pack("<Q", len(text)) + text + data


def main():
    folder, changes = pathlib.Path(sys.argv[1]), sys.argv[2:]
    fields, shapes = bert() if "--bert" in changes else (config(), tensors())
    index = {}
    if "--index" in changes:
        at = changes.index("--index")
        index, changes = dict(entry.split("=") for entry in changes[at + 1 :]), changes[:at] + ["--shards"]
    for change in changes:
        name, _, value = change.partition("=")
        if change in ("--shards", "--bert", "--bf16"):
            continue
        if change.startswith("-"):
            (fields if name[1:] in fields else shapes).pop(name[1:])
        elif name.endswith((".weight", ".bias")):
            shapes[name] = [int(extent) for extent in value.split("x")]
        else:
            fields[name] = json.loads(value)
    bf16 = "--bf16" in changes
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    (folder / "config.json").write_text(json.dumps(fields))
    if "--shards" not in changes:
        (folder / "model.safetensors").write_bytes(safetensors(shapes, bf16))
        return
    names = list(shapes)
    for shard, part in (("a.safetensors", names[::2]), ("b.safetensors", names[1::2])):
        (folder / shard).write_bytes(safetensors({name: shapes[name] for name in part}, bf16))
        index = {**dict.fromkeys(part, shard), **index}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))


if __name__ == "__main__":
    main()
