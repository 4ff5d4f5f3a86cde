#!/usr/bin/env python3
"""Is a plan made of a Hugging Face folder the language model that the folder is? Judged by a forward pass in float64 over the same weights.

Small folders of every architecture, with random weights that this script writes (safetensors by its own writer, whole and in shards), MiniLM-L6 as it
is published, and SmolLM2-135M's weights in a folder. Asked of models that make tokens: logits of a prompt and of tokens that follow it one by one through pages, near those of the pass,
which is written from the models' papers and has no pages; the same to the last bit when the prompt comes in chunks, and when another sequence is in
every step. Experts: equal scores in the router, and experts that get no token, are in the cases, and it is asked whether they were. Of encoders: embeddings
of texts alone and padded. Of SmolLM2: the text that `jinx generate` makes of the folder.

    huggingface_model.py [--jinx build/dev/bin/jinx] [--threads N] [CASE…]
"""

import argparse
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

import ml_dtypes
import numpy as np

import jinx_capi
from packages import Missing, data

try:
    import gguf_model
except ImportError as missing:
    print(f"skipped: {missing}; run this with the Python of ./dev setup ($JINX_CACHE/python/bin/python)")
    sys.exit(77)

TYPES = {"F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16}
WIDTH, HIDDEN, DEPTH, HEADS, KEY_HEADS, VOCABULARY, CONTEXT = 64, 96, 16, 6, 2, 96, 700

# ---- files ------------------------------------------------------------------------------------------------------------------------------


def write_safetensors(path, tensors):
    """tensors: name -> (type, numbers). The length of a JSON header, the header, then the elements."""
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for name, (kind, values) in tensors.items():
        raw = np.ascontiguousarray(values.astype(TYPES[kind])).tobytes()
        header[name] = {"dtype": kind, "shape": list(values.shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def write_folder(folder, config, tensors, shards=1, generation=None):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    if generation:
        (folder / "generation_config.json").write_text(json.dumps(generation))
    if shards == 1:
        return write_safetensors(folder / "model.safetensors", tensors)
    names = sorted(tensors)
    index = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = names[shard::shards]
        write_safetensors(folder / file, {name: tensors[name] for name in part})
        index.update(dict.fromkeys(part, file))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))


class Maker:
    """Random tensors of one type, what they hold after rounding kept as float64."""

    def __init__(self, kind, seed):
        self.kind, self.random, self.tensors = kind, np.random.default_rng(seed), {}

    def add(self, name, values):
        self.tensors[name] = (self.kind, values.astype(np.float32))

    def matrix(self, name, rows, columns):
        self.add(name, self.random.standard_normal((rows, columns)) / np.sqrt(columns))

    def embedding(self, name, rows, columns):
        self.add(name, self.random.standard_normal((rows, columns)) * 0.3)

    def vector(self, name, count, middle):
        self.add(name, middle + 0.2 * self.random.standard_normal(count))

    def linear(self, name, rows, columns, bias=False):
        self.matrix(f"{name}.weight", rows, columns)
        if bias:
            self.vector(f"{name}.bias", rows, 0)

    def norm(self, name, count, middle=1, bias=False):
        self.vector(f"{name}.weight", count, middle)
        if bias:
            self.vector(f"{name}.bias", count, 0)

    def weights(self):
        return {name: values.astype(TYPES[kind]).astype(np.float64) for name, (kind, values) in self.tensors.items()}


def make_llama(config, maker, prefix="model."):
    """llama, mistral, qwen, gemma and their mixtures of experts, as their files call tensors."""
    kind = config["model_type"]
    gemma, middle = kind == "gemma3_text", 0 if kind == "gemma3_text" else 1
    bias = kind in ("qwen2", "qwen2_moe") or config.get("attention_bias", False)
    depth = config.get("head_dim", config["hidden_size"] // config["num_attention_heads"])
    maker.embedding(f"{prefix}embed_tokens.weight", VOCABULARY, WIDTH)
    maker.norm(f"{prefix}norm", WIDTH, middle)
    if not config["tie_word_embeddings"]:
        maker.matrix("lm_head.weight", VOCABULARY, WIDTH)
    for layer in range(config["num_hidden_layers"]):
        name = f"{prefix}layers.{layer}"
        maker.norm(f"{name}.input_layernorm", WIDTH, middle)
        maker.norm(f"{name}.post_attention_layernorm", WIDTH, middle)
        if gemma:
            maker.norm(f"{name}.pre_feedforward_layernorm", WIDTH, middle)
            maker.norm(f"{name}.post_feedforward_layernorm", WIDTH, middle)
        for part, heads in (("q", HEADS), ("k", KEY_HEADS), ("v", KEY_HEADS)):
            maker.linear(f"{name}.self_attn.{part}_proj", heads * depth, WIDTH, bias)
        maker.linear(f"{name}.self_attn.o_proj", WIDTH, HEADS * depth, config.get("attention_bias", False))
        if kind in ("qwen3", "qwen3_moe", "gemma3_text"):
            maker.norm(f"{name}.self_attn.q_norm", depth, middle)
            maker.norm(f"{name}.self_attn.k_norm", depth, middle)
        make_feed_forward(config, maker, name, layer)


def make_gated(maker, name, hidden, bias=False, parts=("gate_proj", "up_proj", "down_proj")):
    maker.linear(f"{name}.{parts[0]}", hidden, WIDTH, bias)
    maker.linear(f"{name}.{parts[1]}", hidden, WIDTH, bias)
    maker.linear(f"{name}.{parts[2]}", WIDTH, hidden, bias)


def make_feed_forward(config, maker, name, layer):
    if not has_experts(config, layer):
        return make_gated(maker, f"{name}.mlp", config["intermediate_size"], config.get("mlp_bias", False))
    mixtral = config["model_type"] == "mixtral"
    count = config["num_local_experts"] if mixtral else config["num_experts"]
    part = f"{name}.block_sparse_moe" if mixtral else f"{name}.mlp"
    gate = maker.random.standard_normal((count, WIDTH)) / np.sqrt(WIDTH)
    gate[2] = gate[1]  # two experts whose scores are equal: the first is chosen
    maker.add(f"{part}.gate.weight", gate)
    for expert in range(count):
        if mixtral:
            make_gated(maker, f"{part}.experts.{expert}", config["intermediate_size"], parts=("w1", "w3", "w2"))
        else:
            make_gated(maker, f"{part}.experts.{expert}", config["moe_intermediate_size"])
    if shared := config.get("shared_expert_intermediate_size"):
        make_gated(maker, f"{part}.shared_expert", shared)
        maker.matrix(f"{part}.shared_expert_gate.weight", 1, WIDTH)


def has_experts(config, layer):
    if config["model_type"] == "mixtral":
        return True
    if config["model_type"] not in ("qwen2_moe", "qwen3_moe"):
        return False
    return layer not in config.get("mlp_only_layers", []) and (layer + 1) % config.get("decoder_sparse_step", 1) == 0


def make_gpt2(config, maker, prefix="transformer."):
    width = config["n_embd"]
    maker.embedding(f"{prefix}wte.weight", VOCABULARY, width)
    maker.embedding(f"{prefix}wpe.weight", CONTEXT, width)
    maker.norm(f"{prefix}ln_f", width, bias=True)
    for layer in range(config["n_layer"]):
        name = f"{prefix}h.{layer}"
        maker.norm(f"{name}.ln_1", width, bias=True)
        maker.norm(f"{name}.ln_2", width, bias=True)
        for part, into, out in (("attn.c_attn", width, 3 * width), ("attn.c_proj", width, width), ("mlp.c_fc", width, 4 * width), ("mlp.c_proj", 4 * width, width)):
            maker.add(f"{name}.{part}.weight", maker.random.standard_normal((into, out)) / np.sqrt(into))
            maker.vector(f"{name}.{part}.bias", out, 0)
        maker.add(f"{name}.attn.bias", np.tril(np.ones((1, 1, 4, 4))))  # a mask that old files hold


# ---- the float64 models --------------------------------------------------------------------------------------------------------------------


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def silu(x):
    return x / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attend(q, k, v, scale, seen):
    """q [tokens, heads, depth], k and v of fewer heads; seen [tokens, keys]."""
    k, v = (np.repeat(part, q.shape[1] // part.shape[1], 1) for part in (k, v))
    scores = np.einsum("qhd,khd->hqk", q, k) * scale
    return np.einsum("hqk,khd->qhd", softmax(np.where(seen, scores, -np.inf)), v)


def frequencies(config, layer_is_local):
    """[depth / 2] radians a position, and what is multiplied."""
    depth = config.get("head_dim", config.get("hidden_size", 0) // config["num_attention_heads"])
    scaling = dict(config.get("rope_scaling") or {})
    base = config.get("rope_theta", 1e4)
    if parameters := config.get("rope_parameters"):
        scaling = parameters["sliding_attention" if layer_is_local else "full_attention"] if "full_attention" in parameters else parameters
        base = scaling["rope_theta"]
    elif layer_is_local and config["model_type"] == "gemma3_text":
        base, scaling = config["rope_local_base_freq"], {}
    f = base ** (-np.arange(0, depth, 2) / depth)
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind == "default":
        return f, 1.0
    factor = scaling["factor"]
    if kind == "linear":
        return f / factor, 1.0
    original = scaling["original_max_position_embeddings"]
    if kind == "llama3":  # as Meta's code has it: by wave lengths
        out = []
        for one in f:
            wave = 2 * np.pi / one
            if wave < original / scaling["high_freq_factor"]:
                out.append(one)
            elif wave > original / scaling["low_freq_factor"]:
                out.append(one / factor)
            else:
                smooth = (original / wave - scaling["low_freq_factor"]) / (scaling["high_freq_factor"] - scaling["low_freq_factor"])
                out.append((1 - smooth) * one / factor + smooth * one)
        return np.array(out), 1.0
    assert kind == "yarn"  # Peng et al. 2023, eq. 17 to 19 with ramps over dimensions, and section 3.4
    at = lambda turns: depth * np.log(original / (turns * 2 * np.pi)) / (2 * np.log(base))
    low, high = max(np.floor(at(scaling.get("beta_fast", 32))), 0), min(np.ceil(at(scaling.get("beta_slow", 1))), depth - 1)
    ramp = np.clip((np.arange(depth // 2) - low) / (high - low), 0, 1)
    return f / factor * ramp + f * (1 - ramp), 0.1 * np.log(factor) + 1


class LlamaModel:
    def __init__(self, config, weights, prefix="model."):
        self.config, self.w, self.prefix, self.kind = config, weights, prefix, config["model_type"]
        self.depth = config.get("head_dim", config["hidden_size"] // config["num_attention_heads"])
        self.chosen = []  # of each layer with experts: scores [tokens, experts], and which were chosen

    def norm(self, x, name):
        gain = self.w[f"{name}.weight"] + (1 if self.kind == "gemma3_text" else 0)
        return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + self.config["rms_norm_eps"]) * gain

    def linear(self, x, name):
        return x @ self.w[f"{name}.weight"].T + self.w.get(f"{name}.bias", 0)

    def window(self, layer):
        c = self.config
        if "layer_types" in c:
            return c["sliding_window"] if c["layer_types"][layer] == "sliding_attention" else None
        if self.kind == "gemma3_text":
            return c["sliding_window"] if (layer + 1) % 6 else None
        if self.kind.startswith("qwen"):
            return c["sliding_window"] if c.get("use_sliding_window") and layer >= c["max_window_layers"] else None
        return c.get("sliding_window") if self.kind in ("mistral", "mixtral") else None

    def rope(self, x, local):
        turn, size = frequencies(self.config, local)
        by = np.exp(1j * np.arange(len(x))[:, None, None] * turn) * size
        half = self.depth // 2
        z = (x[..., :half] + 1j * x[..., half:]) * by
        return np.concatenate([z.real, z.imag], -1)

    def attention(self, x, name, layer):
        q, k, v = (self.linear(x, f"{name}.{part}_proj").reshape(len(x), -1, self.depth) for part in "qkv")
        if f"{name}.q_norm.weight" in self.w:
            q, k = self.norm(q, f"{name}.q_norm"), self.norm(k, f"{name}.k_norm")
        window = self.window(layer)
        q, k = self.rope(q, window is not None), self.rope(k, window is not None)
        distance = np.arange(len(x))[:, None] - np.arange(len(x))
        seen = (distance >= 0) & (distance < (window or len(x)))
        scale = 1 / np.sqrt(self.config.get("query_pre_attn_scalar", self.depth))
        return self.linear(attend(q, k, v, scale, seen).reshape(len(x), -1), f"{name}.o_proj")

    def gated(self, x, name, parts=("gate_proj", "up_proj", "down_proj")):
        act = gelu_tanh if self.kind == "gemma3_text" else silu
        return self.linear(act(self.linear(x, f"{name}.{parts[0]}")) * self.linear(x, f"{name}.{parts[1]}"), f"{name}.{parts[2]}")

    def experts(self, x, name):
        mixtral = self.kind == "mixtral"
        part = f"{name}.block_sparse_moe" if mixtral else f"{name}.mlp"
        scores = self.linear(x, f"{part}.gate")
        scores[:, 2] = scores[:, 1]  # products of equal rows, whatever order the library sums in
        p, used = softmax(scores), self.config["num_experts_per_tok"]
        y, chosen = np.zeros_like(x), np.argsort(-p, -1, kind="stable")[:, :used]
        self.chosen.append((scores, chosen))
        for t in range(len(x)):
            weights = p[t, chosen[t]]
            if mixtral or self.config.get("norm_topk_prob"):
                weights = weights / weights.sum()
            for expert, weight in zip(chosen[t], weights):
                y[t] += weight * self.gated(x[t], f"{part}.experts.{expert}", ("w1", "w3", "w2") if mixtral else ("gate_proj", "up_proj", "down_proj"))
        if "shared_expert_intermediate_size" in self.config:
            y += self.gated(x, f"{part}.shared_expert") / (1 + np.exp(-self.linear(x, f"{part}.shared_expert_gate")))
        return y

    def logits(self, ids):
        """[tokens, vocabulary]"""
        embedding, gemma = self.w[f"{self.prefix}embed_tokens.weight"], self.kind == "gemma3_text"
        x = embedding[ids] * (np.sqrt(WIDTH) if gemma else 1)
        for layer in range(self.config["num_hidden_layers"]):
            name = f"{self.prefix}layers.{layer}"
            y = self.attention(self.norm(x, f"{name}.input_layernorm"), f"{name}.self_attn", layer)
            x = x + (self.norm(y, f"{name}.post_attention_layernorm") if gemma else y)
            y = self.norm(x, f"{name}.pre_feedforward_layernorm" if gemma else f"{name}.post_attention_layernorm")
            y = self.experts(y, name) if has_experts(self.config, layer) else self.gated(y, f"{name}.mlp")
            x = x + (self.norm(y, f"{name}.post_feedforward_layernorm") if gemma else y)
        return self.norm(x, f"{self.prefix}norm") @ (embedding if self.config["tie_word_embeddings"] else self.w["lm_head.weight"]).T


class GptModel:
    def __init__(self, config, weights, prefix="transformer."):
        self.config, self.w, self.prefix = config, weights, prefix

    def norm(self, x, name):
        centered = x - x.mean(-1, keepdims=True)
        return centered / np.sqrt((centered**2).mean(-1, keepdims=True) + self.config["layer_norm_epsilon"]) * self.w[f"{name}.weight"] + self.w[f"{name}.bias"]

    def linear(self, x, name):
        return x @ self.w[f"{name}.weight"] + self.w[f"{name}.bias"]

    def logits(self, ids):
        heads, embedding = self.config["n_head"], self.w[f"{self.prefix}wte.weight"]
        x = embedding[ids] + self.w[f"{self.prefix}wpe.weight"][: len(ids)]
        for layer in range(self.config["n_layer"]):
            name = f"{self.prefix}h.{layer}"
            q, k, v = (part.reshape(len(x), heads, -1) for part in np.split(self.linear(self.norm(x, f"{name}.ln_1"), f"{name}.attn.c_attn"), 3, -1))
            y = attend(q, k, v, 1 / np.sqrt(q.shape[-1]), np.tril(np.ones((len(x), len(x)), bool)))
            x = x + self.linear(y.reshape(len(x), -1), f"{name}.attn.c_proj")
            x = x + self.linear(gelu_tanh(self.linear(self.norm(x, f"{name}.ln_2"), f"{name}.mlp.c_fc")), f"{name}.mlp.c_proj")
        return self.norm(x, f"{self.prefix}ln_f") @ embedding.T


# ---- cases ------------------------------------------------------------------------------------------------------------------------------


def llama(kind, **more):
    config = {
        "model_type": kind, "architectures": [f"{kind.title()}ForCausalLM"], "hidden_size": WIDTH, "intermediate_size": HIDDEN, "num_hidden_layers": 2, "num_attention_heads": HEADS,
        "num_key_value_heads": KEY_HEADS, "head_dim": DEPTH, "vocab_size": VOCABULARY, "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-5, "rope_theta": 5e4,
        "tie_word_embeddings": False, "eos_token_id": 7, "hidden_act": "silu",
    }  # fmt: skip
    return {**config, **more}


LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 128}
YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 175}
GPT2 = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_embd": WIDTH, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT, "vocab_size": VOCABULARY, "layer_norm_epsilon": 1e-5,
        "activation_function": "gelu_new", "eos_token_id": 7}  # fmt: skip
GEMMA = {"head_dim": 32, "num_hidden_layers": 7, "sliding_window": 10, "query_pre_attn_scalar": 24, "hidden_activation": "gelu_pytorch_tanh", "tie_word_embeddings": True}
EXPERTS = {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 48}
# name: config, type of the tensors, shards, what stands in front of names
CASES = {
    "llama": (llama("llama"), "F32", 1, "model."),
    "llama3 in shards": (llama("llama", rope_scaling=LLAMA3, num_hidden_layers=3), "BF16", 3, "model."),
    "llama with biases": (llama("llama", attention_bias=True, mlp_bias=True, rope_scaling={"type": "linear", "factor": 4.0}), "F16", 1, "model."),
    "llama with yarn": (llama("llama", rope_scaling=YARN, tie_word_embeddings=True), "F32", 1, ""),
    "llama, rope in new fields": (llama("llama", rope_theta=None, rope_parameters={"rope_theta": 3e4, **LLAMA3}), "F32", 1, "model."),
    "mistral": (llama("mistral", sliding_window=10), "BF16", 2, "model."),
    "qwen2": (llama("qwen2", tie_word_embeddings=True), "BF16", 1, "model."),
    "qwen2 with windows": (llama("qwen2", use_sliding_window=True, sliding_window=9, max_window_layers=1), "F32", 1, "model."),
    "qwen3": (llama("qwen3"), "F32", 1, "model."),
    "qwen3 with layer types": (llama("qwen3", use_sliding_window=True, sliding_window=9, layer_types=["sliding_attention", "full_attention"]), "F32", 1, "model."),
    "gemma3": (llama("gemma3_text", **GEMMA, rope_local_base_freq=1e4, rope_scaling={"rope_type": "linear", "factor": 8.0}), "BF16", 1, "model."),
    "gemma3, rope in new fields": (llama("gemma3_text", **GEMMA, layer_types=["sliding_attention"] * 2 + ["full_attention"] + ["sliding_attention"] * 4,
                                         rope_parameters={"full_attention": {"rope_theta": 7e5, "rope_type": "default"}, "sliding_attention": {"rope_theta": 2e4, "rope_type": "default"}}), "F32", 1, "model."),
    "gpt2": (GPT2, "F32", 1, "transformer."),
    "gpt2 without prefix": ({**GPT2, "n_layer": 1}, "F16", 2, ""),
    "mixtral": (llama("mixtral", num_local_experts=5, num_experts_per_tok=2), "BF16", 2, "model."),
    "mixtral with windows": (llama("mixtral", num_local_experts=4, num_experts_per_tok=4, sliding_window=12), "F32", 1, "model."),
    "qwen2_moe": (llama("qwen2_moe", **EXPERTS, shared_expert_intermediate_size=80, norm_topk_prob=False, num_hidden_layers=3, mlp_only_layers=[1]), "F32", 1, "model."),
    "qwen3_moe": (llama("qwen3_moe", **{**EXPERTS, "num_experts_per_tok": 3}, norm_topk_prob=True, decoder_sparse_step=2), "BF16", 1, "model."),
    "qwen3_moe, one expert a token": (llama("qwen3_moe", **{**EXPERTS, "num_experts": 9, "num_experts_per_tok": 1}, norm_topk_prob=False), "F32", 1, "model."),
}  # fmt: skip


# On the emulated CUDA device: weights and activations of bf16, where products of one operand are one over weights in pieces, with biases or without. How many launches the first layer of a step of one
# token is: norm; q, k and v; rotation and pages; the list of attention's items, which all layers share, attention, its join; output; norm; gate and up; down. (Gemma norms heads and results, too.)
EMULATED = {"llama3 in shards": 10, "llama with biases": 10, "mistral": 10, "qwen2": 10, "mixtral": None, "qwen2_moe": None, "gemma3": None}
EMULATED_BOUND = 3e-2  # what bf16 through all layers is worth, of the largest logit


class Run(gguf_model.Run):
    def compile_folder(self, folder, *more):
        plan = folder / "m.jxp" if "--external-weights" in more else folder.with_suffix(".jxp")
        done = subprocess.run([self.jinx, "compile", folder, "-o", plan, *more], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{folder} does not compile: {done.stderr.strip()}")
        return jinx_capi.Session(self.library, plan, device="emulated") if "--target" in more else jinx_capi.Session(self.library, plan, threads=self.threads)

    def made(self, name, folder):
        """A folder of a case, its float64 model, a prompt and what follows it."""
        config, kind, shards, prefix = CASES[name]
        config = {field: value for field, value in config.items() if value is not None}
        maker = Maker(kind, len(name))
        (make_gpt2 if config["model_type"] == "gpt2" else make_llama)(config, maker, prefix)
        path = pathlib.Path(folder) / name.replace(" ", "_").replace(",", "")
        write_folder(path, config, maker.tensors, shards, {"eos_token_id": [3, 7]} if name == "llama" else None)
        model = (GptModel if config["model_type"] == "gpt2" else LlamaModel)(config, maker.weights(), prefix)
        generator = np.random.default_rng(3)
        ids, after = (list(map(int, generator.integers(0, VOCABULARY, count))) for count in (37, 6))
        return path, model, generator, ids, after

    def emulated(self, name, folder):
        """A prompt whole and in chunks, each with tokens after it: kernels of several ranges of rows."""
        path, model, _, ids, after = self.made(name, folder)
        session = self.compile_folder(path, "--target", "cuda:sm_90a", "--activations", "bf16", "--kv", "bf16", "--external-weights")
        self.products(name, json.loads(subprocess.run([self.jinx, "inspect", path / "m.jxp", "--json"], capture_output=True, text=True, check=True).stdout)["steps"])
        want, worst = model.logits(ids + after)[len(ids) - 1 :], 0
        for chunk in (len(ids), 5):
            engine = gguf_model.Engine(session, "bf16")
            found = [engine.prefill(0, ids, chunk)] + [engine.step([(0, len(ids) + i, token)])[0] for i, token in enumerate(after)]
            for i, (y, row) in enumerate(zip(found, want)):
                worst = max(worst, self.near(f"{name}, chunks of {chunk}, position {len(ids) - 1 + i}", y, row, EMULATED_BOUND))
        print(f"{name}: off by {worst:.1e} of the largest logit")

    def products(self, name, steps):
        """Which products of the first layer are one, and how many of its launches run for one token: inspect shows a plan for the least sizes."""
        config, steps = CASES[name][0], [step for step in steps if step["kind"] == "launch"]
        layers = range(config["num_hidden_layers"])
        dense, mixture = (next((layer for layer in layers if has_experts(config, layer) == has), None) for has in (False, True))
        together = lambda layer, *parts, product="packed_matmul": any(product in step["kernel"] and all(f"blk.{layer}.{part}" in step["nodes"] for part in parts) for step in steps)
        self.outcome(together(0, "attn_q", "attn_k", "attn_v"), f"{name}: q, k and v are no product over weights in pieces")
        if dense is not None:
            self.outcome(together(dense, "ffn_gate", "ffn_up"), f"{name}: gate and up are no product of two matrices")
        if mixture is not None:
            self.outcome(together(mixture, "ffn_exps.gate", "ffn_exps.up", product="packed_grouped_matmul"), f"{name}: gate and up of experts are two products")
        launches = [step["kernel"] for step in steps if step["programs"] and any(node.startswith("blk.0.") for node in step["nodes"])]
        print(f"{name}: {len(launches)} launches in the first layer")
        self.outcome(EMULATED[name] in (None, len(launches)), f"{name}: the first layer is {len(launches)} launches, expected {EMULATED[name]}: {', '.join(launches)}")

    def decoder(self, name, folder):
        path, model, generator, ids, after = self.made(name, folder)
        session = self.compile_folder(path)
        self.judge(name, session, "f32", model, ids, after)
        self.metadata(name, session.metadata, "3,7" if name == "llama" else "7")
        if name in ("llama3 in shards", "llama with yarn", "gpt2"):  # far positions
            ids = list(map(int, generator.integers(0, VOCABULARY, 600)))
            self.near(f"{name}, 600 tokens", gguf_model.Engine(session, "f32").prefill(0, ids), model.logits(ids)[-1], gguf_model.BOUND["f32"])
        if getattr(model, "chosen", None):
            self.routes(name, model)

    def metadata(self, name, metadata, ends):
        for key, value in (("eos_token_id", ends), ("context_length", str(CONTEXT)), ("vocabulary", str(VOCABULARY))):
            self.outcome(metadata.get(f"llm.{key}") == value, f"{name}: llm.{key} is {metadata.get(f'llm.{key}')}, expected {value}")

    def routes(self, name, model):
        """Did the case ask what it is for? A pair of equal scores of which one is chosen, and experts without a token, when tokens come alone."""
        ties = sum((chosen == 1).any(-1).sum() - (chosen == 2).any(-1).sum() for _, chosen in model.chosen)
        every = all(chosen.shape[1] == scores.shape[1] for scores, chosen in model.chosen)
        self.outcome(ties > 0 or every, f"{name}: no token chose the first of two experts with equal scores, and not the second")
        margins = [np.diff(np.sort(np.delete(scores, 2, 1), -1), axis=-1).min() for scores, _ in model.chosen]
        print(f"{name}: {ties} ties, other scores differ by {min(margins):.1e} at least")


# ---- encoders -----------------------------------------------------------------------------------------------------------------------------


class BertModel:
    def __init__(self, config, weights, prefix=""):
        self.config, self.w, self.prefix = config, {name: value.astype(np.float64) for name, value in weights.items()}, prefix

    def norm(self, x, name):
        centered = x - x.mean(-1, keepdims=True)
        return centered / np.sqrt((centered**2).mean(-1, keepdims=True) + self.config["layer_norm_eps"]) * self.w[f"{name}.weight"] + self.w[f"{name}.bias"]

    def linear(self, x, name):
        return x @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]

    def embedding(self, ids, first=False):
        e = f"{self.prefix}embeddings."
        x = self.w[f"{e}word_embeddings.weight"][ids] + self.w[f"{e}position_embeddings.weight"][: len(ids)] + self.w[f"{e}token_type_embeddings.weight"][0]
        x = self.norm(x, f"{e}LayerNorm")
        for layer in range(self.config["num_hidden_layers"]):
            name = f"{self.prefix}encoder.layer.{layer}"
            q, k, v = (self.linear(x, f"{name}.attention.self.{part}").reshape(len(ids), self.config["num_attention_heads"], -1) for part in ("query", "key", "value"))
            y = attend(q, k, v, 1 / np.sqrt(q.shape[-1]), np.ones((len(ids), len(ids)), bool)).reshape(len(ids), -1)
            x = self.norm(x + self.linear(y, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
            x = self.norm(x + self.linear(gelu(self.linear(x, f"{name}.intermediate.dense")), f"{name}.output.dense"), f"{name}.output.LayerNorm")
        y = x[0] if first else x.mean(0)
        return y / np.linalg.norm(y)


BERT = {"model_type": "bert", "architectures": ["BertModel"], "hidden_size": WIDTH, "intermediate_size": HIDDEN, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": VOCABULARY,
        "max_position_embeddings": 64, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu"}  # fmt: skip


def make_bert(config, maker, prefix):
    e = f"{prefix}embeddings."
    for part, rows in (("word", VOCABULARY), ("position", 64), ("token_type", 2)):
        maker.embedding(f"{e}{part}_embeddings.weight", rows, WIDTH)
    maker.norm(f"{e}LayerNorm", WIDTH, bias=True)
    for layer in range(config["num_hidden_layers"]):
        name = f"{prefix}encoder.layer.{layer}"
        for part, rows, columns in (("attention.self.query", WIDTH, WIDTH), ("attention.self.key", WIDTH, WIDTH), ("attention.self.value", WIDTH, WIDTH), ("attention.output.dense", WIDTH, WIDTH),
                                    ("intermediate.dense", HIDDEN, WIDTH), ("output.dense", WIDTH, HIDDEN)):
            maker.linear(f"{name}.{part}", rows, columns, True)
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            maker.norm(f"{name}.{part}", WIDTH, bias=True)
    maker.linear(f"{prefix}pooler.dense", WIDTH, WIDTH, True)


def embed(session, texts):
    """A batch of lists of ids, padded with what is no token's id."""
    longest = max(map(len, texts))
    ids = np.array([text + [VOCABULARY - 1] * (longest - len(text)) for text in texts], np.int32)
    mask = np.array([[1] * len(text) + [0] * (longest - len(text)) for text in texts], np.int32)
    inputs = {"input_ids": ids, "attention_mask": mask}
    call = session.call([inputs[port.name] for port in session.inputs])
    call.run()
    return call.output(0)


def judge_encoder(run, name, session, model, texts, first=False):
    worst = 0
    for what, batch in (("alone", [[text] for text in texts]), ("padded", [texts])):
        for some in batch:
            for y, text in zip(embed(session, some), some):
                error = np.abs(y - model.embedding(text, first)).max()
                worst = max(worst, error)
                run.outcome(error <= 1e-5, f"{name}, {len(text)} tokens {what}: off by {error:.2e}, at most 1e-5 is expected")
    print(f"{name}: off by {worst:.1e}")


def small_bert(run, folder):
    texts = [list(map(int, np.random.default_rng(5).integers(0, VOCABULARY, count))) for count in (1, 5, 17, 64)]
    for name, kind, prefix, first in (("bert", "F32", "", False), ("bert of the first token", "BF16", "bert.", True)):
        maker = Maker(kind, len(name))
        make_bert(BERT, maker, prefix)
        path = pathlib.Path(folder) / name.replace(" ", "_")
        write_folder(path, BERT, maker.tensors)
        if first:
            (path / "1_Pooling").mkdir()
            (path / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False, "word_embedding_dimension": WIDTH}))
        judge_encoder(run, name, run.compile_folder(path), BertModel(BERT, maker.weights(), prefix), texts, first)


def minilm(run, folder):
    """As it is published: 104 tensors, one of integers and two behind the encoder. Its ONNX form is judged by minilm.py."""
    import minilm as published

    path = pathlib.Path(folder) / "minilm"
    path.mkdir()
    (path / "model.safetensors").symlink_to(data("minilm.safetensors"))
    config = {"model_type": "bert", "architectures": ["BertModel"], "hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 6, "num_attention_heads": 12, "vocab_size": 30522,
              "max_position_embeddings": 512, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu"}  # fmt: skip
    (path / "config.json").write_text(json.dumps(config))
    inputs = published.encode(published.SENTENCES)
    texts = [[int(i) for i, m in zip(ids, mask) if m] for ids, mask in zip(inputs["input_ids"], inputs["attention_mask"])]
    session, model = run.compile_folder(path), BertModel(config, published.file_weights())
    judge_encoder(run, "minilm", session, model, texts)
    onnx = path.with_name("minilm-onnx.jxp")
    subprocess.run([run.jinx, "compile", published.cached(), "-o", onnx], check=True, capture_output=True)
    other = jinx_capi.Session(run.library, onnx, threads=run.threads)
    call = other.call([inputs[port.name] for port in other.inputs])
    call.run()
    error = np.abs(call.output(0) - embed(session, texts)).max()
    run.outcome(error <= 1e-5, f"minilm: its plans from ONNX and from the folder differ by {error:.2e}, at most 1e-5 is expected")
    print(f"minilm: differs by {error:.1e} from its plan from ONNX")


# ---- a real model -------------------------------------------------------------------------------------------------------------------------


def smollm2_tensors(reader):
    """The GGUF file's numbers as a folder has them: q and k with rows in the order of rope by halves."""
    names = {"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
             "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}  # fmt: skip
    tensors = {}
    for t in reader.tensors:
        values = gguf_model.gguf.quants.dequantize(t.data, t.tensor_type).reshape(t.shape[::-1])
        if not t.name.startswith("blk."):
            tensors[{"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}[t.name]] = ("F32", values)
            continue
        _, layer, part, _ = t.name.split(".")
        if part in ("attn_q", "attn_k"):
            values = values.reshape(-1, 32, 2, values.shape[1]).swapaxes(1, 2).reshape(values.shape)
        tensors[f"model.layers.{layer}.{names[part]}.weight"] = ("F32", values)
    return tensors


def smollm2(run, folder):
    """SmolLM2-135M's weights in a folder with its tokenizer, continued by `jinx generate`: the text that other programs give."""
    reader = gguf_model.gguf.GGUFReader(data("smollm2.gguf"))
    field = lambda name: reader.fields[f"tokenizer.ggml.{name}"].contents()
    path = pathlib.Path(folder) / "smollm2"
    config = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
        "vocab_size": 49152, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 100000, "tie_word_embeddings": True, "eos_token_id": 2, "hidden_act": "silu",
    }  # fmt: skip
    write_folder(path, config, smollm2_tensors(reader), shards=2)
    tokens, kinds = field("tokens"), field("token_type")
    tokenizer = {
        "added_tokens": [{"id": i, "content": text, "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False} for i, (text, kind) in enumerate(zip(tokens, kinds)) if kind == 3],
        "normalizer": None, "post_processor": None, "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "vocab": {text: i for i, text in enumerate(tokens)}, "merges": [merge.split(" ") for merge in field("merges")]},
    }  # fmt: skip
    (path / "tokenizer.json").write_text(json.dumps(tokenizer))
    command = [run.jinx, "generate", path, "--prompt", "The capital of France is", "--max-tokens", "8"]
    plans = {**os.environ, "JINX_CACHE": folder}  # where plans of half a gigabyte go that nobody needs again
    done = subprocess.run(command, capture_output=True, text=True, env=plans)
    run.outcome(done.stdout == " Paris.\n\nThe answer is:\n", f"smollm2: jinx generate says {done.stdout!r} {done.stderr.strip()!r}")
    # The end of a text is told by the folder, not by its tokenizer: here it is a token that comes soon.
    (path / "generation_config.json").write_text(json.dumps({"eos_token_id": [504, 30]}))
    done = subprocess.run(command, capture_output=True, text=True, env=plans)
    run.outcome(done.stdout == " Paris\n", f"smollm2: jinx generate says {done.stdout!r} where the text ends at '.' {done.stderr.strip()!r}")
    print("smollm2: continued")


OTHERS = {"bert": small_bert, "minilm": minilm, "smollm2": smollm2}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", default=str(jinx_capi.ROOT / "build" / "dev" / "bin" / "jinx"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--emulated", action="store_true", help="some of them in bf16 on the emulated CUDA device")
    parser.add_argument("cases", nargs="*", metavar="CASE")
    options = parser.parse_args()
    run, skipped = Run(options), 0
    with tempfile.TemporaryDirectory() as folder:
        for name in options.cases or (EMULATED if options.emulated else [*CASES, *OTHERS]):
            try:
                run.emulated(name, folder) if options.emulated else OTHERS[name](run, folder) if name in OTHERS else run.decoder(name, folder)
            except Missing as missing:
                print(f"skipped: {name}: {missing}")
                skipped += 1
    for failure in run.failures[:20]:
        print(failure)
    print(f"{run.count - len(run.failures)} passed, {len(run.failures)} failed, {skipped} skipped")
    return 1 if run.failures else 77 if not run.count else 0


if __name__ == "__main__":
    sys.exit(main())
