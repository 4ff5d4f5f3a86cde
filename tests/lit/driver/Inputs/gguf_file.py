"""A small language model as a GGUF file, written by hand: f32 weights from a counter. Also what tests of damaged files begin with.

    gguf_file.py FILE [ENTRY=VALUE…] [TENSOR=EXTENTxEXTENT…] [-NAME…]     entries and tensors to change, to add, or (-) to leave out
"""

import struct
import sys

WIDTH, HIDDEN, HEADS, DEPTH, VOCABULARY = 32, 64, 2, 16, 20


def entries():
    return {
        "general.architecture": "llama", "llama.block_count": 1, "llama.context_length": 128, "llama.embedding_length": WIDTH, "llama.feed_forward_length": HIDDEN,
        "llama.attention.head_count": HEADS, "llama.attention.head_count_kv": 1, "llama.attention.layer_norm_rms_epsilon": 1e-5, "tokenizer.ggml.eos_token_id": 2,
    }  # fmt: skip


def tensors():
    """Extents, outermost first."""
    layer = {
        "attn_norm": [WIDTH], "attn_q": [HEADS * DEPTH, WIDTH], "attn_k": [DEPTH, WIDTH], "attn_v": [DEPTH, WIDTH], "attn_output": [WIDTH, HEADS * DEPTH],
        "ffn_norm": [WIDTH], "ffn_gate": [HIDDEN, WIDTH], "ffn_up": [HIDDEN, WIDTH], "ffn_down": [WIDTH, HIDDEN],
    }  # fmt: skip
    return {"token_embd.weight": [VOCABULARY, WIDTH], "output_norm.weight": [WIDTH], **{f"blk.0.{name}.weight": shape for name, shape in layer.items()}}


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(name, value):
    if isinstance(value, str):
        return text(name) + struct.pack("<I", 8) + text(value)
    return text(name) + (struct.pack("<If", 6, value) if isinstance(value, float) else struct.pack("<Ii", 5, value))


def file(entries, tensors):
    """The bytes of a GGUF file of version 3; all tensors are f32."""
    head, data = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries)) + b"".join(entry(*e) for e in entries.items()), b""
    for name, shape in tensors.items():
        count = 1
        for extent in shape:
            count *= extent
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), 0, len(data))
        data += struct.pack(f"<{count}f", *(((len(data) + 37 * i) % 101 - 50) / 400 + (len(shape) == 1) for i in range(count)))
        data += bytes(-len(data) % 32)
    return head + bytes(-len(head) % 32) + data


def main():
    known, shapes = entries(), tensors()
    for change in sys.argv[2:]:
        name, _, value = change.lstrip("-").partition("=")
        if change.startswith("-"):
            (known if name in known else shapes).pop(name)
        elif name.endswith((".weight", ".bias")):
            shapes[name] = [int(extent) for extent in value.split("x")]
        else:
            known[name] = int(value) if value.lstrip("-").isdigit() else float(value) if value.replace(".", "").isdigit() else value
    with open(sys.argv[1], "wb") as output:
        output.write(file(known, shapes))


if __name__ == "__main__":
    main()
