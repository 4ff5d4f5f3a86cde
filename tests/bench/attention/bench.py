#!/usr/bin/env python3
"""What does attention as one kernel bring? One kernel, three (product, softmax, product), and onnxruntime, calls interleaved.

The plain case is softmax(q·kᵀ/8)·v, 12 heads of 64, written as five ONNX nodes; onnxruntime also gets it as com.microsoft's
MultiHeadAttention, for which it has a kernel. MiniLM is the named model whole. Three kernels are the same plan compiled with
`--disable-pass jinx-form-attention`. Pinned; writes docs/benchmarks/attention-cpu.md and .json, unless lengths are named.

    ./dev bench attention [LENGTH…] [--threads 1 2] [--rounds N] [--output FILE.md]
"""

import argparse
import datetime
import pathlib
import shlex
import subprocess
import sys
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE.parent / "peers"))
import bench as peers  # noqa: E402  peers/bench.py
import engines  # noqa: E402

HEADS, DEPTH = 12, 64
LENGTHS = (1, 32, 128, 512, 1024, 2048)
MINILM = ((1, 128), (1, 512), (8, 128))


def save_models(folder: pathlib.Path) -> None:
    from onnx import TensorProto, helper, numpy_helper, save

    def write(name, nodes, shape, constants=()):
        tensors = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in "qkvy"]
        graph = helper.make_graph(nodes, name, tensors[:3], tensors[3:], constants)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        save(helper.make_model(graph, opset_imports=opsets, ir_version=9), folder / f"{name}.onnx")

    nodes = [("Transpose", ["k"], "t", {"perm": [0, 1, 3, 2]}), ("MatMul", ["q", "t"], "s", {}), ("Mul", ["s", "c"], "x", {}),
             ("Softmax", ["x"], "p", {"axis": -1}), ("MatMul", ["p", "v"], "y", {})]
    write("plain", [helper.make_node(op, inputs, [y], **attributes) for op, inputs, y, attributes in nodes],
          ["b", HEADS, "s", DEPTH], [numpy_helper.from_array(np.float32(0.125), "c")])
    mha = helper.make_node("MultiHeadAttention", ["q", "k", "v"], ["y"], domain="com.microsoft", num_heads=HEADS)
    write("mha", [mha], ["b", "s", HEADS * DEPTH])


def compile_both(options, model: pathlib.Path) -> dict:
    plans = {}
    for name, flags in (("one", []), ("three", ["--disable-pass", "jinx-form-attention"])):
        plans[name] = str(options.plans / f"{model.stem}-{name}.jxp")
        subprocess.run([str(options.jinx), "compile", str(model), *flags, "-o", plans[name]], check=True, capture_output=True)
    return plans


def measure(bound: dict, rounds: int, slice_s: float) -> dict:
    times = {name: [] for name in bound}
    repeats = {}
    for name, engine in bound.items():
        start = time.perf_counter()
        engine.run()
        repeats[name] = max(1, int(slice_s / (time.perf_counter() - start)))
    for _ in range(rounds):
        for name, engine in bound.items():
            start = time.perf_counter()
            for _ in range(repeats[name]):
                engine.run()
            times[name].append((time.perf_counter() - start) / repeats[name] * 1e3)
    return {name: {"median_ms": float(np.median(t)), "best_ms": float(np.min(t))} for name, t in times.items()}


def aligned(inputs: dict) -> dict:
    out = {}
    for name, value in inputs.items():
        out[name] = engines.aligned_like(value)
        out[name][...] = value
    return out


def cases(options):
    generator = np.random.default_rng(0)
    save_models(options.plans)
    plain, mha = options.plans / "plain.onnx", options.plans / "mha.onnx"
    plans = compile_both(options, plain)
    for length in options.lengths or LENGTHS:
        heads = aligned({n: generator.standard_normal((1, HEADS, length, DEPTH), dtype=np.float32) for n in "qkv"})
        flat = aligned({n: np.ascontiguousarray(v.transpose(0, 2, 1, 3)).reshape(1, length, -1) for n, v in heads.items()})
        yield f"attention, {length} queries and keys", {
            "one": (engines.Jinx, plain, plans["one"], heads), "three": (engines.Jinx, plain, plans["three"], heads),
            "onnxruntime": (engines.Onnxruntime, plain, "", heads), "onnxruntime MHA": (engines.Onnxruntime, mha, "", flat)}
    model = options.models / "minilm-l3.onnx"
    if options.lengths or not model.is_file():
        return
    plans = compile_both(options, model)
    for batch, length in MINILM:
        ids = generator.integers(1000, 20000, (batch, length))
        inputs = aligned({"input_ids": ids, "attention_mask": np.ones_like(ids)})
        yield f"minilm-l3, {batch}×{length}", {
            "one": (engines.Jinx, model, plans["one"], inputs), "three": (engines.Jinx, model, plans["three"], inputs),
            "onnxruntime": (engines.Onnxruntime, model, "", inputs)}


def bind(candidates: dict, threads: int) -> dict:
    bound = {}
    for name, (engine, model, plan, inputs) in candidates.items():
        bound[name] = engine(str(model), plan, threads)
        bound[name].bind(inputs)
    first = next(iter(bound.values())).outputs()
    for name, engine in bound.items():
        for key, value in engine.outputs().items():
            want = first.get(key)
            if want is None or want.dtype.kind != "f":
                continue
            got = value if value.shape == want.shape else value.reshape(want.shape[0], -1, HEADS, DEPTH).transpose(0, 2, 1, 3)
            assert np.allclose(got, want, rtol=1e-3, atol=1e-4), f"{name} disagrees in {key}"
    return bound


def page(result: dict) -> str:
    names = ["one", "three", "onnxruntime", "onnxruntime MHA"]
    lines = [
        "# Attention as one kernel, on the CPU", "",
        "Written by `./dev bench attention`; do not edit. Medians in ms, calls interleaved in one process, threads pinned. One kernel:",
        "blocked online softmax; three: product, softmax, product (`--disable-pass jinx-form-attention`). MHA: the same as com.microsoft's",
        "MultiHeadAttention. Attention is 12 heads of 64, f32, with steps that pack keys and values.", "",
        f"- {result['machine']['processor']}, {result['machine']['processors']} processors; {result['date']}; load average {result['machine']['load_before']:.2f}",
        f"- Jinx {result['versions']['Jinx']}, onnxruntime {result['versions'].get('onnxruntime', '?')}",
        f"- `{result['command']}`",
    ]
    for threads in result["threads"]:
        lines += ["", f"## {threads} thread{'s' if threads > 1 else ''}", "", "| case | one kernel | three | three / one | onnxruntime | MHA |", "|---|---|---|---|---|---|"]
        for row in result["rows"]:
            if row["threads"] != threads:
                continue
            ms = [row["times"].get(name, {}).get("median_ms") for name in names]
            cells = ["–" if t is None else f"{t:.3g}" for t in ms]
            lines.append(f"| {row['case']} | {cells[0]} | {cells[1]} | {ms[1] / ms[0]:.2f} | {cells[2]} | {cells[3]} |")
    return "\n".join(lines) + "\n"


def parse() -> argparse.Namespace:
    build = ROOT / "build" / "dev"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lengths", nargs="*", type=int, metavar="LENGTH")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--slice", type=float, default=0.02, help="seconds of each measurement")
    parser.add_argument("--patience", type=float, default=30, help="seconds to wait for a quiet machine")
    parser.add_argument("--jinx", type=pathlib.Path, default=build / "bin" / "jinx")
    parser.add_argument("--models", type=pathlib.Path, default=pathlib.Path.home() / ".cache" / "jinx" / "models")
    parser.add_argument("--plans", type=pathlib.Path, default=build / "bench-plans")
    parser.add_argument("--output", type=pathlib.Path)
    return parser.parse_args()


def main() -> None:
    options = parse()
    options.plans.mkdir(parents=True, exist_ok=True)
    result = {
        "date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M"), "command": shlex.join(["./dev", "bench", "attention", *sys.argv[1:]]),
        "machine": peers.machine(), "versions": peers.versions(options.jinx), "threads": options.threads, "rows": [],
    }
    every = list(cases(options))
    processors = {threads: peers.processors_for(threads) for threads in options.threads}
    for threads in options.threads:
        engines.pin(processors[threads])
        for case, candidates in every:
            peers.wait_until_quiet(options.patience)
            times = measure(bind(candidates, threads), options.rounds, options.slice)
            result["rows"].append({"case": case, "threads": threads, "times": times})
            print(f"{case:36} {threads} thr  " + "  ".join(f"{n} {t['median_ms']:.3g}" for n, t in times.items()), flush=True)
    output = options.output or (None if options.lengths else ROOT / "docs" / "benchmarks" / "attention-cpu.md")
    peers.write_files(output, page(result), result)


if __name__ == "__main__":
    main()
