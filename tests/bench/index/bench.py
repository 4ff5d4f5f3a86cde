#!/usr/bin/env python3
"""What do kernels for sorts, scatters, gathers by data and running sums bring? One operator a model, one thread, one pinned core.

Each case is one ONNX node, run as a kernel (Jinx), as the reference on the host (Jinx; what such a node ran as before it had a kernel)
and by onnxruntime, calls interleaved in one process. Results are compared first. Writes docs/benchmarks/index-cpu.md and .json.

    ./dev bench index [CASE…] [--rounds N] [--output FILE.md]
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
sys.path[:0] = [str(ROOT / "tests" / "models"), str(HERE.parent / "peers")]
import bench as peers  # noqa: E402  peers/bench.py
import engines  # noqa: E402
import report  # noqa: E402

ENGINES = ("kernel", "host", "onnxruntime")
ELEMENTS = {"float32": "f32", "int64": "i64"}


class Case:
    """One node: inputs and constants are arrays, outputs have the types and shapes that onnxruntime gives."""

    def __init__(self, name, op, inputs, constants=(), **attributes):
        self.name, self.op, self.inputs, self.constants, self.attributes = name, op, inputs, list(constants), attributes

    def onnx_model(self, outputs):
        import onnx
        from onnx import helper, numpy_helper

        info = lambda name, a: helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        names = [f"x{i}" for i in range(len(self.inputs))] + [f"c{i}" for i in range(len(self.constants))]
        results = [f"y{i}" for i in range(outputs)]
        node = helper.make_node(self.op, names, results, **self.attributes)
        graph = helper.make_graph(
            [node], "g", [info(f"x{i}", a) for i, a in enumerate(self.inputs)], [helper.make_empty_tensor_value_info(r) for r in results],
            [numpy_helper.from_array(c, f"c{i}") for i, c in enumerate(self.constants)])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        return onnx.shape_inference.infer_shapes(model)

    def host_ir(self, results):
        """The same as a call of the reference."""
        kind = lambda a: f"tensor<{''.join(f'{d}x' for d in a.shape)}{ELEMENTS[str(a.dtype)]}>"
        arrays = self.inputs + self.constants
        arguments = ", ".join(f'%v{i}: {kind(a)} {{jinx.name = "x{i}"}}' for i, a in enumerate(self.inputs))
        constants = "".join(f"  %v{len(self.inputs) + i} = jinx.constant dense<{c.tolist()}> : {kind(c)}\n" for i, c in enumerate(self.constants))
        text = lambda v: f'"{v}"' if isinstance(v, str) else f"{v} : i64"
        attributes = "{" + ", ".join(f"{k} = {text(v)}" for k, v in self.attributes.items()) + "}"
        types = ", ".join(map(kind, results))
        names = ", ".join(f"%r{i}" for i in range(len(results)))
        outputs = ", ".join(f'{kind(r)} {{jinx.name = "y{i}"}}' for i, r in enumerate(results))
        return (f"func.func @main({arguments}) -> ({outputs}) {{\n{constants}"
                f'  {names} = jinx.host_call "" "{self.op}" 18 {attributes}({", ".join(f"%v{i}" for i in range(len(arrays)))})'
                f" : ({', '.join(map(kind, arrays))}) -> ({types})\n  return {names} : {types}\n}}\n")


def cases():
    g = np.random.default_rng(0)
    f = lambda *shape: g.standard_normal(shape, dtype=np.float32)
    i = lambda high, *shape: g.integers(0, high, shape)
    yield Case("top_k 64×1000, k 5", "TopK", [f(64, 1000)], [np.array([5])])
    yield Case("top_k 16×4096, k 4096", "TopK", [f(16, 4096)], [np.array([4096])])
    yield Case("top_k 1×100000, k 300", "TopK", [f(1, 100000)], [np.array([300])])
    yield Case("cumsum 256×1024, axis 1", "CumSum", [f(256, 1024)], [np.array(1)])
    yield Case("cumsum 256×1024, axis 0", "CumSum", [f(256, 1024)], [np.array(0)])
    yield Case("gather_elements 256×1024", "GatherElements", [f(256, 1024), i(1024, 256, 1024)], axis=1)
    yield Case("gather_nd 64×64×16, 4096 rows", "GatherND", [f(64, 64, 16), i(64, 4096, 2)])
    yield Case("scatter_elements 256×1024", "ScatterElements", [f(256, 1024), i(1024, 256, 1024), f(256, 1024)], axis=1)
    yield Case("scatter_elements add 256×1024", "ScatterElements", [f(256, 1024), i(1024, 256, 1024), f(256, 1024)], axis=1, reduction="add")
    yield Case("scatter_nd 4096×64, 1024 rows", "ScatterND", [f(4096, 64), i(4096, 1024, 1), f(1024, 64)])
    yield Case("scatter_nd 512×512, 65536 points", "ScatterND", [f(512, 512), i(512, 65536, 2), f(65536)])


class Plan:
    def __init__(self, options, name, source):
        plan = options.plans / f"{name}.jxp"
        done = subprocess.run([str(options.jinx), "compile", str(source), "-o", str(plan)], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"error: {name}: {(done.stderr or done.stdout).strip()[-300:]}")
        self.engine = engines.Jinx("", str(plan), 1)


def measure(options, case, index) -> dict:
    inputs = {f"x{i}": engines.aligned_like(a) for i, a in enumerate(case.inputs)}
    for room, a in zip(inputs.values(), case.inputs):
        room[...] = a
    path = options.plans / f"index-{index}.onnx"
    path.write_bytes(case.onnx_model(2 if case.op == "TopK" else 1).SerializeToString())
    bound = {"onnxruntime": engines.Onnxruntime(str(path), "", 1)}
    bound["onnxruntime"].bind(inputs)
    bound["onnxruntime"].run()
    want = bound["onnxruntime"].outputs()
    (options.plans / f"index-{index}.mlir").write_text(case.host_ir(list(want.values())))
    bound["kernel"] = Plan(options, f"index-{index}-kernel", path).engine
    bound["host"] = Plan(options, f"index-{index}-host", options.plans / f"index-{index}.mlir").engine
    row = {"case": case.name}
    for name in ("kernel", "host"):
        bound[name].bind(inputs)
        bound[name].run()
        for key, array in bound[name].outputs().items():
            if not np.allclose(array, want[key], rtol=1e-3, atol=1e-4):
                raise SystemExit(f"error: {case.name}: {name} gives another {key} than onnxruntime")
    times = {name: [] for name in ENGINES}
    repeats = {}
    for name in ENGINES:
        start = time.perf_counter()
        bound[name].run()
        repeats[name] = max(1, int(options.slice / (time.perf_counter() - start)))
    for _ in range(options.rounds):
        for name in ENGINES:
            start = time.perf_counter()
            for _ in range(repeats[name]):
                bound[name].run()
            times[name].append((time.perf_counter() - start) / repeats[name] * 1e3)
    return row | {name: {"median_ms": float(np.median(t)), "p10_ms": float(np.quantile(t, 0.1)), "p90_ms": float(np.quantile(t, 0.9))} for name, t in times.items()}


def page(result: dict) -> str:
    lines = [
        "# Sorts, scatters, gathers by data and running sums on one core",
        "",
        "Written by `./dev bench index`; do not edit. Medians in ms (10th–90th percentile) of one node, calls interleaved in one process.",
        "host: Jinx's reference operator, which such a node ran as before it had a kernel.",
        "",
        f"- {result['machine']['processor']}; {result['date']}; load average {result['machine']['load_before']:.2f}",
        f"- Jinx {result['versions']['Jinx']}, onnxruntime {result['versions']['onnxruntime']}",
        f"- `{result['command']}`",
        "",
        "| node | kernel | host | onnxruntime | host / kernel | onnxruntime / kernel |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        cells = [f"{report.number(e['median_ms'])} ({report.number(e['p10_ms'])}–{report.number(e['p90_ms'])})" for e in (row[name] for name in ENGINES)]
        ratios = [f"{row[name]['median_ms'] / row['kernel']['median_ms']:.2f}" for name in ("host", "onnxruntime")]
        lines.append(f"| {row['case']} | {' | '.join(cells + ratios)} |")
    return "\n".join(lines) + "\n"


def parse() -> argparse.Namespace:
    build = ROOT / "build" / "dev"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="only cases that have this in their names")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--slice", type=float, default=0.005, help="seconds of each measurement")
    parser.add_argument("--jinx", type=pathlib.Path, default=build / "bin" / "jinx")
    parser.add_argument("--plans", type=pathlib.Path, default=build / "bench-plans")
    parser.add_argument("--output", type=pathlib.Path)
    return parser.parse_args()


def main() -> None:
    options = parse()
    options.plans.mkdir(parents=True, exist_ok=True)
    result = {
        "date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M"),
        "command": "./dev bench index " + shlex.join(sys.argv[1:]),
        "machine": peers.machine(),
        "versions": peers.versions(options.jinx),
        "rows": [],
    }
    engines.pin(peers.processors_for(1))
    for index, case in enumerate(cases()):
        if options.cases and not any(text in case.name for text in options.cases):
            continue
        row = measure(options, case, index)
        result["rows"].append(row)
        print(f"{row['case']:34}" + "  ".join(f"{name} {report.number(row[name]['median_ms'])}" for name in ENGINES), flush=True)
    output = options.output or (None if options.cases else ROOT / "docs" / "benchmarks" / "index-cpu.md")
    peers.write_files(output, page(result), result)


if __name__ == "__main__":
    main()
