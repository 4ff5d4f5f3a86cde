#!/usr/bin/env python3
"""Is a plan made of a GGUF file the language model that the file is? Judged by a forward pass in float64 over the file's dequantized weights.

Small files of every architecture, with random weights that this script writes by the gguf package, and SmolLM2-135M. Asked of each: logits of a
prompt and of tokens that follow it one by one through pages, near those of the pass, which has no pages and shares no code with the compiler; the
same to the last bit when the prompt comes in chunks, and when another sequence is in every step. Of SmolLM2 also the eight tokens that follow
"The capital of France is", that no weight became f32, and how large the plan is.

    gguf_model.py [--jinx build/dev/bin/jinx] [--threads N] [--speed] [CASE…]
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import time

import ml_dtypes
import numpy as np

import jinx_capi
from packages import Missing, data

try:
    import gguf
except ImportError as missing:
    print(f"skipped: {missing}; run this with the Python of ./dev setup ($JINX_CACHE/python/bin/python)")
    sys.exit(77)

PAGE = 16
PROMPT, ANSWER = [504, 3575, 282, 4649, 314], [7042, 30, 198, 198, 504, 2988, 314, 42]
POOLS = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16, "i8": np.int8, "f8": ml_dtypes.float8_e4m3fn}
LARGEST = {"i8": 127, "f8": 448}
# Of the largest logit: f32 through the layers, activations of 24 bits beside codes. In pools of fewer bits a number that f32 puts on the other side of a tie is a step off: f8 has steps of 6 %.
BOUND = {"f32": 1e-5, "f16": 2e-4, "bf16": 1e-3, "i8": 1e-3, "f8": 1e-2}

# ---- the float64 model --------------------------------------------------------------------------------------------------------------


def kept(rows, kind):
    """What a pool keeps of rows [tokens, heads, depth]: decision 0036's rounding, in numpy."""
    if kind not in LARGEST:
        return rows.astype(np.float32).astype(POOLS[kind]).astype(np.float64)
    scale = np.abs(rows).max(-1, keepdims=True) / LARGEST[kind]
    codes = rows / scale
    return (np.rint(codes) if kind == "i8" else codes.astype(np.float32).astype(POOLS[kind]).astype(np.float64)) * scale


class FloatModel:
    """The numbers of a file, and a pass over a whole sequence at once; keys and values are what a pool of `kind` keeps."""

    def __init__(self, path, kind="f32"):
        self.pool = kind
        reader = gguf.GGUFReader(path)
        self.fields = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("tokenizer")}
        self.kind = self.fields["general.architecture"]
        self.weights = {t.name: gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float64).reshape(t.shape[::-1]) for t in reader.tensors}
        self.heads, self.key_heads = self.get("attention.head_count"), self.get("attention.head_count_kv")
        self.depth = self.get("attention.key_length", self.get("embedding_length") // self.heads)

    def get(self, key, otherwise=None):
        return self.fields.get(f"{self.kind}.{key}", otherwise)

    def norm(self, x, name):
        return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + self.get("attention.layer_norm_rms_epsilon")) * self.weights[f"{name}.weight"]

    def mean_norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + self.get("attention.layer_norm_epsilon")) * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def linear(self, x, name):
        return x @ self.weights[f"{name}.weight"].T + self.weights.get(f"{name}.bias", 0)

    def is_local(self, layer):
        return self.kind == "gemma3" and (layer + 1) % 6 != 0

    def rope(self, x, layer):
        """x [tokens, heads, depth], as complex numbers."""
        base = 1e4 if self.is_local(layer) else self.get("rope.freq_base", 1e4)
        turn = base ** (-2 * np.arange(self.depth // 2) / self.depth)
        if not self.is_local(layer):
            turn = turn / self.get("rope.scaling.factor", 1.0) / self.weights.get("rope_freqs.weight", 1.0)
        by = np.exp(1j * np.arange(len(x))[:, None, None] * turn)
        if self.kind == "llama":
            z = (x[..., 0::2] + 1j * x[..., 1::2]) * by
            return np.stack([z.real, z.imag], -1).reshape(x.shape)
        z = (x[..., : self.depth // 2] + 1j * x[..., self.depth // 2 :]) * by
        return np.concatenate([z.real, z.imag], -1)

    def attention(self, x, layer):
        name = f"blk.{layer}"
        if self.kind == "gpt2":
            q, k, v = (part.reshape(len(x), -1, self.depth) for part in np.split(self.linear(x, f"{name}.attn_qkv"), 3, -1))
        else:
            q, k, v = (self.linear(x, f"{name}.attn_{part}").reshape(len(x), -1, self.depth) for part in "qkv")
        if f"{name}.attn_q_norm.weight" in self.weights:
            q, k = self.norm(q, f"{name}.attn_q_norm"), self.norm(k, f"{name}.attn_k_norm")
        if self.kind != "gpt2":
            q, k = self.rope(q, layer), self.rope(k, layer)
        if self.pool != "f32":
            k, v = kept(k, self.pool), kept(v, self.pool)
        k, v = (np.repeat(part, self.heads // self.key_heads, 1) for part in (k, v))
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(self.depth)
        distance = np.arange(len(x))[:, None] - np.arange(len(x))
        seen = distance >= 0
        if self.is_local(layer):
            seen &= distance < self.get("attention.sliding_window")
        p = np.exp(np.where(seen, scores - np.max(np.where(seen, scores, -np.inf), -1, keepdims=True), -np.inf))
        y = np.einsum("hqk,khd->qhd", p / p.sum(-1, keepdims=True), v)
        return self.linear(y.reshape(len(x), -1), f"{name}.attn_output")

    def activate(self, x):
        if self.kind in ("gemma3", "gpt2"):
            return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
        return x / (1 + np.exp(-x))

    def feed_forward(self, x, name, end=""):
        if self.kind == "gpt2":
            return self.linear(self.activate(self.linear(x, f"{name}.ffn_up")), f"{name}.ffn_down")
        return self.linear(self.activate(self.linear(x, f"{name}.ffn_gate{end}")) * self.linear(x, f"{name}.ffn_up{end}"), f"{name}.ffn_down{end}")

    def experts(self, x, name):
        """A token at a time, an expert at a time."""
        y = np.zeros_like(x)
        gate, up, down = (self.weights[f"{name}.ffn_{part}_exps.weight"] for part in ("gate", "up", "down"))
        scores = np.exp(self.linear(x, f"{name}.ffn_gate_inp"))
        for t, p in enumerate(scores / scores.sum(-1, keepdims=True)):
            chosen = np.argsort(-p, kind="stable")[: self.get("expert_used_count")]
            weights = p[chosen] if self.kind == "qwen2moe" else p[chosen] / p[chosen].sum()
            for e, weight in zip(chosen, weights):
                y[t] += weight * (down[e] @ (self.activate(gate[e] @ x[t]) * (up[e] @ x[t])))
        if self.kind == "qwen2moe":
            y += self.feed_forward(x, name, "_shexp") / (1 + np.exp(-x @ self.weights[f"{name}.ffn_gate_inp_shexp.weight"]))[:, None]
        return y

    def gpt_logits(self, ids):
        x = self.weights["token_embd.weight"][ids] + self.weights["position_embd.weight"][: len(ids)]
        for layer in range(self.get("block_count")):
            x = x + self.attention(self.mean_norm(x, f"blk.{layer}.attn_norm"), layer)
            x = x + self.feed_forward(self.mean_norm(x, f"blk.{layer}.ffn_norm"), f"blk.{layer}")
        return self.mean_norm(x, "output_norm") @ self.weights["token_embd.weight"].T

    def logits(self, ids):
        """[tokens, vocabulary]"""
        if self.kind == "gpt2":
            return self.gpt_logits(ids)
        x = self.weights["token_embd.weight"][ids]
        after = (lambda y, name: self.norm(y, name)) if self.kind == "gemma3" else lambda y, name: y
        if self.kind == "gemma3":
            x = x * np.sqrt(x.shape[1])
        for layer in range(self.get("block_count")):
            name = f"blk.{layer}"
            x = x + after(self.attention(self.norm(x, f"{name}.attn_norm"), layer), f"{name}.post_attention_norm")
            mixed = self.experts if f"{name}.ffn_gate_inp.weight" in self.weights else self.feed_forward
            x = x + after(mixed(self.norm(x, f"{name}.ffn_norm"), name), f"{name}.post_ffw_norm")
        output = "output.weight" if "output.weight" in self.weights else "token_embd.weight"
        return self.norm(x, "output_norm") @ self.weights[output].T


# ---- small files ---------------------------------------------------------------------------------------------------------------------

WIDTH, HIDDEN, DEPTH, VOCABULARY = 256, 512, 32, 96  # rows of K formats are multiples of 256
# name: architecture, formats of matrices in turn, what else a file has
SMALL = {
    "llama": ("llama", ["Q4_1"], {}),
    "llama of K formats": ("llama", ["Q4_K", "Q5_K", "Q6_K"], {"output": True}),
    "llama with factors": ("llama", ["Q8_0", "F16"], {"factors": True}),
    "qwen2": ("qwen2", ["Q4_0", "Q5_0", "Q5_1"], {"output": True}),
    "qwen2 of floats": ("qwen2", ["F32", "BF16"], {"scale": 4.0}),
    "qwen3": ("qwen3", ["Q8_0", "Q4_0"], {}),
    "gemma3": ("gemma3", ["Q5_0", "Q4_K"], {"layers": 7}),
    "gpt2": ("gpt2", ["Q8_0", "Q4_0", "F32"], {}),
    "mixtral": ("llama", ["Q4_0", "Q8_0"], {"experts": (4, 2)}),
    "mixtral of K formats": ("llama", ["Q4_K", "Q6_K"], {"experts": (3, 2), "output": True}),
    "qwen2moe": ("qwen2moe", ["Q8_0", "F16"], {"experts": (5, 3), "shared": 256}),
    "qwen3moe": ("qwen3moe", ["F32", "BF16"], {"experts": (8, 2)}),
}


def blocks(generator, rows, columns, format):
    """A random matrix in a GGUF format, as the writer wants it."""
    kind = gguf.GGMLQuantizationType[format]
    if format in ("F32", "F16"):
        return (generator.standard_normal((rows, columns)) / np.sqrt(columns)).astype(np.float32 if format == "F32" else np.float16), kind
    if format == "BF16":
        values = (generator.standard_normal((rows, columns)) / np.sqrt(columns)).astype(ml_dtypes.bfloat16)
        return values.view(np.uint8).reshape(rows, -1), kind
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    if format in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"):
        return gguf.quants.quantize((generator.standard_normal((rows, columns)) / np.sqrt(columns)).astype(np.float32), kind), kind
    # The package has no quantizer for K formats: random codes, with scales that give numbers of the right size.
    made = generator.integers(0, 256, (rows, columns // elements, size), np.uint8)
    half = lambda x: np.frombuffer(np.float16(x).tobytes(), np.uint8)
    if format == "Q6_K":
        made[..., 192:208] = generator.integers(-8, 8, made[..., 192:208].shape).astype(np.int8).view(np.uint8)
        made[..., 208:210] = half(3e-4)
    else:
        made[..., 0:2], made[..., 2:4] = half(2e-4 if format == "Q4_K" else 1e-4), half(1.5e-3)
    return made.reshape(rows, -1), kind


def write_small(path, name):
    kind, formats, more = SMALL[name]
    generator = np.random.default_rng(len(name))
    layers, heads, key_heads = more.get("layers", 2), 6, 6 if kind == "gpt2" else 2
    writer = gguf.GGUFWriter(path, kind)
    writer.add_block_count(layers)
    writer.add_context_length(700)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(heads)
    writer.add_head_count_kv(key_heads)
    writer.add_key_length(DEPTH)
    writer.add_value_length(DEPTH)
    (writer.add_layer_norm_eps if kind == "gpt2" else writer.add_layer_norm_rms_eps)(1e-5)
    writer.add_rope_freq_base(5e4)
    if "scale" in more:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(more["scale"])
    if kind == "gemma3":
        writer.add_sliding_window(10)
    if "experts" in more:
        writer.add_expert_count(more["experts"][0])
        writer.add_expert_used_count(more["experts"][1])
        writer.add_expert_feed_forward_length(HIDDEN)
    if "shared" in more:
        writer.add_expert_shared_feed_forward_length(more["shared"])
    writer.add_eos_token_id(7)
    used = 0

    def matrix(tensor, rows, columns):
        nonlocal used
        values, dtype = blocks(generator, rows, columns, formats[used % len(formats)])
        used += 1
        writer.add_tensor(f"{tensor}.weight", values, raw_dtype=dtype)

    def vector(tensor, count, middle):
        writer.add_tensor(tensor, (middle + 0.2 * generator.standard_normal(count)).astype(np.float32))

    def experts(tensor, rows, columns):
        nonlocal used
        made = [blocks(generator, rows, columns, formats[used % len(formats)]) for _ in range(more["experts"][0])]
        used += 1
        writer.add_tensor(f"{tensor}.weight", np.stack([values for values, _ in made]), raw_dtype=made[0][1])

    def norm(tensor):
        vector(f"{tensor}.weight", WIDTH, 1)
        if kind == "gpt2":
            vector(f"{tensor}.bias", WIDTH, 0)

    matrix("token_embd", VOCABULARY, WIDTH)
    if kind == "gpt2":
        matrix("position_embd", 700, WIDTH)
    norm("output_norm")
    if more.get("output"):
        matrix("output", VOCABULARY, WIDTH)
    if more.get("factors"):
        writer.add_tensor("rope_freqs.weight", np.linspace(1, 8, DEPTH // 2).astype(np.float32))
    for layer in range(layers):
        block = f"blk.{layer}"
        hidden = more.get("shared", HIDDEN)
        attention = (("attn_qkv", 3 * heads * DEPTH, WIDTH),) if kind == "gpt2" else (("attn_q", heads * DEPTH, WIDTH), ("attn_k", key_heads * DEPTH, WIDTH), ("attn_v", key_heads * DEPTH, WIDTH))
        end = "_shexp" if "shared" in more else ""
        dense = (("ffn_gate" + end, hidden, WIDTH),) * (kind != "gpt2") + (("ffn_up" + end, hidden, WIDTH), ("ffn_down" + end, WIDTH, hidden))
        for tensor, rows, columns in (*attention, *(dense if "experts" not in more or "shared" in more else ())):
            matrix(f"{block}.{tensor}", rows, columns)
        if "experts" in more:
            writer.add_tensor(f"{block}.ffn_gate_inp.weight", (generator.standard_normal((more["experts"][0], WIDTH)) / 16).astype(np.float32))
            for tensor, rows, columns in (("ffn_gate_exps", HIDDEN, WIDTH), ("ffn_up_exps", HIDDEN, WIDTH), ("ffn_down_exps", WIDTH, HIDDEN)):
                experts(f"{block}.{tensor}", rows, columns)
        if "shared" in more:
            vector(f"{block}.ffn_gate_inp_shexp.weight", WIDTH, 0)
        # Its rows have 192 elements, which no K format has.
        output, dtype = blocks(generator, WIDTH, heads * DEPTH, "Q4_1")
        writer.add_tensor(f"{block}.attn_output.weight", output, raw_dtype=dtype)
        norm(f"{block}.attn_norm")
        norm(f"{block}.ffn_norm")
        if kind == "gpt2":
            for tensor, count in (("attn_qkv", 3 * heads * DEPTH), ("attn_output", WIDTH), ("ffn_up", HIDDEN), ("ffn_down", WIDTH)):
                vector(f"{block}.{tensor}.bias", count, 0)
        if kind in ("qwen2", "qwen2moe"):
            for tensor, count in (("q", heads), ("k", key_heads), ("v", key_heads)):
                vector(f"{block}.attn_{tensor}.bias", count * DEPTH, 0)
        if kind in ("qwen3", "qwen3moe", "gemma3"):
            vector(f"{block}.attn_q_norm.weight", DEPTH, 1)
            vector(f"{block}.attn_k_norm.weight", DEPTH, 1)
        if kind == "gemma3":
            vector(f"{block}.post_attention_norm.weight", WIDTH, 1)
            vector(f"{block}.post_ffw_norm.weight", WIDTH, 1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# ---- running a plan ------------------------------------------------------------------------------------------------------------------


# What a plan that draws tokens takes where nobody asks for any (runtime/llm/StepPorts.h).
DRAWS = {f"draw.{name}": kind for name, kind in {"rows": np.int32, "inverse_temperature": np.float32, "min_p": np.float32, "u": np.float32, "choice": np.int32}.items()}
DRAWS |= {f"listed.{name}": np.int32 for name in ("draw", "rows", "top_k")} | {f"listed.{name}": np.float32 for name in ("inverse_temperature", "top_p", "min_p", "u")}
NO_DRAWS = {name: np.empty(0, kind) for name, kind in DRAWS.items()}


class Engine:
    """Pools and tables; steps of (sequence, position, token) go in, logits of the last token of each sequence in the step come out."""

    def __init__(self, session, kind, pages=64, sequences=2, seed=1):
        self.session, metadata = session, session.metadata
        self.free = list(np.random.default_rng(seed).permutation(pages))
        self.table = np.full((sequences, pages), pages * 7, np.int32)
        heads, depth = int(metadata["llm.key_heads"]), int(metadata["llm.depth"])
        self.pools = {}
        for port in session.inputs:
            if port.name.startswith(("keys.", "values.")):
                self.pools[port.name] = np.full((pages, heads, PAGE, depth), 0 if kind in ("i8", "f8") else np.nan, np.float32).astype(POOLS[kind])
            elif port.name.startswith(("key_scales.", "value_scales.")):
                self.pools[port.name] = np.full((pages, heads, PAGE), np.nan, np.float32)

    def call(self, tokens):
        slots = []
        for s, at, _ in tokens:
            if at % PAGE == 0:
                self.table[s, at // PAGE] = self.free.pop()
            slots.append(self.table[s, at // PAGE] * PAGE + at % PAGE)
        sequences, positions, ids = (np.array(part, np.int32) for part in zip(*tokens))
        rows = [i for i, (s, _, _) in enumerate(tokens) if s not in [t[0] for t in tokens[i + 1 :]]]
        inputs = {**self.pools, "tokens": ids, "slots": np.array(slots, np.int32), "table": self.table, "sequence": sequences, "position": positions, "rows": np.array(rows, np.int32), "shown.rows": np.arange(len(rows), dtype=np.int32), **NO_DRAWS}
        return self.session.call([inputs[port.name] for port in self.session.inputs])

    def step(self, tokens):
        call = self.call(tokens)
        call.run()
        return call.output(0)

    def prefill(self, sequence, ids, chunk=0):
        """Logits of the last token."""
        chunk = chunk or len(ids)
        for first in range(0, len(ids), chunk):
            y = self.step([(sequence, first + i, token) for i, token in enumerate(ids[first : first + chunk])])
        return y[0]


class Run:
    def __init__(self, options):
        self.jinx, self.threads = options.jinx, options.threads
        self.library = jinx_capi.Library(pathlib.Path(options.jinx).resolve().parents[1] / "lib" / f"libjinx{'-emulated' if getattr(options, 'emulated', False) else ''}.so")
        self.failures, self.count = [], 0

    def outcome(self, good, text):
        self.count += 1
        if not good:
            self.failures.append(text)

    def compile(self, model, plan, kind, bits=24):
        start = time.monotonic()
        done = subprocess.run([self.jinx, "compile", model, "-o", plan, "--kv", kind, "--activation-bits", str(bits)], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{model} does not compile: {done.stderr.strip()}")
        print(f"{model.name} --kv {kind}: compiled in {time.monotonic() - start:.1f} s, {plan.stat().st_size / 1e6:.1f} MB")
        return jinx_capi.Session(self.library, plan, threads=self.threads)

    def near(self, name, y, want, bound):
        error = np.abs(y - want).max() / np.abs(want).max()
        self.outcome(error <= bound, f"{name}: off by {error:.2e} of the largest logit, at most {bound:.0e} is expected")
        return error

    def judge(self, name, session, kind, model, ids, after):
        """A prompt, tokens after it; the same in chunks and beside another sequence."""
        want, worst = model.logits(ids + after)[len(ids) - 1 :], 0
        engine = Engine(session, kind)
        found = [engine.prefill(0, ids)] + [engine.step([(0, len(ids) + i, token)])[0] for i, token in enumerate(after)]
        for i, (y, row) in enumerate(zip(found, want)):
            worst = max(worst, self.near(f"{name}, position {len(ids) - 1 + i}", y, row, BOUND[kind]))
        for chunk in (1, 7):
            again = Engine(session, kind, seed=5).prefill(1, ids, chunk)
            self.outcome(again.tobytes() == found[0].tobytes(), f"{name}: chunks of {chunk} give other bits")
        self.judge_beside(name, session, kind, ids, after, found)
        print(f"{name}: off by {worst:.1e} of the largest logit")

    def judge_beside(self, name, session, kind, ids, after, found):
        other, engine = list(reversed(ids)), Engine(session, kind, seed=9)
        y = engine.step([(1, i, token) for i, token in enumerate(other)] + [(0, i, token) for i, token in enumerate(ids)])
        self.outcome(y[1].tobytes() == found[0].tobytes(), f"{name}: a prompt beside another gives other bits")
        for i, token in enumerate(after):
            y = engine.step([(0, len(ids) + i, token), (1, len(ids) + i, token)])
            self.outcome(y[0].tobytes() == found[i + 1].tobytes(), f"{name}: token {i} beside another sequence gives other bits")

    def small(self, name, folder):
        path = pathlib.Path(folder) / f"{name.replace(' ', '_')}.gguf"
        write_small(path, name)
        generator = np.random.default_rng(3)
        ids, after = (list(map(int, generator.integers(0, VOCABULARY, count))) for count in (37, 6))
        for kind in POOLS if name in ("llama", "gemma3") else ("f32",):
            session = self.compile(path, path.with_suffix(".jxp"), kind)
            self.judge(f"{name} {kind}", session, kind, FloatModel(path, kind), ids, after)
        if name == "llama":  # far positions: tables of cosines and sines in two levels
            ids = list(map(int, generator.integers(0, VOCABULARY, 600)))
            session = self.compile(path, path.with_suffix(".jxp"), "f32")
            self.near(f"{name}, 600 tokens", Engine(session, "f32").prefill(0, ids), FloatModel(path).logits(ids)[-1], BOUND["f32"])

    def smollm2(self, folder, speed):
        path = pathlib.Path(data("smollm2.gguf"))
        plan, model = pathlib.Path(folder) / "smollm2.jxp", FloatModel(path)
        session = self.compile(path, plan, "f32")
        self.outcome(plan.stat().st_size < 1.6 * path.stat().st_size, f"smollm2: the plan has {plan.stat().st_size} bytes, the file {path.stat().st_size}")
        engine, ids = Engine(session, "f32"), []
        y = engine.prefill(0, PROMPT)
        for at in range(len(ANSWER)):
            ids.append(int(y.argmax()))
            y = engine.step([(0, len(PROMPT) + at, ids[-1])])[0]
        self.outcome(ids == ANSWER, f"smollm2: {ids} follow the prompt, expected {ANSWER}")
        self.judge("smollm2 f32", session, "f32", model, PROMPT + ANSWER[:2], ANSWER[2:])
        if speed:
            measure(self, plan)


def measure(run, plan):
    """Tokens a second, the best of some rounds: pools of 64 pages, one sequence."""
    for threads in (1, 2):
        session = jinx_capi.Session(run.library, plan, threads=threads)
        engine, ids = Engine(session, "f32"), [504 + i % 1000 for i in range(512)]
        for what, count, rounds, call in (("prefill of 512 tokens", 512, 4, engine.call([(0, i, token) for i, token in enumerate(ids)])),
                                          ("decode at position 512", 1, 100, engine.call([(0, 512, 30)]))):
            times = []
            for _ in range(rounds):
                start = time.perf_counter()
                call.run()
                times.append(time.perf_counter() - start)
            print(f"smollm2, {threads} threads, {what}: {count / min(times):.0f} tokens/s, median {count / np.median(times):.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", default=str(jinx_capi.ROOT / "build" / "dev" / "bin" / "jinx"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--speed", action="store_true", help="also tokens a second of SmolLM2")
    parser.add_argument("cases", nargs="*", metavar="CASE", default=[*SMALL, "smollm2"])
    options = parser.parse_args()
    run, skipped = Run(options), 0
    with tempfile.TemporaryDirectory() as folder:
        for name in options.cases:
            try:
                run.smollm2(folder, options.speed) if name == "smollm2" else run.small(name, folder)
            except Missing as missing:
                print(f"skipped: {name}: {missing}")
                skipped += 1
    for failure in run.failures[:20]:
        print(failure)
    print(f"{run.count - len(run.failures)} passed, {len(run.failures)} failed, {skipped} skipped")
    return 1 if run.failures else 77 if not run.count else 0


if __name__ == "__main__":
    sys.exit(main())
