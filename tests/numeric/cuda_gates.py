#!/usr/bin/env python3
"""Does a gated pair of products on CUDA, y = f(x G^T) * (x U^T), give what float64 gives, in one launch?

Each case is a small graph with both weights as constants, compiled for sm_90a and run on the emulated device: few rows (computed transposed), many, and rows that only
the run knows (a kernel for each range of them); k that blocks share; edges of tiles; gates of silu, of gelu by tanh, with biases, and of nothing. A plan must have
one launch for each range of rows, so that a pair that stays apart fails. Of some cases each candidate of its sizes is run that `jinx tune` would measure.

Mixtures of experts are two grouped products, and their groups end where those of cuda_grouped.py do: there are empty ones, of one row, and rows behind the last.
What lies there is NaN in x, and y is what it is where both products are 0.

Tolerance, u being the type's unit roundoff: each product may be rounded once before it is read, and the result is rounded once; sums of k products in f32 are off by
k 2^-24 of the sum of their sizes. The gate's slope, at most 1.13, passes on what its product is off by, and 2^-13 of it is what its functions are off by.

    cuda_gates.py --jinx build/dev/bin/jinx [--seed N] [CASE…]
"""

import collections
import json
import re
import sys

import ml_dtypes
import numpy as np

from case_main import CaseRun, main_over_cases
from cuda_grouped import ends_of, oracle

UNIT = {"bf16": 2.0**-8, "f16": 2.0**-11}
TYPE = {"bf16": ml_dtypes.bfloat16, "f16": np.float16}
SLOPE, FUNCTION = 1.13, 2.0**-13

# Rows: a number, or those that a plan of unknown rows is run with. `tiles`: parts of names of candidates that must be there; all candidates are run then. `groups`: of
# a mixture; 0 is a dense product. `are_inputs`: its weights come at run time.
Case = collections.namedtuple("Case", "rows k columns gate element has_biases tiles groups are_inputs", defaults=["silu", "bf16", False, (), 0, False])

CASES = {
    "two rows": Case(2, 136, 200),  # one row that is known before is a reduction
    "few rows": Case(5, 72, 264),
    "edges": Case(8, 200, 72, "gelu", "f16", True),
    "an odd number of columns": Case(11, 64, 53),
    "shared k": Case(5, 2056, 72, tiles=("splits=4", "splits=3", "splits=2", "consumers=2")),
    "shared k, wide": Case(45, 2056, 72, "gelu"),
    "two consumers": Case(5, 64, 8520),
    "no gate": Case(7, 72, 64, "none"),
    "many rows": Case(300, 136, 328, tiles=("cluster=2x1", "cluster=1x2", "cluster=1x1")),
    "turns": Case(1200, 520, 1100, tiles=("turns",)),
    "many rows and biases": Case(200, 72, 96, "gelu", "f16", True),
    "many rows, an odd number of columns": Case(130, 72, 53),
    "64 rows": Case(64, 72, 4230),
    "unknown rows": Case((1, 8, 9, 32, 50, 100, 256, 300), 136, 200),
    "unknown rows and biases": Case((3, 20, 60, 70, 300), 72, 136, "gelu", "f16", True),
    "experts, one row": Case(1, 72, 136, groups=3),
    "experts, few rows": Case(20, 200, 136, groups=7),
    "experts, few rows and biases": Case(40, 72, 328, "gelu", "f16", True, groups=4),
    "experts, few rows, an odd number of columns": Case(11, 64, 53, groups=3),
    "experts, few rows, wide": Case(75, 64, 200, groups=3, are_inputs=True),
    "experts, shared k": Case(20, 1032, 200, groups=5, tiles=("tile=128x16 ", "tile=256x8 ", "splits=2")),
    "experts, 50 rows of a group": Case(150, 72, 136, groups=3),
    "experts, many rows": Case(300, 136, 328, groups=3, tiles=("cluster=2x1", "cluster=1x2", "cluster=1x1")),
    "experts, many rows and biases": Case(200, 72, 96, "gelu", "f16", True, groups=2),
    "experts, many rows, an odd number of columns": Case(150, 64, 77, groups=2, are_inputs=True),
    "experts, many columns": Case(280, 72, 1096, "none", groups=2),
    "experts, unknown rows": Case((1, 5, 24, 25, 300), 1032, 136, groups=3),
    "experts, unknown rows and biases": Case((2, 40, 41, 200), 72, 77, "gelu", "f16", True, groups=5),
}


def gates(kind, x):
    """The gate's value in float64."""
    if kind == "silu":
        return x / (1 + np.exp(-x))
    if kind == "gelu":
        return 0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))
    return x


def module(case, weights, biases):
    rows = str(case.rows) if isinstance(case.rows, int) else "?"
    e = case.element

    def tensor(columns, element=e):
        dims = "" if rows != "?" else f', #jinx.dims<"m", "{columns}">'
        return f"tensor<{rows}x{columns}x{element}{dims}>"

    n, k = case.columns, case.k
    x, y, wide, one = tensor(k), tensor(n), tensor(n, "f32"), "tensor<f32>"
    w = f"tensor<{case.groups}x{n}x{k}x{e}>" if case.groups else f"tensor<{n}x{k}x{e}>"
    given, lines = {"x": x}, []
    add = lambda name, text: lines.append(f"  %{name} = {text}")
    for name in "gu":
        if case.are_inputs:
            given[f"w{name}"] = w
        else:
            add(f"w{name}", f'jinx.constant dense<"0x{weights[name].tobytes().hex()}"> : {w}')
    if case.groups:
        given["ends"] = ends = f"tensor<{case.groups}xi32>"
    for name in "gu":
        if case.groups:
            add(f"p{name}", f"jinx.grouped_matmul %x, %w{name} transpose_w , %ends : {x}, {w}, {ends} -> {y}")
        else:
            add(f"p{name}", f"jinx.matmul %x, %w{name} transpose_b : {x}, {w} -> {y}")
        add(f"{name}", f"jinx.cast %p{name} : {y} -> {wide}")
        if case.has_biases:
            add(f"b{name}", f'jinx.constant dense<"0x{biases[name].tobytes().hex()}"> : tensor<{n}xf32>')
            add(f"{name}b", f"jinx.add %{name}, %b{name} : {wide}, tensor<{n}xf32> -> {wide}")
    g, u = ("%gb", "%ub") if case.has_biases else ("%g", "%u")
    if case.gate == "silu":
        add("s", f"jinx.sigmoid {g} : {wide} -> {wide}")
        add("f", f"jinx.mul {g}, %s : {wide}, {wide} -> {wide}")
    elif case.gate == "gelu":
        for name, value in (("c3", "0.044715"), ("root", "0.7978845608"), ("half", "0.5"), ("one", "1.0")):
            add(name, f"jinx.constant dense<{value}> : {one}")
        for name, op, a, b in (("g2", "mul", g, g), ("g3", "mul", "%g2", g)):
            add(name, f"jinx.{op} {a}, {b} : {wide}, {wide} -> {wide}")
        add("g4", f"jinx.mul %g3, %c3 : {wide}, {one} -> {wide}")
        add("g5", f"jinx.add {g}, %g4 : {wide}, {wide} -> {wide}")
        add("g6", f"jinx.mul %g5, %root : {wide}, {one} -> {wide}")
        add("t", f"jinx.tanh %g6 : {wide} -> {wide}")
        add("t1", f"jinx.add %t, %one : {wide}, {one} -> {wide}")
        add("h", f"jinx.mul {g}, %half : {wide}, {one} -> {wide}")
        add("f", f"jinx.mul %h, %t1 : {wide}, {wide} -> {wide}")
    add("v", f"jinx.mul {'%f' if case.gate != 'none' else g}, {u} : {wide}, {wide} -> {wide}")
    add("y", f"jinx.cast %v : {wide} -> {y}")
    inputs = ", ".join(f'%{name}: {type} {{jinx.name = "{name}"}}' for name, type in given.items())
    return f'func.func @main({inputs}) -> ({y} {{jinx.name = "y"}}) {{\n' + "\n".join(lines) + f"\n  return %y : {y}\n}}\n"


def sums_of(x, w, ends):
    """Of each row and column in float64, and the sums of sizes; of the row's group, where there are groups."""
    a, b = x.astype(np.float64), np.swapaxes(w.astype(np.float64), -1, -2)
    return (a @ b, np.abs(a) @ np.abs(b)) if ends is None else oracle(a, b, ends)


class Run(CaseRun):
    def judge(self, name, case, folder):
        generator = np.random.default_rng(self.seed)
        element = TYPE[case.element]
        weights = {w: generator.standard_normal((*([case.groups] if case.groups else []), case.columns, case.k)).astype(element) for w in "gu"}
        biases = {w: generator.standard_normal(case.columns).astype(np.float32) for w in "gu"}
        (folder / "model.mlir").write_text(module(case, weights, biases))
        done = self.call("compile", folder / "model.mlir", "--target", "cuda:sm_90a", "-o", folder / "plan.jxp")
        if done.returncode:
            return self.outcome(False, f"{name} does not compile: {done.stderr[-500:]}")
        steps = re.findall(r"^ *\d+ +(\w+) +(\S+)", self.call("inspect", folder / "plan.jxp").stdout, re.M)
        ranges, product = 1 if isinstance(case.rows, int) else 2 if case.groups else 5, "packed_grouped_matmul" if case.groups else "packed_matmul"
        self.outcome(len(steps) == ranges and all(kind == "launch" and product in step for kind, step in steps), f"{name}: steps {steps}, expected {ranges} launches of {product}")
        plans = {"": folder / "plan.jxp"}
        if case.tiles:
            done = self.call("tune", folder / "model.mlir", "--target", "cuda:sm_90a", "--top", 16, "--emit", folder / "plans")
            for plan in sorted((folder / "plans").glob("plan*.jxp")):
                plans[" ".join(step.get("choice", "") for step in json.loads(self.call("inspect", "--json", plan).stdout)["steps"])] = plan
            for tile in case.tiles:
                self.outcome(any(tile in choice for choice in plans), f"{name}: no candidate has {tile}, there are {list(plans)}: {done.stderr[-300:]}")
        for choice, plan in plans.items():
            for rows in [case.rows] if isinstance(case.rows, int) else case.rows:
                of_plan = f"{name}, {rows} rows{choice and f' ({choice})'}"
                for kind, ends in ends_of(generator, rows, case.groups) if case.groups else [("", None)]:
                    self.run_plan(f"{of_plan}{kind and f' {kind} ends={list(map(int, ends))}'}", case, rows, weights, biases, ends, plan, folder, generator)

    def run_plan(self, name, case, rows, weights, biases, ends, plan, folder, generator):
        x = generator.standard_normal((rows, case.k)).astype(TYPE[case.element])
        products = {w: sums_of(x, weights[w], ends) for w in "gu"}
        if case.groups:
            x[max(int(np.max(ends)), 0) :] = np.nan
        arrays = {"x": x, **({f"w{w}": weights[w] for w in "gu"} if case.are_inputs else {}), **({"ends": ends.astype(np.int32)} if case.groups else {})}
        arguments = []
        for operand, value in arrays.items():
            np.save(folder / f"{operand}.npy", value.view(np.uint16) if value.dtype == ml_dtypes.bfloat16 else value)
            arguments += ["--input", f"{operand}={folder}/{operand}.npy"]
        done = self.call("run", plan, "--device", "emulated", *arguments, "--output-dir", folder / "out")
        if done.returncode:
            return self.outcome(False, f"{name} does not run: {done.stderr[-800:]}")
        got = np.load(folder / "out" / "y.npy")
        got = (got.view(ml_dtypes.bfloat16) if case.element == "bf16" else got).astype(np.float64)
        unit, sums, off = UNIT[case.element], {}, {}
        for w in "gu":
            product, size = products[w]
            bias = biases[w].astype(np.float64) if case.has_biases else 0
            sums[w] = product + bias
            off[w] = unit * np.abs(product) + case.k * 2.0**-24 * (size + np.abs(bias))
        gate = gates(case.gate, sums["g"])
        want = gate * sums["u"]
        off_gate = SLOPE * off["g"] + FUNCTION * np.abs(sums["g"])
        allowed = unit * np.abs(want) + off_gate * (np.abs(sums["u"]) + off["u"]) + np.abs(gate) * off["u"] + 2.0**-24
        near = np.abs(got - want) <= allowed if got.shape == want.shape else np.zeros(1, bool)
        first = np.unravel_index(np.argmin(near), near.shape)
        self.outcome(near.all(), f"{name} seed={self.seed}: shape {got.shape}, expected {want.shape}; {(~near).sum()} of {near.size} are off"
                     + (f", element {first} is {got[first]!r}, expected {want[first]!r} ± {allowed[first]:.3g}" if got.shape == want.shape else ""))


if __name__ == "__main__":
    sys.exit(main_over_cases(__doc__, CASES, Run))
