#!/usr/bin/env python3
"""Does the CUDA schedule compute the gradients of attention on 16-bit floats? Runs under the emulator, against float64.

Each case is a graph: the gradients alone, of lse and delta that are given, or a whole training step: attention, its log-sum-exp, delta and
the gradients. The plan must have the two kernels of the gradients and no product beside them but the step's own. Sizes are odd, symbolic and
constant.

Tolerance, u being f16's unit roundoff and U that of f32: weights and gradients of scores are rounded to f16 (u of each, at least half
its smallest number), the result once more. What f32 gives before is off by U times the number of terms, of the sum of their sizes: exponents by
(d + 8) of the scores' terms and of lse, products with values by d. In a whole step o is rounded to f16 and so off by u of the weighted
sizes of values, three times with its weights and the logits of lse; delta sums that over d.

    cuda_attention_grad.py --jinx build/dev/bin/jinx [--seed N] [CASE…]
"""

import argparse
import collections
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

from programs import command_of

U, U16, TINY = 2.0**-24, 2.0**-11, 2.0**-25
Case = collections.namedtuple("Case", "heads shared d causal step", defaults=(False,))
SIZES = [(1, 1, 1), (2, 5, 7), (1, 65, 130), (1, 200, 131)]


def cases():
    for d in (16, 64, 128):
        yield f"plain_{d}", Case(2, 2, d, False)
        yield f"causal_{d}", Case(2, 2, d, True)
    yield "grouped", Case(4, 2, 64, False)
    yield "grouped_causal", Case(3, 1, 64, True)
    yield "step", Case(2, 2, 64, False, True)


def tensor(dims, element, at):
    dims = [str(eval(d, {}, at)) if at else d for d in dims.split(",")]
    text = "x".join([*(d if d.isdigit() else "?" for d in dims), element])
    return f"tensor<{text}>" if all(d.isdigit() for d in dims) else f"tensor<{text}, #jinx.dims<{', '.join(f'{chr(34)}{d}{chr(34)}' for d in dims)}>>"


def scale(case):
    return 2.0 ** -int(np.log2(case.d) / 2)


def module(case, at):
    shapes = {"q": f"b,{case.heads},m,{case.d}", "k": f"b,{case.shared},n,{case.d}", "s": f"b,{case.heads},m,n", "one": f"b,{case.heads},m,1", "rows": f"b,{case.heads},m"}
    t = {name: tensor(dims, "f16", at) for name, dims in shapes.items()}
    w = {name: tensor(dims, "f32", at) for name, dims in shapes.items()}
    operands = {"q": t["q"], "k": t["k"], "v": t["k"], "dy": t["q"]} | ({} if case.step else {"lse": w["rows"], "delta": w["rows"]})
    lines = []
    if case.step:
        lines = [f"%c = jinx.constant dense<{scale(case)}> : tensor<f16>", f"%r = jinx.matmul %q, %k transpose_b : {t['q']}, {t['k']} -> {t['s']}",
                 f"%s = jinx.mul %r, %c : {t['s']}, tensor<f16> -> {t['s']}", f"%f = jinx.cast %s : {t['s']} -> {w['s']}",
                 f"%m = jinx.reduce max, %f axes [3] : {w['s']} -> {w['one']}", f"%x = jinx.sub %f, %m : {w['s']}, {w['one']} -> {w['s']}",
                 f"%e = jinx.exp %x : {w['s']} -> {w['s']}", f"%l = jinx.reduce sum, %e axes [3] : {w['s']} -> {w['one']}",
                 f"%p = jinx.div %e, %l : {w['s']}, {w['one']} -> {w['s']}", f"%h = jinx.cast %p : {w['s']} -> {t['s']}",
                 f"%y = jinx.matmul %h, %v : {t['s']}, {t['k']} -> {t['q']}",
                 f"%g = jinx.log %l : {w['one']} -> {w['one']}", f"%a = jinx.add %m, %g : {w['one']}, {w['one']} -> {w['one']}",
                 f"%lse = jinx.reshape %a : {w['one']} -> {w['rows']}",
                 f"%yf = jinx.cast %y : {t['q']} -> {w['q']}", f"%df = jinx.cast %dy : {t['q']} -> {w['q']}",
                 f"%z = jinx.mul %yf, %df : {w['q']}, {w['q']} -> {w['q']}", f"%zs = jinx.reduce sum, %z axes [3] : {w['q']} -> {w['one']}",
                 f"%delta = jinx.reshape %zs : {w['one']} -> {w['rows']}"]
    types = [t["q"], t["k"], t["k"], t["q"], w["rows"], w["rows"]]
    results = [t["q"], t["k"], t["k"]]
    lines.append(f"%dq, %dk, %dv = jinx.attention_grad %q, %k, %v, %dy, %lse, %delta scale {scale(case)}{' causal' if case.causal else ''} : "
                 f"({', '.join(types)}) -> ({', '.join(results)})")
    parameters = ", ".join(f'%{o}: {type} {{jinx.name = "{o}"}}' for o, type in operands.items())
    returned = ", ".join(f'{type} {{jinx.name = "{name}"}}' for name, type in zip(("dq", "dk", "dv"), results))
    body = "\n  ".join(lines)
    return f"func.func @main({parameters}) -> ({returned}) {{\n  {body}\n  return %dq, %dk, %dv : {', '.join(results)}\n}}\n"


def drawn(case, b, m, n, generator):
    o = {"q": (b, case.heads, m, case.d), "k": (b, case.shared, n, case.d), "v": (b, case.shared, n, case.d), "dy": (b, case.heads, m, case.d)}
    o = {name: generator.standard_normal(shape).astype(np.float16) for name, shape in o.items()}
    if not case.step:
        x, _ = scores(case, o)
        with np.errstate(divide="ignore", invalid="ignore"):
            most = x.max(-1)
            o["lse"] = np.where(np.isinf(most), -np.inf, most + np.log(np.exp(x - most[..., None]).sum(-1))).astype(np.float32)
        o["delta"] = generator.standard_normal(most.shape).astype(np.float32)
    return o


def wide(case, o):
    repeat = case.heads // case.shared
    q, k, v, dy = (o[name].astype(np.float64) for name in ("q", "k", "v", "dy"))
    return q, np.repeat(k, repeat, 1), np.repeat(v, repeat, 1), dy


def scores(case, o):
    """Logits, and the sizes of their terms."""
    q, k, _, _ = wide(case, o)
    x, size = scale(case) * q @ k.swapaxes(2, 3), scale(case) * np.abs(q) @ np.abs(k).swapaxes(2, 3)
    hidden = np.arange(x.shape[3]) > np.arange(x.shape[2])[:, None] + x.shape[3] - x.shape[2]
    return np.where(hidden & case.causal, -np.inf, x), size


def expected(case, o):
    """[(gradient, tolerance)] of q, k and v."""
    q, k, v, dy = wide(case, o)
    x, size = scores(case, o)
    d, turned = case.d, lambda a: a.swapaxes(2, 3)
    if case.step:
        lse = np.log(np.exp(x).sum(-1))
        y = np.exp(x - lse[..., None]) @ v
        delta, off_delta = (y * dy).sum(-1), (3 * U16 * np.exp(x - lse[..., None]) @ np.abs(v) * np.abs(dy)).sum(-1)
        # Logits of the step's own softmax are halves.
        off_lse = 2 * U16 * np.abs(x).max(-1)
    else:
        lse, delta = o["lse"].astype(np.float64), o["delta"].astype(np.float64)
        off_delta = off_lse = np.zeros_like(lse)
    with np.errstate(invalid="ignore"):
        p = np.where(np.isinf(x), 0, np.exp(x - lse[..., None]))
    ds = p * (dy @ turned(v) - delta[..., None])
    shown = np.where(np.isinf(lse), 0, np.abs(lse))
    exponent = (d + 8) * U * (size + shown[..., None]) + off_lse[..., None]
    off_p = (U16 + exponent + 8 * U) * p + TINY
    terms = np.abs(dy) @ turned(np.abs(v)) + np.abs(delta)[..., None]
    off_ds = U16 * np.abs(ds) + exponent * np.abs(ds) + p * ((d + 2) * U * terms + off_delta[..., None]) + TINY
    results = [(scale(case) * ds @ k, scale(case) * off_ds @ np.abs(k), False), (scale(case) * turned(ds) @ q, scale(case) * turned(off_ds) @ np.abs(q), True),
               (turned(p) @ dy, turned(off_p) @ np.abs(dy), True)]
    shared = lambda a: a.reshape(a.shape[0], case.shared, -1, *a.shape[2:]).sum(2)
    return [(shared(y), shared(off)) if sums else (y, off) for y, off, sums in results]


class Run:
    def __init__(self, jinx, seed):
        self.jinx, self.seed, self.passed, self.failed = jinx, seed, 0, 0

    def call(self, *arguments):
        done = subprocess.run(command_of(self.jinx, *arguments), capture_output=True, text=True)
        return "" if done.returncode == 0 else done.stderr.strip()[-3000:] or f"exit status {done.returncode}"

    def outcome(self, good, text):
        self.passed += bool(good)
        self.failed += not good
        if not good:
            print("FAIL", text)

    def judge_case(self, name, case, sizes, constant, folder):
        at = dict(zip("bmn", sizes))
        where = f"{name} {at} {'in numbers' if constant else 'as symbols'} seed={self.seed}"
        (folder / "model.mlir").write_text(module(case, at if constant else None))
        problem = self.call("compile", folder / "model.mlir", "--target", "cuda:sm_90a", "-o", folder / "plan.jxp")
        if problem:
            return self.outcome(False, f"{where} does not compile: {problem}")
        said = subprocess.run([self.jinx, "inspect", str(folder / "plan.jxp")], capture_output=True, text=True).stdout
        steps = re.findall(r"^ *\d+ +(launch|host) +(\S+)", said, re.M)
        gradients = [kernel for _, kernel in steps if "attention_grad" in kernel]
        products = [kernel for kind, kernel in steps if kind == "host" or (not case.step and "matmul" in kernel)]
        self.outcome(len(gradients) == 2 and not products, f"{where}: steps {steps}, expected two kernels of gradients and no other product")
        operands, arguments = drawn(case, *sizes, np.random.default_rng([self.seed, *sizes])), []
        for o, value in operands.items():
            np.save(folder / f"{o}.npy", value)
            arguments += ["--input", f"{o}={folder}/{o}.npy"]
        problem = self.call("run", folder / "plan.jxp", "--device", "emulated", *arguments, "--output-dir", folder / "out")
        if problem:
            return self.outcome(False, f"{where} does not run: {problem}")
        for result, (want, off) in zip(("dq", "dk", "dv"), expected(case, operands)):
            got = np.load(folder / "out" / f"{result}.npy").astype(np.float64)
            if got.shape != want.shape:
                return self.outcome(False, f"{where}: {result} has shape {got.shape}, expected {want.shape}")
            off = off * (1 + U16) + U16 * np.abs(want) + TINY
            near = np.abs(got - want) <= off
            worst = np.argmax(np.where(np.isfinite(got), np.abs(got - want) / off, np.inf))
            self.outcome(near.all(), f"{where}: {(~near).sum()} of {near.size} of {result}, the worst is {got.flat[worst]!r}, expected {want.flat[worst]!r} ± {off.flat[worst]:.3g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", default="build/dev/bin/jinx")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("case", nargs="*")
    arguments = parser.parse_args()
    known = dict(cases())
    if unknown := [c for c in arguments.case if c not in known]:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(known)}")
    run = Run(arguments.jinx, arguments.seed)
    for name in arguments.case or known:
        for i, sizes in enumerate(SIZES):
            with tempfile.TemporaryDirectory() as folder:
                run.judge_case(name, known[name], sizes, i % 2 == 1, pathlib.Path(folder))
    print(f"{run.passed} passed, {run.failed} failed")
    return 1 if run.failed or not run.passed else 0


if __name__ == "__main__":
    sys.exit(main())
