#!/usr/bin/env python3
"""Does `generate` continue a text as SmolLM2 does, whatever way it takes?

The eight tokens that follow "The capital of France is" were found by a forward pass in floats (tests/models/smollm2.py); their text is asked for. Then the same text of
a longer output: with drafts, from a plan by jinx-rt with a tokenizer beside it, with a prompt from a file and from standard input, and with more threads. And what
cannot be is refused with a message that says what was expected. Batches of requests give each the tokens that it gets alone.

Overlapped steps are compared with synchronous ones, and cached prefixes with none: tokens and logprobs, bit for bit. A draft model is SmolLM2 itself, which is right but for the
last bits, and SmolLM2 with other codes (Q4_0), which is often right: the most probable tokens stay the same, and drawn ones do not depend on how many are guessed.

    generate.py [--jinx build/dev/bin/jinx]
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from jinx_capi import ROOT
from packages import Missing, data

PROMPT, ANSWER = "The capital of France is", " Paris.\n\nThe answer is:\n"
FIRST = " Paris.\n\nThe"  # five tokens, which activations of 8 bits, the default, must not change


class Run:
    def __init__(self, jinx, cache):
        self.environment = {**os.environ, "JINX_CACHE": str(cache)}
        self.jinx, self.runner = jinx, str(pathlib.Path(jinx).parent / "jinx-rt")
        self.count, self.failures = 0, []

    def outcome(self, good, text):
        self.count += 1
        if not good:
            self.failures.append(text)

    def generate(self, *arguments, program=None, given=""):
        return subprocess.run([program or self.jinx, "generate", *map(str, arguments)], capture_output=True, text=True, input=given, env=self.environment)

    def same(self, what, wanted, *arguments, **options):
        done = self.generate(*arguments, **options)
        self.outcome(done.returncode == 0 and done.stdout == wanted, f"{what}: {done.stdout!r} {done.stderr}, expected {wanted!r}")

    def refused(self, what, said, *arguments, **options):
        done = self.generate(*arguments, **options)
        self.outcome(done.returncode in (1, 2) and said in done.stderr, f"{what}: exit {done.returncode}, {done.stderr!r}, expected {said!r}")


def check(run, model, folder):
    plan, file = folder / "model.jxp", folder / "prompt.txt"
    file.write_text(PROMPT)
    check_start(run, model)
    for bits, path, text, count in ((24, folder / "exact.jxp", ANSWER, 8), (8, plan, FIRST + "\n", 5)):
        done = subprocess.run([run.jinx, "compile", model, "--activation-bits", str(bits), "-o", path], capture_output=True, text=True)
        run.outcome(done.returncode == 0, f"compile: {done.stderr}")
        run.same(f"{count} tokens with activations of {bits} bits", text, path, "--tokenizer", model, "--prompt", PROMPT, "--max-tokens", count)
    more = ["--tokenizer", model, "--max-tokens", 100, "--ignore-end"]
    longer = run.generate(plan, *more, "--prompt", PROMPT).stdout
    run.outcome(longer.startswith(FIRST) and len(longer) > 150, f"a longer text is {longer!r}")
    asked = [plan, *more[:-1], "--special", "--prompt", "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"]
    ended, endless = run.generate(*asked).stdout, run.generate(*asked, "--ignore-end").stdout
    run.outcome(endless.startswith(ended[:-1]) and 1 < len(ended) < len(endless), f"with its end the text is {ended!r}, without {endless!r}")
    run.same("drafts", longer, plan, *more, "--prompt", PROMPT, "--drafts", 4)
    run.same("jinx-rt, a prompt in a file", longer, plan, *more, "--prompt-file", file, program=run.runner)
    run.same("standard input", longer, plan, *more, "--prompt-file", "-", given=PROMPT)
    run.same("one thread", longer, plan, *more, "--prompt", PROMPT, "--threads", 1)
    sampled = [run.generate(plan, *more, "--prompt", PROMPT, "--temperature", 1, "--seed", seed).stdout for seed in (1, 1, 2)]
    run.outcome(sampled[0] == sampled[1] != sampled[2], f"of seeds 1, 1 and 2 come {sampled}")
    check_batches(run, plan, model, folder)
    check_prefixes(run, plan, model, folder)
    check_draft_models(run, plan, model, folder)
    run.refused("no prompt", "expected some text", plan, "--tokenizer", model)
    run.refused("a plan without a tokenizer", "tokenizer", plan, "--prompt", PROMPT)
    run.refused("too long", "expected", plan, "--tokenizer", model, "--prompt", PROMPT * 500, "--context", 1000)
    run.refused("no language model", "it is no step of a language model", ROOT / "docs/spec/mlp.mlir", "--tokenizer", model, "--prompt", PROMPT)
    run.refused("no file", "cannot", folder / "none.gguf", "--prompt", PROMPT)


def check_start(run, model):
    """Compiled once: the second time the plan is in the cache, and a program that cannot write there does without."""
    plans = pathlib.Path(run.environment["JINX_CACHE"]) / "plans"
    for what in ("the first time", "from the cache"):
        run.same(f"five tokens, {what}", FIRST + "\n", model, "--prompt", PROMPT, "--max-tokens", 5)
        run.outcome(len(list(plans.iterdir())) == 1, f"{what} the cache has {list(plans.iterdir())}, expected one plan")
    (kept,) = plans.iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    run.same("five tokens, from a damaged cache", FIRST + "\n", model, "--prompt", PROMPT, "--max-tokens", 5)
    run.outcome(kept.stat().st_size > 1000, "a damaged plan stays in the cache")


def check_batches(run, plan, model, folder):
    """Thirty-two requests at once, some alike, some drawn: each as if it were alone, whatever the step's budget, the pages, and the drafts."""
    texts = [PROMPT, "Once upon a time", "def fibonacci(n):", "The weather in London is often", "Water boils at a temperature of"]
    requests = [{"prompt": texts[i % 5] * (1 + i % 3), "max_tokens": 8 + i, "temperature": i % 2, "seed": i} for i in range(32)]
    file = folder / "batch.jsonl"

    def answers(requests, *arguments):
        file.write_text("".join(json.dumps(request) + "\n" for request in requests))
        done = run.generate(plan, "--tokenizer", model, "--batch", file, *arguments)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        run.outcome(done.returncode == 0 and sorted(line["index"] for line in lines) == list(range(len(requests))), f"a batch with {arguments}: {done.stderr}")
        return {line["index"]: (line["tokens"], line["text"], line["finish"]) for line in lines}

    alone = [answers([request]).get(0) for request in requests]
    for what, arguments in (("together", []), ("in chunks", ["--budget", 7]), ("with few pages", ["--pages", 24]), ("with drafts", ["--drafts", 4]), ("on one thread", ["--threads", 1])):
        together = answers(requests, *arguments)
        for i, own in enumerate(alone):
            run.outcome(together.get(i) == own, f"{what}: request {i} is {together.get(i)}, alone {own}")
    for line, said in (("text", "is no request"), ('{"prompt": 3}', "is no request"), ('{"prompt": "a", "max_tokens": -1}', "max_tokens"), ('{"prompt": "a", "best": 1}', "best"), ("", "no requests")):
        file.write_text(line)
        run.refused(f"a batch of {line!r}", said, plan, "--tokenizer", model, "--batch", file)


def check_prefixes(run, plan, model, folder):
    """Requests that begin alike, in steps of few tokens, so that most find what others computed: overlapped or not, with cached prefixes or without, all numbers are the same."""
    file = folder / "prefixes.jsonl"
    story = "Once upon a time there was a small town by the sea, where every house had a blue door and a garden of its own. " * 4
    ends = ["The mayor", "One day", "", "Nobody knew", "It was"]
    requests = [{"prompt": story[: len(story) - 40 * (i % 4)] + ends[i % 5], "max_tokens": 12 + i, "temperature": i % 2, "seed": i, "logprobs": i % 3} for i in range(16)]
    file.write_text("".join(json.dumps(request) + "\n" for request in requests))
    answers = {}
    for what in ("", "--overlap", "--no-prefix-cache", "--overlap --no-prefix-cache", "--overlap --drafts 3", "--pages 40", "--overlap --pages 40"):
        done = run.generate(plan, "--tokenizer", model, "--batch", file, "--budget", 64, "--times", *what.split())
        found = re.search(r"(\d+) tokens were found in cached prefixes", done.stderr)
        run.outcome(done.returncode == 0 and found and (int(found[1]) > 500) == ("--no-prefix-cache" not in what), f"a batch with {what!r}: {done.stderr}")
        answers[what] = sorted((json.loads(line) for line in done.stdout.splitlines()), key=lambda answer: answer["index"])
    told = [answer for answer in answers[""] if len(answer.get("logprobs", [])) == len(answer["tokens"])]
    run.outcome(len(answers[""]) == 16 and len(told) == 16, f"of 16 requests {len(answers[''])} have answers, {len(told)} with logprobs")
    for what, given in answers.items():
        for own, other in zip(answers[""], given):
            run.outcome(own == other, f"with {what!r} request {own['index']} is {other}, else {own}")


def rewritten(model, path, kind=None, changes={}):
    """The file again, with matrices of another type, or with fields that a function changes."""
    import gguf
    import numpy as np

    reader = gguf.GGUFReader(model)
    writer = gguf.GGUFWriter(path, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        value = changes.get(name, lambda value: value)(field.contents())
        writer.add_key_value(name, value, field.types[0], sub_type=field.types[1] if len(field.types) > 1 else None)
    for tensor in reader.tensors:
        data, dtype = tensor.data, tensor.tensor_type
        if kind and dtype == gguf.GGMLQuantizationType.Q4_1:
            dtype = gguf.GGMLQuantizationType[kind]
            data = gguf.quants.quantize(gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32), dtype)
        writer.add_tensor(tensor.name, data, raw_dtype=dtype)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def check_draft_models(run, plan, model, folder):
    """Itself as a draft model, and itself in other codes."""
    other, stranger = folder / "q4_0.gguf", folder / "stranger.gguf"
    rewritten(model, other, kind="Q4_0")
    rewritten(model, stranger, changes={"tokenizer.ggml.tokens": lambda tokens: [text + "?" * (i == 5) for i, text in enumerate(tokens)]})
    texts = ["The history of the city begins", "To make bread, first", "In physics, energy is", "def main():\n"]
    file = folder / "drafted.jsonl"
    for temperature in (0, 1):
        file.write_text("".join(json.dumps({"prompt": text, "max_tokens": 48, "temperature": temperature, "seed": i}) + "\n" for i, text in enumerate(texts)))
        answers = {}
        for what, draft in (("none", []), ("itself", ["--draft-model", plan]), ("itself, 2", ["--draft-model", plan, "--draft-tokens", 2]),
                            ("other codes", ["--draft-model", other]), ("other codes, 1", ["--draft-model", other, "--draft-tokens", 1, "--overlap"])):
            done = run.generate(plan, "--tokenizer", model, "--batch", file, "--ignore-end", "--times", *draft)
            counts = re.search(r"(\d+) steps; (\d+) of (\d+) drafts stood", done.stderr)
            run.outcome(done.returncode == 0 and counts, f"draft model {what}: {done.stderr}")
            if not counts:
                return
            steps, stood, drafts = map(int, counts.groups())
            rate = stood / max(drafts, 1)
            speed = re.search(r"then ([\d.]+) tokens/s", done.stderr)
            print(f"  draft model {what}, temperature {temperature}: {stood} of {drafts} drafts stood ({rate:.0%}) in {steps} steps, {speed and speed[1]} tokens/s")
            least = 0.9 if "itself" in what else 0.2  # of itself all stand but for what q leaves out
            run.outcome(drafts == 0 if what == "none" else drafts > 40 and rate >= least, f"draft model {what}: {stood} of {drafts} drafts stood")
            answers[what] = {line["index"]: line["tokens"] for line in map(json.loads, done.stdout.splitlines())}
        same = [("none", "itself"), ("none", "other codes"), ("none", "other codes, 1")] if temperature == 0 else []
        for a, b in [*same, ("itself", "itself, 2"), ("other codes", "other codes, 1")]:
            run.outcome(answers[a] == answers[b], f"at temperature {temperature} draft models {a} and {b} give {answers[a]} and {answers[b]}")
    run.refused("a draft model with another token", "its token 5 is", plan, "--tokenizer", model, "--prompt", PROMPT, "--draft-model", stranger)
    run.refused("two kinds of drafts", "excludes", plan, "--tokenizer", model, "--prompt", PROMPT, "--draft-model", other, "--drafts", 2)


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
        run = Run(options.jinx, pathlib.Path(folder) / "cache")
        check(run, model, pathlib.Path(folder))
    for failure in run.failures:
        print(failure)
    print(f"{run.count - len(run.failures)} passed, {len(run.failures)} failed")
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
