#!/usr/bin/env python3
"""Does a mixture of experts say the same on several ranks as on one?

Small files of random weights (gguf_model.py): four experts of which a token has two, and five of which it has three beside one that all have. Split by experts (ep), by experts and columns (ep, tp),
unevenly (five experts by three ranks: two, two and one; by four: the last has none), `generate` must continue texts with the same greedy tokens, one at a time and a batch in chunks. A rank's plan has no
other rank's experts.

    expert_ranks.py [--jinx build/dev/bin/jinx]
"""

import argparse
import base64
import json
import pathlib
import subprocess
import sys
import tempfile

import gguf_model
from jinx_capi import ROOT

# Bytes in GPT-2's order, none joined: "!" to "~" are the tokens 0 to 93, which the small files have.
BYTES = [*range(33, 127), *(b for b in range(256) if not 33 <= b < 127)]
BATCH = [{"prompt": "Hello", "max_tokens": 12}, {"prompt": "{(mixture)}" * 4, "max_tokens": 9}, {"prompt": "~", "max_tokens": 16}, {"prompt": "Hello,there", "max_tokens": 7}]
# Of each file, splits and their ranks.
SPLITS = {"mixtral": {"ep=2": 2, "ep=4": 4, "ep=2,tp=2": 4}, "qwen2moe": {"ep=3": 3, "ep=4": 4}}


class Run:
    def __init__(self, jinx, folder, tokenizer):
        self.jinx, self.runner, self.folder, self.tokenizer = jinx, pathlib.Path(jinx).parent / "jinx-rt", folder, tokenizer
        self.count, self.failures = 0, []
        self.batch = folder / "batch.jsonl"
        self.batch.write_text("".join(json.dumps(line) + "\n" for line in BATCH))

    def outcome(self, good, text):
        self.count += 1
        if not good:
            self.failures.append(text)

    def call(self, *command):
        return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300)

    def compile(self, model, plan, *arguments):
        """What it prints; nothing where it failed."""
        done = self.call(self.jinx, "compile", model, "--activation-bits", 24, "-o", plan, *arguments)
        self.outcome(done.returncode == 0, f"compile {model.name} {arguments}: {done.stderr}")
        return done.stdout if done.returncode == 0 else ""

    def tokens(self, plan, *arguments):
        """The batch's tokens by request; the message where it failed."""
        done = self.call(self.runner, "generate", plan, "--tokenizer", self.tokenizer, "--ignore-end", "--batch", self.batch, *arguments)
        return done.stderr[-600:] if done.returncode else {line["index"]: line["tokens"] for line in map(json.loads, done.stdout.splitlines())}

    def check(self, name):
        model, whole = self.folder / f"{name}.gguf", self.folder / f"{name}.jxp"
        gguf_model.write_small(model, name)
        self.compile(model, whole)
        expected = self.tokens(whole)
        self.outcome(isinstance(expected, dict) and {i: len(t) for i, t in expected.items()} == {i: r["max_tokens"] for i, r in enumerate(BATCH)}, f"{name}, one rank: {expected}")
        experts = gguf_model.SMALL[name][2]["experts"][0]
        matrices = 2 * 3 * gguf_model.HIDDEN * gguf_model.WIDTH * 4  # bytes of an expert, which is f32 in a plan, in two layers
        for split, ranks in SPLITS[name].items():
            plans = self.folder / f"{name}-{split}"
            said = self.compile(model, plans, "--shard", split)
            axes = {axis: int(n) for axis, n in (part.split("=") for part in split.split(","))}
            over = "ep, tp" if "tp" in axes else "ep"
            self.outcome(f"all_reduce over {over}" in said, f"{name} {split}: no sum over {over} in {said}")
            sizes = [path.stat().st_size for path in plans.glob("*.jxp")]
            most = -(-experts // axes["ep"]) * matrices / axes.get("tp", 1)
            rest = whole.stat().st_size - experts * matrices
            self.outcome(0.5 * most < max(sizes) < most + 1.1 * rest, f"{name} {split}: a rank's plan has {max(sizes)} bytes, its experts {most}, all else {rest}")
            for more in ((), ("--budget", 8)):
                got = self.tokens(plans, "--ranks", ranks, *more)
                self.outcome(got == expected, f"{name} {split} {more}: {got}, expected {expected}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", default=str(ROOT / "build" / "dev" / "bin" / "jinx"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = pathlib.Path(folder) / "gpt2.tiktoken"
        tokenizer.write_text("".join(f"{base64.b64encode(bytes([b])).decode()} {rank}\n" for rank, b in enumerate(BYTES)))
        run = Run(options.jinx, pathlib.Path(folder), tokenizer)
        for name in SPLITS:
            run.check(name)
    print(*run.failures, f"{run.count - len(run.failures)} passed, {len(run.failures)} failed", sep="\n")
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
