#!/usr/bin/env python3
"""Do products of one operand with biases, whose results are heads, give on CUDA as one product what float64 gives, and what they give apart?

Each case is a small graph with weights and biases as constants: three products of x as q, k and v are, each with a bias or without, rounded once and read as heads.
It is compiled for sm_90a twice, as it is and without jinx-merge-products, and run on the emulated device: few rows, many, and rows that only the run knows. The first
plan must have one product, the second three. Results of both must have the same bits where no blocks share k (a product of more columns is shared by fewer),
and those of the first be near float64.

Tolerance, u being the type's unit roundoff: the sum with the bias is rounded once; sums of k products in f32 are off by k 2^-24 of the sum of their sizes.

    cuda_heads.py --jinx build/dev/bin/jinx [--seed N] [CASE…]
"""

import collections
import json
import sys

import ml_dtypes
import numpy as np

from case_main import CaseRun, main_over_cases

UNIT = {"bf16": 2.0**-8, "f16": 2.0**-11}
TYPE = {"bf16": ml_dtypes.bfloat16, "f16": np.float16}
PARTS = "qkv"

# Rows: a number, or those that a plan of unknown rows is run with. Heads of q, k and v. Which have a bias, and which have one of nothing but zeros, which is no bias once
# the graph is simplified. `sums`: the type that biases are added in.
Case = collections.namedtuple("Case", "rows k heads depth element biased zeros sums has_same_bits", defaults=["bf16", "qkv", "", "f32", True])

CASES = {
    "few rows": Case(5, 72, (4, 2, 2), 16),
    "two rows": Case(2, 136, (4, 2, 2), 16),  # one row that is known before is a reduction
    "bias of q and k": Case(7, 72, (3, 1, 1), 24, biased="qk"),
    "bias of v": Case(7, 72, (3, 1, 1), 24, "f16", "v"),
    "a bias of zeros": Case(9, 72, (2, 1, 1), 32, zeros="v"),
    "added in 16 bits": Case(6, 64, (4, 2, 2), 16, "f16", sums="f16"),
    "many rows": Case(200, 136, (5, 1, 1), 32),
    "unknown rows": Case((1, 8, 9, 32, 50, 100, 300), 72, (6, 2, 2), 16),
    "unknown rows, bias of q and v": Case((3, 20, 60, 70, 260), 136, (3, 1, 1), 40, "f16", "qv"),
    "shared k": Case(5, 2056, (4, 2, 2), 16, has_same_bits=False),
    "no biases": Case(5, 72, (4, 2, 2), 16, biased=""),
}


def module(case, weights, biases):
    rows, e = (str(case.rows) if isinstance(case.rows, int) else "?"), case.element

    def tensor(sizes, element=e):
        dims = "" if rows != "?" else ", #jinx.dims<" + ", ".join(f'"{size}"' for size in ("m", *sizes)) + ">"
        return f"tensor<{'x'.join(map(str, (rows, *sizes)))}x{element}{dims}>"

    x, lines, results = tensor((case.k,)), [], []
    for part, heads in zip(PARTS, case.heads):
        n = heads * case.depth
        y, sums, weight, out = tensor((n,)), tensor((n,), case.sums), f"tensor<{n}x{case.k}x{e}>", tensor((heads, case.depth))
        lines += [f'%w{part} = jinx.constant dense<"0x{weights[part].tobytes().hex()}"> : {weight}', f"%p{part} = jinx.matmul %x, %w{part} transpose_b : {x}, {weight} -> {y}"]
        last = f"%p{part}"
        if part in biases:
            if case.sums != e:
                lines.append(f"%f{part} = jinx.cast {last} : {y} -> {sums}")
                last = f"%f{part}"
            row = f"tensor<{n}x{case.sums}>"
            lines += [f'%b{part} = jinx.constant dense<"0x{biases[part].tobytes().hex()}"> : {row}', f"%s{part} = jinx.add {last}, %b{part} : {sums}, {row} -> {sums}"]
            last = f"%s{part}"
            if case.sums != e:
                lines.append(f"%n{part} = jinx.cast {last} : {sums} -> {y}")
                last = f"%n{part}"
        lines.append(f"%{part} = jinx.reshape {last} : {y} -> {out}")
        results.append((part, out))
    signature = ", ".join(f'{type} {{jinx.name = "{part}"}}' for part, type in results)
    returned = ", ".join(f"%{part}" for part in PARTS) + " : " + ", ".join(type for _, type in results)
    return f'func.func @main(%x: {x} {{jinx.name = "x"}}) -> ({signature}) {{\n  ' + "\n  ".join(lines) + f"\n  return {returned}\n}}\n"


class Run(CaseRun):
    def compile(self, name, folder, products, *more):
        """A plan, which must have so many products; where only the run knows the rows, there is a kernel for each range of them, and the first range is counted."""
        plan = folder / f"plan{products}.jxp"
        done = self.call("compile", folder / "model.mlir", "--target", "cuda:sm_90a", "-o", plan, *more)
        if not self.outcome(not done.returncode, f"{name} does not compile: {done.stderr[-500:]}"):
            return None
        steps = [step["kernel"] for step in json.loads(self.call("inspect", "--json", plan).stdout)["steps"] if step["kind"] == "launch"]
        found = sum(step.endswith(("packed_matmul", "packed_matmul_8")) for step in steps)
        self.outcome(found == products, f"{name}: the plan has {found} products, expected {products}: {steps}")
        return plan

    def judge(self, name, case, folder):
        generator = np.random.default_rng(self.seed)
        sizes = {part: heads * case.depth for part, heads in zip(PARTS, case.heads)}
        weights = {part: generator.standard_normal((n, case.k)).astype(TYPE[case.element]) for part, n in sizes.items()}
        added = {"f32": np.float32, **TYPE}[case.sums]
        biases = {part: (np.zeros(n) if part in case.zeros else 30 * generator.standard_normal(n)).astype(added) for part, n in sizes.items() if part in case.biased}
        (folder / "model.mlir").write_text(module(case, weights, biases))
        one, apart = self.compile(name, folder, 1), self.compile(name, folder, 3, "--disable-pass", "jinx-merge-products")
        for rows in [case.rows] if isinstance(case.rows, int) else case.rows:
            x = generator.standard_normal((rows, case.k)).astype(TYPE[case.element])
            got, other = (plan and self.results(f"{name}, {rows} rows", case, plan, x, folder) for plan in (one, apart))
            if not got or not other:
                continue
            for part, heads in zip(PARTS, case.heads):
                self.compare(f"{name}, {rows} rows, {part}", case, got[part], x, weights[part], biases.get(part), (rows, heads, case.depth))
                same = np.array_equal(got[part].view(np.uint16), other[part].view(np.uint16))
                self.outcome(same or not case.has_same_bits, f"{name}, {rows} rows, {part} seed={self.seed}: its bits are not those of a product of its own")

    def results(self, name, case, plan, x, folder):
        np.save(folder / "x.npy", x.view(np.uint16) if case.element == "bf16" else x)
        done = self.call("run", plan, "--device", "emulated", "--input", f"x={folder}/x.npy", "--output-dir", folder / "out")
        if not self.outcome(not done.returncode, f"{name} does not run: {done.stderr[-800:]}"):
            return None
        return {part: np.load(folder / "out" / f"{part}.npy") for part in PARTS}

    def compare(self, name, case, got, x, weights, bias, shape):
        a, b = x.astype(np.float64), weights.astype(np.float64).T
        bias = np.zeros(b.shape[1]) if bias is None else bias.astype(np.float64)
        want = (a @ b + bias).reshape(shape)
        allowed = UNIT[case.element] * np.abs(want) + (case.k * 2.0**-24 * (np.abs(a) @ np.abs(b) + np.abs(bias))).reshape(shape)
        got = (got.view(ml_dtypes.bfloat16) if case.element == "bf16" else got).astype(np.float64)
        if not self.outcome(got.shape == shape, f"{name}: shape {got.shape}, expected {shape}"):
            return
        near = np.abs(got - want) <= allowed
        first = np.unravel_index(np.argmin(near), near.shape)
        self.outcome(near.all(), f"{name} seed={self.seed}: {(~near).sum()} of {near.size} are off, element {first} is {got[first]!r}, expected {want[first]!r} ± {allowed[first]:.3g}")


if __name__ == "__main__":
    sys.exit(main_over_cases(__doc__, CASES, Run))
