#!/usr/bin/env python3
"""Does attention of few queries compute softmax(hole(q·kᵀ))·v on CUDA? Runs under the emulator, against float64.

Queries are 1 to 16, as numbers; batch and keys are symbols, so that keys come in parts: a plan must have two launches, the parts and their
merge, and no product or softmax beside them. Keys are 1, below and beyond a step (128) and a part (512), and more parts than a
round of the merge takes (16). Where keys are few, as a number, one kernel does it.

The tolerance is that of cuda_attention.py: weights are rounded in their part, where they are at most 1, and parts are f32. For bf16 the unit roundoff and
the smallest number are bf16's.

And to the last bit: a sequence alone, and among others.

    cuda_decode.py --jinx build/dev/bin/jinx [--seed N] [CASE…]
"""

import argparse
import collections
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

import attention as base
import cuda_attention
from attention import Case, product, softmax

Decode = collections.namedtuple("Decode", "case sizes element kernels bits", defaults=["f16", 2, False])
KEYS = [(2, 1), (1, 17), (2, 255), (1, 1024), (2, 1025)]


def grouped(m, group, d, heads=2, between=None, x="%s", logits=None, more=None, draw=None):
    """`heads` key heads, each read by `group` query heads, expanded as exporters write it."""
    h, s = heads * group, f"b,{heads * group},{m},n"
    expand = lambda o: [f"%{o}1 = jinx.reshape {{{o}}} : <b,{heads},n,{d}> -> <b,{heads},1,n,{d}>",
                        f"%{o}2 = jinx.broadcast %{o}1 : <b,{heads},1,n,{d}> -> <b,{heads},{group},n,{d}>",
                        f"%{o}3 = jinx.reshape %{o}2 : <b,{heads},{group},n,{d}> -> <b,{h},n,{d}>"]
    lines = [*expand("k"), *expand("v"), f"%s = jinx.matmul {{q}}, %k3 transpose_b : <b,{h},{m},{d}>, <b,{h},n,{d}> -> <{s}>", *(between or []),
             *softmax(x, s), f"%y = jinx.matmul %p, %v3 : <{s}>, <b,{h},n,{d}> -> <b,{h},{m},{d}>"]
    scores = lambda o: product(o["q"], np.repeat(o["k"], group, 1))
    return Case({"q": f"b,{h},{m},{d}", "k": f"b,{heads},n,{d}", "v": f"b,{heads},n,{d}", **(more or {})}, lines,
                (lambda o: logits(scores(o), o)) if logits else scores, h, lambda o: np.repeat(o["v"], group, 1), draw=draw)


def plain(m, heads, d, between=None, x="%s", logits=None, more=None, draw=None):
    s = f"b,{heads},{m},n"
    lines = [f"%s = jinx.matmul {{q}}, {{k}} transpose_b : <b,{heads},{m},{d}>, <b,{heads},n,{d}> -> <{s}>", *(between or []), *softmax(x, s),
             f"%y = jinx.matmul %p, {{v}} : <{s}>, <b,{heads},n,{d}> -> <b,{heads},{m},{d}>"]
    scores = lambda o: product(o["q"], o["k"])
    return Case({"q": f"b,{heads},{m},{d}", "k": f"b,{heads},n,{d}", "v": f"b,{heads},n,{d}", **(more or {})}, lines,
                (lambda o: logits(scores(o), o)) if logits else scores, heads, draw=draw)


def add(s, mask):
    return [f"%x = jinx.add %s, {{mask}} : <{s}>, <{mask}> -> <{s}>"]


def select(s, mask):
    return ["%z = jinx.constant dense<0.0> : tensor<f16>", "%c = jinx.constant dense<0xFC00> : tensor<f16>",
            f"%g = jinx.compare gt, {{mask}}, %z : <{mask}>, tensor<f16> -> <{mask},i1>",
            f"%x = jinx.select %g, %s, %c : <{mask},i1>, <{s}>, tensor<f16> -> <{s}>"]


def hide_most(generator, operands):
    """Whole parts without a key, and all but the last ones of a row."""
    mask = operands["mask"]
    mask[:] = 0
    mask[..., 100:900] = -np.inf
    mask[..., 0::3] = -np.inf
    mask[..., -1] = 0


def below(scores, o):
    m, n = scores.shape[-2:]
    return np.where(np.arange(n)[None, :] <= np.arange(m)[:, None] + n - m, scores, -np.inf)


def cases():
    for d in (64, 96, 128):
        yield f"one_{d}", Decode(plain(1, 2, d), KEYS)
    yield "many_parts", Decode(plain(1, 1, 64), [(1, 5000), (1, 9000)])
    yield "bf16", Decode(grouped(1, 4, 128), KEYS, "bf16")
    for group in (4, 8):
        yield f"group_{group}", Decode(grouped(1, group, 64), KEYS, bits=group == 4)
    for m in (2, 5, 16):
        yield f"queries_{m}", Decode(grouped(m, 4, 64, 1), KEYS)
    yield "not_packed", Decode(grouped(16, 8, 64, 1), [(1, 1025)])  # 128 rows: a tile each
    scale = ["%w = jinx.constant dense<0.125> : tensor<f16>", "%x = jinx.mul %s, %w : <b,8,1,n>, tensor<f16> -> <b,8,1,n>"]
    yield "scale", Decode(grouped(1, 4, 64, 2, scale, "%x", lambda s, o: s / 8), KEYS)
    for m, mask in ((1, "b,1,1,n"), (1, "b,8,1,n"), (1, "8,1,n"), (3, "b,1,3,n")):
        yield f"bias_{m}_{mask.replace(',', '')}", Decode(grouped(m, 4, 64, 2, add(f"b,8,{m},n", mask), "%x", lambda s, o: s + o["mask"], {"mask": mask}), KEYS[1:])
    yield "where", Decode(grouped(1, 4, 64, 2, select("b,8,1,n", "b,1,1,n"), "%x", lambda s, o: np.where(o["mask"] > 0, s, -np.inf), {"mask": "b,1,1,n"},
                                  lambda g, o: o["mask"].__setitem__((Ellipsis, 0), 1)), KEYS[1:])
    yield "hidden_parts", Decode(grouped(1, 4, 64, 2, add("b,8,1,n", "b,1,1,n"), "%x", lambda s, o: s + o["mask"], {"mask": "b,1,1,n"}, hide_most), [(2, 1300)])
    diagonal = ["%i = jinx.iota axis 0 {{start = 5 : i64, step = 1 : i64}} : <3,1,i64>", "%j = jinx.iota axis 1 {{start = 0 : i64, step = 1 : i64}} : <1,n,i64>",
                "%g = jinx.compare le, %j, %i : <1,n,i64>, <3,1,i64> -> <3,n,i1>", "%c = jinx.constant dense<0xFC00> : tensor<f16>",
                "%x = jinx.select %g, %s, %c : <3,n,i1>, <b,2,3,n>, tensor<f16> -> <b,2,3,n>"]
    yield "diagonal", Decode(plain(3, 2, 64, diagonal, "%x", lambda s, o: np.where(np.arange(s.shape[-1])[None, :] <= np.arange(3)[:, None] + 5, s, -np.inf)), KEYS)
    yield "causal", Decode(causal_case(plain, 4, 1025, 2), [(2, 1025)])
    yield "causal_group", Decode(causal_case(lambda m, heads, *a: grouped(m, 4, a[0], heads // 4, *a[1:]), 5, 1026, 8), [(1, 1026)])
    yield "causal_one", Decode(causal_case(lambda m, heads, *a: grouped(m, 4, a[0], heads // 4, *a[1:]), 1, 1026, 8), [(1, 1026)])
    yield "causal_whole", Decode(causal_case(lambda m, heads, *a: grouped(m, 4, a[0], heads // 4, *a[1:]), 5, 260, 8), [(1, 260)], kernels=1)
    yield "few_keys", Decode(fixed(grouped(1, 4, 64), 300), [(2, 300)], kernels=1)
    yield "packed_whole", Decode(fixed(grouped(4, 4, 64), 130), [(2, 130)], kernels=1)
    yield "rows_of_heads", Decode(Case(
        {"q": "b,1,512", "k": "b,n,128", "v": "b,n,128"},
        ["%q1 = jinx.reshape {q} : <b,1,512> -> <b,1,8,64>", "%q2 = jinx.transpose %q1, [0, 2, 1, 3] : <b,1,8,64> -> <b,8,1,64>",
         *(line for o in "kv" for line in (
             f"%{o}0 = jinx.reshape {{{o}}} : <b,n,128> -> <b,n,2,64>", f"%{o}t = jinx.transpose %{o}0, [0, 2, 1, 3] : <b,n,2,64> -> <b,2,n,64>",
             f"%{o}1 = jinx.reshape %{o}t : <b,2,n,64> -> <b,2,1,n,64>", f"%{o}2 = jinx.broadcast %{o}1 : <b,2,1,n,64> -> <b,2,4,n,64>",
             f"%{o}3 = jinx.reshape %{o}2 : <b,2,4,n,64> -> <b,8,n,64>")),
         "%s = jinx.matmul %q2, %k3 transpose_b : <b,8,1,64>, <b,8,n,64> -> <b,8,1,n>", *softmax("%s", "b,8,1,n"),
         "%o = jinx.matmul %p, %v3 : <b,8,1,n>, <b,8,n,64> -> <b,8,1,64>",
         "%o1 = jinx.transpose %o, [0, 2, 1, 3] : <b,8,1,64> -> <b,1,8,64>", "%y = jinx.reshape %o1 : <b,1,8,64> -> <b,1,512>"],
        lambda o: product(split(o["q"]), np.repeat(split(o["k"]), 4, 1)), 8, lambda o: np.repeat(split(o["v"]), 4, 1),
        lambda y, o: np.transpose(y, (0, 2, 1, 3)).reshape(y.shape[0], 1, 512)), KEYS, bits=True)


def split(x):
    return np.transpose(x.reshape(*x.shape[:2], -1, 64), (0, 2, 1, 3))


def causal_case(make, m, n, heads):
    """The last query sees all keys: both as numbers, so that the compiler sees it, too."""
    s = f"b,{heads},{m},{n}"
    lines = [f"%i = jinx.iota axis 0 {{{{start = {n - m} : i64, step = 1 : i64}}}} : <{m},1,i64>", f"%j = jinx.iota axis 1 {{{{start = 0 : i64, step = 1 : i64}}}} : <1,{n},i64>",
             f"%g = jinx.compare le, %j, %i : <1,{n},i64>, <{m},1,i64> -> <{m},{n},i1>", "%c = jinx.constant dense<0xFC00> : tensor<f16>",
             f"%x = jinx.select %g, %s, %c : <{m},{n},i1>, <{s}>, tensor<f16> -> <{s}>"]
    return fixed(make(m, heads, 64, lines, "%x", below), n)


def fixed(case, n):
    """With so many keys, as a number."""
    number = lambda text: re.sub(r"(?<=[<,])n(?=[,>]|$)", str(n), text)
    return case._replace(operands={o: number("<" + sizes + ">")[1:-1] for o, sizes in case.operands.items()}, lines=[number(line) for line in case.lines])


class Run(cuda_attention.Run):
    def judge_decode(self, name, decode, folder):
        text = cuda_attention.module(decode.case)
        if decode.element == "bf16":
            text = text.replace("f16", "bf16")
        (folder / "model.mlir").write_text(text)
        problem = self.call("compile", folder / "model.mlir", "--target", "cuda:sm_90a", "-o", folder / "plan.jxp")
        if problem:
            return self.outcome(False, f"{name} does not compile: {problem}")
        said = subprocess.run([self.jinx, "inspect", str(folder / "plan.jxp")], capture_output=True, text=True).stdout
        steps = re.findall(r"^ *\d+ +(launch|host) +(\S+)", said, re.M)
        kernels = [kernel for _, kernel in steps if "attention" in kernel]
        others = [kernel for kind, kernel in steps if kind == "host" or "matmul" in kernel or "reduce" in kernel]
        self.outcome(len(kernels) == decode.kernels and not others, f"{name}: steps {steps}, expected {decode.kernels} of attention and neither products nor reductions")
        for b, n in decode.sizes:
            self.judge_sizes(name, decode, b, n, folder)

    def judge_sizes(self, name, decode, b, n, folder):
        case, where, at = decode.case, f"{name} b={b} n={n} seed={self.seed}", {"b": b, "n": n}
        generator = np.random.default_rng([self.seed, b, n])
        drawn = {o: generator.standard_normal([eval(d, {}, at) for d in dims.split(",")]).astype(np.float16) for o, dims in case.operands.items()}
        if case.draw:
            case.draw(generator, drawn)
        if decode.element == "bf16":  # eight bits of a half are a bf16
            drawn = {o: (v.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32) for o, v in drawn.items()}
        got = self.result(where, decode, drawn, folder)
        if got is None:
            return
        saved = cuda_attention.U16, cuda_attention.TINY
        if decode.element == "bf16":
            cuda_attention.U16, cuda_attention.TINY = 2.0**-8, 2.0**-133
        want, off = cuda_attention.expected(case, drawn)
        cuda_attention.U16, cuda_attention.TINY = saved
        near = np.abs(got.astype(np.float64) - want) <= off
        worst = np.argmax(np.where(np.isfinite(got), np.abs(got - want) / off, np.inf))
        self.outcome(near.all(), f"{where}: {(~near).sum()} of {near.size}, the worst is {got.flat[worst]!r}, expected {want.flat[worst]!r} ± {off.flat[worst]:.3g}")
        if decode.bits and b > 1:
            for i in range(b):
                own = {o: v[i:i + 1] if case.operands[o].startswith("b,") else v for o, v in drawn.items()}
                alone = self.result(f"{where} sequence {i} alone", decode, own, folder)
                self.outcome(alone is not None and np.array_equal(alone[0], got[i]), f"{where}: sequence {i} is not the same to the last bit alone")

    def result(self, where, decode, drawn, folder):
        arguments = []
        for o, value in drawn.items():
            if decode.element == "bf16":
                value = (value.view(np.uint32) >> 16).astype(np.uint16)
            np.save(folder / f"{o}.npy", value)
            arguments += ["--input", f"{o}={folder}/{o}.npy"]
        problem = self.call("run", folder / "plan.jxp", "--device", "emulated", *arguments, "--output-dir", folder / "out")
        if problem:
            self.outcome(False, f"{where} does not run: {problem}")
            return None
        got = np.load(folder / "out" / "y.npy")
        return (got.view(np.uint16).astype(np.uint32) << 16).view(np.float32) if decode.element == "bf16" else got


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
        with tempfile.TemporaryDirectory() as folder:
            run.judge_decode(name, known[name], pathlib.Path(folder))
    print(f"{run.passed} passed, {run.failed} failed")
    return 1 if run.failed or not run.passed else 0


if __name__ == "__main__":
    sys.exit(main())
