#!/usr/bin/env python3
"""What do bytes bring on one core? Products and networks of bytes against the register peak, OpenVINO and onnxruntime.

A product is one ONNX file that all engines get, as a quantizer writes it: x of unsigned bytes with a zero point, constant signed
weights with a scale for each column, a bias of i32 with both scales; y is f32, or quantized again to unsigned bytes. Each round
measures the register peak (gemm/peak.cpp) and every engine in turn, in one process pinned to one core, so that all see the same
clock. Times are the process's own (all its threads), so that what else runs on the core does not count but by the caches. What OpenVINO runs is read from its execution graph: a row says where it is not bytes. The network is resnet50-thin, quantized
by onnxruntime's quantizer (tests/models/quantized.py), beside itself in f32. Writes docs/benchmarks/int8-cpu.md and .json, unless
shapes are named.

    ./dev bench int8 [MxNxK…] [--rounds N] [--output FILE.md]
"""

import argparse
import ctypes
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
import quantized  # noqa: E402  tests/models/quantized.py

SHAPES = ("1024x1024x1024", "1x3072x768", "16x3072x768", "128x3072x768", "1x768x3072", "16x768x3072", "128x768x3072", "768x3072x128")
KINDS = {"u8": ("uint8", 113), "i8": ("int8", 0)}  # of x: its type and zero point
RESULTS = ("f32", "u8")


def save_product(path: pathlib.Path, m: int, n: int, k: int, kind: str, result: str) -> None:
    from onnx import TensorProto, helper, numpy_helper, save

    generator = np.random.default_rng(0)
    name, zero = KINDS[kind]
    weights = generator.integers(-127, 128, (k, n)).astype(np.int8)
    scales = generator.uniform(1e-3, 2e-3, n).astype(np.float32)
    constants = {
        "sx": np.float32(0.02), "zx": np.dtype(name).type(zero), "w": weights, "sw": scales, "zw": np.zeros(n, np.int8),
        "bias": generator.integers(-9999, 9999, n).astype(np.int32), "sb": np.float32(0.02) * scales, "zb": np.zeros(n, np.int32),
        "sy": np.float32(0.02 * 1.5e-3 * 74 * 74 * np.sqrt(k) / 32), "zy": np.uint8(128),
    }  # fmt: skip
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "sx", "zx"], ["xf"]),
        helper.make_node("DequantizeLinear", ["w", "sw", "zw"], ["wf"], axis=1),
        helper.make_node("DequantizeLinear", ["bias", "sb", "zb"], ["bf"], axis=0),
        helper.make_node("Gemm", ["xf", "wf", "bf"], ["yf" if result == "u8" else "y"]),
    ]
    if result == "u8":
        nodes.append(helper.make_node("QuantizeLinear", ["yf", "sy", "zy"], ["y"]))
    of = {"u8": TensorProto.UINT8, "i8": TensorProto.INT8, "f32": TensorProto.FLOAT}
    graph = helper.make_graph(nodes, "product", [helper.make_tensor_value_info("x", of[kind], [m, k])],
                              [helper.make_tensor_value_info("y", of[result], [m, n])],
                              [numpy_helper.from_array(np.asarray(v), key) for key, v in constants.items()])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def random_bytes(shape: tuple, kind: str) -> np.ndarray:
    info = np.iinfo(KINDS[kind][0])
    values = np.random.default_rng(1).integers(info.min, info.max + 1, shape)
    room = engines.aligned_like(np.empty(shape, info.dtype))
    room[...] = values
    return room


def openvino_precisions(engine: engines.Openvino) -> list[str]:
    """Of each product in OpenVINO's execution graph: what it ran in."""
    found = []
    for op in engine.model.get_runtime_model().get_ordered_ops():
        info = op.get_rt_info()
        if info["layerType"] in ("FullyConnected", "MatMul", "Convolution"):
            found.append(info["runtimePrecision"] if isinstance(info["runtimePrecision"], str) else info["runtimePrecision"].astype(str))
    return found


def compile_plan(options, model: pathlib.Path) -> str:
    plan = options.plans / f"{model.stem}.jxp"
    subprocess.run([str(options.jinx), "compile", str(model), "-o", str(plan)], check=True, capture_output=True)
    return str(plan)


def seconds_of(run, count: int = 1) -> float:
    start = time.process_time()
    for _ in range(count):
        run()
    return (time.process_time() - start) / count


def peak_rate(peak, seconds: float) -> float:
    """What the peak would be if the process had the core to itself."""
    wall, own = time.perf_counter(), time.process_time()
    rate = peak(seconds)
    return rate * (time.perf_counter() - wall) / (time.process_time() - own)


def measure(options, peak, runs: dict) -> tuple[dict, float]:
    """Median seconds of each, and of the peak's readings between them, in G operations a second."""
    repeats = {name: max(1, int(options.slice / min(seconds_of(run) for _ in range(3)))) for name, run in runs.items()}
    peaks, times = [], {name: [] for name in runs}
    for _ in range(options.rounds):
        peaks.append(peak_rate(peak, options.slice))
        for name, run in runs.items():
            times[name].append(seconds_of(run, repeats[name]))
    return {name: float(np.median(seconds)) for name, seconds in times.items()}, float(np.median(peaks))


def differences(bound: dict) -> dict:
    """Largest difference from onnxruntime's result: in steps where y is bytes, else over the largest magnitude."""
    want = bound["onnxruntime"].outputs()["y"]
    scale = 1.0 if want.dtype.kind in "ui" else float(np.abs(want).max())
    return {name: float(np.abs(engine.outputs()["y"].astype(np.float64) - want).max()) / scale for name, engine in bound.items()}


def measure_product(options, peak, shape: str, kind: str, result: str) -> dict:
    m, n, k = (int(text) for text in shape.split("x"))
    model = options.plans / f"int8-{shape}-{kind}-{result}.onnx"
    save_product(model, m, n, k, kind, result)
    bound = {"jinx": engines.Jinx(str(model), compile_plan(options, model), 1)}
    bound |= {"openvino": engines.Openvino(str(model), "", 1), "onnxruntime": engines.Onnxruntime(str(model), "", 1)}
    inputs = {"x": random_bytes((m, k), kind)}
    for engine in bound.values():
        engine.bind(inputs)
        engine.run()
    seconds, most = measure(options, peak, {name: engine.run for name, engine in bound.items()})
    rates = {name: 2.0 * m * n * k / value / 1e9 for name, value in seconds.items()}
    return {"shape": shape, "x": kind, "y": result, "peak": most, "rates": rates, "seconds": seconds, "differences": differences(bound),
            "openvino_runs": openvino_precisions(bound["openvino"])}


def measure_network(options, peak) -> dict | None:
    source = peers.CACHE / "models" / f"{quantized.MODEL}.onnx"
    if not source.is_file():
        return None
    narrow = options.plans / "int8-network.onnx"
    quantized.quantize(source, narrow)
    wide = quantized.float_model(narrow)
    bound = {}
    for kind, model in (("int8", narrow), ("f32", wide)):
        bound[f"jinx {kind}"] = engines.Jinx(str(model), compile_plan(options, model), 1)
        bound[f"openvino {kind}"] = engines.Openvino(str(model), "", 1)
        bound[f"onnxruntime {kind}"] = engines.Onnxruntime(str(model), "", 1)
    image = quantized.images(1, 1)[0]
    room = engines.aligned_like(image)
    room[...] = image
    name = bound["onnxruntime f32"].session.get_inputs()[0].name
    for engine in bound.values():
        engine.bind({name: room})
        engine.run()
    seconds, _ = measure(options, peak, {name: engine.run for name, engine in bound.items()})
    return {"milliseconds": {name: value * 1e3 for name, value in seconds.items()}, "openvino_runs": openvino_precisions(bound["openvino int8"])}


def network_lines(row: dict) -> list[str]:
    ms = row["milliseconds"]
    runs = ", ".join(f"{row['openvino_runs'].count(kind)} in {kind}" for kind in sorted(set(row["openvino_runs"])))
    lines = ["", f"## {quantized.MODEL}, one image, ms", "", f"OpenVINO's products and convolutions run {runs}.", "", "| | Jinx | OpenVINO | onnxruntime |", "|---|---|---|---|"]
    for kind in ("int8", "f32"):
        lines.append(f"| {kind} | " + " | ".join(f"{ms[f'{name} {kind}']:.1f}" for name in ("jinx", "openvino", "onnxruntime")) + " |")
    ratios = [ms[f"{name} f32"] / ms[f"{name} int8"] for name in ("jinx", "openvino", "onnxruntime")]
    lines.append("| f32 / int8 | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")
    peers_ = " and ".join(f"{ms[f'{name} int8'] / ms['jinx int8']:.2f} of {label}" for name, label in (("openvino", "OpenVINO"), ("onnxruntime", "onnxruntime")))
    return lines + ["", f"Speed in int8: {peers_}."]


def cells(row: dict) -> list[str]:
    rates = row["rates"]
    note = "" if set(row["openvino_runs"]) <= {"u8", "i8"} else f" ({', '.join(row['openvino_runs'])})"
    return [
        f"{row['peak']:.0f}", f"{rates['jinx']:.0f} ({rates['jinx'] / row['peak']:.0%})", f"{rates['openvino']:.0f}{note}", f"{rates['onnxruntime']:.0f}",
        f"{rates['jinx'] / rates['openvino']:.2f}", f"{rates['jinx'] / rates['onnxruntime']:.2f}", f"{row['differences']['jinx']:.2g}",
    ]  # fmt: skip


def page(result: dict) -> str:
    lines = [
        "# Products of bytes on one core",
        "",
        "Written by `./dev bench int8`; do not edit. Gop/s (2·m·n·k) of the process's own time, medians, calls interleaved in one process pinned to one core; in",
        "brackets the share of the peak of `vpdpbusd` on registers, measured between them. All engines get the same ONNX file, as a",
        "quantizer writes it (DequantizeLinear, Gemm, QuantizeLinear): x of bytes (u8 with zero point 113, or i8 without), weights of i8 with a",
        "scale a column, a bias; y is f32 or u8. That OpenVINO multiplies bytes is read from its execution graph; where it does not, its type is",
        "in brackets. Difference: the largest from onnxruntime, in steps of y where that is u8, else over the largest |y|.",
        "",
        f"- {result['machine']['processor']}; {result['date']}; load average {result['machine']['load_before']:.2f}",
        f"- Jinx {result['versions']['Jinx']}, onnxruntime {result['versions']['onnxruntime']}, OpenVINO {result['versions']['openvino']}",
        f"- `{result['command']}`",
        "",
        "| M×N×K | x → y | peak | Jinx | OpenVINO | onnxruntime | Jinx / OpenVINO | Jinx / onnxruntime | difference |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        lines.append(f"| {row['shape'].replace('x', '×')} | {row['x']} → {row['y']} | {' | '.join(cells(row))} |")
    if result["network"]:
        lines += network_lines(result["network"])
    return "\n".join(lines) + "\n"


def parse() -> argparse.Namespace:
    build = ROOT / "build" / "dev"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shapes", nargs="*", metavar="MxNxK")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--results", nargs="+", choices=RESULTS, default=list(RESULTS))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--slice", type=float, default=0.02, help="seconds of each measurement")
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for a quiet machine")
    parser.add_argument("--jinx", type=pathlib.Path, default=build / "bin" / "jinx")
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
    peak = ctypes.CDLL(str(options.peak)).jinx_peak_i8
    peak.argtypes, peak.restype = [ctypes.c_double], ctypes.c_double
    result = {
        "date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M"),
        "command": "./dev bench int8 " + shlex.join(sys.argv[1:]),
        "machine": peers.machine(),
        "versions": peers.versions(options.jinx),
        "rows": [],
    }
    engines.pin(peers.processors_for(1))
    for shape in options.shapes or SHAPES:
        for kind in options.kinds:
            for of in options.results:
                peers.wait_until_quiet(options.patience)
                row = measure_product(options, peak, shape, kind, of)
                result["rows"].append(row)
                names = ("peak", "jinx", "openvino", "onnxruntime", "/ov", "/ort", "difference")
                print(f"{shape:16} {kind} -> {of}  " + "  ".join(f"{name} {cell}" for name, cell in zip(names, cells(row))), flush=True)
    result["network"] = None if options.shapes else measure_network(options, peak)
    if result["network"]:
        print("\n".join(network_lines(result["network"])[4:]))
    output = options.output or (None if options.shapes else ROOT / "docs" / "benchmarks" / "int8-cpu.md")
    peers.write_files(output, page(result), result)


if __name__ == "__main__":
    main()
