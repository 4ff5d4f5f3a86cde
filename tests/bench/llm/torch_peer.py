#!/usr/bin/env python3
"""The same shapes in PyTorch: a llama of random bf16 weights with a static cache, a decode step and a prompt, eager and compiled. Runs where the GPU is; needs torch alone.

    torch_peer.py 8B|1B [--decode 1 32 256] [--prompt 2048] [--seconds 0.5]

Prints a line of JSON for each: {"case": "decode 32", "eager": ms, "compiled": ms}. A decode step is at position 1,024 of a cache of 2,048 slots; a prompt computes the logits of its
last token. Medians of single calls between events. torch.compile is mode "reduce-overhead" (CUDA graphs).
"""

import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F

from shapes import SHAPES

POSITION, SLOTS = 1024, 2048


class Llama(torch.nn.Module):
    def __init__(self, shape, batch, slots):
        super().__init__()
        self.shape = shape
        d, ff, layers = shape["hidden_size"], shape["intermediate_size"], shape["num_hidden_layers"]
        self.heads, self.key_heads = shape["num_attention_heads"], shape["num_key_value_heads"]
        self.depth = d // self.heads
        make = lambda *sizes: torch.nn.Parameter(torch.randn(*sizes, device="cuda", dtype=torch.bfloat16) * 0.02, requires_grad=False)
        keys = self.depth * self.key_heads
        self.embedding = make(shape["vocab_size"], d)
        self.output = self.embedding if shape["tie_word_embeddings"] else make(shape["vocab_size"], d)
        # q, k and v as one matrix, gate and up as another: what a careful user writes.
        self.qkv = torch.nn.ParameterList([make(d + 2 * keys, d) for _ in range(layers)])
        self.o = torch.nn.ParameterList([make(d, d) for _ in range(layers)])
        self.gate_up = torch.nn.ParameterList([make(2 * ff, d) for _ in range(layers)])
        self.down = torch.nn.ParameterList([make(d, ff) for _ in range(layers)])
        self.gain = torch.nn.Parameter(torch.ones(d, device="cuda", dtype=torch.bfloat16), requires_grad=False)
        turn = shape["rope_theta"] ** (-torch.arange(0, self.depth, 2, device="cuda").float() / self.depth)
        angles = torch.arange(slots, device="cuda").float()[:, None] * turn
        self.register_buffer("cos", torch.cat([angles.cos()] * 2, -1).bfloat16())
        self.register_buffer("sin", torch.cat([angles.sin()] * 2, -1).bfloat16())
        self.cache = [torch.zeros(2, batch, self.key_heads, slots, self.depth, device="cuda", dtype=torch.bfloat16) for _ in range(layers)]

    def rotate(self, x, positions):
        half = x.shape[-1] // 2
        turned = torch.cat([-x[..., half:], x[..., :half]], -1)
        return x * self.cos[positions] + turned * self.sin[positions]

    def attention(self, x, layer, positions, mask):
        batch, count, d = x.shape
        keys = self.depth * self.key_heads
        q, k, v = F.linear(x, self.qkv[layer]).split([d, keys, keys], -1)
        split = lambda y, heads: y.view(batch, count, heads, self.depth).transpose(1, 2)
        q, k, v = self.rotate(split(q, self.heads), positions), self.rotate(split(k, self.key_heads), positions), split(v, self.key_heads)
        cache = self.cache[layer]
        cache[0].index_copy_(2, positions, k)
        cache[1].index_copy_(2, positions, v)
        if count > 1:  # a prompt from position 0
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        else:
            y = F.scaled_dot_product_attention(q, cache[0], cache[1], attn_mask=mask, enable_gqa=True)
        return F.linear(y.transpose(1, 2).reshape(batch, count, d), self.o[layer])

    def forward(self, tokens, positions, mask):
        x = F.embedding(tokens, self.embedding)
        norm = lambda y: F.rms_norm(y, (y.shape[-1],), self.gain, 1e-5)
        for layer in range(self.shape["num_hidden_layers"]):
            x = x + self.attention(norm(x), layer, positions, mask)
            gate, up = F.linear(norm(x), self.gate_up[layer]).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, self.down[layer])
        return F.linear(norm(x)[:, -1], self.output).float()


def median_ms(call, seconds):
    for _ in range(3):
        call()
    torch.cuda.synchronize()
    times, end = [], time.monotonic() + seconds
    while len(times) < 5 or (time.monotonic() < end and len(times) < 200):
        start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        call()
        stop.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(stop))
    return statistics.median(times)


def measure(shape, case, batch, count, seconds):
    model = Llama(shape, batch, SLOTS)
    tokens = torch.randint(0, shape["vocab_size"], (batch, count), device="cuda")
    first = POSITION if count == 1 else 0
    positions = torch.arange(first, first + count, device="cuda")
    mask = (torch.arange(SLOTS, device="cuda") <= first)[None, None, None] if count == 1 else None
    figures = {"case": case}
    with torch.no_grad():
        figures["eager"] = median_ms(lambda: model(tokens, positions, mask), seconds)
        compiled = torch.compile(model, mode="reduce-overhead")
        begin = time.monotonic()
        compiled(tokens, positions, mask)
        torch.cuda.synchronize()
        figures["compile_s"] = time.monotonic() - begin
        figures["compiled"] = median_ms(lambda: compiled(tokens, positions, mask), seconds)
    print(json.dumps(figures), flush=True)
    del model, compiled
    torch._dynamo.reset()
    torch.cuda.empty_cache()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("--decode", type=int, nargs="*", default=[1, 32, 256])
    parser.add_argument("--prompt", type=int, nargs="*", default=[2048])
    parser.add_argument("--seconds", type=float, default=0.5)
    options = parser.parse_args()
    shape = SHAPES[options.shape]
    for batch in options.decode:
        measure(shape, f"decode {batch}", batch, 1, options.seconds)
    for count in options.prompt:
        measure(shape, f"prompt {count}", 1, count, options.seconds)
    a, b = (torch.empty(1 << 30, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    print(json.dumps({"case": "copy of 2 GiB", "TB/s": 4 * (1 << 30) / median_ms(lambda: b.copy_(a), 0.3) / 1e9, "torch": torch.__version__, "device": torch.cuda.get_device_name()}))


if __name__ == "__main__":
    main()
