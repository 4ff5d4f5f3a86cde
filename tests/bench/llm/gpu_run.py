#!/usr/bin/env python3
"""Language models of known shapes on a GPU, random bf16 weights: a decode step of a batch at position 1,024 and on, a prompt, beside PyTorch. Made by gpu_pack.py; needs torch and numpy.

    gpu_run.py [1B 8B] [--batches 1 32 256] [--json FILE] [--markdown FILE] [--no-torch] [--no-draws]

Jinx: the whole of `jinx-rt generate`, scheduler and host included. A step's time is the difference of two runs of all requests, of 150 and 278 tokens of output each, over 128: both read
the prompts alike, and in between every request decodes: all prompts are read before the first request ends (137 steps of 2,048 tokens for 256 requests). A prompt's time is that from the
first of nine requests to the last, one token of output each, over eight: a step reads one prompt. "drawn": decode at temperature 1; "cut": at temperature
1 with top-k 50 and top-p 0.9. PyTorch: torch_peer.py, one call of the model alone, eager and compiled, in the same run.
"""

import argparse
import glob
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

import shapes

HERE = pathlib.Path(__file__).resolve().parent
PROMPT, SHORT, LONG = 1024, 150, 278
PROMPTS = 8  # behind the first one
SCALE = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


def environment():
    import torch

    found = glob.glob(str(pathlib.Path(torch.__file__).parents[1] / "nvidia/*/lib/libnvrtc.so.1[23]")) + glob.glob("/usr/local/cuda*/lib64/libnvrtc.so.1[23]")
    return {**os.environ, "LD_LIBRARY_PATH": str(HERE / "lib"), "JINX_NVRTC": sorted(found)[0]}


SAMPLING = {"decode": ({}, []), "drawn": ({"temperature": 1}, []), "cut": ({"temperature": 1}, ["--top-k", 50, "--top-p", 0.9])}


def run(env, shape, batch, count, prompt, sampling="decode"):
    """Seconds to the first token of all, and to the last one."""
    fields, more = SAMPLING[sampling]
    lines = "".join(json.dumps({"prompt": chr(65 + i % 26) + chr(65 + i // 26) + " a" * (prompt - 2), "max_tokens": count, **fields}) + "\n" for i in range(batch))
    (HERE / "batch.jsonl").write_text(lines)
    pages = batch * (-(-(prompt + LONG) // 16) + 2)
    command = [HERE / "jinx-rt", "generate", HERE / shape / "m.jxp", "--batch", HERE / "batch.jsonl", "--tokenizer", HERE / "tokenizer.json", "--device", "cuda", "--ignore-end", "--times",
               "--context", "4096", "--budget", "2048", "--pages", pages, *more]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=env)
    found = re.search(r"first of output in ([\d.]+) (us|ms|s), then ([\d.]+) tokens/s", done.stderr)
    if not found:
        raise SystemExit(f"jinx-rt fails: {done.stderr[-500:]}")
    first, rate = float(found[1]) * SCALE[found[2]], float(found[3])
    return first, first + ((batch * count - 1) / rate if rate else 0)


def measure(env, shape, batches, draws):
    figures = {}
    run(env, shape, 1, 2, 8)  # kernels are compiled
    for how in SAMPLING if draws else ["decode"]:
        for batch in batches:
            spans = [[run(env, shape, batch, count, PROMPT, how)[1] for count in (SHORT, LONG)] for _ in range(2 if batch < 100 else 1)]
            figures[f"{how} {batch}"] = statistics.median((long - short) / (LONG - SHORT) for short, long in spans) * 1e3
            print(f"{shape} {how} {batch}: {figures[f'{how} {batch}']:.3f} ms", flush=True)
    spans = [run(env, shape, 1 + PROMPTS, 1, 2048) for _ in range(2)]
    figures["prompt 2048"] = statistics.median((last - first) / PROMPTS for first, last in spans) * 1e3
    print(f"{shape} prompt 2048: {figures['prompt 2048']:.2f} ms", flush=True)
    return figures


def weight_bytes(shape):
    """That a step reads: all matrices but the rows of an embedding that is no output."""
    sizes = shapes.SHAPES[shape]
    return sum(2 * rows[0] * (rows[1] if len(rows) > 1 else 1) for name, rows in shapes.tensors(sizes) if sizes["tie_word_embeddings"] or name != "model.embed_tokens.weight")


def page_bytes(shape, batch):
    """Keys and values, bf16, that a step of decode reads at the middle of what is measured."""
    sizes = shapes.SHAPES[shape]
    width = sizes["hidden_size"] // sizes["num_attention_heads"] * sizes["num_key_value_heads"]
    return batch * (PROMPT + (SHORT + LONG) // 2) * 2 * width * 2 * sizes["num_hidden_layers"]


def prompt_flops(shape, tokens):
    """Products with weights, of the last token alone with those of the output, and attention of each token to those before it."""
    sizes = shapes.SHAPES[shape]
    weights = sum(rows[0] * rows[1] for name, rows in shapes.tensors(sizes) if "layers" in name and len(rows) > 1)
    output = sizes["vocab_size"] * sizes["hidden_size"]
    return 2 * weights * tokens + 2 * output + sizes["num_hidden_layers"] * 2 * tokens * tokens * sizes["hidden_size"]


def page(result):
    lines = ["# Language models on a GPU: NVIDIA H200", "",
             "Written by `tests/bench/llm/gpu_run.py`; do not edit. Times of a step in ms, random bf16 weights, keys and values in bf16. Jinx: all of `jinx-rt generate`, scheduler and host included, at",
             "positions 1,174 to 1,302 of each request (differences of two runs). PyTorch: the model alone at position 1,024 of 2,048 slots, eager and compiled (CUDA graphs), q, k and v as one",
             "matrix, gate and up as another. Ratio: the faster PyTorch over Jinx, above 1 Jinx is faster. Weights: their bytes over a step's time, as a share of what a copy of 2 GiB moves. All: with",
             "the keys and values of all requests; of prompts, what is multiplied. decode: greedy; drawn: at temperature 1; cut: also top-k 50 and top-p 0.9.", "",
             f"- {result['about'].get('device', '?')}, torch {result['about'].get('torch', '?')}, copy {result['about'].get('TB/s', 0):.2f} TB/s; Jinx {result['version']}",
             "- `tests/bench/llm/gpu_pack.py DIR`, there `python3 gpu_run.py`", *([f"- {result['note']}"] if "note" in result else []), "",
             "| shape | case | Jinx | tokens/s | weights | all | PyTorch eager | compiled | ratio |", "|---|---|---|---|---|---|---|---|---|"]
    copy = result["about"].get("TB/s")
    for shape, figures in result["jinx"].items():
        for case, ms in figures.items():
            what, count = case.split()
            peer = result["torch"].get(shape, {}).get(case, {})
            times = [peer[key] for key in ("eager", "compiled") if key in peer]
            weights, everything = "–", f"{prompt_flops(shape, int(count)) / ms / 1e9:.0f} TFLOP/s"
            if what != "prompt":
                rates = [(weight_bytes(shape) + more) / ms / 1e9 for more in (0, page_bytes(shape, int(count)))]
                weights, everything = (f"{rate:.2f} TB/s" + (f" ({rate / copy:.0%})" if copy else "") for rate in rates)
            cell = lambda key: f"{peer[key]:.2f}" if key in peer else "–"
            lines.append(f"| {shape} | {case} | {ms:.2f} | {int(count) / ms * 1e3:,.0f} | {weights} | {everything} | {cell('eager')} | {cell('compiled')} | {f'{min(times) / ms:.2f}' if times else '–'} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shapes", nargs="*", default=["1B", "8B"])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32, 256])
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--markdown", type=pathlib.Path)
    parser.add_argument("--no-torch", action="store_true")
    parser.add_argument("--no-draws", action="store_true", help="greedy requests only")
    parser.add_argument("--page", type=pathlib.Path, help="write the page of this JSON file, and measure nothing")
    options = parser.parse_args()
    if options.page:
        print(page(json.loads(options.page.read_text())), end="")
        return
    env, result = environment(), {"version": (HERE / "version").read_text(), "jinx": {}, "torch": {}, "about": {}}
    for shape in options.shapes:
        shapes.make(HERE / shape, shape)
        shapes.fill(HERE / shape)
        result["jinx"][shape] = measure(env, shape, options.batches, not options.no_draws)
        if not options.no_torch:
            done = subprocess.run([sys.executable, HERE / "torch_peer.py", shape, "--decode", *map(str, options.batches)], capture_output=True, text=True)
            for line in done.stdout.splitlines():
                figures = json.loads(line)
                if "TB/s" in figures:
                    result["about"] = figures
                else:
                    result["torch"].setdefault(shape, {})[figures.pop("case")] = figures
            print(done.stdout, done.stderr[-300:] if done.returncode else "", flush=True)
        if options.json:
            options.json.write_text(json.dumps(result, indent=1) + "\n")
        if options.markdown:
            options.markdown.write_text(page(result))
    print(page(result))


if __name__ == "__main__":
    main()
