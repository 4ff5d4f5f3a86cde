#!/usr/bin/env python3
"""Do grouped products on CUDA give what float64 gives, wherever groups end?

One plan a case, run on the emulated device with ends of every kind: empty groups, groups of one row, all rows in one group, rows behind the last
group, ends that fall or lie outside. What lies behind the last group is NaN in x and must be 0 in y. A case names what its text must have, so
that it runs the kernel it is for.

Tolerance, u being the type's unit roundoff: the result is rounded once; sums of k products in f32 are off by k 2^-24 of the sum of their sizes.

    cuda_grouped.py --jinx build/dev/bin/jinx [--target cuda:sm_80] [--seed N] [CASE…]
"""

import argparse
import collections
import pathlib
import re
import subprocess
import sys
import tempfile

import ml_dtypes
import numpy as np

TYPES = {"bf16": (ml_dtypes.bfloat16, 2.0**-8), "f16": (np.float16, 2.0**-11), "f32": (np.float32, 2.0**-24)}

# Element type; rows t, depth k, columns n, groups g; w as [g, n, k]; element type of ends; whether t is known only at run time; what the text
# says for sm_90a, and for GPUs without a copy engine.
Case = collections.namedtuple("Case", "element t k n g transposed ends symbolic says90 says80", defaults=[True, "i32", False, "wgmma", "ldmatrix"])


def cases():
    yield "rows", Case("bf16", 300, 136, 136, 3)
    yield "rows_many_columns", Case("bf16", 280, 72, 648, 2)
    yield "rows_of_f16", Case("f16", 210, 200, 72, 5, False, "i64")
    yield "rows_symbolic", Case("bf16", 270, 64, 264, 3, symbolic=True)
    yield "rows_odd_columns", Case("bf16", 150, 64, 77, 2)
    yield "one_group", Case("bf16", 140, 72, 72, 1)
    yield "few_rows", Case("bf16", 20, 200, 136, 7, says90="kConsumers = ")
    yield "few_rows_of_f16", Case("f16", 40, 72, 330, 4, False, "i64")
    yield "few_rows_wide", Case("bf16", 75, 64, 200, 3)
    yield "one_row_each", Case("bf16", 5, 136, 72, 9)
    yield "odd_depth", Case("bf16", 130, 37, 53, 3, says90="ldmatrix")
    yield "odd_depth_few", Case("f16", 11, 101, 90, 4, False, says90="ldmatrix")
    yield "f32", Case("f32", 150, 40, 75, 3, False, says90="kThreads", says80="kThreads")
    yield "f32_few", Case("f32", 9, 33, 130, 5, says90="kThreads", says80="kThreads")


def ends_of(generator, t, g):
    sizes = generator.multinomial(t * 3 // 4, np.ones(g) / g)
    yield "random", np.cumsum(sizes)
    yield "skewed", np.sort(generator.integers(0, t + 1, g) // np.array([1, 4])[generator.integers(0, 2, g)])
    yield "last", np.r_[np.zeros(g - 1, int), t]
    yield "first", np.full(g, t)
    yield "none", np.zeros(g, int)
    yield "single_rows", np.minimum(np.arange(1, g + 1), t)
    yield "anywhere", generator.integers(-3, t + 4, g)


def module(case):
    t = '?' if case.symbolic else case.t
    dims = lambda *sizes: f", #jinx.dims<{', '.join(chr(34) + str(s) + chr(34) for s in sizes)}>" if case.symbolic else ""
    x, y = f"tensor<{t}x{case.k}x{case.element}{dims('t', case.k)}>", f"tensor<{t}x{case.n}x{case.element}{dims('t', case.n)}>"
    w = f"tensor<{case.g}x{case.n}x{case.k}x{case.element}>" if case.transposed else f"tensor<{case.g}x{case.k}x{case.n}x{case.element}>"
    ends = f"tensor<{case.g}x{case.ends}>"
    flag = "transpose_w " if case.transposed else ""
    return (f'func.func @main(%x: {x} {{jinx.name = "x"}}, %w: {w} {{jinx.name = "w"}}, %e: {ends} {{jinx.name = "e"}}) -> ({y} {{jinx.name = "y"}}) {{\n'
            f"  %y = jinx.grouped_matmul %x, %w {flag}, %e : {x}, {w}, {ends} -> {y}\n  return %y : {y}\n}}\n")


def oracle(x, w, ends):
    """The first group that ends behind a row is the row's; the sums, and the sums of sizes."""
    y, size = np.zeros((x.shape[0], w.shape[2])), np.zeros((x.shape[0], w.shape[2]))
    for row in range(x.shape[0]):
        for group, end in enumerate(ends):
            if row < end:
                y[row], size[row] = x[row] @ w[group], np.abs(x[row]) @ np.abs(w[group])
                break
    return y, size


class Run:
    def __init__(self, jinx, target, seed):
        self.jinx, self.target, self.seed, self.passed, self.failed = jinx, target, seed, 0, 0

    def outcome(self, good, problem):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        if not good:
            print("FAIL", problem)

    def call(self, *arguments):
        return subprocess.run([self.jinx, *map(str, arguments)], capture_output=True, text=True)

    def judge(self, name, case, folder):
        (folder / "model.mlir").write_text(module(case))
        done = self.call("compile", folder / "model.mlir", "--target", self.target, "-o", folder / "plan.jxp")
        if done.returncode:
            return self.outcome(False, f"{name} does not compile: {done.stderr[-800:]}")
        steps = re.findall(r"^ *\d+ +(\w+) +(\S+)", self.call("inspect", folder / "plan.jxp").stdout, re.M)
        self.outcome(all(kind == "launch" for kind, _ in steps) and any("packed_grouped_matmul" in kernel for _, kernel in steps), f"{name}: steps {steps}, expected launches")
        if self.target.startswith("cuda"):
            says, text = case.says90 if self.target == "cuda:sm_90a" else case.says80, self.call("compile", folder / "model.mlir", "--target", self.target, "--emit", "cuda").stdout
            self.outcome(says in text, f"{name}: its text has no {says}")
        generator = np.random.default_rng(self.seed)
        for kind, ends in ends_of(generator, case.t, case.g):
            self.run(f"{name} {kind} ends={list(map(int, ends))}", case, ends, generator, folder)

    def run(self, name, case, ends, generator, folder):
        kind, roundoff = TYPES[case.element]
        x = generator.standard_normal((case.t, case.k)).astype(kind)
        w = generator.standard_normal((case.g, case.n, case.k) if case.transposed else (case.g, case.k, case.n)).astype(kind)
        wide = lambda v: v.astype(np.float64)
        want, size = oracle(wide(x), wide(np.swapaxes(w, 1, 2) if case.transposed else w), ends)
        x[max(int(np.max(ends)), 0) :] = np.nan
        arguments = []
        for operand, value in (("x", x), ("w", w), ("e", ends.astype(np.int64 if case.ends == "i64" else np.int32))):
            np.save(folder / f"{operand}.npy", value.view(np.uint16) if kind == ml_dtypes.bfloat16 and operand != "e" else value)
            arguments += ["--input", f"{operand}={folder}/{operand}.npy"]
        device = ["--device", "emulated"] if self.target.startswith("cuda") else []
        done = self.call("run", folder / "plan.jxp", *device, *arguments, "--output-dir", folder / "out")
        if done.returncode:
            return self.outcome(False, f"{name} does not run: {done.stderr[-800:]}")
        got = np.load(folder / "out" / "y.npy")
        got = wide(got.view(kind) if got.dtype.itemsize == np.dtype(kind).itemsize else got)
        off = roundoff * np.abs(want) + case.k * 2.0**-24 * size + (size > 0) * 2.0**-24
        near = np.abs(got - want) <= off if got.shape == want.shape else np.zeros(1, bool)
        first = np.unravel_index(np.argmin(near), near.shape)
        self.outcome(near.all(), f"{name} seed={self.seed}: shape {got.shape}, expected {want.shape}; {(~near).sum()} of {near.size} are off, "
                     + (f"element {first} is {got[first]!r}, expected {want[first]!r} ± {off[first]:.3g}" if got.shape == want.shape else ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jinx", required=True)
    parser.add_argument("--target", default="cuda:sm_90a")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("cases", nargs="*")
    args = parser.parse_args()
    run, known = Run(args.jinx, args.target, args.seed), dict(cases())
    unknown = [c for c in args.cases if c not in known]
    if unknown:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(known)}")
    for name in args.cases or known:
        with tempfile.TemporaryDirectory() as folder:
            run.judge(name, known[name], pathlib.Path(folder))
    print(f"{run.passed} passed, {run.failed} failed")
    return run.failed > 0 or run.passed == 0


if __name__ == "__main__":
    sys.exit(main())
