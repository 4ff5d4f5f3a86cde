#!/usr/bin/env python3
"""Do jinx.quantize and jinx.dequantize give, bit for bit, what docs/spec/quantization.md says?

The oracle is numpy, a step of the specification a line, in the type that each step is rounded to. Numbers are hard ones: ties between codes and
the floats beside them, both ends of a code's range, infinities, NaN, denormals, quotients that overflow, random bits; scales of every granularity.
Of codes, all there are. On the CPU's lowest and highest instruction set, emulated for CUDA, and as constants, which compilation folds.

    quantization.py --jinx build/dev/bin/jinx
    quantization.py --self-test
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import ml_dtypes
import numpy as np

from programs import command_of

FLOATS8 = {"f8E4M3FN": ml_dtypes.float8_e4m3fn, "f8E5M2": ml_dtypes.float8_e5m2}
FLOATS = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16}
CODES = {"i8": np.int8, "ui8": np.uint8, "i16": np.int16, "ui16": np.uint16, **FLOATS8}
TARGETS = ("x86-64", "x86-64-v4", "cuda:sm_90a", "folded")
ROWS, COLUMNS, BLOCK = 6, 70, 32  # the last block is short


def quantized(x, scale, zero, kind):
    """The specification of quantize. `scale` and `zero` have x's shape."""
    with np.errstate(all="ignore"):
        wide = np.float64 if scale.dtype == np.float64 else np.float32
        t = (x.astype(wide) / scale.astype(wide)).astype(scale.dtype)
        if kind in FLOATS8:
            largest = float(ml_dtypes.finfo(FLOATS8[kind]).max)
            return np.clip(t.astype(np.float32), -largest, largest).astype(FLOATS8[kind])  # NaN stays
        r = np.rint(t.astype(np.float64)) + zero.astype(np.float64)
        ends = np.iinfo(CODES[kind])
        return np.where(np.isnan(r), ends.min, np.clip(r, ends.min, ends.max)).astype(CODES[kind])


def dequantized(q, scale, zero, offset, to):
    """That of dequantize."""
    with np.errstate(all="ignore"):
        d = (q.astype(np.float64) - zero.astype(np.float64)).astype(np.float32)
        p = d * scale.astype(np.float32)
        s = p if offset is None else p + offset.astype(np.float32)
        return s.astype(FLOATS[to])


def hard_numbers(generator, scale, kind, dtype):
    """x of the scale's shape: what is hard to quantize with it."""
    size = scale.size
    ends = np.iinfo(CODES[kind]) if kind not in FLOATS8 else np.iinfo(np.int16)
    ties = generator.integers(ends.min - 2, ends.max + 3, size) + generator.choice([0, 0.5], size)
    with np.errstate(all="ignore"):
        x = (ties * scale.astype(np.float64).ravel()).astype(np.float32)
        moved = np.nextafter(x, np.where(generator.integers(0, 2, size), np.inf, -np.inf).astype(np.float32))
        x = np.where(generator.integers(0, 3, size) == 0, moved, x)
        special = np.float32([0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-40, 3.4e38, -3.4e38])
        x = np.where(generator.integers(0, 8, size) == 0, generator.choice(special, size), x)
        bits = generator.integers(0, 2**32, size, np.uint32).view(np.float32)
        return np.where(generator.integers(0, 8, size) == 0, bits, x).astype(dtype).reshape(scale.shape)


def parameter_shapes():
    """What shares a scale: name, shape of the parameter, the operator's text."""
    yield "tensor", (), ""
    yield "row", (ROWS, 1), ""
    yield "column", (1, COLUMNS), ""
    yield "block", (ROWS, -(-COLUMNS // BLOCK)), f" block {BLOCK} along 1"
    yield "block of rows", (-(-ROWS // 4), COLUMNS), " block 4 along 0"


def spread(parameter, shape, text):
    if "along 1" in text:
        parameter = np.repeat(parameter, BLOCK, 1)[:, : shape[1]]
    if "along 0" in text:
        parameter = np.repeat(parameter, 4, 0)[: shape[0]]
    return np.broadcast_to(parameter, shape)


def scales(generator, shape, dtype):
    """Usual ones, powers of two (exact ties), and the smallest and largest there are."""
    usual = np.exp(generator.uniform(-6, 3, shape))
    exact = np.exp2(generator.integers(-8, 8, shape))
    extreme = generator.choice(np.float64([1e-40, 1e-38, 1e30] if np.dtype(dtype) != np.float16 else [6e-8, 6e4, 1e-5]), shape)
    kind = generator.integers(0, 8, shape)
    return np.asarray(np.where(kind == 0, extreme, np.where(kind < 4, exact, usual))).astype(dtype)


class Case:
    """One operator: operands by name, with their element types, and what it must give."""

    def __init__(self, name, line, operands, kind, want):
        self.name, self.line, self.operands, self.kind, self.want = name, line, operands, kind, want


def type_of(value, element):
    return f"tensor<{''.join(f'{d}x' for d in value.shape)}{element}>"


def quantize_cases(generator, element):
    dtype = FLOATS[element]
    for kind in CODES:
        for grain, shape, text in parameter_shapes():
            scale = scales(generator, shape, dtype)
            full = spread(scale, (ROWS, COLUMNS), text)
            x = hard_numbers(generator, full, kind, dtype)
            operands, zeros, types = {"x": (x, element), "s": (scale, element)}, np.zeros(full.shape), ""
            if kind not in FLOATS8 and generator.integers(0, 3):
                ends = np.iinfo(CODES[kind])
                zero = generator.integers(ends.min, ends.max, shape, CODES[kind], endpoint=True)
                zero = np.asarray(zero)
                operands["z"], zeros, types = (zero, kind), spread(zero, full.shape, text), f" zero {type_of(zero, kind)}"
            line = f"jinx.quantize {{x}}, {{s}}{' zero {z}' if types else ''}{text} : {type_of(x, element)}, {type_of(scale, element)}{types} -> {type_of(x, kind)}"
            yield Case(f"quantize {element} to {kind}, a scale a {grain}", line, operands, kind, quantized(x, full, zeros, kind))


def dequantize_cases(generator, element):
    for kind, dtype in CODES.items():
        for grain, shape, text in parameter_shapes():
            q = np.resize(generator.permutation(np.arange(256, dtype=np.uint8).view(dtype)), (ROWS, COLUMNS)) if np.dtype(dtype).itemsize == 1 else \
                generator.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (ROWS, COLUMNS), dtype, endpoint=True)
            # The product of a 16-bit code and a half is exact in f32 or is rounded once more: only f32 scales there.
            own = element if np.dtype(dtype).itemsize == 1 else "f32"
            scale = scales(generator, shape, FLOATS[own])
            operands, zeros, offset, types, names = {"q": (q, kind), "s": (scale, own)}, np.zeros(q.shape), None, "", ""
            if kind not in FLOATS8 and generator.integers(0, 3):
                zero = np.asarray(generator.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, endpoint=True))
                operands["z"], zeros = (zero, kind), spread(zero, q.shape, text)
                types, names = f" zero {type_of(zero, kind)}", " zero {z}"
            if element == "f32" and generator.integers(0, 2):
                value = np.asarray(generator.standard_normal(shape)).astype(np.float32)
                operands["o"], offset = (value, "f32"), spread(value, q.shape, text)
                types, names = types + f" offset {type_of(value, 'f32')}", names + " offset {o}"
            line = f"jinx.dequantize {{q}}, {{s}}{names}{text} : {type_of(q, kind)}, {type_of(scale, own)}{types} -> {type_of(q, element)}"
            yield Case(f"dequantize {kind} to {element}, a scale a {grain}", line, operands, element, dequantized(q, spread(scale, q.shape, text), zeros, offset, element))


def module(cases, constants):
    parameters, body, results = [], [], []
    for index, case in enumerate(cases):
        names = {}
        for name, (value, element) in case.operands.items():
            names[name] = f"%c{index}_{name}"
            if constants:
                body.append(f'{names[name]} = jinx.constant dense<"0x{value.tobytes().hex().upper()}"> : {type_of(value, element)}')
            else:
                parameters.append(f'{names[name]}: {type_of(value, element)} {{jinx.name = "c{index}_{name}"}}')
        body.append(f"%y{index} = {case.line.format(**names)}")
        results.append((f"%y{index}", type_of(case.want, case.kind)))
    types = ", ".join(f'{type} {{jinx.name = "{name[1:]}"}}' for name, type in results)
    lines = "\n  ".join(body)
    return f"func.func @main({', '.join(parameters)}) -> ({types}) {{\n  {lines}\n  return {', '.join(n for n, _ in results)} : {', '.join(t for _, t in results)}\n}}\n"


def same(got, want):
    if got.dtype.kind in "iu":
        return got == want
    nan = np.isnan(want.astype(np.float32))
    return np.where(nan, np.isnan(got.astype(np.float32)), got.view(f"u{got.itemsize}") == want.view(f"u{want.itemsize}"))


class Run:
    def __init__(self, jinx):
        self.jinx, self.passed, self.failed = jinx, 0, 0

    def outcome(self, good, problem=""):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        if not good:
            print("FAIL", problem)

    def call(self, *arguments):
        done = subprocess.run(command_of(self.jinx, *arguments), capture_output=True, text=True)
        return "" if done.returncode == 0 else done.stderr.strip()[-2000:] or f"exit status {done.returncode}"

    def judge(self, name, cases, target, folder):
        (folder / "model.mlir").write_text(module(cases, target == "folded"))
        options = ["--target", target] if target.startswith("cuda") else [] if target == "folded" else ["--isa", target]
        problem = self.call("compile", folder / "model.mlir", *options, "-o", folder / "plan.jxp")
        inputs = []
        for index, case in enumerate(cases if target != "folded" else []):
            for operand, (value, element) in case.operands.items():
                path = folder / f"c{index}_{operand}.npy"
                np.save(path, value.view(f"u{value.itemsize}") if element == "bf16" or element in FLOATS8 else value)
                inputs += ["--input", f"c{index}_{operand}={path}"]
        problem = problem or self.call("run", folder / "plan.jxp", *(["--device", "emulated"] if target.startswith("cuda") else []), *inputs, "--output-dir", folder / "out")
        if problem:
            return self.outcome(False, f"{name} for {target}: {problem}")
        for index, case in enumerate(cases):
            got = np.load(folder / "out" / f"y{index}.npy").view(case.want.dtype)
            right = same(got, case.want)
            at = np.unravel_index(np.argmin(right), right.shape)
            self.outcome(right.all(), f"{case.name} for {target}: {(~right).sum()} of {right.size} are wrong, element {at} is {got[at]!r}, expected {case.want[at]!r}")


def self_test():
    """The oracle knows the examples of the specification, and sees a wrong bit."""
    f4 = np.float32
    q = lambda x, s, z=0, kind="ui8": quantized(np.asarray(x, f4), np.full(len(x), s, f4), np.full(len(x), z), kind).tolist()
    checks = {
        "ties to even": q([0.5, 1.5, 2.5, -0.5], 1, kind="i8") == [0, 2, 2, 0],
        "a division": q([0.15], 0.1) == [2],
        "saturation": q([1000, -1000, np.inf, -np.inf], 1, 128) == [255, 0, 255, 0],
        "NaN": q([np.nan], 1, kind="i8") == [-128],
        "float8": quantized(f4([1e9, -np.inf, 449, 1]), f4([1, 1, 1, 1]), np.zeros(4), "f8E4M3FN").astype(f4).tolist() == [448, -448, 448, 1],
        "two roundings": dequantized(np.int8([3]), f4([0.1]), np.zeros(1), f4([-0.3]), "f32")[0] == f4(f4(3) * f4(0.1)) + f4(-0.3),
        "a wrong code": not same(np.int8([1]), np.int8([2])).all(),
        "a wrong bit": not same(f4([1]), np.nextafter(f4([1]), f4(2))).all(),
        "the sign of 0": not same(f4([0.0]), f4([-0.0])).all(),
        "a number for NaN": not same(f4([0.0]), f4([np.nan])).all(),
    }
    for name, good in checks.items():
        if not good:
            print("FAIL", name)
    return 0 if all(checks.values()) else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jinx")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("--target", choices=TARGETS, nargs="+", default=list(TARGETS))
    args = parser.parse_args()
    if args.self_test:
        return self_test()
    run = Run(args.jinx)
    for element in FLOATS:
        for name, make in (("quantize", quantize_cases), ("dequantize", dequantize_cases)):
            cases = list(make(np.random.default_rng([args.seed, len(element)]), element))
            for target in args.target:
                with tempfile.TemporaryDirectory() as folder:
                    run.judge(f"{name} {element}", cases, target, pathlib.Path(folder))
    print(f"{run.passed} passed, {run.failed} failed (seed {args.seed})")
    return 1 if run.failed or not run.passed else 0


if __name__ == "__main__":
    sys.exit(main())
