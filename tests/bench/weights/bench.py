#!/usr/bin/env python3
"""Do products with packed weights run at the speed of memory? y[m, n] = x[m, k] · W[k, n], x in f32, W in 4 or 8 bits.

For few rows the weights are read once, and that is all the time there is: bytes of codes and scales over the seconds of a product, beside what
threads can read at all, measured in the same round (bandwidth.cpp). Each product has weights enough in different plans that no cache holds them; calls take them
in turn. Peers: onnxruntime's MatMulNBits on the same codes, with f32 activations (accuracy_level 0) and with int8 ones (4). Every product is
checked against float64. Writes docs/benchmarks/weights-cpu.md and .json.

    ./dev bench weights [KxN…] [--schemes int4 nf4 int8] [--rows 1 16 128] [--threads 1 2] [--rounds N] [--output FILE.md]
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

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT / "tests" / "models"), str(HERE.parent / "peers")]
import bench as peers  # noqa: E402  peers/bench.py
import engines  # noqa: E402
import jinx_capi  # noqa: E402

GROUPS = {"int4": 32, "nf4": 64, "int8": 32}
NF4 = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0,
       0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0]
OURS = {"jinx": 0, "jinx int8": 8, "jinx f32": 32}  # bits of activations, 0: the default
CACHES = 100 << 20  # weights of a product come to more than this


class Weights:
    """Codes [n, k], scales [n, k / group] in f16, and what they stand for."""

    def __init__(self, scheme, k, n, seed):
        generator = np.random.default_rng(seed)
        self.scheme, self.k, self.n, self.group = scheme, k, n, GROUPS[scheme]
        self.scales = generator.uniform(0.002, 0.01, (n, k // self.group)).astype(np.float16)
        self.codes = generator.integers(0, 256, (n, k), np.uint8) if scheme == "int8" else generator.integers(0, 16, (n, k), np.uint8)

    def bytes(self):
        return self.codes.size * (8 if self.scheme == "int8" else 4) // 8 + self.scales.nbytes

    def floats(self):
        levels = {"int8": lambda: self.codes.view(np.int8).astype(np.float32), "int4": lambda: self.codes.astype(np.float32) - 8, "nf4": lambda: np.float32(NF4)[self.codes]}[self.scheme]()
        return levels * np.repeat(self.scales.astype(np.float32), self.group, 1)

    def native_ir(self, rows):
        kind = {"int8": "i8", "int4": "ui4", "nf4": "ui4"}[self.scheme]
        n, k, groups = self.n, self.k, self.scales.shape[1]
        zero = ("  %z = jinx.constant dense<8> : tensor<ui4>\n", " zero %z", " zero tensor<ui4>") if self.scheme == "int4" else ("", "", "")
        levels = f" levels [{', '.join(map(str, NF4))}]" if self.scheme == "nf4" else ""
        return (f'func.func @main(%x: tensor<{rows}x{k}xf32> {{jinx.name = "x"}}) -> (tensor<{rows}x{n}xf32> {{jinx.name = "y"}}) {{\n'
                f'  %c = jinx.constant dense<"0x{self.codes.tobytes().hex().upper()}"> : tensor<{n}x{k}x{kind}>\n'
                f'  %s = jinx.constant dense<"0x{self.scales.tobytes().hex().upper()}"> : tensor<{n}x{groups}xf16>\n{zero[0]}'
                f"  %w = jinx.dequantize %c, %s{zero[1]} block {self.group} along 1{levels} : tensor<{n}x{k}x{kind}>, tensor<{n}x{groups}xf16>{zero[2]} -> tensor<{n}x{k}xf32>\n"
                f"  %y = jinx.matmul %x, %w transpose_b : tensor<{rows}x{k}xf32>, tensor<{n}x{k}xf32> -> tensor<{rows}x{n}xf32>\n"
                f"  return %y : tensor<{rows}x{n}xf32>\n}}\n")

    def onnx(self, rows, accuracy):
        """onnxruntime's operator on the same codes; NF4 it has as MatMulBnb4, whose scales are f32."""
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        if self.scheme == "nf4":
            return None
        bits = 8 if self.scheme == "int8" else 4
        codes = self.codes.view(np.int8).astype(np.int16) + 128 if bits == 8 else self.codes.astype(np.int16)
        codes = codes.astype(np.uint8).reshape(self.n, -1, self.group)
        packed = codes if bits == 8 else (codes[:, :, 0::2] | codes[:, :, 1::2] << 4)
        node = helper.make_node("MatMulNBits", ["x", "b", "s"], ["y"], domain="com.microsoft", K=self.k, N=self.n, bits=bits, block_size=self.group, accuracy_level=accuracy)
        tensors = [numpy_helper.from_array(packed, "b"), numpy_helper.from_array(self.scales.astype(np.float32), "s")]
        graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, self.k])], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, self.n])], tensors)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def jinx_calls(options, weights, x, threads, bits):
    calls = []
    for index, each in enumerate(weights):
        plan = options.plans / f"weights-{each.scheme}-{each.k}x{each.n}-{len(x)}-{index}.jxp"
        source = plan.with_suffix(".mlir")
        source.write_text(each.native_ir(len(x)))
        done = subprocess.run([str(options.jinx), "compile", str(source), "-o", str(plan), *(["--activation-bits", str(bits)] if bits else [])], capture_output=True, text=True)
        source.unlink()
        if done.returncode:
            raise RuntimeError(f"compile: {(done.stderr or done.stdout).strip()[-300:]}")
        session = jinx_capi.Session(jinx_capi.Library(options.library), plan, threads=threads)
        room = engines.aligned_like(np.empty((len(x), each.n), np.float32))
        call = session.call([x], [room])
        call.run()
        calls.append((call.run, room, session))
        plan.unlink()
    return calls


def onnxruntime_calls(weights, x, threads, accuracy):
    import onnxruntime

    calls = []
    for each in weights:
        model = each.onnx(len(x), accuracy)
        if model is None:
            return []
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
        session = onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
        binding, room = session.io_binding(), np.empty((len(x), each.n), np.float32)
        binding.bind_cpu_input("x", x)
        binding.bind_output("y", "cpu", 0, np.float32, room.shape, room.ctypes.data)
        run = lambda session=session, binding=binding: session.run_with_iobinding(binding)
        run()
        calls.append((run, room, session))
    return calls


def error_of(room, x, weights):
    """Largest difference from float64, over the largest sum of magnitudes."""
    w = weights.floats().astype(np.float64)
    return float(np.abs(room - x.astype(np.float64) @ w.T).max() / (np.abs(x.astype(np.float64)) @ np.abs(w).T).max())


def measure(options, bandwidth, scheme, shape, rows, threads):
    k, n = (int(text) for text in shape.split("x"))
    count = max(1, -(-CACHES // Weights(scheme, GROUPS[scheme], n, 0).bytes() * GROUPS[scheme] // k))
    weights = [Weights(scheme, k, n, seed) for seed in range(min(count, options.most))]
    x = engines.aligned_like(np.empty((rows, k), np.float32))
    x[...] = np.random.default_rng(9).standard_normal(x.shape)
    contenders = {name: jinx_calls(options, weights, x, threads, bits) for name, bits in OURS.items()}
    for name, accuracy in (("onnxruntime f32", 0), ("onnxruntime int8", 4)):
        if calls := onnxruntime_calls(weights, x, threads, accuracy):
            contenders[name] = calls
    row = {"scheme": scheme, "group": GROUPS[scheme], "shape": shape, "rows": rows, "threads": threads, "bytes": weights[0].bytes(), "plans": len(weights)}
    times, rates = {name: [] for name in contenders}, []
    for _ in range(options.rounds):
        rates.append(bandwidth(threads, CACHES * 2, options.slice))
        for name, calls in contenders.items():
            start, done = time.perf_counter(), 0
            while time.perf_counter() - start < options.slice:
                for run, _, _ in calls:
                    run()
                done += len(calls)
            times[name].append((time.perf_counter() - start) / done)
    row["bandwidth"] = float(np.median(rates))
    for name, calls in contenders.items():
        seconds = float(np.median(times[name]))
        row[name] = {"us": seconds * 1e6, "GB/s": row["bytes"] / seconds / 1e9, "GFLOP/s": 2.0 * rows * k * n / seconds / 1e9, "error": error_of(calls[0][1], x, weights[0])}
        row[name]["share"] = row[name]["GB/s"] / row["bandwidth"]
    return row


def page(result):
    lines = ["# Products with weights of few bits, beside the speed of memory", "",
             "Written by `./dev bench weights`; do not edit. Medians. Of each product: µs, and for one row the bytes of codes and scales a second as a share of what the",
             "threads read at all (measured between the products, of memory that no cache holds; so are the weights), for more rows GFLOP/s. Codes have a scale in f16 for",
             "each group along k. Ours: activations of 24 bits, of nf4 16, which is the default; of 8 bits; as floats (`--activation-bits`). onnxruntime: MatMulNBits on the same",
             "codes, with f32 scales and f32 or int8 activations (accuracy_level 0, 4).", "",
             f"- {result['machine']['processor']}; {result['date']}; load average {result['machine']['load_before']:.2f}",
             f"- Jinx {result['versions']['Jinx']}, onnxruntime {result['versions'].get('onnxruntime', '?')}", f"- `{result['command']}`", "",
             "| weights | K×N | rows | threads | memory GB/s | Jinx | Jinx int8 | Jinx floats | onnxruntime f32 | onnxruntime int8 | largest error of Jinx |", "|---|---|---|---|---|---|---|---|---|---|---|"]
    for row in result["rows"]:
        def cell(name):
            if name not in row:
                return "–"
            each = row[name]
            return f"{each['us']:.0f} µs, " + (f"{each['GB/s']:.1f} GB/s ({each['share']:.0%})" if row["rows"] == 1 else f"{each['GFLOP/s']:.0f} GFLOP/s")
        lines.append(f"| {row['scheme']}, groups of {row['group']} | {row['shape'].replace('x', '×')} | {row['rows']} | {row['threads']} | {row['bandwidth']:.1f} | "
                     f"{cell('jinx')} | {cell('jinx int8')} | {cell('jinx f32')} | {cell('onnxruntime f32')} | {cell('onnxruntime int8')} | {row['jinx']['error']:.1e} |")
    return "\n".join(lines) + "\n"


def main():
    build = ROOT / "build" / "dev"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shapes", nargs="*", metavar="KxN", default=["4096x4096"])
    parser.add_argument("--schemes", nargs="+", choices=list(GROUPS), default=list(GROUPS))
    parser.add_argument("--rows", nargs="+", type=int, default=[1, 16, 128])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--slice", type=float, default=0.1, help="seconds of each measurement")
    parser.add_argument("--most", type=int, default=12, help="plans of a product at most")
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for a quiet machine")
    parser.add_argument("--jinx", type=pathlib.Path, default=build / "bin" / "jinx")
    parser.add_argument("--library", type=pathlib.Path, help="libjinx.so; default: of the dev build")
    parser.add_argument("--bandwidth", type=pathlib.Path, default=build / "lib" / "libjinx_bench_bandwidth.so")
    parser.add_argument("--plans", type=pathlib.Path, default=build / "bench-plans")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "docs" / "benchmarks" / "weights-cpu.md")
    options = parser.parse_args()
    for path in (options.jinx, options.bandwidth):
        if not path.is_file():
            raise SystemExit(f"error: there is no {path}: run ./dev build")
    options.plans.mkdir(parents=True, exist_ok=True)
    bandwidth = ctypes.CDLL(str(options.bandwidth)).jinx_read_bandwidth
    bandwidth.argtypes, bandwidth.restype = [ctypes.c_int, ctypes.c_int64, ctypes.c_double], ctypes.c_double
    result = {"date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M"), "command": "./dev bench weights " + shlex.join(sys.argv[1:]), "machine": peers.machine(),
              "versions": peers.versions(options.jinx), "rows": []}
    processors = {threads: peers.processors_for(threads) for threads in options.threads}  # before any is taken away
    for threads in options.threads:
        engines.pin(processors[threads])
        for scheme in options.schemes:
            for shape in options.shapes:
                for rows in options.rows:
                    peers.wait_until_quiet(options.patience)
                    row = measure(options, bandwidth, scheme, shape, rows, threads)
                    result["rows"].append(row)
                    print(page({**result, "rows": [row]}).splitlines()[-1], flush=True)
    peers.write_files(options.output, page(result), result)


if __name__ == "__main__":
    main()
