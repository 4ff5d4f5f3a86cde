#!/usr/bin/env python3
"""Do GGUF's blocks give what ggml gives, and do products with them?

Blocks of every format, of random bytes with scales that are finite, and of what the gguf package encodes of random numbers. jinx.decode_blocks alone must equal
the gguf package to the bit; products with the weights, for few and for many rows, float64 sums of them. On the CPU's lowest and highest
instruction set.

    blocks.py --jinx build/dev/bin/jinx
    blocks.py --self-test
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

ISAS = ("x86-64", "x86-64-v3", "x86-64-v4")
# Elements and bytes of a block, and where it has f16 numbers.
FORMATS = {"Q4_0": (32, 18, [0]), "Q4_1": (32, 20, [0, 2]), "Q5_0": (32, 22, [0]), "Q5_1": (32, 24, [0, 2]), "Q8_0": (32, 34, [0]),
           "Q4_K": (256, 144, [0, 2]), "Q5_K": (256, 176, [0, 2]), "Q6_K": (256, 210, [208])}


def random_blocks(generator, kind, rows, count):
    """Any bytes, but for halves, which are usual numbers, denormals or 0."""
    _, size, halves = FORMATS[kind]
    blocks = generator.integers(0, 256, (rows, count, size), np.uint8)
    for at in halves:
        d = (generator.standard_normal((rows, count)) * generator.choice([1e-7, 1e-3, 1.0, 0.0], (rows, count))).astype(np.float16)
        blocks[:, :, at : at + 2] = d.view(np.uint8).reshape(rows, count, 2)
    return blocks.reshape(rows, count * size)


def decoded(kind, blocks):
    import gguf

    return gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[kind]).astype(np.float32)


def module(kind, blocks, rows):
    """The weights alone, and x times their transpose."""
    n, size = blocks.shape
    k = size // FORMATS[kind][1] * FORMATS[kind][0]
    return (
        f'func.func @main(%x: tensor<{rows}x{k}xf32> {{jinx.name = "x"}}) -> (tensor<{n}x{k}xf32> {{jinx.name = "w"}}, tensor<{rows}x{n}xf32> {{jinx.name = "y"}}) {{\n'
        f'  %b = jinx.constant dense<"0x{blocks.tobytes().hex().upper()}"> : tensor<{n}x{size}xui8>\n'
        f'  %w = jinx.decode_blocks %b "{kind}" : tensor<{n}x{size}xui8> -> tensor<{n}x{k}xf32>\n'
        f"  %y = jinx.matmul %x, %w transpose_b : tensor<{rows}x{k}xf32>, tensor<{n}x{k}xf32> -> tensor<{rows}x{n}xf32>\n"
        f"  return %w, %y : tensor<{n}x{k}xf32>, tensor<{rows}x{n}xf32>\n}}\n"
    )


def same_bits(got, want):
    return got.shape == want.shape and bool((got.view(np.uint32) == want.view(np.uint32)).all())


def near(got, x, w):
    """Within a float32 sum of the terms."""
    want, size = x.astype(np.float64) @ w.astype(np.float64).T, np.abs(x.astype(np.float64)) @ np.abs(w.astype(np.float64)).T
    # Offsets and levels are summed apart: their sizes count, too.
    return bool((np.abs(got - want) <= (x.shape[1] + 8) * 2.0**-24 * 32 * size.max() + 1e-30).all())


def run_case(jinx, kind, blocks, rows, folder):
    """Problems, a line each."""
    n, k = blocks.shape[0], blocks.shape[1] // FORMATS[kind][1] * FORMATS[kind][0]
    x = np.random.default_rng(rows).standard_normal((rows, k)).astype(np.float32)
    np.save(folder / "x.npy", x)
    (folder / "model.mlir").write_text(module(kind, blocks, rows))
    options = [option for isa in ISAS for option in ("--isa", isa)]
    done = subprocess.run([jinx, "compile", folder / "model.mlir", *options, "-o", folder / "plan.jxp"], capture_output=True, text=True)
    if done.returncode:
        return [f"does not compile: {done.stderr[-400:]}"]
    problems, w = [], decoded(kind, blocks)
    for isa in ISAS:
        done = subprocess.run([jinx, "run", folder / "plan.jxp", "--isa", isa, "--input", f"x={folder}/x.npy", "--output-dir", folder / "out"], capture_output=True, text=True)
        if done.returncode:
            return [f"does not run with {isa}: {done.stderr[-400:]}"]
        if not same_bits(np.load(folder / "out" / "w.npy"), w):
            problems.append(f"weights differ from the gguf package's ({isa})")
        if not near(np.load(folder / "out" / "y.npy"), x, w):
            problems.append(f"the product is not a sum of its terms ({isa})")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jinx")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    generator = np.random.default_rng(7)
    if arguments.self_test:
        x, w = np.ones((1, 4), np.float32), np.ones((2, 4), np.float32)
        good = same_bits(w, w) and not same_bits(w, np.nextafter(w, np.float32(2))) and near(np.full((1, 2), 4.0), x, w) and not near(np.full((1, 2), 4.01), x, w)
        return 0 if good else 1
    count = failed = 0
    for kind in FORMATS:
        blocks = random_blocks(generator, kind, 37, 512 // FORMATS[kind][0])
        for rows in (1, 3, 33):
            with tempfile.TemporaryDirectory() as folder:
                problems = run_case(arguments.jinx, kind, blocks, rows, pathlib.Path(folder))
            count, failed = count + 1, failed + bool(problems)
            for problem in problems:
                print(f"FAIL {kind}, {rows} rows: {problem}")
    print(f"{count - failed} passed, {failed} failed")
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main())
