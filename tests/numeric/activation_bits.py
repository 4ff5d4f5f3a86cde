#!/usr/bin/env python3
"""Are products of weights in few bits with activations of 8, 16 and 24 bits what docs/spec/quantization.md says?

The oracle is numpy: activations become whole numbers, a unit for each group, by the specification's operations in f32; everything after that is float64.
So what may be left is the rounding of as many f32 sums as there are groups, and a wrong digit is thousands of times as large. Activations are hard
ones: groups of zeros, with one number a million times the others, of denormals; beside them NaN and infinities, whose rows are NaN. That 24 bits are as
exact as f32 is checked against exact products.

    activation_bits.py --jinx build/dev/bin/jinx
    activation_bits.py --self-test
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from programs import command_of

f4 = np.float32
LIMITS = {8: 127, 16: 32639, 24: 8355709}
LEAST = f4(2.0**-100)
NORMAL = f4([-1.0, -0.6962, -0.5251, -0.3949, -0.2844, -0.1848, -0.0911, 0.0, 0.0796, 0.1609, 0.2461, 0.3379, 0.4407, 0.5626, 0.723, 1.0])
KINDS = {"i4": (-8, 7), "ui4": (0, 15), "nf4": (0, 15), "i8": (-128, 127)}
#        k, columns, group
SHAPES = [(64, 20, 32), (96, 80, 16), (72, 64, 32), (40, 33, 40), (256, 17, 128), (8, 16, 8), (24, 5, 24)]


def whole_numbers(a, group, bits):
    """Of each group: numbers, and the unit they are multiples of."""
    numbers, units = np.zeros(a.shape), np.zeros(a.shape)
    for begin in range(0, a.shape[1], group):
        part = a[:, begin : begin + group]
        largest = np.abs(part).max(1, keepdims=True)
        counts = np.isfinite(largest) & (largest >= LEAST)
        with np.errstate(all="ignore"):
            inverse = np.where(counts, f4(LIMITS[bits]) / largest, f4(0))
            unit = np.where(counts, largest / f4(LIMITS[bits]), np.where(np.isfinite(largest), f4(0), f4(np.nan)))
            numbers[:, begin : begin + group] = np.where(counts, np.rint((part * inverse).astype(f4)), 0)
        units[:, begin : begin + group] = unit
    return numbers, units


def decoded(kind, codes):
    """What codes stand for: beside digits a table of levels has 16 bits."""
    if kind != "nf4":
        return codes.astype(np.float64)
    unit = np.abs(NORMAL.astype(np.float64)).max() / 32639
    return (np.rint(NORMAL / unit) * unit)[codes]


def activations(generator, rows, k):
    a = generator.standard_normal((rows, k)).astype(f4)
    a[1 % rows, : k // 2] = 0
    a[2 % rows, 3] = 1e6
    a[3 % rows] *= f4(1e-42)
    a[4 % rows] *= f4(1e30)
    return a


def text_of(kind, codes, scales, offsets, k, columns, group):
    element = "ui4" if kind == "nf4" else kind
    list_of = lambda v: "[" + ", ".join("[" + ", ".join(str(x) for x in row) + "]" for row in v.tolist()) + "]"
    levels = " levels [" + ", ".join(repr(float(v)) for v in NORMAL) + "]" if kind == "nf4" else ""
    shape = f"tensor<{k}x{columns}x{element}>"
    groups = f"tensor<{scales.shape[0]}x{columns}xf32>"
    offset, offset_type, lines = "", "", []
    if offsets is not None:
        lines.append(f'%o = jinx.constant dense<"0x{offsets.tobytes().hex()}"> : {groups}')
        offset, offset_type = " offset %o", f" offset {groups}"
    x, y = f'tensor<?x{k}xf32, #jinx.dims<"n", "{k}">>', f'tensor<?x{columns}xf32, #jinx.dims<"n", "{columns}">>'
    lines += [f"%c = jinx.constant dense<{list_of(codes)}> : {shape}", f'%s = jinx.constant dense<"0x{scales.tobytes().hex()}"> : {groups}',
              f"%w = jinx.dequantize %c, %s{offset} block {group} along 0{levels} : {shape}, {groups}{offset_type} -> tensor<{k}x{columns}xf32>",
              f"%y = jinx.matmul %x, %w : {x}, tensor<{k}x{columns}xf32> -> {y}"]
    return ('module attributes {jinx.symbols = [{name = "n"}]} {\n' + f'func.func @main(%x: {x} {{jinx.name = "x"}}) -> ({y} {{jinx.name = "y"}}) {{\n  '
            + "\n  ".join(lines) + f"\n  return %y : {y}\n}}\n}}\n")


def fault(got, a, kind, codes, scales, offsets, group, bits):
    """What is wrong with a product; empty where nothing is."""
    numbers, units = whole_numbers(a, group, bits)
    spread = lambda v: np.repeat(v.astype(np.float64), group, 0)[: a.shape[1]]
    weights = decoded(kind, codes) * spread(scales) + (0 if offsets is None else spread(offsets))
    sizes = np.abs(decoded(kind, codes)) * spread(scales) + (0 if offsets is None else np.abs(spread(offsets)))
    finite = np.isfinite(units).all(1)
    if not np.isnan(got[~finite]).all():
        return "a row with NaN or an infinity is not NaN"
    want = (numbers * units)[finite] @ weights
    size = np.abs(numbers * units)[finite] @ sizes
    groups = -(-a.shape[1] // group)
    # A group: its unit, a product with the scale, an fma for each digit and one into the sum; with offsets as much again.
    allowed = (2 * groups + 12) * 2.0**-24 * (size + np.abs(want)) + 1e-37
    wrong = np.abs(got[finite] - want) > allowed
    if wrong.any():
        m, n = np.argwhere(wrong)[0]
        return f"{wrong.sum()} of {wrong.size} are wrong: row {m}, column {n} is {got[finite][m, n]}, expected {want[m, n]} within {allowed[m, n]}"
    if bits == 24:
        # As exact as f32: off by half a unit an activation, which is 2^-24 of the largest in its group.
        exact, half = a[finite].astype(np.float64) @ weights, np.abs(units[finite]) / 2 @ sizes
        far = np.abs(got[finite] - exact) > allowed + half + 2.0**-100 * sizes.sum(0)
        if far.any():
            return f"{far.sum()} are further from the exact product than 24 bits allow"
    return ""


class Run:
    def __init__(self, jinx):
        self.jinx, self.failures, self.count = jinx, [], 0

    def outcome(self, name, problem):
        self.count += 1
        if problem:
            self.failures.append(f"{name}: {problem}")

    def command(self, *arguments):
        done = subprocess.run(command_of(self.jinx, *arguments), capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"jinx {' '.join(map(str, arguments))}:\n{done.stderr}")


def isas_of(index, bits, with_offsets):
    """The first two shapes by VNNI and by exact f32 products, the others by one of them, by turns."""
    both = ("x86-64-v4-vnni", "x86-64-v4-vnni,x86-64")
    return both if index < 2 else both[(index + bits // 8 + with_offsets) % 2 :][:1]


def run(jinx):
    run = Run(jinx)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for index, (k, columns, group) in enumerate(SHAPES):
            for kind, (low, high) in KINDS.items():
                for with_offsets in (False, True):
                    generator = np.random.default_rng([index, low % 17, high, with_offsets])
                    codes = generator.integers(low, high, (k, columns), endpoint=True)
                    groups = (-(-k // group), columns)
                    scales, offsets = generator.uniform(0.25, 1, groups).astype(f4), generator.standard_normal(groups).astype(f4) if with_offsets else None
                    model = folder / "model.mlir"
                    model.write_text(text_of(kind, codes, scales, offsets, k, columns, group))
                    for bits in (8, 16) if kind == "nf4" else LIMITS:  # a table beside 24 bits is a product of floats: graph_ops.py
                        for isa in isas_of(index, bits, with_offsets):
                            judge(run, folder, model, kind, codes, scales, offsets, k, group, bits, isa)
    return run


def judge(run, folder, model, kind, codes, scales, offsets, k, group, bits, isa):
    plan = folder / "plan.jxp"
    run.command("compile", model, "-o", plan, "--activation-bits", bits, *(v for i in isa.split(",") for v in ("--isa", i)))
    least = ["--isa", "x86-64"] if "," in isa else []
    for rows in (1, 3, 6, 33) if not least else (5,):
        a = activations(np.random.default_rng([rows, k]), rows, k)
        if rows > 5:
            a[5, k // 3], a[rows - 1, 0] = np.nan, np.inf
        np.save(folder / "x.npy", a)
        name = f"{kind}{' with offsets' if offsets is not None else ''}, {k}x{codes.shape[1]} in groups of {group}, {rows} rows, {bits} bits, {isa}"
        run.command("run", plan, "--input", f"x={folder / 'x.npy'}", "--output-dir", folder / "out", *least)
        run.outcome(name, fault(np.load(folder / "out" / "y.npy").astype(np.float64), a, kind, codes, scales, offsets, group, bits))


def self_test():
    """The judge finds a wrong digit, a wrong zero, a forgotten offset."""
    generator = np.random.default_rng(1)
    a, codes = generator.standard_normal((3, 64)).astype(f4), generator.integers(0, 15, (64, 4), endpoint=True)
    scales, offsets = generator.uniform(0.25, 1, (2, 4)).astype(f4), generator.standard_normal((2, 4)).astype(f4)
    right = lambda bits: (lambda n, u: (n * u) @ (codes * np.repeat(scales, 32, 0).astype(np.float64) + np.repeat(offsets, 32, 0)))(*whole_numbers(a, 32, bits))
    check = lambda got, bits: fault(got, a, "ui4", codes, scales, offsets, 32, bits)
    assert not check(right(8), 8) and not check(right(24), 24)
    assert check(right(8), 16) and check(right(16), 8)
    numbers, units = whole_numbers(a, 32, 16)
    numbers[1, 7] += 1
    assert check((numbers * units) @ (codes * np.repeat(scales, 32, 0).astype(np.float64) + np.repeat(offsets, 32, 0)), 16), "a digit off by one is not found"
    assert check(right(24) - np.repeat(offsets, 32, 0).T.sum(1) * 0.01, 24)
    assert fault(np.zeros((1, 4)), f4([[np.nan] * 64]), "ui4", codes, scales, offsets, 32, 8)
    print("self-test: passed")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jinx")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    done = run(arguments.jinx)
    for failure in done.failures[:20]:
        print(failure)
    print(f"{done.count - len(done.failures)} of {done.count} passed")
    sys.exit(1 if done.failures or not done.count else 0)


if __name__ == "__main__":
    main()
