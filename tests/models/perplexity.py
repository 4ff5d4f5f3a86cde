#!/usr/bin/env python3
"""How much worse does a quantized SmolLM2 read? Perplexity on a fixed text, and how far its next-token distribution is from the float model's.

The text: the first 4,096 tokens (19,254 bytes) of `news.txt`, articles of 2001 (packages.py), in windows of 1,024 with a stride of 1,024: four
runs from position 0, each of which scores its 1,023 tokens with a token in front. With l the negative log likelihoods in nats:

    perplexity  exp(mean l)
    ratio       perplexity / the float model's, ± one standard error of the paired differences of l: whether a difference is noise
    KL          mean of sum p log(p / q): p the float model's distribution, q the other's
    same top    share of positions where both think the same token the likeliest

Models are plans (.jxp, through libjinx.so) or ONNX files (onnxruntime), all with `input_ids` [1, s] -> `logits` [1, s, vocabulary];
the float model is smollm2.py's, in onnxruntime. Exit status 1 when a ratio is above --at-most.

    perplexity.py MODEL… [--json FILE] [--at-most 1.08] [--tokens 4096] [--window 1024] [--library libjinx.so] [--threads 2]
    perplexity.py --jinx build/dev/bin/jinx     the test: the float model through Jinx and through onnxruntime agree in four digits
    perplexity.py --jinx … --quantize "--scheme nf4" [--calibrate 96] --at-most 1.08     what jinx quantize makes of the float model,
                                                                                         with so many tokens of another text as a sample
    perplexity.py --jinx … --quantized          the test: each of QUANTIZED, against one reading of the float model
    perplexity.py --self-test                   the figures of distributions whose answers are known
"""

import argparse
import dataclasses
import json
import pathlib
import shlex
import sys
import tempfile

import numpy as np

import model_runs
import smollm2
from packages import Missing, data

TOKENS, WINDOW = 4096, 1024
QUANTIZED = [  # arguments of jinx quantize, tokens of its sample, the ratio allowed
    ("--scheme int8-weights --keep logits", 0, 1.005),
    ("--scheme int4 --asymmetric --group 32 --keep logits", 0, 1.08),
    ("--scheme int4 --keep logits", 96, 1.08),
    ("--scheme nf4 --keep logits", 96, 1.08),
]
FLOAT_PERPLEXITY = 30.2685  # of the float model, by onnxruntime; Jinx comes to the same four digits


def text_tokens(count: int = TOKENS) -> np.ndarray:
    ids = smollm2.tokenizer().encode(data("news.txt").read_bytes()[: 8 * count].decode(errors="ignore")).ids
    return np.int64(ids[:count])


def windows(tokens: np.ndarray, size: int) -> list[np.ndarray]:
    """Whole windows only; each [1, size]."""
    return [tokens[None, start : start + size] for start in range(0, len(tokens) - size + 1, size)]


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    """f32, with the sum of exponentials in float64."""
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True, dtype=np.float64)).astype(np.float32)


@dataclasses.dataclass
class Scores:
    """One number a scored token."""

    loss: list = dataclasses.field(default_factory=list)
    divergence: list = dataclasses.field(default_factory=list)
    same_top: list = dataclasses.field(default_factory=list)

    def add(self, p: np.ndarray, q: np.ndarray, targets: np.ndarray) -> None:
        """p, q: log probabilities [n, vocabulary] of the float model and of this one."""
        self.loss.append(-np.take_along_axis(q, targets[:, None], 1)[:, 0].astype(np.float64))
        self.divergence.append(np.sum(np.exp(p) * (p - q), axis=-1, dtype=np.float64))
        self.same_top.append(p.argmax(-1) == q.argmax(-1))

    def summary(self, reference: "Scores") -> dict[str, float]:
        loss, base = np.concatenate(self.loss), np.concatenate(reference.loss)
        ratio = np.exp(np.mean(loss - base))
        return {
            "perplexity": float(np.exp(loss.mean())),
            "ratio": float(ratio),
            "ratio_error": float(ratio * np.std(loss - base) / np.sqrt(len(loss))),
            "kl": float(np.concatenate(self.divergence).mean()),
            "same_top": float(np.concatenate(self.same_top).mean()),
        }


class Text:
    """The text with the float model's log probabilities at hand, so that many models can be scored."""

    def __init__(self, reference, tokens: np.ndarray, window: int = WINDOW):
        self.windows = windows(tokens, window)
        self.expected = [self.log_probabilities(reference, ids) for ids in self.windows]
        self.reference = Scores()
        for p, ids in zip(self.expected, self.windows):
            self.reference.add(p, p, ids[0, 1:])

    @staticmethod
    def log_probabilities(run, ids: np.ndarray) -> np.ndarray:
        return log_probabilities(run({"input_ids": ids})["logits"][0, :-1])

    def score(self, run) -> dict[str, float]:
        scores = Scores()
        for p, ids in zip(self.expected, self.windows):
            scores.add(p, self.log_probabilities(run, ids), ids[0, 1:])
        return scores.summary(self.reference)

    def float_summary(self) -> dict[str, float]:
        return self.reference.summary(self.reference)


HEADER = f"{'model':32} {'perplexity':>10} {'ratio':>8} {'±':>7} {'KL':>9} {'same top':>8}"


def row(name: str, s: dict[str, float]) -> str:
    return f"{name:32} {s['perplexity']:10.4f} {s['ratio']:8.4f} {s['ratio_error']:7.4f} {s['kl']:9.6f} {s['same_top']:8.1%}"


def judge_float(text: Text, jinx: pathlib.Path, threads: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        plan = model_runs.compile_plan(jinx, smollm2.cached(), pathlib.Path(folder) / "smollm2.jxp")
        got = text.score(model_runs.open_plan(plan, threads, model_runs.library_beside(jinx)))
    print(row("float, jinx", got))
    reference = text.float_summary()["perplexity"]
    return report([
        (f"onnxruntime: {reference:.4f}, expected {FLOAT_PERPLEXITY:.4f}", abs(reference / FLOAT_PERPLEXITY - 1) < 5e-5),
        (f"jinx: {got['perplexity']:.4f}, KL {got['kl']:.1e}", abs(got["ratio"] - 1) < 5e-5 and abs(got["kl"]) < 1e-6),
    ])  # fmt: skip


def write_sample(path: pathlib.Path, count: int) -> pathlib.Path:
    """One sample of tokens from articles that are not the text."""
    from scheme_perplexity import calibration_tokens

    np.savez(path, input_ids=calibration_tokens()[None, None, 1024 : 1024 + count])
    return path


def judge_quantized(text: Text, options, models: list[tuple[str, int, float]]) -> int:
    outcomes = []
    for scheme, sample, at_most in models:
        with tempfile.TemporaryDirectory() as folder:
            plan = pathlib.Path(folder) / "smollm2.jxp"
            arguments = shlex.split(scheme)
            if sample:
                arguments += ["--calibrate", write_sample(pathlib.Path(folder) / "sample.npz", sample)]
            model_runs.call(options.jinx, "quantize", smollm2.cached(), *arguments, "-o", plan)
            got = text.score(model_runs.open_plan(plan, options.threads, model_runs.library_beside(options.jinx)))
        print(row(scheme, got), flush=True)
        outcomes.append((f"{scheme}: ratio {got['ratio']:.4f}, at most {at_most}", got["ratio"] <= at_most))
    return report(outcomes)


def self_test() -> int:
    """Two windows over 8 symbols: p uniform; q gives the next symbol 1/2 where the window is the first, and 1/9 in the second."""
    tokens, size, choices = np.random.default_rng(0).integers(0, 8, 32), 16, 8

    def uniform(inputs):
        return {"logits": np.full((1, size, choices), 3, np.float32)}

    def leaning(inputs):
        ids, logits = inputs["input_ids"], np.zeros((1, size, choices), np.float32)
        share = 1 / 2 if np.array_equal(ids[0], tokens[:size]) else 1 / 9
        for position in range(size - 1):
            logits[0, position, ids[0, position + 1]] = np.log(share * (choices - 1) / (1 - share))
        return {"logits": logits}

    text = Text(uniform, tokens, size)
    base, got = text.float_summary(), text.score(leaning)
    kl = np.mean([np.log(1 / 8) - np.log(s) / 8 - np.log((1 - s) / 7) * 7 / 8 for s in (1 / 2, 1 / 9)])
    spread = np.log(9 / 2) / 2 / np.sqrt(2 * (size - 1))
    wanted = {"perplexity": 18**0.5, "ratio": 18**0.5 / 8, "ratio_error": 18**0.5 / 8 * spread, "kl": kl}
    outcomes = [(f"{name} {got[name]:.6f}, expected {want:.6f}", abs(got[name] - want) < 1e-5) for name, want in wanted.items()]
    return report([("uniform over 8", abs(base["perplexity"] - 8) < 1e-5 and base["same_top"] == 1), *outcomes])


def report(outcomes: list[tuple[str, bool]]) -> int:
    for words, good in outcomes:
        print("ok  " if good else "FAIL", words)
    print(f"{sum(good for _, good in outcomes)} passed, {sum(not good for _, good in outcomes)} failed")
    return not all(good for _, good in outcomes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=pathlib.Path, metavar="MODEL")
    parser.add_argument("--jinx", type=pathlib.Path)
    parser.add_argument("--library", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=TOKENS)
    parser.add_argument("--window", type=int, default=WINDOW)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--at-most", type=float, default=float("inf"), metavar="RATIO")
    parser.add_argument("--quantize", metavar="ARGUMENTS")
    parser.add_argument("--quantized", action="store_true")
    parser.add_argument("--calibrate", type=int, default=0, metavar="TOKENS")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    if (options.quantized or options.quantize) and not (options.jinx and model_runs.has_command(options.jinx, "quantize")):
        print("skipped: this jinx has no quantize\n0 passed, 0 failed")
        return 77
    try:
        text = Text(model_runs.open_onnx(smollm2.cached(), options.threads), text_tokens(options.tokens), options.window)
    except Missing as missing:
        print(f"skipped: {missing}\n0 passed, 0 failed")
        return 77
    results = {"float": text.float_summary()}
    print(f"{HEADER}\n{row('float', results['float'])}", flush=True)
    if options.quantized or options.quantize:
        one = (options.quantize, options.calibrate, options.at_most)
        return judge_quantized(text, options, QUANTIZED if options.quantized else [one])
    if options.jinx:
        return judge_float(text, options.jinx, options.threads)
    for path in options.models:
        results[path.name] = text.score(model_runs.open_run(path, options.threads, options.library))
        print(row(path.name, results[path.name]), flush=True)
    if options.json:
        options.json.write_text(json.dumps({"tokens": options.tokens, "window": options.window, "models": results}, indent=1) + "\n")
    return any(result["ratio"] > options.at_most for result in results.values())


if __name__ == "__main__":
    sys.exit(main())
