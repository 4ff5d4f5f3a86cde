#!/usr/bin/env python3
"""Does the ONNX model of smollm2.py mean what its GGUF file means? Judged by a forward pass in float64 that shares no code with it.

The pass reads the file's own rows, with interleaved pairs. Asked: known tokenizations; the eight tokens that follow "The capital of
France is"; logits of a sentence and of 67 tokens at random, within 2e-5 of the largest logit (f32 through 30 layers:
onnxruntime comes to 2e-6). With --jinx the same of the plan that it compiles, all of whose steps must be launches.

    smollm2_check.py [--jinx build/dev/bin/jinx] [--threads N]
"""

import argparse
import pathlib
import re
import sys
import tempfile

import numpy as np

import model_runs
import smollm2
from packages import Missing

PROMPT, ANSWER = [504, 3575, 282, 4649, 314], [7042, 30, 198, 198, 504, 2988, 314, 42]
# Texts whose tokens show the vocabulary's special tokens, digits one by one, spaces before words, contractions, other scripts.
TOKENIZED = {
    "The capital of France is": ["The", " capital", " of", " France", " is"],
    "<|im_start|>user\nIn 1998": ["<|im_start|>", "user", "\n", "In", " ", "1", "9", "9", "8"],
    "It's  two  spaces": ["It", "'s", " ", " two", " ", " spaces"],
}
BOUND = 2e-5


def rms(x, gain):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + smollm2.EPSILON) * gain


def rotate(x):
    """Interleaved pairs of [heads, s, 64] as complex numbers."""
    turns = np.arange(x.shape[1])[:, None] * smollm2.ROPE_BASE ** (-np.arange(32) / 32)
    z = (x[..., 0::2] + 1j * x[..., 1::2]) * np.exp(1j * turns)
    return np.stack([z.real, z.imag], axis=-1).reshape(x.shape)


def attend(q, k, v):
    scores = np.einsum("hqd,hkd->hqk", q, np.repeat(k, 3, axis=0)) / 8
    scores[:, ~np.tri(q.shape[1], dtype=bool)] = -np.inf
    p = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("hqk,hkd->qhd", p / p.sum(-1, keepdims=True), np.repeat(v, 3, axis=0))


def forward(w: dict[str, np.ndarray], ids) -> np.ndarray:
    """Logits [s, vocabulary] in float64."""
    x = w["token_embd.weight"][ids].astype(np.float64)
    for layer in range(smollm2.LAYERS):

        def linear(name, y, layer=layer):
            return y @ w[f"blk.{layer}.{name}.weight"].astype(np.float64).T

        y = rms(x, w[f"blk.{layer}.attn_norm.weight"])
        q, k, v = (linear(name, y).reshape(len(ids), -1, 64).swapaxes(0, 1) for name in ("attn_q", "attn_k", "attn_v"))
        x = x + linear("attn_output", attend(rotate(q), rotate(k), v).reshape(len(ids), -1))
        y = rms(x, w[f"blk.{layer}.ffn_norm.weight"])
        gate = linear("ffn_gate", y)
        x = x + linear("ffn_down", gate / (1 + np.exp(-gate)) * linear("ffn_up", y))
    return rms(x, w["output_norm.weight"]) @ w["token_embd.weight"].astype(np.float64).T


class Judge:
    def __init__(self):
        self.passed = self.failed = 0

    def outcome(self, good, text: str) -> None:
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        print(f"{'ok  ' if good else 'FAIL'}  {text}", flush=True)


def check_tokens(judge: Judge) -> None:
    made = smollm2.tokenizer()
    for text, pieces in TOKENIZED.items():
        ids = made.encode(text).ids
        got = [made.decode([i], skip_special_tokens=False) for i in ids]
        judge.outcome(got == pieces, f"tokens of {text!r}: {got}")
    judge.outcome(made.encode("The capital of France is").ids == PROMPT, "tokens of the prompt")
    text = "Größe, 数字 and 🙂.\n\n\tx = 3.14"
    judge.outcome(made.decode(made.encode(text).ids) == text, "other scripts come back")


def check_run(judge: Judge, name: str, run, expected: list[tuple[list[int], np.ndarray]]) -> None:
    ids = list(PROMPT)
    for _ in ANSWER:
        ids.append(int(np.argmax(run({"input_ids": np.int64([ids])})["logits"][0, -1])))
    judge.outcome(ids[len(PROMPT) :] == ANSWER, f"{name}: goes on {ids[len(PROMPT) :]}, expected {ANSWER}")
    for tokens, want in expected:
        got = run({"input_ids": np.int64([tokens])})["logits"][0]
        error = np.max(np.abs(got - want)) / np.max(np.abs(want))
        judge.outcome(error <= BOUND, f"{name}: {len(tokens)} tokens, logits within {error:.1e} of the largest, at most {BOUND:.0e}")


def check_jinx(judge: Judge, options, folder: pathlib.Path, expected) -> None:
    plan = model_runs.compile_plan(options.jinx, smollm2.cached(), folder / "smollm2.jxp")
    kinds = set(re.findall(r"^ *\d+ +(\w+) ", model_runs.call(options.jinx, "inspect", plan), re.M))
    judge.outcome(kinds == {"launch"}, f"jinx: steps are {sorted(kinds)}")
    check_run(judge, "jinx", model_runs.open_plan(plan, options.threads, model_runs.library_beside(options.jinx)), expected)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    options, judge = parser.parse_args(), Judge()
    try:
        check_tokens(judge)
        w = smollm2.file_weights()
    except Missing as missing:
        print(f"skipped: {missing}\n0 passed, 0 failed")
        return 77
    sentence = smollm2.tokenizer().encode("Boats of the northern coast are built of larch and oak, plank by plank.").ids
    random = np.random.default_rng(7).integers(3, smollm2.VOCABULARY, 67).tolist()
    expected = [(ids, forward(w, ids)) for ids in (sentence, random)]
    check_run(judge, "onnxruntime", model_runs.open_onnx(smollm2.cached(), options.threads), expected)
    if options.jinx:
        with tempfile.TemporaryDirectory() as folder:
            check_jinx(judge, options, pathlib.Path(folder), expected)
    print(f"{judge.passed} passed, {judge.failed} failed")
    return judge.failed > 0


if __name__ == "__main__":
    sys.exit(main())
