#!/usr/bin/env python3
"""Do ranks of a GPU's plans, whose weights stay in their file, say what one rank says?

Two random models of two layers in bf16 (shapes.py), a Llama that is split by heads over two ranks and a mixture, whose file has its experts one by one, that is split by them over three, are compiled for sm_90a, with the
weights in the plans and with --external-weights, and run on the emulated device, ranks as threads. A batch of requests, greedy and drawn, must have the same tokens on ranks as on one, and the same
tokens and logprobs to the last bit wherever the weights are. Plans without weights hold less than the file of weights by most of it; so does the mixture's for one rank.

    sharded_weights.py [--jinx build/dev/bin/jinx]
"""

import argparse
import base64
import json
import pathlib
import subprocess
import sys
import tempfile

from jinx_capi import ROOT

sys.path.insert(0, str(ROOT / "tests" / "bench" / "llm"))
import shapes

SPLITS = {"tiny": ("tp=2", 2), "tiny-mixtral": ("ep=3", 3)}  # of four experts the last rank has none
VOCABULARY = shapes.SHAPES["tiny"]["vocab_size"]
REQUESTS = [{"prompt": "ab", "max_tokens": 6, "logprobs": 2}, {"prompt": "The capital of France", "max_tokens": 4, "logprobs": 1}, {"prompt": "x", "max_tokens": 5},
            {"prompt": "def add(a, b):", "max_tokens": 4, "temperature": 0.01, "seed": 3}]  # of a temperature at which rounding decides nothing


class Run:
    def __init__(self, jinx, folder, shape):
        self.jinx, self.runner, self.folder = jinx, str(pathlib.Path(jinx).parent / "jinx-rt"), folder
        self.count, self.failures = 0, []
        self.model, self.batch, self.tokenizer = folder / "m", folder / "batch.jsonl", folder / "bytes.tiktoken"
        shapes.make(self.model, shape)
        shapes.fill(self.model)
        self.batch.write_text("".join(json.dumps(line) + "\n" for line in REQUESTS))
        # Every byte, and pairs that no text has.
        tokens = [bytes([byte]) for byte in range(256)] + [bytes([255, byte]) for byte in range(VOCABULARY - 256)]
        self.tokenizer.write_text("".join(f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(tokens)))

    def outcome(self, good, text):
        self.count += 1
        if not good:
            self.failures.append(text)

    def call(self, *command):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise RuntimeError(f"{' '.join(str(part) for part in command[:3])}: status {done.returncode}, {done.stderr[-800:]}")
        return done.stdout

    def compile(self, name, *arguments):
        self.call(self.jinx, "compile", self.model, "--target", "cuda:sm_90a", "-o", self.folder / name, *arguments)
        return self.folder / name

    def answers(self, plan, *arguments):
        out = self.call(self.runner, "generate", plan, "--tokenizer", self.tokenizer, "--batch", self.batch, "--device", "emulated", "--ignore-end", *arguments)
        return {line["index"]: line for line in map(json.loads, out.splitlines())}


def tokens(answers):
    return {index: answer["tokens"] for index, answer in answers.items()}


def bytes_of(plans):
    """Of a plan, or a folder of plans."""
    return sum(path.stat().st_size for path in (plans.glob("*.jxp") if plans.is_dir() else [plans]))


def check(run, split, ranks):
    one = run.answers(run.compile("one.jxp"))
    run.outcome(len(one) == len(REQUESTS), f"one rank: {one}")
    inside, outside = run.compile("inside", "--shard", split), run.compile("outside", "--shard", split, "--external-weights")
    weights = (run.model / "model.safetensors").stat().st_size
    left = bytes_of(inside) - bytes_of(outside)
    run.outcome(left > 0.98 * weights, f"plans with weights have {left} bytes more, the file of weights has {weights}")
    alone = run.compile("m/alone.jxp", "--external-weights")
    left = bytes_of(run.folder / "one.jxp") - bytes_of(alone)
    run.outcome(left > 0.98 * weights, f"one rank's plan with weights has {left} bytes more, the file of weights has {weights}")
    run.outcome(run.answers(alone) == one, f"one rank, weights outside: expected {one}")
    first, second = run.answers(inside, "--ranks", ranks), run.answers(outside, "--ranks", ranks)
    run.outcome(tokens(first) == tokens(one), f"{ranks} ranks: {tokens(first)}, expected {tokens(one)}")
    run.outcome(first == second, f"weights outside: {second}, expected {first}")
    run.outcome(any("logprobs" in answer for answer in first.values()), f"no logprobs: {first}")
    moved = run.folder / "elsewhere"
    moved.mkdir()
    for path in (run.model, outside):
        path.rename(moved / path.name)
    run.outcome(run.answers(moved / "outside", "--ranks", ranks) == first, "moved: other answers")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", default=str(ROOT / "build" / "dev" / "bin" / "jinx"))
    options = parser.parse_args()
    count, failures = 0, []
    for shape, (split, ranks) in SPLITS.items():
        with tempfile.TemporaryDirectory() as folder:
            run = Run(options.jinx, pathlib.Path(folder), shape)
            check(run, split, ranks)
        count += run.count
        failures += [f"{shape}, {split}: {failure}" for failure in run.failures]
    print(*failures, f"{count - len(failures)} passed, {len(failures)} failed", sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
