#!/usr/bin/env python3
"""Do grouped products on CUDA give what float64 gives, wherever groups end?

One plan a case, run on the emulated device with ends of every kind: empty groups, groups of one row, all rows in one group, rows behind the last
group, ends that fall or lie outside. What lies behind the last group is NaN in x and must be 0 in y. A case names what its text must have, so
that it runs the kernel it is for.

Tolerance, u being the type's unit roundoff: the result is rounded once; sums of k products in f32 are off by k 2^-24 of the sum of their sizes
(three products of TF32 for one of f32 by as much as 32 terms, one by 2^-9). An epilogue is part of the kernel, and computed in f32; on the
CPU (--target cpu) each of its four operators rounds halves.

    cuda_grouped.py --jinx build/dev/bin/jinx [--target cuda:sm_80] [--seed N] [CASE…]
"""

import argparse
import collections
import pathlib
import re
import sys
import tempfile

import ml_dtypes
import numpy as np

import cuda_products as base

TYPES = {"bf16": (ml_dtypes.bfloat16, 2.0**-8), "f16": (np.float16, 2.0**-11), "f32": (np.float32, 2.0**-24)}
SIMT = "rows padded by 4"

# Element type; rows t, depth k, columns n, groups g; w as [g, n, k]; element type of ends; whether t is known only at run time; what the text
# says for sm_90a, and for GPUs without a copy engine; whether max(product * s [t, 1] + r [t, n] + b [n], 0) is computed; whether f32 is one product of TF32.
Case = collections.namedtuple("Case", "element t k n g transposed ends symbolic says90 says80 epilogue tf32", defaults=[True, "i32", False, "wgmma", "ldmatrix", False, False])


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
    yield "few_rows_shared_depth", Case("bf16", 20, 1032, 136, 7, says90="kSplits = 2")
    yield "few_rows_symbolic", Case("bf16", 30, 1096, 200, 5, symbolic=True, says90="kSplits = 2")
    yield "few_rows_symbolic_of_f16", Case("f16", 40, 136, 72, 5, False, "i64", symbolic=True)
    yield "few_rows_symbolic_epilogue", Case("bf16", 17, 1032, 72, 6, symbolic=True, says90="kSplits = 2", epilogue=True)
    yield "odd_depth", Case("bf16", 130, 37, 53, 3, says90="ldmatrix")
    yield "odd_depth_few", Case("f16", 11, 101, 90, 4, False, says90="ldmatrix")
    yield "f32", Case("f32", 150, 40, 75, 3, False, says80=SIMT)
    yield "f32_wide", Case("f32", 210, 104, 136, 2, says80=SIMT)
    yield "f32_few", Case("f32", 20, 136, 136, 7, says80=SIMT)
    yield "f32_few_shared_depth", Case("f32", 20, 520, 136, 7, symbolic=True, says90="kSplits = 2", says80=SIMT)
    yield "f32_odd", Case("f32", 150, 37, 75, 3, False, says90=SIMT, says80=SIMT)
    yield "f32_odd_few", Case("f32", 9, 33, 130, 5, says90=SIMT, says80=SIMT)
    yield "tf32", Case("f32", 150, 104, 136, 3, says80=SIMT, tf32=True)
    yield "epilogue", Case("bf16", 300, 136, 136, 3, epilogue=True)
    yield "epilogue_odd_columns", Case("f16", 150, 64, 77, 2, epilogue=True)
    yield "epilogue_few_rows", Case("bf16", 40, 136, 72, 5, epilogue=True)
    yield "epilogue_odd_depth", Case("bf16", 130, 37, 53, 3, says90="ldmatrix", epilogue=True)
    yield "epilogue_f32", Case("f32", 150, 40, 75, 3, False, says80=SIMT, epilogue=True)
    yield "epilogue_f32_odd", Case("f32", 70, 33, 75, 3, says90=SIMT, says80=SIMT, epilogue=True)


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
    operands, lines = {"x": x, "w": w, "e": ends}, [f"%p = jinx.grouped_matmul %x, %w {flag}, %e : {x}, {w}, {ends} -> {y}"]
    if case.epilogue:
        s, b = f"tensor<{t}x1x{case.element}{dims('t', 1)}>", f"tensor<{case.n}x{case.element}>"
        operands |= {"s": s, "r": y, "b": b}
        lines += [f"%q = jinx.mul %p, %s : {y}, {s} -> {y}", f"%t = jinx.add %q, %r : {y}, {y} -> {y}", f"%u = jinx.add %t, %b : {y}, {b} -> {y}", f"%y = jinx.relu %u : {y} -> {y}"]
    given = ", ".join(f'%{name}: {type} {{jinx.name = "{name}"}}' for name, type in operands.items())
    return f'func.func @main({given}) -> ({y} {{jinx.name = "y"}}) {{\n  ' + "\n  ".join([*lines, f"return {lines[-1].split()[0]} : {y}"]) + "\n}\n"


def oracle(x, w, ends):
    """The first group that ends behind a row is the row's; the sums, and the sums of sizes."""
    y, size = np.zeros((x.shape[0], w.shape[2])), np.zeros((x.shape[0], w.shape[2]))
    for row in range(x.shape[0]):
        for group, end in enumerate(ends):
            if row < end:
                y[row], size[row] = x[row] @ w[group], np.abs(x[row]) @ np.abs(w[group])
                break
    return y, size


class Run(base.Run):
    def judge(self, name, case, folder):
        if case.tf32 and self.target != "cuda:sm_90a":
            return print(f"skipped: {name}: --f32-products is about cuda:sm_90a")
        (folder / "model.mlir").write_text(module(case))
        how = ["--target", self.target, *(["--f32-products", "tf32"] if case.tf32 else [])]
        done = self.call("compile", folder / "model.mlir", *how, "-o", folder / "plan.jxp")
        if done.returncode:
            return self.outcome(False, f"{name} does not compile: {done.stderr[-800:]}")
        steps = re.findall(r"^ *\d+ +(\w+) +(\S+)", self.call("inspect", folder / "plan.jxp").stdout, re.M)
        self.outcome(all(kind == "launch" for kind, _ in steps) and any("packed_grouped_matmul" in kernel for _, kernel in steps), f"{name}: steps {steps}, expected launches")
        if self.target.startswith("cuda"):
            says, text = case.says90 if self.target == "cuda:sm_90a" else case.says80, self.call("compile", folder / "model.mlir", *how, "--emit", "cuda").stdout
            self.outcome(says in text, f"{name}: its text has no {says}")
            apart = [kernel for _, kernel in steps if not re.fullmatch(r"k\d+_(pack|transpose|packed_grouped_matmul(_\d+)?)", kernel)]
            self.outcome(not apart, f"{name}: kernels beside the product: {apart}")
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
        rounded = np.abs(want)  # the values that are rounded to the type
        operands, arguments = {"x": x, "w": w, "e": ends.astype(np.int64 if case.ends == "i64" else np.int32)}, []
        if case.epilogue:
            s, r, b = (generator.standard_normal(shape).astype(kind) for shape in ((case.t, 1), (case.t, case.n), (case.n,)))
            operands |= {"s": s, "r": r, "b": b}
            rounded = 4 * (np.abs(want * wide(s)) + np.abs(wide(r)) + np.abs(wide(b)))
            want, size = np.maximum(want * wide(s) + wide(r) + wide(b), 0), size * np.abs(wide(s)) + np.abs(wide(r)) + np.abs(wide(b))
        for operand, value in operands.items():
            np.save(folder / f"{operand}.npy", value.view(np.uint16) if kind == ml_dtypes.bfloat16 and operand != "e" else value)
            arguments += ["--input", f"{operand}={folder}/{operand}.npy"]
        device = ["--device", "emulated"] if self.target.startswith("cuda") else []
        done = self.call("run", folder / "plan.jxp", *device, *arguments, "--output-dir", folder / "out")
        if done.returncode:
            return self.outcome(False, f"{name} does not run: {done.stderr[-800:]}")
        got = np.load(folder / "out" / "y.npy")
        got = wide(got.view(kind) if got.dtype.itemsize == np.dtype(kind).itemsize else got)
        off = roundoff * (np.abs(want) if self.target.startswith("cuda") else rounded) + (case.k * 2.0**-24 + (2.0**-9 if case.tf32 else 0)) * size + (size > 0) * 2.0**-24
        self.near(name, got, want, off)


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
