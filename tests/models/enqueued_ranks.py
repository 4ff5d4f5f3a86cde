#!/usr/bin/env python3
"""Do ranks on devices that enqueue steps, and draw tokens themselves, say what one device says?

A Llama of two layers for CUDA, whole and split by heads (tp 2), on emulated devices: `generate` of a batch of greedy requests and of those at a temperature, one of which the
host draws because it wants logprobs. Each rank fills a placeholder with what it has drawn itself, so that a rank that draws another token shows in all that follows. Everything is f32: sums of
parts are then near enough to those of one rank for the same tokens. Ranks are a world of threads, and one of devices beside a stand-in for NCCL ($JINX_NCCL): there sums are made by the kernels that
read them, and, with --peer-bytes 0, in front of these.

    enqueued_ranks.py [--jinx build/dev/bin/jinx]
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from packages import Missing

try:
    import tiny_llama
except ImportError as missing:
    print(f"skipped: {missing}; run this with the Python of ./dev setup ($JINX_CACHE/python/bin/python)")
    sys.exit(77)

# (prompt, tokens, temperature): of those that are drawn each has a seed.
REQUESTS = [("!", 6, 0), ("&", 5, 1), ("!#%" * 6, 4, 0.4), ("(", 6, 5)]
FILTERS = [[], ["--top-k", "8"]]
SPLITS = ["tp=2"]
# Ranks beside a stand-in for NCCL; of rows this wide each is a block's, and so its sum is made by the kernel that reads it. A few tokens of those take as long as all others.
WIDE, FEW_REQUESTS = 1280, [("!", 3, 0), ("&", 2, 1)]
WORLDS = [["--communicator", "nccl"], ["--communicator", "nccl", "--peer-bytes", "0"]] if "JINX_NCCL" in os.environ else []


class Run:
    def __init__(self, jinx, folder, requests, **shape):
        folder.mkdir()
        self.jinx, self.runner, self.folder = jinx, pathlib.Path(jinx).parent / "jinx-rt", folder
        self.model, self.tokenizer = tiny_llama.write(folder, **shape)
        self.batch, self.requests = folder / "batch.jsonl", requests
        lines = [{"prompt": prompt, "max_tokens": count, "temperature": t, "seed": 10 + i} for i, (prompt, count, t) in enumerate(requests)]
        lines.append({**lines[1], "logprobs": 1, "max_tokens": 2})
        self.batch.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def call(self, *command):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command[:3]))}: {done.stderr.strip()[-600:]}")
        return done.stdout

    def compiled(self, name, *arguments):
        self.call(self.jinx, "compile", self.model, "--target", "cuda:sm_90a", "--activations", "f32", "--kv", "f32", *arguments, "-o", self.folder / name)
        return self.folder / name

    def tokens(self, plan, *arguments):
        """By request."""
        lines = self.call(self.runner, "generate", plan, "--tokenizer", self.tokenizer, "--device", "emulated", "--threads", 2, "--ignore-end", "--batch", self.batch, *arguments)
        return {answer["index"]: answer["tokens"] for answer in map(json.loads, lines.splitlines())}


def check(run):
    failures, count = [], 0
    whole = run.compiled("whole.jxp")
    expected = [run.tokens(whole, *filters) for filters in FILTERS]
    for got, filters in zip(expected, FILTERS):
        lengths = [len(got[i]) for i in range(len(got))]
        if lengths != [n for _, n, _ in run.requests] + [2]:
            failures.append(f"one rank, {filters}: {lengths} tokens of the requests")
    if expected[0][1] == expected[1][1]:
        failures.append("the cases do not ask what they are for: a filter changes no token")
    for split in SPLITS:
        plans = run.compiled(split, "--shard", split)
        for want, filters in zip(expected, FILTERS):
            count += 1
            got = run.tokens(plans, "--ranks", 2, *filters)
            if got != want:
                failures.append(f"{split}, {filters}: {got}, expected {want}")
    return count, failures


def check_sums(run):
    """Sums that kernels make, and those that are made in front of them."""
    failures, want, plans = [], run.tokens(run.compiled("whole.jxp")), run.compiled("tp=2", "--shard", "tp=2")
    steps = json.loads(run.call(run.jinx, "inspect", plans / "rank-0000.jxp", "--json"))["steps"]
    made, sums = sum("sum_of" in step for step in steps), sum(step["kernel"].startswith("all_reduce") for step in steps)
    if made < 5:
        failures.append(f"kernels make {made} of {sums} sums, expected that of the embedding and two of each layer")
    for world in WORLDS:
        got = run.tokens(plans, "--ranks", 2, *world)
        if got != want:
            failures.append(f"wide, {world}: {got}, expected {want}")
    return len(WORLDS), failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", default="build/dev/bin/jinx")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            count, failures = check(Run(options.jinx, pathlib.Path(folder) / "narrow", REQUESTS))
            more, wrong = check_sums(Run(options.jinx, pathlib.Path(folder) / "wide", FEW_REQUESTS, width=WIDE))
        except Missing as missing:
            print(f"skipped: {missing}")
            return 77
    for failure in failures + wrong:
        print(failure)
    print(f"{count} batches and {more} of wide rows beside a stand-in for NCCL, {len(failures + wrong)} failures")
    return 1 if failures + wrong else 0


if __name__ == "__main__":
    sys.exit(main())
