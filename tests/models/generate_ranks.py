#!/usr/bin/env python3
"""Does SmolLM2 say the same on several ranks as on one?

Split by heads (tp 3), by layers (pp 2) and by both, as threads of one process and as processes of mpirun, `generate` must continue texts with the same greedy tokens: one at a time and a batch of
requests of different lengths, whose prefixes are shared and whose steps are chunks. Activations have 24 bits, since those of 8 are rounded row by row and a rank has a part of a row. Ranks that
cannot be are refused.

    generate_ranks.py [--jinx build/dev/bin/jinx]
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from jinx_capi import ROOT
from packages import Missing, data

ANSWER = " Paris.\n\nThe answer is:\n"
PROMPT = "The capital of France is"
BATCH = [{"prompt": PROMPT, "max_tokens": 12}, {"prompt": "The capital of France and of Italy are", "max_tokens": 9},
         {"prompt": "Once upon a time there was a little girl who lived in a village near the forest. " * 6, "max_tokens": 16}, {"prompt": "def add(a, b):", "max_tokens": 20}]
SPLITS = {"tp=3": 3, "pp=2": 2, "pp=2,tp=3": 6}


class Run:
    def __init__(self, jinx, folder, model):
        self.environment = {**os.environ, "JINX_CACHE": str(folder / "cache"), "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        self.jinx, self.runner, self.folder, self.model = jinx, str(pathlib.Path(jinx).parent / "jinx-rt"), folder, model
        self.count, self.failures, self.skipped = 0, [], []
        self.batch = folder / "batch.jsonl"
        self.batch.write_text("".join(json.dumps(line) + "\n" for line in BATCH))

    def outcome(self, good, text):
        self.count += 1
        if not good:
            self.failures.append(text)

    def call(self, command):
        return subprocess.run([str(part) for part in command], env=self.environment, capture_output=True, text=True, timeout=600)

    def generate(self, plan, *arguments, launcher=()):
        return self.call([*launcher, self.runner, "generate", plan, "--tokenizer", self.model, *arguments])

    def tokens(self, plan, *arguments, launcher=()):
        """The batch's tokens by request; the message where it failed."""
        done = self.generate(plan, "--batch", self.batch, *arguments, launcher=launcher)
        if done.returncode:
            return done.stderr[-600:]
        return {line["index"]: line["tokens"] for line in map(json.loads, done.stdout.splitlines())}


def check(run):
    whole = run.folder / "whole.jxp"
    done = run.call([run.jinx, "compile", run.model, "--activation-bits", 24, "-o", whole])
    run.outcome(done.returncode == 0, f"compile: {done.stderr}")
    expected = run.tokens(whole)
    run.outcome(isinstance(expected, dict) and len(expected) == len(BATCH), f"one rank: {expected}")
    for split, ranks in SPLITS.items():
        plans = run.folder / f"plans-{split}"
        done = run.call([run.jinx, "compile", run.model, "--activation-bits", 24, "--shard", split, "-o", plans])
        run.outcome(done.returncode == 0, f"compile --shard {split}: {done.stderr}")
        if done.returncode:
            continue
        sizes = [path.stat().st_size for path in plans.glob("*.jxp")]
        run.outcome(max(sizes) < 0.75 * whole.stat().st_size, f"{split}: a rank's plan has {max(sizes)} bytes, the whole one {whole.stat().st_size}")
        text = run.generate(plans, "--ranks", ranks, "--prompt", PROMPT, "--max-tokens", 8)
        run.outcome(text.stdout.startswith(ANSWER), f"{split}: {text.stdout!r} {text.stderr[-600:]}")
        got = run.tokens(plans, "--ranks", ranks)
        run.outcome(got == expected, f"{split}, threads: {got}, expected {expected}")
        got = run.tokens(plans, "--ranks", ranks, "--budget", 32)
        run.outcome(got == expected, f"{split}, threads, chunks of 32: {got}, expected {expected}")
        mpi(run, split, plans, ranks, expected)
        refused(run, split, plans, ranks)


def mpi(run, split, plans, ranks, expected):
    if not shutil.which("mpirun"):
        run.skipped.append(f"{split} under mpirun: there is none; install openmpi-bin")
        return
    launcher = ["mpirun", "--oversubscribe", "-np", ranks, "--mca", "mpi_yield_when_idle", "1", "--mca", "btl_vader_single_copy_mechanism", "none"]
    got = run.tokens(plans, "--communicator", "mpi", "--threads", 1, launcher=launcher)
    run.outcome(got == expected, f"{split}, processes: {got}, expected {expected}")


def refused(run, split, plans, ranks):
    for arguments, message in [((), f"pass --ranks N"), (("--ranks", ranks + 1), f"has plans for {ranks} ranks, there are {ranks + 1}")]:
        done = run.generate(plans, *arguments, "--prompt", PROMPT)
        run.outcome(done.returncode == 1 and message in done.stderr, f"{split}, {arguments}: status {done.returncode}, {done.stderr!r}, expected {message!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", default=str(ROOT / "build" / "dev" / "bin" / "jinx"))
    options = parser.parse_args()
    try:
        model = data("smollm2.gguf")
    except Missing as missing:
        print(f"skipped: {missing}")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        run = Run(options.jinx, pathlib.Path(folder), model)
        check(run)
    for failure in run.failures:
        print(failure)
    for skipped in run.skipped:
        print(f"skipped: {skipped}")
    print(f"{run.count - len(run.failures)} passed, {len(run.failures)} failed, {len(run.skipped)} skipped")
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
