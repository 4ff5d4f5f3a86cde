#!/usr/bin/env python3
"""Do products with weights of 4 or 8 bits give on CUDA what float64 gives?

Each case is a small graph, dequantize and a product, compiled for CUDA and run on the emulated device: tails of rows, columns and k, groups that end
within a chunk and beside it, levels, zero points, offsets, epilogues, batches. A case whose weights are not read as codes fails.

Tolerance, u being the unit roundoff of activations: levels of a table are rounded once, u of each term; the result is rounded once; sums of d products
in f32 are off by d 2^-24 of the sum of their sizes; an epilogue has a slope of at most 1.

    cuda_codes.py --jinx build/dev/bin/jinx [--target cuda:sm_80] [--seed N] [CASE…]
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import ml_dtypes
import numpy as np

from programs import command_of

NF4 = [-1.0, -0.6961928, -0.52507305, -0.39491749, -0.28444138, -0.18477343, -0.09105004, 0.0, 0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1.0]  # fmt: skip
U = {"bf16": 2.0**-8, "f16": 2.0**-11}
DTYPE = {"bf16": ml_dtypes.bfloat16, "f16": np.float16, "f32": np.float32}


def rounded(x, element):
    return x.astype(np.float32).astype(DTYPE[element])


def text(values):
    return "[" + ", ".join(text(v) if isinstance(v, list) else repr(v) for v in values) + "]"


class Case:
    """y = act(x w + bias), w [k, n] or [n, k] of `kind`; rows, as a tensor's leading extents."""

    def __init__(self, name, rows, n, k, group, kind="i4", element="bf16", scale="f16", levels=None, zero=None, offset=False, transposed=True, epilogue=False):
        self.__dict__.update(locals())

    def make(self, seed):
        rng = np.random.default_rng([seed, *self.name.encode()])
        k, n, groups = self.k, self.n, -(-self.k // self.group)
        low, high = {"i4": (-8, 8), "ui4": (0, 16), "i8": (-128, 128), "ui8": (0, 256)}[self.kind]
        codes = rng.integers(low, high, (k, n))
        scales = rounded(rng.uniform(0.01, 0.1, (groups, n)), self.scale)
        offsets = rounded(rng.normal(0, 0.1, (groups, n)), self.scale)
        zeros = {None: np.zeros((groups, n), int), "one": np.full((groups, n), 5), "own": rng.integers(max(low, 0), min(high, 16), (groups, n))}[self.zero]
        x = rounded(rng.normal(size=(*self.rows, k)), self.element)
        bias = rounded(rng.normal(size=n), self.element)

        wide = lambda v: np.repeat(v.astype(np.float64), self.group, axis=0)[:k]
        level = np.asarray(self.levels, np.float32).astype(np.float64)[codes & 15] if self.levels else codes.astype(np.float64)
        w = (level - wide(zeros)) * wide(scales) + (wide(offsets) if self.offset else 0)
        x64 = x.astype(np.float64)
        want, size = x64 @ w, np.abs(x64) @ (np.abs(level - wide(zeros)) * wide(scales) + (np.abs(wide(offsets)) if self.offset else 0))
        if self.epilogue:
            want, size = np.maximum(want + bias.astype(np.float64), 0), size + np.abs(bias.astype(np.float64))
        u = U[self.element]
        allowed = np.abs(want) * u + size * (k * 2.0**-24 + (u if self.levels else 0)) + 1e-6

        turn = (lambda v: v.T) if self.transposed else (lambda v: v)
        along, sizes = (1, "{1}x{0}") if self.transposed else (0, "{0}x{1}")
        shape = lambda rows_, element: f"tensor<{sizes.format(rows_, n)}x{element}>"
        floats = lambda v: text(turn(v).astype(np.float64).tolist())
        lines = [f"%c = jinx.constant dense<{text(turn(codes).tolist())}> : {shape(k, self.kind)}", f"%s = jinx.constant dense<{floats(scales)}> : {shape(groups, self.scale)}"]
        uses, types = "", ""
        if self.zero:
            lines.append(f"%z = jinx.constant dense<{text(turn(zeros).tolist())}> : {shape(groups, self.kind)}")
            uses, types = " zero %z", f" zero {shape(groups, self.kind)}"
        if self.offset:
            lines.append(f"%o = jinx.constant dense<{floats(offsets)}> : {shape(groups, self.scale)}")
            uses, types = uses + " offset %o", types + f" offset {shape(groups, self.scale)}"
        levels = f" levels {self.levels}" if self.levels else ""
        y = f"tensor<{'x'.join(map(str, (*self.rows, n)))}x{self.element}>"
        a = f"tensor<{'x'.join(map(str, (*self.rows, k)))}x{self.element}>"
        lines.append(f"%w = jinx.dequantize %c, %s{uses} block {self.group} along {along}{levels} : {shape(k, self.kind)}, {shape(groups, self.scale)}{types} -> {shape(k, self.element)}")
        lines.append(f"%m = jinx.matmul %x, %w{' transpose_b' if self.transposed else ''} : {a}, {shape(k, self.element)} -> {y}")
        if self.epilogue:
            lines.append(f"%b = jinx.constant dense<{text(bias.astype(np.float64).tolist())}> : tensor<{n}x{self.element}>")
            lines += [f"%p = jinx.add %m, %b : {y}, tensor<{n}x{self.element}> -> {y}", f"%y = jinx.relu %p : {y} -> {y}"]
        result = "%y" if self.epilogue else "%m"
        body = "\n  ".join(lines)
        module = f'func.func @main(%x: {a} {{jinx.name = "x"}}) -> ({y} {{jinx.name = "y"}}) {{\n  {body}\n  return {result} : {y}\n}}\n'
        return module, x, want, allowed


CASES = [
    Case("one row", [1], 72, 256, 128),
    Case("seven rows, f16", [7], 80, 200, 32, element="f16"),
    Case("sixteen rows, a group that k cuts", [16], 64, 328, 128),
    Case("33 rows", [33], 40, 136, 64),
    Case("a batch", [3, 5], 48, 128, 32),
    Case("weights [k, n]", [4], 50, 192, 64, transposed=False),
    Case("one scale for a column", [3], 33, 200, 200),
    Case("groups of 96", [2], 32, 296, 96, scale="bf16"),
    Case("one zero point", [5], 48, 128, 64, kind="ui4", zero="one"),
    Case("zero points of their own", [5], 48, 128, 64, kind="ui4", zero="own"),
    Case("offsets, scales of f32", [2], 48, 192, 32, offset=True, scale="f32"),
    Case("NF4", [1], 72, 256, 64, kind="ui4", levels=NF4),
    Case("NF4, f16, seventeen rows", [17], 40, 168, 32, kind="ui4", levels=NF4, element="f16"),
    Case("bytes", [1], 72, 256, 128, kind="i8"),
    Case("unsigned bytes, f16", [9], 40, 136, 64, kind="ui8", zero="one", element="f16"),
    Case("bias and relu", [6], 100, 128, 128, epilogue=True),
    Case("NF4, bias and relu", [3], 64, 128, 64, kind="ui4", levels=NF4, epilogue=True),
]


def check(case, args, folder):
    module, x, want, allowed = case.make(args.seed)
    (folder / "model.mlir").write_text(module)
    np.save(folder / "x.npy", x.view("u2") if case.element == "bf16" else x)

    def call(*arguments):
        done = subprocess.run(command_of(args.jinx, *arguments), capture_output=True, text=True)
        return done.stdout, "" if done.returncode == 0 else done.stderr.strip()[-1500:] or f"exit status {done.returncode}"

    source, problem = call("compile", folder / "model.mlir", "--target", args.target, "--emit", "cuda")
    if problem:
        return problem
    if "load_words_constant(held" not in source and "load_words_once(held" not in source:
        return "its weights are not read as codes"
    problem = call("compile", folder / "model.mlir", "--target", args.target, "-o", folder / "plan.jxp")[1]
    problem = problem or call("run", folder / "plan.jxp", "--device", "emulated", "--input", f"x={folder / 'x.npy'}", "--output-dir", folder / "out")[1]
    if problem:
        return problem
    got = np.load(folder / "out" / "y.npy").view(DTYPE[case.element]).astype(np.float64)
    if got.shape != want.shape:
        return f"y is {got.shape}, expected {want.shape}"
    off = np.abs(got - want) / allowed
    worst = np.unravel_index(np.argmax(np.where(np.isnan(off), np.inf, off)), off.shape)
    return "" if off[worst] <= 1 else f"element {worst} is {got[worst]}, expected {want[worst]} within {allowed[worst]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jinx", required=True)
    parser.add_argument("--target", default="cuda:sm_90a")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("cases", nargs="*")
    args = parser.parse_args()
    failed, count = 0, 0
    for case in CASES:
        if args.cases and case.name not in args.cases:
            continue
        with tempfile.TemporaryDirectory() as folder:
            problem = check(case, args, pathlib.Path(folder))
        count += 1
        if problem:
            failed += 1
            print(f"FAIL {case.name}: {problem}\n  again: cuda_codes.py --jinx {args.jinx} --target {args.target} --seed {args.seed} '{case.name}'")
    print(f"{count - failed} of {count} cases passed for {args.target} (seed {args.seed})")
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main())
