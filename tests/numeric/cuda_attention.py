#!/usr/bin/env python3
"""Does the CUDA attention kernel compute softmax(hole(q·kᵀ))·v on 16-bit floats? Runs under the emulator, against float64.

Each case is a graph of its own; its plan must have one launch of an attention kernel, and no product or softmax beside it. Sizes are odd,
symbolic and constant, below and beyond a step of keys (128) and the rows of a warpgroup (64).

Tolerance, u being f16's unit roundoff and U that of f32: operands are exact. Kernels keep logits in f32: off by (d + 8) U of the sum of their
sizes, and 8 U of its own and of the distance from the largest; the softmax doubles that. The hole's constants are exact powers of two, or
stay within 2^-11 of what is asked (u of the logit). Weights are rounded to f16: u of each, and the smallest number of f16; the result is
rounded once more.

    cuda_attention.py --jinx build/dev/bin/jinx [--seed N] [CASE…]
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

import attention as base
from attention import Case, product, qkv, softmax

U, U16, TINY = 2.0**-24, 2.0**-11, 2.0**-24
SIZES = [(1, 1, 1), (2, 5, 7), (1, 65, 130), (3, 37, 37)]
SQUARE = [(1, 1, 1), (2, 37, 37), (1, 200, 200)]  # where a symbol gives both
LOW = "0xFC00"


def attention(heads, d, between, x):
    return base.attention(heads, d, d, between, x)


def causal_lines(s, columns="n", hidden=LOW, start=0, order="le, %j, %i", chosen="%s, %c"):
    return [f"%i = jinx.iota axis 0 {{{{start = {start} : i64, step = 1 : i64}}}} : <m,1,i64>",
            f"%j = jinx.iota axis 1 {{{{start = 0 : i64, step = 1 : i64}}}} : <1,{columns},i64>",
            f"%g = jinx.compare {order} : " + ("<1,n,i64>, <m,1,i64>" if order.endswith("%i") else "<m,1,i64>, <1,n,i64>").replace("n", columns) + f" -> <m,{columns},i1>",
            f"%c = jinx.constant dense<{hidden}> : tensor<f16>",
            f"%x = jinx.select %g, {chosen} : <m,{columns},i1>, " + (f"<{s}>, tensor<f16>" if chosen.startswith("%s") else f"tensor<f16>, <{s}>") + f" -> <{s}>"]


def cases():
    """Name, case, whether queries are as many as keys."""
    s = "b,2,m,n"
    for d in (16, 64, 128):
        yield f"plain_{d}", Case(qkv(2, d, d), attention(2, d, [], "%s"), lambda o: product(o["q"], o["k"]), 2), False
    yield "scale", Case(qkv(2, 64, 64), attention(2, 64, ["%c = jinx.constant dense<0.125> : tensor<f16>", f"%x = jinx.mul %s, %c : <{s}>, tensor<f16> -> <{s}>"], "%x"),
                        lambda o: product(o["q"], o["k"]) / 8, 2), False
    yield "negative_scale", Case(qkv(2, 64, 64), attention(2, 64, ["%c = jinx.constant dense<-8.0> : tensor<f16>", f"%x = jinx.div %s, %c : <{s}>, tensor<f16> -> <{s}>"], "%x"),
                                 lambda o: product(o["q"], o["k"]) / -8, 2), False
    yield "scale_bias", Case({**qkv(2, 64, 64), "mask": "b,1,1,n"},
                             attention(2, 64, ["%c = jinx.constant dense<8.0> : tensor<f16>", f"%t = jinx.div %s, %c : <{s}>, tensor<f16> -> <{s}>",
                                               f"%x = jinx.add %t, {{mask}} : <{s}>, <b,1,1,n> -> <{s}>"], "%x"),
                             lambda o: product(o["q"], o["k"]) / 8 + o["mask"], 2), False
    yield "where", Case({**qkv(2, 64, 64), "mask": "b,1,m,n"},
                        attention(2, 64, ["%z = jinx.constant dense<0.0> : tensor<f16>", f"%c = jinx.constant dense<{LOW}> : tensor<f16>",
                                          "%g = jinx.compare gt, {mask}, %z : <b,1,m,n>, tensor<f16> -> <b,1,m,n,i1>",
                                          f"%x = jinx.select %g, %s, %c : <b,1,m,n,i1>, <{s}>, tensor<f16> -> <{s}>"], "%x"),
                        lambda o: np.where(o["mask"] > 0, product(o["q"], o["k"]), -np.inf), 2,
                        draw=lambda g, o: o["mask"].__setitem__((Ellipsis, 0), 1)), False
    yield "softcap", Case({**qkv(2, 64, 64), "bias": "2,m,n"},
                          attention(2, 64, ["%c = jinx.constant dense<4.0> : tensor<f16>", f"%t = jinx.div %s, %c : <{s}>, tensor<f16> -> <{s}>",
                                            f"%h = jinx.tanh %t : <{s}> -> <{s}>", f"%w = jinx.mul %h, %c : <{s}>, tensor<f16> -> <{s}>",
                                            f"%x = jinx.add %w, {{bias}} : <{s}>, <2,m,n> -> <{s}>"], "%x"),
                          lambda o: 4 * np.tanh(product(o["q"], o["k"]) / 4) + o["bias"], 2), False
    blind = attention(2, 64, [f"%x = jinx.add %s, {{mask}} : <{s}>, <b,1,m,n> -> <{s}>"], "%x")
    yield "blind_rows", Case({**qkv(2, 64, 64), "mask": "b,1,m,n"}, blind, lambda o: product(o["q"], o["k"]) + o["mask"], 2,  # no key, or none in the first steps: zeros
                             context=lambda y, o: np.nan_to_num(y), draw=draw_blind_rows), False
    below = lambda o, by=0: np.where(np.arange(o["k"].shape[2])[None, :] <= np.arange(o["q"].shape[2])[:, None] + by, product(o["q"], o["k"]), -np.inf)
    yield "causal", Case(qkv(2, 64, 64), attention(2, 64, causal_lines(s), "%x"), below, 2), True
    yield "causal_hidden", Case(qkv(2, 64, 64), attention(2, 64, causal_lines(s, order="lt, %i, %j", chosen="%c, %s", hidden="-65504.0"), "%x"), below, 2), True
    yield "diagonal", Case(qkv(2, 64, 64), attention(2, 64, causal_lines(s, start=3, order="ge, %i, %j"), "%x"), lambda o: below(o, 3), 2), False
    more = "b,2,m,m+5"
    yield "causal_past", Case({"q": "b,2,m,64", "k": "b,2,m+5,64", "v": "b,2,m+5,64"},
                              [f"%s = jinx.matmul {{q}}, {{k}} transpose_b : <b,2,m,64>, <b,2,m+5,64> -> <{more}>", *causal_lines(more, "m+5", start=5, order="ge, %i, %j"),
                               *softmax("%x", more), f"%y = jinx.matmul %p, {{v}} : <{more}>, <b,2,m+5,64> -> <b,2,m,64>"], lambda o: below(o, 5), 2), False
    split = lambda x, d=64: np.transpose(x.reshape(*x.shape[:2], 2, d), (0, 2, 1, 3))
    yield "split_heads", Case(
        {"q": "b,m,128", "k": "b,n,128", "v": "b,n,128"},
        ["%q1 = jinx.reshape {q} : <b,m,128> -> <b,m,2,64>", "%q2 = jinx.transpose %q1, [0, 2, 1, 3] : <b,m,2,64> -> <b,2,m,64>",
         "%k1 = jinx.reshape {k} : <b,n,128> -> <b,n,2,64>", "%k2 = jinx.transpose %k1, [0, 2, 3, 1] : <b,n,2,64> -> <b,2,64,n>",
         "%v1 = jinx.reshape {v} : <b,n,128> -> <b,n,2,64>", "%v2 = jinx.transpose %v1, [0, 2, 1, 3] : <b,n,2,64> -> <b,2,n,64>",
         f"%s = jinx.matmul %q2, %k2 : <b,2,m,64>, <b,2,64,n> -> <{s}>", *softmax("%s", s),
         f"%o = jinx.matmul %p, %v2 : <{s}>, <b,2,n,64> -> <b,2,m,64>",
         "%o1 = jinx.transpose %o, [0, 2, 1, 3] : <b,2,m,64> -> <b,m,2,64>", "%y = jinx.reshape %o1 : <b,m,2,64> -> <b,m,128>"],
        lambda o: product(split(o["q"]), split(o["k"])), 2, lambda o: split(o["v"]),
        lambda y, o: np.transpose(y, (0, 2, 1, 3)).reshape(y.shape[0], y.shape[2], 128)), False
    grouped = next(case for name, case in base.cases() if name == "grouped")
    yield "grouped", grouped._replace(operands={o: sizes.replace(",16", ",64") for o, sizes in grouped.operands.items()},
                                      lines=[line.replace(",16", ",64") for line in grouped.lines]), False
    yield "flat_batch", next(case for name, case in base.cases() if name == "flat_batch"), False
    yield "matrix", next(case for name, case in base.cases() if name == "matrix"), False
    f32 = "b,2,m,n,f32"
    yield "softmax_f32", Case({**qkv(2, 64, 64), "mask": "b,1,1,n"},
                              [f"%s = jinx.matmul {{q}}, {{k}} transpose_b : <b,2,m,64>, <b,2,n,64> -> <{s}>", f"%t = jinx.add %s, {{mask}} : <{s}>, <b,1,1,n> -> <{s}>",
                               f"%x = jinx.cast %t : <{s}> -> <{f32}>", *wide(softmax("%x", s)), f"%h = jinx.cast %p : <{f32}> -> <{s}>",
                               f"%y = jinx.matmul %h, {{v}} : <{s}>, <b,2,n,64> -> <b,2,m,64>"], lambda o: product(o["q"], o["k"]) + o["mask"], 2), False


def draw_blind_rows(generator, operands):
    mask = operands["mask"]
    mask[:] = 0
    mask[:, :, 0::3] = -np.inf
    mask[:, :, 1::3, 1:] = -np.inf


def wide(lines):
    return [re.sub(r"(?<!array)<([^<>:]*)>", r"<\1,f32>", line) for line in lines]


def typed(sizes, at=None):
    dims = sizes.split(",")
    element = dims.pop() if dims[-1] in ("i1", "i64", "f32") else "f16"
    if at:
        dims = [str(eval(d, {}, at)) for d in dims]
    text = "x".join([*(d if d.isdigit() else "?" for d in dims), element])
    return f"tensor<{text}>" if all(d.isdigit() for d in dims) else f"tensor<{text}, #jinx.dims<{', '.join(chr(34) + d + chr(34) for d in dims)}>>"


def module(case, at=None, square=False):
    def of(sizes):
        return typed(re.sub(r"\bn\b", "m", sizes) if square else sizes, at)

    parameters = [f'%{o}: {of(sizes)} {{jinx.name = "{o}"}}' for o, sizes in case.operands.items()]
    lines = [re.sub(r"(?<!tensor)(?<!dense)<([^<>]*)>", lambda match: of(match.group(1)), line.format(**{o: f"%{o}" for o in case.operands})) for line in case.lines]
    result = of(base.result_sizes(case))
    body = "\n  ".join(lines)
    return f'func.func @main({", ".join(parameters)}) -> ({result} {{jinx.name = "y"}}) {{\n  {body}\n  return %y : {result}\n}}\n'


def expected(case, operands):
    o = {k: v.astype(np.float64) for k, v in operands.items()}
    with np.errstate(all="ignore"):
        x, v = case.logits(o), case.values(o)
        p = np.exp(x - x.max(-1, keepdims=True))
        p = p / p.sum(-1, keepdims=True)
        sizes = np.where(np.isfinite(x), np.abs(x), 0).max(-1, keepdims=True)
        absolute = case.logits({k: np.abs(w) if k in "qk" else np.zeros_like(w) for k, w in o.items()})
        sums = np.where(np.isfinite(absolute), np.abs(absolute), 0).max(-1, keepdims=True)
        logit = ((o["q"].shape[-1] + 8) * sums + 24 * sizes) * U
        y = np.matmul(p, v)
        off = (2 * logit + U16 + (2 * x.shape[-1] + 16) * U) * np.matmul(p, np.abs(v)) + TINY * np.abs(v).sum(-2, keepdims=True)
    y, off = case.context(y, o), case.context(off, o)
    return y, off * (1 + U16) + U16 * np.abs(y) + TINY


class Run(base.Run):
    def judge_case(self, name, case, sizes, square, constant, folder):
        at = dict(zip("bmn", sizes))
        where = f"{name} {at} {'in numbers' if constant else 'as symbols'} seed={self.seed}"
        (folder / "model.mlir").write_text(module(case, at if constant else None, square))
        problem = self.call("compile", folder / "model.mlir", "--target", "cuda:sm_90a", "-o", folder / "plan.jxp")
        if problem:
            return self.outcome(False, f"{where} does not compile: {problem}")
        said = subprocess.run([self.jinx, "inspect", str(folder / "plan.jxp")], capture_output=True, text=True).stdout
        steps = re.findall(r"^ *\d+ +(launch|host) +(\S+)", said, re.M)
        kernels = [kernel for _, kernel in steps if "attention" in kernel]
        others = [kernel for kind, kernel in steps if kind == "host" or "matmul" in kernel or "reduce" in kernel]
        self.outcome(len(kernels) == 1 and not others, f"{where}: steps {steps}, expected one attention kernel and neither products nor reductions")
        generator, arguments, drawn = np.random.default_rng([self.seed, *sizes]), [], {}
        for o, dims in case.operands.items():
            drawn[o] = generator.standard_normal([eval(d, {}, at) for d in dims.split(",")]).astype(np.float16)
        if case.draw:
            case.draw(generator, drawn)
        for o, value in drawn.items():
            np.save(folder / f"{o}.npy", value)
            arguments += ["--input", f"{o}={folder}/{o}.npy"]
        problem = self.call("run", folder / "plan.jxp", "--device", "emulated", *arguments, "--output-dir", folder / "out")
        if problem:
            return self.outcome(False, f"{where} does not run: {problem}")
        got, (want, off) = np.load(folder / "out" / "y.npy").astype(np.float64), expected(case, drawn)
        if got.shape != want.shape:
            return self.outcome(False, f"{where}: shape {got.shape}, expected {want.shape}")
        near = np.abs(got - want) <= off
        worst = np.argmax(np.where(np.isfinite(got), np.abs(got - want) / off, np.inf))
        self.outcome(near.all(), f"{where}: {(~near).sum()} of {near.size}, the worst is {got.flat[worst]!r}, expected {want.flat[worst]!r} ± {off.flat[worst]:.3g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", default="build/dev/bin/jinx")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("case", nargs="*")
    arguments = parser.parse_args()
    known = {name: (case, square) for name, case, square in cases()}
    if unknown := [c for c in arguments.case if c not in known]:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(known)}")
    run = Run(arguments.jinx, arguments.seed)
    for name in arguments.case or known:
        case, square = known[name]
        for i, sizes in enumerate(SQUARE if square else SIZES):
            with tempfile.TemporaryDirectory() as folder:
                run.judge_case(name, case, sizes, square, i % 2 == 1, pathlib.Path(folder))
    print(f"{run.passed} passed, {run.failed} failed")
    return 1 if run.failed or not run.passed else 0


if __name__ == "__main__":
    sys.exit(main())
