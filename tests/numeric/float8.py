#!/usr/bin/env python3
"""Do conversions from and to 8-bit floats give, bit for bit, what ONNX says: rounded to nearest even, the largest number for what is too large?

All 256 codes become every other type. To 8 bits go all codes of the other format and of 16-bit floats, the midpoints between neighbours and
the f32 on both sides of them, infinities and NaN, integers around the largest numbers, and f32 of random bits. Moved and filled up,
a code stays; a product of whole numbers is exact. On the CPU's lowest and highest instruction set, and emulated for CUDA. The oracle is ml_dtypes.

    float8.py --jinx build/dev/bin/jinx
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

import ml_dtypes
import numpy as np

from programs import command_of

FLOATS8 = {"f8E4M3FN": ml_dtypes.float8_e4m3fn, "f8E5M2": ml_dtypes.float8_e5m2}
TYPES = {**FLOATS8, "f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16, "i8": np.int8, "ui8": np.uint8, "i32": np.int32, "i64": np.int64, "i1": np.bool_}
TARGETS = ("x86-64", "x86-64-v4", "cuda:sm_90a")


def codes(kind, bits=8):
    return np.arange(2**bits, dtype=f"u{bits // 8}").view(kind)


def numbers(kind):
    """f32 that are hard to round to that type: its numbers, midpoints, and what lies beside them; all that is special; random bits."""
    exact = np.unique(codes(kind).astype(np.float64)[np.isfinite(codes(kind).astype(np.float64))])
    middle = np.concatenate([(exact[1:] + exact[:-1]) / 2, exact]).astype(np.float32)
    largest = np.float32(exact[-1])
    beyond = np.float32([largest * 1.03125, largest * 1.0625, largest * 1.125, largest * 2, 3e38, np.inf, np.nan, 1e-45, 1e-38])
    near = np.concatenate([middle, np.nextafter(middle, np.float32(np.inf)), np.nextafter(middle, np.float32(-np.inf)), beyond, -beyond, np.float32([0.0, -0.0])])
    return np.concatenate([near, np.random.default_rng(1).integers(0, 2**32, 3000, np.uint32).view(np.float32)])


def sources(target):
    """What is converted to an 8-bit float, by type."""
    yield "f32", numbers(TYPES[target])
    for kind in ("f16", "bf16"):
        yield kind, codes(TYPES[kind], 16)
    for kind in FLOATS8:
        yield kind, codes(TYPES[kind])
    for kind in ("i32", "i64"):
        yield kind, np.array([0, 1, -1, 7, 9, 17, -447, 448, 464, 465, 480, 57344, 61440, -61441, 65536, 2**24 + 1, 2**31 - 1, -(2**31)], TYPES[kind])
    for kind in ("i8", "ui8"):
        yield kind, codes(TYPES[kind])
    yield "i1", np.array([False, True])


def converted(x, kind):
    with np.errstate(all="ignore"):
        if kind in FLOATS8:
            wide, largest = x.astype(np.float32), float(ml_dtypes.finfo(TYPES[kind]).max)
            return np.clip(wide, -largest, largest).astype(TYPES[kind])  # NaN stays
        if kind in ("i8", "ui8", "i32", "i64"):
            return np.trunc(x.astype(np.float64)).astype(np.int64).astype(TYPES[kind])
        return x.astype(TYPES[kind])


def same(got, want):
    if got.dtype.kind in "iub":
        return got == want
    nan = np.isnan(want.astype(np.float32))
    return np.where(nan, np.isnan(got.astype(np.float32)), got.view(f"u{got.itemsize}") == want.view(f"u{want.itemsize}"))


class Run:
    def __init__(self, jinx):
        self.jinx, self.passed, self.failed = jinx, 0, 0

    def call(self, *arguments):
        return subprocess.run(command_of(self.jinx, *arguments), capture_output=True, text=True)

    def outcome(self, good, problem):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        if not good:
            print("FAIL", problem)

    def judge(self, name, target, body, x, from_type, to_type, want, folder, steps=1):
        type_in, type_out = f"tensor<{len(x)}x{from_type}>", f"tensor<{'x'.join(map(str, want.shape))}x{to_type}>"
        text = f'func.func @main(%x: {type_in} {{jinx.name = "x"}}) -> ({type_out} {{jinx.name = "y"}}) {{\n  {body.format(i=type_in, o=type_out)}\n  return %y : {type_out}\n}}\n'
        (folder / "model.mlir").write_text(text)
        arguments = ["--target", target] if target.startswith("cuda") else ["--isa", target]
        done = self.call("compile", folder / "model.mlir", *arguments, "-o", folder / "plan.jxp")
        if done.returncode:
            return self.outcome(False, f"{name} for {target} does not compile: {done.stderr[-500:]}")
        kinds = re.findall(r"^ *\d+ +(\w+) ", self.call("inspect", folder / "plan.jxp").stdout, re.M)
        self.outcome(set(kinds) == {"launch"} and len(kinds) <= steps, f"{name} for {target}: steps {kinds}, expected at most {steps} launches and nothing else")
        np.save(folder / "x.npy", x.view(f"u{x.itemsize}") if from_type in (*FLOATS8, "bf16") else x)
        done = self.call("run", folder / "plan.jxp", *(["--device", "emulated"] if target.startswith("cuda") else []), "--input", f"x={folder}/x.npy", "--output-dir", folder / "out")
        if done.returncode:
            return self.outcome(False, f"{name} for {target} does not run: {done.stderr[-500:]}")
        got = np.load(folder / "out" / "y.npy").view(want.dtype)
        right = same(got, want) if got.shape == want.shape else np.zeros(1, bool)
        first = np.unravel_index(np.argmin(right), right.shape)
        self.outcome(right.all(), f"{name} for {target}: {(~right).sum()} of {right.size} are wrong" + (f", element {first} is {got[first]!r}, expected {want[first]!r}" if got.shape == want.shape else ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jinx", required=True)
    parser.add_argument("--target", choices=TARGETS, nargs="+", default=list(TARGETS))
    run = Run((args := parser.parse_args()).jinx)
    for target in args.target:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            for small in FLOATS8:
                for kind, x in sources(small):
                    if kind != small:
                        run.judge(f"{kind} to {small}", target, "%y = jinx.cast %x : {i} -> {o}", x, kind, small, converted(x, small), folder)
                every = codes(TYPES[small])
                for kind in ("f32", "f16", "bf16", "i1"):
                    run.judge(f"{small} to {kind}", target, "%y = jinx.cast %x : {i} -> {o}", every, small, kind, converted(every, kind), folder)
                whole = every[np.isfinite(every.astype(np.float32)) & (np.abs(every.astype(np.float32)) <= 120)]
                for kind in ("i8", "i32", "i64"):
                    run.judge(f"{small} to {kind}", target, "%y = jinx.cast %x : {i} -> {o}", whole, small, kind, converted(whole, kind), folder)
                square = np.pad(every.reshape(16, 16).T.view(np.uint8), ((1, 2), (0, 3))).view(every.dtype)
                lines = (f"%s = jinx.reshape %x : {{i}} -> tensor<16x16x{small}>\n  %t = jinx.transpose %s, [1, 0] : tensor<16x16x{small}> -> tensor<16x16x{small}>\n"
                         f'  %y = jinx.pad %t low ["1", "0"] mode constant : tensor<16x16x{small}> -> {{o}}')
                run.judge(f"{small} transposed and filled up", target, lines, every, small, small, square, folder)
                whole = np.random.default_rng(2).integers(-8, 9, (20, 24)).astype(TYPES[small])
                lines = (f"%s = jinx.reshape %x : {{i}} -> tensor<20x24x{small}>\n  %y = jinx.matmul %s, %s transpose_b : tensor<20x24x{small}>, tensor<20x24x{small}> -> {{o}}")
                run.judge(f"{small} multiplied", target, lines, whole.reshape(-1), small, "f32", np.matmul(whole.astype(np.float32), whole.astype(np.float32).T), folder, steps=3)
    print(f"{run.passed} passed, {run.failed} failed")
    return run.failed > 0 or run.passed == 0


if __name__ == "__main__":
    sys.exit(main())
