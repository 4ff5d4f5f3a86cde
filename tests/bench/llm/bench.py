#!/usr/bin/env python3
"""SmolLM2-135M from its GGUF file: how fast does it read and write, beside llama.cpp in the same run?

    ./dev bench llm --llama-python PYTHON [--rounds 5] [--threads 1 2] [--output docs/benchmarks/llm-cpu.md]

PYTHON is an interpreter that has llama-cpp-python, built for this processor by whoever runs this (the page records what it says of itself). Both keep to the same CPUs and
take turns within a round; figures are medians, ratios are medians of the rounds' ratios. Both take the most probable token, so that tokens can be compared, too.

    prefill    a prompt of 512 tokens, to its first token of output
    decode     128 tokens behind a prompt of 5
    eight      eight requests at once, 64 tokens each, after their first ones
    start      the whole program, model not compiled but in the cache: to the first token (llama.cpp: loading and the first token, without Python's own start)
"""

import argparse
import datetime
import json
import pathlib
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT / "tests" / "models"), str(HERE.parent / "peers")]
import bench as peers  # noqa: E402  peers/bench.py
from packages import data  # noqa: E402

TEXT = ROOT / "docs" / "guides" / "language-models.md"
SHORT = "The capital of France is"
EIGHT = [SHORT, "Once upon a time", "In 1998 the", "Water boils at", "My favourite colour", "The theory of", "A recipe for bread:", "def main():"]
BIN = ROOT / "build" / "dev" / "bin"
SCALE = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


class Jinx:
    """`jinx-rt generate` on a plan; its own account of times."""

    def __init__(self, plan, model, cpus):
        self.plan, self.model, self.cpus = plan, model, cpus

    def run(self, folder, prompts, count):
        file = folder / "batch.jsonl"
        file.write_text("".join(json.dumps({"prompt": prompt, "max_tokens": count}) + "\n" for prompt in prompts))
        command = ["taskset", "-c", ",".join(map(str, self.cpus)), BIN / "jinx-rt", "generate", self.plan, "--tokenizer", self.model, "--batch", file, "--budget", 512,
                   "--ignore-end", "--threads", len(self.cpus), "--times"]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
        found = re.search(r"first of output in ([\d.]+) (us|ms|s), then ([\d.]+) tokens/s", done.stderr)
        lines = sorted((json.loads(line) for line in done.stdout.splitlines()), key=lambda line: line["index"])
        return {"first": float(found[1]) * SCALE[found[2]], "rate": float(found[3]), "tokens": [line["tokens"] for line in lines]}

    def start(self):
        begin = time.perf_counter()
        command = ["taskset", "-c", ",".join(map(str, self.cpus)), BIN / "jinx", "generate", self.model, "--prompt", SHORT, "--max-tokens", "1", "--threads", str(len(self.cpus))]
        subprocess.run(list(map(str, command)), capture_output=True, check=True)
        return time.perf_counter() - begin


class Llama:
    """The better of its two forms of attention, in each measurement."""

    def __init__(self, python, model, cpus):
        self.command = ["taskset", "-c", ",".join(map(str, cpus)), python, HERE / "peer.py", model, len(cpus)]
        self.workers = [self.open(flash) for flash in (0, 1)]
        self.about = [json.loads(worker.stdout.readline()) for worker in self.workers][0]

    def open(self, flash):
        return subprocess.Popen(list(map(str, [*self.command, flash])), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def run(self, prompts, count):
        found = []
        for worker in self.workers:
            worker.stdin.write(json.dumps({"prompts": prompts, "count": count}) + "\n")
            worker.stdin.flush()
            found.append(json.loads(worker.stdout.readline()))
            found[-1]["rate"] = len(prompts) * (count - 1) / found[-1]["rest"] if count > 1 else 0
        return max(found, key=lambda one: one["rate"] if count > 1 else -one["first"])

    def start(self):
        worker = self.open(0)
        about = json.loads(worker.stdout.readline())
        worker.stdin.close()
        worker.wait()
        return about["start"]

    def close(self):
        for worker in self.workers:
            worker.stdin.close()
            worker.wait()


def tokens_of(model, text):
    done = subprocess.run([BIN / "jinx-rt", "tokenize", model], input=text, capture_output=True, text=True, check=True)
    return list(map(int, done.stdout.split()))


def long_prompt(model, count):
    """A text of so many tokens that is again as many when it is read."""
    ids = tokens_of(model, TEXT.read_text())[:count]
    done = subprocess.run([BIN / "jinx-rt", "tokenize", model, "--decode"], input=" ".join(map(str, ids)), capture_output=True, text=True, check=True)
    text = done.stdout.rstrip("\n")
    if len(tokens_of(model, text)) != count:
        raise SystemExit(f"{TEXT} has no beginning of {count} tokens")
    return text


def measure(jinx, llama, folder, model, rounds):
    """Of each case the figures of every round: (ours, theirs), tokens a second or seconds; and how many tokens agree."""
    cases = {"prefill": ([long_prompt(model, 512)], 1), "decode": ([SHORT], 129), "eight": (EIGHT, 65)}
    figures, agree = {name: [] for name in (*cases, "start")}, {}
    for round_ in range(rounds):
        for name, (prompts, count) in cases.items():
            ids = [tokens_of(model, prompt) for prompt in prompts]
            ours = jinx.run(folder, prompts, count)
            theirs = llama.run(ids, count)
            rate = (lambda one: len(ids[0]) / one["first"]) if count == 1 else (lambda one: one["rate"])
            figures[name].append((rate(ours), rate(theirs)))
            agree[name] = [sum(1 for _ in iter_equal(a, b)) for a, b in zip(ours["tokens"], theirs["tokens"])]
        if round_ == 0:
            jinx.start()  # fills the cache
        figures["start"].append((jinx.start(), llama.start()))
    return figures, agree


def iter_equal(a, b):
    for x, y in zip(a, b):
        if x != y:
            return
        yield x


def row(name, threads, values):
    ours, theirs = (statistics.median(one[i] for one in values) for i in (0, 1))
    ratio = statistics.median(theirs_ / ours_ if name == "start" else ours_ / theirs_ for ours_, theirs_ in values)
    form = (lambda x: f"{x:.2f} s") if name == "start" else (lambda x: f"{x:.0f} tokens/s")
    return f"| {name} | {threads} | {form(ours)} | {form(theirs)} | {ratio:.2f} |"


def page(about, rows, notes):
    return "\n".join([
        "# SmolLM2-135M, beside llama.cpp", "",
        "Written by `./dev bench llm`; do not edit. Medians; ratios are medians of the rounds', above 1 Jinx is faster. tests/bench/llm/bench.py says what each case is. Jinx: keys and values in f32,", 
        "activations of 8 bits (the default). llama.cpp: keys and values in f16, the faster of its two forms of attention in each measurement.", "",
        f"- {about['machine']['processor']}; {datetime.datetime.now():%Y-%m-%d %H:%M}; load average {about['machine']['load_before']:.2f}",
        f"- Jinx {peers.versions(BIN / 'jinx')['Jinx']}, llama-cpp-python {about['version']}: {' '.join(about['system'].split())}",
        f"- `./dev bench llm {shlex.join(a for a in sys.argv[1:] if 'python' not in a.lower())}`", "",
        "| case | threads | Jinx | llama.cpp | ratio |", "|---|---|---|---|---|", *rows, "", *notes, ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama-python", required=True, help="interpreter with llama-cpp-python")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "docs" / "benchmarks" / "llm-cpu.md")
    options = parser.parse_args()
    model, rows, notes, all_figures, machine = str(data("smollm2.gguf")), [], [], {}, peers.machine()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        plan = folder / "smollm2.jxp"
        subprocess.run([BIN / "jinx", "compile", model, "-o", plan], check=True, capture_output=True)
        for threads in options.threads:
            cpus = list(range(threads))
            llama = Llama(options.llama_python, model, cpus)
            figures, agree = measure(Jinx(plan, model, cpus), llama, folder, model, options.rounds)
            llama.close()
            all_figures[threads] = figures
            for case, values in figures.items():
                rows.append(row(case, threads, values))
                print(rows[-1], flush=True)
            eight = [ours / own for (ours, _), (_, own) in zip(figures["eight"], figures["decode"])]
            own = [ours / alone for (ours, _), (alone, _) in zip(figures["eight"], figures["decode"])]
            notes.append(f"{threads} thread{'s' * (threads > 1)}: eight requests at once write {statistics.median(eight):.1f} times what llama.cpp writes for one, {statistics.median(own):.1f} times what Jinx does. "
                         f"Of 129 tokens the first {agree['decode'][0]} are the same (both round activations).")
            print(notes[-1], flush=True)
    options.output.write_text(page({**llama.about, "machine": machine}, rows, notes))
    options.output.with_suffix(".json").write_text(json.dumps({"threads": all_figures, "llama": llama.about}, indent=1) + "\n")


if __name__ == "__main__":
    main()
