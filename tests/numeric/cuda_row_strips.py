#!/usr/bin/env python3
"""Do searches of long rows on CUDA (codegen/schedules/cuda/RowStrips.h) find what numpy finds, to the bit?

Each case is a small graph over rows of constant length, compiled once for CUDA and run on the emulated device with several numbers of rows. Rows are normal numbers,
and rows made to be hard: equal elements within a strip and across strips, the largest at both ends, NaN and infinities of both signs, all of one value. Nothing
rounds, so results are equal. It also asks that the plan has the launches that the case names: two, where rows are cut, and that the CPU's plan agrees.

    cuda_row_strips.py --jinx build/dev/bin/jinx [--seed N] [CASE…]
"""

import collections
import re
import sys

import ml_dtypes
import numpy as np

import cuda_products as base
from case_main import main_over_cases

KINDS = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16, "i32": np.int32}
# The row's element, its length, lines that make %y of {x}, %y's type, what y is of x, launches, rows where they are a number.
Case = collections.namedtuple("Case", "element length lines result oracle launches rows", defaults=[2, None])


def first_of(x, extreme, other, condition):
    """For each row the first place of its extreme element; `other` where a NaN is in it, or where the condition does not hold of it."""
    wide = x.astype(np.float64) if x.dtype.kind != "i" else x
    found = extreme(wide, axis=1, keepdims=True)  # NaN where the row has one
    equal = wide == found
    places = np.where(equal.any(axis=1) & condition(found[:, 0]), equal.argmax(axis=1), other)
    return places[:, None]


def search(kind, element, length, wide=None, bound=True, integer="i32"):
    """Lines that find the first place of the largest (max) or least (min) element."""
    x = "{x}"
    lines = []
    if wide:
        lines.append(f"%w = jinx.cast {{x}} : {{row}}{element}{{end}} -> {{row}}{wide}{{end}}")
        x, element = "%w", wide
    row, one = f"{{row}}{element}{{end}}", f"{{one}}{element}{{oneend}}"
    lines.append(f"%m = jinx.reduce {kind}, {x} axes [1] : {row} -> {one}")
    lines.append(f"%e = jinx.compare eq, {x}, %m : {row}, {one} -> {{row}}i1{{end}}")
    condition = "%e"
    if bound:
        infinity = "0x7F800000" if element == "f32" else "0x7C00"
        lines += [f"%b = jinx.constant dense<{infinity}> : tensor<{element}>", f"%l = jinx.compare lt, %m, %b : {one}, tensor<{element}> -> {{one}}i1{{oneend}}",
                  "%c = jinx.and %e, %l : {row}i1{end}, {one}i1{oneend} -> {row}i1{end}"]
        condition = "%c"
    lines += [f"%n = jinx.constant dense<{[list(range(length))]}> : tensor<1x{length}x{integer}>", f"%o = jinx.constant dense<{length}> : tensor<{integer}>",
              f"%s = jinx.select {condition}, %n, %o : {{row}}i1{{end}}, tensor<1x{length}x{integer}>, tensor<{integer}> -> {{row}}{integer}{{end}}",
              f"%y = jinx.reduce min, %s axes [1] : {{row}}{integer}{{end}} -> {{one}}{integer}{{oneend}}"]
    return lines


def cases():
    finite = lambda m: m < np.inf
    always = lambda m: np.ones(m.shape, bool)
    for length in (16385, 16896, 20000, 50257, 128256):  # a strip of one element, whole strips, a cut one, rows that are no multiple of 16 bytes
        yield f"largest_{length}", Case("f32", length, search("max", "f32", length), "i32", lambda x: first_of(x, np.max, x.shape[1], finite))
    yield "largest_16384", Case("f32", 16384, search("max", "f32", 16384), "i32", lambda x: first_of(x, np.max, x.shape[1], finite), 1)  # one block holds it
    yield "least_20000", Case("f32", 20000, search("min", "f32", 20000, bound=False), "i32", lambda x: first_of(x, np.min, x.shape[1], always))
    yield "largest_f16", Case("f16", 33000, search("max", "f16", 33000), "i32", lambda x: first_of(x, np.max, x.shape[1], finite))
    yield "largest_widened", Case("bf16", 33000, search("max", "bf16", 33000, wide="f32"), "i32", lambda x: first_of(x, np.max, x.shape[1], finite))
    yield "largest_i64_places", Case("f32", 20000, search("max", "f32", 20000, bound=False, integer="i64"), "i64", lambda x: first_of(x, np.max, x.shape[1], always))
    yield "largest_integers", Case("i32", 20000, search("max", "i32", 20000, bound=False), "i32", lambda x: first_of(x, np.max, x.shape[1], always))
    yield "largest_one_row", Case("f32", 40000, search("max", "f32", 40000), "i32", lambda x: first_of(x, np.max, x.shape[1], finite), 2, 1)
    extremes = ["%a = jinx.reduce max, {x} axes [1] : {row}f32{end} -> {one}f32{oneend}", "%b = jinx.reduce min, {x} axes [1] : {row}f32{end} -> {one}f32{oneend}",
                "%y = jinx.add %a, %b : {one}f32{oneend}, {one}f32{oneend} -> {one}f32{oneend}"]
    yield "both_extremes", Case("f32", 20000, extremes, "f32", lambda x: x.max(1, keepdims=True) + x.min(1, keepdims=True))
    # Rows by the hundred, each a block's, are read once anyway; and of a last place or a least of other numbers nothing is known.
    yield "many_rows", Case("f32", 16400, extremes, "f32", lambda x: x.max(1, keepdims=True) + x.min(1, keepdims=True), 1, 600)
    last = [line.replace("reduce min, %s", "reduce max, %s").replace("dense<20000>", "dense<-1>") for line in search("max", "f32", 20000, bound=False)]
    yield "last_place", Case("f32", 20000, last, "i32", lambda x: np.where(np.isnan(x).any(1), -1, x.shape[1] - 1 - (x == x.max(1, keepdims=True))[:, ::-1].argmax(1))[:, None], 1)


def rows_of(generator, count, length, kind):
    """Normal numbers, and of the first rows some that are hard."""
    kind = np.dtype(kind)
    if kind.kind == "i":
        x = generator.integers(-100, 100, (count, length)).astype(kind)  # many equal
        x[-1] = np.iinfo(kind).min
        return x
    x = generator.standard_normal((count, length)).astype(kind)
    hard = [lambda r: r.__setitem__([length // 3, length - 1], 90), lambda r: r.__setitem__([0, 5, 1024, 2048], 90), lambda r: r.__setitem__([length - 1], 90),
            lambda r: r.__setitem__([7, length - 2], np.nan), lambda r: r.__setitem__(slice(None), -np.inf), lambda r: r.__setitem__(slice(None), 0),
            lambda r: r.__setitem__([1023, 1024], np.inf), lambda r: r.__setitem__([1023, 1024], -np.inf), lambda r: r.__setitem__(slice(None), np.nan)]
    for row, make in zip(x[1:], hard):
        make(row)
    return x


def module(case):
    rows = "r" if case.rows is None else case.rows
    symbol = case.rows is None
    parts = {"row": f"tensor<{'?' if symbol else rows}x{case.length}x", "end": f', #jinx.dims<"r", "{case.length}">>' if symbol else ">",
             "one": f"tensor<{'?' if symbol else rows}x1x", "oneend": ', #jinx.dims<"r", "1">>' if symbol else ">"}
    lines = "\n  ".join(line.format(x="%x", **parts) for line in case.lines)
    result = f"{parts['one']}{case.result}{parts['oneend']}"
    return f'func.func @main(%x: {parts["row"]}{case.element}{parts["end"]} {{jinx.name = "x"}}) -> ({result} {{jinx.name = "y"}}) {{\n  {lines}\n  return %y : {result}\n}}\n'


class Run(base.Run):
    def judge(self, name, case, folder):
        (folder / "model.mlir").write_text(module(case))
        for target in ("cuda:sm_90a", "cpu"):
            done = self.call("compile", folder / "model.mlir", "--target", target, "-o", folder / f"{target.split(':')[0]}.jxp")
            if done.returncode:
                return self.outcome(False, f"{name} does not compile for {target}: {done.stderr[-500:]}")
        launches = re.findall(r"^ *\d+ +(\w+) +k\d+_(\w+) ", self.call("inspect", folder / "cuda.jxp").stdout, re.M)
        self.outcome(len(launches) == case.launches, f"{name}: launches {launches}, expected {case.launches}")
        for count in (1, 10, 33) if case.rows is None else (case.rows,):
            x = rows_of(np.random.default_rng([self.seed, count]), count, case.length, KINDS[case.element])
            np.save(folder / "x.npy", x.view(np.uint16) if case.element == "bf16" else x)
            want = case.oracle(x)
            for plan, device in (("cuda", "emulated"), ("cpu", "cpu")):
                self.run_plan(f"{name} on {device}, {count} rows", folder, plan, device, want)

    def run_plan(self, name, folder, plan, device, want):
        done = self.call("run", folder / f"{plan}.jxp", "--device", device, "--input", f"x={folder}/x.npy", "--output-dir", folder / "out")
        if done.returncode:
            return self.outcome(False, f"{name} does not run: {done.stderr[-800:]}")
        got = np.load(folder / "out" / "y.npy")
        same = got.shape == want.shape and np.array_equal(got, want.astype(got.dtype), equal_nan=got.dtype.kind == "f")
        wrong = np.flatnonzero(~np.equal(got, want).ravel())[:5] if got.shape == want.shape else []
        self.outcome(same, f"{name} seed={self.seed}: rows {wrong}: {got.ravel()[wrong]}, expected {want.ravel()[wrong]}")


if __name__ == "__main__":
    sys.exit(main_over_cases(__doc__, dict(cases()), lambda jinx, seed: Run(jinx, "cuda:sm_90a", seed)))
