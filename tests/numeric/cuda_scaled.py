#!/usr/bin/env python3
"""Do products of 8-bit floats with scales of blocks give on CUDA what float64 gives?

Each case is a small graph, two dequantize and a product, compiled and run on the emulated device: tails of rows, columns and k, rows of weights that
share scales, few rows (transposed), blocks that share k, batches, epilogues, 16-bit results, activations that are quantized when the model runs. For
cuda:sm_90a a case fails whose product is no jinx.scaled_matmul, or, of one block, of 8-bit floats; elsewhere operands are dequantized, and the same numbers must come out.

Codes are whole numbers whose sums over 128 stay below 2^13, which tensor cores, with their 14 bits, hold; so what is off is scales: each block's sum
is rounded a few times, and so is what adds up. Tolerance: (blocks + 4) 2^-24 of the sum of sizes, and one rounding of the result. Codes that the
model makes are as they come: each of 4 instructions aligns 32 products and the old sum to the largest of them and cuts what is below 2^-13 of it
(decision 0012), so a block's sum may be off by 132 * 2^-13 of its largest possible product. Operands that are dequantized before are
rounded once each, and k products added one by one.

    cuda_scaled.py --jinx build/dev/bin/jinx [--target cuda:sm_80] [--seed N] [CASE…]
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

F8 = {"f8E4M3FN": ml_dtypes.float8_e4m3fn, "f8E5M2": ml_dtypes.float8_e5m2}
U = {"bf16": 2.0**-8, "f16": 2.0**-11, "f32": 2.0**-24}
DTYPE = {"bf16": ml_dtypes.bfloat16, "f16": np.float16, "f32": np.float32}
BLOCK = 128


def blocks(n):
    return -(-n // BLOCK)


class Case:
    """y = act(x w + bias). x [rows, k] has scales `ofX`, w [n, k] or [k, n] has `ofW`: "blocks" along k, for each row; "squares" of 128 x 128;
    "rows", which stand still along k; or "one" number. `dynamic`: x comes as floats."""

    def __init__(self, name, rows, n, k, ofX="blocks", ofW="squares", element="f32", kinds=("f8E4M3FN", "f8E4M3FN"), transposed=True, epilogue=False, dynamic=False, given=False):
        self.__dict__.update(locals())

    def scales(self, rng, of, rows):
        shape = {"blocks": (rows, blocks(self.k)), "squares": (blocks(rows), blocks(self.k)), "rows": (rows, 1), "one": ()}[of]
        return rng.uniform(0.5, 2, shape).astype(np.float32)

    def wide(self, scales, of, rows):
        """Scales as matrices of elements."""
        s = scales.astype(np.float64)
        if of == "squares":
            s = np.repeat(s, BLOCK, 0)[:rows]
        return np.repeat(s, BLOCK, 1)[:, : self.k] if of in ("blocks", "squares") else np.broadcast_to(s, (rows, self.k))

    def make(self, seed, scaled):
        """Module, inputs, result and what it may be off by, where sums of blocks are scaled or operands are dequantized."""
        rng = np.random.default_rng([seed, *self.name.encode()])
        k, n, m = self.k, self.n, int(np.prod(self.rows))
        draw = lambda rows: rng.integers(-4, 5, (rows, k)).astype(np.float32)
        x, w, bias = draw(m), draw(n), rng.normal(size=n).astype(DTYPE[self.element])
        sx, sw = self.scales(rng, self.ofX, m), self.scales(rng, self.ofW, n)
        inputs = {}
        if self.dynamic:
            floats = rng.normal(size=(m, k)).astype(DTYPE[self.element])
            filled = np.pad(floats.astype(np.float32), ((0, 0), (0, blocks(k) * BLOCK - k))).reshape(m, -1, BLOCK)
            sx = np.maximum(np.abs(filled).max(-1) * np.float32(1 / 448), np.float32(1.1754944e-38))
            x = np.repeat(sx, BLOCK, 1)[:, :k]
            x = (floats.astype(np.float32) / x).astype(F8["f8E4M3FN"]).astype(np.float32)
            inputs["x"] = floats.reshape(*self.rows, k)
        else:
            inputs["x"] = x.astype(F8[self.kinds[0]]).reshape(*self.rows, k)
            inputs["s"] = sx.reshape(*self.rows, -1) if sx.ndim else sx
        x64, w64 = x * self.wide(sx, self.ofX, m), w * self.wide(sw, self.ofW, n)
        want, size = x64 @ w64.T, np.abs(x64) @ np.abs(w64).T
        if self.epilogue:
            want, size = np.maximum(want + bias.astype(np.float64), 0), size + np.abs(bias.astype(np.float64))
        u = U[self.element]
        allowed = np.abs(want) * u + size * ((blocks(k) + 4) * 2.0**-24 if scaled else (k + 4) * 2.0**-24 + 2 * u)
        if scaled and self.dynamic:
            largest = lambda v: np.pad(np.abs(v), ((0, 0), (0, blocks(k) * BLOCK - k))).reshape(len(v), -1, BLOCK).max(-1)
            allowed += 132 * 2.0**-13 * largest(x64) @ largest(w64).T
        codes, scales = w.astype(F8[self.kinds[1]]), sw
        if not self.transposed:
            codes, scales = codes.T, scales.T
        return self.module(inputs, codes, scales, bias), inputs | ({"w": codes, "t": scales} if self.given else {}), want.reshape(*self.rows, n), allowed.reshape(*self.rows, n)

    def module(self, inputs, codes, scales, bias):
        kind = {v: k for k, v in [*DTYPE.items(), *F8.items()]}
        of = lambda v, element=None: f"tensor<{''.join(f'{d}x' for d in v.shape)}{element or kind[v.dtype.type]}>"
        text = lambda v: f"dense<{v.astype(np.float64).tolist()}>"
        lines, arguments, e = [], {name: of(v) for name, v in inputs.items()}, self.element
        for name, v in (("w", codes), ("t", scales)):
            if self.given:
                arguments[name] = of(v)
            else:
                lines.append(f"%{name} = jinx.constant {text(v)} : {of(v)}")
        axis = len(self.rows)
        wide = f"tensor<{'x'.join(map(str, self.rows))}x{self.k}x{e}>"
        if self.dynamic:
            lines += self.quantized(wide, axis)
            s = f"tensor<{'x'.join(map(str, self.rows))}x{blocks(self.k)}xf32>"
            q, x = "%q", f"tensor<{'x'.join(map(str, self.rows))}x{self.k}xf8E4M3FN>"
        else:
            q, x, s = "%x", arguments["x"], arguments["s"]
        along = f" block {BLOCK} along {axis}" if self.ofX == "blocks" else ""
        lines.append(f"%a = jinx.dequantize {q}, %s{along} : {x}, {s} -> {wide}")
        t, name = scales.shape, "%t"
        if self.ofW == "squares":
            d, other = (0, 1) if self.transposed else (1, 0)
            apart = list(t)
            apart.insert(d + 1, 1)
            spread, joined, cut = list(apart), list(t), list(t)
            spread[d + 1], joined[d], cut[d] = BLOCK, t[d] * BLOCK, self.n
            shape = lambda sizes: f"tensor<{'x'.join(map(str, sizes))}xf32>"
            lines += [f"%t1 = jinx.reshape %t : {shape(t)} -> {shape(apart)}", f"%t2 = jinx.broadcast %t1 : {shape(apart)} -> {shape(spread)}", f"%t3 = jinx.reshape %t2 : {shape(spread)} -> {shape(joined)}"]
            t, name = joined, "%t3"
            if joined != cut:
                lines.append(f'%t4 = jinx.slice %t3 starts ["0", "0"] steps [1, 1] : {shape(joined)} -> {shape(cut)}')
                t, name = cut, "%t4"
        along = f" block {BLOCK} along {1 if self.transposed else 0}" if self.ofW in ("squares", "blocks") else ""
        t = f"tensor<{''.join(f'{d}x' for d in t)}f32>"
        y = f"tensor<{'x'.join(map(str, (*self.rows, self.n)))}x{e}>"
        lines.append(f"%b = jinx.dequantize %w, {name}{along} : {of(codes)}, {t} -> {of(codes, e)}")
        lines.append(f"%y = jinx.matmul %a, %b{' transpose_b' if self.transposed else ''} : {wide}, {of(codes, e)} -> {y}")
        result = "%y"
        if self.epilogue:
            row = f"tensor<{self.n}x{e}>"
            lines += [f"%c = jinx.constant {text(bias)} : {row}", f"%p = jinx.add %y, %c : {y}, {row} -> {y}", f"%z = jinx.relu %p : {y} -> {y}"]
            result = "%z"
        body = "\n  ".join(lines)
        given = ", ".join(f'%{name}: {type} {{jinx.name = "{name}"}}' for name, type in arguments.items())
        return f'func.func @main({given}) -> ({y} {{jinx.name = "y"}}) {{\n  {body}\n  return {result} : {y}\n}}\n'

    def quantized(self, wide, axis):
        """x as codes %q and scales %s, as jinx-quantize writes it."""
        e, rows = self.element, "x".join(map(str, self.rows))
        whole, apart = f"{rows}x{blocks(self.k) * BLOCK}", f"{rows}x{blocks(self.k)}x{BLOCK}"
        scales, number = f"tensor<{rows}x{blocks(self.k)}x1xf32>", "tensor<f32>"
        zeros = ", ".join(['"0"'] * (axis + 1))
        lines, x = [], "%x"
        if self.k % BLOCK:
            lines, x = [f"%x0 = jinx.pad %x low [{zeros}] mode constant : {wide} -> tensor<{whole}x{e}>"], "%x0"
        lines += [f"%x1 = jinx.reshape {x} : tensor<{whole}x{e}> -> tensor<{apart}x{e}>", f"%x2 = jinx.abs %x1 : tensor<{apart}x{e}> -> tensor<{apart}x{e}>",
                  f"%m = jinx.reduce max, %x2 axes [{axis + 1}] : tensor<{apart}x{e}> -> {scales.replace('f32', e)}"]  # fmt: skip
        m = "%m"
        if e != "f32":
            lines, m = [*lines, f"%m32 = jinx.cast %m : {scales.replace('f32', e)} -> {scales}"], "%m32"
        lines += [f"%by = jinx.constant dense<{float(np.float32(1 / 448))!r}> : {number}", f"%least = jinx.constant dense<1.1754944e-38> : {number}",
                  f"%s0 = jinx.mul {m}, %by : {scales}, {number} -> {scales}", f"%s1 = jinx.max %s0, %least : {scales}, {number} -> {scales}",
                  f"%q1 = jinx.quantize %x1, %s1 : tensor<{apart}x{e}>, {scales} -> tensor<{apart}xf8E4M3FN>", f"%q2 = jinx.reshape %q1 : tensor<{apart}xf8E4M3FN> -> tensor<{whole}xf8E4M3FN>"]  # fmt: skip
        q = f"tensor<{rows}x{self.k}xf8E4M3FN>"
        ones = ", ".join(["1"] * (axis + 1))
        lines.append(f"%q = jinx.slice %q2 starts [{zeros}] steps [{ones}] : tensor<{whole}xf8E4M3FN> -> {q}" if self.k % BLOCK else f"%q = jinx.reshape %q2 : {q} -> {q}")
        lines.append(f"%s = jinx.reshape %s1 : {scales} -> tensor<{rows}x{blocks(self.k)}xf32>")
        return lines


CASES = [
    Case("tails", [150], 200, 272),
    Case("tails, to bf16", [130], 136, 400, element="bf16"),
    Case("one block", [70], 64, 128, element="f16"),
    Case("a short block", [65], 72, 48),
    Case("rows that are no 16 bytes", [67], 130, 200),
    Case("one row", [1], 200, 384, element="bf16"),
    Case("few rows", [7], 130, 272),
    Case("sixty rows", [60], 136, 272),
    Case("sixty-four rows", [64], 200, 272, element="bf16"),
    Case("few tiles share k", [70], 72, 2064),
    Case("few rows share k", [9], 128, 4096),
    Case("weights [k, n]", [66], 150, 272, transposed=False),
    Case("weights that are given", [150], 150, 256, given=True),
    Case("weights [k, n] that are given", [9], 144, 272, given=True, transposed=False),
    Case("scales of single rows of weights", [150], 72, 272, ofW="blocks"),
    Case("scales of single rows of weights, few rows", [5], 136, 272, ofW="blocks", given=True),
    Case("one scale for the weights", [66], 136, 272, ofW="one"),
    Case("scales of columns", [66], 136, 272, ofW="rows"),
    Case("scales of rows beside squares", [66], 136, 272, ofX="rows"),
    Case("one scale beside squares", [3], 136, 272, ofX="one"),
    Case("a batch", [3, 50], 72, 272),
    Case("other elements", [66], 72, 272, kinds=("f8E5M2", "f8E4M3FN")),
    Case("bias and relu", [150], 200, 272, epilogue=True, element="bf16"),
    Case("bias and relu, few rows", [5], 200, 272, epilogue=True),
    Case("activations of f32", [70], 136, 256, dynamic=True),
    Case("activations of bf16, a short block", [5], 136, 272, dynamic=True, element="bf16"),
    Case("a batch of activations", [2, 35], 64, 272, dynamic=True, epilogue=True),
]


def check(case, args, folder):
    module, inputs, want, allowed = case.make(args.seed, args.target == "cuda:sm_90a")
    (folder / "model.mlir").write_text(module)
    given = []
    for name, v in inputs.items():
        np.save(folder / f"{name}.npy", v.view("u1") if v.dtype.itemsize == 1 else v.view("u2") if v.dtype == ml_dtypes.bfloat16 else v)
        given += ["--input", f"{name}={folder / name}.npy"]

    def call(*arguments):
        done = subprocess.run(command_of(args.jinx, *arguments), capture_output=True, text=True)
        return done.stdout, "" if done.returncode == 0 else done.stderr.strip()[-1500:] or f"exit status {done.returncode}"

    is_cuda = args.target.startswith("cuda")
    target = ["--target", args.target] if args.target else []
    graph, problem = call("compile", folder / "model.mlir", *target, "--emit", "graph")
    if problem:
        return problem
    operator = "jinx.scaled_matmul" if blocks(case.k) > 1 else "jinx.packed_matmul"  # one block's scales join the epilogue
    if args.target == "cuda:sm_90a" and not re.search(operator + r" .*xf8E", graph):
        return f"its product of 8-bit floats is no {operator}"
    problem = call("compile", folder / "model.mlir", *target, "-o", folder / "plan.jxp")[1]
    problem = problem or call("run", folder / "plan.jxp", *(["--device", "emulated"] if is_cuda else []), *given, "--output-dir", folder / "out")[1]
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
    parser.add_argument("--target", default="cuda:sm_90a", help="empty: this processor")
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
            print(f"FAIL {case.name}: {problem}\n  again: cuda_scaled.py --jinx {args.jinx} --target '{args.target}' --seed {args.seed} '{case.name}'")
    print(f"{count - failed} of {count} cases passed for {args.target or 'this processor'} (seed {args.seed})")
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main())
