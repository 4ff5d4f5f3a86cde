#!/usr/bin/env python3
"""Does the attention kernel compute softmax(hole(q·kᵀ))·v, for every hole, shape and special number?

One module holds all cases, over the symbols b (batch), m (queries) and n (keys). It is compiled fused for this processor, fused for the
baseline instruction set, and unfused, and run with sizes among which are 0, 1, odd ones, and one beyond a tile of rows (14), a
tile of lanes (32) and a block of keys (256); some sizes also as constants. Each result is compared with a float64 oracle in NumPy.

Tolerance, u being f32's unit roundoff: a logit of d products is off by (d + 4) u of the sum of their sizes and 4 u of its own; a weight
by twice that, 16 u for exp, and u of the logit's distance from the largest; sums of n weights and of n products by n u each. All of it
multiplies sum p |v|, the size of what is added up.

And to the last bit: one thread and two, a sequence alone and in a batch, one query alone and with others. And that there is one attention
kernel a case where fused, none where not.

    attention.py --jinx build/dev/bin/jinx [--seed N] [CASE…]
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

U = 2.0**-24
SIZES = [(1, 0, 3), (2, 3, 0), (0, 2, 2), (1, 1, 1), (2, 5, 7), (1, 15, 257), (2, 14, 256), (3, 1, 300), (1, 29, 33), (1, 40, 513)]
FIXED = [(2, 17, 33), (1, 14, 256), (1, 3, 300), (1, 28, 16)]
LOWEST = -3.4028234663852886e38

# ---- cases -------------------------------------------------------------------------------------------------------------------------
# A case gives its operands {name: sizes, as text over b, m, n}, lines of IR with {name} for an operand and {:name} for a tensor type, and
# the oracle's logits, from float64 operands. q is [b, h, m, d], k [b, h, n, d], v [b, h, n, c] unless its oracle says otherwise.

Case = collections.namedtuple("Case", "operands lines logits heads values context draw", defaults=[lambda o: o["v"], lambda y, o: y, None])


def product(q, k):
    return np.matmul(q, np.swapaxes(k, -1, -2))


def qkv(heads, d, c, keys="n"):
    return {"q": f"b,{heads},m,{d}", "k": f"b,{heads},{keys},{d}", "v": f"b,{heads},{keys},{c}"}


def softmax(x, shape, y="p"):
    row = ",".join(shape.split(",")[:-1]) + ",1"
    return [
        f"%{y}m = jinx.reduce max, {x} axes [{shape.count(',')}] : <{shape}> -> <{row}>",
        f"%{y}s = jinx.sub {x}, %{y}m : <{shape}>, <{row}> -> <{shape}>",
        f"%{y}e = jinx.exp %{y}s : <{shape}> -> <{shape}>",
        f"%{y}l = jinx.reduce sum, %{y}e axes [{shape.count(',')}] : <{shape}> -> <{row}>",
        f"%{y} = jinx.div %{y}e, %{y}l : <{shape}>, <{row}> -> <{shape}>",
    ]


def attention(heads, d, c, between, x):
    """The plain frame: product, lines that make `x` of %s, softmax, product."""
    s = f"b,{heads},m,n"
    return [f"%s = jinx.matmul {{q}}, {{k}} transpose_b : <b,{heads},m,{d}>, <b,{heads},n,{d}> -> <{s}>", *between, *softmax(x, s),
            f"%y = jinx.matmul %p, {{v}} : <{s}>, <b,{heads},n,{c}> -> <b,{heads},m,{c}>"]


def causal(x, low=-np.inf):
    m, n = x.shape[-2:]
    return np.where(np.arange(n)[None, :] <= np.arange(m)[:, None], x, low)


def cases():
    s = "b,2,m,n"
    yield "plain", Case(qkv(2, 32, 32), attention(2, 32, 32, [], "%s"), lambda o: product(o["q"], o["k"]) / 1, 2)
    yield "scale_bias", Case(
        {**qkv(2, 64, 48), "mask": "b,1,1,n"},
        attention(2, 64, 48, ["%c = jinx.constant dense<8.0> : tensor<f32>", f"%t = jinx.div %s, %c : <{s}>, tensor<f32> -> <{s}>",
                              f"%x = jinx.add %t, {{mask}} : <{s}>, <b,1,1,n> -> <{s}>"], "%x"),
        lambda o: product(o["q"], o["k"]) / 8 + o["mask"], 2)
    yield "where", Case(
        {**qkv(2, 5, 7), "mask": "b,1,m,n"},
        attention(2, 5, 7, ["%z = jinx.constant dense<0.0> : tensor<f32>", "%c = jinx.constant dense<0xFF800000> : tensor<f32>",
                            "%g = jinx.compare gt, {mask}, %z : <b,1,m,n>, tensor<f32> -> <b,1,m,n,i1>",
                            f"%x = jinx.select %g, %s, %c : <b,1,m,n,i1>, <{s}>, tensor<f32> -> <{s}>"], "%x"),
        lambda o: np.where(o["mask"] > 0, product(o["q"], o["k"]), -np.inf), 2)
    yield "lowest", Case(  # every other row is masked with the lowest number, which a score does not change: all its weights are equal
        {**qkv(2, 5, 17), "mask": "b,1,m,1"},
        attention(2, 5, 17, [f"%x = jinx.add %s, {{mask}} : <{s}>, <b,1,m,1> -> <{s}>"], "%x"),
        lambda o: np.maximum(product(o["q"], o["k"]) * (o["mask"] == 0) + o["mask"], LOWEST), 2,
        draw=lambda g, o: o["mask"].__setitem__(Ellipsis, np.where(np.arange(o["mask"].shape[2])[:, None] % 2, LOWEST, 0)))
    yield "softcap", Case(
        {**qkv(2, 16, 16), "bias": "2,m,n"},
        attention(2, 16, 16, ["%c = jinx.constant dense<4.0> : tensor<f32>", f"%t = jinx.div %s, %c : <{s}>, tensor<f32> -> <{s}>",
                              f"%h = jinx.tanh %t : <{s}> -> <{s}>", f"%w = jinx.mul %h, %c : <{s}>, tensor<f32> -> <{s}>",
                              f"%x = jinx.add %w, {{bias}} : <{s}>, <2,m,n> -> <{s}>"], "%x"),
        lambda o: 4 * np.tanh(product(o["q"], o["k"]) / 4) + o["bias"], 2)
    yield "causal", Case(
        qkv(2, 32, 32),
        attention(2, 32, 32, ["%i = jinx.iota axis 0 {{start = 0 : i64, step = 1 : i64}} : <m,n,i64>",
                              "%j = jinx.iota axis 1 {{start = 0 : i64, step = 1 : i64}} : <m,n,i64>",
                              "%g = jinx.compare le, %j, %i : <m,n,i64>, <m,n,i64> -> <m,n,i1>",
                              "%c = jinx.constant dense<0xFF800000> : tensor<f32>",
                              f"%x = jinx.select %g, %s, %c : <m,n,i1>, <{s}>, tensor<f32> -> <{s}>"], "%x"),
        lambda o: causal(product(o["q"], o["k"])), 2)
    yield "masked_rows", Case(  # as ONNX's Attention: a row without a key gives zeros
        {**qkv(2, 16, 24), "mask": "b,1,m,n", "row": "b,1,m,1"},
        attention(2, 16, 24, [f"%x = jinx.add %s, {{mask}} : <{s}>, <b,1,m,n> -> <{s}>"], "%x")[:-1]
        + ["%z = jinx.constant dense<0.0> : tensor<f32>", "%g = jinx.compare lt, {row}, %z : <b,1,m,1>, tensor<f32> -> <b,1,m,1,i1>",
           f"%w = jinx.select %g, %z, %p : <b,1,m,1,i1>, tensor<f32>, <{s}> -> <{s}>", f"%y = jinx.matmul %w, {{v}} : <{s}>, <b,2,n,24> -> <b,2,m,24>"],
        lambda o: product(o["q"], o["k"]) + o["mask"], 2, context=lambda y, o: np.where(o["row"] < 0, 0, y), draw=draw_masked_rows)
    split = lambda x, rows, d: np.transpose(x.reshape(*x.shape[:2], 2, d), (0, 2, 1, 3))
    yield "split_heads", Case(  # as exporters write it; the transposes of the queries and of the result belong to the kernel
        {"q": "b,m,24", "k": "b,n,24", "v": "b,n,40"},
        ["%q1 = jinx.reshape {q} : <b,m,24> -> <b,m,2,12>", "%q2 = jinx.transpose %q1, [0, 2, 1, 3] : <b,m,2,12> -> <b,2,m,12>",
         "%k1 = jinx.reshape {k} : <b,n,24> -> <b,n,2,12>", "%k2 = jinx.transpose %k1, [0, 2, 3, 1] : <b,n,2,12> -> <b,2,12,n>",
         "%v1 = jinx.reshape {v} : <b,n,40> -> <b,n,2,20>", "%v2 = jinx.transpose %v1, [0, 2, 1, 3] : <b,n,2,20> -> <b,2,n,20>",
         f"%s = jinx.matmul %q2, %k2 : <b,2,m,12>, <b,2,12,n> -> <{s}>", *softmax("%s", s),
         f"%o = jinx.matmul %p, %v2 : <{s}>, <b,2,n,20> -> <b,2,m,20>",
         "%o1 = jinx.transpose %o, [0, 2, 1, 3] : <b,2,m,20> -> <b,m,2,20>", "%y = jinx.reshape %o1 : <b,m,2,20> -> <b,m,40>"],
        lambda o: product(split(o["q"], "m", 12), split(o["k"], "n", 12)), 2, lambda o: split(o["v"], "n", 20),
        lambda y, o: np.transpose(y, (0, 2, 1, 3)).reshape(y.shape[0], y.shape[2], 40))
    yield "grouped", Case(  # three query heads a key head
        {"q": "b,6,m,16", "k": "b,2,n,16", "v": "b,2,n,16"},
        ["%k1 = jinx.reshape {k} : <b,2,n,16> -> <b,2,1,n,16>", "%k2 = jinx.broadcast %k1 : <b,2,1,n,16> -> <b,2,3,n,16>",
         "%k3 = jinx.reshape %k2 : <b,2,3,n,16> -> <b,6,n,16>",
         "%v1 = jinx.reshape {v} : <b,2,n,16> -> <b,2,1,n,16>", "%v2 = jinx.broadcast %v1 : <b,2,1,n,16> -> <b,2,3,n,16>",
         "%v3 = jinx.reshape %v2 : <b,2,3,n,16> -> <b,6,n,16>",
         "%s = jinx.matmul {q}, %k3 transpose_b : <b,6,m,16>, <b,6,n,16> -> <b,6,m,n>", *softmax("%s", "b,6,m,n"),
         "%y = jinx.matmul %p, %v3 : <b,6,m,n>, <b,6,n,16> -> <b,6,m,16>"],
        lambda o: product(o["q"], np.repeat(o["k"], 3, 1)), 6, lambda o: np.repeat(o["v"], 3, 1))
    yield "shared", Case(  # one k and v for the whole batch, queries made in the kernel
        {"q": "b,2,m,16", "k": "n,16", "v": "1,n,33"},
        ["%c = jinx.constant dense<0.25> : tensor<f32>", "%q1 = jinx.mul {q}, %c : <b,2,m,16>, tensor<f32> -> <b,2,m,16>",
         f"%s = jinx.matmul %q1, {{k}} transpose_b : <b,2,m,16>, <n,16> -> <{s}>", *softmax("%s", s),
         f"%y = jinx.matmul %p, {{v}} : <{s}>, <1,n,33> -> <b,2,m,33>"],
        lambda o: product(o["q"] * 0.25, o["k"]), 2)
    yield "flat_batch", Case(  # the batch is flat for the products, and has heads for the mask
        {"q": "3*b,m,16", "k": "3*b,n,16", "v": "3*b,n,16", "mask": "b,1,1,n"},
        ["%s = jinx.matmul {q}, {k} transpose_b : <3*b,m,16>, <3*b,n,16> -> <3*b,m,n>", "%s1 = jinx.reshape %s : <3*b,m,n> -> <b,3,m,n>",
         "%x1 = jinx.add %s1, {mask} : <b,3,m,n>, <b,1,1,n> -> <b,3,m,n>", "%x = jinx.reshape %x1 : <b,3,m,n> -> <3*b,m,n>",
         *softmax("%x", "3*b,m,n"), "%y = jinx.matmul %p, {v} : <3*b,m,n>, <3*b,n,16> -> <3*b,m,16>"],
        lambda o: product(o["q"], o["k"]) + np.repeat(o["mask"][:, 0], 3, 0), 1)
    yield "epilogue", Case(
        {**qkv(2, 16, 40), "r": "b,2,m,40"},
        attention(2, 16, 40, [], "%s")[:-1] + [f"%o = jinx.matmul %p, {{v}} : <{s}>, <b,2,n,40> -> <b,2,m,40>",
                                               "%a = jinx.add %o, {r} : <b,2,m,40>, <b,2,m,40> -> <b,2,m,40>", "%y = jinx.relu %a : <b,2,m,40> -> <b,2,m,40>"],
        lambda o: product(o["q"], o["k"]), 2, context=lambda y, o: np.maximum(y + o["r"], 0))
    yield "matrix", Case({"q": "m,16", "k": "n,16", "v": "n,16"},
                         ["%s = jinx.matmul {q}, {k} transpose_b : <m,16>, <n,16> -> <m,n>", *softmax("%s", "m,n"),
                          "%y = jinx.matmul %p, {v} : <m,n>, <n,16> -> <m,16>"], lambda o: product(o["q"], o["k"]), 1)
    yield "specials", Case(  # NaN, both infinities, rows of -inf only, blocks of -inf before numbers
        {**qkv(2, 16, 16), "bias": "m,n"}, attention(2, 16, 16, [f"%x = jinx.add %s, {{bias}} : <{s}>, <m,n> -> <{s}>"], "%x"),
        lambda o: product(o["q"], o["k"]) + o["bias"], 2, draw=draw_specials)
    biased = lambda o: product(o["q"], o["k"]) + o["bias"]
    row = "<b,2,m,1>"
    yield "row_numbers", Case(  # the largest logit and the sum are read behind the context, as joins of a ring do; rows without a key are 0
        {**qkv(2, 16, 16), "bias": "m,n"},
        attention(2, 16, 16, [f"%x = jinx.add %s, {{bias}} : <{s}>, <m,n> -> <{s}>"], "%x")[:-1]
        + [f"%o = jinx.matmul %p, {{v}} : <{s}>, <b,2,n,16> -> <b,2,m,16>", "%least = jinx.constant dense<0xFF800000> : tensor<f32>", "%c = jinx.constant dense<0.015625> : tensor<f32>",
           "%z = jinx.constant dense<0.0> : tensor<f32>", f"%g = jinx.compare eq, %pm, %least : {row}, tensor<f32> -> <b,2,m,1,i1>", f"%h = jinx.mul %pm, %c : {row}, tensor<f32> -> {row}",
           f"%w = jinx.exp %h : {row} -> {row}", f"%f = jinx.mul %pl, %w : {row}, {row} -> {row}", f"%t = jinx.mul %o, %f : <b,2,m,16>, {row} -> <b,2,m,16>",
           "%y = jinx.select %g, %z, %t : <b,2,m,1,i1>, tensor<f32>, <b,2,m,16> -> <b,2,m,16>"],
        biased, 2, context=lambda y, o: by_row_numbers(y, biased(o)), draw=draw_specials)


def by_row_numbers(y, x):
    largest = x.max(-1, keepdims=True, initial=-np.inf)
    with np.errstate(invalid="ignore"):
        return np.where(largest == -np.inf, 0, y * np.exp(x - largest).sum(-1, keepdims=True) * np.exp(largest / 64))


def draw_masked_rows(generator, operands):
    """Every third row has no key, and its flag says so; every seventh has none, and its flag does not: NaN."""
    rows = np.arange(operands["row"].shape[2])
    operands["row"][:] = np.where(rows % 3 == 1, -1.0, 1.0)[:, None]
    operands["mask"][:, :, (rows % 3 == 1) | (rows % 7 == 5)] = -np.inf


def draw_specials(generator, operands):
    bias = operands["bias"]
    for row in range(bias.shape[0]):
        kind = row % 6
        if kind == 1 and bias.shape[1]:
            bias[row, generator.integers(bias.shape[1])] = np.nan
        elif kind == 2 and bias.shape[1]:
            bias[row, generator.integers(bias.shape[1])] = np.inf
        elif kind == 3:
            bias[row] = -np.inf
        elif kind == 4:
            bias[row, : bias.shape[1] - 1] = -np.inf
        elif kind == 5:
            bias[row, 1:] = -np.inf


# ---- IR ----------------------------------------------------------------------------------------------------------------------------


def typed(sizes, at=None):
    """"b,2,m,i1" as a tensor type; with the sizes in numbers when `at` gives b, m and n."""
    dims = sizes.split(",")
    element = dims.pop() if dims[-1] in ("i1", "i64") else "f32"
    if at:
        dims = [str(eval(d, {}, at)) for d in dims]
    dynamic = any(not d.isdigit() for d in dims)
    text = "x".join([*(d if d.isdigit() else "?" for d in dims), element])
    return f"tensor<{text}, #jinx.dims<{', '.join(chr(34) + d + chr(34) for d in dims)}>>" if dynamic else f"tensor<{text}>"


def result_sizes(case):
    return re.findall(r"-> <([^>]*)>", case.lines[-1])[-1]


def module(chosen, at=None):
    parameters, lines, results = [], [], []
    for name, case in chosen:
        parameters += [f'%{name}_{o}: {typed(sizes, at)} {{jinx.name = "{name}_{o}"}}' for o, sizes in case.operands.items()]
        for line in case.lines:
            line = line.format(**{o: f"%{name}_{o}" for o in case.operands})
            line = re.sub(r"%(?!" + name + r"_)(\w+)", rf"%{name}__\1", line)
            lines.append(re.sub(r"(?<!tensor)(?<!dense)<([^<>]*)>", lambda match: typed(match.group(1), at), line))
        results.append((f"%{name}__y", typed(result_sizes(case), at), name))
    outputs = ", ".join(f'{type} {{jinx.name = "{name}"}}' for _, type, name in results)
    body = "\n  ".join(lines)
    return (f"func.func @main({', '.join(parameters)}) -> ({outputs}) {{\n  {body}\n"
            f"  return {', '.join(r[0] for r in results)} : {', '.join(r[1] for r in results)}\n}}\n")


# ---- oracle ------------------------------------------------------------------------------------------------------------------------


def expected(case, operands):
    """The result and what it may be off by."""
    o = {k: v.astype(np.float64) for k, v in operands.items()}
    with np.errstate(all="ignore"):
        x, v = case.logits(o), case.values(o)
        p = np.exp(x - x.max(-1, keepdims=True, initial=-np.inf))
        p = p / p.sum(-1, keepdims=True)
        y = np.matmul(p, v)
        sizes = case.logits({k: np.abs(w) if k in "qk" else np.zeros_like(w) for k, w in o.items()})
        finite = np.where(np.isfinite(x), np.abs(x), 0).max(-1, keepdims=True, initial=0)
        spread = np.where(np.isfinite(x), x, 0)
        spread = spread.max(-1, keepdims=True, initial=0) - spread.min(-1, keepdims=True, initial=0)
        d = o["q"].shape[-1]
        logit = ((d + 4) * np.where(np.isfinite(sizes), sizes, 0).max(-1, keepdims=True, initial=0) + 4 * finite) * U
        off = (2 * logit + (2 * x.shape[-1] + 16 + np.minimum(spread, 200)) * U) * np.matmul(p, np.abs(v))
    return case.context(y, o), case.context(np.where(np.isfinite(off), off, 0), {k: np.zeros_like(w) for k, w in o.items()}) + 4 * U * np.abs(case.context(y, o))


class Run:
    def __init__(self, jinx, seed):
        self.jinx, self.seed, self.passed, self.failed = jinx, seed, 0, 0

    def outcome(self, good, problem):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        if not good:
            print("FAIL", problem)

    def call(self, *arguments):
        done = subprocess.run(command_of(self.jinx, *arguments), capture_output=True, text=True)
        return "" if done.returncode == 0 else (done.stderr.strip() or f"exit status {done.returncode}")[-500:]

    def operands(self, chosen, at):
        generator, drawn = np.random.default_rng([self.seed, *at.values()]), {}
        for name, case in chosen:
            o = {k: generator.standard_normal([eval(d, {}, at) for d in sizes.split(",")]).astype(np.float32) for k, sizes in case.operands.items()}
            if case.draw:
                case.draw(generator, o)
            drawn[name] = o
        return drawn

    def results(self, plan, drawn, folder, *options):
        arguments = []
        for name, operands in drawn.items():
            for o, value in operands.items():
                np.save(folder / f"{name}_{o}.npy", value)
                arguments += ["--input", f"{name}_{o}={folder}/{name}_{o}.npy"]
        problem = self.call("run", plan, *arguments, *options, "--output-dir", folder / "out")
        self.outcome(not problem, f"{plan.stem} {options} does not run: {problem}")
        return {name: np.load(folder / "out" / f"{name}.npy") for name in drawn} if not problem else {}

    def judge(self, where, chosen, drawn, results):
        for name, case in chosen:
            if name not in results:
                continue
            (want, off), got = expected(case, drawn[name]), results[name]
            if got.shape != want.shape:
                self.outcome(False, f"{where} {name}: shape {got.shape}, expected {want.shape}")
                continue
            with np.errstate(invalid="ignore"):
                near = (np.abs(got - want) <= off) | (np.isnan(got) & np.isnan(want)) | (got == want)
            worst = "" if near.all() else f": {(~near).sum()} of {near.size}: element {np.unravel_index(np.argmin(near), near.shape)} is {got.flat[np.argmin(near)]!r}, expected {want.flat[np.argmin(near)]!r} ± {off.flat[np.argmin(near)]:.3g}"
            self.outcome(near.all(), f"{where} {name} seed={self.seed}{worst}")

    def same(self, what, a, b):
        self.outcome(a.shape == b.shape and np.array_equal(a.view(np.uint32), b.view(np.uint32)), f"{what}: not the same to the last bit")

    def kernels(self, plan, chosen, fused):
        done = subprocess.run([self.jinx, "inspect", str(plan)], capture_output=True, text=True)
        launches = len(re.findall(r"^ *\d+ +launch +k\d+_attention ", done.stdout, re.M))
        want = len(chosen) if fused else 0
        self.outcome(launches == want, f"{plan.stem}: {launches} launches of attention kernels, expected {want}")

    def symbolic(self, chosen, folder):
        variants = {"fused": [], "baseline": ["--isa", "x86-64"], "unfused": ["--no-fusion"], "disabled": ["--disable-pass", "jinx-form-attention"]}
        (folder / "model.mlir").write_text(module(chosen))
        for variant, options in variants.items():
            problem = self.call("compile", folder / "model.mlir", *options, "-o", folder / f"{variant}.jxp")
            self.outcome(not problem, f"{variant} does not compile: {problem}")
            if problem:
                return
            self.kernels(folder / f"{variant}.jxp", chosen, fused=variant in ("fused", "baseline"))
        for b, m, n in SIZES:
            at = {"b": b, "m": m, "n": n}
            drawn = self.operands(chosen, at)
            for variant in ("fused", "baseline", "unfused"):
                results = self.results(folder / f"{variant}.jxp", drawn, folder, "--threads", 1)
                self.judge(f"{variant} b={b} m={m} n={n}", chosen, drawn, results)
                if variant == "fused" and results:
                    self.invariances(f"b={b} m={m} n={n}", chosen, drawn, results, folder)

    def invariances(self, where, chosen, drawn, results, folder):
        plan = folder / "fused.jxp"
        for name, value in self.results(plan, drawn, folder, "--threads", 2).items():
            self.same(f"{where} {name}: two threads", results[name], value)
        b, m = (drawn["plain"]["q"].shape[i] for i in (0, 2)) if "plain" in drawn else (0, 0)
        if b > 1:
            last = {name: {k: part(v, case.operands[k], "b", b - 1) for k, v in drawn[name].items()} for name, case in chosen}
            for (name, case), value in zip(chosen, self.results(plan, last, folder).values()):
                self.same(f"{where} {name}: a sequence alone", part(results[name], result_sizes(case), "b", b - 1), value)
        if m > 1:
            first = {name: {k: part(v, case.operands[k], "m", 0) for k, v in drawn[name].items()} for name, case in chosen}
            for (name, case), value in zip(chosen, self.results(plan, first, folder).values()):
                self.same(f"{where} {name}: a query alone", part(results[name], result_sizes(case), "m", 0), value)

    def fixed(self, chosen, folder):
        for b, m, n in FIXED:
            at = {"b": b, "m": m, "n": n}
            (folder / "fixed.mlir").write_text(module(chosen, at))
            problem = self.call("compile", folder / "fixed.mlir", "-o", folder / "fixed.jxp")
            self.outcome(not problem, f"b={b} m={m} n={n} in numbers does not compile: {problem}")
            if problem:
                continue
            self.kernels(folder / "fixed.jxp", chosen, fused=True)
            drawn = self.operands(chosen, at)
            self.judge(f"fixed b={b} m={m} n={n}", chosen, drawn, self.results(folder / "fixed.jxp", drawn, folder))


def part(value, sizes, symbol, at):
    """Position `at` of the dimension that is `symbol`, kept as an extent of 1 (of 3 where it is three times the symbol)."""
    for axis, size in enumerate(sizes.split(",")):
        if size == symbol:
            return np.ascontiguousarray(value.take([at], axis))
        if size == f"3*{symbol}":
            return np.ascontiguousarray(value.take(range(3 * at, 3 * at + 3), axis))
    return value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", default="build/dev/bin/jinx")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("case", nargs="*", help="of " + ", ".join(name for name, _ in cases()))
    arguments = parser.parse_args()
    chosen = [(name, case) for name, case in cases() if not arguments.case or name in arguments.case]
    run = Run(arguments.jinx, arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        run.symbolic(chosen, pathlib.Path(folder))
        run.fixed(chosen, pathlib.Path(folder))
    print(f"{run.passed} passed, {run.failed} failed")
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
