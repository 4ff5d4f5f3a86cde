#!/usr/bin/env python3
"""How near does Jinx's matrix product come to what the core can do? Native IR, one thread, one pinned core.

y[m, n] = a[m, k] · b[k, n], once with b a weight of the model (packed when it is compiled) and once with b an input.
Each round measures the register peak (peak.cpp), each product and numpy's (OpenBLAS) in turn, in one process, so that
all see the same clock. The share is the median product over the median peak of the run. Writes
docs/benchmarks/gemm-cpu.md and .json, unless shapes are named.

    ./dev bench gemm [MxNxK…] [--types f32 bf16 i8] [--rounds N] [--output FILE.md]
"""

import argparse
import ctypes
import datetime
import os
import pathlib
import shlex
import subprocess
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT / "tests" / "models"), str(HERE.parent / "peers")]
import bench as peers  # noqa: E402  peers/bench.py
import engines  # noqa: E402
import jinx_capi  # noqa: E402

SHAPES = ("1024x1024x1024", "768x3072x128", "128x3072x768", "128x768x3072", "512x512x512", "64x4096x4096")
NUMPY_TYPES = {"f32": "float32", "bf16": "bfloat16", "i8": "int8"}


def numpy_type(kind: str) -> np.dtype:
    if kind == "bf16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(NUMPY_TYPES[kind])


def native_ir(m: int, n: int, k: int, kind: str, weight: np.ndarray | None) -> str:
    """The model as text; the weight's bytes are its hexadecimal digits."""
    result = "i32" if kind == "i8" else kind
    a, b, y = f"tensor<{m}x{k}x{kind}>", f"tensor<{k}x{n}x{kind}>", f"tensor<{m}x{n}x{result}>"
    arguments = f'%a: {a} {{jinx.name = "a"}}'
    constant = ""
    if weight is None:
        arguments += f', %b: {b} {{jinx.name = "b"}}'
    else:
        constant = f'  %b = jinx.constant dense<"0x{weight.tobytes().hex().upper()}"> : {b}\n'
    return (
        f'func.func @main({arguments}) -> ({y} {{jinx.name = "y"}}) {{\n{constant}'
        f"  %y = jinx.matmul %a, %b : {a}, {b} -> {y}\n  return %y : {y}\n}}\n"
    )


def random_matrix(generator: np.random.Generator, rows: int, columns: int, kind: str) -> np.ndarray:
    if kind == "i8":
        values = generator.integers(-100, 100, size=(rows, columns))
    else:
        values = generator.standard_normal((rows, columns), dtype=np.float32)
    matrix = engines.aligned_like(np.empty((rows, columns), dtype=numpy_type(kind)))
    matrix[...] = values.astype(matrix.dtype)
    return matrix


class Product:
    """One product as a plan, bound and checked."""

    def __init__(self, options, name: str, kind: str, a: np.ndarray, b: np.ndarray, weight: bool):
        text = native_ir(a.shape[0], b.shape[1], a.shape[1], kind, b if weight else None)
        source, plan = options.plans / f"{name}.mlir", options.plans / f"{name}.jxp"
        source.write_text(text)
        done = subprocess.run([str(options.jinx), "compile", str(source), "-o", str(plan)], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"compile: {(done.stderr or done.stdout).strip()[-300:]}")
        self.session = jinx_capi.Session(jinx_capi.Library(options.library), plan, threads=1)
        inputs = [a] if weight else [a, b]
        first = self.session.call(inputs)
        first.run()
        self.room = engines.aligned_like(first.output(0))
        self.call = self.session.call(inputs, [self.room])
        self.call.run()

    def error(self, a: np.ndarray, b: np.ndarray) -> float:
        """Largest difference from the float64 product, over the largest sum of magnitudes."""
        x, w = a.astype(np.float64), b.astype(np.float64)
        scale = float(np.max(np.abs(x) @ np.abs(w)))
        return float(np.max(np.abs(self.room.astype(np.float64) - x @ w))) / scale


def seconds_of(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure_shape(options, peak, shape: str, kind: str) -> dict:
    m, n, k = (int(text) for text in shape.split("x"))
    generator = np.random.default_rng(0)
    a, b = random_matrix(generator, m, k, kind), random_matrix(generator, k, n, kind)
    result, runs = {"shape": shape, "type": kind}, {}
    for variant, weight in (("weight", True), ("input", False)):
        try:
            product = Product(options, f"gemm-{kind}-{shape}-{variant}", kind, a, b, weight)
            result[variant] = {"error": product.error(a, b)}
            runs[variant] = product.call.run
        except Exception as error:  # noqa: BLE001: a variant that does not run is a row of the table
            result[variant] = {"fault": f"{type(error).__name__}: {str(error)[:300]}"}
    if kind == "f32":
        room = np.empty((m, n), dtype=np.float32)
        runs["numpy"] = lambda: np.dot(a, b, out=room)
        result["numpy"] = {}
    peaks, times = [], {name: [] for name in runs}
    repeats = {name: max(1, int(options.slice / min(seconds_of(run) for _ in range(3)))) for name, run in runs.items()}
    for _ in range(options.rounds):
        peaks.append(peak(options.slice))
        for name, run in runs.items():
            start = time.perf_counter()
            for _ in range(repeats[name]):
                run()
            times[name].append((time.perf_counter() - start) / repeats[name])
    result["peak"] = {"median": float(np.median(peaks)), "best": float(np.max(peaks))}
    for name, seconds in times.items():
        rates = 2.0 * m * n * k / np.array(seconds) / 1e9
        result[name] |= {"median": float(np.median(rates)), "best": float(np.max(rates))}
        result[name]["share"] = result[name]["median"] / result["peak"]["median"]
    return result


def cell(entry: dict | None) -> str:
    if not entry:
        return "–"
    if "fault" in entry:
        return "fails"
    return f"{entry['median']:.1f} ({entry['share']:.0%})"


def page(result: dict) -> str:
    lines = [
        "# Matrix products on one core, beside its register peak",
        "",
        "Written by `./dev bench gemm`; do not edit. G(FL)OP/s, medians; in brackets the share of the peak of multiply-adds on",
        "registers, measured between the products in the same process. weight: b is a constant of the model, packed when it is",
        "compiled; input: b comes with the call.",
        "",
        f"- {result['machine']['processor']}; {result['date']}; load average {result['machine']['load_before']:.2f}",
        f"- Jinx {result['versions']['Jinx']}, numpy {result['versions']['numpy']} (OpenBLAS)",
        f"- `{result['command']}`",
        "",
        "| type | M×N×K | peak | Jinx, b a weight | Jinx, b an input | numpy |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        shape = row["shape"].replace("x", "×")
        cells = [cell(row.get(name)) for name in ("weight", "input", "numpy")]
        lines.append(f"| {row['type']} | {shape} | {row['peak']['median']:.1f} | {' | '.join(cells)} |")
    faults = [f"- {r['type']} {r['shape']} {v}: {r[v]['fault']}" for r in result["rows"] for v in ("weight", "input") if "fault" in r[v]]
    return "\n".join(lines + ([""] + faults if faults else [])) + "\n"


def parse() -> argparse.Namespace:
    build = ROOT / "build" / "dev"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shapes", nargs="*", metavar="MxNxK")
    parser.add_argument("--types", nargs="+", choices=list(NUMPY_TYPES), default=["f32"])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--slice", type=float, default=0.02, help="seconds of each measurement")
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for a quiet machine")
    parser.add_argument("--jinx", type=pathlib.Path, default=build / "bin" / "jinx")
    parser.add_argument("--library", type=pathlib.Path, help="libjinx.so; default: of the dev build")
    parser.add_argument("--peak", type=pathlib.Path, default=build / "lib" / "libjinx_bench_peak.so")
    parser.add_argument("--plans", type=pathlib.Path, default=build / "bench-plans")
    parser.add_argument("--output", type=pathlib.Path)
    return parser.parse_args()


def main() -> None:
    options = parse()
    for path in (options.jinx, options.peak):
        if not path.is_file():
            raise SystemExit(f"error: there is no {path}: run ./dev build")
    options.plans.mkdir(parents=True, exist_ok=True)
    peaks = ctypes.CDLL(str(options.peak))
    result = {
        "date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M"),
        "command": "./dev bench gemm " + shlex.join(sys.argv[1:]),
        "machine": peers.machine(),
        "versions": peers.versions(options.jinx),
        "rows": [],
    }
    engines.pin(peers.processors_for(1))
    for kind in options.types:
        peak = getattr(peaks, f"jinx_peak_{kind}")
        peak.argtypes, peak.restype = [ctypes.c_double], ctypes.c_double
        for shape in options.shapes or SHAPES:
            peers.wait_until_quiet(options.patience)
            row = measure_shape(options, peak, shape, kind)
            result["rows"].append(row)
            cells = " ".join(f"{name} {cell(row.get(name))}" for name in ("weight", "input", "numpy"))
            print(f"{kind:4} {shape:16} peak {row['peak']['median']:.1f} (best {row['peak']['best']:.1f})  {cells}", flush=True)
            for variant in ("weight", "input"):
                if "fault" in row[variant]:
                    print(f"     {variant}: {row[variant]['fault']}")
    output = options.output or (None if options.shapes else ROOT / "docs" / "benchmarks" / "gemm-cpu.md")
    peers.write_files(output, page(result), result)


if __name__ == "__main__":
    main()
