#!/usr/bin/env python3
"""Do running sums, scatters, sorts, recurrences and convolutions of bytes on CUDA compute what their references say, in kernels?

The cases are those of graph_ops.py, thinned out by element type, and some with the lengths that matter to a block: more than a warp's row,
more than a tile, rows by the thousand, many updates of one element. Compiled for CUDA, run on the emulated device at several n; oracles and
tolerances are those of graph_ops.py. A step that runs on the host is a failure, but for a case that HOST expects there.

    cuda_ops.py --jinx build/dev/bin/jinx [--seed N] [FAMILY…]
"""

import argparse
import collections
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

import graph_ops
from graph_ops import REFERENCES, Case, Tensor, index

SIZES = [0, 1, 5, 37]
# Cases that run on the host: a key has no room for an element of 64 bits and its position.
HOST = {"TopK": lambda case: case.op == "top_k" and case.inputs[0].dtype.itemsize == 8}


def cumsum(dtype, shape, axis, flags=""):
    x = Tensor(dtype, *shape)
    terms = lambda n, v: (v.shape[axis], np.abs(v).sum(axis).max(initial=0))
    return Case("cumsum", f"jinx.cumsum {{0}} axis {axis} {flags}: {{t0}} -> {{ty}}", [x], x,
                lambda n, v: REFERENCES["cumsum"](v, axis, "exclusive" in flags, "reverse" in flags), terms=terms)


def sums():
    yield from (case for case in graph_ops.sums() if case.inputs[0].dtype != np.dtype("i4"))
    for flags in ("", "exclusive ", "reverse ", "exclusive reverse "):
        for dtype in ("f4", "f2", "i1"):
            for shape in ((3, 512), (2, 513), (2, 2048), (2, "60*n")):
                yield cumsum(dtype, shape, 1, flags)
    yield cumsum("f4", (1101, 40), 1)  # several rows to a block, the last block with less
    yield cumsum("i8", (1101, 40), 0, "reverse ")


def scatters():
    yield from (case for case in graph_ops.scatters() if case.inputs[0].dtype in (np.dtype("f4"), np.dtype("i1"), np.dtype("?")))
    near = lambda g, t, shape: g.uniform(0.9, 1.1, shape) if t.kind == "f" else graph_ops.draw(g, t, shape)
    for kind in graph_ops.reference.COMBINE:
        exact = kind in ("set", "max", "min")
        # Slices of single elements, of a few, of a tile and a half; rows by the hundred, of which many meet; two coordinates.
        for x, i, extents in (((50,), ("20*n", 1), (50,)), ((3000,), (40, 1), (3000,)), ((7, 5), ("11*n", 1), (7,)), ((4, 300), ("6*n", 1), (4,)), ((4, 3, "9*n"), (50, 2), (4, 3))):
            t, low = np.dtype("f4"), np.array(extents)
            u = (*i[:-1], *x[i[-1] :])
            drawn = lambda g, n, sx, si, su, t=t, low=low: [near(g, t, sx), index(g, low, si), near(g, t, su)]
            terms = lambda n, x, i, u, k=kind: (len(i), 1.1 * (len(i) + 1) if k == "add" else 1.1 ** (min(len(i), 300) + 1))
            yield Case("scatter_nd", f"jinx.scatter_nd {kind}, {{0}}, {{1}}, {{2}} : {{t0}}, {{t1}}, {{t2}} -> {{ty}}", [Tensor("f4", *x), Tensor("i8", *i), Tensor("f4", *u)],
                       Tensor("f4", *x), lambda n, v, i, u, k=kind: REFERENCES["scatter_nd"](v, i, u, k), draw=drawn, terms=terms, exact=exact)


def orders():
    eight = (np.dtype("f8"), np.dtype("i8"), np.dtype("u8"))
    yield from (case for index, case in enumerate(graph_ops.orders()) if case.inputs[0].dtype not in eight[1:] and (case.inputs[0].dtype not in eight or index % 4 == 0))
    few = lambda g, n, s: [g.integers(0, 50, s)]
    # Two of three are better than all before: a list of candidates fills up and runs over.
    for flag, sign in (("", 1), ("ascending ", -1)):
        better = lambda g, n, s, sign=sign: [sign * np.where(np.arange(s[1]) % 3 > 0, 1, -1) * np.arange(s[1]) + g.uniform(0, 0.1, s)]
        yield Case("top_k", f"jinx.top_k {{0}} axis 1 {flag}: {{t0}} -> {{ty}}", [Tensor("f4", 2, "200*n")], [Tensor("f4", 2, 5), Tensor("i8", 2, 5)],
                   lambda n, v, f=flag: REFERENCES["top_k"](v, 5, 1, bool(f)), draw=better, exact=True, smallest=1)
    for x, axis, k in (((2, 5000), 1, 7), ((5000,), 0, 1500), ((1, "90*n + 5"), 1, 5), ((3, 2048), 1, 2048)):
        for flag in ("", "ascending "):
            y = [k if d == axis else size for d, size in enumerate(x)]
            yield Case("top_k", f"jinx.top_k {{0}} axis {axis} {flag}: {{t0}} -> {{ty}}", [Tensor("f4", *x)], [Tensor("f4", *y), Tensor("i8", *y)],
                       lambda n, v, a=axis, k=k, f=flag: REFERENCES["top_k"](v, k, a, bool(f)), draw=few, exact=True)


def recurrences():
    yield from graph_ops.recurrences()
    # Few steps and many: weights stay in the cache, or are copied to shared memory, as many gates as fit. Units of a whole warp, and not.
    # The absolute weights of a unit sum up to 1 at most, so that a step passes on no more error than it got.
    for hidden, batch in ((20, 2), (128, 1)):
        gentle = lambda g, n, xw, r, *others: [g.standard_normal(xw), g.uniform(-1, 1, r) / r[-1], *(g.standard_normal(s) / 2 for s in others)]
        terms = lambda n, *xs, h=hidden: ((len(xs[0]) + 1) * (h + 2 * graph_ops.FUNCTION), 4.0)
        ys, state = Tensor("f4", "n", batch, hidden), Tensor("f4", batch, hidden)
        names = "{0}, {1}, {2}, {3} : ({t0}, {t1}, {t2}, {t3}) -> ({ty})"
        yield Case("lstm", f"jinx.lstm {names}", [Tensor("f4", "n", batch, 4 * hidden), Tensor("f4", 4 * hidden, hidden), state, state], [ys, state, state], draw=gentle, terms=terms)
        for flags in ("", "linear_before_reset, reverse"):
            given = [Tensor("f4", "n", batch, 3 * hidden), Tensor("f4", 3 * hidden, hidden), Tensor("f4", 3 * hidden), state]
            attributes = f" {{{{{flags}}}}}" if flags else ""
            yield Case("gru", f"jinx.gru {names.replace(' :', attributes + ' :')}", given, [ys, state],
                       lambda n, *xs, f=flags: REFERENCES["gru"](*xs, reverse="reverse" in f.split(", "), linear_before_reset="linear" in f), draw=gentle, terms=terms)
        # Bytes, a few steps of them: a rounding of h to 8 bits that falls on the other side stays for good.
        weights = np.random.default_rng(7).integers(-128, 128, (4 * hidden, hidden)).astype("f4")
        bytes_of = lambda g, n, xw, r, h, c, s, w=weights: [g.standard_normal(xw), w, g.standard_normal(h) / 2, g.standard_normal(c) / 2, g.uniform(0.5, 1, s) / (128 * w.shape[1])]
        for steps in (3, 6):
            given = [Tensor("f4", steps, batch, 4 * hidden), Tensor("f4", 4 * hidden, hidden, value=weights), state, state, Tensor("f4", 4 * hidden)]
            yield Case("lstm", "jinx.lstm {0}, {1}, {2}, {3}, {4} : ({t0}, {t1}, {t2}, {t3}, {t4}) -> ({ty})", given, [Tensor("f4", steps, batch, hidden), state, state],
                       lambda n, *xs: REFERENCES["lstm"](*xs), draw=bytes_of, terms=terms)


def byte_convolutions():
    """Those of graph_ops.py with constant weights, of one image; sums beyond 2^24, which are two digits'."""
    for case in graph_ops.byte_convolutions():
        if case.inputs[1].value is not None and "channels_last" not in case.line and case.inputs[1].dims[1] < 10:
            yield case
    w = dict(strides=[1, 1], pads=[1, 1, 1, 1], dilations=[1, 1])
    large = np.where(np.random.default_rng(3).random((20, 72, 3, 3)) < 0.01, 5, -121).astype("i1")
    yield Case("conv", f"jinx.conv {{0}}, {{1}} {graph_ops.window_text(**w, group=1)} : {{t0}}, {{t1}} -> {{ty}}", [Tensor("u1", 1, 72, 5, 4), Tensor("i1", 20, 72, 3, 3, value=large)],
               Tensor("i4", 1, 20, 5, 4), lambda n, x, f: REFERENCES["conv"](x, f, **w, group=1), draw=lambda g, n, *shapes: [np.full(shapes[0], 255), large])


FAMILIES = [sums, scatters, orders, recurrences, byte_convolutions]


class Run(graph_ops.Run):
    def run_plan(self, plan, arguments, out):
        return self.call("run", plan, "--device", "emulated", "--threads", 2, *arguments, "--output-dir", out)

    def output(self, *arguments):
        return subprocess.run([self.jinx, *map(str, arguments)], capture_output=True, text=True).stdout

    def family(self, family):
        name, cases = family.__name__, list(family())
        with tempfile.TemporaryDirectory() as work:
            folder = pathlib.Path(work)
            (folder / "model.mlir").write_text(graph_ops.module(cases))
            problem = self.call("compile", folder / "model.mlir", "--target", "cuda:sm_90a", "-o", folder / "plan.jxp")
            if problem:
                self.outcome(False, f"{name} does not compile: {problem}")
                return
            hosted = collections.Counter(re.findall(r"^ *\d+ +host +(\S+)", self.output("inspect", folder / "plan.jxp"), re.M))
            expected = collections.Counter({op: sum(map(is_hosted, cases)) for op, is_hosted in HOST.items()})
            self.outcome(hosted == +expected, f"{name}: on the host run {dict(hosted)}, expected {dict(+expected)}")
            for n in SIZES:
                self.size(name, cases, folder, n)

    def size(self, name, cases, folder, n):
        generator = np.random.default_rng([self.seed, n])
        operands = [case.operands(generator, n) for case in cases]
        arguments = self.save(folder / "n.npy", "n", np.zeros(n, bool))
        for at, values in enumerate(operands):
            for i, value in enumerate(values):
                if cases[at].inputs[i].value is None:
                    arguments += self.save(folder / f"c{at}_x{i}.npy", f"c{at}_x{i}", value)
        problem = self.run_plan(folder / "plan.jxp", arguments, folder / "out")
        self.judge(f"{name} n={n}", cases, operands, n, folder / "out", problem)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", default="build/dev/bin/jinx")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("family", nargs="*", help="of " + ", ".join(family.__name__ for family in FAMILIES))
    arguments = parser.parse_args()
    run = Run(arguments.jinx, None, None, arguments.seed)
    for family in FAMILIES:
        if not arguments.family or family.__name__ in arguments.family:
            run.family(family)
    print(f"{run.passed} passed, {run.failed} failed")
    return run.failed > 0 or run.passed == 0


if __name__ == "__main__":
    sys.exit(main())
